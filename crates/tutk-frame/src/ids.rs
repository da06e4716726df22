//! Identifiers in many packets: UID, session id and AuthKey.

use core::fmt;
use core::str::FromStr;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Error;

/// The UID of a camera: up to 20 ASCII characters, padded with zeros (docs/protocol.md, section 4).
///
/// A UID from the network may have any bytes. [`str::parse`] accepts printable ASCII only.
///
/// ```
/// use tutk_frame::Uid;
///
/// let uid: Uid = "HSBJYB5HSETGCDWD111A".parse()?;
/// assert_eq!(uid.as_bytes(), b"HSBJYB5HSETGCDWD111A");
/// assert_eq!(uid.to_string(), "HSBJYB5HSETGCDWD111A");
/// # Ok::<(), tutk_frame::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Uid(pub [u8; Uid::LEN]);

/// The identifier of a session, 8 random bytes (docs/protocol.md, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SessionId(pub [u8; SessionId::LEN]);

/// The AuthKey, 8 bytes, padded with zeros (docs/protocol.md, section 4).
///
/// It is secret: zeroed on drop and hidden in `Debug` output.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AuthKey(pub [u8; AuthKey::LEN]);

impl Uid {
    /// The length of a UID in bytes.
    pub const LEN: usize = 20;

    /// Returns the bytes without the padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
        self.0.get(..end).unwrap_or_default()
    }
}

impl SessionId {
    /// The length of a session id in bytes.
    pub const LEN: usize = 8;

    /// Returns the first two bytes, which the data header repeats.
    #[must_use]
    pub fn prefix(&self) -> [u8; 2] {
        let [a, b, ..] = self.0;
        [a, b]
    }

    /// Returns `None` for eight zero bytes, which stand for no session id.
    pub(crate) fn present(bytes: [u8; Self::LEN]) -> Option<Self> {
        (bytes != [0; Self::LEN]).then_some(Self(bytes))
    }
}

impl AuthKey {
    /// The length of an AuthKey in bytes.
    pub const LEN: usize = 8;
}

impl FromStr for Uid {
    type Err = Error;

    /// Parses 1 to 20 printable ASCII characters.
    ///
    /// # Errors
    /// [`Error::Length`] for an empty or longer text, [`Error::Field`] for another character.
    fn from_str(s: &str) -> Result<Self, Error> {
        let mut uid = Self::default();
        let (Some(to), false) = (uid.0.get_mut(..s.len()), s.is_empty()) else {
            return Err(Error::Length {
                what: "UID",
                offset: 0,
                expected: Self::LEN,
                actual: s.len(),
            });
        };
        if let Some((offset, c)) = s.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
            return Err(Error::Field {
                what: "UID",
                field: "character",
                offset,
                value: u64::from(u32::from(c)),
            });
        }
        to.copy_from_slice(s.as_bytes());
        Ok(uid)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_bytes().escape_ascii(), f)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl fmt::Debug for AuthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;

    #[test]
    fn uid_is_padded_and_displayed() {
        let uid: Uid = "ABC".parse().unwrap();
        assert_eq!(&uid.0[..4], b"ABC\0");
        assert_eq!(uid.to_string(), "ABC");
        let full: Uid = "HSBJYB5HSETGCDWD111A".parse().unwrap();
        assert_eq!(full.to_string(), "HSBJYB5HSETGCDWD111A");
    }

    #[test]
    fn uid_rejects_other_lengths_and_characters() {
        let length = |n| Error::Length {
            what: "UID",
            offset: 0,
            expected: 20,
            actual: n,
        };
        assert_eq!("".parse::<Uid>(), Err(length(0)));
        assert_eq!("HSBJYB5HSETGCDWD111AB".parse::<Uid>(), Err(length(21)));
        assert_eq!(
            "AB C".parse::<Uid>().map_err(|e| e.offset()),
            Err(2),
            "a UID has no spaces"
        );
        assert!("ABÄ".parse::<Uid>().is_err());
    }

    #[test]
    fn auth_key_is_hidden_in_debug() {
        assert_eq!(format!("{:?}", AuthKey(*b"qZwi9FaB")), "AuthKey(..)");
    }
}
