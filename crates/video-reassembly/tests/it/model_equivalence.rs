//! Compares the reassembler with a model after every step.

use crate::common::info;
use crate::model::Model;
use proptest::prelude::*;
use tutk_frame::{Codec, FrameInfo, FrameNumbers, MediaKind};
use video_reassembly::{
    FrameMetadata, FrameNumber, FramePolicy, Limits, Origin, Reassembler, Slice, StreamKind,
};

#[derive(Debug, Clone)]
enum Step {
    Slice(Box<Fields>),
    SkipTo(bool, u32),
    Flush,
}

#[derive(Debug, Clone)]
struct Fields {
    kind: MediaKind,
    origin: Origin,
    number: FrameNumber,
    previous: Option<u32>,
    index: u32,
    count: u32,
    payload: usize,
    info: Option<(usize, u32, u8)>,
    metadata: Option<u32>,
}

impl Fields {
    fn push(&self, model: &mut Model, real: &mut Reassembler) {
        let mut bytes = Vec::new();
        if let Some((len, frame_bytes, resolution)) = self.info {
            FrameInfo {
                resolution,
                numbers: Some(FrameNumbers {
                    bytes: frame_bytes,
                    frame: 0,
                    device: None,
                }),
                ..info(0, Codec::H264)
            }
            .write(&mut bytes);
            bytes.truncate(len);
        }
        let fill = (self.index * 16 + self.number.value() % 16) as u8;
        let payload = vec![fill; self.payload];
        let slice = Slice {
            kind: self.kind,
            origin: self.origin,
            // The count does not begin at 0, and no frame is next to another, because the model
            // does not know the order of sending.
            counter: Some((self.number.value().wrapping_mul(8) + self.index + 1) as u16),
            number: self.number,
            previous: self.previous,
            index: self.index,
            count: self.count,
            payload: &payload,
            info: &bytes,
            metadata: self.metadata.map(|frame_bytes| FrameMetadata {
                frame_bytes,
                millis: 0,
                codec: None,
                audio: None,
            }),
        };
        model.push(&slice);
        real.handle_slice(&slice);
    }
}

fn run(limits: Limits, policy: FramePolicy, steps: &[Step]) {
    let limits = Limits {
        events: 10_000,
        ..limits
    };
    let mut model = Model::new(limits, policy);
    let mut real = Reassembler::new(limits).with_policy(policy);
    for step in steps {
        match step {
            Step::Slice(fields) => fields.push(&mut model, &mut real),
            Step::SkipTo(video, number) => {
                let stream = match video {
                    true => StreamKind::Video,
                    false => StreamKind::Audio,
                };
                model.skip_to(stream, *number);
                real.skip_to(stream, *number);
            }
            Step::Flush => {
                model.flush();
                real.flush();
            }
        }
        model.compare(&mut real);
    }
    model.flush();
    real.flush();
    model.compare(&mut real);
}

fn limits() -> impl Strategy<Value = Limits> {
    (0..6_usize, 0..40_usize, 0..6_u32, 0..6_usize, 0..40_u32).prop_map(
        |(frames, frame_bytes, slices, reorder_window, max_dropout)| Limits {
            frames,
            frame_bytes,
            slices,
            reorder_window,
            max_dropout,
            ..Limits::default()
        },
    )
}

fn kind() -> impl Strategy<Value = MediaKind> {
    prop_oneof![
        1 => Just(MediaKind::Key),
        3 => Just(MediaKind::Delta),
        1 => Just(MediaKind::Audio)
    ]
}

fn origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        4 => Just(Origin::Sent),
        1 => Just(Origin::Resent),
        2 => Just(Origin::Recovered)
    ]
}

