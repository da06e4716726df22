//! The identity and keys of a camera, and the keys derived from them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dtls_psk::Psk;
use hl_ioctl::Enr;
use sha2::{Digest as _, Sha256};
use tutk_frame::{AuthKey, Uid};
use zeroize::Zeroize as _;

use crate::dialect::KeyRule;
use crate::psk;

/// The identity and keys of a camera (docs/protocol.md, section 4).
///
/// Tools that read the vendor's cloud account show UID, ENR and MAC. The ENR is secret. `Debug`
/// redacts the ENR and the AuthKey.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The device's identifier, 20 ASCII characters.
    pub uid: Uid,
    /// The camera's secret, 16 or 32 ASCII characters.
    pub enr: Enr,
    /// The key for discovery: set directly, or derived from ENR and MAC.
    pub auth_key: AuthKey,
    /// The MAC address as 12 upper-case hex digits, if known. A client needs it only to derive the
    /// AuthKey. The simulator writes it to its frames.
    pub mac: Option<Mac>,
}

/// A MAC address, 12 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 12]);

/// Invalid credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A UID is 20 characters, digits and upper-case letters.
    #[error("a UID is 20 letters and digits, this one has {0} characters or others among them")]
    Uid(usize),
    /// An ENR is 16 or 32 ASCII characters.
    #[error("an ENR is 16 or 32 ASCII characters, this one has {0}")]
    Enr(usize),
    /// A MAC is 12 hex digits, optionally separated by `:` or `-`.
    #[error("a MAC is 12 hex digits, got {0:?}")]
    Mac(String),
    /// An AuthKey is at most 8 ASCII characters.
    #[error("an AuthKey is 1 to 8 ASCII characters, this one has {0}")]
    AuthKey(usize),
    /// Neither `mac` nor `auth_key` is set.
    #[error("the AuthKey cannot be known: give the camera's MAC, or the AuthKey itself")]
    NoAuthKey,
}

impl Credentials {
    /// Creates credentials from UID, ENR and MAC, and derives the AuthKey.
    ///
    /// # Errors
    /// [`CredentialsError`] names the malformed part.
    pub fn new(uid: &str, enr: &str, mac: &str) -> Result<Self, CredentialsError> {
        let mac = mac.parse::<Mac>()?;
        Ok(Self {
            auth_key: derive_auth_key(enr, &mac),
            mac: Some(mac),
            uid: parse_uid(uid)?,
            enr: parse_enr(enr)?,
        })
    }

    /// Creates credentials with a known AuthKey.
    ///
    /// # Errors
    /// [`CredentialsError`] names the malformed part.
    pub fn with_auth_key(uid: &str, enr: &str, auth_key: &str) -> Result<Self, CredentialsError> {
        Ok(Self {
            uid: parse_uid(uid)?,
            enr: parse_enr(enr)?,
            auth_key: parse_auth_key(auth_key)?,
            mac: None,
        })
    }

    /// Returns the DTLS pre-shared key by `rule`, 32 bytes.
    #[must_use]
    pub fn psk(&self, rule: KeyRule) -> Psk {
        match rule {
            KeyRule::AuthKeyAndEnr => {
                psk::from_auth_key_and_enr(significant(&self.auth_key), self.enr.reveal())
            }
            KeyRule::Enr => psk::from_enr(self.enr.reveal()),
        }
    }
}

