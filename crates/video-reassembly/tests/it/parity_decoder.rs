//! Grouped media at the client: lost slices are recovered from the parity of their group.

use crate::common::{info, parity, product};
use bytes::Bytes;
use proptest::prelude::*;
use tutk_frame::{
    AvPacket, Codec, GroupHeader, LinkClock, MediaKind, MediaLayout, Parity, SliceHeader,
    SlicePlace,
};
use video_reassembly::{
    FrameNumber, Origin, ParityDecoder, ParityLimits, ResendConfig, Slice, Slicer, SlicerConfig,
};

/// A grouped packet: group header and body.
type Packet = (GroupHeader, Vec<u8>);

/// Cuts frames of these lengths into packets, in groups of k slices and m parity packets. The last
/// group is incomplete if it has fewer than k slices.
fn packets(k: u8, m: u8, frames: &[(MediaKind, usize)]) -> Vec<Packet> {
    let mut slicer = Slicer::new(SlicerConfig {
        slice_bytes: 60,
        resend: Some(ResendConfig {
            group_size: k,
            parity: m,
            ..ResendConfig::default()
        }),
        ..SlicerConfig::new(MediaLayout::Slice)
    })
    .unwrap();
    let mut packets = Vec::new();
    let mut keep = |packet: &[u8]| {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        packets.push((packet.group.unwrap(), packet.body.to_vec()));
    };
    for (seed, &(kind, len)) in (0..).zip(frames) {
        let byte = |i| u8::try_from((i * 31 + seed * 101) % 256).unwrap();
        let data: Bytes = (0..len).map(byte).collect();
        let mut slices = slicer.slice(kind, info(0, Codec::H264), data).unwrap();
        let mut packet = Vec::new();
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            keep(&packet);
            packet.clear();
            while slicer
                .write_repair(LinkClock::default(), &mut packet)
                .is_some()
            {
                keep(&packet);
                packet.clear();
            }
        }
    }
    packets
}

/// The fields of a slice but its origin.
#[derive(Debug, PartialEq)]
struct Fields {
    kind: MediaKind,
    counter: Option<u16>,
    frame: (FrameNumber, Option<u32>),
    place: (u32, u32),
    payload: Vec<u8>,
    info: Vec<u8>,
}

fn fields(slice: &Slice<'_>) -> Fields {
    Fields {
        kind: slice.kind,
        counter: slice.counter,
        frame: (slice.number, slice.previous),
        place: (slice.index, slice.count),
        payload: slice.payload.to_vec(),
        info: slice.info.to_vec(),
    }
}

/// The fields of a sent slice.
fn sent_fields(body: &[u8]) -> Fields {
    fields(&tutk_frame::Slice::parse_body(body).unwrap().into())
}

/// Pushes a packet. Returns its slice and the recovered ones.
fn push(decoder: &mut ParityDecoder, (group, body): &Packet) -> (Option<Fields>, Vec<Fields>) {
    let slice = decoder.push(*group, body).unwrap().map(|slice| {
        assert_eq!(slice.origin, Origin::Sent);
        fields(&slice)
    });
    let mut recovered = Vec::new();
    while let Some(slice) = decoder.recovered() {
        assert_eq!(slice.origin, Origin::Recovered);
        recovered.push(fields(&slice));
    }
    (slice, recovered)
}

#[test]
fn recovers_no_slice_while_two_are_lost() {
    let sent = packets(4, 1, &[(MediaKind::Key, 200)]); // 4 slices, parity
    assert_eq!(sent.len(), 5);
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        assert_eq!(push(&mut decoder, &sent[at]).1, []);
    }
    // Duplicates do not count.
    assert_eq!(push(&mut decoder, &sent[0]).1, []);
    assert_eq!(push(&mut decoder, &sent[4]).1, []);
    let lost = || sent_fields(&sent[1].1);
    assert_eq!(push(&mut decoder, &sent[2]).1, [lost()]);
    assert_eq!(push(&mut decoder, &sent[1]), (Some(lost()), vec![]));
    assert_eq!(decoder.stats().recovered, 1);
}

