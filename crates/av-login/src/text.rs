//! User and password.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::error::Error;

/// The maximum length of a user or password in bytes. The fields have 256 bytes with the
/// terminating zero.
pub const MAX_TEXT_LEN: usize = 255;

/// The user of a login, at most [`MAX_TEXT_LEN`] bytes. Cameras have a single user, `admin`.
#[derive(Clone, PartialEq, Eq)]
pub struct User(Text);

/// The password of a login, at most [`MAX_TEXT_LEN`] bytes.
///
/// It is zeroed on drop, hidden in `Debug` output and compared in constant time.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Password(Text);

/// Bytes other than zero, padded with zeros.
#[derive(Clone, PartialEq, Eq, Zeroize)]
struct Text {
    bytes: [u8; MAX_TEXT_LEN],
    len: usize,
}

impl User {
    /// Makes a user of this name.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] and [`Error::ZeroInText`].
    pub fn new(name: &[u8]) -> Result<Self, Error> {
        Text::new("user", name).map(Self)
    }

    /// Returns the user of every capture, `admin`.
    #[must_use]
    pub fn admin() -> Self {
        Self(Text::literal(*b"admin"))
    }

    /// Returns the name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Password {
    /// Makes a password of these bytes. For real cameras it is the ENR.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] and [`Error::ZeroInText`].
    pub fn new(password: &[u8]) -> Result<Self, Error> {
        Text::new("password", password).map(Self)
    }

    /// Returns `888888`, the password of every camera in the `summary` dialect.
    #[must_use]
    pub fn fixed() -> Self {
        Self(Text::literal(*b"888888"))
    }

    /// Returns the password's bytes. Copies of them are not zeroed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Text {
    fn new(field: &'static str, text: &[u8]) -> Result<Self, Error> {
        if let Some(at) = text.iter().position(|&byte| byte == 0) {
            return Err(Error::ZeroInText { field, at });
        }
        let mut bytes = [0; MAX_TEXT_LEN];
        bytes
            .get_mut(..text.len())
            .ok_or(Error::TextTooLong {
                field,
                max: MAX_TEXT_LEN,
                got: text.len(),
            })?
            .copy_from_slice(text);
        Ok(Self {
            bytes,
            len: text.len(),
        })
    }

    fn literal<const N: usize>(text: [u8; N]) -> Self {
        const { assert!(N <= MAX_TEXT_LEN) }
        let mut bytes = [0; MAX_TEXT_LEN];
        if let Some(place) = bytes.first_chunk_mut::<N>() {
            *place = text;
        }
        Self { bytes, len: N }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.as_bytes().escape_ascii())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl PartialEq for Password {
    /// Compares the whole padded field, so that the time reveals neither the length nor the first
    /// difference.
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes.ct_eq(&other.0.bytes).into()
    }
}

impl Eq for Password {}

#[cfg(test)]
mod tests {
    use std::{format, vec};

    use super::*;

    #[test]
    fn password_is_hidden_in_debug() {
        let debug = format!("{:?}", Password::new(b"aKzdqckqZ8HUHFe5").unwrap());
        assert_eq!(debug, "Password(…)");
    }

    #[test]
    fn passwords_differ_by_length_and_bytes() {
        let long = Password::new(b"8888888").unwrap();
        assert_eq!(Password::fixed(), Password::new(b"888888").unwrap());
        assert_ne!(Password::fixed(), long);
        assert_ne!(Password::fixed(), Password::new(b"").unwrap());
    }

    #[test]
    fn rejects_long_texts_and_zero_bytes() {
        assert!(User::new(&vec![b'x'; MAX_TEXT_LEN]).is_ok());
        assert_eq!(
            User::new(&vec![b'x'; MAX_TEXT_LEN + 1]),
            Err(Error::TextTooLong {
                field: "user",
                max: 255,
                got: 256
            })
        );
        assert_eq!(
            Password::new(b"ab\0c"),
            Err(Error::ZeroInText {
                field: "password",
                at: 2
            })
        );
    }
}
