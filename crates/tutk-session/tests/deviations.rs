//! What real cameras do, or may do, other than docs/protocol.md has it: the client accepts it and
//! counts it (docs/protocol.md, section 22).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::bytes::{heartbeats, hl};
use testkit::session::datagram::{
    cc51_discovery, data, descramble, iotc_dialects, keepalive, scramble,
};
use testkit::session::script::{ASSIGNED, CHALLENGE, CameraScript, TICKET};
use testkit::session::{camera_address, credentials, frame_info};
use tutk_session::av_login::{LoginAnswer, LoginPacket, Nonce, Status as LoginStatus};
use tutk_session::dtls_psk::Group;
use tutk_session::hl_ioctl::ChallengeStatus;
use tutk_session::hl_ioctl::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use tutk_session::hl_ioctl::{Command as _, Request};
use tutk_session::tutk_frame::{
    AvPacket, DataHeader, Direction, DiscoveryAnswer, DiscoveryLayout, IoctlAck, IoctlMessage,
    IoctlRequest, LinkClock, SessionId,
};
use tutk_session::video_reassembly::{ResendConfig, Slicer, SlicerConfig};
use tutk_session::{Deviation, Dialect, Event, Frame, MediaKind, Phase, Status};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn count(script: &CameraScript, deviation: Deviation) -> u64 {
    script.peer.stats().tolerated.count(deviation)
}

/// Checks that only these deviations were accepted, and that each was reported by one event.
fn assert_tolerated(script: &CameraScript, expected: &[(Deviation, u64)]) {
    let tolerated: Vec<_> = script.peer.stats().tolerated.iter().collect();
    assert_eq!(tolerated, expected, "{}", script.dialect);
    let reported = script.events.iter().filter_map(|event| match event {
        Event::Tolerated(deviation) => Some(*deviation),
        _ => None,
    });
    assert!(reported.eq(expected.iter().map(|(deviation, _)| *deviation)));
    let stats = script.peer.stats();
    assert_eq!(
        (stats.malformed, stats.unknown),
        (0, 0),
        "{}",
        script.dialect
    );
}

fn frames(script: &CameraScript) -> Vec<&Frame> {
    let frames = script.events.iter().filter_map(|event| match event {
        Event::Frame(frame) => Some(frame),
        _ => None,
    });
    frames.collect()
}

/// IOCTL answers in `0c 00` packets with k = 0.
#[test]
fn answers_in_grouped_packets_are_accepted() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.log_in();
        let challenge = Challenge {
            status: ChallengeStatus::Enr,
            challenge: CHALLENGE,
        };
        let result = ConnectResult::accept(None, None);
        let stamp = script.stamp();
        for answer in [
            ConnectRequest::answer_to_hl(&challenge).unwrap(),
            ConnectAuth::answer_to_hl(&result).unwrap(),
        ] {
            let (index, hl) = (0, &answer[..]);
            script.send_packet(|out| IoctlRequest { stamp, index, hl }.write(out));
        }
        assert_eq!(script.peer.status(), Status::In(Phase::Stream), "{dialect}");

        let request = Request {
            code: 10030,
            payload: Vec::new(),
        };
        script.with(|client, now| client.command(now, request));
        let answer = hl(10031, &[1]);
        // With a size, index and IO type of its own.
        let mut packet = Vec::new();
        let (index, hl) = (9, &answer[..]);
        IoctlRequest { stamp, index, hl }.write(&mut packet);
        packet[18] = 0xff;
        packet[24] = 1;
        packet[36] = 7;
        script.take_packets();
        script.send_packet(|out| out.extend_from_slice(&packet));
        let answered = script.events.iter().any(|event| {
            matches!(event, Event::Answer(answer) if (answer.code, &answer.payload[..]) == (10031, &[1]))
        });
        assert!(answered, "{dialect}");
        assert_eq!(heartbeats(&script).len(), 1, "{dialect}: acknowledged");
        assert_tolerated(&script, &[(Deviation::GroupedAnswer, 3)]);
    }
}

