//! Delivery, order, loss and hostile input of the reassembler. `model_equivalence.rs` compares
//! every step with a model. These tests state the main rules, and what the model does not contain.

use std::time::Duration;

use crate::common::{Collector, info, info_with_size, slice};
use proptest::prelude::*;
use tutk_frame::{Codec, MediaKind};
use video_reassembly::{
    Event, FrameMetadata, FrameNumber, FramePolicy, Limits, Origin, Reassembler, Slice, StreamKind,
};

fn complete(number: u32) -> Slice<'static> {
    slice(number, 0, 1, b"frame")
}

fn recovered(slice: Slice<'_>) -> Slice<'_> {
    Slice {
        origin: Origin::Recovered,
        ..slice
    }
}

#[test]
fn waits_for_an_incomplete_frame_within_the_reorder_window() {
    let mut out = Collector::new(Limits::default());
    out.push(complete(1));
    out.push(slice(2, 0, 2, b"half"));
    for number in 3..=6 {
        out.push(complete(number));
    }
    assert_eq!(out.numbers(), [1]);
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Video), Some(3));
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Audio), None);

    out.push(complete(7)); // the fifth complete frame
    assert_eq!(out.numbers(), [1, 3, 4, 5, 6, 7]);
    assert_eq!(out.losses(), [(2, 2, 1, 2)]);

    out.push(slice(2, 1, 2, b"late"));
    assert_eq!(out.reassembler.stats().late, 1);
    out.push(complete(5));
    assert_eq!(out.reassembler.stats().duplicates, 1);
    assert_eq!(out.frames.len(), 6);
}

#[test]
fn changes_the_reorder_window() {
    let mut out = Collector::new(Limits::default());
    out.reassembler.set_reorder_window(usize::MAX); // limited by `Limits::frames`
    for number in [1].into_iter().chain(3..=17) {
        out.push(complete(number));
    }
    assert_eq!(out.numbers(), [1]);
    out.push(complete(18));
    assert_eq!(out.frames.len(), 17);
    out.reassembler.set_reorder_window(0);
    out.push(complete(20));
    assert_eq!(out.frames.len(), 18);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (19, 19, 0, 0)]);
}

#[test]
fn does_not_wait_if_the_header_names_the_last_frame_as_previous() {
    let mut out = Collector::new(Limits::default());
    for (number, previous) in [(1, 0), (4, 1), (9, 4), (14, 12)] {
        out.push(Slice {
            previous: Some(previous),
            ..complete(number)
        });
    }
    assert_eq!(out.numbers(), [1, 4, 9]);
    assert_eq!(out.lost, []);
}

#[test]
fn skips_to_a_complete_frame() {
    let mut out = Collector::new(Limits::default());
    out.push(complete(1));
    out.push(slice(3, 1, 3, b"part"));
    out.push(complete(5));
    out.push(complete(6));
    out.push(slice(7, 0, 2, b"part"));
    out.skip_to(5);
    assert_eq!(out.numbers(), [1, 5, 6]);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (3, 3, 1, 3), (4, 4, 0, 0)]);

    // Skipping has no effect on settled frames, or beyond the received ones.
    out.skip_to(3);
    out.push(slice(7, 1, 2, b"rest"));
    out.skip_to(500);
    out.push(complete(8));
    assert_eq!(out.numbers(), [1, 5, 6, 7, 8]);
    assert_eq!(out.lost.len(), 3);
}

#[test]
fn follows_a_jump_of_frame_numbers_when_a_second_frame_confirms_it() {
    let mut out = Collector::new(Limits::default());
    for number in [1, 2, 0x8000_0000, 3, 4, 0x8000_0001, 5] {
        out.push(complete(number));
    }
    // The frames in between prevent the confirmation.
    assert_eq!(out.numbers(), [1, 2, 3, 4, 5]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.out_of_range, stats.jumps), (2, 0));

    for number in [5000, 5001, 5002, 1, 2, 3] {
        out.push(complete(number));
    }
    assert_eq!(out.numbers()[5..], [5001, 5002, 2, 3]);
    assert_eq!(out.reassembler.stats().jumps, 2);
}

#[test]
fn evicts_the_frame_that_waited_longest_for_a_slice() {
    let mut out = Collector::new(Limits {
        frames: 3,
        ..Limits::default()
    });
    for number in 1..=3 {
        out.push(slice(number, 0, 2, b"a"));
    }
    out.push(slice(1, 0, 2, b"again")); // also a duplicate counts
    out.push(slice(4, 0, 2, b"a"));
    out.push(slice(1, 1, 2, b"b"));
    out.push(slice(3, 1, 2, b"b"));
    out.flush();
    assert_eq!(out.numbers(), [1, 3]);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (4, 4, 1, 2)]);
    assert_eq!(out.reassembler.stats().evicted, 1);
}

