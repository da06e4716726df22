//! The deviations of a simulated camera, packet by packet.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::net::SocketAddr;
use std::time::Duration;

use hl_ioctl::commands::{Challenge, ConnectAuth, ConnectRequest, GetVideoParameters, PanTiltHome};
use hl_ioctl::{Command as _, HlMessage, Request, challenge_response};
use testkit::session::datagram::keepalive;
use testkit::session::script::{ClientScript, REQUESTED};
use testkit::session::{MAC, client_address, clip, clip_audio, credentials};
use tutk_frame::{
    AvHeader, AvKind, AvPacket, Direction, DiscoveryLayout, DiscoveryRequest, IoctlAck,
    IoctlMessage, IotcHeader, SessionId, SliceHeader, Stage,
};
use tutk_session::av_login::LoginAnswer;
use tutk_session::{Dialect, FrameInfo};
use tutk_simulator::{
    ExtendedMasterSecret, Personality, Ports, SimulatorConfig, SimulatorEvent, SliceSizes,
    SuiteMismatch,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn script(personality: Personality) -> ClientScript {
    let mut config = SimulatorConfig::new(credentials(), clip(1, 20, 10));
    config.audio = Some(clip_audio(1, 17));
    config.personality = personality;
    ClientScript::new(&Dialect::TRANSCODE, config)
}

fn connect_request(payload: &[u8]) -> Vec<u8> {
    let request = Request {
        code: ConnectRequest::CODE,
        payload: payload.to_vec(),
    };
    request.to_hl().unwrap()
}

/// Returns the HL message of a packet, which begins at `at`.
fn hl(packet: &[u8], at: usize) -> HlMessage<'_> {
    HlMessage::parse(&packet[at..]).unwrap()
}

/// Logs in, answers the challenge, and returns the packets from then on.
fn stream(personality: Personality, at: usize, time: Duration) -> (ClientScript, Vec<Vec<u8>>) {
    let mut script = script(personality);
    script.log_in();
    script.take_packets();
    script.send_ioctl(0, &connect_request(b""));
    let challenge = script.take_packets();
    let challenge = ConnectRequest::answer_from_message(&hl(&challenge[0], at)).unwrap();
    let Challenge { status, challenge } = challenge;
    let rule = script.dialect.challenge;
    let response = challenge_response(rule, status, challenge, &credentials().enr).unwrap();
    let auth = ConnectAuth {
        response,
        id: [0; 4],
        video: true,
        audio: true,
    };
    script.send_heartbeat(2);
    script.send_ioctl(1, &Request::from(&auth).to_hl().unwrap());
    script.advance(time);
    let packets = script.take_packets();
    (script, packets)
}

fn kind(packet: &[u8]) -> AvKind {
    let (header, _) = AvHeader::parse(packet).unwrap();
    header.kind(Dialect::TRANSCODE.media)
}

fn media(packets: &[Vec<u8>]) -> impl Iterator<Item = &Vec<u8>> {
    packets
        .iter()
        .filter(|packet| matches!(kind(packet), AvKind::Media(_)))
}

#[test]
fn hl_messages_come_in_the_configured_packets() {
    for (personality, magic, at) in [
        (Personality::STRICT, [0x00, 0x70], 32),
        (Personality::MESSAGE_IDS, [0x00, 0x70], 32),
        (Personality::GO2RTC_VIEW, [0x0c, 0x00], 40),
        (Personality::CHANNEL_ANSWERS, [0x00, 0x10], 36),
    ] {
        let (_, packets) = stream(personality, at, MS(1));
        assert_eq!(packets[0][..2], magic);
        let result = ConnectAuth::answer_from_message(&hl(&packets[0], at)).unwrap();
        assert!(result.is_success());
    }
}

/// The times of the packets with this HL message, in milliseconds after the first one.
fn times(script: &ClientScript, code: u16) -> Vec<u128> {
    let time = |(at, packet): &(Duration, Vec<u8>)| {
        let message = IoctlMessage::parse(packet).ok()?;
        let code_of = HlMessage::parse(message.hl).ok()?.code;
        (code_of == code).then_some(at.as_millis())
    };
    let times: Vec<_> = script.packets.iter().filter_map(time).collect();
    times.iter().map(|at| at - times[0]).collect()
}

