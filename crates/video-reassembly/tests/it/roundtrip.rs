//! Frames cut into slices, sent through a network that reorders, duplicates and loses packets, and
//! reassembled.

use crate::common::{Collector, cut, info, parse};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;
use tutk_frame::{Codec, MediaKind, MediaLayout};
use video_reassembly::{Frame, Limits, Slicer, SlicerConfig, StreamKind};

/// The maximum number of places by which a packet is late.
const DELAY: usize = 8;

/// A frame can be as small as a slice, so a packet can be `DELAY` frames late.
fn limits() -> Limits {
    Limits {
        reorder_window: DELAY,
        ..Limits::default()
    }
}

#[derive(Debug, Clone)]
struct Sent {
    kind: MediaKind,
    data: Bytes,
    at: Duration,
    packets: Vec<Bytes>,
}

/// The delay of each copy of a packet. Empty if it is lost.
type Fate = Vec<usize>;

fn layout() -> impl Strategy<Value = MediaLayout> {
    prop_oneof![Just(MediaLayout::Fragment), Just(MediaLayout::Slice)]
}

fn frames() -> impl Strategy<Value = Vec<(MediaKind, Bytes)>> {
    let kind = prop_oneof![
        1 => Just(MediaKind::Key),
        4 => Just(MediaKind::Delta),
        3 => Just(MediaKind::Audio),
    ];
    let data = proptest::collection::vec(any::<u8>(), 1..400).prop_map(Bytes::from);
    proptest::collection::vec((kind, data), 1..40)
}

fn send(layout: MediaLayout, slice_bytes: u16, frames: Vec<(MediaKind, Bytes)>) -> Vec<Sent> {
    let mut slicer = Slicer::new(SlicerConfig {
        slice_bytes,
        ..SlicerConfig::new(layout)
    })
    .unwrap();
    let mut at = Duration::ZERO;
    frames
        .into_iter()
        .map(|(kind, data)| {
            let codec = match kind {
                MediaKind::Audio => Codec::AacWyze,
                _ => Codec::H265,
            };
            let micros = u64::try_from(at.as_micros()).unwrap();
            let sent = Sent {
                packets: cut(&mut slicer, kind, info(micros, codec), &data),
                kind,
                data,
                at,
            };
            at += Duration::from_millis(37);
            sent
        })
        .collect()
}

/// The packets in the order of their arrival, each with its frame and slice index.
fn arrivals(sent: &[Sent], fates: &[Fate]) -> Vec<((usize, usize), Bytes)> {
    let mut fates = fates.iter().cycle();
    let mut arrivals = Vec::new();
    let mut place = 0;
    for (frame, sent) in sent.iter().enumerate() {
        for (slice, packet) in sent.packets.iter().enumerate() {
            for delay in fates.next().unwrap() {
                arrivals.push((place + delay, ((frame, slice), packet.clone())));
            }
            place += 1;
        }
    }
    arrivals.sort_by_key(|(place, _)| *place);
    arrivals.into_iter().map(|(_, arrival)| arrival).collect()
}

/// The indices of the frames whose slices all arrive.
fn complete(sent: &[Sent], arrivals: &[((usize, usize), Bytes)]) -> Vec<usize> {
    (0..sent.len())
        .filter(|&frame| {
            (0..sent[frame].packets.len())
                .all(|slice| arrivals.iter().any(|(id, _)| *id == (frame, slice)))
        })
        .collect()
}

fn run(layout: MediaLayout, arrivals: &[((usize, usize), Bytes)]) -> Collector {
    let mut collector = Collector::new(limits());
    for (_, packet) in arrivals {
        collector.push(parse(packet, layout));
    }
    collector
}

fn of_stream(sent: &[Sent], stream: StreamKind) -> Vec<usize> {
    (0..sent.len())
        .filter(|&frame| StreamKind::of(sent[frame].kind) == stream)
        .collect()
}

fn check(frame: &Frame, sent: &Sent, layout: MediaLayout, number: usize) {
    assert_eq!(frame.data, sent.data);
    assert_eq!(frame.kind, sent.kind);
    assert_eq!(frame.number, u32::try_from(number).unwrap());
    let codec = match sent.kind {
        MediaKind::Audio => Codec::AacWyze,
        _ => Codec::H265,
    };
    assert_eq!(frame.codec, Some(codec));
    match layout {
        MediaLayout::Fragment => assert_eq!(frame.info, None),
        _ => {
            let info = frame.info.unwrap();
            assert_eq!(info.frame(), Some(frame.number));
            assert_eq!(info.frame_bytes(), u32::try_from(sent.data.len()).ok());
        }
    }
}

