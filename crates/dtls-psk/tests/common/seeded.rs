//! A crypto provider with a seeded key exchange, for runs that repeat byte for byte.

use std::cell::RefCell;

use dtls_psk::crypto::{ActiveKeyExchange, Buf, CryptoProvider, NamedGroup, SupportedKxGroup};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Diffie-Hellman modulo a small prime under the name of a real group. Only for tests.
#[derive(Debug)]
struct Toy(NamedGroup);

static GROUPS: &[&dyn SupportedKxGroup] = &[&Toy(NamedGroup::X25519), &Toy(NamedGroup::Secp256r1)];

thread_local! {
    // Each test runs in its own thread, so no other test draws from its generator.
    static RNG: RefCell<StdRng> = RefCell::new(StdRng::seed_from_u64(0));
}

/// Returns the default provider with a key exchange seeded with `seed` in this thread.
pub fn provider(seed: u64) -> CryptoProvider {
    RNG.with_borrow_mut(|rng| *rng = StdRng::seed_from_u64(seed));
    CryptoProvider {
        kx_groups: GROUPS,
        ..default_provider()
    }
}

#[cfg(feature = "aws-lc-rs")]
pub fn default_provider() -> CryptoProvider {
    dtls_psk::crypto::aws_lc_rs::default_provider()
}

#[cfg(not(feature = "aws-lc-rs"))]
pub fn default_provider() -> CryptoProvider {
    dtls_psk::crypto::rust_crypto::default_provider()
}

const PRIME: u128 = (1 << 61) - 1;
/// The length of an encoded number, in bytes.
const NUMBER: usize = 16;

#[derive(Debug)]
struct ToyExchange {
    group: NamedGroup,
    secret: u64,
    public: Vec<u8>,
}

fn power(mut base: u128, mut exponent: u64) -> u128 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % PRIME;
        }
        base = base * base % PRIME;
        exponent >>= 1;
    }
    result
}

impl SupportedKxGroup for Toy {
    fn name(&self) -> NamedGroup {
        self.0
    }

    fn start_exchange(&self, _: Buf) -> Result<Box<dyn ActiveKeyExchange>, dimpl::CryptoError> {
        let secret = RNG.with_borrow_mut(RngExt::random);
        // Padded to the length of a key of the group, with the prefix of an uncompressed point.
        let (mut public, len) = match self.0 {
            NamedGroup::X25519 => (vec![], 32),
            _ => (vec![4], 65),
        };
        public.extend(power(7, secret).to_be_bytes());
        public.resize(len, 0);
        Ok(Box::new(ToyExchange {
            group: self.0,
            secret,
            public,
        }))
    }
}

impl ActiveKeyExchange for ToyExchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8], out: &mut Buf) -> Result<(), dimpl::CryptoError> {
        let start = self.public.len() % 32;
        let number = peer[start..][..NUMBER].try_into().unwrap();
        let mut shared = power(u128::from_be_bytes(number), self.secret)
            .to_be_bytes()
            .to_vec();
        shared.resize(32, 0);
        out.extend_from_slice(&shared);
        Ok(())
    }

    fn group(&self) -> NamedGroup {
        self.group
    }
}
