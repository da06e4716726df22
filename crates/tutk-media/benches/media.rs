//! The throughput of parsing, packetisation and muxing, in bytes of media per second.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_media::{
    AccessUnit, Codec, LiveMp4, RTP_PACKET_BYTES, RtpPayloads, RtpStream, TsWriter, nal_units,
};

/// An H.264 key frame of 120 kB and 19 delta frames of 12 kB: a second of 2K video. Real slices
/// have hardly any zeros either.
fn second() -> Vec<Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut slice = |head: &[u8], len| {
        let mut unit = head.to_vec();
        unit.extend([0, 0, 0, 1, if head.is_empty() { 0x41 } else { 0x65 }]);
        unit.extend((0..len).map(|_| rng.random_range(1..=u8::MAX)));
        unit
    };
    let sets = b"\0\0\0\x01\x67\x64\0\x28\xac\xd9\x40\x78\x02\x27\xe5\xc0\x5a\x80\x80\x80\xa0\
        \0\0\0\x01\x68\xce\x3c\x80";
    std::iter::once(slice(sets, 120_000))
        .chain((0..19).map(|at| slice(&[], 12_000 + at * 7)))
        .collect()
}

fn bench(c: &mut Criterion) {
    let data = second();
    let bytes: usize = data.iter().map(Vec::len).sum();
    let units = data
        .iter()
        .map(|data| AccessUnit::new(Codec::H264, data.clone()));
    let units: Vec<_> = units.collect();
    let mut group = c.benchmark_group("media");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("nal_units", |b| {
        b.iter(|| {
            let nals = data.iter().map(|unit| nal_units(black_box(unit)).count());
            nals.sum::<usize>()
        });
    });
    group.bench_function("rtp payloads", |b| {
        b.iter(|| {
            for unit in &units {
                black_box(RtpPayloads::video(black_box(unit), RTP_PACKET_BYTES).unwrap());
            }
        });
    });
    group.bench_function("rtp packets of one receiver", |b| {
        let payloads = units
            .iter()
            .map(|unit| RtpPayloads::video(unit, RTP_PACKET_BYTES).unwrap());
        let payloads: Vec<_> = payloads.collect();
        let mut stream = RtpStream::new(96, 1, 1).unwrap();
        let mut packet = Vec::with_capacity(RTP_PACKET_BYTES);
        b.iter(|| {
            for payload in payloads.iter().flatten() {
                stream.write_packet(black_box(payload), 0, &mut packet);
                black_box(&packet);
                packet.clear();
            }
        });
    });
    group.bench_function("ts", |b| {
        let mut ts = TsWriter::new(Codec::H264);
        let mut time = Duration::ZERO;
        b.iter(|| {
            for unit in &units {
                time += Duration::from_millis(50);
                black_box(ts.write(black_box(unit), time).unwrap());
            }
        });
    });
    group.bench_function("mp4", |b| {
        let mut mp4 = LiveMp4::new(Codec::H264);
        let mut time = Duration::ZERO;
        b.iter(|| {
            for unit in &units {
                time += Duration::from_millis(50);
                black_box(mp4.write(black_box(unit), time).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
