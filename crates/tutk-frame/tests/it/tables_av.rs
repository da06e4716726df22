//! AV packets byte by byte, except media (docs/protocol.md, sections 11 to 13).

use crate::table::*;
use tutk_frame::{
    AvKind, AvPacket, AvStamp, BufferReset, ChannelMessage, Heartbeat, IoctlAck, IoctlMessage,
    IoctlRequest, LinkClock, MediaKind, MediaLayout, Probe, ProbeAnswer,
};

/// Version 0x000b, AV sequence 2.
const STAMP: AvStamp = AvStamp {
    version: 0x000b,
    counter: 2,
    tail: 0,
};
const Z24: &str = "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00";

#[test]
fn ioctl_to_the_camera_matches_its_table() {
    for (index, index_16, index_32) in [
        (0, "00 00", "00 00 00 00"),
        (1, "01 00", "01 00 00 00"),
        (0x0001_0002, "02 00", "02 00 01 00"),
    ] {
        let bytes = table(&[
            (0, "0c 00"),
            (2, "0b 00"),
            (4, "02 00 00 00"),
            (8, Z8),
            (16, "00 70"),
            (18, index_16),
            (20, "01 00 00 00"),
            (24, "07 00 00 00"),
            (28, index_32),
            (32, Z4),
            (36, "00 01"),
            (38, "00 00"),
            (40, "48 4c 05"),
        ]);
        let request = IoctlRequest {
            stamp: STAMP,
            index,
            hl: b"HL\x05",
        };
        assert_eq!(written(|out| request.write(out)), bytes);
        assert_eq!(IoctlRequest::parse(&bytes), Ok(request));
        let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
        assert_eq!(packet.kind(MediaLayout::Slice), AvKind::Grouped);
        assert!(packet.group.unwrap().is_ioctl());
        assert_eq!(packet.body_offset(), 16);
    }
}

#[test]
fn ioctl_request_is_checked_for_what_it_is_used_for() {
    let good = written(|out| {
        let request = IoctlRequest {
            stamp: STAMP,
            index: 1,
            hl: b"HL",
        };
        request.write(out);
    });
    let with = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        IoctlRequest::parse(&bytes)
            .map_or_else(|error| Err(error.offset()), |ioctl| Ok(ioctl.hl.len()))
    };
    assert_eq!(with(0, 0x09), Err(0));
    assert_eq!(with(11, 1), Err(11));
    assert_eq!(with(17, 0x10), Err(16));
    // Other index, size and IO type.
    for (at, value) in [(18, 0), (24, 5), (24, 200), (28, 0), (37, 0)] {
        assert_eq!(with(at, value), Ok(2), "{at}");
    }
    // With a link clock.
    let clocked = [&[0x0c, 0x08], &good[2..8], &[0; 8], &good[8..]].concat();
    assert_eq!(IoctlRequest::parse(&clocked).unwrap().hl, b"HL");
}

#[test]
fn heartbeat_of_summary_matches_its_table() {
    let bytes = table(&[
        (0, "09 00"),
        (2, "0b 00"),
        (4, "02 00 00 00"),
        (8, "ff ff ff ff"),
        (12, "02 00"),
        (14, Z6),
        (20, "2e 06"),
        (22, "00 00"),
    ]);
    let heartbeat = Heartbeat {
        stamp: AvStamp::from_sequence(0x000b, 2),
        reported: 0xffff,
        newest: 0xffff,
        commands: 2,
        heartbeats: 0,
        clock: 0x062e,
    };
    assert_eq!(bytes.len(), Heartbeat::LEN);
    assert_eq!(written(|out| heartbeat.write(out)), bytes);
    assert_eq!(Heartbeat::parse(&bytes), Ok(heartbeat));
    assert_eq!(heartbeat.stamp.sequence(), 2);
}

#[test]
fn heartbeat_of_transcode_matches_its_table() {
    let mut bytes = table(&[
        (0, "09 00"),
        (2, "0c 00"),
        (4, "05 00"),
        (6, "7e 50"),
        (8, "10 01"),
        (10, "20 01"),
        (12, "02 00"),
        (14, Z4),
        (18, "03 00"),
        (20, "cd ab"),
        (22, "00 00"),
    ]);
    let heartbeat = Heartbeat {
        stamp: AvStamp {
            version: 0x000c,
            counter: 5,
            tail: 0x507e,
        },
        reported: 0x0110,
        newest: 0x0120,
        commands: 2,
        heartbeats: 3,
        clock: 0xabcd,
    };
    assert_eq!(written(|out| heartbeat.write(out)), bytes);
    // Further bytes are accepted.
    bytes.extend([1, 2, 3]);
    assert_eq!(Heartbeat::parse(&bytes), Ok(heartbeat));
    let packet = AvPacket::parse(&bytes, MediaLayout::Slice).unwrap();
    assert_eq!(packet.kind(MediaLayout::Slice), AvKind::Heartbeat);
}

