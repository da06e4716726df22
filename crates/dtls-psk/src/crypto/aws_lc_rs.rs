//! The provider on dimpl's provider for aws-lc-rs.
//!
//! dimpl's key exchange draws its own secret keys, so that of aws-lc-rs is called directly. The
//! first random number of a process costs AWS-LC 25 to 240 ms of collecting entropy, which this
//! avoids.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ::aws_lc_rs::agreement::{self, PrivateKey, PublicKey, UnparsedPublicKey};
use dimpl::crypto::aws_lc_rs::default_provider;
use dimpl::crypto::{Aad, Buf, Cipher, Dtls12CipherSuite, HashAlgorithm, Nonce, TmpBuf};
use zeroize::Zeroizing;

use super::{
    Aead, AeadAlgorithm, AesCbc, CryptoError, CryptoProvider, Hash, KeyPair, MAX_HASH_LEN,
    NONCE_LEN, RecordMac, cbc, copy,
};
use crate::cipher_suite::CipherSuite;
use crate::group::Group;

/// The provider of the feature `aws-lc-rs`: dimpl's provider for aws-lc-rs. It needs `std`.
///
/// AES-CBC and its MAC, which dimpl lacks, are those of RustCrypto.
pub static AWS_LC_RS: &dyn CryptoProvider = &AwsLcRs;

#[derive(Debug)]
struct AwsLcRs;

impl CryptoProvider for AwsLcRs {
    fn suites(&self) -> &[CipherSuite] {
        CipherSuite::ALL
    }

    fn groups(&self) -> &[Group] {
        Group::ALL
    }

    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
        let mut context = default_provider()
            .hash_provider
            .create_hash(algorithm(hash));
        context.update(data);
        let mut out = Buf::new();
        context.clone_and_finalize(&mut out);
        copy(digest, &out)
    }

    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        let data = Zeroizing::new(data.concat());
        let mut out = Zeroizing::new([0; MAX_HASH_LEN]);
        let len = default_provider()
            .hmac_provider
            .hmac(algorithm(hash), key, &data, out.as_mut_slice())
            .map_err(|_| CryptoError)?;
        copy(tag, out.get(..len).ok_or(CryptoError)?)
    }

    fn key_pair(&self, group: Group, secret: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError> {
        let curve = match group {
            Group::X25519 => &agreement::X25519,
            Group::Secp256r1 => &agreement::ECDH_P256,
        };
        let secret = PrivateKey::from_private_key(curve, secret).map_err(|_| CryptoError)?;
        let public = secret.compute_public_key().map_err(|_| CryptoError)?;
        Ok(Box::new(AwsKeyPair { secret, public }))
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
        // A suite of dimpl that uses the AEAD.
        let suite = match algorithm {
            AeadAlgorithm::ChaCha20Poly1305 => {
                Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256
            }
            AeadAlgorithm::Aes128Ccm8 => Dtls12CipherSuite::PSK_AES128_CCM_8,
        };
        let suites = default_provider().cipher_suites;
        let suite = suites.iter().find(|known| known.suite() == suite);
        let cipher = suite.ok_or(CryptoError)?.create_cipher(key);
        Ok(Box::new(DimplAead {
            cipher: cipher.map_err(|_| CryptoError)?,
            buffer: Buf::new(),
        }))
    }

    fn aes_cbc(&self, key: &[u8]) -> Result<Box<dyn AesCbc>, CryptoError> {
        cbc::aes_cbc(key)
    }

    fn record_mac(&self, hash: Hash, key: &[u8]) -> Result<Box<dyn RecordMac>, CryptoError> {
        cbc::record_mac(hash, key)
    }
}

/// aws-lc-rs zeroes the secret key on drop.
struct AwsKeyPair {
    secret: PrivateKey,
    public: PublicKey,
}

impl KeyPair for AwsKeyPair {
    fn public_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError> {
        let peer = UnparsedPublicKey::new(self.secret.algorithm(), peer);
        agreement::agree(&self.secret, peer, CryptoError, |secret| {
            copy(shared, secret)
        })
    }
}

struct DimplAead {
    cipher: Box<dyn Cipher>,
    /// A buffer for sealing, kept to avoid allocation.
    buffer: Buf,
}

impl Aead for DimplAead {
    fn seal(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        // dimpl encrypts only a whole `Buf`, and `out` already contains headers, so the plaintext
        // is copied in and the ciphertext out. Both copies are cheap compared to the cipher (see
        // benches/record.rs), and allocate only until the buffers have grown.
        self.buffer.clear();
        self.buffer.extend_from_slice(plaintext);
        self.cipher
            .encrypt(&mut self.buffer, aad(additional_data)?, Nonce(*nonce))
            .map_err(|_| CryptoError)?;
        out.extend_from_slice(&self.buffer);
        Ok(())
    }

    fn open(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.cipher
            .decrypt(
                &mut TmpBuf::new(sealed),
                aad(additional_data)?,
                Nonce(*nonce),
            )
            .map_err(|_| CryptoError)
    }
}

/// Fails for more than 13 bytes, the length of the additional data of a record.
fn aad(additional_data: &[u8]) -> Result<Aad, CryptoError> {
    additional_data.try_into().map(Aad).map_err(|_| CryptoError)
}

fn algorithm(hash: Hash) -> HashAlgorithm {
    match hash {
        Hash::Sha256 => HashAlgorithm::SHA256,
        Hash::Sha384 => HashAlgorithm::SHA384,
    }
}
