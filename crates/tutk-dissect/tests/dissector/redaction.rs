//! Redacted copies of captures: nothing secret remains, and everything else does.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use testkit::session::{ENR, camera_address, client_address, credentials};
use tutk_dissect::capture::{CaptureReader, CaptureWriter, Datagram, WriterOptions};
use tutk_dissect::redact::{Redacted, Redactor};
use tutk_dissect::{Direction, Dissector, Keys, Packet};
use tutk_frame::WrapperLayout;
use tutk_session::hl_ioctl::{ChallengeStatus, ConnectResult, challenge_response};
use tutk_session::{Dialect, Event, KeyRule, Mac, ResendPolicy};

use crate::captures::{Capture, Dissected, capture, dissect};
use crate::sealed::{Sealed, Sent};

const SSID: &str = "Our \"Home\"/5G";
const USER: &str = "2a8f1e9c-owner";
const RESULT: &str = r#"{"connectionRes":"1","cameraInfo":{"videoParm":{"type":"H264","fps":"20"},
"basicInfo":{"model":"HL_CAM4","ssid":"Our \"Home\"\/5G","mac":"AA:BB:CC:DD:EE:FF","bssid":"aa-bb-cc-dd-ee-ff",
"ip":"192.168.83.142","userId":"2a8f1e9c-owner","phone":491701234567}}}"#;

fn session(dialect: &'static Dialect, resend: bool) -> Capture {
    capture(
        dialect,
        3,
        |client, camera| {
            camera.result = Some(ConnectResult::decode(RESULT.as_bytes()).unwrap());
            if resend {
                client.resend = ResendPolicy::On;
            }
        },
        |net| net.latency(Duration::from_millis(2)),
    )
}

fn keys(file: &[u8]) -> Keys {
    let mut keys = Keys::new();
    keys.add_capture(&mut CaptureReader::new(file).unwrap())
        .unwrap();
    keys
}

