//! TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256 (RFC 5489 section 3.2).

use dimpl::crypto::{CryptoProvider, HashAlgorithm};

use super::{KeyExchange, Suite};
use crate::error::Error;
use crate::protection::{DirectionKeys, KeyLengths, Protection, aes_cbc};

/// The suite.
pub(super) struct Spec;

impl Suite for Spec {
    fn id(&self) -> u16 {
        0xc037
    }

    fn name(&self) -> &'static str {
        "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"
    }

    fn key_exchange(&self) -> KeyExchange {
        KeyExchange::EcdhePsk
    }

    fn hash(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_lengths(&self) -> KeyLengths {
        aes_cbc::KEY_LENGTHS_128_SHA256
    }

    fn is_cbc(&self) -> bool {
        true
    }

    fn check(&self, _provider: &CryptoProvider) -> Result<(), Error> {
        Ok(())
    }

    fn protection(
        &self,
        _provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        aes_cbc::aes_128_sha256(keys)
    }
}
