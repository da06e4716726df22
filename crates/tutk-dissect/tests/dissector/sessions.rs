//! Whole sessions of each dialect.

use std::collections::BTreeSet;
use std::time::Duration;

use av_login::{AuthType, Capabilities, LoginLayout, LoginPacket, Nonce, Part, Password, User};
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::{ENR, credentials};
use tutk_dissect::capture::{CaptureReader, Captured, LinkType};
use tutk_dissect::{Behaviour, Direction, Dissector, Exporter, Keys, Packet, Value};
use tutk_session::hl_ioctl::commands::UserId;
use tutk_session::{
    AudioFlags, ClientConfig, Codec, Dialect, Event, Phase, ResendPolicy, TalkEvent, TalkFrame,
};

use crate::captures::{Capture, capture, check_bytes, dissect, finish, simulation};
use crate::sealed::Sealed;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn delay(net: NetemConfig) -> NetemConfig {
    net.latency(MS(2))
}

fn lossy(net: NetemConfig) -> NetemConfig {
    let loss = RandomLoss::new(Probability::new(0.05));
    net.latency(MS(2))
        .jitter(MS(4))
        .loss(loss)
        .duplicate(Probability::new(0.02))
}

fn summaries(packets: &[Packet]) -> Vec<&str> {
    packets
        .iter()
        .map(|packet| packet.summary.as_str())
        .collect()
}

#[test]
fn every_phase_and_frame_of_each_dialect_is_found() {
    for dialect in &Dialect::ALL {
        let capture = capture(dialect, 3, |_, _| {}, delay);
        let dissected = capture.dissect();
        check_bytes(&dissected.packets);
        let [session] = dissected.dissector.sessions() else {
            panic!("{dialect}: {:?}", dissected.dissector.sessions());
        };
        let phases: Vec<_> = session.phases.iter().map(|end| end.phase).collect();
        assert_eq!(phases, Phase::ALL.map(Phase::name), "{dialect}");
        assert_eq!(session.dialect.as_deref(), Some(dialect));
        assert_eq!(
            (session.encrypted, &session.notes.len()),
            (0, &0),
            "{session:?}"
        );
        assert!(session.decrypted > 0);
        assert_eq!(session.camera, testkit::session::camera_address());
        assert_eq!(session.client, testkit::session::client_address());

        // The client's frames, and at most those that were in flight at the end.
        for stream in [true, false] {
            let is = |kind: tutk_session::MediaKind| kind.is_video() == stream;
            let found: Vec<_> = (dissected.frames.iter())
                .filter(|frame| is(frame.frame.kind))
                .map(|frame| &frame.frame.data)
                .collect();
            let expected: Vec<_> = (capture.record.frames.iter())
                .filter(|frame| is(frame.kind))
                .map(|frame| &frame.data)
                .collect();
            assert!(
                expected.len() > 20 && found.len() <= expected.len() + 2,
                "{dialect}"
            );
            assert_eq!(found[..expected.len()], expected, "{dialect}");
        }

        let all = summaries(&dissected.packets).join("\n");
        for part in [
            "ClientHello",
            "ServerHello",
            "ClientKeyExchange: identity AUTHPWD_admin",
            "Finished",
            "login, authentication type at",
            "login answer: accepted",
            "K10000 connect request",
            "K10001 challenge",
            "K10002 response",
            "K10003 connect result",
            "key frame 1,",
            "audio frame 1,",
            "heartbeat",
        ] {
            assert!(all.contains(part), "{dialect}: no {part} in\n{all}");
        }
        for part in ["unknown", "undecoded", "("] {
            assert!(!all.contains(part), "{dialect}: {part} in {all}");
        }
        for packet in &dissected.packets {
            let to_camera = packet.destination == testkit::session::camera_address();
            let expected = match to_camera {
                true => Direction::ToCamera,
                false => Direction::FromCamera,
            };
            assert_eq!(packet.direction, Some(expected), "{packet:?}");
            assert_eq!(packet.session, Some(1));
        }
    }
}