fn datagrams(file: &[u8], mut each: impl FnMut(u64, Duration, &Datagram<'_>)) {
    let mut reader = CaptureReader::new(file).unwrap();
    while let Some(packet) = reader.next_packet().unwrap() {
        let datagram = Datagram::parse(packet.link, packet.data).unwrap();
        each(packet.number, packet.time, &datagram);
    }
}

/// A redacted copy.
struct Copy {
    file: Vec<u8>,
    redactor: Redactor,
}

fn redact(file: &[u8]) -> Copy {
    let mut redactor = Redactor::new(credentials(), keys(file), [9; 32]).unwrap();
    redactor.add_secret(SSID.as_bytes());
    redactor.add_secret(USER.as_bytes());
    redactor.add_address("192.168.83.142".parse().unwrap());
    let mut writer = CaptureWriter::new(Vec::new(), WriterOptions::default()).unwrap();
    datagrams(file, |number, time, datagram| {
        let Redacted {
            source,
            destination,
            payload,
        } = redactor.datagram(number, time, datagram);
        assert_eq!(payload.len(), datagram.payload.len());
        writer
            .datagram(time, source, destination, &payload)
            .unwrap();
    });
    writer.key_log(redactor.key_log()).unwrap();
    Copy {
        file: writer.into_inner(),
        redactor,
    }
}

/// Everything that a reader of a capture can see: the file, the datagrams without obfuscation, and
/// the plaintext of the records.
fn visible(file: &[u8], packets: &[Packet]) -> Vec<Vec<u8>> {
    let mut visible = vec![file.to_vec()];
    for packet in packets {
        visible.push(packet.opened.datagram.clone());
        visible.extend(
            packet
                .opened
                .records
                .iter()
                .filter_map(|record| record.content.clone()),
        );
    }
    visible
}

/// The ways to write a secret, with a name.
fn encodings(name: &str, secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = secret
        .iter()
        .map(|&byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect();
    let text = String::from_utf8_lossy(secret);
    let mut reversed = secret.to_vec();
    reversed.reverse();
    let mut all = vec![
        ("raw", secret.to_vec()),
        ("reversed", reversed),
        ("lower case", secret.to_ascii_lowercase()),
        ("upper case", secret.to_ascii_uppercase()),
        ("hex", hex.clone().into_bytes()),
        ("upper-case hex", hex.to_uppercase().into_bytes()),
        ("percent", percent.clone().into_bytes()),
        ("lower-case percent", percent.to_lowercase().into_bytes()),
        (
            "JSON",
            serde_json::to_string(&text)
                .unwrap()
                .trim_matches('"')
                .into(),
        ),
        (
            "JSON with slashes",
            text.replace('"', "\\\"").replace('/', "\\/").into(),
        ),
    ];
    for offset in 0..3 {
        for engine in [&STANDARD, &URL_SAFE] {
            let padded = [&b"\0\0"[..offset], secret].concat();
            let text = engine.encode(&padded);
            let inside = &text[(offset * 8).div_ceil(6)..padded.len() * 8 / 6];
            all.push(("Base64", inside.as_bytes().to_vec()));
        }
    }
    all.into_iter()
        .filter(|(_, bytes)| bytes.len() >= 4)
        .map(|(encoding, bytes)| (format!("{name}, {encoding}"), bytes))
        .collect()
}

fn secrets(original: &Capture, dissected: &Dissected) -> Vec<(String, Vec<u8>)> {
    let real = credentials();
    let mut all = Vec::new();
    let mut add = |name: &str, secret: &[u8]| all.extend(encodings(name, secret));
    add("UID", &real.uid.0);
    add("ENR", ENR.as_bytes());
    add("AuthKey", &real.auth_key.0);
    add("MAC", real.mac.unwrap().as_bytes());
    add("binary MAC", &[0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]);
    add("MAC with colons", b"AA:BB:CC:DD:EE:FF");
    add("MAC with hyphens", b"AA-BB-CC-DD-EE-FF");
    add("SSID", SSID.as_bytes());
    add("user ID", USER.as_bytes());
    add("phone number", b"491701234567");
    add("address in K10003", b"192.168.83.142");
    for address in [client_address(), camera_address()] {
        let std::net::IpAddr::V4(ip) = address.ip() else {
            panic!("{address}");
        };
        add("address", ip.to_string().as_bytes());
        add("binary address", &ip.octets());
    }
    for rule in [KeyRule::Enr, KeyRule::AuthKeyAndEnr] {
        add("PSK", real.psk(rule).reveal());
    }
    for event in &original.record.other {
        if let Event::KeyLog(line) = event {
            let master = line.split(' ').nth(2).unwrap();
            add("master secret", master.as_bytes());
        }
    }
    for message in dissected
        .messages
        .iter()
        .filter(|message| message.code == 10001)
    {
        let challenge = message.payload[1..17].try_into().unwrap();
        let status = ChallengeStatus::from_byte(message.payload[0]);
        for dialect in &Dialect::ALL {
            let response = challenge_response(dialect.challenge, status, challenge, &real.enr);
            add("response", &response.unwrap());
        }
    }
    all
}

fn found(visible: &[Vec<u8>], secrets: &[(String, Vec<u8>)]) -> Vec<String> {
    let contains = |secret: &[u8]| {
        let mut places = visible.iter();
        places.any(|bytes| memchr::memmem::find(bytes, secret).is_some())
    };
    let found = secrets.iter().filter(|(_, secret)| contains(secret));
    found.map(|(name, _)| name.clone()).collect()
}

#[test]
fn no_secret_remains_in_any_encoding() {
    for (dialect, resend) in [
        (&Dialect::TRANSCODE, false),
        (&Dialect::TRANSCODE, true),
        (&Dialect::CC51, false),
        (&Dialect::SUMMARY, false),
    ] {
        let original = session(dialect, resend);
        let before = original.dissect();
        let secrets = secrets(&original, &before);
        // The search finds them where they are.
        let known = found(&visible(&original.file, &before.packets), &secrets);
        let expected = [
            "UID, raw",
            "SSID, JSON with slashes",
            "MAC with colons, raw",
            "response, raw",
            "binary address, raw",
        ];
        for name in expected {
            assert!(
                known.iter().any(|known| known == name)
                    || (*dialect == Dialect::CC51 && name == "UID, raw"),
                "{dialect}: {name} not in {known:?}"
            );
        }

        let copy = redact(&original.file);
        let after = dissect(&copy.file, keys(&copy.file));
        assert_eq!(
            found(&visible(&copy.file, &after.packets), &secrets),
            [""; 0],
            "{dialect}"
        );
        // Frame infos, which are the ends of frames, are in the plaintext above. Media is zeros.
        assert!(
            after
                .frames
                .iter()
                .all(|frame| frame.frame.data.iter().all(|&byte| byte == 0))
        );
    }
}

#[test]
fn layout_and_order_remain_and_the_copy_can_be_decrypted() {
    for dialect in &Dialect::ALL {
        let original = session(dialect, false);
        let before = original.dissect();
        let copy = redact(&original.file);
        let after = dissect(&copy.file, keys(&copy.file));
        assert_eq!(after.packets.len(), before.packets.len());
        for (before, after) in before.packets.iter().zip(&after.packets) {
            assert_eq!((after.number, after.time), (before.number, before.time));
            assert_eq!(
                (after.protocol, after.phase),
                (before.protocol, before.phase)
            );
            assert_eq!(after.opened.datagram.len(), before.opened.datagram.len());
            let layers = |packet: &Packet| -> Vec<_> {
                let layers = packet.layers.iter();
                layers
                    .map(|layer| (layer.name, layer.length, layer.notes.clone()))
                    .collect()
            };
            assert_eq!(layers(after), layers(before), "{}", before.summary);
        }
        let [before_session, after_session] =
            [&before, &after].map(|dissected| &dissected.dissector.sessions()[0]);
        assert_eq!(after_session.decrypted, before_session.decrypted);
        assert_eq!(after_session.encrypted, 0);
        // `cc51` does not send the UID.
        let uid = String::from_utf8(copy.redactor.credentials().uid.0.to_vec()).unwrap();
        assert_eq!(after_session.uid, before_session.uid.as_ref().map(|_| uid));
        assert_eq!(after.frames.len(), before.frames.len());
        let redactions = copy.redactor.redactions();
        assert_eq!((redactions.zeroed_records, redactions.unknown_tags), (0, 0));
        assert!(
            redactions.media > 50 && redactions.finished >= 2,
            "{redactions:?}"
        );

        // The camera in the copy has answered the challenge as its fake ENR demands.
        let payload = |code| {
            let mut messages = after.messages.iter();
            messages
                .find(|message| message.code == code)
                .unwrap()
                .payload
                .clone()
        };
        let (challenge, response) = (payload(10001), payload(10002));
        let expected = challenge_response(
            dialect.challenge,
            ChallengeStatus::from_byte(challenge[0]),
            challenge[1..17].try_into().unwrap(),
            &copy.redactor.credentials().enr,
        );
        assert_eq!(response[..16], expected.unwrap());
    }
}

#[test]
fn the_same_value_has_the_same_fake_in_a_copy_only() {
    let original = session(&Dialect::CC51, false);
    let copy = redact(&original.file);
    let fake = String::from_utf8(copy.redactor.credentials().uid.0.to_vec()).unwrap();
    let real = String::from_utf8(credentials().uid.0.to_vec()).unwrap();
    assert_eq!(
        copy.redactor.text(&format!("uid={real}")),
        format!("uid={fake}")
    );
    let other = Redactor::new(credentials(), Keys::new(), [8; 32]).unwrap();
    assert_ne!(other.credentials().uid, copy.redactor.credentials().uid);
    assert!(!format!("{:?}", copy.redactor).contains(&real));
}

#[test]
fn records_without_known_keys_are_zeroed() {
    let original = session(&Dialect::TRANSCODE, false);
    let mut redactor = Redactor::new(credentials(), Keys::new(), [9; 32]).unwrap();
    datagrams(&original.file, |number, time, datagram| {
        let redacted = redactor.datagram(number, time, datagram);
        assert_eq!(redacted.payload.len(), datagram.payload.len());
    });
    let redactions = redactor.redactions();
    assert!(
        redactions.zeroed_records > 100 && redactions.encrypted_again == 0,
        "{redactions:?}"
    );
}

#[test]
fn other_mac_of_the_device_is_replaced_with_its_auth_key() {
    let mut redactor = Redactor::new(credentials(), Keys::new(), [9; 32]).unwrap();
    let mac: Mac = "AABBCCDDEE01".parse().unwrap();
    redactor.add_mac(&mac);
    let key = tutk_session::derive_auth_key(ENR, &mac);
    let key = String::from_utf8(key.0.to_vec()).unwrap();
    let text = format!("aa:bb:cc:dd:ee:01 {key}");
    let redacted = redactor.text(&text);
    assert!(
        !redacted.contains("ee:01") && !redacted.contains(&key),
        "{redacted}"
    );
    assert_eq!(redacted.len(), text.len());
}

/// Redacts a session, and returns the last datagram of the copy, dissected.
fn redact_sealed(session: &[Sent]) -> Packet {
    let mut redactor = Redactor::new(credentials(), Sealed::key_log(), [9; 32]).unwrap();
    let copies: Vec<Redacted> = session
        .iter()
        .map(|sent| redactor.datagram(1, Duration::ZERO, &sent.datagram()))
        .collect();
    let mut keys = Keys::new();
    keys.add_key_log(redactor.key_log().as_bytes()).unwrap();
    let mut dissector = Dissector::new(keys);
    let packets = copies.iter().map(|copy| {
        let datagram = Datagram {
            source: copy.source,
            destination: copy.destination,
            payload: &copy.payload,
            missing: 0,
        };
        dissector.handle_datagram(1, Duration::ZERO, &datagram)
    });
    assert_eq!(redactor.redactions().zeroed_records, 0);
    packets.last().flatten().unwrap()
}

fn content(packet: &Packet) -> &[u8] {
    packet.opened.records[0].content.as_deref().unwrap()
}

#[test]
fn media_of_unknown_layout_is_zeroed() {
    // AV header, link clock and slice header up to an unknown kind.
    let header = b"\x05\x08\x0b\0\x01\0\x7e\x50\0\0\0\0\0\0\0\0\x7f";
    let packet = [&header[..], &[0xab; 300]].concat();
    let mut sealed = Sealed::new(&Dialect::TRANSCODE);
    let [client_hello, server_hello] = sealed.hellos(0);
    let media = sealed.av(Direction::FromCamera, 0, &packet);
    let copy = redact_sealed(&[client_hello, server_hello, media]);
    assert_eq!(content(&copy), [&header[..], &[0; 300]].concat());
}

#[test]
fn talk_audio_is_zeroed_in_every_dialect() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::SUMMARY] {
        // AV header, link clock, talk header with a frame info of 16 bytes, audio, frame info.
        let header = b"\x03\x08\x0b\0\x01\0\x7e\x50\0\0\0\0\0\0\0\0\
            \x03\x01\0\0\x01\0\x10\0\x2c\x01\0\0\0\0\0\0\x01\0\0\0";
        let info = b"\x88\0\x02\0\x01\0\0\0\0\0\0\0\0\0\0\0";
        let packet = [&header[..], &[0xab; 300], info].concat();
        let mut sealed = Sealed::new(dialect);
        let [client_hello, server_hello] = sealed.hellos(0);
        let [talk_client_hello, talk_server_hello] = sealed.hellos(1);
        let talk = sealed.av(Direction::ToCamera, 1, &packet);
        let copy = redact_sealed(&[
            client_hello,
            server_hello,
            talk_client_hello,
            talk_server_hello,
            talk,
        ]);
        let expected = [&header[..], &[0; 300], info].concat();
        assert_eq!(content(&copy), expected, "{dialect}");
    }
}

