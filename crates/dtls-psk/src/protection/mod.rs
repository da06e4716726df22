//! The protection of records: what a suite does to a fragment once there are keys.

pub(crate) mod aes_128_ccm_8;
pub(crate) mod aes_cbc;
pub(crate) mod chacha20_poly1305;

use dimpl::CryptoError;
use dimpl::crypto::CryptoSafe;

use crate::record::RecordId;

/// Bytes of what is authenticated before a record's content.
const ADDITIONAL_DATA_LEN: usize = 13;

/// How the key block is cut (RFC 5246 section 6.3), in bytes, for one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLengths {
    pub(crate) mac: usize,
    pub(crate) key: usize,
    pub(crate) iv: usize,
}

/// One direction's part of the key block, and what else its protection depends on.
#[derive(Clone, Copy)]
pub(crate) struct DirectionKeys<'a> {
    pub(crate) mac: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) iv: &'a [u8],
    /// Whether the MAC is over the ciphertext (RFC 7366). Only CBC suites look at it.
    pub(crate) encrypt_then_mac: bool,
    /// A secret of this side alone, that explicit IVs are made from. Only CBC suites look at it.
    pub(crate) iv_key: &'a [u8; 32],
}

/// One direction of a protected epoch.
pub(crate) trait Protection: CryptoSafe {
    /// The longest plaintext whose fragment has at most `fragment` bytes, or `None` if not even the empty
    /// one has.
    fn max_plaintext(&self, fragment: usize) -> Option<usize>;

    /// Appends the protected fragment of `plaintext` to `out`.
    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError>;

    /// Opens `fragment` in place: its plaintext, or `None` if it does not authenticate.
    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]>;
}

/// What is authenticated before a record's content: in an AEAD its additional data (RFC 5246 section
/// 6.2.3.3), in CBC what the MAC begins with (section 6.2.3.1, RFC 7366 section 3).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | epoch |
/// | 2 | 6 | sequence number |
/// | 8 | 1 | content type |
/// | 9 | 2 | version |
/// | 11 | 2 | `len`: bytes of the plaintext; in encrypt-then-MAC those of IV and ciphertext |
fn additional_data(record: RecordId, len: u16) -> [u8; ADDITIONAL_DATA_LEN] {
    let [e0, e1, s0, s1, s2, s3, s4, s5] = record.number();
    let [v0, v1] = record.version.to_be_bytes();
    let [l0, l1] = len.to_be_bytes();
    let content_type = record.content_type.to_wire();
    [e0, e1, s0, s1, s2, s3, s4, s5, content_type, v0, v1, l0, l1]
}
