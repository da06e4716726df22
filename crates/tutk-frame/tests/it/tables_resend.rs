//! Resend mode byte by byte: grouped media, parity and the acknowledgement with a list of missing
//! slices (docs/protocol.md, section 17).

use crate::table::*;
use tutk_frame::{
    AvKind, AvPacket, AvStamp, GroupHeader, GroupedMedia, Heartbeat, LinkClock, MediaAck,
    MediaAckLayout, MediaKind, MediaLayout, Parity, Slice, SliceHeader, SlicePlace,
};

/// Group 7, 4 slices and a parity packet.
fn group(index: u8) -> GroupHeader {
    GroupHeader {
        group: 7,
        index,
        k: 4,
        m: 1,
    }
}

#[test]
fn grouped_slice_matches_its_table() {
    for (clock, flags) in [(true, "08"), (false, "00")] {
        let mut bytes = table(&[(0, "0c"), (1, flags), (2, "0b 00"), (4, "22 11 7e 50")]);
        if clock {
            bytes.extend(table(&[(0, "cd ab 05 00 00 00 00 00")]));
        }
        bytes.extend(table(&[
            (0, "07 00"),
            (2, "02"),
            (3, "04"),
            (4, "01 00 00 00"),
        ]));
        let body = table(&[
            (0, "07 00"),
            (2, "22 11"),
            (4, "09 00"),
            (6, "03 00"),
            (8, "05 00"),
            (10, "00 00"),
            (12, "63 00 00 00"),
            (16, "64 00 00 00"),
            (20, "61 62 63 64 65"),
        ]);
        bytes.extend(&body);
        assert_eq!(bytes.len(), 5 + if clock { 44 } else { 36 });

        let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
        assert_eq!(packet.kind(MediaLayout::Slice), AvKind::Grouped);
        assert_eq!(packet.clock.is_some(), clock);
        assert_eq!(packet.group, Some(group(2)));
        let slice = Slice {
            header: SliceHeader {
                kind: MediaKind::Delta,
                resent: false,
                counter: 0x1122,
                slices: 9,
                place: SlicePlace::Index(3),
                size: 5,
                previous_frame: 99,
                frame: 100,
            },
            payload: b"abcde",
            info: b"",
        };
        let media = GroupedMedia::parse_body(group(2), packet.body);
        assert_eq!(media, Ok(GroupedMedia::Slice(slice)));
        assert_eq!(written(|out| media.unwrap().write(out)), body);

        let again = AvPacket {
            clock: clock.then_some(LinkClock {
                clock: 0xabcd,
                round_trip: 5,
                word: 0,
            }),
            ..packet
        };
        assert_eq!(
            written(|out| again.write(MediaLayout::Slice, out)),
            bytes,
            "clock: {clock}"
        );
    }
}

#[test]
fn parity_packet_is_never_a_slice() {
    let body = table(&[
        (0, "0c 00"),
        (2, "00 00 00 00 00 00"),
        (8, "03 00"),
        (10, Z10),
        (20, "aa bb cc"),
    ]);
    let parity = GroupedMedia::Parity(Parity::new(&[0xaa, 0xbb, 0xcc]));
    assert_eq!(written(|out| parity.write(out)), body);
    assert_eq!(GroupedMedia::parse_body(group(4), &body), Ok(parity));
    assert!(GroupedMedia::parse_body(group(3), &body).is_err());
    assert!(Slice::parse_body(&body).is_err());

    // The rest of the header is ignored.
    let mut other = body.clone();
    other[..8].copy_from_slice(&[5, 0, 1, 2, 3, 4, 5, 6]);
    other[10..20].fill(9);
    assert_eq!(GroupedMedia::parse_body(group(4), &other), Ok(parity));
}

#[test]
fn parity_with_another_length_is_accepted() {
    for (size, bytes, used) in [(3, 3, 3), (3, 4, 3), (4, 3, 3), (0, 2, 0)] {
        let mut body = vec![0; 20 + bytes];
        body[8] = size;
        let parity = Parity::parse_body(&body).unwrap();
        assert_eq!(parity.has_announced_length(), usize::from(size) == bytes);
        assert_eq!(parity.bytes().len(), used, "{size} announced, {bytes} sent");
    }
}

/// The packets of group 10 that a real camera sent, the payload replaced.
#[test]
fn packets_of_a_real_camera_are_parsed() {
    let mut bytes = table(&[(0, "0c 05 0b 00"), (4, "e4 00 64 00")]);
    bytes.extend(table(&[(0, "0a 00 00 14"), (4, "01 00 00 00")]));
    bytes.extend(table(&[(0, "07 01 c8 00 01 00 28 00"), (8, "2d 00 00 00")]));
    bytes.extend([6, 0, 0, 0, 7, 0, 0, 0]);
    bytes.extend([0x4e; 5 + 40]);
    let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
    assert_eq!(
        (
            packet.header.flags,
            packet.header.stamp.counter,
            packet.clock
        ),
        (5, 0xe4, None)
    );
    let group = packet.group.unwrap();
    assert_eq!((group.group, group.index, group.k, group.m), (10, 0, 20, 1));
    let Ok(GroupedMedia::Slice(slice)) = GroupedMedia::parse_body(group, packet.body) else {
        panic!("{:?}", GroupedMedia::parse_body(group, packet.body));
    };
    assert_eq!(slice.header.counter, 20 * group.group);
    assert_eq!(
        (slice.header.kind, slice.header.slices),
        (MediaKind::Delta, 1)
    );
    assert_eq!((slice.payload.len(), slice.info.len()), (5, 40));

    let mut bytes = table(&[(0, "0c 00 0b 00"), (4, "f8 00 64 00")]);
    bytes.extend(table(&[(0, "0a 00 14 14"), (4, "01 00 00 00")]));
    bytes.extend(table(&[(0, "0c 00 00 00 00 00 00 00"), (8, "14 04")]));
    bytes.extend([0; 10 + 1044]);
    let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
    let group = packet.group.unwrap();
    let Ok(GroupedMedia::Parity(parity)) = GroupedMedia::parse_body(group, packet.body) else {
        panic!("{group:?}");
    };
    assert!(group.is_parity() && parity.has_announced_length());
    assert_eq!(parity.bytes().len(), 20 + 1024);
    assert_eq!(written(|out| packet.write(MediaLayout::Slice, out)), bytes);
}

