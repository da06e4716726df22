//! Streams that no honest camera sends. Each is bounded and counted, and the next honest frame comes out.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Collector, says, slice};
use proptest::prelude::*;
use tutk_frame::MediaKind;
use video_reassembly::{FrameMetadata, FrameNumber, Limits, Slice, Stats};

/// Frames that follow on `before`, more than may be held back: all of them come out, and nothing else does.
fn honest_frames_come(out: &mut Collector, before: u32) {
    out.flush();
    out.frames.clear();
    let numbers: Vec<u32> = (1..=8).map(|i| before + i).collect();
    for &number in &numbers {
        out.push(slice(number, 1, 2, b"st"));
        out.push(slice(number, 0, 2, b"hone"));
    }
    assert_eq!(out.numbers(), numbers);
    assert!(out.frames.iter().all(|frame| frame.data == b"honest"[..]));
}

fn stats(out: &Collector) -> Stats {
    out.reassembler.stats()
}

#[test]
fn numbers_that_jump_all_over() {
    let mut out = Collector::new(Limits::default());
    honest_frames_come(&mut out, 0);
    // Each is far from the one before.
    let mut number = 7_u32;
    for _ in 0..10_000 {
        number = number.wrapping_mul(0x9e37_79b1).wrapping_add(0x1234_5678);
        out.push(slice(number | 0x0100_0000, 0, 1, b"x"));
    }
    assert_eq!(out.frames.len(), 8, "none of them was believed");
    assert_eq!(stats(&out).out_of_range, 10_000);
    honest_frames_come(&mut out, 8);
}

#[test]
fn numbers_that_go_back() {
    let mut out = Collector::new(Limits::default());
    honest_frames_come(&mut out, 5000);
    for number in (4000..5000).rev() {
        out.push(slice(number, 0, 1, b"x"));
    }
    let stats = stats(&out);
    assert_eq!(out.frames.len(), 8);
    // 64 numbers back it is a late slice; farther back it might be a count that begins again, were it to go on.
    assert_eq!((stats.late, stats.out_of_range, stats.jumps), (55, 945, 0));
    honest_frames_come(&mut out, 5008);
}

#[test]
fn two_cameras_in_one_stream() {
    // Each goes on from its own last number: the count is followed to and fro, and what it leaves is counted.
    let mut out = Collector::new(Limits::default());
    for number in 0..1000 {
        for base in [1, 1_000_000] {
            out.push(slice(base + number, 0, 1, b"x"));
        }
    }
    let stats = stats(&out);
    assert!(
        stats.frames + stats.out_of_range >= 2000 && stats.frames >= 1000,
        "{stats:?}"
    );
    honest_frames_come(&mut out, 1000);
}

#[test]
fn counts_that_change_inside_a_frame() {
    let mut out = Collector::new(Limits::default());
    honest_frames_come(&mut out, 0);
    out.push(slice(9, 0, 3, b"ab"));
    for count in 4..1000 {
        out.push(slice(9, 1, count, b"xx"));
    }
    out.push(slice(9, 1, 2, b"xx")); // it would be the last
    assert_eq!(stats(&out).inconsistent, 997);
    out.push(slice(9, 2, 3, b"e"));
    out.push(slice(9, 1, 3, b"cd"));
    assert_eq!(out.frames.last().unwrap().data, b"abcde"[..]);
    honest_frames_come(&mut out, 9);
}

#[test]
fn a_million_frames_that_never_end() {
    let mut out = Collector::new(Limits::default());
    for number in 1..=1_000_000 {
        out.push(slice(number, 0, 2, b"never"));
        out.lost.clear();
    }
    let limit = Limits::default().frames as u64;
    assert_eq!(stats(&out).evicted, 1_000_000 - limit);
    assert_eq!(out.frames, []);
    honest_frames_come(&mut out, 1_000_000);
    assert_eq!(stats(&out).incomplete, 1_000_000);
}