/// Sent to a real camera in plain mode.
#[test]
fn heartbeat_of_a_real_session_is_parsed() {
    let bytes = table(&[
        (0, "09 00 0b 00 27 00 00 00"),
        (8, "13 00 26 00 04 00"),
        (14, Z4),
        (18, "14 00 d9 1a 00 00"),
    ]);
    let heartbeat = Heartbeat::parse(&bytes).unwrap();
    let Heartbeat {
        stamp,
        reported,
        newest,
        commands,
        heartbeats,
        clock,
    } = heartbeat;
    assert_eq!((stamp.counter, reported, newest), (0x27, 0x13, 0x26));
    assert_eq!((commands, heartbeats, clock), (4, 0x14, 0x1ad9));
    assert_eq!(written(|out| heartbeat.write(out)), bytes);
}

#[test]
fn probe_answer_matches_its_table() {
    let bytes = table(&[
        (0, "0b 00"),
        (2, "0b 00"),
        (4, "02 00 00 00"),
        (8, "b4 03"),
        (10, "02 00"),
        (12, "03 00"),
        (14, Z6),
    ]);
    let answer = ProbeAnswer {
        stamp: STAMP,
        clock: 0x03b4,
        received: [2, 3],
    };
    assert_eq!(bytes.len(), ProbeAnswer::LEN);
    assert_eq!(written(|out| answer.write(out)), bytes);
    assert_eq!(ProbeAnswer::parse(&bytes), Ok(answer));
}

#[test]
fn probe_matches_its_table() {
    let bytes = table(&[
        (0, "0a 08"),
        (2, "0c 00"),
        (4, "05 00 81 4e"),
        (8, "b4 03"),
        (10, "12 00"),
        (12, "01 02 03 04"),
    ]);
    let probe = Probe {
        stamp: AvStamp {
            version: 0x000c,
            counter: 5,
            tail: 0x4e81,
        },
        clock: LinkClock {
            clock: 0x03b4,
            round_trip: 0x12,
            word: 0x0403_0201,
        },
    };
    assert_eq!(bytes.len(), Probe::LEN);
    assert_eq!(written(|out| probe.write(out)), bytes);
    assert_eq!(Probe::parse(&bytes), Ok(probe));
    let packet = AvPacket::parse(&bytes, MediaLayout::Fragment).unwrap();
    assert_eq!(packet.clock, Some(probe.clock));
    assert_eq!(packet.kind(MediaLayout::Fragment), AvKind::Probe);
}

#[test]
fn channel_message_and_ack_match_their_tables() {
    for (ack, magic) in [(false, "00 10"), (true, "00 11")] {
        let mut bytes = table(&[
            (0, magic),
            (2, "0b 00"),
            (4, "02 00 00 00"),
            (8, "01"),
            (9, "00"),
            (10, "07"),
            (11, "00"),
            (12, Z24),
        ]);
        bytes[35] = 0xee;
        assert_eq!(bytes.len(), ChannelMessage::LEN);
        let mut data = [0; 24];
        data[23] = 0xee;
        // Real cameras may append an HL message.
        for body in [&b""[..], b"HL"] {
            let message = ChannelMessage {
                ack,
                stamp: STAMP,
                channel: 1,
                subtype: 7,
                data,
                body,
            };
            let whole = [&bytes[..], body].concat();
            assert_eq!(written(|out| message.write(out)), whole);
            assert_eq!(ChannelMessage::parse(&whole), Ok(message));
            assert_eq!(message.acknowledge().body, b"");
            // The short acknowledgement: 24 bytes with size 0 and the message id.
            let message = ChannelMessage {
                data: [
                    1, 2, 3, 4, 5, 6, 7, 8, 0xa1, 0xa2, 0xa3, 0xa4, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
                    9, 9,
                ],
                ..message
            };
            let ack = written(|out| message.write_ack(out));
            let expected = table(&[
                (0, "00 11 0b 00 02 00 00 00"),
                (8, "01 00 07 00 01 02 03 04"),
                (16, Z4),
                (20, "a1 a2 a3 a4"),
            ]);
            assert_eq!(ack, expected);
            let parsed = ChannelMessage::parse(&ack).unwrap();
            assert_eq!(
                (parsed.ack, parsed.subtype, parsed.body),
                (true, 7, &b""[..])
            );
        }
    }
}

