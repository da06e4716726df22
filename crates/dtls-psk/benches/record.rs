//! The cost of sealing and opening records and of a handshake, for every suite. `NAME-bare` is the
//! cryptography of `NAME` alone on the same bytes, for comparison.

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

use aes::{Aes128, Aes256};
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser,
    InnerIvInit, KeyInit, array::Array, consts::U16,
};
use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use dtls_psk::crypto::{AeadAlgorithm, default_provider};
use dtls_psk::{CipherSuite, Config, Connection, Output, Psk};
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384};

/// The plaintext length of a record, in bytes. With its overhead it nearly fills a datagram.
const SIZE: usize = 1152;
/// The maximum overhead of a record, in bytes.
const OVERHEAD: usize = 13 + 16 + 16 + 48;

/// Both sides of a connection, and the time that each spent on the handshake.
struct Pair {
    client: Connection,
    server: Connection,
    client_time: Duration,
    server_time: Duration,
    now: dtls_psk::Instant,
}

struct Configs {
    client: Arc<Config>,
    server: Arc<Config>,
}

impl Configs {
    fn of(suite: CipherSuite) -> Self {
        let psk = || Psk::new([7; 32]);
        let client = Config::client("a device", psk());
        let server = Config::server(move |_: &[u8]| Some(psk()));
        let [client, server] =
            [client, server].map(|config| Arc::new(config.with_suites(&[suite]).with_mtu(1400)));
        Self { client, server }
    }

    /// Runs a handshake with a cookie exchange.
    fn connect(&self, seed: u8) -> Pair {
        let start = Instant::now();
        let now = start.into();
        let client = Connection::client(Arc::clone(&self.client), [seed; 32], now).unwrap();
        let client_made = Instant::now();
        let config = Arc::clone(&self.server);
        let server = Connection::server(config, b"peer", [!seed; 32], now).unwrap();
        let mut pair = Pair {
            client,
            server,
            client_time: client_made - start,
            server_time: client_made.elapsed(),
            now,
        };
        let mut datagrams = Vec::new();
        while !(pair.client.is_connected() && pair.server.is_connected()) {
            let start = Instant::now();
            step(&mut pair.client, &mut datagrams, now);
            let middle = Instant::now();
            step(&mut pair.server, &mut datagrams, now);
            pair.client_time += middle - start;
            pair.server_time += middle.elapsed();
        }
        pair
    }
}

/// Handles the received datagrams and replaces them with those to send.
fn step(connection: &mut Connection, datagrams: &mut Vec<Vec<u8>>, now: dtls_psk::Instant) {
    for mut datagram in datagrams.drain(..) {
        connection
            .handle_datagram(now, &mut datagram, |_| {})
            .unwrap();
    }
    loop {
        match connection.poll_output() {
            Output::Transmit(datagram) => datagrams.push(datagram.to_vec()),
            Output::Event(_) => {}
            Output::Timeout(_) => return,
        }
    }
}

/// The cryptography of a suite without the record layer.
trait Bare {
    /// Seals `SIZE` bytes in place.
    fn seal(&mut self, buffer: &mut Vec<u8>);
    /// Opens the output of `seal`.
    fn open(&mut self, sealed: &mut Vec<u8>);
}

struct Aead(Box<dyn dtls_psk::crypto::Aead>);

fn aead(algorithm: AeadAlgorithm, key: &[u8]) -> Box<dyn Bare> {
    Box::new(Aead(default_provider().aead(algorithm, key).unwrap()))
}

impl Bare for Aead {
    fn seal(&mut self, buffer: &mut Vec<u8>) {
        buffer.clear();
        self.0.seal(&[3; 12], &[0; 13], &[5; SIZE], buffer).unwrap();
    }

    fn open(&mut self, sealed: &mut Vec<u8>) {
        self.0.open(&[3; 12], &[0; 13], sealed).unwrap();
    }
}

/// Encrypt-then-MAC with the CBC and HMAC crates.
struct Cbc<C, M> {
    cipher: C,
    mac: M,
}

/// The length of content and one block of padding, in bytes.
const PADDED: usize = SIZE + 16;

