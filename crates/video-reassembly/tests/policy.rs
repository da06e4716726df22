//! What a loss says, and which frames are held back after one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::{Collector, info, slice};
use proptest::prelude::*;
use tutk_frame::{Codec, MediaKind};
use video_reassembly::{FramePolicy, Limits, Lost, Slice, StreamKind};

use FramePolicy::{All, Decodable};
use MediaKind::{Audio, Delta, Key};

fn send(out: &mut Collector, kind: MediaKind, number: u32) {
    out.push(Slice {
        kind,
        ..slice(number, 0, 1, b"frame")
    });
}

fn lost(first: u32, last: u32, received: u32, total: u32, next_is_key: Option<bool>) -> Lost {
    Lost {
        stream: StreamKind::Video,
        first,
        last,
        received,
        total,
        undecodable: false,
        next_is_key,
    }
}

fn undecodable(number: u32, next_is_key: Option<bool>) -> Lost {
    Lost {
        undecodable: true,
        ..lost(number, number, 1, 1, next_is_key)
    }
}

#[test]
fn a_loss_says_whether_the_next_frame_is_a_key_frame() {
    let limits = Limits {
        reorder_window: 0,
        ..Limits::default()
    };
    let mut out = Collector::new(limits);
    send(&mut out, Key, 1);
    send(&mut out, Delta, 3); // 2 is lost, and what follows is not a key frame
    out.push(slice(4, 0, 2, b"half"));
    send(&mut out, Key, 6); // 4 and 5 are: the first key frame is the next of which anything came
    out.push(slice(7, 1, 3, b"third"));
    out.push(Slice {
        kind: Key,
        ..slice(8, 0, 3, b"third")
    });
    out.flush();
    assert_eq!(out.numbers(), [1, 3, 6]);
    assert_eq!(
        out.lost,
        [
            lost(2, 2, 0, 0, Some(false)),
            lost(4, 4, 1, 2, Some(true)),
            lost(5, 5, 0, 0, Some(true)),
            lost(7, 7, 1, 3, Some(true)),
            lost(8, 8, 1, 3, None),
        ]
    );
}

#[test]
fn after_a_loss_only_a_key_frame_can_be_decoded() {
    let limits = Limits {
        reorder_window: 0,
        ..Limits::default()
    };
    let stream = [
        (Delta, 5), // joined in the middle
        (Key, 6),
        (Delta, 7),
        (Audio, 1),
        (Delta, 9), // 8 is lost
        (Audio, 3), // and audio 2
        (Delta, 10),
        (Key, 11),
        (Delta, 12),
    ];
    for (policy, video, losses) in [
        (
            All,
            vec![5, 6, 7, 9, 10, 11, 12],
            vec![lost(8, 8, 0, 0, Some(false))],
        ),
        (
            Decodable,
            vec![6, 7, 11, 12],
            vec![
                undecodable(5, None),
                lost(8, 8, 0, 0, Some(false)),
                undecodable(9, None),
                undecodable(10, None),
            ],
        ),
    ] {
        let mut out = Collector::with_policy(limits, policy);
        for (kind, number) in stream {
            send(&mut out, kind, number);
        }
        let (sound, pictures): (Vec<_>, Vec<_>) =
            out.frames.iter().partition(|frame| frame.kind == Audio);
        let numbers: Vec<u32> = pictures.iter().map(|frame| frame.number).collect();
        assert_eq!(numbers, video);
        assert_eq!(sound.len(), 2, "sound is never held back");
        out.lost.retain(|lost| lost.stream == StreamKind::Video);
        assert_eq!(out.lost, losses);
        let held = losses.iter().filter(|lost| lost.undecodable).count();
        assert_eq!(out.reassembler.stats().undecodable, held as u64);
        assert_eq!(out.reassembler.stats().frames, numbers.len() as u64 + 2);
    }
}

#[test]
fn a_key_frame_that_waits_is_known_before_it_is_handed_out() {
    let mut out = Collector::with_policy(Limits::default(), Decodable);
    send(&mut out, Key, 1);
    out.push(slice(2, 0, 2, b"half"));
    send(&mut out, Delta, 3);
    send(&mut out, Key, 4);
    out.skip_to(3);
    assert_eq!(out.numbers(), [1, 4]);
    assert_eq!(
        out.lost,
        [lost(2, 2, 1, 2, Some(false)), undecodable(3, Some(true))]
    );
    // What is held back is over: its slices are no news.
    send(&mut out, Delta, 3);
    assert_eq!(out.reassembler.stats().duplicates, 1);
}

#[test]
fn a_count_that_jumps_is_a_loss_as_well() {
    let mut out = Collector::with_policy(Limits::default(), Decodable);
    for number in 1..=100 {
        send(&mut out, if number == 1 { Key } else { Delta }, number);
    }
    for number in 5000..5003 {
        send(&mut out, Delta, number);
    }
    send(&mut out, Key, 5003);
    assert_eq!(out.numbers()[99..], [100, 5003]);
    assert_eq!(out.reassembler.stats().jumps, 1);
}

/// Where the seconds stand still, a second that passes in frames held back would be lost otherwise.
#[test]
fn time_goes_on_while_frames_are_held_back() {
    let mut out = Collector::with_policy(Limits::default(), Decodable);
    let mut number = 0;
    let mut send = |kind, millis: u64| {
        let mut bytes = Vec::new();
        let mut info = info(millis * 1000, Codec::H264);
        info.seconds = 7;
        info.write(&mut bytes);
        number += 1;
        out.push(Slice {
            kind,
            info: &bytes,
            ..slice(number, 0, 1, b"frame")
        });
    };
    for (kind, millis) in [(Delta, 500), (Delta, 900), (Delta, 1300), (Delta, 1700)] {
        send(kind, millis);
    }
    send(Key, 2100);
    let at: Vec<Duration> = out.frames.iter().map(|frame| frame.timestamp).collect();
    assert_eq!(at, [Duration::from_millis(1600)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The policy takes from the same frames exactly those that a decoder could not use.
    #[test]
    fn what_can_be_decoded_is_what_is_left_of_all(
        frames in proptest::collection::vec((1..40_u32, 0..2_u32), 0..200),
        window in 0..5_usize,
    ) {
        let limits = Limits { reorder_window: window, ..Limits::default() };
        let [mut all, mut some] = [All, Decodable].map(|policy| Collector::with_policy(limits, policy));
        for (number, index) in frames {
            let kind = if number % 7 == 1 { Key } else { Delta };
            let slice = Slice { kind, ..slice(number, index, 2, b"half") };
            all.push(slice);
            some.push(slice);
        }
        all.flush();
        some.flush();
        let mut last = None;
        let decodable = all.frames.iter().filter(|frame| {
            let follows = last.is_some_and(|last: u32| last + 1 == frame.number);
            if frame.is_key() || follows {
                last = Some(frame.number);
                return true;
            }
            last = None;
            false
        });
        let decodable: Vec<u32> = decodable.map(|frame| frame.number).collect();
        prop_assert_eq!(some.numbers(), decodable);
        let stats = some.reassembler.stats();
        prop_assert_eq!(stats.frames + stats.undecodable, all.frames.len() as u64);
        // And each frame is either handed out or told total, once.
        some.lost.retain(|lost| lost.undecodable);
        let mut told = some.numbers();
        told.extend(some.lost.iter().map(|lost| lost.first));
        told.sort_unstable();
        prop_assert_eq!(told, all.numbers());
    }
}
