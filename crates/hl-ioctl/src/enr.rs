//! The ENR: the secret that a camera and its owner share.

use core::fmt;

use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::Error;

/// The longest ENR, in characters.
pub const MAX_ENR: usize = 32;

/// An ENR: 16 or 32 printable ASCII characters (wire.md section 1).
///
/// Zeroed when dropped, and never printed. summary.md pads shorter ones with zeros, so that 1 to 32
/// characters are accepted here; which challenge needs how many, [`answer`](crate::challenge_response) says.
#[derive(Clone)]
pub struct Enr(Zeroizing<Vec<u8>>);

impl Enr {
    /// Takes the characters as bytes.
    ///
    /// # Errors
    ///
    /// [`Error::EnrLength`] unless there are 1 to 32, [`Error::EnrCharacter`] for one that is not printable ASCII.
    pub fn new(characters: impl AsRef<[u8]>) -> Result<Self, Error> {
        let characters = characters.as_ref();
        if characters.is_empty() || characters.len() > MAX_ENR {
            return Err(Error::EnrLength {
                got: characters.len(),
            });
        }
        if let Some(at) = characters.iter().position(|c| !c.is_ascii_graphic()) {
            return Err(Error::EnrCharacter { at });
        }
        Ok(Self(Zeroizing::new(characters.to_vec())))
    }

    /// How many characters it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The characters. A secret: key derivation and the AV login need them, logs do not.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Characters 0..16, padded with zeros if there are fewer.
    pub(crate) fn first_padded(&self) -> Zeroizing<[u8; 16]> {
        let mut key = Zeroizing::new([0; 16]);
        for (to, from) in key.iter_mut().zip(self.0.iter()) {
            *to = *from;
        }
        key
    }

    /// Characters 0..16.
    pub(crate) fn first(&self) -> Option<Zeroizing<[u8; 16]>> {
        self.0.first_chunk().copied().map(Zeroizing::new)
    }

    /// Characters 16..32.
    pub(crate) fn second(&self) -> Option<Zeroizing<[u8; 16]>> {
        let rest = self.0.get(16..)?;
        rest.first_chunk().copied().map(Zeroizing::new)
    }
}

impl fmt::Debug for Enr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enr({} characters, redacted)", self.0.len())
    }
}