/// `cc51` tags that are computed in another way, trailing bytes, and another session id.
#[test]
fn foreign_tags_sizes_and_sessions_are_accepted() {
    let mut script = CameraScript::new(&Dialect::CC51);
    for sequence in [1, 3] {
        let mut packet = Vec::new();
        cc51_discovery(sequence, TICKET, ASSIGNED).write(&mut packet);
        packet[40] ^= 0xff;
        packet.extend([0; 4]);
        if sequence == 3 {
            script.accept_handshake();
            packet[16] ^= 0xff;
        }
        script.send_raw(camera_address(), &packet);
    }
    assert_eq!(script.peer.status(), Status::In(Phase::Login));
    script.answer_login(LoginStatus::SUCCESS);
    script.send_challenge(ChallengeStatus::Enr);
    script.send_result(&ConnectResult::accept(None, None));
    assert_tolerated(
        &script,
        &[
            (Deviation::DatagramLength, 2),
            (Deviation::Tag, 2),
            (Deviation::Session, 1),
        ],
    );

    // Data with another session id, tag and size; the session continues.
    script.session = SessionId(*b"another!");
    script.send_hl(&hl(10031, &[1]));
    assert_eq!(count(&script, Deviation::Session), 2);
    assert_eq!(heartbeats(&script).len(), 4, "acknowledged");
    let mut packet = keepalive(&Dialect::CC51, Direction::FromCamera, ASSIGNED, 1);
    packet.extend([7; 9]);
    script.datagrams.clear();
    script.send_raw(camera_address(), &packet);
    assert_eq!(script.datagrams.len(), 1, "answered");
    assert_eq!(count(&script, Deviation::Tag), 3);
    assert_eq!(count(&script, Deviation::DatagramLength), 3);
}

/// Length fields of datagrams.
#[test]
fn length_fields_that_do_not_match_are_accepted() {
    for (dialect, field) in [
        (&Dialect::TRANSCODE, 4),
        (&Dialect::SUMMARY, 4),
        (&Dialect::CC51, 6),
    ] {
        for wrong in [0_u16, 1, 41, 0xffff] {
            let mut script = CameraScript::new(dialect);
            let mut answer = discovery_answer(&script);
            set_length(dialect, &mut answer, field, wrong);
            script.send_raw(camera_address(), &answer);
            assert_eq!(
                script.peer.status(),
                Status::In(Phase::Session),
                "{dialect} {wrong}"
            );
            script.answer_session();
            script.answer_login(LoginStatus::SUCCESS);
            script.send_challenge(ChallengeStatus::Enr);
            script.send_result(&ConnectResult::accept(None, None));
            assert_tolerated(&script, &[(Deviation::DatagramLength, 1)]);

            // In the stream, with bytes after the record.
            let header = DataHeader {
                layout: dialect.wrapper(),
                direction: Direction::FromCamera,
                channel: 0,
                sequence: 9,
                session: script.session,
                payload_len: 0,
            };
            let (stamp, message) = (script.stamp(), hl(10031, &[1]));
            let (id, hl) = (0, &message[..]);
            let records = script.seal(|out| IoctlMessage { stamp, id, hl }.write(out));
            let mut packet = data(dialect, header, &[&records[..], &[0; 7]].concat());
            set_length(dialect, &mut packet, field, wrong);
            script.take_packets();
            script.send_raw(camera_address(), &packet);
            assert_eq!(
                heartbeats(&script).len(),
                1,
                "{dialect} {wrong}: acknowledged"
            );
            assert_eq!(
                count(&script, Deviation::DatagramLength),
                2,
                "{dialect} {wrong}"
            );
        }
    }
}

