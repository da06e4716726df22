//! AES-CBC with HMAC (RFC 5246 section 6.2.3.2, RFC 7366).
//!
//! # Timing
//!
//! An attacker who can distinguish a wrong padding from a wrong MAC, or who learns the length of
//! the padding, can decrypt records (Vaudenay 2002; Lucky 13, 2013). With encrypt-then-MAC, nothing
//! is decrypted before its MAC is verified. With MAC-then-encrypt, opening does the same work for
//! all fragments of one length. It checks the padding, locates the MAC and computes the HMAC
//! without a branch or memory address that depends on the plaintext (`padding.rs`, `hmac.rs`). A
//! record that fails any of these checks is dropped without an answer.
//!
//! The code uses `subtle` to keep the optimizer from adding branches, which is the best that safe
//! Rust offers. The machine code has not been measured. Tests check the number of hashed blocks.
//! The cache lines accessed depend only on public lengths. AES runs in constant time: with the
//! processor's instructions where it has them, and bitsliced elsewhere.

mod hash;
mod hmac;
mod padding;

use std::fmt;

use aes::{Aes128, Aes256};
use cbc::cipher::array::Array;
use cbc::cipher::consts::U16;
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};
use dimpl::{CryptoError, CryptoOperation};
use subtle::ConstantTimeEq;

use self::hash::{BlockHash, Sha256, Sha384};
use self::hmac::Hmac;
use self::padding::{MAX_PADDING, content_len, mac_at};
use super::{Algorithm, BulkCipher, DirectionKeys, KeyLengths, Protection, additional_data};
use crate::error::Error;
use crate::record::RecordId;

/// The length of a block and of the explicit IV, in bytes.
const BLOCK_LEN: usize = 16;

/// AES-128 with HMAC-SHA-256. The IVs are explicit, not part of the key block (RFC 5246 section
/// 6.3).
pub(crate) static AES_128_CBC_SHA256: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 32,
        key: 16,
        iv: 0,
    },
    algorithm: Algorithm::Cbc(|keys| Ok(Box::new(AesCbc::<Aes128, Sha256>::new(keys)?))),
};

/// AES-256 with HMAC-SHA-384.
pub(crate) static AES_256_CBC_SHA384: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 48,
        key: 32,
        iv: 0,
    },
    algorithm: Algorithm::Cbc(|keys| Ok(Box::new(AesCbc::<Aes256, Sha384>::new(keys)?))),
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
struct AesCbc<C, H: BlockHash> {
    cipher: C,
    mac: Hmac<H>,
    ivs: Ivs,
    encrypt_then_mac: bool,
}

/// The generator of explicit IVs: AES-256 over the record number, with a key used for nothing else.
///
/// An IV must be unpredictable. Otherwise an attacker who chooses plaintext can test guesses about
/// earlier plaintext (Bard 2004; BEAST). A block cipher over numbers that never repeat is
/// indistinguishable from random numbers without its key (NIST SP 800-38A appendix C, first method,
/// but with a separate key). This way the connection does not need to keep a random generator.
struct Ivs(Aes256);

impl Ivs {
    fn iv(&self, record: RecordId) -> [u8; BLOCK_LEN] {
        let mut block = Array::from([0; BLOCK_LEN]);
        for (to, from) in block.iter_mut().zip(record.number()) {
            *to = from;
        }
        self.0.encrypt_block(&mut block);
        block.into()
    }
}

impl<C, H> AesCbc<C, H>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit,
    H: BlockHash,
{
    fn new(keys: DirectionKeys<'_>) -> Result<Self, Error> {
        const WRONG_KEYS: Error = Error::ProviderLacks("keys of the right length");
        Ok(Self {
            cipher: C::new_from_slice(keys.key).map_err(|_| WRONG_KEYS)?,
            mac: Hmac::new(keys.mac).ok_or(WRONG_KEYS)?,
            ivs: Ivs(Aes256::new(&Array::from(*keys.iv_key))),
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
    ) -> Option<hash::Digest> {
        // Runs in constant time for every `len` that fits, and no other occurs.
        let header = additional_data(record, u16::try_from(len).ok()?);
        let mac = &self.mac;
        Some(mac.tag_of_secret_length(&header, data, least, len))
    }

    /// Returns the HMAC of a content whose length is public.
    fn tag(&self, record: RecordId, data: &[u8]) -> Option<hash::Digest> {
        let header = additional_data(record, u16::try_from(data.len()).ok()?);
        Some(self.mac.tag(&header, data))
    }

    fn encrypt(&self, iv: [u8; BLOCK_LEN], data: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(data);
        cbc::Encryptor::inner_iv_init(&self.cipher, &Array::from(iv)).encrypt_blocks(blocks);
    }

    fn decrypt(&self, iv: [u8; BLOCK_LEN], data: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(data);
        cbc::Decryptor::inner_iv_init(&self.cipher, &Array::from(iv)).decrypt_blocks(blocks);
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
        self.encrypt(iv, out.get_mut(body..)?);
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
        let sealed_len = fragment.len().checked_sub(H::DIGEST_LEN)?;
        let (sealed, tag) = fragment.split_at_mut(sealed_len);
        let expected = self.tag(record, sealed)?;
        if !bool::from(expected.as_slice().ct_eq(tag)) {
            return None;
        }
        let (iv, body) = sealed.split_first_chunk_mut::<BLOCK_LEN>()?;
        if body.len() % BLOCK_LEN != 0 {
            return None;
        }
        self.decrypt(*iv, body);
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
        if body.len() % BLOCK_LEN != 0 || body.len() <= H::DIGEST_LEN {
            return None;
        }
        self.decrypt(*iv, body);
        // Until the final decision, branches and addresses do not depend on the plaintext.
        let (good_padding, len) = content_len(body, H::DIGEST_LEN)?;
        let tag = mac_at(body, H::DIGEST_LEN, len);
        let most = body.len() - H::DIGEST_LEN - 1;
        let least = most.saturating_sub(MAX_PADDING - 1);
        let expected = self.tag_of_secret_length(record, body.get(..most)?, least, len)?;
        let good = good_padding & expected.as_slice().ct_eq(&tag);
        if !bool::from(good) {
            return None;
        }
        body.get_mut(..usize::try_from(len).ok()?)
    }
}

impl<C, H> Protection for AesCbc<C, H>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit,
    C: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe,
    H: BlockHash,
{
    fn max_plaintext(&self, fragment: usize) -> Option<usize> {
        let after_iv = fragment.checked_sub(BLOCK_LEN)?;
        // Content and MAC are followed by at least the padding's length byte.
        if self.encrypt_then_mac {
            let encrypted = after_iv.checked_sub(H::DIGEST_LEN)?;
            (encrypted / BLOCK_LEN * BLOCK_LEN).checked_sub(1)
        } else {
            (after_iv / BLOCK_LEN * BLOCK_LEN).checked_sub(H::DIGEST_LEN + 1)
        }
    }

    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        self.append(record, plaintext, out)
            .ok_or(CryptoError::OperationFailed(CryptoOperation::Encrypt))
    }

    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if self.encrypt_then_mac {
            self.open_encrypt_then_mac(record, fragment)
        } else {
            self.open_mac_then_encrypt(record, fragment)
        }
    }
}

impl<C, H: BlockHash> fmt::Debug for AesCbc<C, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AesCbc")
            .field("encrypt_then_mac", &self.encrypt_then_mac)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
