//! The random values of a connection, derived from its seed.

use zeroize::Zeroizing;

use crate::crypto::{CryptoError, CryptoProvider, Hash};
use crate::error::Error;

/// A seed of 32 random bytes. It is zeroed on drop.
///
/// Each value is HMAC-SHA-256 of its name under the seed. Without the seed, the values are
/// indistinguishable from independent random ones, because HMAC is a pseudorandom function. So a
/// connection needs no generator, and the order in which the values are used does not matter.
pub(crate) struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// Returns the value with this name and number.
    pub(crate) fn derive(
        &self,
        provider: &dyn CryptoProvider,
        name: &'static str,
        number: u64,
    ) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut value = Zeroizing::new([0; 32]);
        let data: [&[u8]; 2] = [name.as_bytes(), &number.to_be_bytes()];
        provider
            .hmac(Hash::Sha256, self.0.as_slice(), &data, value.as_mut_slice())
            .map_err(|CryptoError| Error::Crypto("deriving a random value"))?;
        Ok(value)
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::crypto::all_providers;

    #[test]
    fn values_differ_by_seed_name_and_number_but_not_by_provider() {
        let values: Vec<_> = all_providers()
            .into_iter()
            .map(|provider| {
                [(1, "a", 0), (2, "a", 0), (1, "b", 0), (1, "a", 1)].map(|(seed, name, number)| {
                    *Seed::new([seed; 32])
                        .derive(provider, name, number)
                        .unwrap()
                })
            })
            .collect();
        for of_provider in &values {
            assert_eq!(of_provider, &values[0]);
            let mut distinct = of_provider.to_vec();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), 4);
        }
    }
}
