//! Reassembly and slicing, in bytes of media a second.
//!
//! `ordered` is a stream as sent; `shuffled` has every slice up to 8 places from where it was;
//! `copy` is a plain copy of the same bytes into a new buffer a frame, the least that can be done.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may fail by panicking"
)]

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_frame::{
    AvPacket, Codec, FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind, MediaLayout,
    SummaryMediaPacket,
};
use video_reassembly::{Limits, Reassembler, Slice, Slicer, SlicerConfig};

/// A second of 2K video: a key frame of 120 kB and 19 delta frames of 12 kB.
fn second() -> Vec<(MediaKind, Bytes)> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut frame = |kind, len| {
        let mut data = vec![0; len];
        rng.fill(&mut data[..]);
        (kind, Bytes::from(data))
    };
    std::iter::once(frame(MediaKind::Key, 120_000))
        .chain((0..19).map(|i| frame(MediaKind::Delta, 12_000 + i * 7)))
        .collect()
}

fn info(index: usize) -> FrameInfo {
    FrameInfo {
        codec: Codec::H264,
        flags: 1,
        camera: 0,
        viewers: 1,
        fps: 20,
        resolution: 3,
        bitrate: 120,
        micros: u32::try_from(index * 50_000).unwrap(),
        seconds: 1_700_000_000,
        numbers: Some(FrameNumbers {
            bytes: 0,
            frame: 0,
            device: Some(FrameDevice {
                mac: *b"5ADB55394F0F",
                word: 0,
            }),
        }),
    }
}

fn packets(layout: MediaLayout) -> Vec<Bytes> {
    let mut slicer = Slicer::new(SlicerConfig::new(layout)).unwrap();
    let mut packets = Vec::new();
    for (index, (kind, data)) in second().into_iter().enumerate() {
        let mut slices = slicer.slice(kind, info(index), data).unwrap();
        let mut packet = BytesMut::new();
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            packets.push(packet.split().freeze());
        }
    }
    packets
}

/// Up to 8 places late.
fn shuffled(mut packets: Vec<Bytes>) -> Vec<Bytes> {
    let mut rng = StdRng::seed_from_u64(2);
    let mut keyed: Vec<(usize, Bytes)> = packets
        .drain(..)
        .enumerate()
        .map(|(at, packet)| (at + rng.random_range(0..8), packet))
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    keyed.into_iter().map(|(_, packet)| packet).collect()
}

fn slice(packet: &[u8], layout: MediaLayout) -> Slice<'_> {
    match layout {
        MediaLayout::Summary => SummaryMediaPacket::parse(packet).unwrap().into(),
        MediaLayout::Slice => {
            let body = AvPacket::parse(packet, layout).unwrap().body;
            tutk_frame::Slice::parse(body).unwrap().into()
        }
    }
}

fn drain(reassembler: &mut Reassembler) -> usize {
    let mut events = 0;
    while let Some(event) = reassembler.poll() {
        black_box(&event);
        events += 1;
    }
    events
}

fn reassembly(c: &mut Criterion) {
    let frames = second();
    let media: usize = frames.iter().map(|(_, data)| data.len()).sum();
    let mut group = c.benchmark_group("reassembly");
    group.throughput(Throughput::Bytes(media.try_into().unwrap()));

    group.bench_function("copy", |b| {
        b.iter(|| {
            for (_, data) in &frames {
                black_box(Bytes::copy_from_slice(black_box(data)));
            }
        });
    });
    for (name, layout) in [
        ("field", MediaLayout::Slice),
        ("summary", MediaLayout::Summary),
    ] {
        let in_order = packets(layout);
        for (order, packets) in [
            ("ordered", in_order.clone()),
            ("shuffled", shuffled(in_order)),
        ] {
            group.bench_function(format!("{name}/{order}"), |b| {
                b.iter_batched_ref(
                    || Reassembler::new(Limits::default()),
                    |reassembler| {
                        let mut events = 0;
                        for packet in &packets {
                            reassembler.push(&slice(packet, layout));
                            events += drain(reassembler);
                        }
                        assert_eq!(events, frames.len());
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn slicing(c: &mut Criterion) {
    let frames = second();
    let media: usize = frames.iter().map(|(_, data)| data.len()).sum();
    let mut group = c.benchmark_group("slicing");
    group.throughput(Throughput::Bytes(media.try_into().unwrap()));
    for (name, layout) in [
        ("field", MediaLayout::Slice),
        ("summary", MediaLayout::Summary),
    ] {
        let mut slicer = Slicer::new(SlicerConfig::new(layout)).unwrap();
        let mut packet = Vec::with_capacity(2048);
        group.bench_function(name, |b| {
            b.iter(|| {
                for (index, (kind, data)) in frames.iter().enumerate() {
                    let mut slices = slicer.slice(*kind, info(index), data.clone()).unwrap();
                    while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
                        black_box(&packet);
                        packet.clear();
                    }
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, reassembly, slicing);
criterion_main!(benches);
