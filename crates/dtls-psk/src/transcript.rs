//! The handshake transcript hash (RFC 5246 section 7.4.9, RFC 6347 section 4.2.6).

use arrayvec::ArrayVec;
use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, HashContext};

use crate::error::Error;

/// The length of the longest hash, SHA-384, in bytes.
const MAX_HASH_LEN: usize = 48;

/// A hash of the handshake.
pub(crate) type TranscriptHash = ArrayVec<u8, MAX_HASH_LEN>;

/// All handshake messages so far, in unfragmented form. The first hello and the HelloVerifyRequest
/// are excluded.
#[derive(Debug)]
pub(crate) enum Transcript {
    /// The hash is not negotiated yet. Contains the ClientHello.
    Buffered(Vec<u8>),
    Hashed(Box<dyn HashContext>),
}

impl Default for Transcript {
    fn default() -> Self {
        Self::Buffered(Vec::new())
    }
}

impl Transcript {
    /// Sets the hash. Later calls have no effect.
    pub(crate) fn set_hash(&mut self, provider: &CryptoProvider, hash: HashAlgorithm) {
        if let Self::Buffered(held) = self {
            let mut context = provider.hash_provider.create_hash(hash);
            context.update(held);
            *self = Self::Hashed(context);
        }
    }

    /// Appends a part of a message.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Buffered(held) => held.extend_from_slice(bytes),
            Self::Hashed(context) => context.update(bytes),
        }
    }

    /// Returns the hash of the transcript.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`] if the hash is not set, which a handshake never causes.
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
    fn bytes_added_before_the_hash_is_set_are_hashed() {
        let provider = crate::Config::client("x", crate::Psk::new("x"))
            .provider
            .unwrap();
        for (hash, len) in [(HashAlgorithm::SHA256, 32), (HashAlgorithm::SHA384, 48)] {
            let mut late = Transcript::default();
            assert!(late.hash().is_err());
            late.add(b"hello");
            late.set_hash(&provider, hash);
            late.add(b"rest");
            let mut direct = Transcript::default();
            direct.set_hash(&provider, hash);
            direct.add(b"hellorest");
            assert_eq!(late.hash(), direct.hash());
            assert_eq!(late.hash().unwrap().len(), len);
        }
    }
}
