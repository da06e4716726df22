//! User and password.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Error;

/// The most bytes of a user or password: the fields have 256, and the last is the zero that ends it.
pub const MAX_TEXT_LEN: usize = 255;

/// The user of a login, at most [`MAX_TEXT_LEN`] bytes. Cameras know one: `admin`.
#[derive(Clone, PartialEq, Eq)]
pub struct User(Text);

/// The password of a login, at most [`MAX_TEXT_LEN`] bytes.
///
/// Zeroed when dropped, never shown by `Debug`, and compared in constant time.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Password(Text);

/// Bytes without a zero among them, and zeros up to the end of the array.
#[derive(Clone, PartialEq, Eq, Zeroize)]
struct Text {
    bytes: [u8; MAX_TEXT_LEN],
    len: usize,
}

impl User {
    /// A user of that name.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] and [`Error::ZeroInText`].
    pub fn new(name: &[u8]) -> Result<Self, Error> {
        Text::new("user", name).map(Self)
    }

    /// `admin`, the user in every capture.
    #[must_use]
    pub fn admin() -> Self {
        Self(Text::literal(*b"admin"))
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Password {
    /// A password of those bytes: the camera's ENR in the field dialects.
    ///
    /// # Errors
    /// [`Error::TextTooLong`] and [`Error::ZeroInText`].
    pub fn new(password: &[u8]) -> Result<Self, Error> {
        Text::new("password", password).map(Self)
    }

    /// `888888`, which is every camera's password in summary.md.
    #[must_use]
    pub fn fixed() -> Self {
        Self(Text::literal(*b"888888"))
    }

    /// The password's bytes. The caller answers for copies of them.
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
    /// Compares the whole padded field, so that neither the length nor the first difference shows in
    /// the time it takes.
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
    fn a_password_is_never_shown() {
        let shown = format!("{:?}", Password::new(b"aKzdqckqZ8HUHFe5").unwrap());
        assert_eq!(shown, "Password(…)");
    }

    #[test]
    fn equality_sees_length_and_bytes() {
        let long = Password::new(b"8888888").unwrap();
        assert_eq!(Password::fixed(), Password::new(b"888888").unwrap());
        assert_ne!(Password::fixed(), long);
        assert_ne!(Password::fixed(), Password::new(b"").unwrap());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
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