#[test]
fn secret_in_the_numbers_of_a_media_packet_is_replaced() {
    // AV header, link clock, slice header with a frame info of 40 bytes, media, frame info with the
    // ENR in the place of time, size and number.
    let header = b"\x05\x08\x0b\0\x01\0\x7e\x50\0\0\0\0\0\0\0\0\
        \x05\x01\0\0\x01\0\x28\0\x64\0\0\0\0\0\0\0\x01\0\0\0";
    let info = b"\x4e\0\x01\0\x01\x14\x04\x1e";
    let packet = [&header[..], &[0xab; 60], info, ENR.as_bytes(), &[0; 16]].concat();
    let mut sealed = Sealed::new(&Dialect::TRANSCODE);
    let [client_hello, server_hello] = sealed.hellos(0);
    let media = sealed.av(Direction::FromCamera, 0, &packet);
    let copy = redact_sealed(&[client_hello, server_hello, media]);
    let fake = Redactor::new(credentials(), Keys::new(), [9; 32]).unwrap();
    let fake = fake.text(ENR);
    assert_ne!(fake, ENR);
    let expected = [&header[..], &[0; 60], info, fake.as_bytes(), &[0; 16]].concat();
    assert_eq!(content(&copy), expected);
}

#[test]
fn secret_in_an_encrypted_record_of_another_type_is_replaced() {
    for (content_type, before) in [(21, 2), (20, 1), (22, 0)] {
        let plain = [&vec![1; before], ENR.as_bytes()].concat();
        let mut sealed = Sealed::new(&Dialect::TRANSCODE);
        let [client_hello, server_hello] = sealed.hellos(0);
        let record = sealed.content(content_type, Direction::FromCamera, 0, &plain);
        let copy = redact_sealed(&[client_hello, server_hello, record]);
        let content = content(&copy);
        assert_eq!(content.len(), plain.len());
        for part in ENR.as_bytes().windows(8) {
            let found = content.windows(8).any(|of| of == part);
            assert!(!found, "content type {content_type}");
        }
    }
}

