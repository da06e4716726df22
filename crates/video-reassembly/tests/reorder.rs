//! ReorderBuffer, waiting, giving up, jumps and limits, one rule a test.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Collector, info, slice};
use proptest::prelude::*;
use tutk_frame::{Codec, FrameInfo, MediaKind};
use video_reassembly::{
    Event, FrameMetadata, FrameNumber, Limits, Origin, Reassembler, Slice, StreamKind,
};

fn whole(number: u32) -> Slice<'static> {
    slice(number, 0, 1, b"frame")
}

#[test]
fn an_incomplete_frame_holds_back_the_window_and_no_more() {
    let mut out = Collector::new(Limits::default());
    out.push(whole(1));
    out.push(slice(2, 0, 2, b"half"));
    for number in 3..=6 {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [1]);
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Video), Some(3));
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Audio), None);

    out.push(whole(7)); // the fifth: one more than the window
    assert_eq!(out.numbers(), [1, 3, 4, 5, 6, 7]);
    assert_eq!(out.losses(), [(2, 2, 1, 2)]);
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Video), None);

    out.push(slice(2, 1, 2, b"late"));
    assert_eq!(out.reassembler.stats().late, 1);
    out.push(whole(5));
    assert_eq!(out.reassembler.stats().duplicates, 1);
    assert_eq!(out.frames.len(), 6);
}

#[test]
fn the_window_may_change_on_the_way() {
    let mut out = Collector::new(Limits::default());
    out.reassembler.set_reorder_window(usize::MAX);
    // Less than the frames that there is room for.
    for number in [1].into_iter().chain(3..=17) {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [1]);
    out.push(whole(18));
    assert_eq!(out.frames.len(), 17);
    out.reassembler.set_reorder_window(0);
    out.push(whole(20));
    assert_eq!(out.frames.len(), 18);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (19, 19, 0, 0)]);
}

#[test]
fn what_a_frame_waits_for_was_sent_before_its_first_slice() {
    let mut out = Collector::new(Limits::default());
    let counter = |slice| out.reassembler.blocked_counter(slice);
    assert_eq!(counter(StreamKind::Video), None);
    out.push(whole(1));
    for (index, counter) in [(1, 41), (0, 39), (2, 42)] {
        assert_eq!(out.reassembler.blocked_counter(StreamKind::Video), None);
        out.push(Slice {
            counter: Some(counter),
            ..slice(3, index, 3, b"part")
        });
    }
    assert_eq!(out.reassembler.blocked_counter(StreamKind::Video), Some(39));
    assert_eq!(out.reassembler.blocked_counter(StreamKind::Audio), None);
}

#[test]
fn a_slice_in_time_releases_what_waited() {
    let mut out = Collector::new(Limits::default());
    for number in [1, 3, 4] {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [1]);
    out.push(whole(2));
    assert_eq!(out.numbers(), [1, 2, 3, 4]);
    assert_eq!(out.lost, []);
}

#[test]
fn a_window_of_0_waits_for_nothing() {
    let mut out = Collector::new(Limits {
        reorder_window: 0,
        ..Limits::default()
    });
    for number in [7, 9, 8, 12] {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [7, 9, 12]);
    assert_eq!(out.losses(), [(8, 8, 0, 0), (10, 11, 0, 0)]);
}

#[test]
fn the_frame_before_tells_that_nothing_is_missing() {
    let mut out = Collector::new(Limits::default());
    for (number, previous) in [(1, 0), (4, 1), (9, 4)] {
        out.push(Slice {
            previous: Some(previous),
            ..whole(number)
        });
    }
    assert_eq!(out.numbers(), [1, 4, 9]);
    // And that something is.
    out.push(Slice {
        previous: Some(12),
        ..whole(14)
    });
    assert_eq!(out.numbers(), [1, 4, 9]);
    assert_eq!(out.lost, []);
}

#[test]
fn a_device_that_leaves_the_frame_before_at_0_loses_nothing_by_it() {
    let mut out = Collector::new(Limits::default());
    for number in [1, 3, 2, 4] {
        out.push(Slice {
            previous: Some(0),
            ..whole(number)
        });
    }
    assert_eq!(out.numbers(), [1, 2, 3, 4]);
}

#[test]
fn a_first_frame_may_have_overtaken_another() {
    let mut out = Collector::new(Limits::default());
    for number in [101, 100, 102] {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [0; 0]);
    for number in [103, 104] {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [100, 101, 102, 103, 104]);
    assert_eq!(out.lost, []);
}

