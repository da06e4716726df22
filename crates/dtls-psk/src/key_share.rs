//! One side of an ephemeral key exchange (RFC 8422 sections 5.10 and 5.11).

use alloc::boxed::Box;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, CryptoProvider, KeyPair};
use crate::error::Error;
use crate::group::Group;
use crate::seed::Seed;

/// The number of secret keys to try. One in 2^32 is not valid for P-256.
const MAX_ATTEMPTS: u64 = 4;

/// An ephemeral key pair.
pub(crate) struct KeyShare {
    group: Group,
    pair: Box<dyn KeyPair>,
}

impl KeyShare {
    /// Creates a key pair from `seed`.
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        seed: &Seed,
        group: Group,
    ) -> Result<Self, Error> {
        for attempt in 0..MAX_ATTEMPTS {
            let secret = seed.derive(provider, "ephemeral key", attempt)?;
            if let Ok(pair) = provider.key_pair(group, &secret) {
                return Ok(Self { group, pair });
            }
        }
        Err(Error::Crypto("creating an ephemeral key"))
    }

    /// Returns the public key.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key()
    }

    /// Computes the shared secret. `message` contained the peer's public key.
    pub(crate) fn agree(
        &self,
        peer: &[u8],
        message: &'static str,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let illegal = Error::IllegalParameter {
            message,
            what: "public key",
        };
        if !self.group.has_form_of_public_key(peer) {
            return Err(illegal);
        }
        let mut shared = Zeroizing::new([0; 32]);
        // Fails for a point that is not on the curve (RFC 8422 section 5.11).
        let computed = self.pair.shared_secret(peer, &mut shared);
        let is_zero = bool::from(shared.ct_eq(&[0; 32]));
        match computed {
            // A key of low order (RFC 7748 section 6.1).
            Ok(()) if is_zero => Err(illegal),
            Ok(()) => Ok(shared),
            Err(CryptoError) => Err(illegal),
        }
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use alloc::vec::Vec;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::cipher_suite::CipherSuite;
    use crate::crypto::{Aead, AeadAlgorithm, Hash, all_providers, default_provider};

    #[test]
    fn both_sides_agree_with_any_pair_of_providers() {
        for &group in Group::ALL {
            let mut shared = Vec::new();
            for client in all_providers() {
                for server in all_providers() {
                    let ours = KeyShare::new(client, &Seed::new([1; 32]), group).unwrap();
                    let theirs = KeyShare::new(server, &Seed::new([2; 32]), group).unwrap();
                    let secret = ours.agree(theirs.public(), "test").unwrap();
                    assert_eq!(secret, theirs.agree(ours.public(), "test").unwrap());
                    shared.push(secret);
                }
            }
            shared.dedup();
            assert_eq!(shared.len(), 1);
        }
    }

    #[test]
    fn invalid_public_keys_are_rejected() {
        let mut off_curve = [7; 65];
        off_curve[0] = 4;
        let mut low_order = [0; 32];
        low_order[0] = 1;
        for provider in all_providers() {
            for (group, peer) in [
                (Group::X25519, &[0; 32][..]),
                (Group::X25519, &low_order),
                (Group::X25519, &[9; 31]),
                (Group::Secp256r1, &off_curve),
                (Group::Secp256r1, &[0; 65]),
                (Group::Secp256r1, &[2; 33]),
            ] {
                let share = KeyShare::new(provider, &Seed::new([1; 32]), group).unwrap();
                let error = share.agree(peer, "test").unwrap_err();
                assert!(matches!(error, Error::IllegalParameter { .. }), "{error}");
            }
        }
    }

    /// A provider whose first `0` secret keys are not valid.
    #[derive(Debug)]
    struct Rejecting(AtomicU32);

    impl CryptoProvider for Rejecting {
        fn suites(&self) -> &[CipherSuite] {
            &[]
        }

        fn groups(&self) -> &[Group] {
            Group::ALL
        }

        fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
            default_provider().hash(hash, data, digest)
        }

        fn hmac(
            &self,
            hash: Hash,
            key: &[u8],
            data: &[&[u8]],
            tag: &mut [u8],
        ) -> Result<(), CryptoError> {
            default_provider().hmac(hash, key, data, tag)
        }

        fn key_pair(
            &self,
            group: Group,
            secret: &[u8; 32],
        ) -> Result<Box<dyn KeyPair>, CryptoError> {
            let left = self.0.load(Ordering::Relaxed);
            if left > 0 {
                self.0.store(left - 1, Ordering::Relaxed);
                return Err(CryptoError);
            }
            default_provider().key_pair(group, secret)
        }

        fn aead(&self, _: AeadAlgorithm, _: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
            Err(CryptoError)
        }
    }

    #[test]
    fn secret_keys_that_are_not_valid_are_replaced() {
        let new = |rejected| {
            let provider = Rejecting(AtomicU32::new(rejected));
            KeyShare::new(&provider, &Seed::new([1; 32]), Group::Secp256r1)
        };
        let first = new(0).unwrap();
        let second = new(1).unwrap();
        assert_ne!(first.public(), second.public());
        assert!(matches!(new(4), Err(Error::Crypto(_))));
    }

    #[test]
    fn zero_and_the_order_are_no_secret_keys_of_p256() {
        let order = crate::test_vectors::hex(
            "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        );
        let order: [u8; 32] = order.try_into().unwrap();
        for provider in all_providers() {
            for secret in [[0; 32], order, [0xff; 32]] {
                assert!(provider.key_pair(Group::Secp256r1, &secret).is_err());
            }
        }
    }
}
