//! The client's packets in each phase, byte by byte (docs/protocol.md).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::bytes::{hl, ioctl, table, times};
use testkit::session::datagram::{iotc_dialects, records};
use testkit::session::script::{CHALLENGE, CameraScript, Sent};
use testkit::session::{ENR, UID, UNIX, camera_address, credentials};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::hl_ioctl::commands::ConnectResult;
use tutk_session::hl_ioctl::{ChallengeStatus, challenge_response};
use tutk_session::tutk_frame::{AvKind, BufferReset, Close, Heartbeat};
use tutk_session::{Dialect, Error, Event, Phase, Status};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// The times of datagrams in milliseconds.
fn sent_at(datagrams: &[Sent]) -> Vec<u128> {
    datagrams.iter().map(|sent| sent.at.as_millis()).collect()
}

fn discovery_request(dialect: &Dialect, session: &[u8], stage: u8, auth_key: &[u8]) -> Vec<u8> {
    // The offsets of version, session id, stage and AuthKey.
    let [version, id, stage_at, key] = match &*dialect.name {
        "summary" => [48, 52, 60, 72],
        _ => [52, 56, 64, 74],
    };
    table(
        88,
        &[
            (0, &[4, 2, 0x1a, 2, 72, 0, 0, 0, 1, 6, 0x21, 0]),
            (16, UID.as_bytes()),
            (version, &[1, 1, 2, 4]),
            (id, session),
            (stage_at, &[stage]),
            (key, auth_key),
        ],
    )
}

#[test]
fn discovery_requests_repeat_every_100_ms() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.advance(MS(450));
        let auth_key = credentials().auth_key.0;
        let expected = discovery_request(dialect, &script.session.0, 1, &auth_key);
        assert_eq!(
            sent_at(&script.datagrams),
            [0, 100, 200, 300, 400],
            "{dialect}"
        );
        for sent in &script.datagrams {
            assert_eq!(sent.bytes, expected, "{dialect}");
            assert_eq!(sent.to, camera_address());
        }
        assert_eq!(script.peer.status(), Status::In(Phase::Discovery));
        assert_eq!(script.peer.dialect(), None);
    }
}

#[test]
fn stage_2_and_session_request_follow_the_discovery_answer() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.advance(MS(1234));
        script.datagrams.drain(1..);
        script.answer_discovery();
        script.advance(MS(250));

        let session = script.session.0;
        // `transcode` sends the AuthKey in stage 1 only.
        let auth_key = match &*dialect.name {
            "summary" => credentials().auth_key.0,
            _ => [0; 8],
        };
        let stage_2 = discovery_request(dialect, &session, 2, &auth_key);
        let mut request = table(
            52,
            &[
                (0, &[4, 2, 0x1a, 2, 36, 0, 0, 0, 2, 4, 0x33]),
                (16, UID.as_bytes()),
                (36, &session),
            ],
        );
        let last = match &*dialect.name {
            "summary" => crc32(&request[..48]),
            _ => UNIX + 1,
        };
        request[48..].copy_from_slice(&last.to_le_bytes());

        let sent = &script.datagrams[1..];
        assert_eq!(
            sent_at(sent),
            [1234, 1234, 1334, 1334, 1434, 1434],
            "{dialect}"
        );
        for pair in sent.chunks(2) {
            assert_eq!(pair[0].bytes, stage_2, "{dialect}");
            assert_eq!(pair[1].bytes, request, "{dialect}");
        }
        assert_eq!(script.peer.dialect().map(|of| &**of), Some(dialect));
        assert_eq!(script.peer.status(), Status::In(Phase::Session));
    }
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn crc32_matches_its_check_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn dtls_records_are_in_the_wrapper_of_the_dialect() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.connect();
        let session = script.session.0;
        let data: Vec<_> = script
            .datagrams
            .iter()
            .map(|sent| &sent.bytes)
            .filter(|bytes| records(dialect, bytes).is_some())
            .collect();
        // ClientHello, the second flight, and both logins at least.
        assert!(data.len() >= 4, "{dialect}: {}", data.len());
        for (sequence, bytes) in data.iter().enumerate() {
            let sequence = u8::try_from(sequence).unwrap();
            let after = u16::try_from(bytes.len() - 16).unwrap().to_le_bytes();
            let (command, len) = match &*dialect.name {
                "summary" => ([0x04, 0x07], 30),
                _ => ([0x07, 0x04], 28),
            };
            let mut header = table(
                len,
                &[
                    (0, &[4, 2, 0x1a, 0x0b, after[0], after[1], sequence, 0]),
                    (
                        8,
                        &[command[0], command[1], 0x21, 0, session[0], session[1]],
                    ),
                    (16, &[0x0c, 0]),
                    (len - 8, &session),
                ],
            );
            // `summary` has u16 flags 1, `transcode` has channel 0 and then 1.
            let one = if *dialect == Dialect::SUMMARY { 14 } else { 15 };
            header[one] = 1;
            assert_eq!(bytes[..len], header, "{dialect} {sequence}");
            let record = &bytes[len..];
            assert!([20, 21, 22, 23].contains(&record[0]), "{dialect}");
            assert_eq!(record[1..3], [0xfe, 0xfd], "{dialect}: DTLS 1.2");
        }
        assert_eq!(
            data[0][if *dialect == Dialect::SUMMARY { 30 } else { 28 }],
            0x16
        );
    }
}