#[test]
fn give_up_before_ends_the_wait() {
    let mut out = Collector::new(Limits::default());
    out.push(whole(1));
    out.push(slice(3, 1, 3, b"part"));
    out.push(whole(5));
    out.push(whole(6));
    out.push(slice(7, 0, 2, b"part"));
    let blocked_frame = out.reassembler.blocked_frame(StreamKind::Video).unwrap();
    assert_eq!(blocked_frame, 5);
    out.skip_to(blocked_frame);
    assert_eq!(out.numbers(), [1, 5, 6]);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (3, 3, 1, 3), (4, 4, 0, 0)]);

    // What is in assembly still may come; what is settled is settled; the future is not given up.
    out.skip_to(3);
    out.push(slice(7, 1, 2, b"rest"));
    out.skip_to(500);
    out.push(whole(8));
    assert_eq!(out.numbers(), [1, 5, 6, 7, 8]);
    assert_eq!(out.lost.len(), 3);
}

#[test]
fn giving_up_does_not_invent_losses() {
    let mut out = Collector::new(Limits::default());
    out.push(whole(1));
    // Nothing is between 1 and 4, as 4 says.
    out.push(Slice {
        previous: Some(1),
        ..slice(4, 0, 2, b"half")
    });
    out.skip_to(4);
    assert_eq!(out.lost, []);
    out.push(slice(4, 1, 2, b"half"));
    assert_eq!(out.numbers(), [1, 4]);
}

#[test]
fn giving_up_works_before_anything_was_handed_out() {
    let mut out = Collector::new(Limits::default());
    out.push(slice(40, 0, 2, b"half"));
    out.push(whole(42));
    out.skip_to(42);
    assert_eq!(out.numbers(), [42]);
    assert_eq!(out.losses(), [(40, 40, 1, 2), (41, 41, 0, 0)]);
    let mut out = Collector::new(Limits::default());
    out.push(whole(42));
    out.skip_to(42);
    out.push(whole(43));
    assert_eq!(out.numbers(), [42, 43]);
    assert_eq!(out.lost, []);
}

#[test]
fn flush_hands_out_what_is_whole_and_reports_the_rest() {
    let mut out = Collector::new(Limits::default());
    out.push(whole(1));
    out.push(slice(2, 0, 2, b"half"));
    out.push(whole(4));
    out.push(slice(5, 2, 3, b"part"));
    out.flush();
    assert_eq!(out.numbers(), [1, 4]);
    assert_eq!(out.losses(), [(2, 2, 1, 2), (3, 3, 0, 0), (5, 5, 1, 3)]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.incomplete, stats.missing), (2, 1));
}

#[test]
fn audio_does_not_wait_for_video() {
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 2, b"half"));
    for number in 1..=3 {
        out.push(Slice {
            kind: MediaKind::Audio,
            ..whole(number)
        });
    }
    assert_eq!(out.frames.len(), 3);
    assert!(out.frames.iter().all(|f| f.stream() == StreamKind::Audio));
    out.push(slice(1, 1, 2, b"half"));
    assert_eq!(out.frames[3].data, &b"halfhalf"[..]);
}

#[test]
fn both_widths_of_number_wrap() {
    type Numbering = fn(u32) -> FrameNumber;
    let long: Numbering = |i| FrameNumber::Long((u32::MAX - 4).wrapping_add(i));
    let short: Numbering = |i| FrameNumber::Short(0xfffb_u16.wrapping_add(i.try_into().unwrap()));
    for number in [long, short] {
        let mut out = Collector::new(Limits::default());
        // Every second pair swapped, and number 5 lost: the first after the wrap.
        for i in [0, 1, 3, 2, 4, 7, 6, 8, 9, 10, 11] {
            out.push(Slice {
                number: number(i),
                previous: None,
                ..whole(0)
            });
        }
        out.flush();
        let expected: Vec<u32> = (0..12)
            .filter(|i| *i != 5)
            .map(|i| number(i).value())
            .collect();
        assert_eq!(out.numbers(), expected);
        let missing = number(5).value();
        assert_eq!(missing, 0);
        assert_eq!(out.losses(), [(missing, missing, 0, 0)]);
    }
}

#[test]
fn one_number_far_away_moves_nothing_and_two_are_followed() {
    let mut out = Collector::new(Limits::default());
    for number in [1, 2, 0x8000_0000, 3, 4] {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [1, 2, 3, 4]);
    assert_eq!(out.reassembler.stats().out_of_range, 1);

    // Frames came in between: that number and this one do not confirm each other.
    out.push(whole(0x8000_0001));
    out.push(whole(5));
    assert_eq!(out.reassembler.stats().jumps, 0);

    // The camera counts from the beginning again: its first frame is not believed yet.
    for number in 1000..1200 {
        out.push(whole(number));
    }
    let before = out.frames.len();
    for number in 1..=4 {
        out.push(whole(number));
    }
    assert_eq!(out.numbers()[before..], [2, 3, 4]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.jumps, stats.duplicates, stats.late), (1, 0, 0));
    // The first one, once more: it never was handed out.
    out.push(whole(1));
    assert_eq!(out.reassembler.stats().late, 1);
}

