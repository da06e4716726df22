//! A crypto provider for fast and repeatable runs. Its key exchange adds the two key shares. All
//! other operations are those of RustCrypto.

use tutk_session::dtls_psk::crypto::{
    Aead, AeadAlgorithm, AesCbc, CryptoError, CryptoProvider, Hash, KeyPair, RUST_CRYPTO, RecordMac,
};
use tutk_session::dtls_psk::{CipherSuite, Group};

pub static CLIENT: &dyn CryptoProvider = &Sum(0x11);
pub static SERVER: &dyn CryptoProvider = &Sum(0x47);

/// Each role has a constant key share.
#[derive(Debug)]
struct Sum(u8);

impl CryptoProvider for Sum {
    fn suites(&self) -> &[CipherSuite] {
        RUST_CRYPTO.suites()
    }

    fn groups(&self) -> &[Group] {
        &[Group::X25519]
    }

    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
        RUST_CRYPTO.hash(hash, data, digest)
    }

    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        RUST_CRYPTO.hmac(hash, key, data, tag)
    }

    fn key_pair(&self, _: Group, _: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError> {
        Ok(Box::new(Share([self.0; 32])))
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
        RUST_CRYPTO.aead(algorithm, key)
    }

    fn aes_cbc(&self, key: &[u8]) -> Result<Box<dyn AesCbc>, CryptoError> {
        RUST_CRYPTO.aes_cbc(key)
    }

    fn record_mac(&self, hash: Hash, key: &[u8]) -> Result<Box<dyn RecordMac>, CryptoError> {
        RUST_CRYPTO.record_mac(hash, key)
    }
}

struct Share([u8; 32]);

impl KeyPair for Share {
    fn public_key(&self) -> &[u8] {
        &self.0
    }

    fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError> {
        for ((to, ours), theirs) in shared.iter_mut().zip(self.0).zip(peer) {
            *to = ours.wrapping_add(*theirs);
        }
        Ok(())
    }
}