#[test]
fn logins_repeat_after_growing_intervals_until_answered() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.connect();
        script.advance(MS(2500));
        let nonce = <[u8; 4]>::try_from(&script.packets[0].1[20..24]).unwrap();
        let (version, second_len, second) = match &*dialect.name {
            "summary" => (
                0x0b,
                570,
                u32::from_le_bytes(nonce).wrapping_add(1).to_le_bytes(),
            ),
            _ => {
                let [first, rest @ ..] = nonce;
                let [a, b, c] = rest;
                (0x0c, 572, [first.wrapping_add(1), a, b, c])
            }
        };
        let body = |len: usize, nonce: &[u8], head: [u8; 4], flag: u8| {
            let size = u16::try_from(len - 24).unwrap().to_le_bytes();
            let mut bytes = table(
                len,
                &[
                    (0, &head),
                    (16, &size),
                    (18, &[flag]),
                    (20, nonce),
                    (24, b"admin"),
                ],
            );
            let sdk = 0x001f_07fb_u32.to_le_bytes();
            let fields: &[(usize, &[u8])] = match &*dialect.name {
                "summary" => &[
                    (280, b"888888"),
                    (546, &[1]),
                    (550, &[4]),
                    (554, &sdk),
                    (566, &[3]),
                ],
                _ => &[(280, ENR.as_bytes()), (540, &[4]), (552, &sdk)],
            };
            for (at, piece) in fields {
                bytes[*at..at + piece.len()].copy_from_slice(piece);
            }
            bytes
        };
        let expected = [
            body(570, &nonce, [0, 0, version, 0], 1),
            body(second_len, &second, [0, 0x20, version, 0], 0),
        ];
        let times: Vec<_> = script
            .packets
            .iter()
            .map(|(at, _)| at.as_millis())
            .collect();
        let expected_times = [0, 0, 200, 200, 600, 600, 1400, 1400, 2400, 2400];
        assert_eq!(times, expected_times, "{dialect}");
        for (at, (_, packet)) in script.packets.iter().enumerate() {
            assert_eq!(*packet, expected[at % 2], "{dialect} {at}");
        }
        script.answer_login(LoginStatus::SUCCESS);
        script.take_packets();
        script.advance(MS(3000));
        assert!(login_times(&script).is_empty(), "{dialect}");
    }
}

