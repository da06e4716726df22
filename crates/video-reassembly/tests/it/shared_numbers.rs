//! Audio and video that share one count of frame numbers (docs/protocol.md, section 15).

use std::collections::BTreeSet;

use crate::common::Collector;
use proptest::prelude::*;
use tutk_frame::MediaKind;
use video_reassembly::{FrameNumber, FramePolicy, Limits, Origin, Reassembler, Slice, StreamKind};

/// What a camera writes into the field of the previous frame number.
#[derive(Debug, Clone, Copy)]
enum Previous {
    /// The number of the previous frame of either stream.
    Any,
    /// The number of the previous frame of the same stream.
    Stream,
    Zero,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sent {
    kind: MediaKind,
    number: u32,
    previous: u32,
    index: u32,
    count: u32,
    counter: u16,
}

impl Sent {
    fn push(&self, out: &mut Collector) {
        out.push(Slice {
            kind: self.kind,
            origin: Origin::Sent,
            counter: Some(self.counter),
            number: FrameNumber::Long(self.number),
            previous: Some(self.previous),
            index: self.index,
            count: self.count,
            payload: b"part",
            info: &[],
            metadata: None,
        });
    }
}

/// Cuts frames into slices. Numbers and counters continue across both streams.
fn send(
    frames: &[(MediaKind, u32)],
    previous: Previous,
    first: u32,
    first_counter: u16,
) -> Vec<Sent> {
    let mut slices = Vec::new();
    let (mut counter, mut last) = (first_counter, [0, 0]);
    for (&(kind, count), at) in frames.iter().zip(0..) {
        let number = first.wrapping_add(at);
        let stream = usize::from(kind == MediaKind::Audio);
        for index in 0..count {
            slices.push(Sent {
                kind,
                number,
                previous: match previous {
                    Previous::Any => number.wrapping_sub(1),
                    Previous::Stream => last[stream],
                    Previous::Zero => 0,
                },
                index,
                count,
                counter,
            });
            counter = counter.wrapping_add(1);
        }
        last[stream] = number;
    }
    slices
}

/// Moves an audio frame after a video frame of several slices before the last of these slices, if
/// video follows.
fn interleave(slices: &mut [Sent]) {
    let first_counter = slices[0].counter;
    for at in 2..slices.len() {
        let [before, audio, after] = [slices[at - 2], slices[at - 1], slices[at]];
        let kinds = [before, audio, after].map(|slice| slice.kind == MediaKind::Audio);
        if kinds == [false, true, false] && before.index > 0 {
            slices.swap(at - 2, at - 1);
        }
    }
    for (slice, at) in slices.iter_mut().zip(0..) {
        slice.counter = first_counter.wrapping_add(at);
    }
}

/// A key frame, delta frames of two to four slices, and audio before, between and after them.
fn frames() -> Vec<(MediaKind, u32)> {
    let mut frames = vec![(MediaKind::Key, 7)];
    for round in 0..12_u32 {
        for _ in 0..round % 4 {
            frames.push((MediaKind::Audio, 1));
        }
        frames.push((MediaKind::Delta, 2 + round % 3));
    }
    frames
}

const ALL: [Previous; 3] = [Previous::Any, Previous::Stream, Previous::Zero];

#[test]
fn frames_are_delivered_without_delay_or_loss() {
    for previous in ALL {
        for first in [0, 1, u32::MAX - 4] {
            let mut out = Collector::new(Limits::default());
            let mut complete = 0;
            for slice in send(&frames(), previous, first, 0) {
                slice.push(&mut out);
                complete += usize::from(slice.index + 1 == slice.count);
                assert_eq!(out.frames.len(), complete, "{previous:?} {slice:?}");
            }
            assert_eq!(out.lost, [], "{previous:?}");
            let skipped = out.reassembler.stats().shared_numbers;
            assert_eq!(skipped > 0, !matches!(previous, Previous::Stream));
        }
    }
}

#[test]
fn audio_between_slices_of_a_video_frame_causes_no_delay_or_loss() {
    for previous in ALL {
        for first in [0, 1, u32::MAX - 4] {
            let mut slices = send(&frames(), previous, first, 0);
            interleave(&mut slices);
            assert!(!slices.is_sorted_by_key(|slice| slice.number.wrapping_sub(first)));
            let mut out = Collector::new(Limits::default());
            let mut complete = 0;
            for slice in &slices {
                slice.push(&mut out);
                complete += usize::from(slice.index + 1 == slice.count);
                assert_eq!(out.frames.len(), complete, "{previous:?} {slice:?}");
            }
            assert_eq!(out.lost, [], "{previous:?}");
        }
    }
}

/// The counter of frames that are delivered at once does not count a frame that is given up.
#[test]
fn an_incomplete_frame_is_not_counted() {
    let mut slices = send(&frames(), Previous::Zero, 1, 0);
    let mut out = Collector::new(Limits::default());
    slices.iter().for_each(|slice| slice.push(&mut out));
    let complete = out.reassembler.stats().shared_numbers;

    // Loses the second slice of the video frame after the first audio frame. It is given up.
    let audio = slices.iter().position(|s| s.kind == MediaKind::Audio);
    let lost = slices[audio.unwrap()..].iter().position(|s| s.index == 1);
    let lost = slices.remove(audio.unwrap() + lost.unwrap());
    let mut out = Collector::new(Limits::default());
    slices.iter().for_each(|slice| slice.push(&mut out));
    out.flush();
    assert_eq!(out.lost.len(), 1);
    assert_eq!(out.lost[0].first, lost.number);
    let stats = out.reassembler.stats();
    assert_eq!((stats.incomplete, stats.missing), (1, 0));
    assert_eq!(stats.shared_numbers, complete - 1);
}

/// Only a second counter confirms that the camera restarted the count of slices.
#[test]
fn a_single_odd_slice_counter_causes_no_delay() {
    for odd in [0x4000, 0x8000, 0xc000] {
        let mut out = Collector::new(Limits::default());
        let mut complete = 0;
        for (slice, at) in send(&frames(), Previous::Zero, 1, 0).iter().zip(0..) {
            if at == 20 {
                // A duplicate, but for its counter.
                let counter = slice.counter.wrapping_add(odd);
                Sent { counter, ..*slice }.push(&mut out);
            }
            slice.push(&mut out);
            complete += usize::from(slice.index + 1 == slice.count);
            assert_eq!(out.frames.len(), complete, "{odd:#x} {slice:?}");
        }
        assert_eq!(out.lost, [], "{odd:#x}");
    }
}

#[test]
fn a_confirmed_jump_of_the_slice_counters_is_followed() {
    let mut out = Collector::new(Limits::default());
    let slices = send(&[frames(), frames()].concat(), Previous::Zero, 1, 0);
    let jump = slices.len() / 2;
    for (slice, at) in slices.iter().zip(0..) {
        let counter = match at < jump {
            true => slice.counter,
            false => slice.counter.wrapping_add(0x6000),
        };
        Sent { counter, ..*slice }.push(&mut out);
        // The first frames after the jump wait until the reorder window is full.
        let is_apart = at < jump || at > jump + 24;
        if is_apart && slice.index + 1 == slice.count {
            let newest = out.frames.last().map(|frame| frame.number);
            assert_eq!(newest, Some(slice.number));
        }
    }
    out.flush();
    assert_eq!(out.frames.len(), 2 * frames().len());
}

#[test]
fn wrapped_slice_counters_are_followed() {
    for previous in ALL {
        let mut out = Collector::new(Limits::default());
        let slices = send(&[frames(), frames()].concat(), previous, 1, 65_500);
        for slice in &slices {
            slice.push(&mut out);
            let newest = out.frames.iter().rfind(|frame| frame.kind.is_video());
            if slice.kind != MediaKind::Audio && slice.index + 1 == slice.count {
                assert_eq!(newest.unwrap().number, slice.number, "{previous:?}");
            }
        }
        out.flush();
        assert_eq!(out.frames.len(), frames().len() * 2, "{previous:?}");
        assert_eq!(out.lost, [], "{previous:?}");
    }
}

#[test]
fn reordered_slices_cause_no_loss() {
    for previous in ALL {
        let mut slices = send(&frames(), previous, 1, 0);
        // Each second pair is swapped.
        for pair in slices.chunks_exact_mut(4) {
            pair.swap(1, 2);
        }
        let mut out = Collector::new(Limits::default());
        for slice in &slices {
            slice.push(&mut out);
        }
        assert_eq!(out.frames.len(), frames().len(), "{previous:?}");
        assert_eq!(out.lost, [], "{previous:?}");
    }
}

/// Loses each slice in turn, after the streams are known to share their numbers.
#[test]
fn one_lost_slice_is_one_lost_frame_of_its_stream() {
    let long: Vec<_> = [frames(), frames()].concat();
    for (previous, is_interleaved) in ALL.into_iter().flat_map(|p| [(p, false), (p, true)]) {
        let mut slices = send(&long, previous, 1, 0);
        if is_interleaved {
            interleave(&mut slices);
        }
        // The loss of a stream's last frame does not show.
        let lost = slices.iter().filter(|slice| slice.number > 12);
        for lost in lost.filter(|slice| (slice.number as usize) < long.len() - 1) {
            let mut out = Collector::new(Limits::default());
            for slice in slices.iter().filter(|slice| *slice != lost) {
                slice.push(&mut out);
            }
            out.flush();
            assert_eq!(out.frames.len(), long.len() - 1, "{previous:?} {lost:?}");
            let reported: Vec<_> = out
                .lost
                .iter()
                .map(|l| (l.stream, l.first, l.last))
                .collect();
            let stream = StreamKind::of(lost.kind);
            let expected = [(stream, lost.number, lost.number)];
            assert_eq!(reported, expected, "{previous:?} {lost:?}");
        }
    }
}

#[test]
fn lost_video_frames_are_not_reported_as_audio() {
    let long: Vec<_> = [frames(), frames()].concat();
    let slices = send(&long, Previous::Any, 1, 0);
    let videos = long.iter().zip(1..).skip(12);
    let videos = videos.filter(|((kind, _), _)| *kind != MediaKind::Audio);
    for (_, number) in videos.clone().take(videos.count() - 1) {
        let mut out = Collector::new(Limits::default());
        for slice in slices.iter().filter(|slice| slice.number != number) {
            slice.push(&mut out);
        }
        out.flush();
        assert_eq!(out.losses(), [(number, number, 0, 0)], "frame {number}");
        assert_eq!(out.lost[0].stream, StreamKind::Video);
    }
}

#[test]
fn lost_audio_does_not_suppress_video() {
    let long: Vec<_> = [frames(), frames()].concat();
    let slices = send(&long, Previous::Any, 1, 0);
    let mut out = Collector::with_policy(Limits::default(), FramePolicy::Decodable);
    for slice in &slices {
        let is_lost = slice.kind == MediaKind::Audio && slice.number > 12 && slice.number % 3 == 0;
        if !is_lost {
            slice.push(&mut out);
        }
    }
    out.flush();
    let videos = long.iter().filter(|(kind, _)| *kind != MediaKind::Audio);
    let delivered = out.frames.iter().filter(|frame| frame.kind.is_video());
    assert_eq!(delivered.count(), videos.count());
    assert!(!out.lost.is_empty());
    assert!(out.lost.iter().all(|lost| lost.stream == StreamKind::Audio));
}

#[test]
fn separate_numbers_are_not_taken_for_shared_ones() {
    // Video 1, audio 1, video 2, ..: each stream has its own count. Video 4 is lost.
    let mut out = Collector::new(Limits::default());
    for number in 1..10_u32 {
        for (stream, kind) in [MediaKind::Delta, MediaKind::Audio].into_iter().enumerate() {
            let sent = Sent {
                kind,
                number,
                previous: 0,
                index: 0,
                count: 1,
                counter: u16::try_from(number * 2).unwrap() + stream as u16,
            };
            if (number, stream) != (4, 0) {
                sent.push(&mut out);
            }
        }
    }
    out.flush();
    assert_eq!(out.losses(), [(4, 4, 0, 0)]);
    assert_eq!(out.lost[0].stream, StreamKind::Video);
}

proptest! {
    /// Whatever is lost, each complete frame is delivered once and in order, and no complete frame
    /// is reported as lost.
    #[test]
    fn complete_frames_are_delivered_and_not_reported(
        kinds in proptest::collection::vec((any::<bool>(), 1..5_u32), 20..60),
        lost in proptest::collection::btree_set(0..150_usize, 0..20),
        previous in prop_oneof![Just(Previous::Any), Just(Previous::Stream), Just(Previous::Zero)],
        counter: u16,
        is_interleaved: bool,
    ) {
        let frames: Vec<_> = kinds
            .into_iter()
            .map(|(audio, count)| match audio {
                true => (MediaKind::Audio, 1),
                false => (MediaKind::Delta, count),
            })
            .collect();
        let mut slices = send(&frames, previous, 1, counter);
        if is_interleaved {
            interleave(&mut slices);
        }
        let mut out = Collector::new(Limits::default());
        let mut incomplete = BTreeSet::new();
        for (at, slice) in slices.iter().enumerate() {
            match lost.contains(&at) {
                true => _ = incomplete.insert(slice.number),
                false => slice.push(&mut out),
            }
        }
        out.flush();
        let complete = slices.iter().map(|slice| slice.number);
        let complete: BTreeSet<u32> = complete.filter(|n| !incomplete.contains(n)).collect();
        let delivered: BTreeSet<u32> = out.frames.iter().map(|frame| frame.number).collect();
        prop_assert_eq!(out.frames.len(), delivered.len());
        prop_assert_eq!(&delivered, &complete);
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let of_stream = out.frames.iter().filter(|f| StreamKind::of(f.kind) == stream);
            prop_assert!(of_stream.is_sorted_by_key(|frame| frame.number));
        }
        if lost.iter().all(|&at| at >= slices.len()) {
            prop_assert!(out.lost.is_empty());
        }
    }
}

