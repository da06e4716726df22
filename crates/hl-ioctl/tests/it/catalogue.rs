//! The table of controls: values from text, requests, answers, and its JSON form.

use std::collections::BTreeSet;

use hl_ioctl::commands::Resolution;
use hl_ioctl::{CATALOGUE, CommandProfile, CommandSet, Context, Control, Error, Request, control};
use serde_json::{Value, json};

fn context(command_set: CommandSet, max_resolution: Resolution) -> Context {
    Context {
        profile: CommandProfile {
            command_set,
            max_resolution,
        },
        now_unix_millis: None,
    }
}

fn set(name: &str, values: &[&str], context: &Context) -> Request {
    control(name).unwrap().set_with(values, context).unwrap()
}

#[test]
fn controls_are_unique_and_complete() {
    let mut names = BTreeSet::new();
    for entry in CATALOGUE {
        let Control { name, summary, .. } = entry;
        assert!(names.insert(name), "{name} twice");
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(name.chars().all(kebab), "{name}");
        assert!(!summary.is_empty() && !summary.contains('\n'));
        let set_code = entry.set_code(CommandSet::Current);
        assert!(entry.get_code().is_some() || set_code.is_some());
        assert_eq!(entry.get().map(|request| request.code), entry.get_code());
        assert_eq!(entry.values().is_some(), set_code.is_some());
        assert!(std::ptr::eq(control(name).unwrap(), entry));
    }
    assert!(control("Status-Light").is_none());
    let destructive: Vec<_> = CATALOGUE.iter().filter(|e| e.destructive).collect();
    assert_eq!(destructive.len(), 1);
    assert_eq!(destructive[0].set_code(CommandSet::Current), Some(10242));
}

