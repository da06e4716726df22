//! The simulated camera against correct and incorrect clients.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::script::{ClientScript, REQUESTED};
use testkit::session::{clip, credentials};
use tutk_session::Dialect;
use tutk_session::av_login::LoginAnswer;
use tutk_session::hl_ioctl::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use tutk_session::hl_ioctl::{Command as _, HlMessage, Request, challenge_response};
use tutk_session::tutk_frame::{AvHeader, AvKind, SessionId, Slice};
use tutk_simulator::{ClientId, LeaveReason, SimulatorConfig, SimulatorEvent};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn script(dialect: &'static Dialect) -> ClientScript {
    ClientScript::new(
        dialect,
        SimulatorConfig::new(credentials(), clip(1, 20, 10)),
    )
}

fn hl(request: Request) -> Vec<u8> {
    request.to_hl().unwrap()
}

fn k10000() -> Vec<u8> {
    hl(Request {
        code: ConnectRequest::CODE,
        payload: Vec::new(),
    })
}

/// Requests the challenge and returns the response to it.
fn k10002(script: &mut ClientScript) -> ConnectAuth {
    script.send_ioctl(0, &k10000());
    let sent = script.take_hl();
    let message = HlMessage::parse(&sent[0]).unwrap();
    let Challenge { status, challenge } = ConnectRequest::answer_from_message(&message).unwrap();
    let enr = &credentials().enr;
    ConnectAuth {
        response: challenge_response(script.dialect.challenge, status, challenge, enr).unwrap(),
        id: [0; 4],
        video: true,
        audio: false,
    }
}

fn result(script: &mut ClientScript) -> Option<ConnectResult> {
    let sent = script.take_hl();
    let message = HlMessage::parse(sent.first()?).unwrap();
    Some(ConnectAuth::answer_from_message(&message).unwrap())
}

fn reason(script: &ClientScript) -> Option<&LeaveReason> {
    script.events.iter().find_map(|event| match event {
        SimulatorEvent::Left { reason, .. } => Some(reason),
        _ => None,
    })
}

#[test]
fn correct_login_and_response_start_the_stream() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.log_in();
        let answer = LoginAnswer::parse(&script.packets[0].1).unwrap();
        assert!(answer.status.is_success(), "{dialect}");
        let auth = k10002(&mut script);
        script.send_heartbeat(2);
        script.send_ioctl(1, &hl((&auth).into()));
        assert!(result(&mut script).unwrap().is_success(), "{dialect}");
        script.advance(MS(100));
        assert!(!script.packets.is_empty(), "{dialect}: no media");
    }
}

#[test]
fn wrong_password_is_refused() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.connect();
        script.log_in_with(b"wrong");
        let answer = LoginAnswer::parse(&script.packets[0].1).unwrap();
        assert!(!answer.status.is_success(), "{dialect}");
        assert_eq!(reason(&script), Some(&LeaveReason::Refused), "{dialect}");
        assert!(script.closed, "{dialect}: close_notify");
        assert_eq!(script.peer.clients().count(), 0);
    }
}

#[test]
fn wrong_response_is_refused() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.log_in();
        let mut auth = k10002(&mut script);
        auth.response[0] ^= 1;
        script.send_heartbeat(2);
        script.send_ioctl(1, &hl((&auth).into()));
        assert!(!result(&mut script).unwrap().is_success(), "{dialect}");
        assert_eq!(reason(&script), Some(&LeaveReason::Refused), "{dialect}");
        assert!(script.closed, "{dialect}");
    }
}

/// The index of K10002 and the heartbeat before it: docs/protocol.md, sections 13 and 14.
#[test]
fn k10002_needs_its_index_and_an_acknowledgement() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.log_in();
        let auth = hl((&k10002(&mut script)).into());
        script.send_ioctl(1, &auth);
        assert!(result(&mut script).is_none(), "{dialect}: not acknowledged");
        script.send_heartbeat(1);
        script.send_ioctl(1, &auth);
        let count_1_suffices = *dialect != Dialect::SUMMARY;
        assert_eq!(
            result(&mut script).is_some(),
            count_1_suffices,
            "{dialect}: count 1"
        );
        script.send_heartbeat(2);
        script.send_ioctl(0, &auth);
        assert!(result(&mut script).is_none(), "{dialect}: index 0");
        script.send_ioctl(1, &auth);
        assert!(result(&mut script).unwrap().is_success(), "{dialect}");
    }
}

