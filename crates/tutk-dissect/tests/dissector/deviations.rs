//! Packets that deviate from the documented layouts.

use std::net::SocketAddr;
use std::time::Duration;

use tutk_dissect::capture::Datagram;
use tutk_dissect::{Dissector, Keys, Packet, Value};

fn camera() -> SocketAddr {
    "192.0.2.7:32761".parse().unwrap()
}

fn client() -> SocketAddr {
    "192.0.2.1:50000".parse().unwrap()
}

/// Dissects a datagram that is scrambled with TransCode.
fn transcode(plain: &[u8]) -> Packet {
    let mut payload = plain.to_vec();
    disco_cipher::transcode::scramble_datagram(&mut payload);
    let datagram = Datagram {
        source: camera(),
        destination: client(),
        payload: &payload,
        missing: 0,
    };
    let mut dissector = Dissector::new(Keys::new());
    let packet = dissector.handle_datagram(1, Duration::ZERO, &datagram);
    packet.unwrap()
}

#[test]
fn unknown_command_is_shown_with_all_bytes() {
    let packet =
        transcode(b"\x04\x02\x1a\x0a\x04\0\0\0\x17\x0f\x12\0\x01\x02\x03\x04\xaa\xbb\xcc\xdd");
    assert!(
        packet.summary.contains("unknown command 0x0f17"),
        "{}",
        packet.summary
    );
    assert!(
        packet.summary.contains("01020304aabbccdd"),
        "{}",
        packet.summary
    );
}

#[test]
fn length_that_does_not_match_is_noted() {
    // The keepalive of docs/protocol.md, section 7, with a length of 9.
    let packet = transcode(
        b"\x04\x02\x12\x0a\x09\0\0\0\x28\x04\x12\0\0\0\0\0\x5b\x0d\x42\x02\x07\x0a\xa8\xc0",
    );
    assert!(
        packet.summary.starts_with("keepalive"),
        "{}",
        packet.summary
    );
    assert!(
        packet.summary.contains("announces 9 bytes, but 8 follow"),
        "{}",
        packet.summary
    );
}

#[test]
fn short_packet_is_noted_and_other_udp_is_skipped() {
    let packet = transcode(b"\x04\x02\x1a\x02\x02\0\0\0\x01\x06\x21\0\0\0\0\0\x41\x42");
    assert!(
        packet.summary.contains("shorter than its layout"),
        "{}",
        packet.summary
    );
    assert!(packet.summary.contains("4142"), "{}", packet.summary);

    let mut dissector = Dissector::new(Keys::new());
    let dns = Datagram {
        source: "192.0.2.1:53".parse().unwrap(),
        destination: client(),
        payload: b"another protocol altogether",
        missing: 0,
    };
    assert!(dissector.handle_datagram(1, Duration::ZERO, &dns).is_none());
    assert_eq!(dissector.skipped().other_udp, 1);
}

#[test]
fn control_characters_are_escaped_in_text() {
    let text = Value::Text("{\u{1b}[2J\u{e9}\n}".to_owned());
    assert_eq!(text.to_string(), "{\\u{1b}[2J\u{e9}\\n}");
}