#[test]
fn slices_that_contradict_their_frame_are_dropped() {
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 0, b"")); // no slices at all
    out.push(slice(1, 3, 3, b"xx")); // an index beyond the count
    assert!(out.frames.is_empty());
    out.push(slice(1, 0, 3, b"aa"));
    out.push(slice(1, 1, 4, b"xx")); // another count
    out.push(Slice {
        metadata: Some(FrameMetadata {
            frame_bytes: 5,
            millis: 0,
            codec: None,
            audio: None,
        }),
        ..slice(1, 1, 3, b"xx")
    });
    out.push(Slice {
        kind: MediaKind::Key,
        ..slice(1, 1, 3, b"xx")
    });
    out.push(slice(1, 1, 3, b"bb"));
    out.push(slice(1, 0, 3, b"xx")); // twice
    out.push(slice(1, 2, 3, b"c"));
    assert_eq!(out.frames[0].data, &b"aabbc"[..]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.inconsistent, stats.duplicates), (5, 1));
}

#[test]
fn limits_hold_and_the_next_frame_comes() {
    let mut out = Collector::new(Limits {
        frame_bytes: 8,
        slices: 4,
        ..Limits::default()
    });
    out.push(slice(1, 0, 5, b"a")); // too many slices
    out.push(slice(1, 0, 1, b"123456789")); // too many bytes in one slice
    out.push(slice(1, 0, 2, b"12345"));
    out.push(slice(1, 1, 2, b"6789")); // and in two
    out.push(Slice {
        metadata: Some(FrameMetadata {
            frame_bytes: u32::MAX,
            millis: 0,
            codec: None,
            audio: None,
        }),
        ..slice(2, 0, 2, b"a")
    });
    assert_eq!(out.reassembler.stats().over_limit, 4);
    for number in 2..=6 {
        out.push(whole(number));
    }
    assert_eq!(out.numbers(), [2, 3, 4, 5, 6]);
    assert_eq!(out.losses(), [(1, 1, 1, 2)]);
}

#[test]
fn too_many_frames_in_assembly_cost_the_stalest() {
    let mut out = Collector::new(Limits {
        frames: 3,
        ..Limits::default()
    });
    for number in 1..=3 {
        out.push(slice(number, 0, 2, b"a"));
    }
    out.push(slice(1, 0, 2, b"again")); // a duplicate keeps it, too
    out.push(slice(4, 0, 2, b"a")); // 2 goes
    out.push(slice(1, 1, 2, b"b"));
    assert_eq!(out.numbers(), [1]);
    out.push(slice(3, 1, 2, b"b"));
    out.flush();
    assert_eq!(out.numbers(), [1, 3]);
    assert_eq!(out.losses(), [(2, 2, 0, 0), (4, 4, 1, 2)]);
    assert_eq!(out.reassembler.stats().evicted, 1);
}

#[test]
fn a_late_frame_does_not_come_in_where_room_was_made_by_settling_a_newer_one() {
    let mut out = Collector::new(Limits {
        frames: 2,
        ..Limits::default()
    });
    out.push(slice(6, 0, 2, b"a"));
    out.push(slice(7, 0, 2, b"a"));
    out.push(slice(5, 0, 2, b"a")); // 6 goes, so 5 is over as well
    out.push(slice(5, 1, 2, b"b"));
    out.push(slice(7, 1, 2, b"b"));
    assert_eq!(out.numbers(), [7]);
    assert_eq!(out.losses(), [(6, 6, 1, 2)]);
    assert_eq!(out.reassembler.stats().late, 2);
}

#[test]
fn events_that_nobody_polls_are_bounded() {
    let mut reassembler = Reassembler::new(Limits {
        events: 4,
        ..Limits::default()
    });
    for number in 1..=10 {
        reassembler.push(&whole(number));
    }
    assert_eq!(reassembler.stats().events_dropped, 6);
    let Some(Event::Frame(frame)) = reassembler.poll() else {
        unreachable!("four events wait");
    };
    assert_eq!(frame.number, 7);
}