#[test]
fn lossy_session_in_resend_mode_yields_the_frames_of_the_client() {
    let configure = |client: &mut ClientConfig, _: &mut _| {
        client.resend = ResendPolicy::On;
    };
    let capture = capture(&Dialect::TRANSCODE, 10, configure, lossy);
    let dissected = capture.dissect();
    check_bytes(&dissected.packets);
    let session = dissected.dissector.sessions().last().unwrap();
    assert!(session.resend);
    // The capture has the datagrams that the network lost as well.
    let video: BTreeSet<_> = (dissected.frames.iter())
        .filter(|frame| frame.frame.kind.is_video())
        .map(|frame| frame.frame.number)
        .collect();
    let expected = capture.record.video();
    assert!(expected.len() > 100);
    for frame in expected {
        assert!(video.contains(&frame.number), "frame {}", frame.number);
    }
    let all = summaries(&dissected.packets).join("\n");
    assert!(all.contains("resent") && all.contains("parity"));
}

#[test]
fn backchannel_is_decrypted_in_both_directions() {
    for dialect in &Dialect::ALL {
        let mut simulation = simulation(dialect, |_, _| {}, delay);
        simulation.run_until(MS(5000), |record| record.frames.len() > 5);
        simulation.client.start_talk(simulation.now);
        simulation.run_until(MS(15_000), |record| {
            let ready = |event: &Event| matches!(event, Event::Talk(TalkEvent::Ready));
            record.other.iter().any(ready)
        });
        for number in 0..10 {
            let sent = simulation.client.send_talk(TalkFrame {
                codec: Codec::Pcma,
                flags: AudioFlags::new(8_000, 16, 1).unwrap(),
                timestamp: MS(20) * number,
                data: &[0x55; 160],
            });
            assert_eq!(sent, Ok(()));
            simulation.run(MS(20));
        }
        let dissected = finish(simulation).dissect();
        check_bytes(&dissected.packets);
        let session = &dissected.dissector.sessions()[0];
        assert_eq!(session.suites.len(), 2, "{session:?}");
        assert_eq!(session.suites[&1], "TLS_PSK_WITH_AES_128_CBC_SHA256");
        assert_eq!(session.encrypted, 0);
        let all = summaries(&dissected.packets).join("\n");
        for part in [
            "K10010 set media",
            "audio frame 1 to the camera",
            "audio frame 10 to the camera",
        ] {
            assert!(all.contains(part), "{dialect}: no {part} in\n{all}");
        }
    }
}

#[test]
fn backchannel_needs_only_the_credentials_and_the_main_channel_the_key_log() {
    let capture = capture(&Dialect::TRANSCODE, 2, |_, _| {}, delay);
    let mut keys = Keys::new();
    keys.add_credentials(&credentials());
    for keys in [Keys::new(), keys] {
        let dissected = dissect(&capture.file, keys);
        let session = &dissected.dissector.sessions()[0];
        let phases: Vec<_> = session.phases.iter().map(|end| end.phase).collect();
        // Encrypted data proves that the handshake succeeded.
        assert_eq!(phases, ["discovery", "session", "dtls"]);
        assert!(session.encrypted > 100 && session.decrypted == 0);
        assert!(dissected.frames.is_empty());
    }
}

/// A session of a model whose main channel has a plain PSK suite.
fn plain_psk(dialect: &'static Dialect) -> (Capture, Keys) {
    let configure = |client: &mut ClientConfig, camera: &mut tutk_simulator::SimulatorConfig| {
        client.model = Some("WYZEDB3".to_owned());
        camera.personality = tutk_simulator::Personality::STRICT.with_model("WYZEDB3");
    };
    let mut keys = Keys::new();
    keys.add_credentials(&credentials());
    (capture(dialect, 2, configure, delay), keys)
}

#[test]
fn session_of_a_plain_psk_model_is_decrypted_with_the_credentials() {
    for dialect in &Dialect::ALL {
        let (capture, keys) = plain_psk(dialect);
        let dissected = dissect(&capture.file, keys);
        let session = &dissected.dissector.sessions()[0];
        assert_eq!(session.encrypted, 0, "{dialect}");
        assert_eq!(session.phases.len(), 6, "{dialect}");
    }
}

