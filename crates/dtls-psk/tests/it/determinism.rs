//! Runs with the same seeds repeat byte for byte, with any crypto provider.

use crate::common::variants::{Variant, all_variants};
use crate::common::{IDENTITY, KEY, Pair, Peer};
use dtls_psk::crypto::{self, CryptoProvider};
use dtls_psk::{Acceptor, Config, Connection, Instant, Psk};

type Provider = &'static dyn CryptoProvider;

fn providers() -> Vec<Provider> {
    vec![
        #[cfg(feature = "aws-lc-rs")]
        crypto::AWS_LC_RS,
        #[cfg(feature = "rust-crypto")]
        crypto::RUST_CRYPTO,
    ]
}

fn run(seed: u64, variant: Variant, client: Provider, server: Provider) -> Vec<Vec<u8>> {
    let client = Config::client_with(client, IDENTITY, Psk::new(KEY));
    let server = Config::server_with(server, |_: &[u8]| Some(Psk::new(KEY)));
    let now = Instant::ZERO;
    let mut pair = Pair {
        now,
        client: Peer::client(variant.apply(client.with_key_log(true)), seed, now),
        server: Peer::server(variant.apply(server.with_key_log(true)), seed, now),
    };
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
fn same_seed_gives_the_same_bytes_with_any_provider() {
    for variant in all_variants() {
        let default = crypto::default_provider();
        let first = run(1, variant, default, default);
        assert!(first.len() > 8);
        assert_ne!(first, run(2, variant, default, default));
        for client in providers() {
            for server in providers() {
                let repeated = run(1, variant, client, server);
                assert_eq!(first, repeated, "{variant:?} {client:?} {server:?}");
            }
        }
    }
}

#[test]
fn default_is_aws_lc_rs_if_it_is_enabled() {
    assert_eq!(
        format!("{:?}", crypto::default_provider()),
        format!("{:?}", providers()[0])
    );
}

#[test]
fn connections_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Connection>();
    check::<Acceptor>();
    check::<Config>();
}