#[test]
fn recovers_as_many_slices_as_parity_packets_arrive() {
    let sent = packets(5, 3, &[(MediaKind::Key, 200), (MediaKind::Audio, 20)]);
    assert_eq!(sent.len(), 8);
    for lost in 0_u8..=255 {
        let is_lost = |at: usize| lost >> at & 1 == 1;
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        let mut recovered = Vec::new();
        for (_, packet) in (0..).zip(&sent).filter(|(at, _)| !is_lost(*at)) {
            recovered.extend(push(&mut decoder, packet).1);
        }
        let slices = (0..5).filter(|&at| is_lost(at));
        let expected: Vec<Fields> = match lost.count_ones() {
            0..=3 => slices.map(|at| sent_fields(&sent[at].1)).collect(),
            _ => vec![],
        };
        assert_eq!(recovered, expected, "{lost:08b}");
        assert_eq!(decoder.stats().rejected, 0);
    }
}

#[test]
fn drops_a_recovered_slice_with_the_next_packet() {
    let sent = packets(2, 1, &[(MediaKind::Key, 200)]); // two groups of two
    for next in [(sent[3].0, &sent[3].1[..]), (sent[3].0, b"no slice")] {
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        push(&mut decoder, &sent[0]);
        decoder.push(sent[2].0, &sent[2].1).unwrap(); // the parity
        let _ = decoder.push(next.0, next.1);
        assert!(decoder.recovered().is_none());
        assert_eq!(decoder.stats().recovered, 1);
    }
}

#[test]
fn rejects_slices_recovered_from_another_parity_code() {
    let sent = packets(4, 1, &[(MediaKind::Key, 200)]);
    let (header, code) = &sent[4];
    let data = Parity::parse_body(code).unwrap().bytes().to_vec();
    let bodies: Vec<&[u8]> = sent[..4].iter().map(|(_, body)| &body[..]).collect();
    assert_eq!(data, parity(&[27, 28, 18, 20], &bodies));
    let mut wrong: Vec<Vec<u8>> = Vec::new();
    wrong.push(parity(&[1; 4], &bodies));
    // Parity of the payload alone.
    wrong.push(data[20..].to_vec());
    // Another byte in the header of the lost slice, whose factor is 18.
    for at in [0, 1, 2, 3, 8, 9] {
        let mut code = data.clone();
        code[at] ^= product(18, 0x55);
        wrong.push(code);
    }
    // The counter of a neighbour.
    for neighbour in [1, 3] {
        let mut code = data.clone();
        code[2] ^= product(18, 2 ^ neighbour);
        wrong.push(code);
    }
    // Too long, too short, and empty.
    wrong.push([&data[..], &[7]].concat());
    wrong.push(data[..data.len() - 1].to_vec());
    wrong.push(vec![]);
    for data in wrong {
        let mut body = Vec::new();
        Parity::new(&data).write(&mut body);
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        for packet in [&sent[0], &sent[1], &sent[3], &(*header, body)] {
            assert_eq!(push(&mut decoder, packet).1, []);
        }
        assert_eq!(decoder.stats().rejected, 1, "{data:02x?}");
        assert_eq!(decoder.stats().recovered, 0);
    }
}

#[test]
fn ignores_parity_of_groups_with_more_than_256_packets() {
    let mut sent = packets(4, 1, &[(MediaKind::Key, 200)]);
    for (group, _) in &mut sent {
        group.m = 253;
    }
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for packet in &sent[1..] {
        assert_eq!(push(&mut decoder, packet).1, []);
    }
    let stats = decoder.stats();
    assert_eq!(
        (stats.slices, stats.parity, stats.unsupported_parity),
        (3, 1, 1)
    );
    assert_eq!(decoder.memory_usage(), 0);
}

#[test]
fn recovers_from_parity_of_another_length() {
    let sent = packets(4, 1, &[(MediaKind::Key, 200)]);
    // Longer than the length field says, and longer than each body.
    let mut longer = sent[4].clone();
    longer.1.push(7);
    let mut padded = sent[4].clone();
    padded.1.push(0);
    padded.1[8] += 1;
    for (parity, mismatches) in [(longer, 1), (padded, 0)] {
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        for packet in &sent[1..4] {
            push(&mut decoder, packet);
        }
        let (_, recovered) = push(&mut decoder, &parity);
        assert_eq!(recovered, [sent_fields(&sent[0].1)]);
        assert_eq!(decoder.stats().length_mismatches, mismatches);
    }
}

