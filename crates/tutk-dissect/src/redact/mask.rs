//! Replaces personal data that is not known in advance: texts, and the values of JSON documents.

use super::fakes::Fakes;

/// The shortest run of printable characters that is taken for a text.
const MIN_TEXT: usize = 4;

/// The longest number in a JSON document that is kept, in characters. Longer ones may be account
/// numbers.
const MAX_NUMBER: usize = 6;

/// The keys of K10003 and K10020 whose values describe the camera, not its owner
/// (docs/protocol.md, section 14).
const TECHNICAL: [&str; 24] = [
    "audio",
    "bitRate",
    "channelRequestResult",
    "channelResquestResult",
    "codec",
    "connectionRes",
    "firmware",
    "firmwareVer",
    "fps",
    "hardware",
    "hardwareVer",
    "logSdkVersion",
    "mcuVer",
    "model",
    "online",
    "productModel",
    "resolution",
    "sampleRate",
    "samplesRate",
    "tier",
    "type",
    "ver",
    "version",
    "video",
];

/// Replaces the printable runs of `bytes` that are not done yet.
pub(super) fn texts(fakes: &mut Fakes, bytes: &mut [u8], done: &mut [bool]) {
    let is_text = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let mut at = 0;
    while at < bytes.len() {
        let free = |at: usize| {
            let byte = bytes.get(at).is_some_and(|&byte| is_text(byte));
            byte && done.get(at) == Some(&false)
        };
        let len = (at..bytes.len()).take_while(|&at| free(at)).count();
        if len >= MIN_TEXT {
            value(fakes, bytes, done, at, len);
        }
        at += len.max(1);
    }
}

/// Replaces the values of a JSON document. The document stays valid, and keeps its length.
///
/// It is scanned, not parsed, so that a damaged document is redacted as well.
pub(super) fn json(fakes: &mut Fakes, bytes: &mut [u8], done: &mut [bool]) {
    let mut at = 0;
    let mut key = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' {
            let start = at + 1;
            let len = string_len(bytes.get(start..).unwrap_or_default());
            at = start + len + 1;
            let text = bytes.get(start..start + len).unwrap_or_default();
            let rest = bytes.get(at..).unwrap_or_default();
            let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
            if next == Some(&b':') {
                key = text.to_vec();
            } else if !is_technical(&key, text) {
                unescape(bytes, done, start, len);
                value(fakes, bytes, done, start, len);
            }
        } else if byte.is_ascii_digit() {
            let rest = bytes.get(at..).unwrap_or_default();
            let is_number = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
            let len = rest.iter().take_while(is_number).count();
            if len > MAX_NUMBER {
                number(fakes, bytes, done, at, len);
            }
            at += len;
        } else {
            at += 1;
        }
    }
}

/// Returns `true` if the value says nothing about the camera's owner.
fn is_technical(key: &[u8], text: &[u8]) -> bool {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let is_short = text.len() <= MAX_NUMBER && text.iter().all(is_number);
    is_short
        || TECHNICAL
            .iter()
            .any(|technical| technical.as_bytes() == key)
}

/// Replaces escape sequences by letters, because a fake would break them.
fn unescape(bytes: &mut [u8], done: &[bool], start: usize, len: usize) {
    for at in start..start + len {
        let is_escape = bytes.get(at) == Some(&b'\\') && done.get(at) == Some(&false);
        if let Some(escape) = bytes.get_mut(at..start + len).filter(|_| is_escape) {
            escape.iter_mut().take(2).for_each(|byte| *byte = b'x');
        }
    }
}

/// Returns the length of a JSON string up to its closing quote.
fn string_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Replaces the free bytes of a value.
fn value(fakes: &mut Fakes, bytes: &mut [u8], done: &mut [bool], at: usize, len: usize) {
    let range = at..at + len;
    let (Some(bytes), Some(done)) = (bytes.get_mut(range.clone()), done.get_mut(range)) else {
        return;
    };
    if !done.contains(&true) {
        bytes.copy_from_slice(&fakes.of(bytes));
    } else {
        // A part is a known secret, which was replaced before.
        let fake = fakes.derive(bytes);
        for ((byte, fake), done) in bytes.iter_mut().zip(fake).zip(done.iter()) {
            if !done {
                *byte = fake;
            }
        }
    }
    done.fill(true);
}

/// Replaces the digits of a number. The first one stays different from zero.
fn number(fakes: &mut Fakes, bytes: &mut [u8], done: &mut [bool], at: usize, len: usize) {
    value(fakes, bytes, done, at, len);
    if let Some(first @ b'0') = bytes.get_mut(at) {
        *first = b'1';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str, mask: fn(&mut Fakes, &mut [u8], &mut [bool])) -> String {
        let mut fakes = Fakes::new([7; 32]);
        let mut bytes = text.as_bytes().to_vec();
        let mut done = vec![false; bytes.len()];
        mask(&mut fakes, &mut bytes, &mut done);
        assert_eq!(bytes.len(), text.len());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_keeps_technical_values_and_its_structure() {
        let text = r#"{"connectionRes":"1","cameraInfo":{"videoParm":{"type":"H264","fps":"20"},
            "basicInfo":{"model":"HL_CAM4","ssid":"Our \"Home\"","mac":"AABBCCDDEEFF","owner":12345678901,"wifi":-62}}}"#;
        let redacted = redacted(text, json);
        let json: serde_json::Value = serde_json::from_str(&redacted).unwrap();
        assert_eq!(json["connectionRes"], "1");
        assert_eq!(json["cameraInfo"]["videoParm"]["type"], "H264");
        let info = &json["cameraInfo"]["basicInfo"];
        assert_eq!(
            (&info["model"], &info["wifi"]),
            (&"HL_CAM4".into(), &(-62).into())
        );
        for secret in ["Our", "Home", "AABBCCDDEEFF", "12345678901"] {
            assert!(!redacted.contains(secret), "{redacted}");
        }
        assert!(info["owner"].is_u64(), "{redacted}");
    }

    #[test]
    fn damaged_json_is_redacted() {
        for text in [
            r#"{"ssid":"Our Home"#,
            r#"{"ssid":"Our Home\"#,
            r#""ssid" : "Our Home"]"#,
        ] {
            let redacted = redacted(text, json);
            assert!(
                redacted.contains("ssid") && !redacted.contains("Home"),
                "{redacted}"
            );
        }
    }

    #[test]
    fn texts_in_binary_are_replaced() {
        let redacted = redacted("\0\0Our Home\0ab\0", texts);
        assert!(redacted.starts_with("\0\0") && redacted.ends_with("\0ab\0"));
        assert!(
            !redacted.contains("Our") && !redacted.contains("Home"),
            "{redacted:?}"
        );
    }
}
