//! Groups of any size with any number of parity packets. Of a group of which k packets arrive, in
//! any order, each lost slice is recovered and equals the sent one. Arbitrary packets recover only
//! valid slices within the limits.
//!
//! The input is k, m, the bytes of a payload, a byte that shuffles the packets, and packets: the
//! length of the body, the group header and the body.
#![no_main]

use std::collections::HashMap;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tutk_frame::{AvPacket, FrameInfo, GroupHeader, LinkClock, MediaKind, MediaLayout};
use video_reassembly::{Origin, ParityDecoder, ParityLimits, ResendConfig, Slicer, SlicerConfig};

/// The bytes of a payload and its frame info.
const SLICE_BYTES: u16 = 64;

type Packet = (GroupHeader, Vec<u8>);

fuzz_target!(|data: &[u8]| {
    let Some((&[k, m, payload, order], rest)) = data.split_first_chunk() else {
        return;
    };
    // Mostly small groups, because large ones are slow.
    let (k, m) = match order % 16 {
        15 => (k, m),
        _ => (k % 24, m % 6),
    };
    lossy_group(k.max(1), m, payload % 40, order, rest);
    arbitrary_packets(rest);
});

fn lossy_group(k: u8, m: u8, payload: u8, order: u8, noise: &[u8]) {
    let mut packets = group(k, m, payload, noise);
    let m = packets.len() - usize::from(k);
    let slices: HashMap<u8, Vec<u8>> = packets[..k.into()]
        .iter()
        .map(|(header, body)| (header.index, body.clone()))
        .collect();
    // The first packets are lost after the shuffle: as many as there are parity packets.
    let count = packets.len();
    for at in 0..count {
        let noise = noise.get(at % noise.len().max(1)).copied().unwrap_or(order);
        packets.swap(
            at,
            (usize::from(noise) * 7 + usize::from(order) + at) % count,
        );
    }
    let mut lost: HashMap<u8, Vec<u8>> = packets[..m]
        .iter()
        .filter_map(|(header, _)| Some((header.index, slices.get(&header.index)?.clone())))
        .collect();
    let mut decoder = ParityDecoder::new(ParityLimits::default());
    for (header, body) in &packets[m..] {
        decoder.push(*header, body).expect("as written");
        while let Some(slice) = decoder.recovered() {
            assert_eq!(slice.origin, Origin::Recovered);
            let counter = slice.counter.expect("the slice layout has counters");
            let body = lost.remove(&(counter as u8)).expect("a lost slice, once");
            let sent = tutk_frame::Slice::parse_body(&body).expect("as written");
            assert_eq!((slice.payload, slice.info), (sent.payload, sent.info));
        }
    }
    assert!(lost.is_empty(), "not recovered: {lost:?}");
    assert_eq!(decoder.stats().rejected + decoder.stats().inconsistent, 0);
}

/// Returns the packets of one group.
fn group(k: u8, m: u8, payload: u8, noise: &[u8]) -> Vec<Packet> {
    let mut slicer = Slicer::new(SlicerConfig {
        slice_bytes: SLICE_BYTES,
        resend: Some(ResendConfig {
            group_size: k,
            parity: m,
            ..ResendConfig::default()
        }),
        ..SlicerConfig::new(MediaLayout::Slice)
    })
    .expect("64 bytes are enough");
    let info = FrameInfo::parse(&[0x4e; 16]).expect("16 bytes are a frame info");
    let (mut packets, mut packet) = (Vec::new(), Vec::new());
    let mut save = |packet: &mut Vec<u8>| {
        let parsed = AvPacket::parse(packet, MediaLayout::Slice).expect("as written");
        packets.push((parsed.group.expect("a group"), parsed.body.to_vec()));
        packet.clear();
    };
    for at in 0..k {
        let len = 1 + usize::from(payload.wrapping_add(at) % 40);
        let data: Bytes = (0..len)
            .map(|i| noise.get(i).copied().unwrap_or(at).wrapping_mul(at | 1))
            .collect();
        let mut slices = slicer
            .slice(MediaKind::Audio, info, data)
            .expect("one slice");
        assert!(slicer.write_next(&mut slices, LinkClock::default(), &mut packet));
        save(&mut packet);
    }
    while slicer
        .write_repair(LinkClock::default(), &mut packet)
        .is_some()
    {
        save(&mut packet);
    }
    packets
}

fn arbitrary_packets(mut bytes: &[u8]) {
    let limits = ParityLimits {
        groups: 3,
        body_bytes: 200,
    };
    let mut decoder = ParityDecoder::new(limits);
    while let Some((&len, rest)) = bytes.split_first()
        && let Ok((group, rest)) = GroupHeader::parse(rest)
    {
        let (body, rest) = rest.split_at(rest.len().min(len.into()));
        bytes = rest;
        if let Ok(Some(slice)) = decoder.push(group, body) {
            assert!(!group.is_parity() && slice.origin != Origin::Recovered);
        }
        let mut recovered = 0;
        while let Some(slice) = decoder.recovered() {
            assert_eq!(slice.origin, Origin::Recovered);
            assert!(slice.index < slice.count && slice.counter.is_some());
            assert!(slice.payload.len() + slice.info.len() + 20 <= limits.body_bytes);
            recovered += 1;
        }
        assert!(recovered <= group.m);
        assert!(decoder.memory_usage() < 2 * limits.groups * 256 * (limits.body_bytes + 32));
    }
}
