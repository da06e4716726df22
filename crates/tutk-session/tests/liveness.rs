//! The client's keep-alives and acknowledgements (docs/protocol.md, sections "Heartbeat, probes and
//! channel messages" and "Keepalives outside DTLS").
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::bytes::{heartbeats, hl, kinds, table, times};
use testkit::session::datagram::{data, keepalive};
use testkit::session::frame_info;
use testkit::session::script::{CHALLENGE, CameraScript};
use tutk_session::tutk_frame::{
    AvKind, AvPacket, AvStamp, BufferReset, ChannelMessage, DataHeader, Direction, IoctlMessage,
    LinkClock, Probe, SessionId,
};
use tutk_session::video_reassembly::{Slicer, SlicerConfig};
use tutk_session::{Dialect, Event, MediaKind};

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn heartbeats_keep_their_interval_and_count() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.take_packets();
        script.advance(MS(1000));
        let expected: Vec<u128> = (1..=10).map(|n| n * 100).collect();
        assert_eq!(times(&script, AvKind::Heartbeat), expected, "{dialect}");
        let beats = heartbeats(&script);
        // K10001 and K10003 are acknowledged. The login answer counts as a command.
        assert!(beats.iter().all(|beat| beat.commands == 3), "{dialect}");
        let number = beats[0].heartbeats;
        for (beat, after) in beats.iter().zip(0..) {
            let expected = match &*dialect.name {
                "summary" => 0,
                _ => number + after,
            };
            assert_eq!(beat.heartbeats, expected, "{dialect}");
        }
        // Late calls do not shift the interval.
        script.take_packets();
        for _ in 0..10 {
            script.now = script.deadline + MS(30);
            script.with(|client, now| client.handle_timeout(now));
        }
        let late = times(&script, AvKind::Heartbeat);
        assert!(late.iter().all(|at| at % 100 == 30), "{dialect}: {late:?}");
    }
}

#[test]
fn each_ioctl_is_acknowledged_by_a_heartbeat() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.advance(MS(50));
        script.take_packets();
        script.send_hl(&hl(10031, &[1]));
        assert_eq!(heartbeats(&script).len(), 1, "{dialect}");
        assert_eq!(script.packets.len(), 1, "{dialect}");
    }
}

#[test]
fn keepalives_are_echoed() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.log_in();
    let before = script.datagrams.len();
    let body = *b"anything";
    let from = |direction| keepalive(&Dialect::TRANSCODE, direction, SessionId(body), 0);
    script.send_datagram(|out| out.extend_from_slice(&from(Direction::FromCamera)));
    let expected = table(
        24,
        &[
            (0, &[4, 2, 0x1a, 0x0a, 8, 0, 0, 0, 0x27, 4, 0x21]),
            (16, &body),
        ],
    );
    assert_eq!(script.datagrams.len(), before + 1);
    assert_eq!(script.datagrams[before].bytes, expected);
    // An answer is not answered.
    script.send_datagram(|out| out.extend_from_slice(&from(Direction::ToCamera)));
    assert_eq!(script.datagrams.len(), before + 1);
}

#[test]
fn probes_are_answered_with_their_clock() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    script.take_packets();
    let stamp = script.stamp();
    let probe = |clock| Probe {
        stamp,
        clock: LinkClock {
            clock,
            round_trip: 17,
            word: 0,
        },
    };
    script.send_packet(|out| probe(0xabcd).write(out));
    let first = script.take_packets();
    assert_eq!(first.len(), 1);
    // K10001, K10003 and the probe itself.
    let body: (usize, &[u8]) = (8, &[0xcd, 0xab, 3, 0, 3, 0]);
    let header = &first[0][..8];
    assert_eq!(header[..4], [0x0b, 0, 0x0c, 0]);
    assert_eq!(first[0], table(20, &[(0, header), body]));
    assert_eq!(script.peer.stats().round_trip, Some(MS(17)));

    script.send_packet(|out| probe(1).write(out));
    let second = script.take_packets();
    assert_eq!(second[0][8..14], [1, 0, 1, 0, 1, 0], "one packet");
}