fn discovery_answer(script: &CameraScript) -> Vec<u8> {
    let dialect = &script.dialect;
    let answer = DiscoveryAnswer {
        uid: credentials().uid,
        session: Some(script.session),
        address: None,
    };
    let mut packet = Vec::new();
    match &*dialect.name {
        "summary" => answer.write(DiscoveryLayout::SessionAt52, &mut packet),
        "transcode" => answer.write(DiscoveryLayout::SessionAt56, &mut packet),
        _ => cc51_discovery(1, TICKET, ASSIGNED).write(&mut packet),
    }
    scramble(dialect, &mut packet);
    packet
}

fn set_length(dialect: &Dialect, packet: &mut [u8], field: usize, value: u16) {
    descramble(dialect, packet);
    packet[field..field + 2].copy_from_slice(&value.to_le_bytes());
    scramble(dialect, packet);
}

/// Slices whose size field is not that of the rest of the packet, outside groups and in a group.
#[test]
fn slice_sizes_that_do_not_match_are_accepted() {
    // The size field is at 8 of the slice header, which follows the AV header and the group header.
    for (resend, size_at) in [(None, 16), (Some(ResendConfig::OBSERVED), 24)] {
        accept_slice_sizes(resend, size_at);
    }
}

fn accept_slice_sizes(resend: Option<ResendConfig>, size_at: usize) {
    let mut config = SlicerConfig::new(Dialect::TRANSCODE.media);
    config.resend = resend;
    let mut slicer = Slicer::new(config).unwrap();
    // A frame of one slice, with 16 bytes of frame info.
    let mut packet = |number: u8| {
        let mut slices = slicer
            .slice(MediaKind::Key, frame_info(), vec![number; 100].into())
            .unwrap();
        let mut packet = Vec::new();
        assert!(slicer.write_next(&mut slices, LinkClock::default(), &mut packet));
        assert_eq!(packet[size_at..size_at + 2], [116, 0]);
        packet
    };
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    // 0, larger, without the frame info (which is as usual), and bytes after the slice.
    let mut packets = [packet(1), packet(2), packet(3), packet(4)];
    packets[0][size_at] = 0;
    packets[1][size_at + 1] = 1;
    packets[2][size_at] = 100;
    packets[3].extend([0x5a; 20]);
    for packet in &packets {
        script.send_packet(|out| out.extend_from_slice(packet));
    }
    let data: Vec<_> = frames(&script)
        .iter()
        .map(|frame| frame.data.to_vec())
        .collect();
    let expected: Vec<_> = (1..=4).map(|number| vec![number; 100]).collect();
    assert_eq!(data, expected);
    assert!(frames(&script).iter().all(|frame| frame.info.is_some()));
    assert_tolerated(&script, &[(Deviation::SliceSize, 3)]);
}

/// Login answers without the random bytes, or with another status.
#[test]
fn unusual_login_answers_are_accepted() {
    for dialect in &Dialect::ALL {
        for (nonce, status, expected) in [
            (Some(Nonce([0; 4])), 0x10, vec![Deviation::LoginNonce]),
            (None, 0, vec![Deviation::LoginStatus]),
            (
                Some(Nonce([9; 4])),
                1,
                vec![Deviation::LoginNonce, Deviation::LoginStatus],
            ),
        ] {
            let mut script = CameraScript::new(dialect);
            script.connect();
            let login = LoginPacket::parse(&script.packets[0].1).unwrap();
            let mut answer = LoginAnswer::accept(&script.packets[0].1).unwrap();
            answer.nonce = nonce.unwrap_or(login.nonce);
            answer.status = LoginStatus(status);
            script.send_packet(|out| out.extend_from_slice(&answer.to_bytes()));
            script.send_challenge(ChallengeStatus::Enr);
            script.send_result(&ConnectResult::accept(None, None));
            assert_eq!(script.peer.status(), Status::In(Phase::Stream), "{dialect}");
            let tolerated = script.peer.stats().tolerated;
            let tolerated: Vec<_> = tolerated.iter().map(|(deviation, _)| deviation).collect();
            assert_eq!(tolerated, expected, "{dialect}");
        }
    }
}