/// Each packet arrives once or twice, up to `DELAY` places late.
fn late_and_duplicated() -> impl Strategy<Value = Vec<Fate>> {
    let fate = proptest::collection::vec(0..=DELAY, 1..3);
    proptest::collection::vec(fate, 1..80)
}

/// As above, and one in eight packets is lost.
fn lossy() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        7 => proptest::collection::vec(0..=DELAY, 1..3),
        1 => Just(Vec::new()),
    ];
    proptest::collection::vec(fate, 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn delivers_all_frames_despite_late_and_duplicate_packets(
        layout in layout(), slice_bytes in 41..200_u16, frames in frames(), fates in late_and_duplicated(),
    ) {
        let sent = send(layout, slice_bytes, frames);
        let arrivals = arrivals(&sent, &fates);
        let out = run(layout, &arrivals);

        prop_assert_eq!(&out.lost, &[]);
        prop_assert_eq!(out.frames.len(), sent.len());
        for stream in [StreamKind::Video, StreamKind::Audio] {
            let got = out.frames.iter().filter(|frame| frame.stream() == stream);
            for (number, (frame, index)) in got.zip(of_stream(&sent, stream)).enumerate() {
                check(frame, &sent[index], layout, number + 1);
            }
        }
        let stats = out.reassembler.stats();
        let packets: usize = sent.iter().map(|sent| sent.packets.len()).sum();
        prop_assert_eq!(stats.slices, packets as u64);
        prop_assert_eq!(stats.duplicates, (arrivals.len() - packets) as u64);
        prop_assert_eq!(stats.frames, sent.len() as u64);
        prop_assert_eq!(stats.size_mismatches + stats.late + stats.clock_jumps, 0);
    }

    #[test]
    fn preserves_timestamps(
        slice_bytes in 41..200_u16, frames in frames(),
    ) {
        let sent = send(MediaLayout::Slice, slice_bytes, frames);
        let arrivals = arrivals(&sent, &[vec![0]]);
        let out = run(MediaLayout::Slice, &arrivals);
        let expected: Vec<Duration> = sent.iter().map(|sent| sent.at).collect();
        let got: Vec<Duration> = out.frames.iter().map(|frame| frame.timestamp).collect();
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn loses_exactly_the_frames_with_lost_packets(
        layout in layout(), slice_bytes in 41..200_u16, frames in frames(), fates in lossy(),
    ) {
        let sent = send(layout, slice_bytes, frames);
        let arrivals = arrivals(&sent, &fates);
        let complete = complete(&sent, &arrivals);
        let mut out = run(layout, &arrivals);
        out.flush();

        for stream in [StreamKind::Video, StreamKind::Audio] {
            // The slicer numbers frames from 1.
            let all: Vec<usize> = of_stream(&sent, stream);
            let number = |index: &usize| all.iter().position(|i| i == index).unwrap() + 1;
            let expected: Vec<usize> =
                complete.iter().filter(|index| all.contains(index)).map(number).collect();
            let got: Vec<&Frame> =
                out.frames.iter().filter(|frame| frame.stream() == stream).collect();
            let numbers: Vec<usize> = got.iter().map(|frame| frame.number as usize).collect();
            prop_assert_eq!(&numbers, &expected);
            for frame in got {
                let number = frame.number as usize;
                check(frame, &sent[all[number - 1]], layout, number);
            }
            // The others between the first and the last received frame are reported once.
            let seen = arrivals.iter().map(|((frame, _), _)| frame).filter(|i| all.contains(i));
            let seen: Vec<usize> = seen.map(number).collect();
            let (Some(first), Some(last)) = (seen.iter().min(), seen.iter().max()) else {
                continue;
            };
            let lost: Vec<usize> = out
                .lost
                .iter()
                .filter(|lost| lost.stream == stream)
                .flat_map(|lost| lost.first as usize..=lost.last as usize)
                .collect();
            let expected: Vec<usize> =
                (*first..=*last).filter(|number| !expected.contains(number)).collect();
            prop_assert_eq!(lost, expected);
        }
    }
}
