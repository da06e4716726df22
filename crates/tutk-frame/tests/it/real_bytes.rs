//! Bytes seen on a real wire (docs/protocol.md, sections 7, 11, 12, 13, 15 and 17), without their
//! obfuscation. Each packet parses, and is written as it was seen if the client sends it.

use crate::table::written;
use tutk_frame::{
    AvKind, AvPacket, AvStamp, BufferReset, DataHeader, Direction, GroupHeader, GroupedMedia,
    Heartbeat, IoctlAck, IoctlMessage, Keepalive, LinkClock, MediaKind, MediaLayout, Probe,
    ProbeAnswer, SliceHeader, SlicePlace, WrapperLayout,
};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let pairs = digits.chunks(2).map(String::from_iter);
    pairs
        .map(|pair| u8::from_str_radix(&pair, 16).unwrap())
        .collect()
}

fn stamp(version: u16, counter: u16, tail: u16) -> AvStamp {
    AvStamp {
        version,
        counter,
        tail,
    }
}

#[test]
fn keepalive_and_its_answer() {
    let keepalive = bytes("0402120a 08000000 28041200 00000000 5b0d4202070aa8c0");
    let parsed = Keepalive::parse(&keepalive).unwrap();
    assert_eq!(
        parsed.body,
        [0x5b, 0x0d, 0x42, 0x02, 0x07, 0x0a, 0xa8, 0xc0]
    );
    assert!(!parsed.answer);
    let answer = bytes("04021a0a 08000000 27042100 00000000 5b0d4202070aa8c0");
    assert_eq!(written(|out| parsed.acknowledge().write(out)), answer);
    assert_eq!(Keepalive::parse(&answer), Ok(parsed.acknowledge()));
}

/// On a channel that has no DTLS.
#[test]
fn control_message_on_channel_5_and_its_answer() {
    let request = bytes(
        "0402190a 20000400 07042100 7ecc0500 0c000000 7ecc93c456c2561f
         5a97c2f1 01050000 00000000 00000000 00010000",
    );
    let mut answer = request.clone();
    answer[8..12].copy_from_slice(&[0x08, 0x04, 0x12, 0x00]);
    answer[32] = 0x41;
    for (packet, direction) in [
        (request, Direction::ToCamera),
        (answer, Direction::FromCamera),
    ] {
        let header = DataHeader::parse(&packet, WrapperLayout::Iotc28).unwrap();
        assert_eq!((header.channel, header.sequence), (5, 4));
        assert_eq!(header.direction, direction);
        assert_eq!(header.session.0[..4], [0x7e, 0xcc, 0x93, 0xc4]);
        assert_eq!(header.payload_range(), 28..48);
    }
}

#[test]
fn probes_and_an_answer() {
    let clock = |clock, round_trip, word| LinkClock {
        clock,
        round_trip,
        word,
    };
    for (hex, stamp, clock) in [
        (
            "0a080b00 5b000000 0b515900 02000000",
            stamp(0x0b, 0x5b, 0),
            clock(0x510b, 0x59, 2),
        ),
        (
            "0a080b00 03000000 e2043200 01000000",
            stamp(0x0b, 3, 0),
            clock(0x04e2, 0x32, 1),
        ),
    ] {
        let packet = bytes(hex);
        let probe = Probe { stamp, clock };
        assert_eq!(Probe::parse(&packet), Ok(probe));
        assert_eq!(written(|out| probe.write(out)), packet);
    }
    let packet = bytes("0b000b00 00000100 0b510300 03000000 00000000");
    let answer = ProbeAnswer {
        stamp: stamp(0x0b, 0, 1),
        clock: 0x510b,
        received: [3, 3],
    };
    assert_eq!(ProbeAnswer::parse(&packet), Ok(answer));
    assert_eq!(written(|out| answer.write(out)), packet);
}

#[test]
fn heartbeat_without_resend_mode() {
    let packet = bytes("09000b00 27000000 1300 2600 0400 00000000 1400 d91a 0000");
    let heartbeat = Heartbeat {
        stamp: stamp(0x0b, 0x27, 0),
        reported: 0x13,
        newest: 0x26,
        commands: 4,
        heartbeats: 0x14,
        clock: 0x1ad9,
    };
    assert_eq!(Heartbeat::parse(&packet), Ok(heartbeat));
    assert_eq!(written(|out| heartbeat.write(out)), packet);
}

