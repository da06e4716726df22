//! ParityDecoder and their parity at the client: slices pass, one lost slice of a group is recovered, and nothing
//! else is.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use bytes::Bytes;
use common::info;
use proptest::prelude::*;
use tutk_frame::{
    AvPacket, Codec, GroupHeader, LinkClock, MediaKind, MediaLayout, Parity, SliceHeader,
    SlicePlace,
};
use video_reassembly::{Origin, ParityDecoder, ParityLimits, ResendConfig, Slicer, SlicerConfig};

/// A grouped packet: group header and body.
type Packet = (GroupHeader, Vec<u8>);

/// What the camera's side makes of frames of these lengths, with parity.
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

/// The bodies of the slices that pass, and of those that are recovered.
fn push(groups: &mut ParityDecoder, (group, body): &Packet) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let passed = groups.push(*group, body).unwrap().map(|slice| {
        assert_eq!(slice.origin, Origin::Sent);
        assert_eq!(slice.counter.unwrap().to_le_bytes(), body[2..4]);
        body.clone()
    });
    // Only payload and frame info come out; the header is compared by its fields.
    let recovered = groups.recovered().map(|slice| {
        assert_eq!(slice.origin, Origin::Recovered);
        let mut body = slice.counter.unwrap().to_le_bytes().to_vec();
        body.extend(slice.index.to_le_bytes());
        body.extend(slice.count.to_le_bytes());
        body.extend(slice.number.value().to_le_bytes());
        body.extend(slice.previous.unwrap().to_le_bytes());
        body.extend(slice.payload);
        body.extend(slice.info);
        body
    });
    assert!(groups.recovered().is_none(), "once");
    (passed, recovered)
}

/// The same of a body that was sent.
fn spelled_out(body: &[u8]) -> Vec<u8> {
    let slice = tutk_frame::Slice::parse(body).unwrap();
    let header = slice.header;
    let mut out = header.counter.to_le_bytes().to_vec();
    out.extend(u32::from(header.index()).to_le_bytes());
    out.extend(u32::from(header.slices).to_le_bytes());
    out.extend(header.frame.to_le_bytes());
    out.extend(header.previous_frame.to_le_bytes());
    out.extend(slice.payload);
    out.extend(slice.info);
    out
}

#[test]
fn any_one_slice_of_a_group_is_recovered_in_whatever_order_the_others_come() {
    let sent = packets(4, &[(MediaKind::Key, 350), (MediaKind::Audio, 20)]);
    assert_eq!(sent.len(), 7 + 2 + 1 + 1);
    for lost in 0..sent.len() {
        for reversed in [false, true] {
            let mut rest: Vec<&Packet> = sent.iter().collect();
            rest.remove(lost);
            if reversed {
                rest.reverse();
            }
            let mut groups = ParityDecoder::new(ParityLimits::default());
            let mut recovered: Vec<Vec<u8>> = rest
                .into_iter()
                .filter_map(|packet| push(&mut groups, packet).1)
                .collect();
            let (group, body) = &sent[lost];
            let mut expected = match group.is_parity() {
                true => vec![],
                false => vec![spelled_out(body)],
            };
            if reversed {
                // In the other groups parity and all slices but the first are here before that one is.
                let others = sent.iter().filter(|(other, _)| other.group != group.group);
                let firsts = others.filter(|(other, _)| other.index == 0);
                expected.extend(firsts.map(|(_, body)| spelled_out(body)));
            }
            recovered.sort();
            expected.sort();
            assert_eq!(recovered, expected, "lost {lost}, reversed {reversed}");
            let stats = groups.stats();
            assert_eq!((stats.rejected, stats.inconsistent), (0, 0));
        }
    }
}

#[test]
fn two_lost_slices_of_a_group_stay_lost() {
    let sent = packets(4, &[(MediaKind::Key, 200)]); // 4 slices, parity
    assert_eq!(sent.len(), 5);
    let mut groups = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        assert_eq!(push(&mut groups, &sent[at]).1, None);
    }
    // Until one of them comes late.
    assert_eq!(push(&mut groups, &sent[0]).1, None, "twice does not count");
    assert_eq!(push(&mut groups, &sent[4]).1, None, "nor does parity");
    assert_eq!(push(&mut groups, &sent[2]).1, Some(spelled_out(&sent[1].1)));
    // And then it is over.
    assert_eq!(push(&mut groups, &sent[1]), (Some(sent[1].1.clone()), None));
    assert_eq!(groups.stats().recovered, 1);
}

