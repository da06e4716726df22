//! Record protection: encryption and authentication.

pub(crate) mod aead;
pub(crate) mod cbc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use self::aead::{AeadProtection, Nonces};
use self::cbc::CbcProtection;
use crate::crypto::{AeadAlgorithm, CryptoError, CryptoProvider, Hash};
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
    Aead(AeadAlgorithm, Nonces),
    /// AES-CBC with the HMAC of this hash.
    Cbc(Hash),
}

impl BulkCipher {
    pub(crate) fn is_cbc(&self) -> bool {
        matches!(self.algorithm, Algorithm::Cbc(_))
    }

    /// Creates the protection of one direction.
    pub(crate) fn protection(
        &self,
        provider: &dyn CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        let protection: Result<Box<dyn Protection>, CryptoError> = match self.algorithm {
            Algorithm::Aead(aead, nonces) => AeadProtection::new(provider, aead, nonces, keys)
                .map(|protection| Box::new(protection) as _),
            Algorithm::Cbc(hash) => {
                CbcProtection::new(provider, hash, keys).map(|protection| Box::new(protection) as _)
            }
        };
        protection.map_err(|CryptoError| Error::Crypto("creating a cipher"))
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
pub(crate) trait Protection: fmt::Debug + Send + Sync {
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