/// The groups of real cameras: 20 slices of several frames and kinds, all padded to the longest.
#[test]
fn recovers_short_slices_of_other_frames() {
    let frames = [
        (MediaKind::Delta, 500), // 9 slices
        (MediaKind::Audio, 7),
        (MediaKind::Audio, 30), // 2 slices
        (MediaKind::Key, 440),  // 8 slices
    ];
    let sent = packets(20, 1, &frames);
    assert_eq!(sent.len(), 21);
    for lost in 0..20 {
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        let received = sent.iter().filter(|packet| packet.0.index != lost);
        let recovered: Vec<Fields> = received
            .flat_map(|packet| push(&mut decoder, packet).1)
            .collect();
        assert_eq!(recovered, [sent_fields(&sent[usize::from(lost)].1)]);
        assert_eq!(recovered[0].counter, Some(lost.into()));
    }
}

#[test]
fn excludes_retransmissions_from_parity() {
    let sent = packets(4, 1, &[(MediaKind::Key, 200)]);
    let mut again = sent[1].clone();
    again.1[0] = 6;
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        push(&mut decoder, &sent[at]);
    }
    let slice = decoder.push(again.0, &again.1).unwrap().unwrap();
    assert_eq!((slice.origin, slice.kind), (Origin::Resent, MediaKind::Key));
    assert!(decoder.recovered().is_none());
    assert_eq!(push(&mut decoder, &sent[2]).1, [sent_fields(&sent[1].1)]);
}

#[test]
fn returns_slices_of_inconsistent_groups_and_recovers_none() {
    let sent = packets(4, 1, &[(MediaKind::Key, 200)]);
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    push(&mut decoder, &sent[0]);
    let mut other = sent[1].clone();
    other.0.k = 3;
    assert!(push(&mut decoder, &other).0.is_some());
    for at in [2, 3, 4] {
        assert_eq!(push(&mut decoder, &sent[at]).0.is_some(), at != 4);
        assert_eq!(decoder.stats().recovered, 0);
    }
    assert_eq!(decoder.stats().inconsistent, 1);
}

#[test]
fn limits_groups_and_bodies() {
    let sent = packets(2, 1, &[(MediaKind::Key, 500)]); // 9 slices in 5 groups
    let first_of = |number| {
        let mut packets = sent.iter().filter(move |(group, _)| group.group == number);
        (packets.next().unwrap(), packets.next_back().unwrap())
    };
    let mut decoder = ParityDecoder::new(ParityLimits {
        groups: 3,
        ..ParityLimits::default()
    });
    for number in 0..4 {
        push(&mut decoder, first_of(number).0);
    }
    // The oldest group was dropped.
    for (number, is_kept) in [(3, true), (1, true), (0, false)] {
        let (_, recovered) = push(&mut decoder, first_of(number).1);
        assert_eq!(!recovered.is_empty(), is_kept, "group {number}");
    }

    let mut decoder = ParityDecoder::new(ParityLimits {
        body_bytes: 79,
        ..ParityLimits::default()
    });
    // Slices have 80 bytes with their header.
    for packet in sent.iter().filter(|(group, _)| group.index != 1) {
        let (passed, recovered) = push(&mut decoder, packet);
        assert_eq!(passed.is_some(), !packet.0.is_parity());
        assert_eq!(recovered, []);
    }
    assert!(decoder.stats().inconsistent >= 8);
}

#[test]
fn rejects_invalid_bodies() {
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    let group = GroupHeader {
        group: 1,
        index: 0,
        k: 2,
        m: 1,
    };
    assert!(decoder.push(group, &[5; 12]).is_err());
    assert!(
        decoder
            .push(GroupHeader { index: 3, ..group }, &[5; 40])
            .is_err()
    );
    assert!(
        decoder
            .push(GroupHeader { k: 0, ..group }, &[5; 40])
            .is_err()
    );
    assert_eq!(
        decoder.stats(),
        ParityDecoder::new(ParityLimits::default()).stats()
    );
}