#[test]
fn what_is_recovered_is_there_until_the_next_packet() {
    let sent = packets(2, &[(MediaKind::Key, 200)]); // two groups of two
    for next in [(sent[3].0, &sent[3].1[..]), (sent[3].0, b"no slice")] {
        let mut groups = ParityDecoder::new(ParityLimits::default());
        push(&mut groups, &sent[0]);
        groups.push(sent[2].0, &sent[2].1).unwrap(); // parity: it makes the other one known
        let _ = groups.push(next.0, next.1);
        assert!(groups.recovered().is_none());
        assert_eq!(groups.stats().recovered, 1);
    }
}

#[test]
fn parity_that_is_another_code_recovers_nothing() {
    let sent = packets(4, &[(MediaKind::Key, 200)]);
    let (parity, code) = &sent[4];
    let data = Parity::parse(code).unwrap().data.to_vec();
    let mut wrong: Vec<Vec<u8>> = Vec::new();
    // Over the payload alone; a byte changed in the header; too long; too short; nothing.
    wrong.push(data[20..].to_vec());
    for at in [0, 1, 2, 3, 8, 9] {
        let mut code = data.clone();
        code[at] ^= 0x55;
        wrong.push(code);
    }
    // A counter that one of the others has.
    for neighbour in [1, 3] {
        let mut code = data.clone();
        code[2] ^= 2 ^ neighbour;
        wrong.push(code);
    }
    wrong.push([&data[..], &[7]].concat());
    wrong.push(data[..data.len() - 1].to_vec());
    wrong.push(vec![]);
    for data in wrong {
        let mut body = Vec::new();
        Parity { data: &data }.write(&mut body);
        let mut groups = ParityDecoder::new(ParityLimits::default());
        for packet in [&sent[0], &sent[1], &sent[3], &(*parity, body)] {
            assert_eq!(push(&mut groups, packet).1, None);
        }
        assert_eq!(groups.stats().rejected, 1, "{data:02x?}");
        assert_eq!(groups.stats().recovered, 0);
    }
}

#[test]
fn more_than_one_parity_packet_is_a_code_that_is_not_known() {
    let mut sent = packets(4, &[(MediaKind::Key, 200)]);
    for (group, _) in &mut sent {
        group.m = 2;
    }
    let mut groups = ParityDecoder::new(ParityLimits::default());
    for packet in &sent[1..] {
        assert_eq!(push(&mut groups, packet).1, None);
    }
    let stats = groups.stats();
    assert_eq!(
        (stats.slices, stats.parity, stats.unsupported_parity),
        (3, 1, 1)
    );
}

#[test]
fn slices_sent_again_in_a_group_pass_and_take_no_part_in_its_parity() {
    let sent = packets(4, &[(MediaKind::Key, 200)]);
    let mut again = sent[1].clone();
    again.1[0] = 6;
    let mut groups = ParityDecoder::new(ParityLimits::default());
    for at in [0, 3, 4] {
        push(&mut groups, &sent[at]);
    }
    let slice = groups.push(again.0, &again.1).unwrap().unwrap();
    assert_eq!((slice.origin, slice.kind), (Origin::Resent, MediaKind::Key));
    assert!(groups.recovered().is_none());
    assert_eq!(push(&mut groups, &sent[2]).1, Some(spelled_out(&sent[1].1)));
}

#[test]
fn a_group_that_contradicts_itself_recovers_nothing_and_lets_its_slices_pass() {
    let sent = packets(4, &[(MediaKind::Key, 200)]);
    let mut groups = ParityDecoder::new(ParityLimits::default());
    push(&mut groups, &sent[0]);
    let mut other = sent[1].clone();
    other.0.k = 3;
    assert!(push(&mut groups, &other).0.is_some());
    for at in [2, 3, 4] {
        assert_eq!(push(&mut groups, &sent[at]).0.is_some(), at != 4);
        assert_eq!(groups.stats().recovered, 0);
    }
    assert_eq!(groups.stats().inconsistent, 1);
}

