//! Derives names of cameras from their nicknames in the vendor's app.

/// The name for a nickname without usable characters.
const NAMELESS: &str = "camera";

/// Converts a nickname to lower-case ASCII letters and digits, separated by `-`.
pub(super) fn name_for(nickname: &str) -> String {
    let mut name = String::new();
    for c in nickname.chars().flat_map(char::to_lowercase) {
        let plain = plain(c);
        if plain.is_empty() {
            if !name.is_empty() && !name.ends_with('-') {
                name.push('-');
            }
        } else {
            name.extend(plain);
        }
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() { NAMELESS } else { name }.to_owned()
}

/// Appends a number if the name is already taken.
pub(super) fn unique(name: &str, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.iter().any(|taken| taken.eq_ignore_ascii_case(name));
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(is_free)
        // There are more numbers than cameras.
        .unwrap_or_default()
}

/// Removes the diacritics of a Latin-1 letter. Returns `None` for other characters.
fn plain(c: char) -> Vec<char> {
    let letters = match c {
        'a'..='z' | '0'..='9' => return vec![c],
        'à'..='å' => "a",
        'æ' => "ae",
        'ç' => "c",
        'è'..='ë' => "e",
        'ì'..='ï' => "i",
        'ñ' => "n",
        'ò'..='ö' | 'ø' => "o",
        'ù'..='ü' => "u",
        'ý' | 'ÿ' => "y",
        'ß' => "ss",
        _ => "",
    };
    letters.chars().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn derives_names_from_nicknames() {
        for (nickname, name) in [
            ("Front Door", "front-door"),
            ("  Garage #2 (left) ", "garage-2-left"),
            ("Küche/Straße", "kuche-strasse"),
            ("wyze://cam", "wyze-cam"),
            ("玄関", "camera"),
            ("", "camera"),
            ("玄関 2", "2"),
        ] {
            assert_eq!(name_for(nickname), name, "{nickname}");
        }
    }

    #[test]
    fn numbers_a_taken_name() {
        let taken = ["door", "Door-2", "yard"].map(str::to_owned);
        assert_eq!(unique("door", &taken), "door-3");
        assert_eq!(unique("attic", &taken), "attic");
    }

    proptest! {
        /// A derived name needs no quotes in the file and never looks like an address.
        #[test]
        fn derives_a_bare_key_from_any_nickname(nickname in "\\PC{0,40}") {
            let name = name_for(&nickname);
            prop_assert!(!name.is_empty());
            prop_assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-'));
        }
    }
}
