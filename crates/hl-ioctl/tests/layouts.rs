//! Every table, byte by byte, as the documents have it: summary.md phase 5, wire.md section 9, commands.md.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::{
    AUDIO_ENCODER_LIST, Bitrate, Challenge, ConnectAuth, ConnectRequest, ConnectResult, Media,
    MediaControl, ReadParameters, Resolution, SetAnswer, SetResolution, SetVideoParameters, Switch,
};
use hl_ioctl::{ChallengeStatus, Command, Error, HlMessage, JsonDocument, Request};

/// A field of a table: where it is, how long, and what stands there.
type Field<'a> = (usize, usize, &'a [u8]);

/// The fields must be the message: all of it, without gaps.
fn assert_table(message: &[u8], fields: &[Field<'_>]) {
    let mut at = 0;
    for &(offset, size, bytes) in fields {
        assert_eq!(offset, at, "the table has a gap before {offset}");
        assert_eq!(size, bytes.len(), "size of the field at {offset}");
        assert_eq!(&message[offset..offset + size], bytes, "field at {offset}");
        at += size;
    }
    assert_eq!(message.len(), at, "the table is shorter than the message");
}

fn hl<C: Command>(command: &C) -> Vec<u8> {
    Request::from(command).to_hl().unwrap()
}

fn payload(message: &[u8]) -> &[u8] {
    HlMessage::parse(message).unwrap().payload
}

/// What was sent is what is read.
fn assert_read<C: Command + PartialEq + std::fmt::Debug>(command: &C) {
    let bytes = hl(command);
    let message = HlMessage::parse(&bytes).unwrap();
    assert_eq!(&C::from_message(&message).unwrap(), command);
    // Cut off anywhere in the payload, it is an error.
    for length in 0..message.payload.len() {
        let error = C::decode(&message.payload[..length]).err().unwrap();
        assert!(
            matches!(error, Error::Truncated { got, expected, .. }
                if got == 16 + length && got < expected),
            "{length} bytes: {error}"
        );
    }
}

#[test]
fn k10000_of_the_summary_is_a_bare_header() {
    let bytes = hl(&ConnectRequest::default());
    assert_table(
        &bytes,
        &[
            (0, 2, b"HL"),
            (2, 2, &[0x05, 0x00]),
            (4, 2, &[0x10, 0x27]),
            (6, 2, &[0, 0]),
            (8, 8, &[0; 8]),
        ],
    );
}

#[test]
fn k10000_of_the_field_has_json() {
    let json = br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#;
    let command = ConnectRequest {
        payload: AUDIO_ENCODER_LIST.to_vec(),
    };
    assert_table(
        &hl(&command),
        &[
            (0, 2, b"HL"),
            (2, 2, &[0x05, 0x00]),
            (4, 2, &[0x10, 0x27]),
            (6, 4, &[49, 0, 0, 0]),
            (10, 6, &[0; 6]),
            (16, 49, json),
        ],
    );
    let bytes = hl(&command);
    let message = HlMessage::parse(&bytes).unwrap();
    assert_eq!(ConnectRequest::from_message(&message).unwrap(), command);
}

#[test]
fn k10001_is_33_bytes() {
    let challenge = *b"0123456789abcdef";
    let answer = Challenge {
        status: ChallengeStatus::Enr,
        challenge,
    };
    let bytes = ConnectRequest::answer_to_hl(&answer).unwrap();
    assert_eq!(bytes.len(), 33);
    assert_table(
        &bytes,
        &[
            (0, 2, b"HL"),
            (2, 2, &[0x25, 0x00]),
            (4, 2, &[0x11, 0x27]),
            (6, 2, &[0x11, 0x00]),
            (8, 8, &[0; 8]),
            (16, 1, &[3]),
            (17, 16, &challenge),
        ],
    );
    let message = HlMessage::parse(&bytes).unwrap();
    assert_eq!(
        ConnectRequest::answer_from_message(&message).unwrap(),
        answer
    );
    let error = ConnectRequest::decode_answer(&message.payload[..16]).unwrap_err();
    assert_eq!(
        error,
        Error::Truncated {
            what: "K10001",
            offset: 17,
            expected: 33,
            got: 32
        }
    );
}

#[test]
fn k10001_may_leave_out_the_challenge_when_it_wants_no_answer() {
    for byte in [2, 4, 5, 77] {
        let challenge = ConnectRequest::decode_answer(&[byte]).unwrap();
        assert_eq!(challenge.status.byte(), byte);
        assert_eq!(challenge.challenge, [0; 16]);
    }
    for byte in [1, 3, 6] {
        ConnectRequest::decode_answer(&[byte]).unwrap_err();
    }
    ConnectRequest::decode_answer(&[]).unwrap_err();
}

#[test]
fn k10002_is_38_bytes() {
    let response = *b"fedcba9876543210";
    let auth = ConnectAuth {
        response,
        id: *b"HSBJ",
        video: true,
        audio: true,
    };
    let bytes = hl(&auth);
    assert_eq!(bytes.len(), 38);
    assert_table(
        &bytes,
        &[
            (0, 2, b"HL"),
            (2, 2, &[0x05, 0x00]),
            (4, 2, &[0x12, 0x27]),
            (6, 2, &[0x16, 0x00]),
            (8, 8, &[0; 8]),
            (16, 16, &response),
            (32, 4, b"HSBJ"),
            (36, 1, &[1]),
            (37, 1, &[1]),
        ],
    );
    assert_read(&auth);
    let neither = ConnectAuth {
        video: false,
        audio: false,
        ..auth
    };
    assert_eq!(hl(&neither)[36..], [0, 0]);
    assert_read(&neither);
}

#[test]
fn k10003_is_json() {
    // As long as in the summary's example: 0x02b0.
    let filler = "x".repeat(0x02b0 - 33);
    let json = format!(r#"{{"connectionRes":"1","filler":"{filler}"}}"#);
    assert_eq!(json.len(), 0x02b0);
    let result = ConnectResult::parse(json.as_bytes()).unwrap();
    assert_table(
        &ConnectAuth::answer_to_hl(&result).unwrap(),
        &[
            (0, 2, b"HL"),
            (2, 2, &[0x25, 0x00]),
            (4, 2, &[0x13, 0x27]),
            (6, 2, &[0xb0, 0x02]),
            (8, 8, &[0; 8]),
            (16, 0x02b0, json.as_bytes()),
        ],
    );
}

#[test]
fn k10010_media_control() {
    let cases = [
        (Media::Video, Switch::On, [1, 1]),
        (Media::Audio, Switch::Off, [2, 2]),
        (Media::ReturnAudio, Switch::On, [3, 1]),
        (Media::RawData, Switch::Off, [4, 2]),
    ];
    for (media, switch, bytes) in cases {
        let command = MediaControl { media, switch };
        assert_table(
            &hl(&command),
            &[
                (0, 6, b"HL\x05\x00\x1a\x27"),
                (6, 10, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                (16, 1, &bytes[..1]),
                (17, 1, &bytes[1..]),
            ],
        );
        assert_read(&command);
    }
    for (bytes, offset) in [([0, 1], 16), ([5, 1], 16), ([1, 0], 17), ([1, 3], 17)] {
        let error = MediaControl::decode(&bytes).unwrap_err();
        assert!(
            matches!(error, Error::Value { offset: at, .. } if at == offset),
            "{error}"
        );
    }
}

#[test]
fn k10020_read_parameters() {
    let command = ReadParameters::new([1, 7, 255]).unwrap();
    assert_table(
        &hl(&command),
        &[
            (0, 6, b"HL\x05\x00\x24\x27"),
            (6, 10, &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (16, 1, &[3]),
            (17, 3, &[1, 7, 255]),
        ],
    );
    assert_eq!(command.ids(), [1, 7, 255]);
    let bytes = hl(&command);
    assert_eq!(ReadParameters::decode(payload(&bytes)).unwrap(), command);
    assert_eq!(
        ReadParameters::decode(&[3, 1, 7]).unwrap_err(),
        Error::Truncated {
            what: "K10020",
            offset: 17,
            expected: 20,
            got: 19
        }
    );

    assert_eq!(hl(&ReadParameters::new(1..=255).unwrap()).len(), 16 + 256);
    for ids in [vec![], vec![1; 256], vec![1, 0]] {
        let error = ReadParameters::new(ids).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Range {
                    allowed: "1 to 255",
                    ..
                }
            ),
            "{error}"
        );
    }
    ReadParameters::decode(&[0]).unwrap_err();
    ReadParameters::decode(&[]).unwrap_err();

    let answer = JsonDocument::parse("K10021", br#"{ "1": "2" }"#).unwrap();
    let bytes = ReadParameters::answer_to_hl(&answer).unwrap();
    assert_eq!(&bytes[4..6], &[0x25, 0x27]);
    assert_eq!(&bytes[16..], br#"{ "1": "2" }"#);
    let message = HlMessage::parse(&bytes).unwrap();
    let read = ReadParameters::answer_from_message(&message).unwrap();
    assert_eq!(read.value()["1"], "2");
}

#[test]
fn k10052_video_parameters() {
    let all = SetVideoParameters {
        bitrate: Some(Bitrate::MAX),
        resolution: Some(Resolution::P1080),
        fps: NonZeroU8::new(15),
        horizontal_flip: Some(Switch::On),
        vertical_flip: Some(Switch::Off),
    };
    assert_table(
        &hl(&all),
        &[
            (0, 6, b"HL\x05\x00\x44\x27"),
            (6, 10, &[6, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (16, 2, &[240, 0]),
            (18, 1, &[1]),
            (19, 1, &[15]),
            (20, 1, &[1]),
            (21, 1, &[2]),
        ],
    );
    assert_read(&all);
    let none = SetVideoParameters::default();
    assert_eq!(payload(&hl(&none)), [0; 6]);
    assert_read(&none);

    let wrong = [
        ([241, 0, 0, 0, 0, 0], 16),
        ([0, 1, 0, 0, 0, 0], 16),
        ([0, 0, 6, 0, 0, 0], 18),
        ([0, 0, 0, 0, 3, 0], 20),
        ([0, 0, 0, 0, 0, 3], 21),
    ];
    for (bytes, offset) in wrong {
        let error = SetVideoParameters::decode(&bytes).unwrap_err();
        assert!(
            matches!(error, Error::Value { offset: at, .. } if at == offset),
            "{error}"
        );
    }
}

#[test]
fn k10056_resolution() {
    let cases = [
        (Resolution::P1080, Bitrate::HD, 20, [1, 120, 0, 20, 0]),
        (Resolution::P360, Bitrate::P360, 0, [2, 30, 0, 0, 0]),
        (Resolution::P720, Bitrate::SD, 0x0102, [3, 60, 0, 2, 1]),
        (Resolution::TwoK, Bitrate::HD_150, 0, [4, 150, 0, 0, 0]),
        (
            Resolution::TwoKAlternate,
            Bitrate::MAX,
            0,
            [5, 240, 0, 0, 0],
        ),
    ];
    for (resolution, bitrate, fps, bytes) in cases {
        let command = SetResolution {
            resolution,
            bitrate,
            fps: NonZeroU16::new(fps),
        };
        assert_table(
            &hl(&command),
            &[
                (0, 6, b"HL\x05\x00\x48\x27"),
                (6, 10, &[5, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                (16, 1, &bytes[..1]),
                (17, 2, &bytes[1..3]),
                (19, 2, &bytes[3..]),
            ],
        );
        assert_read(&command);
    }
    // A resolution of 0 has no code; neither has 6.
    for (bytes, offset) in [
        ([0, 120, 0, 0, 0], 16),
        ([6, 120, 0, 0, 0], 16),
        ([1, 0, 0, 0, 0], 17),
        ([1, 0, 1, 0, 0], 17),
    ] {
        let error = SetResolution::decode(&bytes).unwrap_err();
        assert!(
            matches!(error, Error::Value { offset: at, .. } if at == offset),
            "{error}"
        );
    }
}

#[test]
fn values_out_of_range_name_what_is_allowed() {
    let error = Bitrate::new(0).unwrap_err().to_string();
    assert_eq!(
        error,
        "bitrate: expected 1 to 240 kB/s (apps choose 30, 60, 120, 150 or 240), got 0"
    );
    Bitrate::new(241).unwrap_err();
    assert_eq!(Bitrate::new(240).unwrap(), Bitrate::MAX);
    assert_eq!(Bitrate::new(1).unwrap().get(), 1);
    let error = Resolution::try_from(5).unwrap_err().to_string();
    assert_eq!(
        error,
        "resolution code: expected 0 (1080p), 1 (360p), 2 (720p), 3 (2K) or 4 (2K on HL_CFL2 and HL_BC), got 5"
    );
    for code in 0..5 {
        assert_eq!(Resolution::try_from(code).unwrap().code(), code);
    }
}

#[test]
fn set_answers_are_one_byte() {
    fn check<C: Command<Answer = SetAnswer>>(code: u16) {
        let bytes = C::answer_to_hl(&SetAnswer::Done).unwrap();
        assert_eq!(bytes[4..6], code.to_le_bytes());
        assert_eq!(bytes[6..], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let message = HlMessage::parse(&bytes).unwrap();
        assert_eq!(C::answer_from_message(&message).unwrap(), SetAnswer::Done);
        assert_eq!(C::decode_answer(&[2]).unwrap(), SetAnswer::Other(2));
        assert_eq!(C::answer_to_hl(&SetAnswer::Other(9)).unwrap()[16..], [9]);
        let error = C::decode_answer(&[]).unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 16, .. }));
    }
    check::<MediaControl>(10011);
    check::<SetVideoParameters>(10053);
    check::<SetResolution>(10057);
}

#[test]
fn a_request_knows_its_answer_by_the_code() {
    let request = Request::from(&ReadParameters::new([1]).unwrap());
    assert_eq!((request.code, request.answer_code()), (10020, 10021));
    let with_code = |code| HlMessage {
        version: 0x25,
        code,
        payload: &[],
    };
    assert!(request.is_answered_by(&with_code(10021)));
    assert!(!request.is_answered_by(&with_code(10020)));
    assert_eq!(
        MediaControl::answer_from_message(&with_code(10021)),
        Err(Error::Code {
            expected: 10011,
            got: 10021
        })
    );
    assert_eq!(
        MediaControl::from_message(&with_code(10012)),
        Err(Error::Code {
            expected: 10010,
            got: 10012
        })
    );
}
