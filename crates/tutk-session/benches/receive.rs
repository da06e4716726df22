//! The receive path of a client, from datagrams to frames, and for comparison only the AEAD on the
//! same records. All rates are bytes of UDP payload per second.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a benchmark with code from criterion's macros"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tutk_session::dtls_psk::crypto::{Aead, AeadAlgorithm, default_provider};
use tutk_session::{
    Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Event, Instant, Output, Phase, Status,
};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig, SimulatorEvent};

/// One second of 1080p at 4 Mbit/s: a key frame and delta frames.
const FPS: u8 = 20;
const KEY_FRAME: usize = 120_000;
const DELTA_FRAME: usize = 20_000;

/// Constants, because parsing them for each datagram would be measured.
const CAMERA: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 32_761);
const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 50_000);

/// The length of a DTLS 1.2 record header, and of the tag after the ciphertext.
const RECORD_HEADER: usize = 13;
const TAG: usize = 16;

fn credentials() -> Credentials {
    Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").unwrap()
}

fn clip() -> Clip {
    let mut rng = StdRng::seed_from_u64(1);
    let frames = (0..FPS).map(|index| {
        let key = index == 0;
        let mut data = vec![0; if key { KEY_FRAME } else { DELTA_FRAME }];
        rng.fill_bytes(&mut data);
        ClipFrame {
            data: data.into(),
            key,
        }
    });
    Clip::new(frames.collect::<Vec<_>>(), Codec::H264, FPS).unwrap()
}

/// A client in the stream phase, and one second of datagrams for it.
///
/// Each iteration needs its own, because a record can be decrypted only once.
struct Recording {
    client: Client,
    deadline: Instant,
    datagrams: Vec<(Instant, Vec<u8>)>,
}

impl Recording {
    fn new(dialect: &'static Dialect, clip: &Clip) -> Self {
        let mut now = clock();
        let epoch = Epoch {
            instant: now,
            unix: Duration::from_secs(1_760_000_000),
        };
        let mut config = ClientConfig::new(CAMERA, credentials());
        config.dialects = vec![Arc::new(dialect.clone())];
        let mut client = Client::new(config, [1; 32], epoch);
        let mut config = SimulatorConfig::new(credentials(), clip.clone());
        config.dialects = vec![Arc::new(dialect.clone())];
        config.frames = Some(FPS.into());
        config.trace_slices = true;
        let mut camera = Simulator::new(config, CAMERA, [2; 32], epoch).unwrap();

        // The camera sends its first slices with K10003. They are part of the recording.
        let mut datagrams = Vec::new();
        while client.status() != Status::In(Phase::Stream) {
            let deadline = pump_client(&mut client, &mut camera, now);
            while let Some(mut datagram) = poll_camera(&mut camera) {
                if client.status() == Status::In(Phase::Stream) {
                    datagrams.push((now, datagram));
                } else {
                    client.handle_datagram(now, CAMERA, &mut datagram);
                }
            }
            if client.status() != Status::In(Phase::Stream) && deadline > now {
                let next = pump_client(&mut client, &mut camera, now);
                now = next.max(now);
                client.handle_timeout(now);
            }
        }
        let deadline = pump_client(&mut client, &mut camera, now);
        // Until the last slice of the last frame is sent.
        let mut done = false;
        while !done {
            let deadline = loop {
                match camera.poll_output() {
                    Output::Transmit(datagram) => datagrams.push((now, datagram.payload.to_vec())),
                    Output::Event(SimulatorEvent::SliceSent(slice)) => {
                        done |= slice.kind.is_video()
                            && slice.frame == u32::from(FPS)
                            && slice.index + 1 == slice.slices;
                    }
                    Output::Event(_) => {}
                    Output::Timeout(deadline) => break deadline,
                }
            };
            if !done {
                now = deadline.max(now);
                camera.handle_timeout(now);
            }
        }
        Self {
            client,
            deadline,
            datagrams,
        }
    }

