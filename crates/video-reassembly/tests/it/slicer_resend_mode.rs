//! The packets of a slicer in resend mode (docs/protocol.md, section 17).

use crate::common::{info, parity};
use bytes::Bytes;
use tutk_frame::{
    AvKind, AvPacket, Codec, GroupedMedia, LinkClock, MediaKind, MediaLayout, Parity, Slice,
};
use video_reassembly::{ResendConfig, Slicer, SlicerConfig, Slices};

fn slicer(resend: ResendConfig) -> Slicer {
    Slicer::new(SlicerConfig {
        slice_bytes: 48,
        resend: Some(resend),
        ..SlicerConfig::new(MediaLayout::Slice)
    })
    .unwrap()
}

fn cut(slicer: &mut Slicer, kind: MediaKind, len: u8) -> Slices {
    let data: Bytes = (0..len).collect();
    slicer.slice(kind, info(0, Codec::H264), data).unwrap()
}

fn next(slicer: &mut Slicer, slices: &mut Slices) -> Option<Vec<u8>> {
    let (mut packet, len) = (Vec::new(), slices.packet_len());
    let written = slicer.write_next(slices, LinkClock::default(), &mut packet);
    assert_eq!(written.then_some(packet.len()), len);
    written.then_some(packet)
}

fn repair(slicer: &mut Slicer) -> Option<Vec<u8>> {
    let mut packet = Vec::new();
    let written = slicer
        .write_repair(LinkClock::default(), &mut packet)
        .is_some();
    assert_eq!(written, !packet.is_empty());
    written.then_some(packet)
}

/// Writes all retransmissions, compares them with the sent slices and returns their counters.
fn resent(slicer: &mut Slicer, sent: &[Vec<u8>]) -> Vec<u16> {
    let again = std::iter::from_fn(|| repair(slicer));
    again
        .map(|packet| {
            let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
            let AvKind::Resent(kind) = packet.kind(MediaLayout::Slice) else {
                unreachable!("{:?}", packet.header);
            };
            let slice = Slice::parse_body(packet.body).unwrap();
            assert_eq!((slice.header.kind, slice.header.resent), (kind, true));
            let counter = slice.header.counter;
            let first = AvPacket::parse(&sent[usize::from(counter)], MediaLayout::Slice).unwrap();
            assert_eq!(first.header.flags, packet.header.flags);
            assert_eq!(first.header.stamp, packet.header.stamp);
            let first = Slice::parse_body(first.body).unwrap();
            assert_eq!(first.payload, slice.payload);
            assert_eq!(first.info, slice.info);
            assert!(!first.header.resent);
            counter
        })
        .collect()
}

#[test]
fn writes_a_group_and_its_parity() {
    let mut slicer = slicer(ResendConfig {
        group_size: 2,
        ..ResendConfig::default()
    });
    // Slices of 48, and 5 bytes with the frame info.
    let mut slices = cut(&mut slicer, MediaKind::Key, 53);
    let clock = LinkClock {
        clock: 0x1122,
        round_trip: 7,
        word: 0,
    };
    let mut first = Vec::new();
    assert!(slicer.write_next(&mut slices, clock, &mut first));
    assert_eq!(repair(&mut slicer), None);
    let second = next(&mut slicer, &mut slices).unwrap();
    let written = repair(&mut slicer).unwrap();
    assert_eq!(repair(&mut slicer), None);

    let head = |flags: u8, counter: u8| [0x0c, flags, 0x0b, 0, counter, 0, 0x7e, 0x50];
    let group = |index: u8| [0, 0, index, 2, 1, 0, 0, 0];
    assert_eq!(first[..8], head(0x08, 0));
    assert_eq!(first[8..16], [0x22, 0x11, 7, 0, 0, 0, 0, 0]);
    assert_eq!(first[16..24], group(0));
    assert_eq!(first[24..28], [5, 0, 0, 0]);
    assert_eq!(first.len(), 44 + 48);
    assert_eq!(second[..8], head(0x05, 1));
    assert_eq!(second[8..16], group(1));
    assert_eq!(second[16..20], [5, 1, 1, 0]);
    assert_eq!(second.len(), 36 + 45);

    let code = [0x0c, 0, 0, 0, 0, 0, 0, 0, 68, 0];
    let mut expected = [&head(0, 1)[..], &group(2), &code, &[0; 10]].concat();
    expected.extend(parity(&[3, 2], &[&first[24..], &second[16..]]));
    assert_eq!(written, expected);
}

