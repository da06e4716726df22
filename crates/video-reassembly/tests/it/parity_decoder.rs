//! Grouped media at the client: one lost slice of each group is recovered from its parity.

use crate::common::info;
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

/// Cuts frames of these lengths into packets with parity.
fn packets(group: u8, frames: &[(MediaKind, usize)]) -> Vec<Packet> {
    let mut slicer = Slicer::new(SlicerConfig {
        slice_bytes: 60,
        resend: Some(ResendConfig {
            group_size: group,
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
    fields(&tutk_frame::Slice::parse(body).unwrap().into())
}

/// Pushes a packet. Returns its slice and a recovered one.
fn push(decoder: &mut ParityDecoder, (group, body): &Packet) -> (Option<Fields>, Option<Fields>) {
    let slice = decoder.push(*group, body).unwrap().map(|slice| {
        assert_eq!(slice.origin, Origin::Sent);
        fields(&slice)
    });
    let recovered = decoder.recovered().map(|slice| {
        assert_eq!(slice.origin, Origin::Recovered);
        fields(&slice)
    });
    assert!(decoder.recovered().is_none());
    (slice, recovered)
}

#[test]
fn recovers_no_slice_while_two_are_lost() {
    let sent = packets(4, &[(MediaKind::Key, 200)]); // 4 slices, parity
    assert_eq!(sent.len(), 5);
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        assert_eq!(push(&mut decoder, &sent[at]).1, None);
    }
    // Duplicates do not count.
    assert_eq!(push(&mut decoder, &sent[0]).1, None);
    assert_eq!(push(&mut decoder, &sent[4]).1, None);
    assert_eq!(
        push(&mut decoder, &sent[2]).1,
        Some(sent_fields(&sent[1].1))
    );
    assert_eq!(
        push(&mut decoder, &sent[1]),
        (Some(sent_fields(&sent[1].1)), None)
    );
    assert_eq!(decoder.stats().recovered, 1);
}

#[test]
fn drops_a_recovered_slice_with_the_next_packet() {
    let sent = packets(2, &[(MediaKind::Key, 200)]); // two groups of two
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
    let sent = packets(4, &[(MediaKind::Key, 200)]);
    let (parity, code) = &sent[4];
    let data = Parity::parse(code).unwrap().data.to_vec();
    let mut wrong: Vec<Vec<u8>> = Vec::new();
    // Parity of the payload alone.
    wrong.push(data[20..].to_vec());
    // Another byte in the header.
    for at in [0, 1, 2, 3, 8, 9] {
        let mut code = data.clone();
        code[at] ^= 0x55;
        wrong.push(code);
    }
    // The counter of a neighbour.
    for neighbour in [1, 3] {
        let mut code = data.clone();
        code[2] ^= 2 ^ neighbour;
        wrong.push(code);
    }
    // Too long, too short, and empty.
    wrong.push([&data[..], &[7]].concat());
    wrong.push(data[..data.len() - 1].to_vec());
    wrong.push(vec![]);
    for data in wrong {
        let mut body = Vec::new();
        Parity { data: &data }.write(&mut body);
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        for packet in [&sent[0], &sent[1], &sent[3], &(*parity, body)] {
            assert_eq!(push(&mut decoder, packet).1, None);
        }
        assert_eq!(decoder.stats().rejected, 1, "{data:02x?}");
        assert_eq!(decoder.stats().recovered, 0);
    }
}

#[test]
fn ignores_parity_of_groups_with_several_parity_packets() {
    let mut sent = packets(4, &[(MediaKind::Key, 200)]);
    for (group, _) in &mut sent {
        group.m = 2;
    }
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for packet in &sent[1..] {
        assert_eq!(push(&mut decoder, packet).1, None);
    }
    let stats = decoder.stats();
    assert_eq!(
        (stats.slices, stats.parity, stats.unsupported_parity),
        (3, 1, 1)
    );
}

#[test]
fn excludes_retransmissions_from_parity() {
    let sent = packets(4, &[(MediaKind::Key, 200)]);
    let mut again = sent[1].clone();
    again.1[0] = 6;
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        push(&mut decoder, &sent[at]);
    }
    let slice = decoder.push(again.0, &again.1).unwrap().unwrap();
    assert_eq!((slice.origin, slice.kind), (Origin::Resent, MediaKind::Key));
    assert!(decoder.recovered().is_none());
    assert_eq!(
        push(&mut decoder, &sent[2]).1,
        Some(sent_fields(&sent[1].1))
    );
}

#[test]
fn returns_slices_of_inconsistent_groups_and_recovers_none() {
    let sent = packets(4, &[(MediaKind::Key, 200)]);
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
    let sent = packets(2, &[(MediaKind::Key, 500)]); // 9 slices in 5 groups
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
        assert_eq!(recovered.is_some(), is_kept, "group {number}");
    }

    let mut decoder = ParityDecoder::new(ParityLimits {
        body_bytes: 79,
        ..ParityLimits::default()
    });
    // Slices have 80 bytes with their header.
    for packet in sent.iter().filter(|(group, _)| group.index != 1) {
        let (passed, recovered) = push(&mut decoder, packet);
        assert_eq!(passed.is_some(), !packet.0.is_parity());
        assert_eq!(recovered, None);
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
            .push(GroupHeader { index: 2, ..group }, &[5; 40])
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
    let mut data = bodies[0].clone();
    data.iter_mut().zip(&bodies[1]).for_each(|(a, b)| *a ^= b);
    let mut parity = Vec::new();
    Parity { data: &data }.write(&mut parity);
    let group = |index| GroupHeader {
        group: 9,
        index,
        k: 2,
        m: 1,
    };
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    push(&mut decoder, &(group(0), bodies[0].clone()));
    let (_, recovered) = push(&mut decoder, &(group(2), parity));
    assert_eq!(recovered, Some(sent_fields(&bodies[1])));
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

    /// Each received slice is returned. A slice is recovered if it is the only lost packet of its
    /// group, and equals the sent one.
    #[test]
    fn recovers_the_only_lost_slice_of_a_group(
        group in 1..20_u8,
        frames in frames(),
        fates in proptest::collection::vec(prop_oneof![
            4 => (0..20_usize).prop_map(Some),
            1 => Just(None),
        ], 1..60),
    ) {
        let sent = packets(group, &frames);
        let mut arrivals: Vec<(usize, usize)> = fates
            .iter()
            .cycle()
            .zip(0..sent.len())
            .filter_map(|(fate, at)| Some((at + (*fate)?, at)))
            .collect();
        arrivals.sort_unstable();
        let mut decoder = ParityDecoder::new(ParityLimits::default());
        let mut recovered = Vec::new();
        let mut passed = 0;
        for (_, at) in &arrivals {
            let (slice, other) = push(&mut decoder, &sent[*at]);
            passed += usize::from(slice.is_some());
            recovered.extend(other);
        }
        let is_slice = |(_, at): &&(usize, usize)| !sent[*at].0.is_parity();
        prop_assert_eq!(passed, arrivals.iter().filter(is_slice).count());
        let all: Vec<Fields> = sent
            .iter()
            .filter(|(group, _)| !group.is_parity())
            .map(|(_, body)| sent_fields(body))
            .collect();
        prop_assert!(recovered.iter().all(|body| all.contains(body)));
        for (at, (group, body)) in sent.iter().enumerate().filter(|(_, (g, _))| !g.is_parity()) {
            let mut others = (0..sent.len()).filter(|other| *other != at && sent[*other].0.group == group.group);
            let others_received = others.all(|other| arrivals.iter().any(|(_, at)| *at == other));
            let received = arrivals.iter().any(|(_, other)| *other == at);
            if others_received && !received {
                prop_assert!(recovered.contains(&sent_fields(body)), "slice {}", at);
            }
        }
        prop_assert_eq!(decoder.stats().rejected, 0);
        prop_assert_eq!(decoder.stats().recovered, recovered.len() as u64);
    }

    #[test]
    fn never_returns_parity_or_an_invalid_index(
        packets in proptest::collection::vec(
            ((0..4_u16, 0..6_u8, 0..5_u8, 0..3_u32), proptest::collection::vec(0..8_u8, 0..70)), 0..60),
        limit in 0..80_usize,
    ) {
        let mut decoder = ParityDecoder::new(ParityLimits { groups: 2, body_bytes: limit });
        for ((group, index, k, m), body) in packets {
            let group = GroupHeader { group, index, k, m };
            if let Ok(Some(slice)) = decoder.push(group, &body) {
                prop_assert!(!group.is_parity() && slice.index < slice.count);
            }
            if let Some(slice) = decoder.recovered() {
                prop_assert!(m == 1 && slice.index < slice.count && slice.payload.len() <= limit);
            }
        }
    }
}
