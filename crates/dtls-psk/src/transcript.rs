//! The hash over the handshake (RFC 5246 section 7.4.9, RFC 6347 section 4.2.6).

use arrayvec::ArrayVec;
use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, HashContext};

use crate::error::Error;

/// Bytes of the longest hash, SHA-384.
const MAX_HASH_LEN: usize = 48;

/// A hash over a handshake.
pub(crate) type TranscriptHash = ArrayVec<u8, MAX_HASH_LEN>;

/// Every handshake message so far, as if sent whole: with the 12-byte header of an only fragment.
/// The first hello and a HelloVerifyRequest do not count.
#[derive(Debug)]
pub(crate) enum Transcript {
    /// The suite, and with it the hash, is not chosen yet: the ClientHello as it is.
    Held(Vec<u8>),
    Hashed(Box<dyn HashContext>),
}

impl Default for Transcript {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl Transcript {
    /// The hash is chosen. Done once.
    pub(crate) fn choose(&mut self, provider: &CryptoProvider, hash: HashAlgorithm) {
        if let Self::Held(held) = self {
            let mut context = provider.hash_provider.create_hash(hash);
            context.update(held);
            *self = Self::Hashed(context);
        }
    }

    /// Adds parts of a message.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Held(held) => held.extend_from_slice(bytes),
            Self::Hashed(context) => context.update(bytes),
        }
    }

    /// The hash so far.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`] before the hash is chosen, which no handshake asks for.
    pub(crate) fn hash(&self) -> Result<TranscriptHash, Error> {
        let Self::Hashed(context) = self else {
            return Err(Error::NotConnected(crate::Stage::AwaitHello));
        };
        let mut out = Buf::new();
        context.clone_and_finalize(&mut out);
        Ok(out.iter().copied().take(MAX_HASH_LEN).collect())
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_choice_counts() {
        let provider = crate::Config::client("x", crate::Psk::new("x"))
            .provider
            .unwrap();
        for (hash, len) in [(HashAlgorithm::SHA256, 32), (HashAlgorithm::SHA384, 48)] {
            let mut late = Transcript::default();
            assert!(late.hash().is_err());
            late.add(b"hello");
            late.choose(&provider, hash);
            late.add(b"rest");
            let mut early = Transcript::default();
            early.choose(&provider, hash);
            early.add(b"hellorest");
            assert_eq!(late.hash(), early.hash());
            assert_eq!(late.hash().unwrap().len(), len);
        }
    }
}
