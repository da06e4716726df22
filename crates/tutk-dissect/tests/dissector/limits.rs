//! Limits on what a capture can make grow.

use std::net::SocketAddr;
use std::time::Duration;

use tutk_dissect::capture::Datagram;
use tutk_dissect::{Dissector, Keys, MAX_SESSIONS};

/// A discovery request of `cc51`, with its own session id.
fn discovery(number: u32) -> Vec<u8> {
    let mut packet = vec![0; 52];
    packet[..8].copy_from_slice(b"\x51\xcc\0\0\x02\x10\x28\0");
    packet[16..20].copy_from_slice(&number.to_le_bytes());
    packet
}

/// A data packet of `cc51` with one encrypted record.
fn data(number: u32) -> Vec<u8> {
    let mut packet = vec![0; 28 + 13 + 4 + 20];
    packet[..8].copy_from_slice(b"\x51\xcc\0\0\x02\x15\x35\0");
    packet[16..20].copy_from_slice(&number.to_le_bytes());
    packet[28..41].copy_from_slice(b"\x17\xfe\xfd\0\x01\0\0\0\0\0\0\0\x04");
    packet
}

#[test]
fn sessions_are_limited() {
    let mut dissector = Dissector::new(Keys::new());
    let camera: SocketAddr = "192.0.2.7:32761".parse().unwrap();
    let sessions = u32::try_from(MAX_SESSIONS).unwrap();
    for number in 0..sessions + 10 {
        let client: SocketAddr = "192.0.2.1:50000".parse().unwrap();
        for (payload, is_request) in [(discovery(number), true), (data(number), false)] {
            let datagram = Datagram {
                source: client,
                destination: camera,
                payload: &payload,
                missing: 0,
            };
            let packet = dissector
                .handle_datagram(1, Duration::ZERO, &datagram)
                .unwrap();
            if is_request {
                assert_eq!(packet.session.is_some(), number < sessions, "{number}");
            }
        }
    }
    assert_eq!(dissector.sessions().len(), MAX_SESSIONS);
    assert!(
        dissector
            .sessions()
            .iter()
            .all(|session| session.encrypted > 0)
    );
}