#[test]
fn records_are_zeroed_if_the_discovery_is_not_in_the_capture() {
    let original = session(&Dialect::CC51, false);
    let mut redactor = Redactor::new(credentials(), keys(&original.file), [9; 32]).unwrap();
    let mut data = 0;
    datagrams(&original.file, |number, time, datagram| {
        let is_data = datagram.payload[4..6] == [0x02, 0x15];
        if datagram.payload[4..6] != [0x02, 0x10] {
            let copy = redactor.datagram(number, time, datagram);
            data += u64::from(is_data);
            let wrapper = WrapperLayout::Cc51;
            let records = wrapper.header_len()..copy.payload.len() - wrapper.tag_len();
            if is_data {
                assert_eq!(copy.payload[..28], datagram.payload[..28]);
                assert!(copy.payload[records].iter().all(|&byte| byte == 0));
            }
        }
    });
    let redactions = redactor.redactions();
    assert!(data > 100 && redactions.zeroed_records == data);
    assert_eq!(redactions.unknown_tags, 0);
}

#[test]
fn records_are_zeroed_on_channels_that_are_not_followed() {
    let mut sealed = Sealed::new(&Dialect::TRANSCODE);
    let mut redactor = Redactor::new(credentials(), Keys::new(), [9; 32]).unwrap();
    for channel in 0..8 {
        let mut record = b"\x17\xfe\xfd\0\x01\0\0\0\0\0\0\0\x20".to_vec();
        record.extend([0xab; 32]);
        let sent = sealed.records(Direction::FromCamera, channel, &record);
        let copy = redactor.datagram(1, Duration::ZERO, &sent.datagram());
        let mut plain = copy.payload;
        disco_cipher::transcode::descramble_datagram(&mut plain);
        assert!(plain.ends_with(&[0; 32]), "{channel}");
    }
    assert_eq!(redactor.redactions().zeroed_records, 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_datagram_keeps_its_length(payload: Vec<u8>, port: u16) {
        let mut redactor = Redactor::new(credentials(), Keys::new(), [9; 32]).unwrap();
        let datagram = Datagram {
            source: ([192, 168, 1, 7], port).into(),
            destination: camera_address(),
            payload: &payload,
            missing: 0,
        };
        let redacted = redactor.datagram(1, Duration::ZERO, &datagram);
        prop_assert_eq!(redacted.payload.len(), payload.len());
        prop_assert_ne!(redacted.source.ip(), datagram.source.ip());
    }
}
