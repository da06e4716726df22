//! Slices that were recovered and did not come: used where they fit, and never believed against one that
//! came.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Collector, says, slice};
use proptest::prelude::*;
use video_reassembly::{Limits, Origin, Slice, StreamKind};

fn recovered(slice: Slice<'_>) -> Slice<'_> {
    Slice {
        origin: Origin::Recovered,
        ..slice
    }
}

fn last<'a>(number: u32, count: u32, payload: &'a [u8], info: &'a [u8]) -> Slice<'a> {
    Slice {
        info,
        ..slice(number, count - 1, count, payload)
    }
}

#[test]
fn a_recovered_slice_makes_its_frame_whole() {
    let info = says(5);
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 3, b"ab"));
    out.push(recovered(slice(1, 1, 3, b"cd")));
    out.push(last(1, 3, b"e", &info));
    out.push(recovered(last(2, 1, b"alone", &info)));
    assert_eq!(out.frames[0].data, b"abcde"[..]);
    assert_eq!(out.frames[1].data, b"alone"[..]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.slices, stats.recovered), (4, 2));
    assert_eq!((stats.recovered_dropped, stats.size_mismatches), (0, 0));
}

#[test]
fn one_that_makes_a_frame_of_another_size_is_taken_back() {
    let info = says(5);
    // The recovered slice in the middle is too short, and the last one stands where it let it.
    for wrong in [&b"c"[..], b"", b"cde"] {
        let mut out = Collector::new(Limits::default());
        out.push(slice(1, 0, 3, b"ab"));
        out.push(recovered(slice(1, 1, 3, wrong)));
        out.push(last(1, 3, b"e", &info));
        assert_eq!(out.frames, []);
        assert_eq!(out.reassembler.stats().recovered_dropped, 1);
        // Nor is another one taken.
        out.push(recovered(slice(1, 1, 3, b"cd")));
        assert_eq!(out.frames, []);
        assert_eq!(out.reassembler.stats().recovered_dropped, 2);
        out.push(slice(1, 1, 3, b"cd"));
        assert_eq!(out.frames[0].data, b"abcde"[..]);
    }
    // A last slice without a frame info is not one.
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 2, b"abcd"));
    out.push(recovered(slice(1, 1, 2, b"e")));
    assert_eq!(out.reassembler.stats().recovered_dropped, 1);
    out.push(last(1, 2, b"e", &info));
    assert_eq!(out.frames[0].data, b"abcde"[..]);
    // A last slice, with a frame info of its own that lies.
    let lie = says(3);
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 2, b"abcd"));
    out.push(recovered(last(1, 2, b"e", &lie)));
    out.push(last(1, 2, b"e", &info));
    assert_eq!(out.frames[0].data, b"abcde"[..]);
    assert_eq!(out.frames[0].info.unwrap().frame_bytes(), Some(5));
    assert_eq!(out.reassembler.stats().recovered_dropped, 1);
}

#[test]
fn a_slice_that_comes_counts_for_more() {
    for (guess, dropped, duplicates) in [(b"cd", 0, 1), (b"xy", 1, 0)] {
        let mut out = Collector::new(Limits::default());
        out.push(recovered(slice(1, 1, 3, guess)));
        out.push(slice(1, 1, 3, b"cd"));
        out.push(slice(1, 2, 3, b"e"));
        out.push(slice(1, 0, 3, b"ab"));
        assert_eq!(out.frames[0].data, b"abcde"[..]);
        let stats = out.reassembler.stats();
        assert_eq!(
            (stats.recovered_dropped, stats.duplicates),
            (dropped, duplicates)
        );
    }
    // Also when the frame is whole already and waits for one before it.
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 1, b"first"));
    out.push(recovered(slice(3, 0, 2, b"xy")));
    out.push(last(3, 2, b"cd", &says(4)));
    assert_eq!(out.reassembler.blocked_frame(StreamKind::Video), Some(3));
    out.push(slice(3, 0, 2, b"ab"));
    out.push(slice(2, 0, 1, b"second"));
    assert_eq!(out.frames[2].data, b"abcd"[..]);
}

