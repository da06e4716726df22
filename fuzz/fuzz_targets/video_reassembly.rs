//! Arbitrary slices: the reassembler agrees with a model after each step. Packets of the slicer in
//! any order, duplicated or lost: each delivered frame equals the sent one, once and in order.
#![no_main]

#[path = "../../crates/video-reassembly/tests/model/mod.rs"]
mod model;

use std::collections::HashMap;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use model::Model;
use tutk_frame::{AvPacket, Codec, Fragment, FrameInfo, LinkClock, MediaKind, MediaLayout};
use video_reassembly::{
    Event, FrameMetadata, FrameNumber, FramePolicy, Limits, Origin, Reassembler, Slice, Slicer,
    SlicerConfig, StreamKind,
};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    limits: [u8; 6],
    decodable: bool,
    steps: Vec<Step<'a>>,
    /// Layout, frames, and the order of their packets.
    sliced: (MediaLayout, Vec<(MediaKind, u8)>, Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// A packet's bytes.
    Packet(MediaLayout, &'a [u8]),
    /// A slice, with numbers that often coincide.
    Slice {
        kind: MediaKind,
        origin: u8,
        short: bool,
        number: u8,
        far: Option<u32>,
        previous: Option<u8>,
        index: u8,
        count: u8,
        payload: &'a [u8],
        info: &'a [u8],
        /// Replaces `info` by a frame info with this frame size.
        frame_bytes: Option<u8>,
        metadata: Option<(u8, u32)>,
    },
    SkipTo(bool, u8),
    Flush,
}

fuzz_target!(|input: Input<'_>| {
    arbitrary_steps(&input);
    let (layout, frames, order) = &input.sliced;
    sliced(*layout, frames, order);
});

fn arbitrary_steps(input: &Input<'_>) {
    let [frames, frame_bytes, slices, window, max_dropout, events] = input.limits;
    let limits = Limits {
        frames: frames.into(),
        frame_bytes: usize::from(frame_bytes) * 16,
        slices: slices.into(),
        reorder_window: window.into(),
        max_dropout: max_dropout.into(),
        // More than a step can produce.
        events: 1 << 20,
    };
    let policy = match input.decodable {
        true => FramePolicy::Decodable,
        false => FramePolicy::All,
    };
    let mut model = Model::new(limits, policy);
    let mut real = Reassembler::new(limits).with_policy(policy);
    // A second reassembler has a small event queue.
    let event_limit = usize::from(events).max(1);
    let mut small = Reassembler::new(Limits {
        events: event_limit,
        ..limits
    });
    for step in &input.steps {
        match step {
            Step::Packet(layout, bytes) => {
                if let Some(slice) = read(*layout, bytes) {
                    model.push(&slice);
                    real.handle_slice(&slice);
                    small.handle_slice(&slice);
                }
            }
            Step::Slice { .. } => step.with_slice(|slice| {
                model.push(slice);
                real.handle_slice(slice);
                small.handle_slice(slice);
            }),
            Step::SkipTo(video, number) => {
                let stream = if *video {
                    StreamKind::Video
                } else {
                    StreamKind::Audio
                };
                model.skip_to(stream, (*number).into());
                real.skip_to(stream, (*number).into());
                small.skip_to(stream, (*number).into());
            }
            Step::Flush => {
                model.flush();
                real.flush();
                small.flush();
            }
        }
        model.compare(&mut real);
        let mut count = 0;
        while let Some(event) = small.poll_output() {
            count += 1;
            if let Event::Frame(frame) = event {
                assert!(frame.data.len() <= limits.frame_bytes);
            }
        }
        assert!(count <= event_limit, "{count} events, limit {event_limit}");
    }
    model.flush();
    real.flush();
    model.compare(&mut real);
    assert_eq!(real.blocked_frame(StreamKind::Video), None);
}

