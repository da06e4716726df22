//! Throughput of reassembly and slicing, in media bytes per second.
//!
//! - `ordered`: packets as sent. `shuffled`: each packet up to 8 places late.
//! - `copy`: a copy of each frame to a new buffer, as a lower bound.
//! - `resend`: the client's path in resend mode, without loss, and with the first slice of each
//!   group recovered.
//!
//! Also prints the cost of a slice beyond the copy. The bound is 60 ns.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "benchmarks fail by panicking"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_frame::{
    AvPacket, Codec, Fragment, FrameDevice, FrameInfo, FrameNumbers, LinkClock, MediaKind,
    MediaLayout,
};
use video_reassembly::{
    Limits, ParityDecoder, ParityLimits, Reassembler, ResendConfig, ResendTracker, Slice, Slicer,
    SlicerConfig, TrackerConfig,
};

/// The maximum cost of a slice beyond the copy of its bytes.
const BOUND: Duration = Duration::from_nanos(60);

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

fn packets(layout: MediaLayout, resend: Option<ResendConfig>) -> Vec<Bytes> {
    let mut slicer = Slicer::new(SlicerConfig {
        resend,
        ..SlicerConfig::new(layout)
    })
    .unwrap();
    let mut packets = Vec::new();
    for (index, (kind, data)) in second().into_iter().enumerate() {
        let mut slices = slicer.slice(kind, info(index), data).unwrap();
        let mut packet = BytesMut::new();
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            packets.push(packet.split().freeze());
            while slicer
                .write_repair(LinkClock::default(), &mut packet)
                .is_some()
            {
                packets.push(packet.split().freeze());
            }
        }
    }
    packets
}

/// Moves each packet up to 8 places.
fn shuffled(packets: Vec<Bytes>) -> Vec<Bytes> {
    let mut rng = StdRng::seed_from_u64(2);
    let mut keyed: Vec<(usize, Bytes)> = packets
        .into_iter()
        .enumerate()
        .map(|(at, packet)| (at + rng.random_range(0..8), packet))
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    keyed.into_iter().map(|(_, packet)| packet).collect()
}

/// The streams by name, in both layouts, ordered and shuffled.
fn streams() -> Vec<(String, MediaLayout, Vec<Bytes>)> {
    let mut streams = Vec::new();
    for (name, layout) in [
        ("slice", MediaLayout::Slice),
        ("fragment", MediaLayout::Fragment),
    ] {
        let ordered = packets(layout, None);
        let shuffled = shuffled(ordered.clone());
        streams.push((format!("{name}/ordered"), layout, ordered));
        streams.push((format!("{name}/shuffled"), layout, shuffled));
    }
    streams
}

fn slice(packet: &[u8], layout: MediaLayout) -> Slice<'_> {
    match layout {
        MediaLayout::Fragment => Fragment::parse(packet).unwrap().into(),
        _ => {
            let body = AvPacket::parse(packet, layout).unwrap().body;
            tutk_frame::Slice::parse_body(body).unwrap().into()
        }
    }
}

fn drain(reassembler: &mut Reassembler) -> usize {
    let mut events = 0;
    while let Some(event) = reassembler.poll_output() {
        black_box(&event);
        events += 1;
    }
    events
}

fn copy(frames: &[(MediaKind, Bytes)]) {
    for (_, data) in frames {
        black_box(Bytes::copy_from_slice(black_box(data)));
    }
}

/// Returns the number of events.
fn reassemble(reassembler: &mut Reassembler, packets: &[Bytes], layout: MediaLayout) -> usize {
    let mut events = 0;
    for packet in packets {
        reassembler.handle_slice(&slice(packet, layout));
        events += drain(reassembler);
    }
    events
}

fn reassembly(c: &mut Criterion) {
    let frames = second();
    let media: usize = frames.iter().map(|(_, data)| data.len()).sum();
    let mut group = c.benchmark_group("reassembly");
    group.throughput(Throughput::Bytes(media.try_into().unwrap()));

    group.bench_function("copy", |b| b.iter(|| copy(&frames)));
    for (name, layout, packets) in streams() {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || Reassembler::new(Limits::default()),
                |reassembler| {
                    let events = reassemble(reassembler, &packets, layout);
                    assert_eq!(events, frames.len());
                },
                BatchSize::SmallInput,
            );
        });
    }

    let grouped = packets(MediaLayout::Slice, Some(ResendConfig::default()));
    let group_of = |packet: &Bytes| {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        packet.group.unwrap()
    };
    // The last group is incomplete and has no parity.
    let last = group_of(&grouped[grouped.len() - 1]).group;
    let without_firsts = grouped.iter().filter(|packet| {
        let group = group_of(packet);
        group.index > 0 || group.group == last
    });
    let without_firsts: Vec<Bytes> = without_firsts.cloned().collect();
    for (name, packets) in [("ordered", grouped), ("recovered", without_firsts)] {
        group.bench_function(format!("resend/{name}"), |b| {
            b.iter_batched_ref(
                || {
                    let decoder = ParityDecoder::new(ParityLimits::default());
                    let tracker = ResendTracker::new(TrackerConfig::default());
                    (decoder, tracker, Reassembler::new(Limits::default()))
                },
                |(decoder, tracker, reassembler)| {
                    let mut events = 0;
                    for packet in &packets {
                        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
                        let mut slice = decoder.push(packet.group.unwrap(), packet.body).unwrap();
                        while let Some(next) = slice {
                            tracker
                                .received(video_reassembly::Instant::ZERO, next.counter.unwrap());
                            reassembler.handle_slice(&next);
                            events += drain(reassembler);
                            slice = decoder.recovered();
                        }
                    }
                    assert_eq!(events, frames.len());
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn slicing(c: &mut Criterion) {
    let frames = second();
    let media: usize = frames.iter().map(|(_, data)| data.len()).sum();
    let mut group = c.benchmark_group("slicing");
    group.throughput(Throughput::Bytes(media.try_into().unwrap()));
    for (name, layout) in [
        ("slice", MediaLayout::Slice),
        ("fragment", MediaLayout::Fragment),
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

/// Prints the cost of a slice beyond the copy, from the medians of alternating runs.
fn per_slice(_: &mut Criterion) {
    // `cargo test` only checks that the benchmarks run.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let frames = second();
    for (name, layout, packets) in streams() {
        let (mut copies, mut runs) = (Vec::new(), Vec::new());
        for _ in 0..2000 {
            copies.push(timed(|| copy(&frames)));
            let mut reassembler = Reassembler::new(Limits::default());
            runs.push(timed(|| {
                reassemble(&mut reassembler, &packets, layout);
            }));
        }
        let (copy, run) = (median(copies), median(runs));
        let slices = u32::try_from(packets.len()).unwrap();
        println!(
            "reassembly/{name}: {run:?}, copy {copy:?} (factor {:.2}), {slices} slices: \
             {:?} per slice beyond the copy, bound {BOUND:?}",
            run.as_secs_f64() / copy.as_secs_f64(),
            run.saturating_sub(copy) / slices,
        );
    }
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed(run: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    run();
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

criterion_group!(benches, reassembly, slicing, per_slice);
criterion_main!(benches);
