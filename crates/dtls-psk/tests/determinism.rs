//! With a provider whose key exchange is seeded, a run repeats byte for byte.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use common::{Pair, client_config, seeded, server_config};
use dtls_psk::Connection;

fn run(seed: u64) -> Vec<Vec<u8>> {
    let provider = seeded::provider(seed);
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
