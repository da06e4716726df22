//! Steady reassembly allocates one buffer per frame and nothing per slice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::alloc::System;

use bytes::Bytes;
use common::{cut, info, parse, slice};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tutk_frame::{Codec, MediaKind, MediaLayout};
use video_reassembly::{Event, Limits, Reassembler, Slicer, SlicerConfig};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test, because the allocator counts the whole process.
#[test]
fn reassembly_allocates_once_per_frame() {
    for layout in [MediaLayout::Slice, MediaLayout::Fragment] {
        let packets = stream(layout);
        let frames = packets.iter().filter(|packet| packet.starts_frame).count();
        frames_are_allocated_once(layout, &packets, frames);

        // Late slices too. Here the last slice of a frame never arrives before all others, which
        // would need a second buffer.
        let mut late = packets;
        late.chunks_mut(3).for_each(<[_]>::reverse);
        frames_are_allocated_once(layout, &late, frames);
    }
    incomplete_frames_stay_within_the_limits();
}

struct Packet {
    bytes: Bytes,
    starts_frame: bool,
}

/// Ten seconds of video and audio. Audio packets interrupt the slices of video frames.
fn stream(layout: MediaLayout) -> Vec<Packet> {
    let mut slicer = Slicer::new(SlicerConfig::new(layout)).unwrap();
    let mut packets = Vec::new();
    for frame in 0..200_u32 {
        let (kind, len) = match frame % 20 {
            0 => (MediaKind::Key, 120_000),
            n => (MediaKind::Delta, 12_000 + n as usize * 1024),
        };
        let data = Bytes::from(vec![7; len]);
        let info = info(u64::from(frame) * 50_000, Codec::H264);
        let video = cut(&mut slicer, kind, info, &data);
        let audio = cut(&mut slicer, MediaKind::Audio, info, &data.slice(..300));
        for (index, bytes) in video.into_iter().enumerate() {
            packets.push(Packet {
                bytes,
                starts_frame: index == 0,
            });
            if index == 5 {
                packets.extend(audio.iter().map(|bytes| Packet {
                    bytes: bytes.clone(),
                    starts_frame: true,
                }));
            }
        }
    }
    packets
}

fn frames_are_allocated_once(layout: MediaLayout, packets: &[Packet], frames: usize) {
    let mut reassembler = Reassembler::new(Limits::default());
    // In the first half, each table grows to the size of a key frame.
    let half = packets.len() / 2;
    let (mut before, mut after) = (0, 0);
    run(&mut reassembler, layout, &packets[..half], &mut before);
    let change = run(&mut reassembler, layout, &packets[half..], &mut after);

    assert_eq!(before + after, frames);
    // Two frames may have been allocated in the first half.
    assert!(change.allocations <= after, "{after} frames, {change:?}");
    assert!(
        change.allocations + 2 >= after,
        "{after} frames, {change:?}"
    );
    // The size of a frame is known only with its last slice. Buffers are shrunk to it and never
    // grow.
    assert!(change.reallocations <= after, "{change:?}");
    assert!(change.bytes_reallocated <= 0, "{change:?}");
}

/// The allocations while these packets are handled.
fn run(
    reassembler: &mut Reassembler,
    layout: MediaLayout,
    packets: &[Packet],
    frames: &mut usize,
) -> Stats {
    let region = Region::new(ALLOCATOR);
    for packet in packets {
        reassembler.handle_slice(&parse(&packet.bytes, layout));
        while let Some(event) = reassembler.poll_output() {
            assert!(matches!(event, Event::Frame(_)));
            *frames += 1;
        }
    }
    region.change()
}

fn incomplete_frames_stay_within_the_limits() {
    let limits = Limits::default();
    for (count, payload) in [(2, 1400), (limits.slices, 1400), (limits.slices, 1)] {
        let payload = vec![7; payload];
        let region = Region::new(ALLOCATOR);
        let mut reassembler = Reassembler::new(limits);
        // Some frames start with the first slice, which determines the stride, some with the last.
        for number in 1..=20_000 {
            let index = if number % 3 == 0 { count - 1 } else { 0 };
            reassembler.handle_slice(&slice(number, index, count, &payload));
            while reassembler.poll_output().is_some() {}
        }
        let change = region.change();
        let kept = change.bytes_allocated - change.bytes_deallocated;
        let slices = usize::try_from(limits.slices).unwrap();
        let most = limits.frames * (limits.frame_bytes + slices * 16);
        assert!(kept > 0 && kept <= most, "{kept} bytes, at most {most}");
        assert!(reassembler.stats().evicted > 19_000);
        // Reported usage excludes the fixed part of each frame and table.
        let held = reassembler.memory_usage();
        assert!(
            (kept.saturating_sub(20_000)..=kept).contains(&held),
            "{held} of {kept}"
        );
    }
}
