//! The identity and keys of a camera, and the keys derived from them.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::fmt;

use av_login::Password;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dtls_psk::Psk;
use hl_ioctl::Enr;
use sha2::{Digest as _, Sha256};
use tutk_frame::{AuthKey, Uid};
use zeroize::Zeroize as _;

use crate::dialect::{KeyRule, PasswordRule};
use crate::psk;

/// The identity and keys of a camera (docs/protocol.md, section "Credentials and keys").
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
    /// AuthKey, and to wake a camera behind a base station. The simulator writes it to its frames.
    pub mac: Option<Mac>,
    /// The base station of a battery camera. AuthKey, DTLS key and login password are the base
    /// station's then.
    pub base_station: Option<BaseStation>,
}

/// The keys of a base station (docs/protocol.md, section "Credentials and keys"). `Debug` redacts
/// the ENR.
#[derive(Debug, Clone)]
pub struct BaseStation {
    /// The base station's secret, 16 or 32 ASCII characters.
    pub enr: Enr,
    /// The base station's MAC address.
    pub mac: Mac,
}

/// The parts of [`Credentials`] as text, as camera addresses and configuration files have them.
#[derive(Clone, Copy, Default)]
pub struct CredentialParts<'a> {
    /// The UID.
    pub uid: &'a str,
    /// The ENR.
    pub enr: &'a str,
    /// The MAC. Required without `auth_key`.
    pub mac: Option<&'a str>,
    /// The AuthKey, if it is not to be derived.
    pub auth_key: Option<&'a str>,
    /// The ENR of the base station. Requires `parent_mac`.
    pub parent_enr: Option<&'a str>,
    /// The MAC of the base station. Requires `parent_enr`.
    pub parent_mac: Option<&'a str>,
}

/// A MAC address, 12 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac([u8; 12]);