/// Independent steps with numbers that often coincide.
fn any_step() -> impl Strategy<Value = Step> {
    let number = prop_oneof![
        8 => 0..20_u32,
        2 => 55..90_u32,
        1 => (u32::MAX - 5)..=u32::MAX,
        1 => any::<u32>(),
    ];
    let slice = (
        (kind(), origin(), number.clone(), any::<bool>()),
        proptest::option::of(0..20_u32),
        (0..4_u32, 0..5_u32, 0..12_usize),
        proptest::option::of((
            prop_oneof![Just(15_usize), Just(16), Just(24)],
            0..30_u32,
            0..3_u8,
        )),
        proptest::option::weighted(0.2, 0..30_u32),
    )
        .prop_map(
            |((kind, origin, number, short), previous, (index, count, payload), info, metadata)| {
                let number = match short {
                    true => FrameNumber::Short(number as u16),
                    false => FrameNumber::Long(number),
                };
                Step::Slice(Box::new(Fields {
                    kind,
                    origin,
                    number,
                    previous,
                    index,
                    count,
                    payload,
                    info,
                    metadata,
                }))
            },
        );
    prop_oneof![
        20 => slice,
        1 => (any::<bool>(), number).prop_map(|(video, number)| Step::SkipTo(video, number)),
        1 => Just(Step::Flush),
    ]
}

/// Slices as a camera cuts them, some lost, late, or recovered right or wrong.
fn stream_like() -> impl Strategy<Value = Vec<Step>> {
    let frame = (kind(), 1..4_u32, 1..6_usize, 0..6_usize, 0..3_u8);
    let fate = (0..14_usize, 0..10_u8, origin(), 0..8_usize);
    (
        prop_oneof![0..3_u32, Just(u32::MAX - 3), Just(0xfffd)],
        any::<bool>(),
        proptest::collection::vec(frame, 1..30),
        proptest::collection::vec(fate, 1..90),
    )
        .prop_map(|(start, short, frames, fates)| {
            let mut fates = fates.into_iter().cycle();
            let mut arrivals = Vec::new();
            let mut place = 0;
            for (at, (kind, count, stride, end, resolution)) in (0..).zip(frames) {
                let number = start.wrapping_add(at);
                let bytes = stride as u32 * (count - 1) + end as u32;
                for index in 0..count {
                    let (late, fate, origin, other) = fates.next().unwrap();
                    place += 1;
                    let is_last = index + 1 == count;
                    let true_payload = if is_last { end } else { stride };
                    let true_info = is_last.then_some((24, bytes, resolution));
                    let (mut payload, mut info) = (true_payload, true_info);
                    match fate {
                        0 => continue, // lost
                        1..4 if origin == Origin::Recovered => {
                            // Recovered wrong, sometimes with a frame info that matches.
                            payload = other;
                            info = info.map(|(len, bytes, resolution)| match fate {
                                1 => (
                                    len,
                                    (bytes + other as u32).saturating_sub(end as u32),
                                    resolution,
                                ),
                                _ => (len, bytes, resolution + 1),
                            });
                        }
                        _ => {}
                    }
                    let fields = Fields {
                        kind,
                        origin,
                        number: match short {
                            true => FrameNumber::Short(number as u16),
                            false => FrameNumber::Long(number),
                        },
                        previous: Some(number.wrapping_sub(1)),
                        index,
                        count: count + u32::from(fate == 3 && origin == Origin::Recovered),
                        payload,
                        info,
                        metadata: None,
                    };
                    arrivals.push((place + late, fields.clone()));
                    if fate % 2 == 0 || origin == Origin::Recovered {
                        // Duplicated, or received after it was recovered.
                        let again = Fields {
                            origin: Origin::Resent,
                            count,
                            payload: true_payload,
                            info: true_info,
                            ..fields
                        };
                        arrivals.push((place + other, again));
                    }
                }
            }
            arrivals.sort_by_key(|(place, _)| *place);
            let fields = arrivals.into_iter().map(|(_, fields)| fields);
            fields.map(|fields| Step::Slice(Box::new(fields))).collect()
        })
}

fn policy() -> impl Strategy<Value = FramePolicy> {
    prop_oneof![Just(FramePolicy::All), Just(FramePolicy::Decodable)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_steps_match_the_model(
        limits in limits(), policy in policy(), steps in proptest::collection::vec(any_step(), 0..120),
    ) {
        run(limits, policy, &steps);
    }

    #[test]
    fn a_lossy_stream_matches_the_model(limits in limits(), policy in policy(), steps in stream_like()) {
        run(limits, policy, &steps);
        run(Limits::default(), policy, &steps);
    }
}
