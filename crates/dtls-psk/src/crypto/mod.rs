//! The cryptography of a connection, as an interface that a caller can implement.
//!
//! A [`CryptoProvider`] is a set of functions: two hashes, HMAC, two groups, two AEADs, and AES-CBC
//! with its MAC. All other parts of DTLS are in this crate: the PRF, the key schedule, nonces,
//! additional data, padding and the format of records.
//!
//! # Providers
//!
//! - Feature `aws-lc-rs` (default): `AWS_LC_RS` is dimpl's provider on aws-lc-rs. It needs `std`.
//!   Keys of X25519 and P-256 are made by aws-lc-rs itself. AES-CBC and its MAC are RustCrypto's.
//! - Feature `rust-crypto`: `RUST_CRYPTO` is the RustCrypto crates. It does not need `std`.
//! - Without a feature: your own.
//!
//! `default_provider` returns `AWS_LC_RS` if that feature is enabled, and otherwise `RUST_CRYPTO`.
//! Another crate of the same build can enable a feature and so change the default, but not what a
//! connection does: from the same inputs, all providers compute the same bytes, and both support
//! all suites and groups. To be independent of the default, pass a provider to
//! [`Config::client_with`](crate::Config::client_with) and
//! [`Config::server_with`](crate::Config::server_with). Without a feature, these are the only
//! constructors, so that a build without a provider does not compile instead of failing at run
//! time.
//!
//! # Design
//!
//! Providers are trait objects, as in rustls. A type parameter would appear in every type that
//! contains a connection, and a record costs only one dynamic call. The reference is `'static`,
//! because a provider has no state of a connection: a `static` is sufficient, and so is
//! `Box::leak` for one that is created at run time.
//!
//! A provider draws no randomness. The secret keys of the key exchange are derived from the
//! connection's seed and passed in, so that a run can be repeated byte for byte with any provider.
//!
//! # Writing a provider
//!
//! Implement [`CryptoProvider`], and [`Aead`] for the AEADs of its suites. A provider can support
//! some suites and groups only. It can call another one for the rest, as this one does, whose key
//! exchange could be that of a secure element:
//!
//! ```
//! # #[cfg(feature = "rust-crypto")] {
//! use dtls_psk::crypto::{
//!     Aead, AeadAlgorithm, CryptoError, CryptoProvider, Hash, KeyPair, RUST_CRYPTO,
//! };
//! use dtls_psk::{CipherSuite, Config, Group, Psk};
//!
//! #[derive(Debug)]
//! struct MyProvider;
//!
//! impl CryptoProvider for MyProvider {
//!     fn suites(&self) -> &[CipherSuite] {
//!         &[CipherSuite::EcdhePskChacha20Poly1305Sha256]
//!     }
//!
//!     fn groups(&self) -> &[Group] {
//!         &[Group::X25519]
//!     }
//!
//!     fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
//!         RUST_CRYPTO.hash(hash, data, digest)
//!     }
//!
//!     fn hmac(
//!         &self,
//!         hash: Hash,
//!         key: &[u8],
//!         data: &[&[u8]],
//!         tag: &mut [u8],
//!     ) -> Result<(), CryptoError> {
//!         RUST_CRYPTO.hmac(hash, key, data, tag)
//!     }
//!
//!     fn key_pair(
//!         &self,
//!         group: Group,
//!         secret: &[u8; 32],
//!     ) -> Result<Box<dyn KeyPair>, CryptoError> {
//!         // A `KeyPair` that calls the secure element.
//!         RUST_CRYPTO.key_pair(group, secret)
//!     }
//!
//!     fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
//!         RUST_CRYPTO.aead(algorithm, key)
//!     }
//! }
//!
//! let config = Config::client_with(&MyProvider, "a device", Psk::new([7; 32]));
//! # }
//! ```
//!
//! [`check`] compares a provider with known answers. Call it in a test of your provider. The
//! example `own-provider` is a complete one.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) mod cbc;
mod known_answers;
#[cfg(feature = "rust-crypto")]
mod rust_crypto;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "aws-lc-rs")]
pub use self::aws_lc_rs::AWS_LC_RS;
pub use self::known_answers::check;
#[cfg(feature = "rust-crypto")]
pub use self::rust_crypto::RUST_CRYPTO;
use crate::cipher_suite::CipherSuite;
use crate::group::Group;