#[test]
fn buffer_reset_and_its_ack_match_their_tables() {
    let bytes = table(&[
        (0, "00 12"),
        (2, "0c 00"),
        (4, "02 00 00 00"),
        (8, Z8),
        (16, "0c 00 00 00"),
        (20, "a1 a2 a3 a4"),
        (24, "01 02 03 04 05 06 07 08 09 0a 0b 0c"),
    ]);
    let reset = BufferReset::parse(&bytes).unwrap();
    assert_eq!((reset.id, reset.data[11]), (0xa4a3_a2a1, 0x0c));
    assert_eq!(written(|out| reset.write(out)), bytes);
    let mut expected = bytes.clone();
    expected[1] = 0x13;
    expected[16] = 20;
    expected.extend([0; 8]);
    let ack = written(|out| reset.acknowledge().write(out));
    assert_eq!(ack, expected);
    assert_eq!(BufferReset::parse(&ack), Ok(reset.acknowledge()));
    // A shorter packet is a reset, too.
    let short = BufferReset::parse(&bytes[..26]).unwrap();
    assert_eq!(
        (short.id, short.data),
        (reset.id, [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    );
    assert!(BufferReset::parse(&bytes[..7]).is_err());
}

#[test]
fn ioctl_from_the_camera_matches_its_table() {
    let bytes = table(&[
        (0, "00 70"),
        (2, "0b 00"),
        (4, "02 00 00 00"),
        (8, Z8),
        (16, "0b 00 00 00"),
        (20, "76 25 a0 2f"),
        (24, Z4),
        (28, "00 01 00 00"),
        (32, "48 4c 25"),
    ]);
    let message = IoctlMessage {
        stamp: STAMP,
        id: 0x2fa0_2576,
        hl: b"HL\x25",
    };
    assert_eq!(written(|out| message.write(out)), bytes);
    assert_eq!(IoctlMessage::parse(&bytes), Ok(message));
    // Unknown bytes, and a size that counts something else.
    let mut other = bytes.clone();
    other[8..16].fill(0x5a);
    other[16] = 3;
    assert_eq!(IoctlMessage::parse(&other), Ok(message));
    // The size exceeds the packet.
    other[17] = 1;
    assert_eq!(IoctlMessage::parse(&other), Ok(message));
    let ack = table(&[
        (0, "00 71"),
        (2, "0b 00"),
        (4, "02 00 00 00"),
        (8, Z8),
        (16, Z4),
        (20, "76 25 a0 2f"),
    ]);
    assert_eq!(written(|out| message.acknowledge().write(out)), ack);
    assert_eq!(IoctlAck::parse(&ack), Ok(message.acknowledge()));
}

#[test]
fn kind_follows_from_type_and_flags() {
    let kind = |magic: [u8; 2], layout| {
        let mut bytes = [0; 24];
        bytes[..2].copy_from_slice(&magic);
        AvPacket::parse(&bytes, layout).unwrap().kind(layout)
    };
    for layout in [MediaLayout::Fragment, MediaLayout::Slice] {
        for (magic, name) in [
            ([0x00, 0x00], AvKind::Login1),
            ([0x00, 0x20], AvKind::Login2),
            ([0x00, 0x21], AvKind::LoginAnswer),
            ([0x00, 0x10], AvKind::Channel),
            ([0x00, 0x11], AvKind::ChannelAck),
            ([0x00, 0x70], AvKind::Ioctl),
            ([0x00, 0x71], AvKind::IoctlAck),
            ([0x00, 0x12], AvKind::BufferReset),
            ([0x00, 0x13], AvKind::BufferResetAck),
            ([0x09, 0x00], AvKind::Heartbeat),
            ([0x0a, 0x08], AvKind::Probe),
            ([0x0b, 0x00], AvKind::ProbeAnswer),
            ([0x0c, 0x00], AvKind::Grouped),
            ([0x0c, 0x08], AvKind::Grouped),
            ([0x7f, 0x00], AvKind::Unknown),
        ] {
            assert_eq!(kind(magic, layout), name);
        }
    }
    for (code, name) in [
        (3, AvKind::Media(MediaKind::Audio)),
        (5, AvKind::Media(MediaKind::Key)),
        (7, AvKind::Media(MediaKind::Delta)),
        (4, AvKind::Resent(MediaKind::Audio)),
        (6, AvKind::Resent(MediaKind::Key)),
        (8, AvKind::Resent(MediaKind::Delta)),
    ] {
        for flags in [0x00, 0x01, 0x04, 0x05, 0x08, 0x09, 0x0d] {
            assert_eq!(kind([code, flags], MediaLayout::Slice), name);
        }
    }
}
