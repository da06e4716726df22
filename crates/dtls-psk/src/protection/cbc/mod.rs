//! AES-CBC with HMAC (RFC 5246 section 6.2.3.2, RFC 7366).
//!
//! # Timing
//!
//! An attacker who can distinguish a wrong padding from a wrong MAC, or who learns the length of
//! the padding, can decrypt records (Vaudenay 2002; Lucky 13, 2013). With encrypt-then-MAC, nothing
//! is decrypted before its MAC is verified. With MAC-then-encrypt, opening does the same work for
//! all fragments of one length. It checks the padding, locates the MAC and computes the HMAC
//! without a branch or memory address that depends on the plaintext (`padding.rs`,
//! `crypto/cbc/hmac.rs`). A record that fails any of these checks is dropped without an answer.
//!
//! The code uses `subtle` to keep the optimizer from adding branches, which is the best that safe
//! Rust offers. The machine code has not been measured. Tests check the number of hashed blocks.
//! The cache lines accessed depend only on public lengths.

mod padding;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use arrayvec::ArrayVec;
use subtle::ConstantTimeEq;

use self::padding::{MAX_PADDING, content_len, mac_at};
use super::{BulkCipher, DirectionKeys, KeyLengths, Protection, additional_data};
use crate::crypto::{AesCbc, CryptoError, CryptoProvider, Hash, MAX_HASH_LEN, RecordMac};
use crate::record::RecordId;

/// The length of a block and of the explicit IV, in bytes.
const BLOCK_LEN: usize = 16;

/// A MAC.
type Digest = ArrayVec<u8, MAX_HASH_LEN>;

/// AES-128 with HMAC-SHA-256. The IVs are explicit, not part of the key block (RFC 5246 section
/// 6.3).
pub(crate) static AES_128_CBC_SHA256: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 32,
        key: 16,
        iv: 0,
    },
    algorithm: super::Algorithm::Cbc(Hash::Sha256),
};

/// AES-256 with HMAC-SHA-384.
pub(crate) static AES_256_CBC_SHA384: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 48,
        key: 32,
        iv: 0,
    },
    algorithm: super::Algorithm::Cbc(Hash::Sha384),
};

/// The protection of one direction. A MAC-then-encrypt fragment (RFC 5246 section 6.2.3.2) is:
///
/// | size | field |
/// |---|---|
/// | 16 | explicit IV |
/// | n | content, encrypted |
/// | m | MAC over the additional data and the content, encrypted; 32 or 48 bytes |
/// | p + 1 | padding to a whole block, each byte p, encrypted |
///
/// An encrypt-then-MAC fragment (RFC 7366 section 3) is:
///
/// | size | field |
/// |---|---|
/// | 16 | explicit IV |
/// | n | content, encrypted |
/// | p + 1 | padding to a whole block, each byte p, encrypted |
/// | m | MAC over the additional data and all of the above |
pub(super) struct CbcProtection {
    cipher: Box<dyn AesCbc>,
    mac: Box<dyn RecordMac>,
    mac_len: usize,
    ivs: Ivs,
    encrypt_then_mac: bool,
}

/// The generator of explicit IVs: AES-256 over the record number, with a key used for nothing else.
///
/// An IV must be unpredictable. Otherwise an attacker who chooses plaintext can test guesses about
/// earlier plaintext (Bard 2004; BEAST). A block cipher over numbers that never repeat is
/// indistinguishable from random numbers without its key (NIST SP 800-38A appendix C, first method,
/// but with a separate key). This way the connection does not need to keep a random generator.
struct Ivs(Box<dyn AesCbc>);

impl Ivs {
    fn iv(&self, record: RecordId) -> [u8; BLOCK_LEN] {
        let mut block = [0; BLOCK_LEN];
        for (to, from) in block.iter_mut().zip(record.number()) {
            *to = from;
        }
        // One block of CBC with an IV of zeros is the block cipher.
        self.0.encrypt(&[0; BLOCK_LEN], &mut block);
        block
    }
}

impl CbcProtection {
    pub(super) fn new(
        provider: &dyn CryptoProvider,
        hash: Hash,
        keys: DirectionKeys<'_>,
    ) -> Result<Self, CryptoError> {
        Ok(Self {
            cipher: provider.aes_cbc(keys.key)?,
            mac: provider.record_mac(hash, keys.mac)?,
            mac_len: hash.output_len(),
            ivs: Ivs(provider.aes_cbc(keys.iv_key)?),
            encrypt_then_mac: keys.encrypt_then_mac,
        })
    }