#[test]
fn message_with_an_id_is_repeated_until_it_is_acknowledged() {
    for (acknowledge_after, expected) in [
        (None, &[0, 500, 1000, 1500][..]),
        (Some(MS(600)), &[0, 500]),
    ] {
        let (mut script, _) = stream(Personality::MESSAGE_IDS, 32, MS(1));
        script.send_ioctl(2, &Request::from(&GetVideoParameters).to_hl().unwrap());
        if let Some(time) = acknowledge_after {
            script.advance(time);
            // The answer is the first IOCTL after the challenge and K10003.
            let messages = (script.packets.iter())
                .filter_map(|(_, packet)| IoctlMessage::parse(packet).ok())
                .filter(|message| HlMessage::parse(message.hl).unwrap().code == 10051);
            let ids: Vec<_> = messages.map(|message| message.id).collect();
            assert_eq!(ids, [0x2fa0_2578; 2]);
            let ack = IoctlAck {
                stamp: script.stamp(),
                id: ids[0],
            };
            script.send_packet(|out| ack.write(out));
        }
        script.advance(MS(5_000));
        assert_eq!(times(&script, 10051), expected);
    }
}

#[test]
fn keepalives_of_the_client_are_answered_if_configured() {
    for (personality, answers) in [(Personality::STRICT, 0), (Personality::MESSAGE_IDS, 1)] {
        let mut script = script(personality);
        script.log_in();
        script.datagrams.clear();
        let session = script.session;
        let keepalive = keepalive(&script.dialect, Direction::ToCamera, session, 0);
        script.send_datagram(|out| out.extend_from_slice(&keepalive));
        let sent = script.control_datagrams();
        let head = [4, 2, 0x1a, 0x0a, 8, 0, 0, 0, 0x28, 4, 0x12, 0];
        let is_answer = |bytes: &[u8]| bytes[..12] == head && bytes[16..] == session.0;
        assert_eq!(sent.len(), answers);
        assert!(sent.iter().all(|sent| is_answer(&sent.bytes)));
    }
}

#[test]
fn login_answer_has_the_configured_nonce_and_status() {
    let answer = |personality| {
        let mut script = script(personality);
        script.log_in();
        LoginAnswer::parse(&script.take_packets()[0]).unwrap()
    };
    let strict = answer(Personality::STRICT);
    assert!(strict.status.is_success());
    assert_ne!(strict.nonce.0, [0; 4]);
    let other = answer(Personality::GO2RTC_VIEW);
    assert_eq!((other.status.0, other.nonce.0), (0, [0; 4]));
}

#[test]
fn refused_login_keeps_its_status() {
    let mut script = script(Personality::GO2RTC_VIEW);
    script.connect();
    script.log_in_with(b"wrong");
    let answer = LoginAnswer::parse(&script.take_packets()[0]).unwrap();
    assert_eq!(answer.status.0, 0x11);
}

#[test]
fn size_field_and_end_of_slices_are_as_configured() {
    for (sizes, only_last, difference) in [
        (SliceSizes::Exact, 0, 0),
        (SliceSizes::WithoutInfo, 40, 0),
        (SliceSizes::TooLarge, -40, -40),
        (SliceSizes::Padded, 4, 4),
    ] {
        let mut personality = Personality::STRICT;
        personality.slice_sizes = sizes;
        let (_, packets) = stream(personality, 32, MS(500));
        let mut last = 0;
        for packet in media(&packets) {
            let packet = AvPacket::parse(packet, Dialect::TRANSCODE.media).unwrap();
            let (slice, rest) = SliceHeader::parse(packet.body).unwrap();
            let expected = if slice.is_last() {
                only_last
            } else {
                difference
            };
            let got = i32::try_from(rest.len()).unwrap() - i32::from(slice.size);
            assert_eq!(got, expected, "{sizes:?} {slice:?}");
            last += i32::from(slice.is_last());
        }
        assert!(last > 10, "{sizes:?}");
    }
}

