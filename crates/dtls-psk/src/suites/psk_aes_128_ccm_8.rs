//! TLS_PSK_WITH_AES_128_CCM_8 (RFC 6655 section 4, RFC 4279 section 2).

use dimpl::crypto::{CryptoProvider, HashAlgorithm};

use super::{KeyExchange, Suite};
use crate::error::Error;
use crate::protection::{DirectionKeys, KeyLengths, Protection, aes_128_ccm_8};

/// The suite.
pub(super) struct Spec;

impl Suite for Spec {
    fn id(&self) -> u16 {
        0xc0a8
    }

    fn name(&self) -> &'static str {
        "TLS_PSK_WITH_AES_128_CCM_8"
    }

    fn key_exchange(&self) -> KeyExchange {
        KeyExchange::Psk
    }

    fn hash(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn key_lengths(&self) -> KeyLengths {
        aes_128_ccm_8::KEY_LENGTHS
    }

    fn is_cbc(&self) -> bool {
        false
    }

    fn check(&self, provider: &CryptoProvider) -> Result<(), Error> {
        aes_128_ccm_8::find(provider).map(|_| ())
    }

    fn protection(
        &self,
        provider: &CryptoProvider,
        keys: DirectionKeys<'_>,
    ) -> Result<Box<dyn Protection>, Error> {
        aes_128_ccm_8::protection(provider, keys)
    }
}