#[test]
fn groups_and_bodies_are_bounded() {
    let sent = packets(2, &[(MediaKind::Key, 500)]); // 9 slices in 5 groups
    let first_of = |number| {
        let mut packets = sent.iter().filter(move |(group, _)| group.group == number);
        (packets.next().unwrap(), packets.next_back().unwrap())
    };
    let mut groups = ParityDecoder::new(ParityLimits {
        groups: 3,
        ..ParityLimits::default()
    });
    for number in 0..4 {
        push(&mut groups, first_of(number).0);
    }
    // Of the first group the slice is forgotten, of the others not.
    for (number, is_remembered) in [(3, true), (1, true), (0, false)] {
        let (_, recovered) = push(&mut groups, first_of(number).1);
        assert_eq!(recovered.is_some(), is_remembered, "group {number}");
    }

    let mut groups = ParityDecoder::new(ParityLimits {
        body_bytes: 79,
        ..ParityLimits::default()
    });
    // All slices are full, 80 bytes with their header.
    for packet in sent.iter().filter(|(group, _)| group.index != 1) {
        let (passed, recovered) = push(&mut groups, packet);
        assert_eq!(passed.is_some(), !packet.0.is_parity());
        assert_eq!(recovered, None);
    }
    assert!(groups.stats().inconsistent >= 8);
}

#[test]
fn what_is_no_slice_and_no_parity_is_an_error() {
    let mut groups = ParityDecoder::new(ParityLimits::default());
    let group = GroupHeader {
        group: 1,
        index: 0,
        k: 2,
        m: 1,
    };
    assert!(groups.push(group, &[5; 12]).is_err());
    assert!(
        groups
            .push(GroupHeader { index: 2, ..group }, &[5; 40])
            .is_err()
    );
    assert!(
        groups
            .push(GroupHeader { k: 0, ..group }, &[5; 40])
            .is_err()
    );
    assert_eq!(
        groups.stats(),
        ParityDecoder::new(ParityLimits::default()).stats()
    );
}

/// Slices of a length field that does not count the frame info, as some firmware may write it.
#[test]
fn a_frame_info_that_the_length_does_not_count_is_recovered_too() {
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
    let mut groups = ParityDecoder::new(ParityLimits::default());
    push(&mut groups, &(group(0), bodies[0].clone()));
    let (_, recovered) = push(&mut groups, &(group(2), parity));
    assert_eq!(recovered, Some(spelled_out(&bodies[1])));
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

    /// Whatever is lost, and however late the rest: every slice that comes passes, and what is recovered
    /// was sent. A group that lost one slice, and has its parity, gets it back.
    #[test]
    fn what_is_recovered_was_sent(
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
        let mut groups = ParityDecoder::new(ParityLimits::default());
        let mut recovered = Vec::new();
        let mut passed = 0;
        for (_, at) in &arrivals {
            let (slice, other) = push(&mut groups, &sent[*at]);
            passed += usize::from(slice.is_some());
            recovered.extend(other);
        }
        let slices = |(_, at): &&(usize, usize)| !sent[*at].0.is_parity();
        prop_assert_eq!(passed, arrivals.iter().filter(slices).count());
        let all: Vec<Vec<u8>> = sent
            .iter()
            .filter(|(group, _)| !group.is_parity())
            .map(|(_, body)| spelled_out(body))
            .collect();
        prop_assert!(recovered.iter().all(|body| all.contains(body)));
        for (at, (group, body)) in sent.iter().enumerate().filter(|(_, (g, _))| !g.is_parity()) {
            let mut others = (0..sent.len()).filter(|other| *other != at && sent[*other].0.group == group.group);
            let others_came = others.all(|other| arrivals.iter().any(|(_, at)| *at == other));
            let came = arrivals.iter().any(|(_, other)| *other == at);
            if others_came && !came {
                prop_assert!(recovered.contains(&spelled_out(body)), "slice {}", at);
            }
        }
        prop_assert_eq!(groups.stats().rejected, 0);
        prop_assert_eq!(groups.stats().recovered, recovered.len() as u64);
    }

    /// Any packets whatever: nothing panics, parity never passes, and a recovered slice has a place.
    #[test]
    fn any_packets_do_no_harm(
        packets in proptest::collection::vec(
            ((0..4_u16, 0..6_u8, 0..5_u8, 0..3_u32), proptest::collection::vec(0..8_u8, 0..70)), 0..60),
        limit in 0..80_usize,
    ) {
        let mut groups = ParityDecoder::new(ParityLimits { groups: 2, body_bytes: limit });
        for ((group, index, k, m), body) in packets {
            let group = GroupHeader { group, index, k, m };
            if let Ok(Some(slice)) = groups.push(group, &body) {
                prop_assert!(!group.is_parity() && slice.index < slice.count);
            }
            if let Some(slice) = groups.recovered() {
                prop_assert!(m == 1 && slice.index < slice.count && slice.payload.len() <= limit);
            }
        }
    }
}