/// Commands that are never answered.
#[test]
fn unanswered_commands_are_complete_when_they_are_acknowledged() {
    for acknowledged in [true, false] {
        let mut script = CameraScript::new(&Dialect::TRANSCODE);
        script.authenticate();
        script.take_packets();
        let request = Request {
            code: 11004,
            payload: vec![3],
        };
        script.with(|client, now| client.command(now, request));
        let sent = script.take_packets();
        let index = IoctlRequest::parse(&sent[0]).unwrap().index;
        if acknowledged {
            let (stamp, id) = (script.stamp(), index);
            script.send_packet(|out| IoctlAck { stamp, id }.write(out));
        } else {
            script.advance(MS(1000));
        }
        let answers = script.events.iter().filter_map(|event| match event {
            Event::Answer(answer) => Some((answer.code, answer.payload.len())),
            Event::Unanswered { .. } => panic!("{event:?}"),
            _ => None,
        });
        assert_eq!(answers.collect::<Vec<_>>(), [(11005, 0)]);
        script.advance(MS(3000));
        let again = script.take_packets();
        assert!(again.iter().all(|packet| packet[0] == 0x09), "sent once");
        assert_tolerated(&script, &[]);
    }
}

/// The client's ClientHello offers what the proven one offers (docs/dtls.md).
#[test]
fn a_camera_that_supports_only_p_256_is_connected() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.answer_discovery();
        script.accept_handshake_with(|config| config.with_groups(&[Group::Secp256r1]));
        script.grant_session();
        assert_eq!(script.peer.status(), Status::In(Phase::Login), "{dialect}");
    }
}

/// No answer to the client's keepalives, and no keepalive from the camera.
#[test]
fn keepalives_are_not_needed() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    let mut slicer = Slicer::new(SlicerConfig::new(Dialect::TRANSCODE.media)).unwrap();
    for second in 0..60 {
        let mut slices = slicer
            .slice(MediaKind::Key, frame_info(), vec![second; 100].into())
            .unwrap();
        let mut packet = Vec::new();
        slicer.write_next(&mut slices, LinkClock::default(), &mut packet);
        script.send_packet(|out| out.extend_from_slice(&packet));
        script.advance(MS(1000));
    }
    assert_eq!(frames(&script).len(), 60);
    assert!(!script.has_ended());
    assert_tolerated(&script, &[]);
}

/// Audio and video that share one count of frame numbers.
#[test]
fn shared_frame_numbers_cause_neither_delay_nor_loss() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    let mut slicer = Slicer::new(SlicerConfig::new(Dialect::TRANSCODE.media)).unwrap();
    let kinds = [
        MediaKind::Key,
        MediaKind::Audio,
        MediaKind::Audio,
        MediaKind::Delta,
    ];
    let mut sent = 0;
    for number in 0..200_u32 {
        let kind = kinds[number as usize % 4];
        let len = if kind == MediaKind::Audio { 160 } else { 3000 };
        let mut slices = slicer
            .slice(kind, frame_info(), vec![7; len].into())
            .unwrap();
        let mut packet = Vec::new();
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            let header = packet.len() - slice_body(&packet).len();
            packet[header + 12..header + 16].copy_from_slice(&number.to_le_bytes());
            packet[header + 16..header + 20].copy_from_slice(&(number + 1).to_le_bytes());
            script.send_packet(|out| out.extend_from_slice(&packet));
            packet.clear();
        }
        sent += 1;
        assert_eq!(frames(&script).len(), sent, "frame {number}");
    }
    let lost = |event: &Event| matches!(event, Event::Lost(_));
    assert!(!script.events.iter().any(lost));
    assert!(count(&script, Deviation::SharedNumbers) > 50);
}

fn slice_body(packet: &[u8]) -> &[u8] {
    AvPacket::parse(packet, Dialect::TRANSCODE.media)
        .unwrap()
        .body
}
