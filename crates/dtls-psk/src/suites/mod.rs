//! Cipher suites: what is negotiated by one number, and how it protects records.
//!
//! A suite is a key exchange, the lengths of its keys, and a [`Protection`] that seals and opens
//! records. The record layer knows suites by that trait alone.

mod chacha20_poly1305;

use std::fmt;

use dimpl::crypto::{CryptoProvider, CryptoSafe};

use crate::error::Error;
use crate::record::RecordId;

/// The suites that are offered and accepted, the best first.
pub(crate) const SUITES: &[CipherSuite] = &[CipherSuite::EcdhePskChacha20Poly1305Sha256];

/// A cipher suite that this crate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0xCCAC (RFC 7905, RFC 5489), over X25519.
    EcdhePskChacha20Poly1305Sha256,
}

impl CipherSuite {
    /// The number in the IANA registry.
    pub fn id(self) -> u16 {
        match self {
            CipherSuite::EcdhePskChacha20Poly1305Sha256 => 0xccac,
        }
    }

    /// The name in the IANA registry.
    pub fn name(self) -> &'static str {
        match self {
            CipherSuite::EcdhePskChacha20Poly1305Sha256 => {
                "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"
            }
        }
    }

    pub(crate) fn from_id(id: u16) -> Option<Self> {
        SUITES.iter().copied().find(|suite| suite.id() == id)
    }

    pub(crate) fn key_lengths(self) -> KeyLengths {
        match self {
            CipherSuite::EcdhePskChacha20Poly1305Sha256 => chacha20_poly1305::KEY_LENGTHS,
        }
    }

    /// Fails if `provider` cannot do this suite.
    pub(crate) fn check(self, provider: &CryptoProvider) -> Result<(), Error> {
        match self {
            CipherSuite::EcdhePskChacha20Poly1305Sha256 => {
                chacha20_poly1305::find(provider).map(|_| ())
            }
        }
    }

    pub(crate) fn protection(
        self,
        provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        match self {
            CipherSuite::EcdhePskChacha20Poly1305Sha256 => {
                chacha20_poly1305::protection(provider, keys)
            }
        }
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the key block is cut (RFC 5246 section 6.3), in bytes, for one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLengths {
    pub(crate) mac: usize,
    pub(crate) key: usize,
    pub(crate) iv: usize,
}

/// One direction's part of the key block.
#[derive(Clone, Copy)]
pub(crate) struct DirectionKeys<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) iv: &'a [u8],
}

/// One direction of a protected epoch.
pub(crate) trait Protection: CryptoSafe {
    /// By how many bytes a fragment is longer than its plaintext, at most.
    fn overhead(&self) -> usize;

    /// Appends the protected fragment of `plaintext` to `out`.
    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), dimpl::CryptoError>;

    /// Opens `fragment` in place: its plaintext, or `None` if it does not authenticate.
    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]>;
}
