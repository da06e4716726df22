//! The hash over the handshake (RFC 5246 section 7.4.9, RFC 6347 section 4.2.6).

use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm, HashContext};

/// Every handshake message so far, as if sent whole: with the 12-byte header of an only fragment.
/// The first hello and a HelloVerifyRequest do not count. SHA-256 is the hash of every suite here.
#[derive(Debug)]
pub(crate) struct Transcript(Box<dyn HashContext>);

impl Transcript {
    pub(crate) fn new(provider: &CryptoProvider) -> Self {
        Self(provider.hash_provider.create_hash(HashAlgorithm::SHA256))
    }

    /// Adds parts of a message.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash so far.
    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut out = Buf::new();
        self.0.clone_and_finalize(&mut out);
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(out.iter()) {
            *to = *from;
        }
        hash
    }
}