/// The length of the longest digest, SHA-384, in bytes.
pub(crate) const MAX_HASH_LEN: usize = 48;

/// The error of a [`CryptoProvider`]. It has no details, because these could help an attacker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the crypto provider failed")]
pub struct CryptoError;

/// Hash functions (FIPS 180-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384, of the suites whose names end with `SHA384`.
    Sha384,
}

impl Hash {
    /// Returns the length of a digest in bytes.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Hash::Sha256 => 32,
            Hash::Sha384 => 48,
        }
    }
}

/// AEAD algorithms (RFC 5116). The nonce has 12 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AeadAlgorithm {
    /// AEAD_CHACHA20_POLY1305 (RFC 8439 section 2.8).
    ChaCha20Poly1305,
    /// AEAD_AES_128_CCM_8 (RFC 6655 section 6.1): the tag has 8 bytes.
    Aes128Ccm8,
}

impl AeadAlgorithm {
    /// Returns the length of a key in bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            AeadAlgorithm::ChaCha20Poly1305 => 32,
            AeadAlgorithm::Aes128Ccm8 => 16,
        }
    }

    /// Returns the length of a tag in bytes.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            AeadAlgorithm::ChaCha20Poly1305 => 16,
            AeadAlgorithm::Aes128Ccm8 => 8,
        }
    }
}

/// The length of the nonce of an [`Aead`], in bytes.
pub const NONCE_LEN: usize = 12;

/// The cryptography of connections. See the [module](self) for how to write one.
///
/// Implementations run in constant time with respect to keys and secrets, and draw no randomness.
pub trait CryptoProvider: fmt::Debug + Send + Sync {
    /// Returns the suites whose AEAD or CBC cipher and whose hash are supported.
    fn suites(&self) -> &[CipherSuite];

    /// Returns the supported groups. It can be empty if no suite has an ephemeral key exchange.
    fn groups(&self) -> &[Group];

    /// Writes the hash of `data` to `digest`, which has [`Hash::output_len`] bytes.
    ///
    /// # Errors
    ///
    /// Fails if the hash is not supported.
    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError>;

    /// Writes the HMAC (RFC 2104) of the concatenated parts of `data` to `tag`, which has
    /// [`Hash::output_len`] bytes. `key` has any length.
    ///
    /// SHA-256 is required of all providers. Cookies and the values derived from the seed use it.
    ///
    /// # Errors
    ///
    /// Fails if the hash is not supported.
    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError>;

    /// Creates the key pair of an ephemeral key exchange from its secret key.
    ///
    /// # Errors
    ///
    /// Fails if `secret` is not a valid secret key, or if the group is not supported. All 32 bytes
    /// are valid for X25519, and for P-256 a big-endian number from 1 to the order of the group
    /// minus 1. The connection then tries others.
    fn key_pair(&self, group: Group, secret: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError>;

    /// Creates an AEAD for one direction of a connection. `key` has [`AeadAlgorithm::key_len`]
    /// bytes.
    ///
    /// # Errors
    ///
    /// Fails if the algorithm is not supported.
    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError>;

    /// Creates an AES-CBC cipher for one direction of a connection. `key` has 16 or 32 bytes.
    ///
    /// Required for CBC suites, which need keys of both lengths.
    ///
    /// # Errors
    ///
    /// Fails if AES-CBC is not supported, as the default implementation does.
    fn aes_cbc(&self, key: &[u8]) -> Result<Box<dyn AesCbc>, CryptoError> {
        let _ = key;
        Err(CryptoError)
    }

    /// Creates the MAC of a CBC suite for one direction of a connection. `key` has
    /// [`Hash::output_len`] bytes.
    ///
    /// Required for CBC suites.
    ///
    /// # Errors
    ///
    /// Fails if CBC suites are not supported, as the default implementation does.
    fn record_mac(&self, hash: Hash, key: &[u8]) -> Result<Box<dyn RecordMac>, CryptoError> {
        let _ = (hash, key);
        Err(CryptoError)
    }
}

/// The key pair of an ephemeral key exchange. The secret key should be zeroed on drop.
pub trait KeyPair: Send + Sync {
    /// Returns the public key, of [`Group::public_key_len`] bytes.
    fn public_key(&self) -> &[u8];