impl Step<'_> {
    fn with_slice(&self, take: impl FnOnce(&Slice<'_>)) {
        let Step::Slice {
            kind,
            origin,
            short,
            number,
            far,
            previous,
            index,
            count,
            payload,
            info,
            frame_bytes,
            metadata,
        } = *self
        else {
            return;
        };
        let number = far.unwrap_or(number.into());
        let replaced = frame_bytes.map(|bytes| {
            let mut info = [0; 24];
            info[16] = bytes;
            info
        });
        take(&Slice {
            kind,
            origin: match origin % 4 {
                0 | 1 => Origin::Sent,
                2 => Origin::Resent,
                _ => Origin::Recovered,
            },
            // The count does not begin at 0, and no frame is next to another, because the model
            // does not know the order of sending.
            counter: (count < 8).then_some(
                (number.wrapping_mul(8).wrapping_add(index.into()) as u16).wrapping_add(1),
            ),
            number: if short {
                FrameNumber::Short((number & 0xffff) as u16)
            } else {
                FrameNumber::Long(number)
            },
            previous: previous.map(u32::from),
            index: index.into(),
            count: count.into(),
            payload,
            info: replaced.as_ref().map_or(info, |info| info),
            metadata: metadata.map(|(frame_bytes, millis)| FrameMetadata {
                frame_bytes: frame_bytes.into(),
                millis,
                codec: Some(Codec::H264),
                audio: None,
            }),
        });
    }
}

fn sliced(layout: MediaLayout, frames: &[(MediaKind, u8)], order: &[u8]) {
    let mut config = SlicerConfig::new(layout);
    config.slice_bytes = 64;
    let mut slicer = Slicer::new(config).expect("64 bytes are enough");
    let (mut packets, mut sent) = (Vec::new(), HashMap::new());
    for (index, &(kind, length)) in frames.iter().take(32).enumerate() {
        let data: Bytes = vec![index as u8; usize::from(length) + 1].into();
        let info = FrameInfo::parse(&[0x4e; 40]).expect("40 bytes are a frame info");
        let mut slices = slicer.slice(kind, info, data.clone()).expect("few slices");
        sent.insert((StreamKind::of(kind), slices.number()), (kind, data));
        loop {
            let (mut packet, len) = (Vec::new(), slices.packet_len());
            if !slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
                break;
            }
            assert_eq!(len, Some(packet.len()));
            packets.push(packet);
        }
    }
    let all_in_order = order.is_empty();
    let mut reassembler = Reassembler::default();
    let mut last = HashMap::new();
    let mut delivered = 0;
    let order: Vec<usize> = if all_in_order {
        (0..packets.len()).collect()
    } else {
        // Mostly the next packet, sometimes a late, early or duplicate one.
        order
            .iter()
            .enumerate()
            .map(|(at, &byte)| {
                if byte < 0xc0 {
                    at
                } else {
                    usize::from(byte) - 0xc0 + at / 2
                }
            })
            .collect()
    };
    for at in order {
        let Some(packet) = packets.get(at) else {
            continue;
        };
        reassembler.handle_slice(&read(layout, packet).expect("written packets parse"));
        while let Some(event) = reassembler.poll_output() {
            let Event::Frame(frame) = event else { continue };
            let stream = StreamKind::of(frame.kind);
            assert_eq!(
                sent.get(&(stream, frame.number)),
                Some(&(frame.kind, frame.data))
            );
            let before = last.insert(stream, frame.number);
            assert!(
                before.is_none_or(|before| before < frame.number),
                "once, and in order"
            );
            delivered += 1;
        }
    }
    if all_in_order {
        assert_eq!(delivered, sent.len());
    }
}

fn read(layout: MediaLayout, bytes: &[u8]) -> Option<Slice<'_>> {
    match layout {
        MediaLayout::Fragment => Fragment::parse(bytes).ok().map(Slice::from),
        _ => {
            let packet = AvPacket::parse(bytes, layout).ok()?;
            tutk_frame::Slice::parse_body(packet.body)
                .ok()
                .map(Slice::from)
        }
    }
}