fn login_times(script: &CameraScript) -> Vec<u128> {
    [times(script, AvKind::Login1), times(script, AvKind::Login2)].concat()
}

#[test]
fn summary_authentication_packets() {
    let mut script = CameraScript::new(&Dialect::SUMMARY);
    script.log_in();
    let sent = script.take_packets();
    assert_eq!(sent.len(), 3, "two logins and K10000");
    assert_eq!(sent[2], ioctl(0x0b, 0, 0, &hl(10000, b"")));

    script.advance(MS(40));
    script.send_challenge(ChallengeStatus::Enr);
    let sent = script.take_packets();
    assert_eq!(sent.len(), 2);
    let clock = 40_u16.to_le_bytes();
    let acknowledgement = table(
        24,
        &[
            (0, &[9, 0, 0x0b, 0, 1]),
            (8, &[0xff; 4]),
            (12, &[2]),
            (20, &clock),
        ],
    );
    assert_eq!(sent[0], acknowledgement);
    let response = challenge_response(
        Dialect::SUMMARY.challenge,
        ChallengeStatus::Enr,
        CHALLENGE,
        &credentials().enr,
    )
    .unwrap();
    let mut auth = response.to_vec();
    auth.extend_from_slice(&UID.as_bytes()[..4]);
    auth.extend_from_slice(&[1, 1]);
    assert_eq!(sent[1], ioctl(0x0b, 2, 1, &hl(10002, &auth)));
}

#[test]
fn transcode_authentication_packets() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.log_in();
    let sent = script.take_packets();
    let first = table(
        24,
        &[
            (0, &[9, 0, 0x0c, 0, 0]),
            (8, &[0xff; 4]),
            (12, &[1]),
            (18, &[1]),
        ],
    );
    assert_eq!(sent[2], first, "heartbeat");
    let payload = br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#;
    assert_eq!(sent[3], ioctl(0x0c, 1, 0, &hl(10000, payload)));
    assert_eq!(sent.len(), 4);

    script.send_challenge(ChallengeStatus::Enr);
    let sent = script.take_packets();
    let beat = Heartbeat::parse(&sent[0]).unwrap();
    assert_eq!(
        (beat.commands, beat.heartbeats, beat.stamp.counter),
        (2, 2, 2)
    );
    let response = challenge_response(
        Dialect::TRANSCODE.challenge,
        ChallengeStatus::Enr,
        CHALLENGE,
        &credentials().enr,
    )
    .unwrap();
    let mut auth = response.to_vec();
    // Four random bytes.
    auth.extend_from_slice(&sent[1][72..76]);
    assert_ne!(auth[16..], UID.as_bytes()[..4]);
    auth.extend_from_slice(&[1, 1]);
    assert_eq!(sent[1], ioctl(0x0c, 3, 1, &hl(10002, &auth)));
    assert_eq!(sent.len(), 2);
}

#[test]
fn the_first_repetition_waits_for_three_round_trips() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.advance(MS(90));
        script.answer_discovery();
        // The first hello is lost.
        script.grant_session();
        script.accept_handshake();
        script.advance(MS(1500));
        let times: Vec<_> = (script.packets.iter())
            .map(|(at, _)| at.as_millis() - 390)
            .collect();
        assert_eq!(times, [0, 0, 270, 270, 810, 810], "{dialect}");
    }
}