    /// Writes the secret shared with the owner of the public key `peer` to `shared`: the
    /// u-coordinate for X25519, the x-coordinate for P-256 (RFC 8422 section 5.10).
    ///
    /// `peer` has [`Group::public_key_len`] bytes. The connection rejects a shared secret of zeros
    /// (RFC 7748 section 6.1), so that a provider need not.
    ///
    /// # Errors
    ///
    /// Fails if `peer` is not a point on the curve (RFC 8422 section 5.11).
    fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError>;
}

/// An AEAD with a key. It must not allocate once its buffers have grown to the length of a record.
pub trait Aead: Send + Sync {
    /// Encrypts `plaintext`, and appends the ciphertext and the tag to `out`.
    ///
    /// It appends instead of encrypting in place, so that each implementation makes the fewest
    /// copies. `out` already contains the header of the record.
    ///
    /// # Errors
    ///
    /// `out` then has arbitrary bytes after those that it had.
    fn seal(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError>;

    /// Decrypts `sealed`, a ciphertext and its tag, in place. The plaintext is then in its place.
    ///
    /// # Errors
    ///
    /// Fails if the tag is wrong. `sealed` then has arbitrary bytes.
    fn open(
        &mut self,
        nonce: &[u8; NONCE_LEN],
        additional_data: &[u8],
        sealed: &mut [u8],
    ) -> Result<(), CryptoError>;
}

/// AES-CBC with a key (NIST SP 800-38A section 6.2).
pub trait AesCbc: Send + Sync {
    /// Encrypts whole blocks in place.
    fn encrypt(&self, iv: &[u8; 16], blocks: &mut [u8]);

    /// Decrypts whole blocks in place.
    fn decrypt(&self, iv: &[u8; 16], blocks: &mut [u8]);
}

/// HMAC with a key, for the records of CBC suites.
pub trait RecordMac: Send + Sync {
    /// Writes HMAC(`header` ‖ `data`) to `tag`, which has [`Hash::output_len`] bytes.
    fn tag(&self, header: &[u8], data: &[u8], tag: &mut [u8]);

    /// Writes HMAC(`header` ‖ the first `len` bytes of `data`) to `tag`.
    ///
    /// `len` is secret and between `least` and `data.len()`. The duration and the accessed memory
    /// must not depend on it, or attackers can decrypt records (Lucky 13, AlFardan and Paterson,
    /// 2013). They may depend on the other arguments.
    fn tag_of_secret_length(
        &self,
        header: &[u8],
        data: &[u8],
        least: usize,
        len: u32,
        tag: &mut [u8],
    );
}

/// Returns the default provider: `AWS_LC_RS` if the feature `aws-lc-rs` is enabled, and otherwise
/// `RUST_CRYPTO`.
///
/// The function exists only if one of the two features is enabled.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[must_use]
pub fn default_provider() -> &'static dyn CryptoProvider {
    #[cfg(feature = "aws-lc-rs")]
    return AWS_LC_RS;
    #[cfg(not(feature = "aws-lc-rs"))]
    return RUST_CRYPTO;
}

/// Copies a result of the right length.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn copy(to: &mut [u8], from: &[u8]) -> Result<(), CryptoError> {
    if to.len() != from.len() {
        return Err(CryptoError);
    }
    to.copy_from_slice(from);
    Ok(())
}

/// Returns all providers of this build.
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) fn all_providers() -> Vec<&'static dyn CryptoProvider> {
    alloc::vec![
        #[cfg(feature = "aws-lc-rs")]
        AWS_LC_RS,
        #[cfg(feature = "rust-crypto")]
        RUST_CRYPTO,
    ]
}