/// The values that a client of another project expects: docs/protocol.md, section 15.
#[test]
fn frame_info_has_mac_viewers_and_resolution() {
    let (_, packets) = stream(Personality::STRICT, 32, MS(500));
    let mut kinds = [0; 2];
    for packet in media(&packets) {
        let packet = AvPacket::parse(packet, Dialect::TRANSCODE.media).unwrap();
        let (slice, rest) = SliceHeader::parse(packet.body).unwrap();
        if !slice.is_last() {
            continue;
        }
        let info = FrameInfo::parse(&rest[rest.len() - 40..]).unwrap();
        let device = info.numbers.unwrap().device.unwrap();
        assert_eq!(
            (device.mac, info.viewers),
            (MAC.as_bytes().try_into().unwrap(), 1)
        );
        if slice.kind.is_video() {
            assert_eq!((info.resolution, info.fps), (1, 20));
        }
        kinds[usize::from(slice.kind.is_video())] += 1;
    }
    assert!(kinds[0] > 10 && kinds[1] > 5, "{kinds:?}");
}

#[test]
fn buffer_reset_precedes_the_first_frame() {
    let (_, packets) = stream(Personality::CHANNEL_ANSWERS, 36, MS(100));
    let kinds: Vec<_> = packets.iter().map(|packet| kind(packet)).collect();
    assert_eq!(kinds[..2], [AvKind::Channel, AvKind::BufferReset]);
    assert!(matches!(kinds[2], AvKind::Media(_)));
}

#[test]
fn unanswered_commands_still_have_an_effect() {
    for (personality, at, answers) in [
        (Personality::STRICT, 32, 1),
        (Personality::CHANNEL_ANSWERS, 36, 0),
    ] {
        let (mut script, _) = stream(personality, at, MS(1));
        let home = Request::from(&PanTiltHome).to_hl().unwrap();
        script.send_ioctl(2, &home);
        let packets = script.take_packets();
        let answered = packets
            .iter()
            .filter(|packet| packet.get(at..at + 2) == Some(b"HL"));
        assert_eq!(answered.count(), answers);
    }
}

/// The bytes that a real HL_BC sent: docs/protocol.md, section 18.
#[test]
fn hl_bc_reports_the_video_settings_of_a_real_one() {
    let (mut script, _) = stream(Personality::HL_BC, 32, MS(1));
    script.send_ioctl(2, &Request::from(&GetVideoParameters).to_hl().unwrap());
    let answers = script.take_hl();
    let answer = HlMessage::parse(&answers[0]).unwrap();
    assert_eq!(answer.code, 10051);
    assert_eq!(answer.payload, [0xf0, 0x00, 0x05, 0x14, 0x01, 0x01]);
}

#[test]
fn hello_with_extended_master_secret_is_not_answered() {
    let mut personality = Personality::STRICT;
    for (ems, answered) in [
        (ExtendedMasterSecret::Ignored, true),
        (ExtendedMasterSecret::Unanswered, false),
    ] {
        personality.extended_master_secret = ems;
        let mut script = script(personality.clone());
        script.request_session(REQUESTED);
        let before = script.datagrams.len();
        script.send_hello();
        // The session request is answered again.
        assert_eq!(script.datagrams.len() > before + 1, answered, "{ems:?}");
    }
}

#[test]
fn hello_without_a_common_suite_is_not_answered() {
    let mut personality = Personality::SUITE_SILENT;
    for (mismatch, answered) in [
        (SuiteMismatch::Alert, true),
        (SuiteMismatch::Unanswered, false),
    ] {
        personality.suite_mismatch = mismatch;
        let mut script = script(personality.clone());
        script.request_session(REQUESTED);
        let before = script.datagrams.len();
        script.send_hello();
        // The session request is answered again.
        assert_eq!(
            script.datagrams.len() > before + 1,
            answered,
            "{mismatch:?}"
        );
    }
}

