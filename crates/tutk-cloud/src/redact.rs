//! Answers that are shown to people: short, and without what may be secret.

use serde_json::Value;

use crate::Secret;

/// How much is shown, in characters.
const SHOWN: usize = 200;

/// What stands where something was left out.
const HIDDEN: &str = "…";

/// Names of JSON fields that hold secrets have one of these in them.
const SECRET_NAMES: [&str; 7] = [
    "token", "enr", "password", "secret", "key", "session", "auth",
];

/// How a word of an answer is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    /// In a text that the server means for people: `UserNameOrPasswordError` is no secret.
    Message,
    /// Anywhere else.
    Any,
}

/// The beginning of a body, as one line. `sent` are the secrets that were in the request.
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
    shorten(&hide_words(without(text, sent), Words::Any))
}

/// What the server says to people, as one line.
pub(crate) fn message(text: &str, sent: &[&Secret]) -> String {
    shorten(&hide_words(without(text.to_owned(), sent), Words::Message))
}

/// Takes the values of fields with telling names out. The depth is the JSON parser's limit at most.
fn hide_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let telling = SECRET_NAMES.iter().any(|secret| name.contains(secret));
                if telling && (value.is_string() || value.is_number()) {
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

/// Takes what we sent ourselves out.
fn without(mut text: String, sent: &[&Secret]) -> String {
    for secret in sent.iter().map(|secret| secret.reveal()) {
        // An empty one would be everywhere.
        if !secret.is_empty() && text.contains(secret) {
            text = text.replace(secret, HIDDEN);
        }
    }
    text
}

/// Takes words out that look like tokens, hashes, ENRs or UIDs.
fn hide_words(text: String, words: Words) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let end = rest.find(is_between).unwrap_or(rest.len());
        let (word, more) = rest.split_at(end);
        out += if looks_secret(word, words) {
            HIDDEN
        } else {
            word
        };
        let between = more.find(|c| !is_between(c)).unwrap_or(more.len());
        let (between, more) = more.split_at(between);
        out += between;
        rest = more;
    }
    out
}

/// What ends a word. Not `+ / = & - .`, which stand in tokens and ENRs.
fn is_between(c: char) -> bool {
    c.is_whitespace() || "\"'`<>(){}[],:;…".contains(c)
}

/// An ENR has 16 characters or more; a word for people seldom has a digit, or capitals within.
fn looks_secret(word: &str, words: Words) -> bool {
    let len = word.chars().count();
    let plain = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '-' | '.');
    let capitals_within = word.chars().skip(1).any(char::is_uppercase);
    match len {
        ..12 => false,
        12..16 => !word.chars().all(plain),
        16..32 => !word.chars().all(plain) || (capitals_within && words == Words::Any),
        32.. => true,
    }
}

/// One line of so many characters at most, with nothing that a terminal would act on.
fn shorten(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim().chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    if let Some((end, _)) = line.char_indices().nth(SHOWN) {
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
    fn what_it_is_about_stays() {
        for (body, shown) in [
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
            assert_eq!(super::body(body.as_bytes(), &[]), shown);
        }
        let refusal = "UserNameOrPasswordError: invalid credentials for me@example.com";
        assert_eq!(
            message(refusal, &[&Secret::new("me@example.com")]),
            "UserNameOrPasswordError: invalid credentials for …"
        );
    }

    #[test]
    fn it_is_short() {
        let long = "word ".repeat(1000);
        assert_eq!(body(long.as_bytes(), &[]).chars().count(), SHOWN + 1);
    }

    proptest! {
        /// Wherever a secret of the usual forms stands: in text, under any name, in an array.
        #[test]
        fn no_secret_is_shown(
            // At least a digit, or a capital behind the first character, as nearly all have.
            secret in "[A-Za-z0-9+/]{5}[A-Z0-9][A-Za-z0-9+/=_.-]{10,60}",
            name in "[a-z_]{1,12}",
            before in "[ a-z]{0,20}",
        ) {
            let json = serde_json::json!({ &name: [secret, { &name: secret }], "sent": secret });
            for body in [json.to_string(), format!("{before} {secret} {before}"), format!("<{secret}>")] {
                let shown = super::body(body.as_bytes(), &[]);
                prop_assert!(!shown.contains(&secret), "{shown}");
                // Nor enough of it to be of use.
                prop_assert!(!shown.contains(&secret[..12]), "{shown}");
            }
        }

        /// Whatever we sent is taken out in whatever it comes back.
        #[test]
        fn what_was_sent_does_not_come_back(sent in "[a-z]{8,10}", around in "[^a-z]{0,30}") {
            let sent = Secret::new(sent);
            let shown = message(&format!("{around}{}{around}", sent.reveal()), &[&sent]);
            prop_assert!(!shown.contains(sent.reveal()), "{shown}");
        }

        #[test]
        fn any_bytes_are_one_short_line(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let shown = super::body(&body, &[]);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.chars().count() <= SHOWN + 1);
        }
    }
}
