//! Excerpts of responses for error messages, without possible secrets.

use serde_json::Value;

use crate::Secret;

/// The length of an excerpt in characters.
const MAX_EXCERPT: usize = 200;

/// The replacement of removed text.
const HIDDEN: &str = "…";

/// A JSON field whose name contains one of these holds a secret.
const SECRET_NAMES: [&str; 7] = [
    "token", "enr", "password", "secret", "key", "session", "auth",
];

/// The kind of text that contains a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A message for people, in which `UserNameOrPasswordError` is not a secret.
    Message,
    /// Other text.
    Any,
}

/// Returns the beginning of a body as one line. `sent` are the secrets of the request.
pub(crate) fn body(body: &[u8], sent: &[&Secret]) -> String {
    if body.is_empty() {
        return "an empty body".to_owned();
    }
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(mut json) => {
            hide_fields(&mut json);
            json.to_string()
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    shorten(&hide_words(without(text, sent), Source::Any))
}

/// Returns the beginning of a message for people as one line.
pub(crate) fn message(text: &str, sent: &[&Secret]) -> String {
    shorten(&hide_words(without(text.to_owned(), sent), Source::Message))
}

/// Removes the values of fields with [`SECRET_NAMES`]. The JSON parser limits the depth.
fn hide_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let is_secret = SECRET_NAMES.iter().any(|secret| name.contains(secret));
                if is_secret && (value.is_string() || value.is_number()) {
                    *value = Value::from(HIDDEN);
                } else {
                    hide_fields(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_fields),
        _ => {}
    }
}

/// Removes the secrets of the request.
fn without(mut text: String, sent: &[&Secret]) -> String {
    for secret in sent.iter().map(|secret| secret.reveal()) {
        // The empty string is contained in every text.
        if !secret.is_empty() && text.contains(secret) {
            text = text.replace(secret, HIDDEN);
        }
    }
    text
}

/// Removes words that look like tokens, hashes, ENRs or UIDs.
fn hide_words(text: String, source: Source) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(is_separator).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        out += if looks_secret(word, source) {
            HIDDEN
        } else {
            word
        };
        let end = more.find(|c| !is_separator(c)).unwrap_or(more.len());
        let (separators, more) = more.split_at(end);
        out += separators;
        rest = more;
    }
    out
}

/// Returns `true` for a character that ends a word. `+ / = & - .` occur in tokens and ENRs.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || "\"'`<>(){}[],:;…".contains(c)
}

/// Returns `true` if a word may be a secret. An ENR has 16 characters or more, and ordinary words
/// rarely contain digits or inner capitals.
fn looks_secret(word: &str, source: Source) -> bool {
    let len = word.chars().count();
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.');
    let capitals_within = word.chars().skip(1).any(char::is_uppercase);
    match len {
        ..12 => false,
        12..16 => !word.chars().all(plain),
        16..32 => !word.chars().all(plain) || (capitals_within && source == Source::Any),
        32.. => true,
    }
}

/// Returns one line of at most [`MAX_EXCERPT`] characters, without control characters.
fn shorten(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    if let Some((end, _)) = line.char_indices().nth(MAX_EXCERPT) {
        line.truncate(end);
        line += HIDDEN;
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_is_kept() {
        for (body, excerpt) in [
            ("", "an empty body"),
            (
                "<html>\n<title>502 Bad Gateway</title>\u{1b}[2J",
                "<html> <title>502 Bad Gateway</title>\\u{1b}[2J",
            ),
            (
                r#"{"message":"Forbidden","requestId":"0a1b2c3d-4e5f"}"#,
                r#"{"message":"Forbidden","requestId":"…"}"#,
            ),
            (
                r#"{"access_token":"x","list":[{"enr":"short","mfa_options":null}]}"#,
                r#"{"access_token":"…","list":[{"enr":"…","mfa_options":null}]}"#,
            ),
        ] {
            assert_eq!(super::body(body.as_bytes(), &[]), excerpt);
        }
        let refusal = "UserNameOrPasswordError: invalid credentials for me@example.com";
        assert_eq!(
            message(refusal, &[&Secret::new("me@example.com")]),
            "UserNameOrPasswordError: invalid credentials for …"
        );
    }

    #[test]
    fn long_text_is_shortened() {
        let long = "word ".repeat(1000);
        assert_eq!(body(long.as_bytes(), &[]).chars().count(), MAX_EXCERPT + 1);
    }

    proptest! {
        /// In text, under any name and in an array.
        #[test]
        fn secrets_are_removed(
            // With a digit or an inner capital, like nearly all secrets.
            secret in "[A-Za-z0-9+/]{5}[A-Z0-9][A-Za-z0-9+/=_.-]{10,60}",
            name in "[a-z_]{1,12}",
            before in "[ a-z]{0,20}",
        ) {
            let json = serde_json::json!({ &name: [secret, { &name: secret }], "sent": secret });
            for body in [json.to_string(), format!("{before} {secret} {before}"), format!("<{secret}>")] {
                let shown = super::body(body.as_bytes(), &[]);
                prop_assert!(!shown.contains(&secret), "{shown}");
                prop_assert!(!shown.contains(&secret[..12]), "{shown}");
            }
        }

        #[test]
        fn secrets_of_the_request_are_removed(sent in "[a-z]{8,10}", around in "[^a-z]{0,30}") {
            let sent = Secret::new(sent);
            let shown = message(&format!("{around}{}{around}", sent.reveal()), &[&sent]);
            prop_assert!(!shown.contains(sent.reveal()), "{shown}");
        }

        #[test]
        fn any_bytes_become_one_short_line(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let shown = super::body(&body, &[]);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.chars().count() <= MAX_EXCERPT + 1);
        }
    }
}