impl Mac {
    /// Returns the 12 upper-case ASCII digits.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// Returns the Base64 of the first 6 bytes of SHA-256(ENR ‖ MAC), with `+`, `/` and `=` replaced by
/// `Z`, `9` and `A` (docs/protocol.md, section 4).
#[must_use]
pub fn derive_auth_key(enr: &str, mac: &Mac) -> AuthKey {
    let mut hash = Sha256::new();
    hash.update(enr.as_bytes());
    hash.update(mac.0);
    let mut digest: [u8; 32] = hash.finalize().into();
    let mut text = [0; AuthKey::LEN];
    let [a, b, c, d, e, f, ..] = digest;
    // Six bytes are eight characters exactly; the slice is as long as that, so this cannot fail.
    let written = STANDARD.encode_slice([a, b, c, d, e, f], &mut text);
    debug_assert_eq!(written, Ok(text.len()));
    for byte in &mut text {
        *byte = match *byte {
            b'+' => b'Z',
            b'/' => b'9',
            b'=' => b'A',
            other => other,
        };
    }
    digest.zeroize();
    AuthKey(text)
}

/// Returns the key without its padding.
fn significant(AuthKey(key): &AuthKey) -> &[u8] {
    let len = key.iter().position(|&byte| byte == 0);
    key.get(..len.unwrap_or(key.len())).unwrap_or(key)
}

fn parse_uid(uid: &str) -> Result<Uid, CredentialsError> {
    let error = CredentialsError::Uid(uid.chars().count());
    if uid.len() != 20 || !uid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(error);
    }
    uid.parse().map_err(|_| error)
}

fn parse_enr(enr: &str) -> Result<Enr, CredentialsError> {
    let error = CredentialsError::Enr(enr.chars().count());
    if !matches!(enr.len(), 16 | 32) {
        return Err(error);
    }
    Enr::new(enr).map_err(|_| error)
}

fn parse_auth_key(text: &str) -> Result<AuthKey, CredentialsError> {
    let error = CredentialsError::AuthKey(text.chars().count());
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(error);
    }
    let mut key = [0; AuthKey::LEN];
    key.get_mut(..text.len())
        .ok_or(error)?
        .copy_from_slice(text.as_bytes());
    Ok(AuthKey(key))
}

impl std::str::FromStr for Mac {
    type Err = CredentialsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut digits = text
            .bytes()
            .filter(|byte| !matches!(byte, b':' | b'-'))
            .map(|byte| byte.to_ascii_uppercase());
        let mut mac = [0; 12];
        for digit in &mut mac {
            *digit = digits
                .next()
                .filter(u8::is_ascii_hexdigit)
                .ok_or_else(|| CredentialsError::Mac(text.to_owned()))?;
        }
        if digits.next().is_some() {
            return Err(CredentialsError::Mac(text.to_owned()));
        }
        Ok(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_keys_are_those_of_the_vectors() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../tests/vectors.json")).unwrap();
        let entries = vectors["credentials"].as_array().unwrap();
        assert!(!entries.is_empty());
        for entry in entries {
            let enr = entry["enr"].as_str().unwrap();
            let mac = entry["mac"].as_str().unwrap().parse().unwrap();
            let AuthKey(key) = derive_auth_key(enr, &mac);
            assert_eq!(&key, entry["auth_key"].as_str().unwrap().as_bytes());
        }
    }

    #[test]
    fn a_mac_may_have_colons_and_lower_case() {
        let mac: Mac = "aa:bb-cc:dd:ee:0f".parse().unwrap();
        assert_eq!(mac.to_string(), "AABBCCDDEE0F");
        for bad in ["", "aabbccddee0", "aabbccddee0f1", "aabbccddeexx"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_malformed_is_named() {
        let ok = ("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "aabbccddeeff");
        assert!(Credentials::new(ok.0, ok.1, ok.2).is_ok());
        assert_eq!(
            Credentials::new("short", ok.1, ok.2).unwrap_err(),
            CredentialsError::Uid(5)
        );
        assert_eq!(
            Credentials::new(ok.0, "short", ok.2).unwrap_err(),
            CredentialsError::Enr(5)
        );
        assert_eq!(
            Credentials::with_auth_key(ok.0, ok.1, "123456789").unwrap_err(),
            CredentialsError::AuthKey(9)
        );
    }

    #[test]
    fn secrets_do_not_show() {
        let credentials =
            Credentials::with_auth_key("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "qZwi9FaB")
                .unwrap();
        let shown = format!("{credentials:?}");
        assert!(
            !shown.contains("aKzdq") && !shown.contains("qZwi"),
            "{shown}"
        );
    }
}