#[test]
fn limits_the_event_queue() {
    let mut reassembler = Reassembler::new(Limits {
        events: 4,
        ..Limits::default()
    });
    for number in 1..=10 {
        reassembler.handle_slice(&complete(number));
    }
    assert_eq!(reassembler.stats().events_dropped, 6);
    let Some(Event::Frame(frame)) = reassembler.poll_output() else {
        unreachable!("four events are queued");
    };
    assert_eq!(frame.number, 7);
}

/// A wrap of the microseconds in an undecodable frame would be lost otherwise.
#[test]
fn undecodable_frames_advance_the_media_clock() {
    let mut out = Collector::with_policy(Limits::default(), FramePolicy::Decodable);
    for (number, millis) in [(1, 500), (2, 900), (3, 1300), (4, 1700), (5, 2100)] {
        let mut bytes = Vec::new();
        let mut info = info(millis * 1000, Codec::H264);
        info.seconds = 7;
        info.write(&mut bytes);
        out.push(Slice {
            kind: match number {
                5 => MediaKind::Key,
                _ => MediaKind::Delta,
            },
            info: &bytes,
            ..complete(number)
        });
    }
    let at: Vec<Duration> = out.frames.iter().map(|frame| frame.timestamp).collect();
    assert_eq!(at, [Duration::from_millis(1600)]);
}

#[test]
fn validates_recovered_slices() {
    let info = info_with_size(5);
    let last = Slice {
        info: &info,
        ..slice(1, 2, 3, b"e")
    };
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 3, b"ab"));
    out.push(recovered(slice(1, 1, 3, b"cd")));
    out.push(last);
    assert_eq!(out.frames[0].data, b"abcde"[..]);
    assert_eq!(out.reassembler.stats().recovered, 1);

    // A frame of another size drops the recovered slice, and rejects further ones.
    for wrong in [&b"c"[..], b"", b"cde"] {
        let mut out = Collector::new(Limits::default());
        out.push(slice(1, 0, 3, b"ab"));
        out.push(recovered(slice(1, 1, 3, wrong)));
        out.push(last);
        out.push(recovered(slice(1, 1, 3, b"cd")));
        assert_eq!(out.frames, []);
        assert_eq!(out.reassembler.stats().recovered_dropped, 2);
        out.push(slice(1, 1, 3, b"cd"));
        assert_eq!(out.frames[0].data, b"abcde"[..]);
    }
}

/// Checks that frames after `before` are delivered at once.
fn delivers_valid_frames(out: &mut Collector, before: u32) {
    out.flush();
    out.frames.clear();
    let numbers: Vec<u32> = (1..=8).map(|i| before + i).collect();
    for &number in &numbers {
        out.push(slice(number, 1, 2, b"id"));
        out.push(slice(number, 0, 2, b"val"));
    }
    assert_eq!(out.numbers(), numbers);
    assert!(out.frames.iter().all(|frame| frame.data == b"valid"[..]));
}

#[test]
fn ignores_frame_numbers_that_jump_at_random() {
    let mut out = Collector::new(Limits::default());
    delivers_valid_frames(&mut out, 0);
    let mut number = 7_u32;
    for _ in 0..10_000 {
        number = number.wrapping_mul(0x9e37_79b1).wrapping_add(0x1234_5678);
        out.push(slice(number | 0x0100_0000, 0, 1, b"x"));
    }
    assert_eq!(out.frames.len(), 8);
    assert_eq!(out.reassembler.stats().out_of_range, 10_000);
    delivers_valid_frames(&mut out, 8);
}

#[test]
fn limits_a_million_incomplete_frames() {
    let mut out = Collector::new(Limits::default());
    for number in 1..=1_000_000 {
        out.push(slice(number, 0, 2, b"never"));
        out.lost.clear();
    }
    let limit = Limits::default().frames as u64;
    assert_eq!(out.reassembler.stats().evicted, 1_000_000 - limit);
    assert_eq!(out.frames, []);
    delivers_valid_frames(&mut out, 1_000_000);
    assert_eq!(out.reassembler.stats().incomplete, 1_000_000);
}

#[test]
fn counts_wrong_frame_sizes() {
    let mut out = Collector::new(Limits {
        frame_bytes: 1000,
        ..Limits::default()
    });
    delivers_valid_frames(&mut out, 0);
    for (number, bytes) in [(9, u32::MAX), (10, 0), (11, 5)] {
        out.push(Slice {
            info: &info_with_size(bytes),
            ..complete(number)
        });
        assert_eq!(out.frames.last().unwrap().data, b"frame"[..]);
    }
    assert_eq!(out.reassembler.stats().size_mismatches, 2);
    // A size over the limit is rejected with the first slice.
    for frame_bytes in [3, 1000, 1001, u32::MAX] {
        out.push(Slice {
            metadata: Some(metadata(frame_bytes, 0)),
            ..slice(12, 0, 2, b"x")
        });
    }
    out.push(slice(13, 4095, 4096, b"x"));
    out.push(slice(14, 0, 4097, b"x"));
    assert_eq!(out.reassembler.stats().over_limit, 3);
    delivers_valid_frames(&mut out, 13);
}

