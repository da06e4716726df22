//! AES-CBC and its MAC on RustCrypto, for all providers of this crate: dimpl has no AES-CBC, and no
//! library has a public HMAC over a message of secret length.

mod hash;
mod hmac;

use alloc::boxed::Box;

use ::cbc::cipher::array::Array;
use ::cbc::cipher::consts::U16;
use ::cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit,
};
use aes::{Aes128, Aes256};

#[cfg(test)]
pub(crate) use self::hash::count;
use self::hash::{BlockHash, Sha256, Sha384};
use self::hmac::Hmac;
use super::{AesCbc, CryptoError, Hash, RecordMac};

pub(crate) fn aes_cbc(key: &[u8]) -> Result<Box<dyn AesCbc>, CryptoError> {
    match key.len() {
        16 => Ok(Box::new(Cipher(
            Aes128::new_from_slice(key).map_err(|_| CryptoError)?,
        ))),
        _ => Ok(Box::new(Cipher(
            Aes256::new_from_slice(key).map_err(|_| CryptoError)?,
        ))),
    }
}

pub(crate) fn record_mac(hash: Hash, key: &[u8]) -> Result<Box<dyn RecordMac>, CryptoError> {
    match hash {
        Hash::Sha256 => Ok(Box::new(Hmac::<Sha256>::new(key).ok_or(CryptoError)?)),
        Hash::Sha384 => Ok(Box::new(Hmac::<Sha384>::new(key).ok_or(CryptoError)?)),
    }
}

/// AES runs in constant time: with the processor's instructions where it has them, and bitsliced
/// elsewhere.
struct Cipher<C>(C);

impl<C> AesCbc for Cipher<C>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync,
{
    fn encrypt(&self, iv: &[u8; 16], blocks: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(blocks);
        ::cbc::Encryptor::inner_iv_init(&self.0, &Array::from(*iv)).encrypt_blocks(blocks);
    }

    fn decrypt(&self, iv: &[u8; 16], blocks: &mut [u8]) {
        let (blocks, _) = Array::slice_as_chunks_mut(blocks);
        ::cbc::Decryptor::inner_iv_init(&self.0, &Array::from(*iv)).decrypt_blocks(blocks);
    }
}

impl<H: BlockHash> RecordMac for Hmac<H> {
    fn tag(&self, header: &[u8], data: &[u8], tag: &mut [u8]) {
        copy(tag, &Hmac::tag(self, header, data));
    }

    fn tag_of_secret_length(
        &self,
        header: &[u8],
        data: &[u8],
        least: usize,
        len: u32,
        tag: &mut [u8],
    ) {
        let digest = Hmac::tag_of_secret_length(self, header, data, least, len);
        copy(tag, &digest);
    }
}

fn copy(tag: &mut [u8], digest: &[u8]) {
    for (to, from) in tag.iter_mut().zip(digest) {
        *to = *from;
    }
}
