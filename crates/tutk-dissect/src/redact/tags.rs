//! The tags of `cc51` datagrams (docs/protocol.md, section 9).

use disco_cipher::tag::Tagger;
use tutk_frame::cc51::TAG_LEN;
use tutk_frame::{AuthKey, Cc51Discovery, Cc51Keepalive, Uid};

/// The bytes that the tag of a datagram covers: of a data packet or keepalive, and of discovery.
const COVERED: [usize; 2] = [Cc51Keepalive::COVERED, Cc51Discovery::COVERED];

/// The keys of tags: real and fake.
#[derive(Default)]
pub(super) struct Taggers(Vec<(Tagger, Tagger)>);

impl Taggers {
    pub(super) fn add(&mut self, uid: &Uid, key: &AuthKey, fake_uid: &Uid, fake_key: &AuthKey) {
        let tagger = |uid: &Uid, key: &AuthKey| Tagger::new(&uid.0, &key.0);
        self.0.push((tagger(uid, key), tagger(fake_uid, fake_key)));
    }

    /// Replaces the tag at the end of `redacted`. `real` is the datagram before it was redacted.
    /// Returns `false` if the tag did not belong to a known key and is zeros now.
    pub(super) fn replace(&self, real: &[u8], redacted: &mut [u8]) -> bool {
        let Some((_, tag)) = real.split_last_chunk::<TAG_LEN>() else {
            return false;
        };
        // Some cameras may cover the whole datagram.
        let whole = real.len() - TAG_LEN;
        let found = self.0.iter().find_map(|(tagger, fake)| {
            let covered = COVERED.into_iter().chain([whole]);
            let verifies = |covered: &usize| {
                let bytes = real.get(..*covered).filter(|_| *covered <= whole);
                bytes.is_some_and(|bytes| tagger.verify(bytes, tag))
            };
            covered
                .into_iter()
                .find(verifies)
                .map(|covered| (fake, covered))
        });
        let tag = found.and_then(|(fake, covered)| Some(fake.tag(redacted.get(..covered)?)));
        if let Some(end) = redacted.last_chunk_mut::<TAG_LEN>() {
            *end = tag.unwrap_or_default();
        }
        tag.is_some()
    }
}
