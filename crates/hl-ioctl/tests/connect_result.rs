//! K10003's JSON: as the summary has it, as cameras may write it, and as they should not.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails"
)]

use hl_ioctl::commands::{AudioParams, ConnectResult, VideoParams};
use hl_ioctl::{Error, MAX_JSON};
use proptest::prelude::*;

/// summary.md, "K10003 JSON Response Example".
const SUMMARY: &str = r#"{
  "connectionRes": "1",
  "cameraInfo": {
    "videoParm": {
      "type": "H264",
      "bitRate": "30",
      "resolution": "2",
      "fps": "20"
    },
    "audioParm": {
      "type": "AAC"
    }
  }
}"#;

fn video() -> VideoParams {
    VideoParams {
        codec: Some("H264".into()),
        bitrate: Some(30),
        resolution: Some(2),
        fps: Some(20),
    }
}

fn parse(json: &str) -> Result<ConnectResult, Error> {
    ConnectResult::parse(json.as_bytes())
}

#[test]
fn the_summary_s_example() {
    let result = parse(SUMMARY).unwrap();
    assert!(result.is_success());
    assert_eq!(result.connection_res(), "1");
    assert_eq!(result.video(), Some(&video()));
    assert_eq!(result.audio().unwrap().codec.as_deref(), Some("AAC"));
    assert_eq!(result.raw(), SUMMARY);
}

#[test]
fn numbers_as_numbers() {
    let json = r#"{"connectionRes":1,"cameraInfo":{"videoParm":
        {"type":"H264","bitRate":30,"resolution":2,"fps":20}}}"#;
    let result = parse(json).unwrap();
    assert!(result.is_success());
    assert_eq!(result.video(), Some(&video()));
    assert_eq!(result.audio(), None);
}

#[test]
fn fields_of_another_shape_are_left_to_the_caller() {
    let json = r#"{"connectionRes":"1","more":[1],"cameraInfo":{"audioParm":"none","videoParm":
        {"bitRate":"fast","resolution":-1,"fps":4294967296}}}"#;
    let result = parse(json).unwrap();
    assert_eq!(result.video(), Some(&VideoParams::default()));
    assert_eq!(result.audio(), None);
    assert_eq!(result.json()["more"][0], 1);
    assert_eq!(result.json()["cameraInfo"]["videoParm"]["bitRate"], "fast");
}

#[test]
fn everything_but_1_is_a_refusal() {
    for json in [
        r#"{"connectionRes":"0"}"#,
        r#"{"connectionRes":"2"}"#,
        r#"{"connectionRes":""}"#,
        r#"{"connectionRes":10}"#,
    ] {
        assert!(!parse(json).unwrap().is_success(), "{json}");
    }
    assert!(!ConnectResult::refuse().is_success());
}

#[test]
fn without_connection_res_it_is_no_result() {
    for json in [
        "{}",
        "[]",
        "1",
        r#"{"connectionRes":null}"#,
        r#"{"connectionRes":["1"]}"#,
    ] {
        assert_eq!(
            parse(json).unwrap_err(),
            Error::JsonField {
                what: "K10003",
                field: "connectionRes"
            }
        );
    }
}

#[test]
fn an_error_shows_the_place_and_no_secret() {
    let json = r#"{"connectionRes":"1","ssid":"hunter2" "x":3}"#;
    let error = parse(json).unwrap_err();
    assert_eq!(
        error,
        Error::Json {
            what: "K10003",
            reason: "expected `,` or `}` at line 1 column 39".into(),
            excerpt: r#"x":"x","xxxx":"xxxxxxx" "x":x}"#.into(),
        }
    );
    // On a later line, and in the middle of characters of several bytes.
    let Error::Json { excerpt, .. } = parse("{\n\"ö€\": \"ä\",\n  nope }").unwrap_err() else {
        panic!("not a JSON error");
    };
    assert_eq!(excerpt, "  xxxx }");
    assert!(matches!(parse("").unwrap_err(), Error::Json { .. }));
    assert_eq!(
        ConnectResult::parse(b"{\"a\xff\":1}").unwrap_err(),
        Error::NotUtf8 {
            what: "K10003",
            offset: 16 + 3
        }
    );
}

#[test]
fn zeros_at_the_end_are_no_json() {
    let result = ConnectResult::parse(b"{\"connectionRes\":\"1\"}\0\0").unwrap();
    assert_eq!(result.raw(), r#"{"connectionRes":"1"}"#);
    ConnectResult::parse(b"{\"connectionRes\":\0\"1\"}").unwrap_err();
}

#[test]
fn size_and_depth_are_limited() {
    let long = format!(r#"{{"connectionRes":"{}"}}"#, "1".repeat(MAX_JSON));
    assert!(matches!(
        parse(&long).unwrap_err(),
        Error::TooLong {
            limit: MAX_JSON,
            ..
        }
    ));
    let deep = format!(r#"{{"connectionRes":"1","a":{}"#, "[".repeat(60_000));
    let Error::Json { reason, .. } = parse(&deep).unwrap_err() else {
        panic!("not a JSON error");
    };
    assert!(reason.starts_with("recursion limit exceeded"), "{reason}");
}

#[test]
fn debug_does_not_print_the_json() {
    let result = parse(r#"{"connectionRes":"1","ssid":"hunter2"}"#).unwrap();
    assert!(!format!("{result:?}").contains("hunter2"));
}

#[test]
fn a_camera_s_result_reads_back() {
    let audio = AudioParams {
        codec: Some("AAC".into()),
    };
    let result = ConnectResult::accept(Some(video()), Some(audio));
    assert_eq!(
        result.raw(),
        concat!(
            r#"{"cameraInfo":{"audioParm":{"type":"AAC"},"videoParm":"#,
            r#"{"bitRate":"30","fps":"20","resolution":"2","type":"H264"}},"connectionRes":"1"}"#
        )
    );
    for result in [
        result,
        ConnectResult::accept(None, None),
        ConnectResult::refuse(),
    ] {
        assert_eq!(parse(result.raw()).unwrap(), result);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_result_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(result) = ConnectResult::parse(&bytes) {
            prop_assert!(bytes.starts_with(result.raw().as_bytes()));
        }
    }

    /// Cut off or with a byte changed, the summary's example gives a result or a masked error.
    #[test]
    fn spoilt_json_is_a_result_or_an_error(cut in 0..SUMMARY.len(), at in 0..SUMMARY.len(), byte: u8) {
        let mut bytes = SUMMARY.as_bytes().to_vec();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            match ConnectResult::parse(bytes) {
                Ok(result) => prop_assert!(bytes.starts_with(result.raw().as_bytes())),
                Err(Error::Json { excerpt, .. }) => {
                    prop_assert!(excerpt.chars().all(|c| "{}[]:,\" x".contains(c)), "{}", excerpt);
                }
                Err(Error::NotUtf8 { .. } | Error::JsonField { .. }) => {}
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }

    #[test]
    fn accept_reads_back(
        codec in prop::option::of(".{0,8}"), bitrate: Option<u32>, resolution: Option<u32>, fps: Option<u32>,
        audio in prop::option::of(prop::option::of(".{0,8}"))
    ) {
        let video = VideoParams { codec, bitrate, resolution, fps };
        let result = ConnectResult::accept(Some(video), audio.map(|codec| AudioParams { codec }));
        prop_assert_eq!(ConnectResult::parse(result.raw().as_bytes()).unwrap(), result);
    }
}