#[test]
fn commands_before_the_login_are_ignored() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.connect();
        script.send_ioctl(0, &k10000());
        script.send_heartbeat(2);
        script.advance(MS(500));
        assert!(script.packets.is_empty(), "{dialect}");
    }
}

#[test]
fn sends_probes_and_keepalives_every_second() {
    for dialect in &Dialect::ALL {
        let mut script = script(dialect);
        script.log_in();
        script.packets.clear();
        script.datagrams.clear();
        script.advance(MS(3500));
        let times: Vec<_> = script
            .packets
            .iter()
            .map(|(at, _)| at.as_millis())
            .collect();
        let outside = script.control_datagrams();
        let outside: Vec<_> = outside.iter().map(|sent| sent.at.as_millis()).collect();
        if *dialect == Dialect::SUMMARY {
            assert!(times.is_empty() && outside.is_empty());
            continue;
        }
        assert_eq!(times, [1000, 2000, 3000]);
        assert_eq!(outside, [1000, 2000, 3000]);
        for (_, packet) in &script.packets {
            assert_eq!((packet.len(), &packet[..2]), (16, &[0x0a, 8][..]));
        }
        for sent in script.control_datagrams() {
            if *dialect == Dialect::CC51 {
                continue;
            }
            let head = [4, 2, 0x1a, 0x0a, 8, 0, 0, 0, 0x28, 4, 0x12, 0];
            assert_eq!((sent.bytes.len(), &sent.bytes[..12]), (24, &head[..]));
            assert_eq!(sent.bytes[16..], REQUESTED.0);
        }
    }
}

/// The flags of media packets: docs/protocol.md, section 15.
#[test]
fn media_packets_have_the_flags_of_their_slices() {
    let mut script = script(&Dialect::TRANSCODE);
    script.log_in();
    let auth = k10002(&mut script);
    script.send_heartbeat(1);
    script.send_ioctl(1, &hl((&auth).into()));
    script.advance(MS(900));
    let mut counters = Vec::new();
    let mut kinds = Vec::new();
    for (_, packet) in &script.packets {
        let (header, rest) = AvHeader::parse(packet).unwrap();
        let AvKind::Media(kind) = header.kind(Dialect::TRANSCODE.media) else {
            continue;
        };
        assert_eq!(packet[2..4], [0x0b, 0], "the version of media");
        let body = if packet[1] & 8 == 0 { rest } else { &rest[8..] };
        let slice = Slice::parse_body(body).unwrap();
        let (first, last) = (body[6..8] == [0, 0] && body[1] == 0, body[1] == 1);
        let only = last && body[4..6] == [1, 0];
        let flags = match (first, last) {
            _ if only => 0x01,
            (true, _) => 0x08,
            (_, true) => 0x05,
            _ => 0x00,
        };
        assert_eq!(packet[1], flags, "{header:?}");
        counters.push(slice.header.counter);
        kinds.push(kind);
    }
    let expected: Vec<u16> = (0..).take(counters.len()).collect();
    assert_eq!(counters, expected, "one counter for all slices");
    kinds.dedup();
    assert_eq!(kinds.len(), 4, "key, delta, key, delta: {kinds:?}");
}

/// Session requests with forged source addresses must not displace a client in the handshake.
#[test]
fn session_requests_do_not_evict_a_client_in_the_handshake() {
    for dialect in &Dialect::ALL {
        let mut config = SimulatorConfig::new(credentials(), clip(1, 20, 10));
        config.personality.max_clients = 3;
        let mut script = ClientScript::new(dialect, config);
        script.send_hello();
        for number in 0..50_u8 {
            script.advance(MS(1));
            script.request_session(SessionId([number; 8]));
        }
        assert_eq!(script.peer.clients().count(), 3, "{dialect}");
        let session = script.session;
        let ours = |client: ClientId| client.session == session;
        assert!(script.peer.clients().any(ours), "{dialect}");
    }
}

#[test]
fn state_machines_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<tutk_session::Client>();
    check::<tutk_session::Discoverer>();
    check::<tutk_session::Supervisor>();
    check::<tutk_simulator::Simulator>();
}
