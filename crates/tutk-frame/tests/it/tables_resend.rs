//! Resend mode byte by byte: grouped media, parity and the heartbeat with a list of missing slices
//! (docs/protocol.md, section 17).

use crate::table::*;
use tutk_frame::{
    AvKind, AvPacket, AvStamp, Error, GroupHeader, GroupedMedia, Heartbeat, LinkClock, MediaKind,
    MediaLayout, Parity, ResendRequest, Slice, SliceHeader, SlicePlace,
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
        let media = GroupedMedia::parse(group(2), packet.body);
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
    let body = table(&[(0, Z8), (8, "03 00"), (10, Z10), (20, "aa bb cc")]);
    let parity = GroupedMedia::Parity(Parity {
        data: &[0xaa, 0xbb, 0xcc],
    });
    assert_eq!(written(|out| parity.write(out)), body);
    assert_eq!(GroupedMedia::parse(group(4), &body), Ok(parity));
    assert!(GroupedMedia::parse(group(3), &body).is_err());
    assert!(Slice::parse(&body).is_err());

    // The rest of the header is ignored.
    let mut other = body.clone();
    other[..8].copy_from_slice(&[5, 0, 1, 2, 3, 4, 5, 6]);
    other[10..20].fill(9);
    assert_eq!(GroupedMedia::parse(group(4), &other), Ok(parity));
    // The length must match.
    other.push(0);
    assert_eq!(
        GroupedMedia::parse(group(4), &other),
        Err(Error::Length {
            what: "parity packet",
            offset: 8,
            expected: 3,
            actual: 4
        })
    );
}

#[test]
fn index_beyond_the_group_is_an_error() {
    let body = [0; 20];
    let offset = |group| GroupedMedia::parse(group, &body).unwrap_err();
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
    let body = written(|out| Parity { data: &long }.write(out));
    assert_eq!(Parity::parse(&body).unwrap().data.len(), 65_535);
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        stamp: AvStamp {
            version: 0x000c,
            counter: 5,
            tail: 0,
        },
        reported: 0xfff0,
        newest: 0x0010,
        count: 3,
        count_again: 3,
        clock: 0x1234,
    }
}

#[test]
fn resend_request_matches_its_table() {
    let bytes = table(&[
        (0, "09 00"),
        (2, "0c 00"),
        (4, "05 00 00 00"),
        (8, "f0 ff"),
        (10, "10 00"),
        (12, "03 00"),
        (14, Z4),
        (18, "03 00"),
        (20, "34 12"),
        (22, "00 00"),
        (24, "fe ff"), // base
        (26, "03 00"), // n
        (28, "00 00"), // 0xfffe
        (30, "03 00"), // 0x0001, after the wrap
        (32, "10 00"), // 0x000e
    ]);
    let missing = [0xfffe, 0x0001, 0x000e];
    assert_eq!(
        written(|out| ResendRequest::write(&heartbeat(), 0xfffe, &missing, out)),
        bytes
    );
    let request = ResendRequest::parse(&bytes).unwrap();
    assert_eq!(request.heartbeat, heartbeat());
    assert_eq!(request.base, 0xfffe);
    assert!(request.missing().eq(missing));
    // The list does not disturb a plain heartbeat.
    assert_eq!(Heartbeat::parse(&bytes), Ok(heartbeat()));
}

#[test]
fn resend_request_lists_none_to_256_counters() {
    let bytes = written(|out| ResendRequest::write(&heartbeat(), 9, &[], out));
    assert_eq!(bytes.len(), ResendRequest::LEN);
    let request = ResendRequest::parse(&bytes).unwrap();
    assert_eq!((request.base, request.missing().len()), (9, 0));

    let many: Vec<u16> = (0..1000).collect();
    let mut bytes = written(|out| ResendRequest::write(&heartbeat(), 0, &many, out));
    let request = ResendRequest::parse(&bytes).unwrap();
    assert!(request.missing().eq(0..256));
    // One offset too many in the packet, and one too many in the count.
    bytes.extend([0, 0]);
    assert_eq!(ResendRequest::parse(&bytes).unwrap_err().offset(), 26);
    bytes[26..28].copy_from_slice(&257_u16.to_le_bytes());
    assert_eq!(
        ResendRequest::parse(&bytes).unwrap_err().to_string(),
        "resend request: count at offset 26: invalid value 0x101"
    );
    // A plain heartbeat has no list.
    let plain = written(|out| heartbeat().write(out));
    assert_eq!(ResendRequest::parse(&plain).unwrap_err().offset(), 24);
}
