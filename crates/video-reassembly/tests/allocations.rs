//! What is allocated: a buffer for each frame, once, and nothing for a slice.
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

/// The allocator counts for the whole process: so there is one test, and nothing beside it.
#[test]
fn allocations() {
    for layout in [MediaLayout::Slice, MediaLayout::Fragment] {
        let packets = stream(layout);
        let frames = packets.iter().filter(|packet| packet.begins).count();
        frames_are_allocated_once(layout, &packets, frames);

        // Late ones as well. Here the last slice of a frame never comes before all others, and all others
        // are of one size: else its bytes would be gathered in a second buffer.
        let mut late = packets;
        late.chunks_mut(3).for_each(<[_]>::reverse);
        frames_are_allocated_once(layout, &late, frames);
    }
    frames_that_never_end_keep_what_the_limits_say();
}

struct Packet {
    bytes: Bytes,
    begins: bool,
}

/// Ten seconds of pictures and sound, in turn: the slices of a picture with sound in their midst.
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
        let picture = cut(&mut slicer, kind, info, &data);
        let sound = cut(&mut slicer, MediaKind::Audio, info, &data.slice(..300));
        for (index, bytes) in picture.into_iter().enumerate() {
            packets.push(Packet {
                bytes,
                begins: index == 0,
            });
            if index == 5 {
                packets.extend(sound.iter().map(|bytes| Packet {
                    bytes: bytes.clone(),
                    begins: true,
                }));
            }
        }
    }
    packets
}

fn frames_are_allocated_once(layout: MediaLayout, packets: &[Packet], frames: usize) {
    let mut reassembler = Reassembler::new(Limits::default());
    // Until each table has once been a key frame's.
    let half = packets.len() / 2;
    let (mut before, mut after) = (0, 0);
    run(&mut reassembler, layout, &packets[..half], &mut before);
    let change = run(&mut reassembler, layout, &packets[half..], &mut after);

    assert_eq!(before + after, frames);
    // Not more than once. Two frames may have begun before.
    assert!(change.allocations <= after, "{after} frames, {change:?}");
    assert!(
        change.allocations + 2 >= after,
        "{after} frames, {change:?}"
    );
    // The frame info says the length of a frame, and comes last: what the last slice did not fill of the room
    // for it is given back, and nothing grows.
    assert!(change.reallocations <= after, "{change:?}");
    assert!(change.bytes_reallocated <= 0, "{change:?}");
}

/// What was allocated while these packets came.
fn run(
    reassembler: &mut Reassembler,
    layout: MediaLayout,
    packets: &[Packet],
    frames: &mut usize,
) -> Stats {
    let region = Region::new(ALLOCATOR);
    for packet in packets {
        reassembler.push(&parse(&packet.bytes, layout));
        while let Some(event) = reassembler.poll() {
            assert!(matches!(event, Event::Frame(_)));
            *frames += 1;
        }
    }
    region.change()
}

fn frames_that_never_end_keep_what_the_limits_say() {
    let limits = Limits::default();
    for (count, payload) in [(2, 1400), (limits.slices, 1400), (limits.slices, 1)] {
        let payload = vec![7; payload];
        let region = Region::new(ALLOCATOR);
        let mut reassembler = Reassembler::new(limits);
        // Each begins, some with the slice that shows how much room is needed, some with the last one.
        for number in 1..=20_000 {
            let index = if number % 3 == 0 { count - 1 } else { 0 };
            reassembler.push(&slice(number, index, count, &payload));
            while reassembler.poll().is_some() {}
        }
        let change = region.change();
        let kept = change.bytes_allocated - change.bytes_deallocated;
        let slices = usize::try_from(limits.slices).unwrap();
        let most = limits.frames * (limits.frame_bytes + slices * 16);
        assert!(kept > 0 && kept <= most, "{kept} bytes, at most {most}");
        assert!(reassembler.stats().evicted > 19_000);
        // What it says of itself, but for what there is of each frame and table without its bytes.
        let held = reassembler.memory_usage();
        assert!(
            (kept.saturating_sub(20_000)..=kept).contains(&held),
            "{held} of {kept}"
        );
    }
}