    /// Passes the datagrams to the client as a runtime does, and returns the number of frames. Not
    /// inlined, so that a profiler can separate it from the camera.
    #[inline(never)]
    fn play(&mut self) -> usize {
        let Self {
            client,
            deadline,
            datagrams,
        } = self;
        let mut frames = 0;
        for (now, datagram) in datagrams {
            if *deadline <= *now {
                client.handle_timeout(*now);
                *deadline = drain(client, &mut frames);
            }
            client.handle_datagram(*now, CAMERA, black_box(datagram));
            *deadline = drain(client, &mut frames);
        }
        frames
    }

    /// Returns the bytes of UDP payload.
    fn bytes(&self) -> u64 {
        let bytes: usize = self.datagrams.iter().map(|(_, bytes)| bytes.len()).sum();
        bytes as u64
    }

    /// Returns the plaintext length of each datagram's record.
    fn records(&self, dialect: &Dialect) -> Vec<usize> {
        let overhead =
            dialect.wrapper().header_len() + dialect.wrapper().tag_len() + RECORD_HEADER + TAG;
        let lengths = self.datagrams.iter().map(|(_, bytes)| bytes.len());
        // Keepalives have no record.
        lengths
            .filter_map(|len| len.checked_sub(overhead))
            .collect()
    }
}

fn drain(client: &mut Client, frames: &mut usize) -> Instant {
    loop {
        match client.poll_output() {
            Output::Transmit(datagram) => {
                black_box(datagram);
            }
            Output::Event(Event::Frame(frame)) => {
                black_box(&frame.data);
                *frames += 1;
            }
            Output::Event(Event::Ended(result)) => panic!("ended: {result:?}"),
            Output::Event(_) => {}
            Output::Timeout(deadline) => return deadline,
        }
    }
}

fn pump_client(client: &mut Client, camera: &mut Simulator, now: Instant) -> Instant {
    loop {
        match client.poll_output() {
            Output::Transmit(datagram) => {
                let mut datagram = datagram.payload.to_vec();
                camera.handle_datagram(now, CLIENT, &mut datagram);
            }
            Output::Event(Event::Ended(result)) => panic!("ended: {result:?}"),
            Output::Event(_) => {}
            Output::Timeout(deadline) => return deadline,
        }
    }
}

fn poll_camera(camera: &mut Simulator) -> Option<Vec<u8>> {
    loop {
        match camera.poll_output() {
            Output::Transmit(datagram) => return Some(datagram.payload.to_vec()),
            Output::Event(_) => {}
            Output::Timeout(_) => return None,
        }
    }
}

fn cipher() -> Box<dyn Aead> {
    let aead = default_provider().aead(AeadAlgorithm::ChaCha20Poly1305, &[7; 32]);
    aead.unwrap()
}

fn nonce(number: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&(number as u64).to_be_bytes());
    nonce
}

/// Encrypted records with these plaintext lengths.
fn seal(cipher: &mut dyn Aead, lengths: &[usize]) -> Vec<Vec<u8>> {
    let seal = |(number, &len)| {
        let mut record = Vec::new();
        let plaintext = vec![5; len];
        let sealed = cipher.seal(&nonce(number), &[0; 13], &plaintext, &mut record);
        sealed.unwrap();
        record
    };
    lengths.iter().enumerate().map(seal).collect()
}

fn receive_path(criterion: &mut Criterion) {
    let clip = clip();
    let mut group = criterion.benchmark_group("receive-path");
    for dialect in &Dialect::ALL {
        let mut example = Recording::new(dialect, &clip);
        let lengths = example.records(dialect);
        group.throughput(Throughput::Bytes(example.bytes()));
        assert_eq!(example.play(), usize::from(FPS), "{dialect}");
        group.bench_function(BenchmarkId::new("client", dialect), |bencher| {
            bencher.iter_batched_ref(
                || Recording::new(dialect, &clip),
                |recording| assert_eq!(recording.play(), usize::from(FPS)),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("bare-aead", dialect), |bencher| {
            let (mut sealer, mut opener) = (cipher(), cipher());
            bencher.iter_batched_ref(
                || seal(&mut *sealer, &lengths),
                |records| {
                    for (number, record) in records.iter_mut().enumerate() {
                        let opened = opener.open(&nonce(number), &[0; 13], black_box(record));
                        opened.unwrap();
                        black_box(&record);
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = receive_path
}
criterion_main!(benches);

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