fn metadata(frame_bytes: u32, millis: u32) -> FrameMetadata {
    FrameMetadata {
        frame_bytes,
        millis,
        codec: None,
        audio: None,
    }
}

fn any_slice() -> impl Strategy<Value = (Slice<'static>, bool)> {
    let kind = prop_oneof![
        Just(MediaKind::Key),
        Just(MediaKind::Delta),
        Just(MediaKind::Audio)
    ];
    let number = prop_oneof![
        0..100_u32,
        900..1200_u32,
        any::<u32>(),
        (u32::MAX - 20)..=u32::MAX
    ];
    let small = prop_oneof![0..6_u32, any::<u32>()];
    (
        (kind, number, any::<bool>()),
        proptest::option::of(any::<u32>()),
        (small.clone(), small),
        (0..64_usize, 0..64_usize),
        proptest::option::of((0..100_000_u32, any::<u32>())),
        any::<bool>(),
    )
        .prop_map(
            |((kind, number, short), previous, (index, count), (payload, info), sizes, poll)| {
                let number = match short {
                    true => FrameNumber::Short(u16::try_from(number & 0xffff).unwrap()),
                    false => FrameNumber::Long(number),
                };
                let slice = Slice {
                    kind,
                    origin: Origin::Sent,
                    counter: None,
                    number,
                    previous,
                    index,
                    count,
                    payload: &[0xaa; 64][..payload],
                    info: &[0x55; 64][..info],
                    metadata: sizes.map(|(frame_bytes, millis)| metadata(frame_bytes, millis)),
                };
                (slice, poll)
            },
        )
}

