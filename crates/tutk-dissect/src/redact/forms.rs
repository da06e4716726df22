//! The ways to write a secret.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A byte string to search for, and its replacement of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    real: Vec<u8>,
    fake: Vec<u8>,
    /// An address as text: it must not be a part of a longer one.
    is_address: bool,
}

impl Form {
    pub(super) fn exact(real: &[u8], fake: &[u8]) -> Self {
        Self {
            real: real.to_vec(),
            fake: fake.to_vec(),
            is_address: false,
        }
    }

    pub(super) fn address(real: &str, fake: &str) -> Self {
        Self {
            is_address: true,
            ..Self::exact(real.as_bytes(), fake.as_bytes())
        }
    }

    pub(super) fn real(&self) -> &[u8] {
        &self.real
    }

    /// Returns `true` if there is nothing to replace.
    pub(super) fn is_empty(&self) -> bool {
        self.real.is_empty() || self.real.len() != self.fake.len() || self.real == self.fake
    }

    /// Replaces all occurrences that are not part of an earlier replacement.
    pub(super) fn replace(&self, bytes: &mut [u8], done: &mut [bool]) {
        let len = self.real.len();
        let mut at = 0;
        while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, &self.real)) {
            at += found;
            let range = at..at + len;
            let is_free = done
                .get(range.clone())
                .is_some_and(|done| !done.contains(&true));
            let is_whole = !self.is_address || is_whole_address(bytes, at, len);
            if let Some(target) = bytes.get_mut(range.clone()).filter(|_| is_free && is_whole) {
                target.copy_from_slice(&self.fake);
                if let Some(done) = done.get_mut(range) {
                    done.fill(true);
                }
                at += len;
            } else {
                at += 1;
            }
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// Returns `true` if no further digit belongs to the address at `at`.
fn is_whole_address(bytes: &[u8], at: usize, len: usize) -> bool {
    let continues = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    !continues(before) && !continues(bytes.get(at + len))
}

/// Returns the forms of a text: itself, in hex, Base64, percent-encoded and JSON-escaped.
///
/// The fake has the same class of character at each place, so that all forms keep their length.
pub(super) fn forms(real: &[u8], fake: &[u8]) -> Vec<Form> {
    let mut forms = vec![Form::exact(real, fake)];
    let mut both = |encode: &dyn Fn(&[u8]) -> Vec<u8>| {
        forms.push(Form::exact(&encode(real), &encode(fake)));
    };
    both(&|bytes| hex(bytes, b"0123456789abcdef"));
    both(&|bytes| hex(bytes, b"0123456789ABCDEF"));
    both(&|bytes| percent(bytes, b"0123456789ABCDEF"));
    both(&|bytes| percent(bytes, b"0123456789abcdef"));
    both(&|bytes| json(bytes));
    both(&|bytes| bytes.to_ascii_lowercase());
    both(&|bytes| bytes.to_ascii_uppercase());
    for engine in [&STANDARD, &URL_SAFE] {
        for offset in 0..3 {
            both(&|bytes| base64_inside(engine, bytes, offset));
        }
    }
    forms
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let digit = |value: u8| digits.get(usize::from(value)).copied().unwrap_or(b'0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Percent-encodes everything but the unreserved characters (RFC 3986, section 2.3).
fn percent(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.push(b'%');
            out.extend(hex(&[byte], digits));
        }
    }
    out
}

/// Escapes a text as cameras write it, with `\/`.
fn json(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\' | b'/') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out
}

/// Returns the characters of the Base64 of a longer text that depend on `bytes` alone, if `offset`
/// bytes modulo 3 are before them.
fn base64_inside(engine: &base64::engine::GeneralPurpose, bytes: &[u8], offset: usize) -> Vec<u8> {
    let mut text = vec![0; offset];
    text.extend_from_slice(bytes);
    let bits = text.len() * 8;
    let encoded = engine.encode(&text);
    // Characters that contain bits of neighbours are left out.
    let first = (offset * 8).div_ceil(6);
    let last = bits / 6;
    let inside = encoded.as_bytes().get(first..last).unwrap_or_default();
    // A shorter piece would be found everywhere by chance.
    if inside.len() < 6 {
        Vec::new()
    } else {
        inside.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &[u8] = b"aKzd+ckq/8HUHF&5";
    const FAKE: &[u8] = b"xQwe+rtz/3POIU&7";

    #[test]
    fn every_form_is_replaced_and_keeps_its_length() {
        let forms = forms(REAL, FAKE);
        let replaced = |text: &[u8]| {
            let mut bytes = text.to_vec();
            let mut done = vec![false; bytes.len()];
            for form in &forms {
                form.replace(&mut bytes, &mut done);
            }
            bytes
        };
        assert_eq!(replaced(b"--aKzd+ckq/8HUHF&5--"), b"--xQwe+rtz/3POIU&7--");
        assert_eq!(
            replaced(b"enr=aKzd%2Bckq%2F8HUHF%265"),
            b"enr=xQwe%2Brtz%2F3POIU%267"
        );
        assert_eq!(
            replaced(br#""aKzd+ckq\/8HUHF&5""#),
            br#""xQwe+rtz\/3POIU&7""#
        );
        let hex_of = |bytes| hex(bytes, b"0123456789abcdef");
        assert_eq!(replaced(&hex_of(REAL)), hex_of(FAKE));
        for prefix in ["", "a", "ab"] {
            let encode =
                |middle: &[u8]| STANDARD.encode([prefix.as_bytes(), middle, b"xyz"].concat());
            let text = replaced(encode(REAL).as_bytes());
            assert_eq!(text.len(), encode(REAL).len());
            let decoded = STANDARD.decode(&text).unwrap();
            let inner = &decoded[prefix.len() + 1..prefix.len() + REAL.len() - 1];
            assert_eq!(inner, &FAKE[1..FAKE.len() - 1], "{prefix}");
        }
    }

    #[test]
    fn addresses_are_replaced_as_a_whole_only() {
        let form = Form::address("192.168.1.2", "192.168.7.5");
        let replaced = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            let mut done = vec![false; bytes.len()];
            form.replace(&mut bytes, &mut done);
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(replaced("192.168.1.2:32761"), "192.168.7.5:32761");
        assert_eq!(replaced("192.168.1.20"), "192.168.1.20");
        assert_eq!(replaced("2192.168.1.2"), "2192.168.1.2");
    }
}