#[test]
fn index_beyond_the_group_is_an_error() {
    let body = [0; 20];
    let offset = |group| GroupedMedia::parse_body(group, &body).unwrap_err();
    let no_slices = GroupHeader { k: 0, ..group(0) };
    assert_eq!(
        (offset(no_slices).offset(), offset(group(5)).offset()),
        (3, 2)
    );
    assert_eq!(
        offset(group(5)).to_string(),
        "group header: index at offset 2: invalid value 0x5"
    );
    let no_parity = GroupHeader { m: 0, ..group(4) };
    assert_eq!(offset(no_parity).offset(), 2);
}

#[test]
fn parity_beyond_its_length_field_is_left_out() {
    let long = vec![1; 70_000];
    let body = written(|out| Parity::new(&long).write(out));
    assert_eq!(Parity::parse_body(&body).unwrap().data.len(), 65_535);
}

fn ack() -> MediaAck {
    MediaAck {
        stamp: AvStamp {
            version: 0x000c,
            counter: 5,
            tail: 0,
        },
        base: 0xfffe,
        highest: 0x0010,
        commands: 2,
        heartbeats: 3,
        clock: 0x1234,
    }
}

const LIKELY: &MediaAckLayout = &MediaAckLayout::LIKELY;

#[test]
fn media_ack_matches_its_table() {
    let bytes = table(&[
        (0, "09 00"),
        (2, "0c 00"),
        (4, "05 00 00 00"),
        (8, "fe ff"),  // base
        (10, "10 00"), // highest
        (12, "02 00"), // commands
        (14, Z4),
        (18, "03 00"), // heartbeats
        (20, "34 12"), // clock
        (22, "03 00"), // n
        (24, "00 00"), // 0xfffe
        (26, "03 00"), // 0x0001, after the wrap
        (28, "10 00"), // 0x000e
    ]);
    let missing = [0xfffe, 0x0001, 0x000e];
    assert_eq!(written(|out| ack().write(&missing, LIKELY, out)), bytes);
    let (parsed, list) = MediaAck::parse(&bytes, LIKELY).unwrap();
    assert_eq!(parsed, ack());
    assert_eq!(list.len(), 3);
    assert!(list.eq(missing));
    // The list does not disturb a plain heartbeat.
    let heartbeat = Heartbeat::parse(&bytes).unwrap();
    assert_eq!((heartbeat.reported, heartbeat.commands), (0xfffe, 2));
}

#[test]
fn media_ack_layout_is_selectable() {
    let other = MediaAckLayout {
        base: 24,
        count: 26,
        list: 28,
        ..MediaAckLayout::LIKELY
    };
    let bytes = table(&[
        (0, "09 00 0c 00 05 00 00 00"),
        (8, "00 00 10 00 02 00"),
        (14, Z4),
        (18, "03 00 34 12 00 00"),
        (24, "fe ff 01 00"),
        (28, "03 00"),
    ]);
    assert_eq!(written(|out| ack().write(&[1], &other, out)), bytes);
    let (parsed, missing) = MediaAck::parse(&bytes, &other).unwrap();
    assert_eq!((parsed, missing.collect::<Vec<_>>()), (ack(), vec![1]));

    // Fields beyond the list or byte 64 are useless, and harmless.
    for useless in [
        MediaAckLayout { list: 0, ..other },
        MediaAckLayout { base: 255, ..other },
        MediaAckLayout { list: 255, ..other },
    ] {
        let bytes = written(|out| ack().write(&[1], &useless, out));
        let (_, missing) = MediaAck::parse(&bytes, &useless).unwrap();
        assert_eq!(missing.len(), 1, "{useless:?}");
    }
}

#[test]
fn media_ack_lists_none_to_256_counters() {
    let bytes = written(|out| ack().write(&[], LIKELY, out));
    assert_eq!(bytes.len(), Heartbeat::LEN);
    let (parsed, missing) = MediaAck::parse(&bytes, LIKELY).unwrap();
    assert_eq!((parsed, missing.len()), (ack(), 0));

    let base = ack().base;
    let many: Vec<u16> = (0..1000).map(|at| base.wrapping_add(at)).collect();
    let mut bytes = written(|out| ack().write(&many, LIKELY, out));
    let missing = |bytes: &[u8]| {
        let (_, missing) = MediaAck::parse(bytes, LIKELY).unwrap();
        missing.collect::<Vec<_>>()
    };
    assert_eq!(missing(&bytes), many[..256]);
    // More bytes than announced, more offsets than allowed, fewer bytes than announced.
    bytes.extend([0, 0, 0]);
    assert_eq!(missing(&bytes), many[..256]);
    bytes[22..24].copy_from_slice(&257_u16.to_le_bytes());
    assert_eq!(missing(&bytes), many[..256]);
    assert_eq!(missing(&bytes[..24 + 5]), many[..2]);
    let error = MediaAck::parse(&bytes[..23], LIKELY).unwrap_err();
    assert_eq!(error.offset(), 23);
}