#[test]
fn writes_several_parity_packets() {
    let mut slicer = slicer(ResendConfig {
        group_size: 2,
        parity: 3,
        ..ResendConfig::default()
    });
    for number in 0..2 {
        let mut slices = cut(&mut slicer, MediaKind::Key, 53);
        let bodies: Vec<Vec<u8>> = std::iter::from_fn(|| next(&mut slicer, &mut slices))
            .map(|packet| {
                let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
                packet.body.to_vec()
            })
            .collect();
        // (2 + 1) / (0 + 1) = 3, (3 + 1) / (0 + 1) = 2, and so on.
        for (index, factors) in (2..).zip([[3, 2], [2, 3], [5, 4]]) {
            let packet = repair(&mut slicer).unwrap();
            let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
            let group = packet.group.unwrap();
            assert_eq!((group.group, group.index, group.m), (number, index, 3));
            let expected = parity(&factors, &[&bodies[0], &bodies[1]]);
            assert_eq!(Parity::parse_body(packet.body).unwrap().data, expected);
        }
        assert_eq!(repair(&mut slicer), None);
    }
    assert_eq!(slicer.stats().parity, 6);
}

#[test]
fn groups_run_across_frames_and_kinds() {
    let mut slicer = slicer(ResendConfig {
        group_size: 3,
        ..ResendConfig::default()
    });
    let mut video = cut(&mut slicer, MediaKind::Key, 200); // five slices
    let mut audio = cut(&mut slicer, MediaKind::Audio, 3);
    let mut groups = Vec::new();
    let mut note = |packet: &[u8]| {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        let group = packet.group.unwrap();
        let counter = match GroupedMedia::parse_body(group, packet.body).unwrap() {
            GroupedMedia::Slice(slice) => Some(slice.header.counter),
            GroupedMedia::Parity(_) => None,
        };
        groups.push((group.group, group.index, group.k, counter));
    };
    for of_audio in [false, false, true, false, false, false] {
        let slices = if of_audio { &mut audio } else { &mut video };
        note(&next(&mut slicer, slices).unwrap());
        while let Some(packet) = repair(&mut slicer) {
            note(&packet);
        }
    }
    assert_eq!((video.remaining(), audio.remaining()), (0, 0));
    assert_eq!(
        groups,
        [
            (0, 0, 3, Some(0)),
            (0, 1, 3, Some(1)),
            (0, 2, 3, Some(2)), // audio
            (0, 3, 3, None),
            (1, 0, 3, Some(3)),
            (1, 1, 3, Some(4)),
            (1, 2, 3, Some(5)),
            (1, 3, 3, None),
        ]
    );
    let stats = slicer.stats();
    assert_eq!((stats.slices, stats.parity), (6, 2));
}

#[test]
fn writes_groups_without_parity() {
    let mut slicer = slicer(ResendConfig {
        group_size: 0, // read as 1
        parity: 0,
        ..ResendConfig::default()
    });
    let mut slices = cut(&mut slicer, MediaKind::Delta, 90);
    for number in 0..3 {
        let packet = next(&mut slicer, &mut slices).unwrap();
        let group = AvPacket::parse(&packet, MediaLayout::Slice).unwrap().group;
        let group = group.unwrap();
        assert_eq!(
            (group.group, group.index, group.k, group.m),
            (number, 0, 1, 0)
        );
        assert_eq!(repair(&mut slicer), None);
    }
}

#[test]
fn retransmits_each_requested_slice_once() {
    let mut slicer = slicer(ResendConfig {
        parity: 0,
        ..ResendConfig::default()
    });
    let mut sent = Vec::new();
    for (kind, len) in [
        (MediaKind::Key, 200),
        (MediaKind::Audio, 8),
        (MediaKind::Delta, 100),
    ] {
        let mut slices = cut(&mut slicer, kind, len);
        while let Some(packet) = next(&mut slicer, &mut slices) {
            // Retransmissions have no group header.
            let parsed = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
            let mut plain = parsed;
            plain.header.packet_type = parsed.body[0];
            let mut bytes = Vec::new();
            plain.write(MediaLayout::Slice, &mut bytes);
            sent.push(bytes);
        }
    }
    assert_eq!(sent.len(), 9);
    slicer.handle_request(0, [7, 1, 5, 1]);
    slicer.handle_request(0, [1]);
    assert_eq!(resent(&mut slicer, &sent), [7, 1, 5]);
    slicer.handle_request(0, [1]);
    assert_eq!(resent(&mut slicer, &sent), [1]);

    // Acknowledged slices are dropped, also if they were requested.
    slicer.handle_request(0, [2, 6]);
    slicer.handle_request(5, [4, 8, 9]);
    assert_eq!(resent(&mut slicer, &sent), [6, 8]);
    assert_eq!(slicer.stats().unavailable, 2);
    slicer.handle_request(9, []);
    slicer.handle_request(9, [8]);
    assert_eq!(resent(&mut slicer, &sent), [0; 0]);
    let stats = slicer.stats();
    assert_eq!((stats.resent, stats.unavailable), (6, 3));
}

