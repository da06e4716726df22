//! HMAC over a message of secret length, and over one of public length (RFC 2104).
//!
//! With MAC-then-encrypt, the length of a record's content is secret until its padding is checked.
//! The duration of a hash reveals the length of its input, and Lucky 13 (AlFardan and Paterson,
//! 2013) recovers plaintext from it. The hash here therefore always covers as many blocks as the
//! longest possible content, and selects the state after the actual last block without a branch.
//! BoringSSL does the same (`EVP_tls_cbc_digest_record`).

use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroize;

use super::hash::{BlockHash, Digest};
use crate::constant_time::less;

/// An HMAC key, as the hash states after its two blocks.
pub(super) struct Hmac<H: BlockHash> {
    inner: H::State,
    outer: H::State,
}

impl<H: BlockHash> Hmac<H> {
    /// Creates a key of at most one block. Returns `None` if it is longer, which a TLS key never
    /// is.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        if key.len() > H::BLOCK_LEN {
            return None;
        }
        let keyed = |pad: u8| {
            let mut block = H::ZEROS;
            for (at, byte) in block.as_mut().iter_mut().enumerate() {
                *byte = pad ^ key.get(at).copied().unwrap_or(0);
            }
            let mut state = H::INITIAL;
            H::compress(&mut state, &block);
            block.zeroize();
            state
        };
        Some(Self {
            inner: keyed(0x36),
            outer: keyed(0x5c),
        })
    }

    /// Returns HMAC(`header` ‖ `data`). Its duration reveals both lengths.
    pub(super) fn tag(&self, header: &[u8], data: &[u8]) -> Digest {
        let mut state = self.inner;
        let mut block = H::ZEROS;
        compress_whole_blocks::<H>(&mut state, &mut block, header, data);
        // The remaining bytes, the end marker, and the length, in another block if it does not fit.
        let len = header.len() + data.len();
        let left = len % H::BLOCK_LEN;
        fill::<H>(&mut block, len - left, header, data);
        if let Some(end) = block.as_mut().get_mut(left) {
            *end = 0x80;
        }
        if left >= H::BLOCK_LEN - H::LENGTH_LEN {
            H::compress(&mut state, &block);
            block = H::ZEROS;
        }
        let bits = 8 * u64::from(length_of(H::BLOCK_LEN + len));
        put_length(&mut block, bits, u8::MAX);
        H::compress(&mut state, &block);
        block.zeroize();
        self.outer_digest(&H::digest(&state))
    }

    /// Returns HMAC(`header` ‖ the first `len` bytes of `data`).
    ///
    /// `len` is secret and between `least` and `data.len()`. The duration reveals nothing about it,
    /// but depends on the other arguments. Messages must be shorter than 2^31 bytes; a record has
    /// at most 2^15.
    pub(super) fn tag_of_secret_length(
        &self,
        header: &[u8],
        data: &[u8],
        least: usize,
        len: u32,
    ) -> Digest {
        self.outer_digest(&self.inner_digest(header, data, least, len))
    }

    /// Returns the outer hash, which always covers one block.
    fn outer_digest(&self, digest: &Digest) -> Digest {
        let mut block = H::ZEROS;
        fill::<H>(&mut block, 0, digest, &[0x80]);
        let bits = 8 * (length_of(H::BLOCK_LEN) + length_of(H::DIGEST_LEN));
        put_length(&mut block, u64::from(bits), u8::MAX);
        let mut state = self.outer;
        H::compress(&mut state, &block);
        H::digest(&state)
    }

    fn inner_digest(&self, header: &[u8], data: &[u8], least: usize, len: u32) -> Digest {
        let block_len = H::BLOCK_LEN;
        let mut state = self.inner;
        let mut block = H::ZEROS;

        // The blocks that are part of the message for every `len`.
        let certain = (header.len() + least) / block_len;
        let certain_data = (certain * block_len).saturating_sub(header.len());
        let whole = data.get(..certain_data).unwrap_or_default();
        compress_whole_blocks::<H>(&mut state, &mut block, header, whole);

        // Any of the remaining blocks may be the last one. `block_len` is a power of two, so the
        // division is a shift, which runs in constant time.
        let message_len = length_of(header.len()).wrapping_add(len);
        let last = message_len.wrapping_add(length_of(H::LENGTH_LEN)) >> block_len.ilog2();
        let bits = 8 * (u64::from(length_of(block_len)) + u64::from(message_len));
        let blocks = (header.len() + data.len() + H::LENGTH_LEN) / block_len + 1;
        let mut result = state;
        for index in certain..blocks {
            fill::<H>(&mut block, index * block_len, header, data);
            for (at, byte) in block.as_mut().iter_mut().enumerate() {
                let at = length_of(index * block_len + at);
                let padding = u8::conditional_select(&0, &0x80, at.ct_eq(&message_len));
                *byte = u8::conditional_select(&padding, byte, less(at, message_len));
            }
            let is_last = length_of(index).ct_eq(&last);
            let mask = u8::conditional_select(&0, &u8::MAX, is_last);
            put_length(&mut block, bits, mask);
            H::compress(&mut state, &block);
            H::assign(&mut result, &state, is_last);
        }
        block.zeroize();
        H::digest(&result)
    }
}