#[test]
fn authentication_requests_repeat_with_the_same_index() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.log_in();
        script.advance(MS(2500));
        assert_eq!(
            times(&script, AvKind::Grouped),
            [0, 200, 600, 1400, 2400],
            "{dialect}: K10000"
        );
        for (_, packet) in script
            .packets
            .iter()
            .filter(|(_, packet)| packet[0] == 0x0c)
        {
            assert_eq!((packet[18], packet[28]), (0, 0), "{dialect}");
            assert_eq!(packet[44..46], 10000_u16.to_le_bytes(), "{dialect}");
        }
        script.send_challenge(ChallengeStatus::Enr);
        script.take_packets();
        // A duplicate challenge does not cause a repetition.
        script.send_challenge(ChallengeStatus::Enr);
        script.advance(MS(2000));
        assert_eq!(
            times(&script, AvKind::Grouped),
            [2700, 3100, 3900],
            "{dialect}: K10002"
        );
        for (_, packet) in script
            .packets
            .iter()
            .filter(|(_, packet)| packet[0] == 0x0c)
        {
            assert_eq!((packet[18], packet[28]), (1, 1), "{dialect}");
            assert_eq!(packet[44..46], 10002_u16.to_le_bytes(), "{dialect}");
        }
        script.send_result(&ConnectResult::accept(None, None));
        script.take_packets();
        script.advance(MS(3000));
        assert!(times(&script, AvKind::Grouped).is_empty(), "{dialect}");
        assert_eq!(script.peer.status(), Status::In(Phase::Stream));
    }
}

#[test]
fn packets_before_the_login_answer_are_dropped() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.connect();
        script.take_packets();
        script.send_challenge(ChallengeStatus::Enr);
        script.send_result(&ConnectResult::accept(None, None));
        let stamp = script.stamp();
        script.send_packet(|out| {
            BufferReset {
                ack: false,
                stamp,
                id: 0,
                data: [0; 12],
            }
            .write(out);
        });
        script.advance(MS(150));
        assert!(script.packets.is_empty(), "{dialect}");
        assert_eq!(script.peer.status(), Status::In(Phase::Login));
        assert_eq!(script.peer.stats().unknown, 3);
    }
}

#[test]
fn phases_are_reported_in_order_with_their_durations() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.advance(MS(10));
        script.answer_discovery();
        script.advance(MS(20));
        script.answer_session();
        script.advance(MS(30));
        script.answer_login(LoginStatus::SUCCESS);
        script.advance(MS(40));
        script.send_challenge(ChallengeStatus::Enr);
        script.send_result(&ConnectResult::accept(None, None));
        let reports: Vec<_> = script
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Phase(report) => Some((report.phase, report.took)),
                _ => None,
            })
            .collect();
        let expected = [
            (Phase::Discovery, MS(10)),
            (Phase::Session, MS(20)),
            (Phase::Dtls, MS(0)),
            (Phase::Login, MS(30)),
            (Phase::Authentication, MS(40)),
        ];
        assert_eq!(reports, expected, "{dialect}");
        // Without a frame the last phase times out.
        script.advance(Duration::from_secs(10));
        let waited = Duration::from_secs(10);
        let phase = Phase::Stream;
        assert_eq!(
            *script.error(),
            Error::Silent { phase, waited },
            "{dialect}"
        );
    }
}

#[test]
fn close_sends_video_off_and_close_notify() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.take_packets();
        let before = script.datagrams.len();
        script.with(|client, now| client.close(now));
        let sent = script.take_packets();
        assert_eq!(sent.len(), 1, "{dialect}");
        assert_eq!(sent[0][40..], hl(10010, &[1, 2]), "{dialect}: video off");
        let close = Close {
            session: script.session,
        };
        let mut expected = Vec::new();
        close.write(&mut expected);
        let times = if dialect == &Dialect::TRANSCODE { 3 } else { 0 };
        let after = before + 2 + times;
        assert_eq!(script.datagrams.len(), after, "{dialect}: close_notify");
        for sent in &script.datagrams[before + 2..] {
            assert_eq!(sent.bytes, expected, "{dialect}: 0x0417");
        }
        assert!(matches!(script.events.last(), Some(Event::Ended(Ok(())))));
        // After the end there is no output and no timeout.
        script.peer.close(script.now);
        script.peer.handle_timeout(script.deadline);
        script.settle();
        assert_eq!(script.datagrams.len(), after);
        assert!(script.deadline > script.now + Duration::from_secs(60));
    }
}
