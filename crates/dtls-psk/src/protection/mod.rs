//! Record protection: encryption and authentication.

pub(crate) mod aead;
pub(crate) mod aes_cbc;

use dimpl::CryptoError;
use dimpl::crypto::{CryptoProvider, CryptoSafe};

use self::aead::Aead;
use crate::error::Error;
use crate::record::RecordId;

/// The length of the additional data, in bytes.
const ADDITIONAL_DATA_LEN: usize = 13;

/// The record protection of a suite.
#[derive(Debug)]
pub(crate) struct BulkCipher {
    pub(crate) key_lengths: KeyLengths,
    algorithm: Algorithm,
}

#[derive(Debug)]
enum Algorithm {
    /// The provider implements the AEAD.
    Aead(Aead),
    /// This crate implements CBC. The function creates the protection of one direction.
    Cbc(fn(DirectionKeys<'_>) -> Result<Box<dyn Protection>, Error>),
}

impl BulkCipher {
    pub(crate) fn is_cbc(&self) -> bool {
        matches!(self.algorithm, Algorithm::Cbc(_))
    }

    /// Fails if `provider` lacks the AEAD.
    pub(crate) fn check(&self, provider: &CryptoProvider) -> Result<(), Error> {
        match &self.algorithm {
            Algorithm::Aead(aead) => aead.find(provider).map(drop),
            Algorithm::Cbc(_) => Ok(()),
        }
    }

    /// Creates the protection of one direction.
    pub(crate) fn protection(
        &'static self,
        provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        match &self.algorithm {
            Algorithm::Aead(aead) => aead.protection(provider, keys),
            Algorithm::Cbc(new) => new(keys),
        }
    }
}

/// The lengths of one direction's parts of the key block, in bytes (RFC 5246 section 6.3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLengths {
    pub(crate) mac: usize,
    pub(crate) key: usize,
    pub(crate) iv: usize,
}

/// The keys of one direction, and other inputs of its protection.
#[derive(Clone, Copy)]
pub(crate) struct DirectionKeys<'a> {
    pub(crate) mac: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) iv: &'a [u8],
    /// `true` for encrypt-then-MAC (RFC 7366). Only CBC suites use it.
    pub(crate) encrypt_then_mac: bool,
    /// The key that explicit IVs are derived from. It is known only to this side. Only CBC suites
    /// use it.
    pub(crate) iv_key: &'a [u8; 32],
}

/// The record protection of one direction.
pub(crate) trait Protection: CryptoSafe {
    /// Returns the longest plaintext that fits in a fragment of `fragment` bytes, or `None` if not
    /// even the empty plaintext fits.
    fn max_plaintext(&self, fragment: usize) -> Option<usize>;

    /// Seals `plaintext` and appends the fragment to `out`.
    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError>;

    /// Opens `fragment` in place. Returns its plaintext, or `None` if it is not authentic.
    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]>;
}

/// Returns the bytes that are authenticated together with a record's content: the additional data
/// of an AEAD (RFC 5246 section 6.2.3.3), or the prefix of a MAC's input (section 6.2.3.1, RFC 7366
/// section 3).
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 2 | epoch |
/// | 2 | 6 | sequence number |
/// | 8 | 1 | content type |
/// | 9 | 2 | version |
/// | 11 | 2 | `len`: plaintext length, or the length of IV and ciphertext with encrypt-then-MAC |
fn additional_data(record: RecordId, len: u16) -> [u8; ADDITIONAL_DATA_LEN] {
    let [e0, e1, s0, s1, s2, s3, s4, s5] = record.number();
    let [v0, v1] = record.version.to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    let content_type = record.content_type.to_wire();
    [e0, e1, s0, s1, s2, s3, s4, s5, content_type, v0, v1, l0, l1]
}