impl<H: BlockHash> Drop for Hmac<H> {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// Compresses the whole blocks of `header` ‖ `data`. `block` is a buffer for the mixed blocks.
fn compress_whole_blocks<H: BlockHash>(
    state: &mut H::State,
    block: &mut H::Block,
    header: &[u8],
    data: &[u8],
) {
    let whole = (header.len() + data.len()) / H::BLOCK_LEN;
    let mixed = header.len().div_ceil(H::BLOCK_LEN).min(whole);
    for index in 0..mixed {
        fill::<H>(block, index * H::BLOCK_LEN, header, data);
        H::compress(state, block);
    }
    // If this would cut the header, there is no whole block after it.
    if let Some(from) = (mixed * H::BLOCK_LEN).checked_sub(header.len()) {
        H::compress_blocks(state, data.get(from..).unwrap_or_default());
    }
}

/// Fills `block` with the bytes at offset `at` of `header` ‖ `data` ‖ zeros.
fn fill<H: BlockHash>(block: &mut H::Block, at: usize, header: &[u8], data: &[u8]) {
    let block = block.as_mut();
    let first = header.get(at..).unwrap_or_default();
    let (to_first, to_rest) = block.split_at_mut(first.len().min(H::BLOCK_LEN));
    if let Some(from) = first.get(..to_first.len()) {
        to_first.copy_from_slice(from);
    }
    let rest = data
        .get(at.saturating_sub(header.len())..)
        .unwrap_or_default();
    let (to_data, to_zeros) = to_rest.split_at_mut(rest.len().min(to_rest.len()));
    if let Some(from) = rest.get(..to_data.len()) {
        to_data.copy_from_slice(from);
    }
    to_zeros.fill(0);
}

/// Writes a length in bits to the zeros at the end of a block if `mask` is 0xff, and nothing if it
/// is 0.
fn put_length<B: AsMut<[u8]>>(block: &mut B, bits: u64, mask: u8) {
    // SHA-384 has a 16-byte length field. A record uses at most its last 8 bytes.
    let bytes = bits.to_be_bytes();
    for (to, from) in block.as_mut().iter_mut().rev().zip(bytes.iter().rev()) {
        *to |= from & mask;
    }
}

/// Converts a public length to the width of the comparisons.
fn length_of(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::super::hash::{Sha256, Sha384, count};
    use super::*;
    use crate::crypto::Hash;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn tag<H: BlockHash>(key: &[u8], message: &[u8]) -> String {
        let hmac = Hmac::<H>::new(key).unwrap();
        let whole = hmac.tag(message, &[]);
        // The tag does not depend on how the message is split, or on the bytes after it.
        for cut in 0..=message.len() {
            let (header, data) = message.split_at(cut);
            assert_eq!(hmac.tag(header, data), whole);
            let longer = [data, &[0x80; 300]].concat();
            for least in [0, data.len()] {
                let len = length_of(data.len());
                assert_eq!(hmac.tag_of_secret_length(header, data, least, len), whole);
                assert_eq!(
                    hmac.tag_of_secret_length(header, &longer, least, len),
                    whole
                );
            }
        }
        hex(&whole)
    }

    /// RFC 4231 section 4, test cases 1 to 4.
    #[test]
    fn tags_match_rfc_4231() {
        let key4: Vec<u8> = (1..=25).collect();
        for (key, message, sha256, sha384) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
                "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
            ),
            (
                &key4,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
                "3e8a69b7783c25851933ab6290af6ca77a9981480850009cc5577c6e1f573b4e6801dd23c4a7d679ccf8a386c674cffb",
            ),
        ] {
            assert_eq!(tag::<Sha256>(key, message), sha256);
            assert_eq!(tag::<Sha384>(key, message), sha384);
        }
    }

    #[test]
    fn keys_longer_than_a_block_are_rejected() {
        assert!(Hmac::<Sha256>::new(&[1; 64]).is_some());
        assert!(Hmac::<Sha256>::new(&[1; 65]).is_none());
        assert!(Hmac::<Sha384>::new(&[1; 128]).is_some());
    }

    fn agrees_and_counts<H: BlockHash>(longest: usize) {
        let key = [7; 48];
        let data: Vec<u8> = (0..=255).cycle().take(longest).collect();
        let hmac = Hmac::<H>::new(&key).unwrap();
        let least = longest.saturating_sub(255);
        let mut all = Vec::new();
        for len in least..=longest {
            let (blocks, tag) =
                count::blocks(|| hmac.tag_of_secret_length(&[9; 13], &data, least, length_of(len)));
            all.push(blocks);
            let simple = hmac.tag(&[9; 13], &data[..len]);
            assert_eq!(tag, simple, "{len} of {longest}");
        }
        assert!(all.iter().all(|blocks| *blocks == all[0]), "{all:?}");
    }

    #[test]
    fn number_of_hashed_blocks_does_not_depend_on_the_secret_length() {
        for longest in [0, 1, 40, 50, 51, 52, 100, 255, 256, 300, 700, 1100] {
            agrees_and_counts::<Sha256>(longest);
            agrees_and_counts::<Sha384>(longest);
        }
    }

    proptest! {
        #[test]
        fn tags_match_the_provider(
            key in proptest::collection::vec(any::<u8>(), 0..=64),
            header in proptest::collection::vec(any::<u8>(), 0..200),
            data in proptest::collection::vec(any::<u8>(), 0..700),
            len: prop::sample::Index,
            least: prop::sample::Index,
        ) {
            let len = len.index(data.len() + 1);
            let least = least.index(len + 1);
            for provider in crate::crypto::all_providers() {
                let mut expected = [0; 32];
                provider.hmac(Hash::Sha256, &key, &[&header, &data[..len]], &mut expected).unwrap();
                let hmac = Hmac::<Sha256>::new(&key).unwrap();
                let tag = hmac.tag_of_secret_length(&header, &data, least, length_of(len));
                prop_assert_eq!(&tag[..], &expected[..]);
                prop_assert_eq!(&hmac.tag(&header, &data[..len])[..], &expected[..]);
                let mut expected = [0; 48];
                provider.hmac(Hash::Sha384, &key, &[&header, &data[..len]], &mut expected).unwrap();
                let hmac = Hmac::<Sha384>::new(&key).unwrap();
                let tag = hmac.tag_of_secret_length(&header, &data, least, length_of(len));
                prop_assert_eq!(&tag[..], &expected[..]);
                prop_assert_eq!(&hmac.tag(&header, &data[..len])[..], &expected[..]);
            }
        }
    }
}
