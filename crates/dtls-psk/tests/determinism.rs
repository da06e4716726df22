//! With a provider whose key exchange is seeded, a run repeats byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test: the clock is read once, for a beginning"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::sync::Mutex;

use common::{Pair, client_config, server_config};
use dtls_psk::Connection;
use dtls_psk::crypto::{ActiveKeyExchange, Buf, CryptoProvider, NamedGroup, SupportedKxGroup};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Diffie-Hellman modulo a small prime, in X25519's clothes: good for nothing but this test.
#[derive(Debug)]
struct Toy(Mutex<Option<StdRng>>);

static TOY: Toy = Toy(Mutex::new(None));
static GROUPS: &[&dyn SupportedKxGroup] = &[&TOY];

const PRIME: u128 = (1 << 61) - 1;

#[derive(Debug)]
struct ToyExchange {
    secret: u64,
    public: [u8; 32],
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

fn padded(value: u128) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&value.to_be_bytes());
    bytes
}

impl SupportedKxGroup for Toy {
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn start_exchange(&self, _: Buf) -> Result<Box<dyn ActiveKeyExchange>, dimpl::CryptoError> {
        let secret = self.0.lock().unwrap().as_mut().unwrap().random();
        let public = padded(power(7, secret));
        Ok(Box::new(ToyExchange { secret, public }))
    }
}

impl ActiveKeyExchange for ToyExchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8], out: &mut Buf) -> Result<(), dimpl::CryptoError> {
        let peer = u128::from_be_bytes(peer[..16].try_into().unwrap());
        out.extend_from_slice(&padded(power(peer, self.secret)));
        Ok(())
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    dtls_psk::crypto::aws_lc_rs::default_provider()
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> CryptoProvider {
    dtls_psk::crypto::rust_crypto::default_provider()
}

fn run(seed: u64) -> Vec<Vec<u8>> {
    *TOY.0.lock().unwrap() = Some(StdRng::seed_from_u64(seed));
    let provider = CryptoProvider {
        kx_groups: GROUPS,
        ..provider()
    };
    let mut pair = Pair::new(
        client_config().with_provider(provider.clone()),
        server_config().with_provider(provider),
    );
    let mut all = Vec::new();
    // Every third datagram is lost, so that retransmission is in it.
    pair.run(|number, _, datagram| {
        all.push(datagram.clone());
        if number % 3 == 1 {
            vec![]
        } else {
            vec![datagram]
        }
    });
    pair.check_connected();
    pair.client.send(b"the same every time");
    all.append(&mut pair.client.outgoing);
    all
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let first = run(1);
    assert!(first.len() > 8);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

#[test]
fn connections_move_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
}