    /// Returns the HMAC of a content of `len` bytes at the start of `data`. `len` is secret and at
    /// least `least`.
    fn tag_of_secret_length(
        &self,
        record: RecordId,
        data: &[u8],
        least: usize,
        len: u32,
    ) -> Option<Digest> {
        // Runs in constant time for every `len` that fits, and no other occurs.
        let header = additional_data(record, u16::try_from(len).ok()?);
        let mut tag = self.empty_tag();
        let mac = &self.mac;
        mac.tag_of_secret_length(&header, data, least, len, &mut tag);
        Some(tag)
    }

    /// Returns the HMAC of a content whose length is public.
    fn tag(&self, record: RecordId, data: &[u8]) -> Option<Digest> {
        let header = additional_data(record, u16::try_from(data.len()).ok()?);
        let mut tag = self.empty_tag();
        self.mac.tag(&header, data, &mut tag);
        Some(tag)
    }

    fn empty_tag(&self) -> Digest {
        let mut tag = Digest::from([0; MAX_HASH_LEN]);
        tag.truncate(self.mac_len);
        tag
    }

    fn append(&self, record: RecordId, plaintext: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let iv = self.ivs.iv(record);
        out.extend_from_slice(&iv);
        let body = out.len();
        out.extend_from_slice(plaintext);
        if !self.encrypt_then_mac {
            out.extend_from_slice(&self.tag(record, plaintext)?);
        }
        // The shortest padding that fills the block: 1 to 16 bytes including its length byte.
        let padding = BLOCK_LEN - (out.len() - body) % BLOCK_LEN;
        let padding_len = u8::try_from(padding - 1).ok()?;
        out.resize(out.len() + padding, padding_len);
        self.cipher.encrypt(&iv, out.get_mut(body..)?);
        if self.encrypt_then_mac {
            let tag = self.tag(record, out.get(start..)?)?;
            out.extend_from_slice(&tag);
        }
        Some(())
    }

    fn open_encrypt_then_mac<'a>(
        &self,
        record: RecordId,
        fragment: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let sealed_len = fragment.len().checked_sub(self.mac_len)?;
        let (sealed, tag) = fragment.split_at_mut(sealed_len);
        let expected = self.tag(record, sealed)?;
        if !bool::from(expected.as_slice().ct_eq(tag)) {
            return None;
        }
        let (iv, body) = sealed.split_first_chunk_mut::<BLOCK_LEN>()?;
        if body.len() % BLOCK_LEN != 0 {
            return None;
        }
        self.cipher.decrypt(iv, body);
        // The padding is authenticated, so checking it need not be constant-time.
        let padding_len = *body.last()?;
        let len = body.len().checked_sub(usize::from(padding_len) + 1)?;
        let (content, padding) = body.split_at_mut(len);
        padding
            .iter()
            .all(|byte| *byte == padding_len)
            .then_some(content)
    }

    fn open_mac_then_encrypt<'a>(
        &self,
        record: RecordId,
        fragment: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        let (iv, body) = fragment.split_first_chunk_mut::<BLOCK_LEN>()?;
        if body.len() % BLOCK_LEN != 0 || body.len() <= self.mac_len {
            return None;
        }
        self.cipher.decrypt(iv, body);
        // Until the final decision, branches and addresses do not depend on the plaintext.
        let (good_padding, len) = content_len(body, self.mac_len)?;
        let tag = mac_at(body, self.mac_len, len);
        let most = body.len() - self.mac_len - 1;
        let least = most.saturating_sub(MAX_PADDING - 1);
        let expected = self.tag_of_secret_length(record, body.get(..most)?, least, len)?;
        let good = good_padding & expected.as_slice().ct_eq(&tag);
        if !bool::from(good) {
            return None;
        }
        body.get_mut(..usize::try_from(len).ok()?)
    }
}

impl Protection for CbcProtection {
    fn max_plaintext(&self, fragment: usize) -> Option<usize> {
        let after_iv = fragment.checked_sub(BLOCK_LEN)?;
        // Content and MAC are followed by at least the padding's length byte.
        if self.encrypt_then_mac {
            let encrypted = after_iv.checked_sub(self.mac_len)?;
            (encrypted / BLOCK_LEN * BLOCK_LEN).checked_sub(1)
        } else {
            (after_iv / BLOCK_LEN * BLOCK_LEN).checked_sub(self.mac_len + 1)
        }
    }

    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        self.append(record, plaintext, out).ok_or(CryptoError)
    }

    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if self.encrypt_then_mac {
            self.open_encrypt_then_mac(record, fragment)
        } else {
            self.open_mac_then_encrypt(record, fragment)
        }
    }
}

impl fmt::Debug for CbcProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CbcProtection")
            .field("encrypt_then_mac", &self.encrypt_then_mac)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
