//! The provider on the RustCrypto crates.

use alloc::boxed::Box;
use alloc::vec::Vec;

use aes::Aes128;
use ccm::Ccm;
use ccm::consts::{U8, U12};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use hmac::{Hmac, Mac};
use p256::elliptic_curve::sec1::ToSec1Point;
use sha2::{Digest, Sha256, Sha384};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::{
    Aead, AeadAlgorithm, AesCbc, CryptoError, CryptoProvider, Hash, KeyPair, NONCE_LEN, RecordMac,
    cbc, copy,
};
use crate::cipher_suite::CipherSuite;
use crate::group::Group;

/// The provider of the feature `rust-crypto`: the RustCrypto crates. It does not need `std`.
pub static RUST_CRYPTO: &dyn CryptoProvider = &RustCrypto;

#[derive(Debug)]
struct RustCrypto;

impl CryptoProvider for RustCrypto {
    fn suites(&self) -> &[CipherSuite] {
        CipherSuite::ALL
    }

    fn groups(&self) -> &[Group] {
        Group::ALL
    }

    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
        match hash {
            Hash::Sha256 => copy(digest, &Sha256::digest(data)),
            Hash::Sha384 => copy(digest, &Sha384::digest(data)),
        }
    }

    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        match hash {
            Hash::Sha256 => hmac::<Hmac<Sha256>>(key, data, tag),
            Hash::Sha384 => hmac::<Hmac<Sha384>>(key, data, tag),
        }
    }

    fn key_pair(&self, group: Group, secret: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError> {
        Ok(match group {
            Group::X25519 => {
                let secret = StaticSecret::from(*secret);
                let public = (&secret).into();
                Box::new(X25519KeyPair { secret, public })
            }
            Group::Secp256r1 => {
                let secret = p256::SecretKey::from_slice(secret).map_err(|_| CryptoError)?;
                let public = secret.public_key().to_sec1_point(false);
                Box::new(P256KeyPair { secret, public })
            }
        })
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(match algorithm {
            AeadAlgorithm::ChaCha20Poly1305 => Box::new(RustCryptoAead(
                ChaCha20Poly1305::new_from_slice(key).map_err(|_| CryptoError)?,
            )),
            AeadAlgorithm::Aes128Ccm8 => Box::new(RustCryptoAead(
                Ccm::<Aes128, U8, U12>::new_from_slice(key).map_err(|_| CryptoError)?,
            )),
        })
    }

    fn aes_cbc(&self, key: &[u8]) -> Result<Box<dyn AesCbc>, CryptoError> {
        cbc::aes_cbc(key)
    }

    fn record_mac(&self, hash: Hash, key: &[u8]) -> Result<Box<dyn RecordMac>, CryptoError> {
        cbc::record_mac(hash, key)
    }
}

/// The secret key is zeroed on drop.
struct X25519KeyPair {
    secret: StaticSecret,
    public: x25519_dalek::PublicKey,
}

impl KeyPair for X25519KeyPair {
    fn public_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| CryptoError)?;
        copy(shared, self.secret.diffie_hellman(&peer.into()).as_bytes())
    }
}

/// The secret key is zeroed on drop.
struct P256KeyPair {
    secret: p256::SecretKey,
    public: p256::Sec1Point,
}

impl KeyPair for P256KeyPair {
    fn public_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError> {
        let peer = p256::PublicKey::from_sec1_bytes(peer).map_err(|_| CryptoError)?;
        let secret = self.secret.diffie_hellman(&peer);
        copy(shared, secret.raw_secret_bytes())
    }
}

struct RustCryptoAead<A>(A);

impl<A: AeadInOut<NonceSize = U12> + Send + Sync> Aead for RustCryptoAead<A> {
    fn seal(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let start = out.len();
        out.extend_from_slice(plaintext);
        let data = out.get_mut(start..).unwrap_or_default();
        let tag = self
            .0
            .encrypt_inout_detached(nonce.into(), additional_data, data.into())
            .map_err(|_| CryptoError)?;
        out.extend_from_slice(&tag);
        Ok(())
    }

    fn open(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError> {
        let tag_len = ccm::aead::Tag::<A>::default().len();
        let len = sealed.len().checked_sub(tag_len).ok_or(CryptoError)?;
        let (data, tag) = sealed.split_at_mut(len);
        let tag = ccm::aead::Tag::<A>::try_from(&*tag).map_err(|_| CryptoError)?;
        self.0
            .decrypt_inout_detached(nonce.into(), additional_data, data.into(), &tag)
            .map_err(|_| CryptoError)
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], data: &[&[u8]], tag: &mut [u8]) -> Result<(), CryptoError> {
    let mut mac = <M as KeyInit>::new_from_slice(key).map_err(|_| CryptoError)?;
    for part in data {
        mac.update(part);
    }
    let digest = Zeroizing::new(mac.finalize().into_bytes());
    copy(tag, &digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_vectors::hex;

    /// NIST SP 800-38C, example 3. Its additional data is longer than that of a record.
    #[test]
    fn aes_128_ccm_8_matches_nist() {
        let key = hex("404142434445464748494a4b4c4d4e4f");
        let nonce: [u8; NONCE_LEN] = hex("101112131415161718191a1b").try_into().unwrap();
        let additional_data = hex("000102030405060708090a0b0c0d0e0f10111213");
        let plaintext = hex("202122232425262728292a2b2c2d2e2f3031323334353637");
        let sealed = hex("e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5 484392fbc1b09951");
        let mut ccm = RUST_CRYPTO.aead(AeadAlgorithm::Aes128Ccm8, &key).unwrap();
        let mut out = Vec::new();
        ccm.seal(&nonce, &additional_data, &plaintext, &mut out)
            .unwrap();
        assert_eq!(out, sealed);
        ccm.open(&nonce, &additional_data, &mut out).unwrap();
        assert_eq!(&out[..24], plaintext);
    }
}