#[test]
fn record_before_the_end_of_the_handshake_does_not_prevent_decryption() {
    let (capture, keys) = plain_psk(&Dialect::TRANSCODE);
    let expected = dissect(&capture.file, keys.clone());
    let is_encrypted = |packet: &Packet| {
        let mut records = packet.opened.records.iter();
        records.any(|record| record.header.epoch > 0)
    };
    let early = expected.packets.iter().position(is_encrypted).unwrap();
    let mut reader = CaptureReader::new(&capture.file[..]).unwrap();
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        packets.push((packet.time, packet.link, packet.data.to_vec()));
    }
    let mut dissector = Dissector::new(keys);
    let mut handle = |index: usize| {
        let (time, link, data) = &packets[index];
        let number = u64::try_from(index).unwrap();
        let (time, link) = (*time, *link);
        dissector.handle(&Captured {
            number,
            time,
            link,
            data,
        });
        dissector.sessions().first().map_or(0, |of| of.encrypted)
    };
    for index in 0..early {
        handle(index);
        handle(early);
    }
    let failed = handle(early);
    assert!(failed > 0);
    for index in early..packets.len() {
        assert_eq!(handle(index), failed, "packet {index}");
    }
}

#[test]
fn secrets_are_shown_only_on_request() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        let capture = capture(dialect, 1, |_, _| {}, delay);
        let auth_key = String::from_utf8(credentials().auth_key.0.to_vec()).unwrap();
        for show in [false, true] {
            let mut keys = Keys::new();
            let mut reader = CaptureReader::new(&capture.file[..]).unwrap();
            keys.add_capture(&mut reader).unwrap();
            keys.show_secrets = show;
            let dissected = dissect(&capture.file, keys);
            let json = serde_json::to_string(&dissected.packets).unwrap();
            assert_eq!(json.contains(ENR), show);
            let has_auth_key = *dialect == Dialect::TRANSCODE && show;
            assert_eq!(json.contains(&auth_key), has_auth_key);
        }
    }
}

#[test]
fn hl_messages_are_reported_with_their_payloads() {
    let dissected = capture(&Dialect::CC51, 2, |_, _| {}, delay).dissect();
    let codes: Vec<_> = dissected.messages.iter().map(|at| at.code).collect();
    assert_eq!(codes[..4], [10000, 10001, 10002, 10003]);
    let result = &dissected.messages[3];
    assert_eq!(result.direction, Direction::FromCamera);
    assert!(String::from_utf8_lossy(&result.payload).contains("connectionRes"));
    assert_eq!(dissected.dissector.sessions()[0].challenge_status, Some(3));
}

#[test]
fn result_of_an_authentication_with_a_user_completes_the_phase() {
    for (model, code) in [(None, 10009), (Some("HL_DB2"), 10007)] {
        let configure = |client: &mut ClientConfig, _: &mut _| {
            client.user = Some(UserId::new("2a8f1e9c-owner").unwrap());
            client.model = model.map(str::to_owned);
        };
        let dissected = capture(&Dialect::TRANSCODE, 2, configure, delay).dissect();
        let session = &dissected.dissector.sessions()[0];
        let phases: Vec<_> = session.phases.iter().map(|end| end.phase).collect();
        assert_eq!(phases, Phase::ALL.map(Phase::name), "K{code}");
        let all = summaries(&dissected.packets).join("\n");
        assert!(all.contains(&format!("K{code} connect result")), "{all}");
        let mut behaviour = Behaviour::default();
        for message in &dissected.messages {
            behaviour.message(message);
        }
        let result = behaviour.connect_result.unwrap();
        assert!(String::from_utf8_lossy(&result).contains("connectionRes"));
        assert!(behaviour.answers.keys().all(|code| *code > 10009));
    }
}

#[test]
fn fields_have_names_and_values() {
    let dissected = capture(&Dialect::TRANSCODE, 1, |_, _| {}, delay).dissect();
    let request = &dissected.packets[0];
    let layer = request.layer("IOTC").unwrap();
    assert_eq!(layer.get("stage"), Some(&Value::Number(1)));
    assert_eq!(
        layer.get("SDK version"),
        Some(&Value::Text("4.2.1.1".to_owned()))
    );
    let uid = Value::Text(testkit::session::UID.to_owned());
    assert_eq!(layer.get("UID"), Some(&uid));
    let line = request.line(request.time).to_string();
    let expected =
        "    1    0.000000 192.0.2.2:50000 → 192.0.2.1:32761 IOTC discovery request, stage 1";
    assert_eq!(line, expected);
}