#[test]
fn a_frame_that_only_a_recovered_slice_has_told_of_may_be_another() {
    let mut out = Collector::new(Limits::default());
    out.push(recovered(slice(1, 0, 9, b"xx")));
    out.push(slice(1, 0, 2, b"ab"));
    out.push(recovered(slice(1, 5, 9, b"xx"))); // and now it is the one that contradicts
    out.push(slice(1, 1, 2, b"cd"));
    assert_eq!(out.frames[0].data, b"abcd"[..]);
    let stats = out.reassembler.stats();
    assert_eq!((stats.recovered_dropped, stats.inconsistent), (2, 0));
}

#[test]
fn recovered_slices_never_move_the_count_of_frames() {
    let mut out = Collector::new(Limits::default());
    out.push(slice(1, 0, 1, b"a"));
    let info = says(1);
    for number in 500_000..500_010 {
        out.push(recovered(last(number, 1, b"x", &info)));
    }
    out.push(slice(2, 0, 1, b"b"));
    assert_eq!(out.numbers(), [1, 2]);
    let stats = out.reassembler.stats();
    assert_eq!(
        (stats.recovered_dropped, stats.jumps, stats.out_of_range),
        (10, 0, 0)
    );
}

#[test]
fn one_over_the_limits_is_dropped_like_any_other() {
    let mut out = Collector::new(Limits {
        frame_bytes: 4,
        ..Limits::default()
    });
    out.push(slice(1, 1, 2, b"bcd"));
    out.push(recovered(slice(1, 0, 2, b"xy")));
    assert_eq!(out.reassembler.stats().recovered_dropped, 1);
    out.push(slice(1, 0, 2, b"a"));
    assert_eq!(out.frames[0].data, b"abcd"[..]);
}

/// An honest stream's slices: payload and frame info, by frame and index.
fn honest(frames: &[(u32, usize, usize)]) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let frames = (1_u8..).zip(frames);
    frames
        .map(|(number, &(count, stride, end))| {
            let size = stride * (count as usize - 1) + end;
            (1..=count)
                .map(|index| match index == count {
                    true => (vec![number; end], says(u32::try_from(size).unwrap())),
                    false => (vec![number; stride], Vec::new()),
                })
                .collect()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Frames whose slices all come are handed out as they were sent, whatever wrong slice was recovered
    /// beside them, one a frame, that would give its frame another size.
    #[test]
    fn a_wrong_one_costs_nothing_where_all_slices_come(
        frames in proptest::collection::vec((1..6_u32, 1..5_usize, 1..5_usize), 1..20),
        lies in proptest::collection::btree_map(1..25_u32, (0..60_usize, 0..6_u32, 1..6_u32, 0..9_usize), 0..20),
        stretch in 1..6_usize,
    ) {
        let sent = honest(&frames);
        let mut arrivals: Vec<(u32, u32)> = (1..)
            .zip(&frames)
            .flat_map(|(number, (count, ..))| (0..*count).map(move |index| (number, index)))
            .collect();
        // Somewhat out of order.
        arrivals.chunks_mut(stretch).for_each(<[_]>::reverse);

        let mut out = Collector::new(Limits { reorder_window: 8, ..Limits::default() });
        for (place, (number, index)) in arrivals.into_iter().enumerate() {
            let slices = &sent[number as usize - 1];
            for (number, (_, index, count, len)) in lies.iter().filter(|(_, (at, ..))| *at == place) {
                let of_that_frame = sent.get(*number as usize - 1);
                let true_len = of_that_frame.and_then(|frame| Some(frame.get(*index as usize)?.0.len()));
                if true_len == Some(*len) {
                    continue;
                }
                // The last one brings a frame info along, which is as long as nothing.
                let info = if index + 1 == *count { says(100) } else { Vec::new() };
                out.push(recovered(Slice { info: &info, ..slice(*number, *index, *count, &[0xff; 9][..*len]) }));
            }
            let (payload, info) = &slices[index as usize];
            let count = u32::try_from(slices.len()).unwrap();
            out.push(Slice { info, ..slice(number, index, count, payload) });
        }
        out.flush();
        let expected: Vec<Vec<u8>> =
            sent.iter().map(|slices| slices.iter().flat_map(|(payload, _)| payload).copied().collect()).collect();
        let got: Vec<&[u8]> = out.frames.iter().map(|frame| &frame.data[..]).collect();
        prop_assert_eq!(got, expected);
    }
}
