//! HMAC-SHA1 tags of the `cc51` dialect (docs/protocol.md, sections 6 and 9, and RFC 2104).
//!
//! The key is UID ‖ AuthKey. The packet's layout defines which bytes a tag covers and where it is.

use core::fmt;

use hmac::digest::block_api::BlockSizeUser;
use hmac::digest::{Digest, Key};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The length of a tag in bytes.
pub const TAG_LEN: usize = 20;

/// Computes and checks the tags of one camera.
///
/// It holds the two SHA-1 states that HMAC derives from the key. They are zeroed on drop and hidden
/// in `Debug` output. Computing a tag does not allocate or derive the states again.
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
    /// Makes a tagger with the key `uid` ‖ `auth_key`. Cameras have 20 and 8 bytes, but any lengths
    /// are accepted.
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

    /// Computes the tag over `data`.
    pub fn tag(&self, data: &[u8]) -> [u8; TAG_LEN] {
        self.0
            .clone()
            .chain_update(data)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Returns `true` if `tag` is the tag over `data`. Compares in constant time. A tag that is not
    /// [`TAG_LEN`] bytes long does not verify.
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

    /// Does not compile if the `zeroize` feature of sha1 is off. `Hmac` has no such marker, but
    /// consists of the same types as `Sha1`.
    #[test]
    fn zeroed_on_drop() {
        fn zeroes<T: zeroize::ZeroizeOnDrop>() {}
        zeroes::<Sha1>();
    }

    #[test]
    fn state_is_hidden_in_debug() {
        assert_eq!(
            std::format!("{:?}", Tagger::new(b"uid", b"key")),
            "Tagger(..)"
        );
    }
}