#[test]
fn export_contains_the_opened_packets() {
    let dissected = capture(&Dialect::TRANSCODE, 1, |_, _| {}, delay).dissect();
    let mut exporter = Exporter::new(Vec::new()).unwrap();
    for packet in &dissected.packets {
        exporter.packet(packet).unwrap();
    }
    let file = exporter.finish().unwrap();
    let contains = |bytes: &[u8]| file.windows(bytes.len()).any(|part| part == bytes);
    assert!(contains(b"audioEncoderList"));
    assert!(contains(&dissected.frames[0].frame.data[..100]));
}

#[test]
fn every_byte_of_each_login_layout_has_a_field() {
    for (layout, channels) in [
        (LoginLayout::AuthAt550, Some(3)),
        (LoginLayout::AuthAt540, None),
        (LoginLayout::AuthAt542, Some(3)),
    ] {
        for part in [Part::First, Part::Second] {
            let login = LoginPacket {
                layout,
                part,
                version: layout.version(),
                nonce: Nonce([1, 2, 3, 4]),
                user: User::admin(),
                password: Password::fixed(),
                resend: true,
                auth_type: AuthType::SDK,
                capabilities: Capabilities::WYZE_SDK,
            };
            let mut sealed = Sealed::new(&Dialect::TRANSCODE);
            let mut dissector = Dissector::new(Sealed::key_log());
            for hello in sealed.hellos(0) {
                hello.dissect(&mut dissector);
            }
            let sent = sealed.av(Direction::ToCamera, 0, &login.to_bytes());
            let packet = sent.dissect(&mut dissector);
            let layer = packet.layer("AV").unwrap();
            assert_eq!(layer.undecoded, [], "{layout:?}");
            assert_eq!(layer.notes, [""; 0], "{layout:?}");
            let channels = channels.map(Value::Number);
            assert_eq!(layer.get("channels"), channels.as_ref(), "{layout:?}");
            assert_eq!(layer.get("resend"), Some(&Value::Number(1)), "{layout:?}");
        }
    }
}

#[test]
fn messages_are_those_of_the_last_packet() {
    let mut sealed = Sealed::new(&Dialect::TRANSCODE);
    let [client_hello, server_hello] = sealed.hellos(0);
    // An IOCTL from the camera with K10001.
    let packet = b"\0\x70\x08\0\x01\0\0\0\0\0\0\0\0\0\0\0\x34\0\0\0\x76\x25\xa0\x2f\
        \0\0\0\0\0\x01\0\0HL\x05\0\x11\x27\x11\0\0\0\0\0\0\0\0\0\x03fifteen and one.";
    let message = sealed.av(Direction::FromCamera, 0, packet);
    let mut dissector = Dissector::new(Sealed::key_log());
    client_hello.dissect(&mut dissector);
    server_hello.dissect(&mut dissector);
    let mut number = 0;
    let mut again = |dissector: &mut Dissector| {
        number += 1;
        message.dissect(dissector);
        let codes = dissector.messages().iter().map(|message| message.code);
        assert_eq!(codes.collect::<Vec<_>>(), [10001], "{number}");
    };

    again(&mut dissector);
    let mut other = message.datagram();
    other.payload = b"another protocol";
    other.source.set_port(53);
    other.destination.set_port(53);
    assert!(
        dissector
            .handle_datagram(1, Duration::ZERO, &other)
            .is_none()
    );
    assert_eq!(dissector.messages(), []);

    again(&mut dissector);
    let not_udp = Captured {
        number: 1,
        time: Duration::ZERO,
        link: LinkType::ETHERNET,
        data: &[],
    };
    assert!(dissector.handle(&not_udp).is_none());
    assert_eq!(dissector.messages(), []);

    // A data packet of `cc51` of a session whose discovery was not seen.
    again(&mut dissector);
    let mut unknown = Sealed::new(&Dialect::CC51).records(Direction::ToCamera, 0, &[0; 40]);
    unknown.port = 1;
    assert_eq!(unknown.dissect(&mut dissector).session, None);
    assert_eq!(dissector.messages(), []);

    again(&mut dissector);
    dissector.finish();
    assert_eq!(dissector.messages(), []);
}