proptest! {
    /// After losses in both streams, the stream of a lost frame may be unknown. Each lost frame is
    /// nevertheless reported once.
    #[test]
    fn each_lost_frame_is_reported_for_one_stream(
        kinds in proptest::collection::vec((any::<bool>(), 1..5_u32), 20..60),
        lost in proptest::collection::btree_set(0..150_usize, 0..20),
        previous in prop_oneof![Just(Previous::Any), Just(Previous::Stream), Just(Previous::Zero)],
        is_interleaved: bool,
    ) {
        // Without losses at both ends, so that all losses show and the streams are known to share
        // their numbers.
        let alternating = [(MediaKind::Delta, 2), (MediaKind::Audio, 1)].repeat(4);
        let kinds = kinds.into_iter().map(|(audio, count)| match audio {
            true => (MediaKind::Audio, 1),
            false => (MediaKind::Delta, count),
        });
        let frames = [&alternating[..], &kinds.collect::<Vec<_>>(), &alternating].concat();
        let mut slices = send(&frames, previous, 1, 0);
        if is_interleaved {
            interleave(&mut slices);
        }
        let ends = 13;
        let last = slices.len() - ends;
        let mut out = Collector::new(Limits::default());
        let mut expected = BTreeSet::new();
        for (at, slice) in slices.iter().enumerate() {
            match at >= ends && at < last && lost.contains(&(at - ends)) {
                true => _ = expected.insert(slice.number),
                false => slice.push(&mut out),
            }
        }
        out.flush();
        let mut reported: Vec<u32> = out.lost.iter().flat_map(|l| l.first..=l.last).collect();
        reported.sort_unstable();
        prop_assert_eq!(reported, Vec::from_iter(expected));
    }
}

#[test]
fn a_restarted_count_of_slices_is_followed() {
    let mut reassembler = Reassembler::default();
    for (number, counter) in [(1, 7), (2, 40_000), (3, 40_001), (4, 2)] {
        reassembler.handle_slice(&Slice {
            kind: MediaKind::Delta,
            origin: Origin::Sent,
            counter: Some(counter),
            number: FrameNumber::Long(number),
            previous: None,
            index: 0,
            count: 1,
            payload: b"frame",
            info: &[],
            metadata: None,
        });
        assert!(reassembler.poll_output().is_some(), "frame {number}");
    }
}
