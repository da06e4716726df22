//! Opening and sealing records, beside the same AEAD alone on the same bytes; and whole handshakes.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dtls_psk::crypto::{Aad, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Nonce, TmpBuf};
use dtls_psk::{Config, Connection, Output, Psk};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Bytes of a record's plaintext: with header, tag and a wrapper about the largest a camera sends.
const SIZE: usize = 1152;
/// Bytes of a whole record around it.
const OVERHEAD: usize = 13 + 16;

#[cfg(feature = "aws-lc-rs")]
fn provider() -> CryptoProvider {
    dtls_psk::crypto::aws_lc_rs::default_provider()
}

#[cfg(not(feature = "aws-lc-rs"))]
fn provider() -> CryptoProvider {
    dtls_psk::crypto::rust_crypto::default_provider()
}

fn cipher() -> Box<dyn Cipher> {
    let suites = provider().cipher_suites;
    let suite = suites
        .iter()
        .find(|suite| suite.suite() == Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256);
    suite.unwrap().create_cipher(&[7; 32]).unwrap()
}

fn carry(from: &mut Connection, to: &mut Connection, now: Instant) {
    while let Output::Transmit(datagram) = from.poll_output() {
        let mut datagram = datagram.to_vec();
        to.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    }
    while !matches!(from.poll_output(), Output::Timeout(_)) {}
}

fn connected() -> (Connection, Connection, Instant) {
    let mut rng = StdRng::seed_from_u64(1);
    let now = Instant::now();
    let psk = || Psk::new([7; 32]);
    let client = Arc::new(Config::client("AUTHPWD_admin", psk()).with_provider(provider()));
    let server = Config::server(move |_: &[u8]| Some(psk())).with_provider(provider());
    let mut client = Connection::client(client, &mut rng, now).unwrap();
    let mut server = Connection::server(Arc::new(server), b"peer", &mut rng, now).unwrap();
    while !(client.is_connected() && server.is_connected()) {
        carry(&mut client, &mut server, now);
        carry(&mut server, &mut client, now);
    }
    (client, server, now)
}

fn records(criterion: &mut Criterion) {
    let aad = || Aad([0; 13].into());
    let nonce = |n: u64| {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&n.to_be_bytes());
        Nonce(nonce)
    };

    let mut group = criterion.benchmark_group("seal");
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.bench_function("record", |bencher| {
        let (mut client, ..) = connected();
        let plaintext = [5; SIZE];
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            client.seal(black_box(&plaintext), &mut out).unwrap();
            black_box(&out);
        });
    });
    group.bench_function("aead", |bencher| {
        let mut cipher = cipher();
        let mut buffer = Buf::new();
        let mut n = 0;
        buffer.resize(SIZE, 5);
        bencher.iter(|| {
            n += 1;
            buffer.resize(SIZE, 5);
            cipher.encrypt(&mut buffer, aad(), nonce(n)).unwrap();
            black_box(&buffer);
        });
    });
    group.finish();

    // Every record can be opened once, so that each round has a batch of fresh ones.
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.bench_function("record", |bencher| {
        let (mut client, mut server, now) = connected();
        bencher.iter_batched_ref(
            || {
                let mut datagram = Vec::with_capacity(SIZE + OVERHEAD);
                client.seal(&[5; SIZE], &mut datagram).unwrap();
                datagram
            },
            |datagram| {
                let mut delivered = 0;
                let deliver = |data: &mut [u8]| delivered += data.len();
                server.handle_datagram(now, datagram, deliver).unwrap();
                assert_eq!(delivered, SIZE);
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("aead", |bencher| {
        let mut sealer = cipher();
        let mut opener = cipher();
        bencher.iter_batched_ref(
            || {
                let mut buffer = Buf::new();
                buffer.resize(SIZE, 5);
                sealer.encrypt(&mut buffer, aad(), nonce(1)).unwrap();
                buffer
            },
            |buffer| {
                let mut opened = TmpBuf::new(buffer);
                opener.decrypt(&mut opened, aad(), nonce(1)).unwrap();
                assert_eq!(opened.len(), SIZE);
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    // One element is both sides' work for one connection, cookie exchange included.
    group.throughput(Throughput::Elements(1));
    group.bench_function("both sides", |bencher| bencher.iter(connected));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = records, handshakes
}
criterion_main!(benches);
