//! TLS_PSK_WITH_CHACHA20_POLY1305_SHA256 (RFC 7905 section 3, RFC 4279 section 2).

use dimpl::crypto::{CryptoProvider, HashAlgorithm};

use super::{KeyExchange, Suite};
use crate::error::Error;
use crate::protection::{DirectionKeys, KeyLengths, Protection, chacha20_poly1305};

/// The suite.
pub(super) struct Spec;

impl Suite for Spec {
    fn id(&self) -> u16 {
        0xccab
    }

    fn name(&self) -> &'static str {
        "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"
    }

    fn key_exchange(&self) -> KeyExchange {
        KeyExchange::Psk
    }

    fn hash(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_lengths(&self) -> KeyLengths {
        chacha20_poly1305::KEY_LENGTHS
    }

    fn is_cbc(&self) -> bool {
        false
    }

    fn check(&self, provider: &CryptoProvider) -> Result<(), Error> {
        chacha20_poly1305::find(provider).map(|_| ())
    }

    fn protection(
        &self,
        provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        chacha20_poly1305::protection(provider, keys)
    }
}