#[test]
fn slices_that_overlap_in_meaning() {
    // The same index with other bytes; a frame that is video and audio; the last slice at two places.
    let mut out = Collector::new(Limits::default());
    honest_frames_come(&mut out, 0);
    out.push(slice(9, 0, 2, b"first"));
    out.push(slice(9, 0, 2, b"second"));
    out.push(Slice {
        kind: MediaKind::Key,
        ..slice(9, 1, 2, b"key")
    });
    out.push(Slice {
        kind: MediaKind::Audio,
        ..slice(9, 1, 2, b"sound")
    });
    out.push(slice(9, 1, 2, b"last"));
    out.push(slice(9, 1, 2, b"other"));
    assert_eq!(out.frames[8].data, b"firstlast"[..]);
    let stats = stats(&out);
    assert_eq!((stats.duplicates, stats.inconsistent), (2, 1));
    out.flush(); // the sound had one slice of two
    assert_eq!(out.frames.len(), 9);
    honest_frames_come(&mut out, 9);
}

#[test]
fn both_widths_of_number_in_one_stream() {
    let mut out = Collector::new(Limits::default());
    honest_frames_come(&mut out, 0x2_0000);
    for number in 0..500_u16 {
        out.push(Slice {
            number: FrameNumber::Short(number.wrapping_mul(331)),
            ..slice(0, 0, 1, b"x")
        });
    }
    out.flush();
    // Wherever they have led: a count that goes on is followed from its second frame on.
    out.push(slice(0x3_0000, 0, 1, b"x"));
    honest_frames_come(&mut out, 0x3_0000);
}

#[test]
fn frame_sizes_that_lie() {
    let limits = Limits {
        frame_bytes: 1000,
        ..Limits::default()
    };
    let mut out = Collector::new(limits);
    honest_frames_come(&mut out, 0);
    // In the frame info: more than there is, less, and more than there may be.
    for (number, bytes) in [(9, u32::MAX), (10, 0), (11, 5)] {
        out.push(Slice {
            info: &says(bytes),
            ..slice(number, 0, 1, b"frame")
        });
        assert_eq!(out.frames.last().unwrap().data, b"frame"[..]);
    }
    assert_eq!(stats(&out).size_mismatches, 2);
    // In every slice: beyond the limit it is not even begun.
    for frame_bytes in [3, 1000, 1001, u32::MAX] {
        out.push(Slice {
            metadata: Some(FrameMetadata {
                frame_bytes,
                millis: 0,
                codec: None,
                audio: None,
            }),
            ..slice(12, 0, 2, b"x")
        });
    }
    assert_eq!(stats(&out).over_limit, 2);
    // In the number of slices: as many as there may be, and none of them comes.
    out.push(slice(13, 4095, 4096, b"x"));
    out.push(slice(14, 0, 4097, b"x"));
    assert_eq!(stats(&out).over_limit, 3);
    honest_frames_come(&mut out, 13);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Slices that contradict a frame, or come for one that is over, in the midst of an honest stream: its
    /// frames come out, each once, at once.
    #[test]
    fn honest_frames_come_out_among_hostile_slices(
        hostile in proptest::collection::vec((any::<bool>(), 0..6_u32, 1..6_u32, 0..4_usize), 0..300),
    ) {
        let mut out = Collector::new(Limits { frames: 8, ..Limits::default() });
        let mut hostile = hostile.into_iter();
        for number in 1..=40_u32 {
            out.push(slice(number, 0, 2, b"hone"));
            for (older, index, count, len) in hostile.by_ref().take(6) {
                // Of this frame one that says another count: of the same it would be a slice like any other.
                match (older, count) {
                    (true, _) if number > 1 => out.push(slice(number - 1, index, count, &b"lies"[..len])),
                    (true, _) | (false, 2) => {}
                    (false, _) => out.push(slice(number, index, count, &b"lies"[..len])),
                }
            }
            out.push(slice(number, 1, 2, b"st"));
            prop_assert_eq!(out.frames.len(), number as usize);
        }
        prop_assert_eq!(out.numbers(), (1..=40).collect::<Vec<_>>());
        prop_assert!(out.frames.iter().all(|frame| frame.data == b"honest"[..]));
    }
}
