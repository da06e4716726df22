//! Positions and encoding of the parameters in the text of a `wyze://` address.

use std::ops::Range;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Percent-encodes a value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Decodes a value.
pub(super) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns the range of a parameter's value by the rules of `tutk_session::CameraUrl`: the first
/// with that name, in any case.
pub(super) fn parameter(url: &str, name: &str) -> Option<Range<usize>> {
    let (before, query) = url.split_once('?')?;
    let query = query.split('#').next()?;
    let mut at = before.len() + 1;
    for pair in query.split('&') {
        if let Some((key, value)) = pair.split_once('=')
            && key.eq_ignore_ascii_case(name)
        {
            let start = at + key.len() + 1;
            return Some(start..start + value.len());
        }
        at += pair.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameters() {
        let url = "wyze://h?uid=U&x&ENR=a%2Bb&enr=c#enr=d";
        let value = |name| parameter(url, name).map(|place| &url[place]);
        assert_eq!(value("enr"), Some("a%2Bb"));
        assert_eq!(value("uid"), Some("U"));
        assert_eq!((value("x"), value("mac")), (None, None));
        assert_eq!(parameter("wyze://enr=a", "enr"), None);
        assert_eq!(decode("a%2Bb+"), "a+b+");
        assert_eq!(decode(&encode("a+/&=%é")), "a+/&=%é");
    }
}