/// Invalid credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A UID is 20 characters, digits and upper-case letters.
    #[error("invalid UID of {0} characters: expected 20 letters and digits")]
    Uid(usize),
    /// An ENR is 16 or 32 ASCII characters.
    #[error("invalid ENR: expected 16 or 32 ASCII characters, got {0}")]
    Enr(usize),
    /// A MAC is 12 hex digits, optionally separated by `:` or `-`.
    #[error("invalid MAC {0:?}: expected 12 hex digits")]
    Mac(String),
    /// An AuthKey is at most 8 ASCII characters.
    #[error("invalid AuthKey: expected 1 to 8 ASCII characters, got {0}")]
    AuthKey(usize),
    /// As [`Enr`](Self::Enr), of the base station.
    #[error("invalid `parent_enr`: expected 16 or 32 ASCII characters, got {0}")]
    ParentEnr(usize),
    /// As [`Mac`](Self::Mac), of the base station.
    #[error("invalid `parent_mac` {0:?}: expected 12 hex digits")]
    ParentMac(String),
    /// Neither `mac` nor `auth_key` is set.
    #[error("cannot derive the AuthKey: set `mac` or `auth_key`")]
    NoAuthKey,
    /// Only one of `parent_enr` and `parent_mac` is set.
    #[error("`{0}` is missing: `parent_enr` and `parent_mac` belong together")]
    MissingParent(&'static str),
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
            base_station: None,
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
            base_station: None,
        })
    }

    /// Creates credentials from their parts.
    ///
    /// # Errors
    /// [`CredentialsError`] names the malformed or missing part.
    pub fn from_parts(parts: CredentialParts<'_>) -> Result<Self, CredentialsError> {
        let CredentialParts { uid, enr, .. } = parts;
        let credentials = match (parts.auth_key, parts.mac) {
            (Some(key), mac) => Self {
                mac: mac.map(str::parse).transpose()?,
                ..Self::with_auth_key(uid, enr, key)?
            },
            (None, Some(mac)) => Self::new(uid, enr, mac)?,
            (None, None) => return Err(CredentialsError::NoAuthKey),
        };
        let known_key = parts.auth_key.map(|_| credentials.auth_key.clone());
        let behind = match (parts.parent_enr, parts.parent_mac) {
            (None, None) => return Ok(credentials),
            (Some(enr), Some(mac)) => credentials.behind_base_station(enr, mac)?,
            (Some(_), None) => return Err(CredentialsError::MissingParent("parent_mac")),
            (None, Some(_)) => return Err(CredentialsError::MissingParent("parent_enr")),
        };
        Ok(Self {
            auth_key: known_key.unwrap_or(behind.auth_key),
            ..behind
        })
    }

    /// Adds the ENR and MAC of the camera's base station, and derives the AuthKey from them.
    ///
    /// # Errors
    /// [`CredentialsError`] names the malformed part.
    pub fn behind_base_station(self, enr: &str, mac: &str) -> Result<Self, CredentialsError> {
        let of_parent = |error| match error {
            CredentialsError::Enr(len) => CredentialsError::ParentEnr(len),
            CredentialsError::Mac(mac) => CredentialsError::ParentMac(mac),
            error => error,
        };
        let mac = mac.parse::<Mac>().map_err(of_parent)?;
        Ok(Self {
            auth_key: derive_auth_key(enr, &mac),
            base_station: Some(BaseStation {
                enr: parse_enr(enr).map_err(of_parent)?,
                mac,
            }),
            ..self
        })
    }

    /// Returns the password of the AV login.
    ///
    /// # Errors
    /// [`av_login::Error`] if the ENR cannot be a password.
    pub fn password(&self, rule: &PasswordRule) -> Result<Password, av_login::Error> {
        match rule {
            PasswordRule::Fixed(password) => Password::new(password.as_bytes()),
            PasswordRule::Enr => Password::new(self.login_enr().reveal()),
        }
    }

    /// Returns the DTLS pre-shared key, 32 bytes.
    #[must_use]
    pub fn psk(&self, rule: KeyRule) -> Psk {
        match rule {
            KeyRule::AuthKeyAndEnr => {
                let auth_key = without_padding(&self.auth_key);
                psk::from_auth_key_and_enr(auth_key, self.login_enr().reveal())
            }
            KeyRule::Enr => psk::from_enr(self.login_enr().reveal()),
        }
    }

    /// Returns the key of the challenge: the ENR, followed by that of the base station.
    #[must_use]
    pub fn challenge_enr(&self) -> Enr {
        match &self.base_station {
            Some(station) => self.enr.followed_by(&station.enr),
            None => self.enr.clone(),
        }
    }

    /// Returns how many of the 32 bytes of the key under [`KeyRule::Enr`] an attacker does not
    /// know: those before the first 0x00 of SHA-256(ENR).
    ///
    /// One ENR in 256 has none, and any host can impersonate its camera. One in 51 has 4 or fewer,
    /// which can all be tried. Only another ENR helps, which the camera gets when it is set up
    /// again.
    #[must_use]
    pub fn effective_key_bytes(&self) -> usize {
        psk::effective_bytes(self.login_enr().reveal())
    }

    /// Returns the ENR of the base station, or the camera's own.
    fn login_enr(&self) -> &Enr {
        match &self.base_station {
            Some(station) => &station.enr,
            None => &self.enr,
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

/// Returns the Base64 of the first 6 bytes of SHA-256(ENR ‖ MAC), with `+`, `/` and `=` replaced
/// by `Z`, `9` and `A` (docs/protocol.md, section "Credentials and keys").
#[must_use]
pub fn derive_auth_key(enr: &str, mac: &Mac) -> AuthKey {
    let mut hash = Sha256::new();
    hash.update(enr.as_bytes());
    hash.update(mac.0);
    let mut digest: [u8; 32] = hash.finalize().into();
    let mut text = [0; AuthKey::LEN];
    let [a, b, c, d, e, f, ..] = digest;
    // Cannot fail: six bytes are exactly eight characters.
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

fn without_padding(AuthKey(key): &AuthKey) -> &[u8] {
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

impl core::str::FromStr for Mac {
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
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn auth_keys_match_known_answers() {
        for [enr, mac, auth_key] in [
            ["3K0efp/HI0qSZjNw", "5adb55394f0f", "3RV39Ijs"],
            [
                "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR",
                "a9fa08ef6440",
                "lUC7sel9",
            ],
            ["TMR7cJksfId730wF", "b98d5905fe57", "GvoAoFZe"],
            [
                "Ojz81E5HN0U/aorD3qyk0OFhxjW8xNFU",
                "dede2d81c8f7",
                "QfvzF0U4",
            ],
            ["KkmoYh/TJwK2udlB", "3d76cc9ea78a", "EcDxQxIM"],
            [
                "jbpwVHh1qS9yKFUGcqrsFf8S+aAG3zSq",
                "7b255ce056ed",
                "IaEjQDP6",
            ],
            ["GkB9S7cX38GgzSC6", "aabbccddeeff", "CHhGE9zB"],
        ] {
            let AuthKey(key) = derive_auth_key(enr, &mac.parse().unwrap());
            assert_eq!(&key, auth_key.as_bytes());
        }
    }

    #[test]
    fn mac_accepts_separators_and_lower_case() {
        let mac: Mac = "aa:bb-cc:dd:ee:0f".parse().unwrap();
        assert_eq!(mac.to_string(), "AABBCCDDEE0F");
        for bad in ["", "aabbccddee0", "aabbccddee0f1", "aabbccddeexx"] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }

    #[test]
    fn error_names_the_malformed_part() {
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
    fn base_station_replaces_the_keys_of_connection_and_login() {
        let uid = "HSBJYB5HSETGCDWD111A";
        let station = Credentials::new(uid, "TMR7cJksfId730wF", "b98d5905fe57").unwrap();
        let camera = Credentials::new(uid, "3K0efp/HI0qSZjNw", "5adb55394f0f").unwrap();
        let behind = (camera.clone())
            .behind_base_station("TMR7cJksfId730wF", "b98d5905fe57")
            .unwrap();
        assert_eq!(behind.auth_key, station.auth_key);
        for rule in [KeyRule::Enr, KeyRule::AuthKeyAndEnr] {
            assert_eq!(behind.psk(rule).reveal(), station.psk(rule).reveal());
        }
        let password = |of: &Credentials| of.password(&PasswordRule::Enr).unwrap();
        assert_eq!(password(&behind), password(&station));
        assert_eq!(behind.mac, camera.mac);
        assert_eq!(camera.challenge_enr().reveal(), camera.enr.reveal());
        let both = b"3K0efp/HI0qSZjNwTMR7cJksfId730wF";
        assert_eq!(behind.challenge_enr().reveal(), both);
        let error = camera.behind_base_station("short", "b98d5905fe57");
        assert_eq!(error.unwrap_err(), CredentialsError::ParentEnr(5));
    }

    #[test]
    fn debug_redacts_secrets() {
        let credentials =
            Credentials::with_auth_key("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "qZwi9FaB")
                .and_then(|own| own.behind_base_station("TMR7cJksfId730wF", "b98d5905fe57"))
                .unwrap();
        let shown = format!("{credentials:?}");
        for secret in ["aKzdq", "qZwi", "TMR7c", "GvoA"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
