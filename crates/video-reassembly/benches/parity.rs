//! Recovery of one lost slice of a group of real cameras: 20 slices of 1044 bytes with their
//! headers, and one parity packet. The bound is 20 µs.
//!
//! - `recover`: the parity packet arrives last, and the slice is recovered.
//! - `receive`: all packets of a group arrive, and nothing is recovered. The cost is the copy of
//!   the slices.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_frame::{AvPacket, FrameInfo, GroupHeader, LinkClock, MediaKind, MediaLayout};
use video_reassembly::{ParityDecoder, ParityLimits, ResendConfig, Slicer, SlicerConfig};

/// The bytes of a slice with its header.
const BODY: u64 = 1044;

/// A group of 20 slices of a key frame, and its parity.
fn group() -> Vec<(GroupHeader, Bytes)> {
    let mut slicer = Slicer::new(SlicerConfig {
        resend: Some(ResendConfig::default()),
        ..SlicerConfig::new(MediaLayout::Slice)
    })
    .unwrap();
    let mut data = vec![0; 40_000];
    StdRng::seed_from_u64(1).fill(&mut data[..]);
    let info = FrameInfo::parse(&[0x4e; 16]).unwrap();
    let mut slices = slicer.slice(MediaKind::Key, info, data.into()).unwrap();
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    let clock = LinkClock::default();
    while packets.len() < 20 && slicer.write_next(&mut slices, clock, &mut packet) {
        packets.push(std::mem::take(&mut packet));
    }
    slicer.write_repair(clock, &mut packet).unwrap();
    packets.push(packet);
    let parsed = packets.iter().map(|packet| {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        (packet.group.unwrap(), Bytes::copy_from_slice(packet.body))
    });
    parsed.collect()
}

fn push(decoder: &mut ParityDecoder, packets: &[(GroupHeader, Bytes)]) {
    for (header, body) in packets {
        decoder.push(*header, body).unwrap();
    }
}

fn parity(c: &mut Criterion) {
    let packets = group();
    assert_eq!(packets.len(), 21);
    let (parity, slices) = packets.split_last().unwrap();
    let mut bench = c.benchmark_group("parity");
    bench.throughput(Throughput::Bytes(BODY));
    bench.bench_function("recover", |b| {
        b.iter_batched_ref(
            || {
                let mut decoder = ParityDecoder::new(ParityLimits::default());
                push(&mut decoder, slices.get(1..).unwrap());
                decoder
            },
            |decoder| {
                push(decoder, std::slice::from_ref(parity));
                let slice = decoder.recovered().unwrap();
                assert_eq!((slice.counter, slice.payload.len()), (Some(0), 1024));
            },
            BatchSize::SmallInput,
        );
    });
    bench.throughput(Throughput::Bytes(20 * BODY));
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    let mut number = 0_u16;
    bench.bench_function("receive", |b| {
        b.iter(|| {
            number = number.wrapping_add(1);
            for (header, body) in &packets {
                let group = number;
                decoder
                    .push(GroupHeader { group, ..*header }, body)
                    .unwrap();
            }
        });
    });
    bench.finish();
    assert_eq!(decoder.stats().recovered, 0);
}

criterion_group!(benches, parity);
criterion_main!(benches);
