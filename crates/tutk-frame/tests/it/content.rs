//! The content of AV packets, classified with one parse of their headers.

use crate::table::*;
use tutk_frame::{
    AvContent, AvHeader, AvMedia, AvPacket, AvStamp, BufferReset, ChannelMessage, Fragment,
    FragmentHeader, GroupHeader, Heartbeat, IoctlMessage, IoctlRequest, LinkClock, MediaKind,
    MediaLayout, Probe, ProbeAnswer, Slice, SliceHeader, SlicePlace,
};

const STAMP: AvStamp = AvStamp {
    version: 0x000b,
    counter: 2,
    tail: 0,
};

#[track_caller]
fn assert_content(bytes: &[u8], expected: AvContent<'_>) {
    let packet = AvPacket::parse(bytes, MediaLayout::Slice).unwrap();
    assert_eq!(packet.content(MediaLayout::Slice), Ok(expected));
    assert_eq!(AvContent::parse(bytes, MediaLayout::Slice), Ok(expected));
}

#[test]
fn classifies_control_packets() {
    let of = |magic: [u8; 2]| [&magic[..], &[0; 22]].concat();
    assert_content(&of([0x00, 0x00]), AvContent::Login);
    assert_content(&of([0x00, 0x20]), AvContent::Login);
    assert_content(&of([0x00, 0x21]), AvContent::LoginAnswer);
    assert_content(&of([0x7f, 0x00]), AvContent::Unknown);
    for ack in [false, true] {
        let message = ChannelMessage {
            ack,
            stamp: STAMP,
            channel: 1,
            subtype: 7,
            data: [9; 24],
            body: b"HL",
        };
        let packet = written(|out| message.write(out));
        assert_content(&packet, AvContent::ChannelMessage(message));
        let reset = BufferReset {
            ack,
            stamp: STAMP,
            id: 7,
            data: [9; 12],
        };
        let packet = written(|out| reset.write(out));
        assert_content(&packet, AvContent::BufferReset(reset));
    }
    let (stamp, hl) = (STAMP, &b"HL"[..]);
    let index = 1;
    let request = IoctlRequest { stamp, index, hl };
    let packet = written(|out| request.write(out));
    assert_content(&packet, AvContent::IoctlRequest(request));
    let message = IoctlMessage { stamp, id: 7, hl };
    let packet = written(|out| message.write(out));
    assert_content(&packet, AvContent::IoctlMessage(message));
    let ack = message.acknowledge();
    let packet = written(|out| ack.write(out));
    assert_content(&packet, AvContent::IoctlAck(ack));
    let heartbeat = Heartbeat {
        stamp,
        reported: 1,
        newest: 2,
        commands: 3,
        heartbeats: 3,
        clock: 4,
    };
    let packet = written(|out| heartbeat.write(out));
    assert_content(&packet, AvContent::Heartbeat(heartbeat));
    // In resend mode, a list may follow.
    let packet = [&packet[..], &[1, 2]].concat();
    assert_content(&packet, AvContent::Heartbeat(heartbeat));
    let clock = LinkClock {
        clock: 1,
        round_trip: 2,
        word: 3,
    };
    let probe = Probe { stamp, clock };
    let packet = written(|out| probe.write(out));
    assert_content(&packet, AvContent::Probe(probe));
    let answer = ProbeAnswer {
        stamp,
        clock: 1,
        received: [2, 3],
    };
    let packet = written(|out| answer.write(out));
    assert_content(&packet, AvContent::ProbeAnswer(answer));
}

#[test]
fn classifies_media() {
    let slice = Slice {
        header: SliceHeader {
            kind: MediaKind::Delta,
            resent: false,
            counter: 1,
            slices: 3,
            place: SlicePlace::Index(1),
            size: 2,
            previous_frame: 6,
            frame: 7,
        },
        payload: &[0xaa, 0xbb],
        info: &[],
    };
    let body = written(|out| slice.write(out));
    let header = AvHeader::new([0x07, 0x00], STAMP);
    let mut packet = AvPacket {
        header,
        clock: None,
        group: None,
        body: &body,
    };
    let content = packet.content(MediaLayout::Slice);
    assert_eq!(content, Ok(AvContent::Media(AvMedia::Slice(slice))));
    // Offsets of errors count from the packet's first byte.
    packet.body = &body[..19];
    let error = packet.content(MediaLayout::Slice).unwrap_err();
    assert_eq!((error.offset(), error.what()), (27, "slice header"));

    let group = GroupHeader {
        group: 1,
        index: 0,
        k: 1,
        m: 0,
    };
    packet.header = AvHeader::new([0x0c, 0x00], STAMP);
    packet.group = Some(group);
    packet.body = &body;
    let grouped = AvMedia::Grouped { group, body: &body };
    let content = packet.content(MediaLayout::Slice);
    assert_eq!(content, Ok(AvContent::Media(grouped)));
    let content = packet.content(MediaLayout::Fragment);
    assert_eq!(content, Ok(AvContent::Unknown), "`summary` has no groups");

    let fragment = Fragment {
        header: FragmentHeader {
            kind: MediaKind::Key,
            version: 0x000b,
            sequence: 9,
            timestamp: 0x1234_5678,
            frame_size: 0x1003,
            fragments: 5,
            index: 4,
            codec_info: FragmentHeader::H264,
        },
        payload: &[0xaa],
    };
    let bytes = written(|out| fragment.write(out));
    let packet = AvPacket::parse(&bytes, MediaLayout::Fragment).unwrap();
    let content = packet.content(MediaLayout::Fragment);
    assert_eq!(content, Ok(AvContent::Media(AvMedia::Fragment(fragment))));
    assert_eq!(AvContent::parse(&bytes, MediaLayout::Fragment), content);
    let error = AvContent::parse(&bytes[..7], MediaLayout::Fragment).unwrap_err();
    assert_eq!(error.what(), "AV header");
}