#[test]
fn link_clocks_in_media_are_answered_and_slice_counters_reported() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    script.take_packets();
    let mut slicer = Slicer::new(SlicerConfig::new(Dialect::TRANSCODE.media)).unwrap();
    let mut slices = slicer
        .slice(MediaKind::Key, frame_info(), vec![7; 3000].into())
        .unwrap();
    let clock = LinkClock {
        clock: 0x1234,
        round_trip: 3,
        word: 0,
    };
    let mut count = 0;
    loop {
        let mut packet = Vec::new();
        if !slicer.write_next(&mut slices, clock, &mut packet) {
            break;
        }
        script.send_packet(|out| out.extend_from_slice(&packet));
        count += 1;
    }
    assert!(count > 1);
    let answers = times(&script, AvKind::ProbeAnswer);
    assert_eq!(answers.len(), 1, "only the first slice has a clock");
    assert_eq!(script.packets[0].1[8..10], [0x34, 0x12]);
    let frames = script
        .events
        .iter()
        .filter(|event| matches!(event, Event::Frame(_)));
    assert_eq!(frames.count(), 1);

    script.take_packets();
    script.advance(MS(200));
    let beats = heartbeats(&script);
    let newest = u16::try_from(count - 1).unwrap();
    assert_eq!((beats[0].reported, beats[0].newest), (0xffff, newest));
    assert_eq!((beats[1].reported, beats[1].newest), (newest, newest));
}

#[test]
fn summary_sends_a_status_packet_every_second() {
    let mut script = CameraScript::new(&Dialect::SUMMARY);
    script.authenticate();
    script.take_packets();
    script.advance(MS(3500));
    assert_eq!(times(&script, AvKind::ProbeAnswer), [1000, 2000, 3000]);
    let status = script.packets.iter().find(|(_, packet)| packet[0] == 0x0b);
    let packet = &status.unwrap().1;
    assert_eq!(packet.len(), 20);
    assert_eq!(packet[..4], [0x0b, 0, 0x0b, 0]);
    assert_eq!(packet[8..10], 1000_u16.to_le_bytes());
    assert_eq!(packet[14..], [0; 6]);
}

#[test]
fn control_packets_share_one_counter() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.advance(MS(2000));
        let counters: Vec<u16> = script
            .packets
            .iter()
            .filter(|(_, packet)| packet[0] != 0)
            .map(|(_, packet)| {
                AvPacket::parse(packet, dialect.media)
                    .unwrap()
                    .header
                    .stamp
                    .counter
            })
            .collect();
        let expected: Vec<u16> = (0..).take(counters.len()).collect();
        assert_eq!(counters, expected, "{dialect}");
    }
}

#[test]
fn buffer_resets_and_channel_messages_are_acknowledged() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.take_packets();
        let stamp = AvStamp {
            counter: 77,
            tail: 5,
            ..script.stamp()
        };
        let reset = BufferReset {
            ack: false,
            stamp,
            id: 0x0403_0201,
            data: *b"twelve bytes",
        };
        let header: (usize, &[u8]) = (0, &[0, 0x13, stamp.version.to_le_bytes()[0], 0, 77, 0, 5]);
        let expected = table(
            44,
            &[
                header,
                (16, &[20]),
                (20, &[1, 2, 3, 4]),
                (24, b"twelve bytes"),
            ],
        );
        script.send_packet(|out| reset.write(out));
        assert_eq!(script.take_packets(), [expected], "{dialect}");

        let message = ChannelMessage {
            ack: false,
            stamp,
            channel: 3,
            subtype: 9,
            data: [0x5a; 24],
            body: &[],
        };
        let mut expected = Vec::new();
        message.write(&mut expected);
        expected[1] = 0x11;
        if *dialect != Dialect::SUMMARY {
            // The header, with size 0.
            expected.truncate(24);
            expected[16..20].fill(0);
        }
        script.send_packet(|out| message.write(out));
        assert_eq!(script.take_packets(), [expected], "{dialect}");
    }
}

