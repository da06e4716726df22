//! The protection of records: what a suite does to a fragment once there are keys.

pub(crate) mod aes_128_ccm_8;
pub(crate) mod aes_cbc;
pub(crate) mod chacha20_poly1305;

use dimpl::CryptoError;
use dimpl::crypto::{CryptoProvider, CryptoSafe, Dtls12CipherSuite, SupportedDtls12CipherSuite};

use crate::error::Error;
use crate::record::RecordId;

/// Bytes of what is authenticated before a record's content.
const ADDITIONAL_DATA_LEN: usize = 13;

/// How a suite protects its records.
#[derive(Debug)]
pub(crate) struct BulkCipher {
    pub(crate) key_lengths: KeyLengths,
    /// The AEAD of the provider; `None` for CBC, which this crate implements.
    pub(crate) aead: Option<&'static ProviderAead>,
    new: NewProtection,
}

type NewProtection = fn(&CryptoProvider, DirectionKeys<'_>) -> Result<Box<dyn Protection>, Error>;

impl BulkCipher {
    pub(crate) fn is_cbc(&self) -> bool {
        self.aead.is_none()
    }

    /// Fails if `provider` does not have the AEAD.
    pub(crate) fn check(&self, provider: &CryptoProvider) -> Result<(), Error> {
        self.aead
            .map_or(Ok(()), |aead| aead.find(provider).map(drop))
    }

    /// Creates the protection of one direction.
    pub(crate) fn protection(
        &self,
        provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        (self.new)(provider, keys)
    }
}

/// An AEAD of the provider.
#[derive(Debug)]
pub(crate) struct ProviderAead {
    name: &'static str,
    /// A suite of the provider with this AEAD.
    suite: Dtls12CipherSuite,
}

impl ProviderAead {
    fn find(
        &self,
        provider: &CryptoProvider,
    ) -> Result<&'static dyn SupportedDtls12CipherSuite, Error> {
        let mut suites = provider.cipher_suites.iter().copied();
        suites
            .find(|suite| suite.suite() == self.suite)
            .ok_or(Error::ProviderLacks(self.name))
    }
}

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