#[test]
fn camera_of_a_base_station_answers_only_a_wake_up_request() {
    let mut personality = Personality::STRICT;
    personality.needs_wake_up = true;
    let other_mac = br#"{"cameraInfo":{"mac":"112233445566","encFlag":0,"wakeupFlag":1}}"#;
    let wake_up = br#"{"cameraInfo":{"mac":"AABBCCDDEEFF","encFlag":0,"wakeupFlag":1}}"#;
    for (payload, answered) in [
        (&b""[..], false),
        (
            br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#,
            false,
        ),
        (other_mac, false),
        (wake_up, true),
    ] {
        let mut script = script(personality.clone());
        script.log_in();
        script.take_packets();
        script.send_ioctl(0, &connect_request(payload));
        let packets = script.take_packets();
        assert_eq!(!packets.is_empty(), answered, "{payload:?}");
    }
}

#[test]
fn vanished_client_keeps_its_slot_for_five_seconds() {
    let (mut script, _) = stream(Personality::SLOW_SLOT, 32, MS(1));
    let joined = |script: &ClientScript| {
        let joined = |event: &&SimulatorEvent| matches!(event, SimulatorEvent::Joined { .. });
        script.events.iter().filter(joined).count()
    };
    for second in 1..5 {
        script.advance(MS(1000));
        script.request_session(SessionId([second; 8]));
        assert_eq!(joined(&script), 1, "after {second} s");
    }
    script.advance(MS(1100));
    script.request_session(SessionId([9; 8]));
    assert_eq!(joined(&script), 2);
}

#[test]
fn camera_that_answers_nothing_sends_nothing() {
    let mut script = script(Personality::DEAF);
    script.request_session(REQUESTED);
    script.advance(MS(10_000));
    assert!(script.datagrams.is_empty() && script.events.is_empty());
}

#[test]
fn number_of_ports_is_that_of_the_personality() {
    assert_eq!(Ports::One.count(), 1);
    assert_eq!(Personality::MOVING_PORT.ports.count(), 3);
}

/// Sends a discovery request from `from`, as the first packet of a client.
fn discover(script: &mut ClientScript, from: SocketAddr) {
    let request = DiscoveryRequest {
        uid: credentials().uid,
        version: DiscoveryRequest::SDK_VERSION,
        session: REQUESTED,
        stage: Stage::Broadcast,
        auth_key: Some(credentials().auth_key),
    };
    let mut datagram = Vec::new();
    request.write(DiscoveryLayout::SessionAt56, &mut datagram);
    script.dialect.scramble(&mut datagram);
    script.send_raw(from, &datagram);
}

/// The commands of the camera's datagrams since the last call.
fn commands(script: &mut ClientScript) -> Vec<u16> {
    let sent = std::mem::take(&mut script.datagrams).into_iter();
    let header = |bytes: &[u8]| IotcHeader::parse(bytes).unwrap().0;
    sent.map(|sent| header(&sent.bytes).command).collect()
}

#[test]
fn early_session_request_is_granted_dropped_or_refused() {
    for (personality, early, in_turn) in [
        (Personality::STRICT, &[0x0602, 0x0404][..], &[0x0404][..]),
        (Personality::EARLY_DROPPED, &[0x0602], &[0x0404]),
        (Personality::EARLY_REFUSED, &[0x0602], &[]),
    ] {
        let mut script = script(personality);
        discover(&mut script, client_address());
        script.request_session(REQUESTED);
        script.advance(MS(0));
        assert_eq!(commands(&mut script), early);
        script.request_session(REQUESTED);
        assert_eq!(commands(&mut script), in_turn);
        script.request_session(SessionId(*b"a second"));
        assert_eq!(commands(&mut script), [0x0404]);
    }
}

#[test]
fn deferred_input_is_bounded() {
    let mut script = script(Personality::EARLY_REFUSED);
    for port in 1..1000 {
        discover(&mut script, SocketAddr::new(client_address().ip(), port));
    }
    script.advance(MS(0));
    assert_eq!(commands(&mut script), [0x0602; 64]);
}
