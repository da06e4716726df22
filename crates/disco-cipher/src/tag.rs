//! HMAC-SHA1 tags: what the `cc51` dialect has in the place of obfuscation (wire.md section 6,
//! RFC 2104).
//!
//! The key is UID ‖ AuthKey. Which bytes a tag is over, and where it stands, is for each packet to
//! say: this module only computes and checks.

use core::fmt;

use hmac::digest::block_api::BlockSizeUser;
use hmac::digest::{Digest, Key};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Length of a tag, in bytes.
pub const TAG_LEN: usize = 20;

/// Computes and checks the tags of one camera.
///
/// It holds no key, only the two SHA-1 states that HMAC derives from it, which is enough to make
/// tags: so they are zeroed when it is dropped, and `Debug` does not show them. A tag costs no
/// allocation, and the key is set up only once.
///
/// ```
/// use disco_cipher::tag::{TAG_LEN, Tagger};
///
/// let tagger = Tagger::new(b"HSBJYB5HSETGCDWD111A", b"qZwi9FaB");
/// let mut packet = [0x51; 32 + TAG_LEN];
/// let (body, tag) = packet.split_at_mut(32);
/// tag.copy_from_slice(&tagger.tag(body));
/// assert!(tagger.verify(body, tag));
/// body[8] ^= 1;
/// assert!(!tagger.verify(body, tag));
/// ```
#[derive(Clone)]
pub struct Tagger(Hmac<Sha1>);

impl Tagger {
    /// Sets up the key: `uid` (20 ASCII bytes on cameras) followed by `auth_key` (8 bytes).
    ///
    /// Any lengths do. HMAC hashes a key longer than 64 bytes, both parts together, down to 20.
    pub fn new(uid: &[u8], auth_key: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 64]);
        if uid.len().saturating_add(auth_key.len()) <= Sha1::block_size() {
            fill(key.as_mut(), uid.iter().chain(auth_key));
        } else {
            let mut digest = Sha1::new_with_prefix(uid).chain_update(auth_key).finalize();
            fill(key.as_mut(), &digest);
            zeroize::Zeroize::zeroize(digest.as_mut_slice());
        }
        Self(Hmac::new(<&Key<Hmac<Sha1>>>::from(&*key)))
    }

    /// The tag over `data`.
    pub fn tag(&self, data: &[u8]) -> [u8; TAG_LEN] {
        self.0
            .clone()
            .chain_update(data)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Whether `tag` is the tag over `data`, found out in a time that does not depend on how much
    /// of it is right. A tag that is not [`TAG_LEN`] bytes long is wrong.
    #[must_use]
    pub fn verify(&self, data: &[u8], tag: &[u8]) -> bool {
        self.tag(data).ct_eq(tag).into()
    }
}

fn fill<'a>(to: &mut [u8], from: impl IntoIterator<Item = &'a u8>) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

impl fmt::Debug for Tagger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tagger(..)")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// Does not compile if the `zeroize` feature of sha1 is off. `Hmac` itself has no such marker, but
    /// all that it is made of is what `Sha1` is made of: two states and a buffer.
    #[test]
    fn zeroed_on_drop() {
        fn zeroes<T: zeroize::ZeroizeOnDrop>() {}
        zeroes::<Sha1>();
    }

    #[test]
    fn debug_shows_no_state() {
        assert_eq!(
            std::format!("{:?}", Tagger::new(b"uid", b"key")),
            "Tagger(..)"
        );
    }
}