/// Returns the slice header of a media packet, and the packet.
fn slice_header(packet: &[u8]) -> (SliceHeader, AvPacket<'_>) {
    let parsed = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
    (SliceHeader::parse(parsed.body).unwrap().0, parsed)
}

#[test]
fn slices() {
    let middle = bytes("07000b00 27000000 0700 1400 1300 1100 0004 0000 02000000 03000000");
    let (header, packet) = slice_header(&middle);
    assert_eq!(packet.clock, None);
    let expected = SliceHeader {
        kind: MediaKind::Delta,
        resent: false,
        counter: 0x14,
        slices: 0x13,
        place: SlicePlace::Index(0x11),
        size: 1024,
        previous_frame: 2,
        frame: 3,
    };
    assert_eq!(header, expected);

    let only = bytes(
        "070d0b00 30000000 5c965500 ffff0000 0701 1900 0100 2000 a802 0000 06000000 07000000",
    );
    let (header, packet) = slice_header(&only);
    assert_eq!(packet.clock.unwrap().clock, 0x965c);
    let expected = SliceHeader {
        counter: 0x19,
        slices: 1,
        // A frame info of 32 bytes.
        place: SlicePlace::Last { info_len: 0x20 },
        size: 0x02a8,
        previous_frame: 6,
        frame: 7,
        ..expected
    };
    assert_eq!(header, expected);

    // The first eight bytes of the slice header were noted.
    let key = bytes("05000b00 6d00814e 0500 6300 8600 0000 000000000000000000000000");
    let (header, packet) = slice_header(&key);
    assert_eq!(packet.header.stamp.tail, 0x4e81);
    let key = (header.kind, header.counter, header.slices, header.index());
    assert_eq!(key, (MediaKind::Key, 0x63, 0x86, 0));
}

#[test]
fn grouped_slice() {
    let packet = bytes(
        "0c050b00 e4006400 0a00 00 14 01000000
         0701 c800 0100 2800 0000 0000 00000000 00000000",
    );
    let body = [&packet[..], &[0; 40]].concat();
    let parsed = AvPacket::parse(&body, MediaLayout::Slice).unwrap();
    assert_eq!(parsed.kind(MediaLayout::Slice), AvKind::Grouped);
    let group = GroupHeader {
        group: 10,
        index: 0,
        k: 20,
        m: 1,
    };
    assert_eq!(parsed.group, Some(group));
    let GroupedMedia::Slice(slice) = GroupedMedia::parse_body(group, parsed.body).unwrap() else {
        panic!("a slice");
    };
    // 20 * group + index.
    assert_eq!((slice.header.counter, slice.header.slices), (200, 1));
    assert_eq!(slice.header.place, SlicePlace::Last { info_len: 40 });
}

#[test]
fn ioctl_and_its_ack() {
    let mut packet = bytes("00700800 01000000 00000000 00000000 34000000 7625a02f");
    packet.extend([0; 52]);
    let message = IoctlMessage::parse(&packet).unwrap();
    assert_eq!(message.id, 0x2fa0_2576);
    assert_eq!(message.hl.len(), 52 - 8, "the size counts bytes after 24");
    let ack = bytes("00710800 01000000 00000000 00000000 00000000 7625a02f");
    assert_eq!(ack.len(), 24);
    assert_eq!(written(|out| message.acknowledge().write(out)), ack);
    assert_eq!(IoctlAck::parse(&ack), Ok(message.acknowledge()));
}

#[test]
fn buffer_reset_and_its_ack() {
    let packet =
        bytes("00120800 00000000 00000000 00000000 0c000000 00000000 02000000 01000000 01000000");
    let reset = BufferReset::parse(&packet).unwrap();
    assert_eq!(reset.data, [2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(written(|out| reset.write(out)), packet);
    let ack = bytes(
        "00130b00 00000000 00000000 00000000 14000000 00000000 02000000 01000000 01000000
         00000000 00000000",
    );
    let expected = BufferReset {
        stamp: stamp(0x0b, 0, 0),
        ..reset.acknowledge()
    };
    assert_eq!(BufferReset::parse(&ack), Ok(expected));
    assert_eq!(written(|out| expected.write(out)), ack);
}
