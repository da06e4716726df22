//! The handshake transcript (RFC 5246 section 7.4.9, RFC 6347 section 4.2.6).

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::crypto::{CryptoError, CryptoProvider, Hash, MAX_HASH_LEN};
use crate::error::Error;
use crate::messages::{Message, handshake_header};

/// A hash of the handshake.
pub(crate) type TranscriptHash = ArrayVec<u8, MAX_HASH_LEN>;

/// All handshake messages so far, in unfragmented form. The first hello and the HelloVerifyRequest
/// are excluded.
///
/// The messages are kept, a few hundred bytes, and hashed up to four times. A peer can add three
/// messages, whose length is limited.
#[derive(Debug, Default)]
pub(crate) struct Transcript(Vec<u8>);

impl Transcript {
    /// Adds a message in its unfragmented form.
    pub(crate) fn add(&mut self, message: &Message) -> Result<(), Error> {
        let len = message.body.len();
        self.0.extend_from_slice(&handshake_header(
            message.handshake_type,
            len,
            message.sequence,
            0,
            len,
        )?);
        self.0.extend_from_slice(&message.body);
        Ok(())
    }

    /// Returns the hash of all messages.
    pub(crate) fn hash(
        &self,
        provider: &dyn CryptoProvider,
        hash: Hash,
    ) -> Result<TranscriptHash, Error> {
        let mut digest = TranscriptHash::from([0; MAX_HASH_LEN]);
        digest.truncate(hash.output_len());
        provider
            .hash(hash, &self.0, &mut digest)
            .map_err(|CryptoError| Error::Crypto("hashing the handshake"))?;
        Ok(digest)
    }
}