/// The slices of valid frames: payload and frame info, by frame and index.
fn valid_slices(frames: &[(u32, usize, usize)]) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let frames = (1_u8..).zip(frames);
    frames
        .map(|(number, &(count, stride, end))| {
            let size = stride * (count as usize - 1) + end;
            (1..=count)
                .map(|index| match index == count {
                    true => {
                        let info = info_with_size(u32::try_from(size).unwrap());
                        (vec![number; end], info)
                    }
                    false => (vec![number; stride], Vec::new()),
                })
                .collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The lost frames are at most those within the misorder range of the last number, and those
    /// whose numbers are taken.
    #[test]
    fn delivers_valid_frames_after_any_input(
        noise in proptest::collection::vec(any_slice(), 0..200),
        start in prop_oneof![0..1200_u32, any::<u32>()],
    ) {
        let limits = Limits { frames: 8, frame_bytes: 1000, slices: 50, ..Limits::default() };
        let mut out = Collector::new(limits);
        for (slice, poll) in noise {
            if poll {
                out.push(slice);
            } else {
                out.reassembler.handle_slice(&slice);
            }
        }
        out.flush();
        out.frames.clear();
        let numbers: Vec<u32> = (0..120).map(|i| start.wrapping_add(i)).collect();
        for &number in &numbers {
            out.push(slice(number, 1, 2, b"id"));
            out.push(slice(number, 0, 2, b"val"));
        }
        let got = out.numbers();
        prop_assert!(got.len() >= 40, "{} of 120", got.len());
        prop_assert_eq!(&got[got.len() - 40..], &numbers[80..]);
        prop_assert!(out.frames.iter().rev().take(40).all(|f| f.data == b"valid"[..]));
    }

    /// Slices that contradict a frame, or belong to a settled one, do not delay valid frames.
    #[test]
    fn delivers_valid_frames_among_invalid_slices(
        invalid in proptest::collection::vec((any::<bool>(), 0..6_u32, 1..6_u32, 0..4_usize), 0..300),
    ) {
        let mut out = Collector::new(Limits { frames: 8, ..Limits::default() });
        let mut invalid = invalid.into_iter();
        for number in 1..=40_u32 {
            out.push(slice(number, 0, 2, b"val"));
            for (is_older, index, count, len) in invalid.by_ref().take(6) {
                let payload = &b"lies"[..len];
                match (is_older, count) {
                    (true, _) if number > 1 => out.push(slice(number - 1, index, count, payload)),
                    // A slice with the same count would be valid.
                    (true, _) | (false, 2) => {}
                    (false, _) => out.push(slice(number, index, count, payload)),
                }
            }
            out.push(slice(number, 1, 2, b"id"));
            prop_assert_eq!(out.frames.len(), number as usize);
        }
        prop_assert_eq!(out.numbers(), (1..=40).collect::<Vec<_>>());
        prop_assert!(out.frames.iter().all(|frame| frame.data == b"valid"[..]));
    }

    #[test]
    fn delivers_each_frame_once_and_in_order(
        slices in proptest::collection::vec((1..30_u32, 0..3_u32), 0..300),
    ) {
        let mut out = Collector::new(Limits { frames: 6, ..Limits::default() });
        for (number, index) in slices {
            // All slices of a frame have the same metadata.
            let metadata = match number % 2 {
                0 => None,
                _ => Some(metadata(3, number.wrapping_mul(0x1234_5678))),
            };
            out.push(Slice { metadata, ..slice(number, index, 3, b"x") });
        }
        out.flush();
        prop_assert!(out.numbers().is_sorted_by(|a, b| a < b));
        prop_assert!(out.frames.is_sorted_by_key(|frame| frame.timestamp));
        let lost: Vec<u32> = out.lost.iter().flat_map(|lost| lost.first..=lost.last).collect();
        prop_assert!(lost.is_sorted_by(|a, b| a < b));
        prop_assert!(lost.iter().all(|number| !out.numbers().contains(number)));
    }

    #[test]
    fn decodable_policy_drops_delta_frames_after_a_loss(
        frames in proptest::collection::vec((1..40_u32, 0..2_u32), 0..200),
        window in 0..5_usize,
    ) {
        let limits = Limits { reorder_window: window, ..Limits::default() };
        let [mut all, mut some] = [FramePolicy::All, FramePolicy::Decodable]
            .map(|policy| Collector::with_policy(limits, policy));
        for (number, index) in frames {
            let kind = if number % 7 == 1 { MediaKind::Key } else { MediaKind::Delta };
            let slice = Slice { kind, ..slice(number, index, 2, b"half") };
            all.push(slice);
            some.push(slice);
        }
        all.flush();
        some.flush();
        let mut last = None;
        let decodable = all.frames.iter().filter(|frame| {
            let follows = last.is_some_and(|last: u32| last + 1 == frame.number);
            last = (frame.is_key() || follows).then_some(frame.number);
            last.is_some()
        });
        let decodable: Vec<u32> = decodable.map(|frame| frame.number).collect();
        prop_assert_eq!(some.numbers(), decodable);
        let stats = some.reassembler.stats();
        prop_assert_eq!(stats.frames + stats.undecodable, all.frames.len() as u64);
        // Each complete frame is either delivered or reported, once.
        some.lost.retain(|lost| lost.undecodable);
        let mut reported = some.numbers();
        reported.extend(some.lost.iter().map(|lost| lost.first));
        reported.sort_unstable();
        prop_assert_eq!(reported, all.numbers());
    }

    /// A wrong recovered slice per frame, of another size, does not change a frame whose slices are
    /// all received.
    #[test]
    fn wrong_recovered_slices_do_not_change_received_frames(
        frames in proptest::collection::vec((1..6_u32, 1..5_usize, 1..5_usize), 1..20),
        wrong in proptest::collection::btree_map(
            1..25_u32, (0..60_usize, 0..6_u32, 1..6_u32, 0..9_usize), 0..20),
        stretch in 1..6_usize,
    ) {
        let sent = valid_slices(&frames);
        let mut arrivals: Vec<(u32, u32)> = (1..)
            .zip(&frames)
            .flat_map(|(number, (count, ..))| (0..*count).map(move |index| (number, index)))
            .collect();
        arrivals.chunks_mut(stretch).for_each(<[_]>::reverse);

        let mut out = Collector::new(Limits { reorder_window: 8, ..Limits::default() });
        for (place, (number, index)) in arrivals.into_iter().enumerate() {
            for (number, (at, index, count, len)) in &wrong {
                let frame = sent.get(*number as usize - 1);
                let valid_len = frame.and_then(|frame| Some(frame.get(*index as usize)?.0.len()));
                if *at != place || valid_len == Some(*len) {
                    continue;
                }
                let info = if index + 1 == *count { info_with_size(100) } else { Vec::new() };
                let payload = &[0xff; 9][..*len];
                out.push(recovered(Slice { info: &info, ..slice(*number, *index, *count, payload) }));
            }
            let slices = &sent[number as usize - 1];
            let (payload, info) = &slices[index as usize];
            let count = u32::try_from(slices.len()).unwrap();
            out.push(Slice { info, ..slice(number, index, count, payload) });
        }
        out.flush();
        let expected: Vec<Vec<u8>> = sent
            .iter()
            .map(|slices| slices.iter().flat_map(|(payload, _)| payload).copied().collect())
            .collect();
        let got: Vec<&[u8]> = out.frames.iter().map(|frame| &frame.data[..]).collect();
        prop_assert_eq!(got, expected);
    }
}
