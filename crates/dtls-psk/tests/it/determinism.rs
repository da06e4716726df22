//! With a seeded key exchange, runs repeat byte for byte.

use crate::common::{Pair, client_config, seeded, server_config};
use dtls_psk::Connection;

fn run(seed: u64) -> Vec<Vec<u8>> {
    let provider = seeded::provider(seed);
    let mut pair = Pair::new(
        client_config().with_provider(provider.clone()),
        server_config().with_provider(provider),
    );
    let mut all = Vec::new();
    // Every third datagram is lost, to include retransmissions.
    pair.run(|number, _, datagram| {
        all.push(datagram.clone());
        if number % 3 == 1 {
            vec![]
        } else {
            vec![datagram]
        }
    });
    pair.check_connected();
    pair.client.send(b"deterministic data");
    all.append(&mut pair.client.outgoing);
    all
}

#[test]
fn same_seed_gives_the_same_bytes() {
    let first = run(1);
    assert!(first.len() > 8);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

#[test]
fn connections_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
}
