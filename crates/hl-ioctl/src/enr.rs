//! The ENR, the secret that a camera shares with its owner.

use core::fmt;

use alloc::vec::Vec;
use zeroize::Zeroizing;

use crate::Error;

/// The longest ENR, in characters.
pub const MAX_ENR: usize = 32;

/// An ENR: 16 or 32 printable ASCII characters (docs/protocol.md, section 4).
///
/// It is zeroed on drop and redacted in `Debug`. [`ChallengeRule::Encrypt`](crate::ChallengeRule)
/// pads shorter ENRs with zeros, so 1 to 32 characters are accepted.
#[derive(Clone)]
pub struct Enr(Zeroizing<Vec<u8>>);

impl Enr {
    /// Creates an ENR from its characters.
    ///
    /// # Errors
    ///
    /// [`Error::EnrLength`] unless there are 1 to 32 characters. [`Error::EnrCharacter`] for a
    /// character that is not printable ASCII.
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

    /// Returns the characters of this ENR and then of another one, cut at [`MAX_ENR`]: the key of
    /// the challenge of a camera behind a base station (docs/protocol.md, section 14).
    #[must_use]
    pub fn followed_by(&self, other: &Self) -> Self {
        let characters = self.0.iter().chain(other.0.iter()).copied();
        Self(Zeroizing::new(characters.take(MAX_ENR).collect()))
    }

    /// The number of characters.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// Returns the characters. They are a secret and must not be logged.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Characters 0..16, padded with zeros.
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
