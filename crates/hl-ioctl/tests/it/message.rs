//! The HL header: parsing, limits and errors.

use hl_ioctl::{Error, HlMessage, MAX_PAYLOAD};
use proptest::prelude::*;

const MESSAGE: [u8; 18] = *b"HL\x25\x00\x11\x27\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x33\x44";

#[test]
fn any_version_is_accepted() {
    for version in [0, 1, 5, 0x25, 0xffff] {
        let bytes = HlMessage {
            version,
            code: 10001,
            payload: b"x",
        }
        .to_vec()
        .unwrap();
        assert_eq!(HlMessage::parse(&bytes).unwrap().version, version);
    }
}

#[test]
fn reserved_and_trailing_bytes_are_ignored() {
    let mut bytes = MESSAGE.to_vec();
    bytes[12] = 0xee;
    bytes.extend_from_slice(b"more");
    let message = HlMessage::parse(&bytes).unwrap();
    assert_eq!(message.payload, [0x33, 0x44]);
    // The payload borrows from the input.
    assert!(std::ptr::eq(message.payload, &raw const bytes[16..18]));
}

#[test]
fn truncation_error_names_the_field() {
    // The offset of the field that each length cuts off.
    let fields = [(0, 0..2), (2, 2..4), (4, 4..6), (6, 6..10), (10, 10..16)];
    for (offset, lengths) in fields {
        for got in lengths {
            assert_eq!(
                HlMessage::parse(&MESSAGE[..got]).unwrap_err(),
                Error::Truncated {
                    what: "HL message",
                    offset,
                    expected: 16,
                    got
                }
            );
        }
    }
    for got in 16..18 {
        assert_eq!(
            HlMessage::parse(&MESSAGE[..got]).unwrap_err(),
            Error::Truncated {
                what: "HL message",
                offset: 16,
                expected: 18,
                got
            }
        );
    }
}

#[test]
fn other_magic_is_an_error() {
    let error = HlMessage::parse(b"LH\x05\x00").unwrap_err();
    assert_eq!(error, Error::Magic { got: *b"LH" });
    assert_eq!(
        error.to_string(),
        "HL message, offset 0: expected 48 4c (\"HL\"), got 4c 48"
    );
}

#[test]
fn payload_length_is_limited_when_parsed_and_written() {
    let mut bytes = MESSAGE;
    bytes[8] = 1;
    let error = HlMessage::parse(&bytes).unwrap_err();
    assert!(matches!(error, Error::TooLong { got: 0x1_0002, .. }));

    let payload = vec![7; MAX_PAYLOAD + 1];
    let message = |payload| HlMessage {
        version: 5,
        code: 1,
        payload,
    };
    let error = message(&payload).to_vec().unwrap_err();
    assert!(matches!(error, Error::TooLong { got: 0x1_0000, .. }));
    let longest = message(&payload[1..]).to_vec().unwrap();
    assert_eq!(HlMessage::parse(&longest).unwrap().payload.len(), 0xffff);
}

#[test]
fn full_buffer_is_an_error_and_is_not_changed() {
    let message = HlMessage::parse(&MESSAGE).unwrap();
    let mut room = [0xaa; 17];
    let error = message.write(&mut &mut room[..]).unwrap_err();
    assert_eq!(
        error,
        Error::BufferFull {
            needed: 18,
            available: 17
        }
    );
    assert_eq!(room, [0xaa; 17]);
    let mut room = [0; 18];
    message.write(&mut &mut room[..]).unwrap();
    assert_eq!(room, MESSAGE);
}

proptest! {
    #[test]
    fn written_message_parses_to_the_same(
        version: u16, code: u16, payload in prop::collection::vec(any::<u8>(), 0..2000)
    ) {
        let message = HlMessage { version, code, payload: &payload };
        let bytes = message.to_vec().unwrap();
        prop_assert_eq!(bytes.len(), message.size());
        prop_assert_eq!(HlMessage::parse(&bytes).unwrap(), message);
    }

    #[test]
    fn parsed_message_writes_the_same_bytes(
        magic in prop_oneof![9 => Just(*b"HL"), 1 => any::<[u8; 2]>()],
        rest in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..64)
    ) {
        let bytes = [&magic[..], &rest].concat();
        match HlMessage::parse(&bytes) {
            Ok(message) => {
                let written = message.to_vec().unwrap();
                prop_assert_eq!(&written[..10], &bytes[..10]);
                prop_assert_eq!(&written[16..], &bytes[16..written.len()]);
            }
            Err(Error::Magic { got }) => prop_assert!(got == magic && magic != *b"HL"),
            Err(Error::Truncated { expected, got, .. }) => {
                prop_assert!(got == bytes.len() && got < expected);
            }
            Err(Error::TooLong { got, .. }) => prop_assert!(got > MAX_PAYLOAD),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}
