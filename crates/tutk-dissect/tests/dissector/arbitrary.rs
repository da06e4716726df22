//! Arbitrary input: no panic, and no byte is hidden.

use std::time::Duration;

use proptest::prelude::*;
use tutk_dissect::capture::{Block, CaptureReader, Datagram, LinkType};
use tutk_dissect::{Dissector, Keys};
use tutk_session::Dialect;

use crate::captures::{Capture, capture, check_bytes, dissect};

fn session() -> Capture {
    capture(
        &Dialect::TRANSCODE,
        1,
        |_, _| {},
        |net| net.latency(Duration::from_millis(2)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_of_a_capture_are_read(file: Vec<u8>) {
        if let Ok(mut reader) = CaptureReader::new(&file[..]) {
            while let Ok(Some(_)) = reader.next_block() {}
        }
    }

    #[test]
    fn any_packet_of_any_link_type_is_dissected(link: u16, packet: Vec<u8>) {
        let _ = Datagram::parse(LinkType(link), &packet);
    }

    #[test]
    fn any_datagram_is_dissected_without_hiding_bytes(
        magic in prop_oneof![Just([0x04, 0x02]), Just([0x51, 0xcc])],
        command in prop_oneof![
            Just(0x0601_u16), Just(0x0602), Just(0x0402), Just(0x0404), Just(0x0407), Just(0x0704),
            Just(0x0408), Just(0x0428), Just(0x1002), Just(0x1202), Just(0x1502), any::<u16>(),
        ],
        mut payload in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        payload.splice(0..payload.len().min(2), magic);
        let at = if magic[0] == 0x51 { 4 } else { 8 };
        if payload.len() >= at + 2 {
            payload[at..at + 2].copy_from_slice(&command.to_le_bytes());
        }
        if magic[0] == 0x04 {
            disco_cipher::transcode::scramble_datagram(&mut payload);
        }
        let datagram = Datagram {
            source: "192.0.2.1:32761".parse().unwrap(),
            destination: "192.0.2.2:50000".parse().unwrap(),
            payload: &payload,
            missing: 0,
        };
        let mut dissector = Dissector::new(Keys::new());
        let packet = dissector.handle_datagram(1, Duration::ZERO, &datagram);
        check_bytes(packet.as_slice());
    }
}

#[test]
fn damaged_capture_is_dissected() {
    let original = session();
    // Each byte of the capture is damaged in one of the copies.
    for offset in 0..97 {
        let mut file = original.file.clone();
        for byte in file.iter_mut().skip(offset + 200).step_by(97) {
            *byte ^= 0x11;
        }
        let mut keys = Keys::new();
        if let Ok(mut reader) = CaptureReader::new(&file[..]) {
            let _ = keys.add_capture(&mut reader);
        }
        let mut dissector = Dissector::new(keys);
        let Ok(mut reader) = CaptureReader::new(&file[..]) else {
            continue;
        };
        while let Ok(Some(block)) = reader.next_block() {
            if let Block::Packet(packet) = block {
                check_bytes(dissector.handle(&packet).as_slice());
            }
        }
    }
    assert!(!dissect(&original.file, Keys::new()).packets.is_empty());
}