impl<C, M> Bare for Cbc<C, M>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt,
    M: Mac + Clone,
{
    fn seal(&mut self, buffer: &mut Vec<u8>) {
        buffer.resize(PADDED, 15);
        let (blocks, _) = Array::slice_as_chunks_mut(buffer.as_mut_slice());
        cbc::Encryptor::inner_iv_init(&self.cipher, &Array::from([3; 16])).encrypt_blocks(blocks);
        let mut mac = self.mac.clone();
        mac.update(&[0; 13 + 16]);
        mac.update(buffer);
        buffer.extend_from_slice(&mac.finalize().into_bytes());
    }

    fn open(&mut self, sealed: &mut Vec<u8>) {
        let (body, tag) = sealed.split_at_mut(PADDED);
        let mut mac = self.mac.clone();
        mac.update(&[0; 13 + 16]);
        mac.update(body);
        mac.verify_slice(tag).unwrap();
        let (blocks, _) = Array::slice_as_chunks_mut(body);
        cbc::Decryptor::inner_iv_init(&self.cipher, &Array::from([3; 16])).decrypt_blocks(blocks);
    }
}

fn bare(suite: CipherSuite) -> Box<dyn Bare> {
    match suite {
        CipherSuite::PskAes128Ccm8 => aead(AeadAlgorithm::Aes128Ccm8, &[7; 16]),
        CipherSuite::EcdhePskAes128CbcSha256 | CipherSuite::PskAes128CbcSha256 => Box::new(Cbc {
            cipher: Aes128::new(&[7; 16].into()),
            mac: <Hmac<Sha256> as KeyInit>::new_from_slice(&[7; 32]).unwrap(),
        }),
        CipherSuite::EcdhePskAes256CbcSha384 => Box::new(Cbc {
            cipher: Aes256::new(&[7; 32].into()),
            mac: <Hmac<Sha384> as KeyInit>::new_from_slice(&[7; 48]).unwrap(),
        }),
        _ => aead(AeadAlgorithm::ChaCha20Poly1305, &[7; 32]),
    }
}

fn suites(criterion: &mut Criterion) {
    for &suite in CipherSuite::ALL {
        let mut group = criterion.benchmark_group(suite.name().trim_start_matches("TLS_"));
        group.throughput(Throughput::Bytes(SIZE as u64));
        seal(&mut group, suite);
        open(&mut group, suite);
        // One element is one side's work for one connection, including the cookie exchange.
        group.throughput(Throughput::Elements(1));
        handshake(&mut group, suite);
        group.finish();
    }
}

fn seal(group: &mut BenchmarkGroup<'_, WallTime>, suite: CipherSuite) {
    group.bench_function("seal", |bencher| {
        let mut client = Configs::of(suite).connect(1).client;
        let plaintext = [5; SIZE];
        let mut out = Vec::new();
        bencher.iter(|| {
            out.clear();
            client.seal(black_box(&plaintext), &mut out).unwrap();
            black_box(&out);
        });
    });
    group.bench_function("seal-bare", |bencher| {
        let mut bare = bare(suite);
        let mut buffer = Vec::new();
        bencher.iter(|| {
            bare.seal(&mut buffer);
            black_box(&buffer);
        });
    });
}

/// A record can be opened only once, so each round gets a batch of new ones.
fn open(group: &mut BenchmarkGroup<'_, WallTime>, suite: CipherSuite) {
    group.bench_function("open", |bencher| {
        let Pair {
            mut client,
            mut server,
            now,
            ..
        } = Configs::of(suite).connect(1);
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
    group.bench_function("open-bare", |bencher| {
        let (mut sealer, mut opener) = (bare(suite), bare(suite));
        bencher.iter_batched_ref(
            || {
                let mut buffer = Vec::new();
                sealer.seal(&mut buffer);
                buffer
            },
            |buffer| opener.open(buffer),
            BatchSize::SmallInput,
        );
    });
}

fn handshake(group: &mut BenchmarkGroup<'_, WallTime>, suite: CipherSuite) {
    let configs = Configs::of(suite);
    for (name, side) in [
        (
            "handshake-client",
            (|pair| pair.client_time) as fn(&Pair) -> Duration,
        ),
        ("handshake-server", |pair| pair.server_time),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| side(&configs.connect(1))).sum());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = suites
}
criterion_main!(benches);
