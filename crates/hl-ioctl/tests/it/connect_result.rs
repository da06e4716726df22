//! The JSON of K10003: valid, unusual and invalid.

use std::error::Error as _;

use hl_ioctl::commands::{AudioParams, ConnectResult, VideoParams};
use hl_ioctl::{Error, MAX_JSON};
use proptest::prelude::*;

/// The example of docs/protocol.md, section 14.
const EXAMPLE: &str = r#"{
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
    ConnectResult::decode(json.as_bytes())
}

#[test]
fn example_is_parsed() {
    let result = parse(EXAMPLE).unwrap();
    assert!(result.is_success());
    assert_eq!(result.connection_res(), "1");
    assert_eq!(result.video(), Some(&video()));
    assert_eq!(result.audio().unwrap().codec.as_deref(), Some("AAC"));
    assert_eq!(result.raw(), EXAMPLE);
}

#[test]
fn numbers_may_be_numbers() {
    let json = r#"{"connectionRes":1,"cameraInfo":{"videoParm":
        {"type":"H264","bitRate":30,"resolution":2,"fps":20}}}"#;
    let result = parse(json).unwrap();
    assert!(result.is_success());
    assert_eq!(result.video(), Some(&video()));
    assert_eq!(result.audio(), None);
}

#[test]
fn fields_of_another_type_are_none() {
    let json = r#"{"connectionRes":"1","more":[1],"cameraInfo":{"audioParm":"none","videoParm":
        {"bitRate":"fast","resolution":-1,"fps":4294967296}}}"#;
    let result = parse(json).unwrap();
    assert_eq!(result.video(), Some(&VideoParams::default()));
    assert_eq!(result.audio(), None);
    assert_eq!(result.json()["more"][0], 1);
    assert_eq!(result.json()["cameraInfo"]["videoParm"]["bitRate"], "fast");
}

#[test]
fn every_value_except_1_is_a_refusal() {
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
fn missing_connection_res_is_an_error() {
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
fn error_shows_the_place_and_no_secret() {
    let json = r#"{"connectionRes":"1","ssid":"hunter2" "x":3}"#;
    let error = parse(json).unwrap_err();
    let source = error.source().unwrap().to_string();
    assert_eq!(source, "expected `,` or `}` at line 1 column 39");
    let Error::Json { what, excerpt, .. } = &error else {
        panic!("not a JSON error");
    };
    assert_eq!(*what, "K10003");
    assert_eq!(excerpt, r#"x":"x","xxxx":"xxxxxxx" "x":x}"#);
    assert_eq!(error, parse(json).unwrap_err());
    // On a later line with multi-byte characters.
    let Error::Json { excerpt, .. } = parse("{\n\"ö€\": \"ä\",\n  nope }").unwrap_err() else {
        panic!("not a JSON error");
    };
    assert_eq!(excerpt, "  xxxx }");
    assert!(matches!(parse("").unwrap_err(), Error::Json { .. }));
    assert_eq!(
        ConnectResult::decode(b"{\"a\xff\":1}").unwrap_err(),
        Error::NotUtf8 {
            what: "K10003",
            offset: 16 + 3
        }
    );
}

#[test]
fn trailing_zeros_are_dropped() {
    let result = ConnectResult::decode(b"{\"connectionRes\":\"1\"}\0\0").unwrap();
    assert_eq!(result.raw(), r#"{"connectionRes":"1"}"#);
    ConnectResult::decode(b"{\"connectionRes\":\0\"1\"}").unwrap_err();
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
    let reason = parse(&deep).unwrap_err().source().unwrap().to_string();
    assert!(reason.starts_with("recursion limit exceeded"), "{reason}");
}

#[test]
fn debug_does_not_print_the_json() {
    let result = parse(r#"{"connectionRes":"1","ssid":"hunter2"}"#).unwrap();
    assert!(!format!("{result:?}").contains("hunter2"));
}

#[test]
fn result_of_the_camera_round_trips() {
    let audio = AudioParams {
        codec: Some("AAC".into()),
    };
    let result = ConnectResult::accept(Some(video()), Some(audio));
    let json: serde_json::Value = serde_json::from_str(result.raw()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(json, expected);
    for result in [
        result,
        ConnectResult::accept(None, None),
        ConnectResult::refuse(),
    ] {
        assert_eq!(parse(result.raw()).unwrap(), result);
    }
}

#[test]
fn model_must_look_like_a_name() {
    let model = |model: &str| {
        let json = serde_json::json!({
            "connectionRes": "1",
            "cameraInfo": { "basicInfo": { "model": model, "firmware": "4.52.9.4188" } },
        });
        let result = parse(&json.to_string()).unwrap();
        assert_eq!(result.firmware(), Some("4.52.9.4188"));
        result.model().map(str::to_owned)
    };
    assert_eq!(model("WYZEC1-JZ").as_deref(), Some("WYZEC1-JZ"));
    for invalid in ["", "a\u{1b}[2J", "HL CAM4", &"A".repeat(33)] {
        assert_eq!(model(invalid), None, "{invalid:?}");
    }
    let result = parse(r#"{"connectionRes":"1"}"#).unwrap();
    assert_eq!((result.model(), result.firmware()), (None, None));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(result) = ConnectResult::decode(&bytes) {
            prop_assert!(bytes.starts_with(result.raw().as_bytes()));
        }
    }

    /// Errors never contain unmasked JSON.
    #[test]
    fn damaged_json_is_parsed_or_masked(cut in 0..EXAMPLE.len(), at in 0..EXAMPLE.len(), byte: u8) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut]] {
            match ConnectResult::decode(bytes) {
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
    fn accept_round_trips(
        codec in prop::option::of(".{0,8}"), bitrate: Option<u32>, resolution: Option<u32>,
        fps: Option<u32>,
        audio in prop::option::of(prop::option::of(".{0,8}"))
    ) {
        let video = VideoParams { codec, bitrate, resolution, fps };
        let result = ConnectResult::accept(Some(video), audio.map(|codec| AudioParams { codec }));
        prop_assert_eq!(ConnectResult::decode(result.raw().as_bytes()).unwrap(), result);
    }
}