#[test]
fn ignores_a_base_out_of_range() {
    let mut slicer = slicer(ResendConfig::default());
    let mut slices = cut(&mut slicer, MediaKind::Key, 200);
    while next(&mut slicer, &mut slices).is_some() {}
    while repair(&mut slicer).is_some() {}
    for base in [6, 0x8000, 0xffff] {
        slicer.handle_request(base, [0]);
        assert!(repair(&mut slicer).is_some(), "base {base}");
    }
}

#[test]
fn limits_the_window_by_slices_and_bytes() {
    for (slices, bytes, kept) in [(4, 10_000, 4), (100, 200, 4), (0, 10_000, 0), (9, 47, 0)] {
        let mut slicer = slicer(ResendConfig {
            window_slices: slices,
            window_bytes: bytes,
            parity: 0,
            ..ResendConfig::default()
        });
        // Full slices of 48 bytes.
        let mut video = cut(&mut slicer, MediaKind::Key, 250);
        for _ in 0..5 {
            next(&mut slicer, &mut video).unwrap();
        }
        slicer.handle_request(0, 0..5);
        let again = std::iter::from_fn(|| repair(&mut slicer)).count();
        assert_eq!(again, kept, "{slices} slices, {bytes} bytes");
        assert_eq!(slicer.stats().unavailable, 5 - kept as u64);
    }
}

#[test]
fn window_counters_wrap() {
    let mut slicer = slicer(ResendConfig {
        parity: 0,
        ..ResendConfig::default()
    });
    let mut out = Vec::new();
    for _ in 0..65_530 / 5 {
        let mut slices = cut(&mut slicer, MediaKind::Delta, 200);
        while slicer.write_next(&mut slices, LinkClock::default(), &mut out) {
            out.clear();
        }
    }
    let mut slices = cut(&mut slicer, MediaKind::Key, 255); // 65,530 to 65,535, then 0
    while next(&mut slicer, &mut slices).is_some() {}
    slicer.handle_request(65_530, [0, 65_529, 65_531, 1]);
    let counters: Vec<u16> = std::iter::from_fn(|| repair(&mut slicer))
        .map(|packet| {
            let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
            Slice::parse_body(packet.body).unwrap().header.counter
        })
        .collect();
    assert_eq!(counters, [0, 65_531]);
    assert_eq!(slicer.stats().unavailable, 2);
}

/// Group numbers and slice counters wrap at the same time.
#[test]
fn slice_counter_is_the_place_in_the_groups() {
    let mut slicer = slicer(ResendConfig {
        parity: 0,
        ..ResendConfig::default()
    });
    let mut packet = Vec::new();
    for number in 0..66_000_u32 {
        let mut slices = cut(&mut slicer, MediaKind::Audio, 4);
        packet.clear();
        assert!(slicer.write_next(&mut slices, LinkClock::default(), &mut packet));
        let packet = AvPacket::parse(&packet, MediaLayout::Slice).unwrap();
        let group = packet.group.unwrap();
        let counter = Slice::parse_body(packet.body).unwrap().header.counter;
        assert_eq!(u32::from(group.group), number / 20);
        assert_eq!((group.k, group.m), (20, 0));
        let place = group
            .group
            .wrapping_mul(20)
            .wrapping_add(group.index.into());
        assert_eq!(counter, place);
    }
}

#[test]
fn ignores_resend_mode_in_the_fragment_layout() {
    let mut with = SlicerConfig::new(MediaLayout::Fragment);
    let mut plain = Slicer::new(with).unwrap();
    with.resend = Some(ResendConfig::default());
    let mut slicer = Slicer::new(with).unwrap();
    for slicer in [&mut plain, &mut slicer] {
        let mut slices = cut(slicer, MediaKind::Key, 200);
        assert_eq!(next(slicer, &mut slices).unwrap().len(), 32 + 200);
        slicer.handle_request(0, [0]);
        assert_eq!(repair(slicer), None);
    }
}