/// Some firmware may not count the frame info in the length field.
#[test]
fn recovers_a_frame_info_outside_the_slice_length() {
    let body = |counter: u8, len: usize| {
        let header = SliceHeader {
            kind: MediaKind::Audio,
            resent: false,
            counter: counter.into(),
            slices: 1,
            place: SlicePlace::Last { info_len: 16 },
            size: u16::try_from(len).unwrap(),
            previous_frame: 0,
            frame: 1 + u32::from(counter),
        };
        let mut body = Vec::new();
        header.write(&mut body);
        body.resize(20 + len, counter + 1);
        body.extend([0x90, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        body
    };
    let bodies = [body(0, 30), body(1, 9)];
    let data = parity(&[3, 2], &[&bodies[0], &bodies[1]]);
    let mut parity = Vec::new();
    Parity::new(&data).write(&mut parity);
    let group = |index| GroupHeader {
        group: 9,
        index,
        k: 2,
        m: 1,
    };
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    push(&mut decoder, &(group(0), bodies[0].clone()));
    let (_, recovered) = push(&mut decoder, &(group(2), parity));
    assert_eq!(recovered, [sent_fields(&bodies[1])]);
}

fn frames() -> impl Strategy<Value = Vec<(MediaKind, usize)>> {
    let kind = prop_oneof![
        Just(MediaKind::Key),
        Just(MediaKind::Delta),
        Just(MediaKind::Audio)
    ];
    proptest::collection::vec((kind, 1..900_usize), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Each received slice is returned. A lost slice is recovered if k packets of its group arrive,
    /// and equals the sent one.
    #[test]
    fn recovers_lost_slices_of_groups_of_which_enough_arrives(
        k in 1..20_u8,
        m in 0..4_u8,
        frames in frames(),
        fates in proptest::collection::vec(prop_oneof![
            4 => (0..20_usize).prop_map(Some),
            1 => Just(None),
        ], 1..60),
    ) {
        let sent = packets(k, m, &frames);
        let mut arrivals: Vec<(usize, usize)> = fates
            .iter()
            .cycle()
            .zip(0..sent.len())
            .filter_map(|(fate, at)| Some((at + (*fate)?, at)))
            .collect();
        arrivals.sort_unstable();
        let mut decoder = ParityDecoder::new(ParityLimits {
            groups: 32,
            ..ParityLimits::default()
        });
        let mut recovered = Vec::new();
        let mut passed = 0;
        for (_, at) in &arrivals {
            let (slice, others) = push(&mut decoder, &sent[*at]);
            passed += usize::from(slice.is_some());
            recovered.extend(others);
        }
        let is_slice = |(_, at): &&(usize, usize)| !sent[*at].0.is_parity();
        prop_assert_eq!(passed, arrivals.iter().filter(is_slice).count());
        let all: Vec<Fields> = sent
            .iter()
            .filter(|(group, _)| !group.is_parity())
            .map(|(_, body)| sent_fields(body))
            .collect();
        prop_assert!(recovered.iter().all(|body| all.contains(body)));
        let received = |at: usize| arrivals.iter().any(|(_, other)| *other == at);
        for (at, (group, body)) in sent.iter().enumerate().filter(|(_, (g, _))| !g.is_parity()) {
            let of_group = (0..sent.len()).filter(|other| sent[*other].0.group == group.group);
            let is_enough = of_group.filter(|&other| received(other)).count() >= k.into();
            if is_enough && m > 0 && !received(at) {
                prop_assert!(recovered.contains(&sent_fields(body)), "slice {}", at);
            }
        }
        prop_assert_eq!(decoder.stats().rejected, 0);
        prop_assert_eq!(decoder.stats().recovered, recovered.len() as u64);
    }

    #[test]
    fn never_returns_parity_or_an_invalid_index(
        packets in proptest::collection::vec(
            ((0..4_u16, 0..8_u8, 0..5_u8, 0..4_u32), proptest::collection::vec(0..8_u8, 0..70)), 0..60),
        limit in 0..80_usize,
    ) {
        let mut decoder = ParityDecoder::new(ParityLimits { groups: 2, body_bytes: limit });
        for ((group, index, k, m), body) in packets {
            let group = GroupHeader { group, index, k, m };
            if let Ok(Some(slice)) = decoder.push(group, &body) {
                prop_assert!(!group.is_parity() && slice.index < slice.count);
            }
            while let Some(slice) = decoder.recovered() {
                prop_assert!(m > 0 && slice.index < slice.count && slice.payload.len() <= limit);
            }
        }
    }
}