#[test]
fn ioctls_with_a_message_id_are_acknowledged_with_it() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    script.take_packets();
    let message = IoctlMessage {
        stamp: AvStamp {
            counter: 1,
            ..script.stamp()
        },
        id: 0x2fa0_2576,
        hl: &hl(10031, &[1]),
    };
    script.send_packet(|out| message.write(out));
    let ack = table(
        24,
        &[(0, &[0, 0x71, 0x0c, 0, 1]), (20, &[0x76, 0x25, 0xa0, 0x2f])],
    );
    let sent = script.take_packets();
    assert_eq!(sent.len(), 2, "and a heartbeat");
    assert_eq!(sent[1], ack);
}

/// docs/protocol.md, section "Keepalives outside DTLS".
#[test]
fn client_sends_keepalives_and_does_not_answer_their_answers() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    let session = script.session;
    let own = keepalive(&Dialect::TRANSCODE, Direction::ToCamera, session, 0);
    let answer = keepalive(&Dialect::TRANSCODE, Direction::FromCamera, session, 0);
    let sent = |script: &CameraScript| {
        let keepalives = script.datagrams.iter().filter(|sent| sent.bytes == own);
        keepalives
            .map(|sent| sent.at.as_millis())
            .collect::<Vec<_>>()
    };
    script.advance(MS(2100));
    assert_eq!(sent(&script), [2000]);
    script.send_datagram(|out| out.extend_from_slice(&answer));
    script.advance(MS(4000));
    assert_eq!(
        sent(&script),
        [2000, 4000, 6000],
        "the last two are not answered"
    );

    // A camera that answers each answer is not answered without pause.
    for _ in 0..10 {
        script.send_datagram(|out| out.extend_from_slice(&answer));
        script.advance(MS(10));
    }
    assert_eq!(sent(&script).len(), 4);
    for dialect in [&Dialect::CC51, &Dialect::SUMMARY] {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.advance(MS(5000));
        let control = script.control_datagrams();
        assert!(control.iter().all(|sent| sent.at < MS(100)), "{dialect}");
    }
}

#[test]
fn challenge_in_a_channel_message_is_acknowledged_before_the_answer() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.log_in();
        script.take_packets();
        let mut payload = vec![3];
        payload.extend_from_slice(&CHALLENGE);
        let challenge = hl(10001, &payload);
        let message = ChannelMessage {
            ack: false,
            stamp: script.stamp(),
            channel: 0,
            subtype: 0,
            data: [0; 24],
            body: &challenge,
        };
        script.send_packet(|out| message.write(out));
        let kinds: Vec<_> = kinds(&script).into_iter().map(|(_, kind)| kind).collect();
        let expected = [AvKind::Heartbeat, AvKind::ChannelAck, AvKind::Grouped];
        assert_eq!(kinds, expected, "{dialect}");
    }
}

#[test]
fn only_authentic_packets_change_the_camera_port() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        let address = script.address;
        // A valid header with invalid records, from another port.
        let header = DataHeader {
            layout: dialect.wrapper(),
            direction: Direction::FromCamera,
            channel: 0,
            sequence: 9,
            session: script.session,
            payload_len: 40,
        };
        script.address.set_port(address.port() + 1);
        let forged = data(dialect, header, &[0; 40]);
        script.send_raw(script.address, &forged);
        script.advance(MS(100));
        assert_eq!(script.datagrams.last().unwrap().to, address, "{dialect}");
        // An authentic packet changes the port at once.
        script.send_hl(&hl(10031, &[1]));
        assert_eq!(script.datagrams.last().unwrap().to, script.address);
    }
}

#[test]
fn backchannel_records_do_not_reach_the_main_channel() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        let before = script.peer.stats();
        let header = DataHeader {
            layout: dialect.wrapper(),
            direction: Direction::FromCamera,
            channel: 1,
            sequence: 9,
            session: script.session,
            payload_len: 40,
        };
        let backchannel = data(dialect, header, &[22; 40]);
        script.send_raw(script.address, &backchannel);
        let stats = script.peer.stats();
        assert_eq!(stats.records_dropped, before.records_dropped, "{dialect}");
        assert_eq!(stats.malformed, before.malformed + 1, "{dialect}");
    }
}