#[test]
fn a_size_that_lies_is_counted_and_a_frame_info_that_cannot_be_read_is_left_out() {
    let mut bytes = Vec::new();
    info(0, Codec::H264).write(&mut bytes); // says 0 bytes
    let mut out = Collector::new(Limits::default());
    out.push(Slice {
        info: &bytes,
        ..whole(1)
    });
    out.push(Slice {
        info: &bytes[..24],
        ..whole(2)
    });
    out.push(Slice {
        info: &bytes[..16], // says no size
        ..whole(3)
    });
    out.push(Slice {
        info: &bytes[..15],
        ..whole(4)
    });
    assert_eq!(out.numbers(), [1, 2, 3, 4]);
    assert!(out.frames.iter().all(|frame| frame.data == b"frame"[..]));
    let codecs: Vec<_> = out.frames.iter().map(|frame| frame.codec).collect();
    let h264 = Some(Codec::H264);
    assert_eq!(codecs, [h264, h264, h264, None]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.size_mismatches, stats.invalid_info), (2, 1));
}

#[test]
fn a_frame_says_that_the_resolution_is_another_than_before() {
    let mut out = Collector::new(Limits::default());
    let mut send = |kind, number, resolution: Option<u8>| {
        let mut bytes = Vec::new();
        if let Some(resolution) = resolution {
            let info = info(0, Codec::H264);
            FrameInfo { resolution, ..info }.write(&mut bytes);
        }
        out.push(Slice {
            kind,
            info: &bytes,
            ..whole(number)
        });
    };
    let (video, audio) = (MediaKind::Delta, MediaKind::Audio);
    send(video, 1, Some(3)); // nothing was before the first
    send(video, 2, Some(3));
    send(audio, 1, Some(1)); // audio has no resolution
    send(video, 3, Some(1));
    send(video, 4, Some(1));
    send(video, 5, None); // what says none has not changed it
    send(video, 6, Some(1));
    send(video, 8, Some(3)); // 7 is lost, and would have been the first of the new one
    out.flush();
    let changed: Vec<u32> = out
        .frames
        .iter()
        .filter(|frame| frame.resolution_changed)
        .map(|frame| frame.number)
        .collect();
    assert_eq!(changed, [3, 8]);
    assert_eq!(out.frames.len(), 8);
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
    let payload = (0..64_usize).prop_map(|len| &[0xaa; 64][..len]);
    let metadata = proptest::option::of((any::<u32>(), any::<u32>()));
    (
        (kind, number, any::<bool>()),
        proptest::option::of(any::<u32>()),
        (small.clone(), small),
        (payload, 0..64_usize),
        metadata,
        any::<bool>(),
    )
        .prop_map(
            |((kind, number, short), previous, (index, count), (payload, info), metadata, poll)| {
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
                    payload,
                    info: &[0x55; 64][..info],
                    metadata: metadata.map(|(frame_bytes, millis)| FrameMetadata {
                        frame_bytes: frame_bytes % 100_000,
                        millis,
                        codec: None,
                        audio: None,
                    }),
                };
                (slice, poll)
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever came before, an honest camera's frames come again: at most as many are lost as a
    /// count may lie behind, plus those whose numbers were taken.
    #[test]
    fn an_honest_camera_is_heard_after_anything(
        noise in proptest::collection::vec(any_slice(), 0..200),
        start in prop_oneof![0..1200_u32, any::<u32>()],
    ) {
        let limits = Limits { frames: 8, frame_bytes: 1000, slices: 50, ..Limits::default() };
        let mut out = Collector::new(limits);
        for (slice, poll) in noise {
            if poll {
                out.push(slice);
            } else {
                out.reassembler.push(&slice);
            }
        }
        out.flush();
        out.frames.clear();
        let numbers: Vec<u32> = (0..120).map(|i| start.wrapping_add(i)).collect();
        for &number in &numbers {
            out.push(slice(number, 1, 2, b"st"));
            out.push(slice(number, 0, 2, b"hone"));
        }
        let got = out.numbers();
        prop_assert!(got.len() >= 40, "{} of 120", got.len());
        prop_assert_eq!(&got[got.len() - 40..], &numbers[80..]);
        prop_assert!(out.frames.iter().rev().take(40).all(|f| f.data == b"honest"[..]));
    }

    /// Frames of a stream never come out of order, never twice, and time does not go back.
    #[test]
    fn nothing_comes_twice_or_goes_back(
        slices in proptest::collection::vec((1..30_u32, 0..3_u32, any::<u32>()), 0..300),
    ) {
        let mut out = Collector::new(Limits { frames: 6, ..Limits::default() });
        for (number, index, millis) in slices {
            let metadata = FrameMetadata { frame_bytes: 3, millis, codec: None, audio: None };
            // The frame's own stamp must be the same in all of its slices: two numbers, one stamp.
            let metadata = match number % 2 {
                0 => None,
                _ => Some(FrameMetadata { millis: number.wrapping_mul(0x1234_5678), ..metadata }),
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
}