#[test]
#[rustfmt::skip] // A table: a line for each error.
fn errors_list_the_valid_values() {
    for (name, values, text) in [
        ("status-light", &["maybe"][..], "status-light, value: expected on or off, got `maybe`"),
        ("night-vision", &["ON"], "night-vision, value: expected on, off or auto, got `ON`"),
        ("time-zone", &["14"], "time-zone, value: expected -11 to 13 hours, got `14`"),
        ("turn", &["1", "128"], "turn, vertical: expected -128 to 127 degrees, got `128`"),
        ("turn", &["1"], "turn: expected HORIZONTAL VERTICAL: horizontal -128 to 127 degrees; vertical -128 to 127 degrees, got 1 value"),
        ("resolution", &["4k"], "resolution, resolution: expected 1080p, 360p, 720p, 2k or 2k-alternate, got `4k`"),
        ("resolution", &["-"], "resolution, resolution: expected 1080p, 360p, 720p, 2k or 2k-alternate, got `-`"),
        ("resolution", &["1080p", "241"], "resolution, bitrate: expected 1 to 240 kB/s, got `241`"),
        ("patrol-points", &["1:2:10", "1:2"], "patrol-points, point: expected 0 to 255 times VERTICAL:HORIZONTAL:SECONDS: vertical 0 to 40 degrees; horizontal 0 to 350 degrees; seconds 10 to 255 seconds, got `1:2`"),
        ("patrol-points", &["1:2:9"], "patrol-points, seconds: expected 10 to 255 seconds, got `9`"),
        ("photo", &["now"], "photo: expected no value, got 1 value"),
        ("status-light", &[], "status-light: expected on or off, got 0 values"),
        ("clock", &["now"], "clock, value: expected 0 to 4294967295 Unix seconds, got `now`"),
        ("quick-message", &["0"], "quick-message, value: expected 1 to 3 (number of the message), got `0`"),
        ("accessories", &["on"], "accessories: the control is read only and cannot be set"),
    ] {
        let error = control(name).unwrap().set(values).unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    let long = "é".repeat(1000);
    let Error::Argument { got, .. } = control("patrol").unwrap().set(&[&long]).unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(got, "é".repeat(32));
    let points = vec!["1:2:10"; 256];
    let error = control("patrol-points").unwrap().set(&points).unwrap_err();
    assert!(matches!(error, Error::Range { got: 256, .. }), "{error}");
}

#[test]
fn every_control_rejects_invalid_values_in_one_line() {
    for control in CATALOGUE {
        let error = control.set(&["\u{0}no such value"; 300]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(control.name), "{text}");
        assert!(!text.contains('\n'));
    }
}

#[test]
fn resolution_defaults_to_a_bitrate_and_uses_the_code_of_the_profile() {
    let payload = |command_set, max, values: &[&str]| {
        set("resolution", values, &context(command_set, max)).payload
    };
    let current = |max, values: &[&str]| payload(CommandSet::Current, max, values);
    assert_eq!(current(Resolution::TwoK, &["2k"]), [4, 120, 0, 0, 0]);
    assert_eq!(current(Resolution::TwoK, &["360p"]), [2, 30, 0, 0, 0]);
    assert_eq!(
        current(Resolution::TwoKAlternate, &["2k", "-", "15"]),
        [5, 120, 0, 15, 0]
    );
    let legacy = payload(CommandSet::Legacy, Resolution::P1080, &["720p", "60", "20"]);
    assert_eq!(legacy, [60, 0, 3, 20, 0, 0]);
}

#[test]
fn clock_and_position_use_the_time_of_the_context() {
    let context = Context {
        now_unix_millis: Some(1_767_225_600_123),
        ..Context::default()
    };
    let clock = control("clock").unwrap();
    let request = clock.set_with(&["now"], &context).unwrap();
    assert_eq!(request.payload, 1_767_225_600_u32.to_le_bytes());
    assert_eq!(clock.parse(&["now"], &context).unwrap(), 1_767_225_600);
    assert_eq!(clock.parse(&["7"], &context).unwrap(), 7);
    let error = clock.set_with(&["noon"], &context).unwrap_err();
    assert_eq!(
        error.to_string(),
        "clock, value: expected now or 0 to 4294967295 Unix seconds, got `noon`"
    );
    let position = control("position").unwrap();
    let timestamp = 225_600_123_u32.to_le_bytes();
    let request = position.set_with(&["40", "350"], &context).unwrap();
    assert_eq!(request.payload[..4], timestamp);
    assert_eq!(position.get_with(&context).unwrap().payload, timestamp);
    assert_eq!(position.get().unwrap().payload, [0; 4]);
}

#[test]
fn answers_are_described_by_name() {
    let describe = |name: &str, payload: &[u8]| control(name).unwrap().describe_answer(payload);
    assert_eq!(
        describe("video-parameters", &[120, 0, 1, 20, 2, 1]).unwrap(),
        json!({ "bitrate": 120, "resolution": "1080p", "fps": 20, "horizontal_flip": "off", "vertical_flip": "on" })
    );
    // Unknown values are numbers.
    assert_eq!(
        describe("video-parameters", &[0, 1, 0, 20, 0, 9]).unwrap(),
        json!({ "bitrate": 256, "resolution": 0, "fps": 20, "horizontal_flip": 0, "vertical_flip": 9 })
    );
    assert_eq!(describe("night-check", &[1]).unwrap(), "on");
    assert_eq!(describe("night-check", &[7]).unwrap(), 7);
    assert_eq!(describe("white-light", &[]).unwrap(), "");
    assert_eq!(describe("white-light", b"12").unwrap(), "3132");
    assert_eq!(
        describe("white-light", b"{\"a\":1}\0").unwrap(),
        json!({ "a": 1 })
    );
    assert_eq!(
        describe("motion-alarm", &[1, 3]).unwrap(),
        json!({ "alarm": "on", "sensitivity": 3 })
    );
    // A write-only control.
    assert_eq!(describe("photo", &[1]).unwrap(), "done");
    assert_eq!(describe("photo", &[0]).unwrap(), 0);
    assert!(matches!(
        describe("photo", &[]),
        Err(Error::Truncated { .. })
    ));
    assert!(matches!(
        describe("night-vision", &[4]),
        Err(Error::Value { .. })
    ));
}

#[test]
fn controls_convert_to_json() {
    assert_eq!(
        control("power").unwrap().to_json(),
        json!({
            "name": "power", "summary": "Wake the camera or put it to sleep", "get": null, "set": 10444,
            "values": "wake or sleep", "form": "one", "most": null,
            "fields": [{ "name": "value", "optional": false, "choices": ["wake", "sleep"] }],
            "destructive": false, "kind": "outdoor cameras",
        })
    );
    let points = control("patrol-points").unwrap().to_json();
    assert_eq!(
        (&points["form"], &points["most"]),
        (&"list".into(), &json!(255))
    );
    assert_eq!(points["fields"][0]["max"], 40);
    let turn = control("turn").unwrap().values().unwrap();
    assert_eq!(turn.choices()[0], "horizontal -128 to 127 degrees");
    assert_eq!(control("clock").unwrap().to_json()["kind"], Value::Null);
}

/// The table in the README is generated from the catalogue.
#[test]
fn readme_lists_every_control() {
    let table: String = CATALOGUE.iter().map(readme_row).collect();
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&table),
        "the table in README.md should be:\n{table}"
    );
}

fn readme_row(control: &Control) -> String {
    let code = |code: Option<u16>| code.map(|code| code.to_string()).unwrap_or_default();
    let mut set = code(control.set_code(CommandSet::Current));
    if let Some(legacy) = control.legacy_set_code() {
        set = format!("{set} or {legacy}");
    }
    let values = control.values().map(|values| format!("`{values}`"));
    let values = values.unwrap_or_default();
    let mut summary = control.summary.to_owned();
    if let Some(group) = control.group {
        summary = format!("{summary} ({group})");
    }
    let (name, get) = (control.name, code(control.get_code()));
    format!("| `{name}` | {get} | {set} | {values} | {summary} |\n")
}
