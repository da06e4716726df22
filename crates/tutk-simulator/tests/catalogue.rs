//! Every control: set from text, through the bytes, to a device, and read back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails"
)]

use std::collections::BTreeSet;

use hl_ioctl::commands::ReadParameters;
use hl_ioctl::schema::{Field, Kind, OMITTED, Values};
use hl_ioctl::{
    CATALOGUE, Command, Context, Control, Error, HlMessage, Models, Request, control, models,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tutk_simulator::{DeviceConfig, DeviceState, Effect, Outcome};

const NOW: u32 = 1_767_225_600;

fn device(model: Option<&str>) -> DeviceState {
    DeviceState::new(DeviceConfig {
        model: model.map(Into::into),
        ..DeviceConfig::default()
    })
}

/// Asks the device: the answer's payload, and what else happens.
fn ask(device: &mut DeviceState, request: &Request) -> (Vec<u8>, Option<Effect>) {
    let bytes = request.to_hl().unwrap();
    let (answer, effect) = match device.handle(&HlMessage::parse(&bytes).unwrap(), NOW) {
        Outcome::Answer(answer) => (answer, None),
        Outcome::Effect(answer, effect) => (answer, Some(effect)),
        Outcome::Silence(why) => panic!("K{}: {why:?}", request.code),
    };
    let answer = HlMessage::parse(&answer).unwrap();
    assert!(request.is_answered_by(&answer));
    (answer.payload.to_vec(), effect)
}

fn read(device: &mut DeviceState, control: &Control) -> Option<Value> {
    let (answer, _) = ask(device, &control.get()?);
    Some(control.describe_answer(&answer).unwrap())
}

/// Whether all that was set is in what was read, which may hold more.
fn holds(read: &Value, set: &Value) -> bool {
    match (read, set) {
        (Value::Object(read), Value::Object(set)) => {
            set.iter().all(|(key, value)| read.get(key) == Some(value))
        }
        _ => read == set,
    }
}

/// Texts that a field takes.
fn text(kind: Kind) -> BoxedStrategy<String> {
    match kind {
        Kind::OnOff => prop::sample::select(vec!["on", "off"])
            .prop_map(str::to_owned)
            .boxed(),
        Kind::OneOf(names) => prop::sample::select(names)
            .prop_map(|named| named.name.to_owned())
            .boxed(),
        Kind::Number { min, max, .. } => prop_oneof![Just(min), Just(max), min..=max]
            .prop_map(|number| number.to_string())
            .boxed(),
    }
}

fn fields(fields: &'static [Field]) -> BoxedStrategy<Vec<String>> {
    let each: Vec<_> = fields
        .iter()
        .map(|field| {
            if field.optional {
                prop_oneof![Just(OMITTED.to_owned()), text(field.kind)].boxed()
            } else {
                text(field.kind)
            }
        })
        .collect();
    each.boxed()
}

fn texts(values: Values) -> BoxedStrategy<Vec<String>> {
    match values {
        Values::None => Just(Vec::new()).boxed(),
        Values::One(kind) => text(kind).prop_map(|text| vec![text]).boxed(),
        Values::Fields(list) => fields(list),
        Values::List { item, most } => {
            let one = fields(item).prop_map(|parts| parts.join(":"));
            prop::collection::vec(one, 0..=most).boxed()
        }
    }
}

/// A control that can be set, and values for it.
fn setting() -> impl Strategy<Value = (&'static Control, Vec<String>)> {
    let settable: Vec<_> = CATALOGUE
        .iter()
        .filter(|control| control.values().is_some())
        .collect();
    prop::sample::select(settable)
        .prop_flat_map(|control| (Just(control), texts(control.values().unwrap())))
}

/// Sets a control on a device of this model, and reads it back where it can be read.
fn set_then_get(
    control: &Control,
    texts: &[String],
    model: Option<&str>,
) -> Result<(), TestCaseError> {
    let context = Context {
        model,
        now_unix_millis: Some(u64::from(NOW) * 1000),
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let request = control.set_with(&texts, &context).unwrap();
    prop_assert_eq!(Some(request.code), control.set_code(model));
    let wanted = control.parse(&texts, &context).unwrap();
    let mut device = device(model);
    let before = read(&mut device, control);
    let (answer, _) = ask(&mut device, &request);
    prop_assert_eq!(control.describe_set_answer(&answer).unwrap(), "done");
    if let Some(got) = read(&mut device, control) {
        prop_assert!(
            holds(&got, &wanted),
            "{}: before {before:?}, set {wanted}, got {got}",
            control.name
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_set_is_read((control, texts) in setting()) {
        set_then_get(control, &texts, None)?;
    }

    #[test]
    fn what_is_set_is_read_on_each_model(
        (control, texts) in setting(),
        model in prop::sample::select(vec!["WYZEDB3", "HL_CAM4", "WVOD1", "HL_DB2", "WYZEC1-JZ"])
    ) {
        // For this one the model must be of its kind; for all others it picks the code.
        prop_assume!(control.name != "video-parameters" || models::VIDEO_PARAMETERS.contains(&model));
        set_then_get(control, &texts, Some(model))?;
    }
}

/// Not only by chance: the named values of each control, one after the other on the same device.
#[test]
fn every_named_value_is_set_and_read() {
    let mut device = device(None);
    let mut seen = 0;
    for control in CATALOGUE {
        let kind = match control.values() {
            Some(Values::One(kind)) => kind,
            _ => continue,
        };
        let texts = match kind {
            Kind::OnOff => vec!["on", "off", "on"],
            Kind::OneOf(names) => names.iter().map(|named| named.name).collect(),
            Kind::Number { .. } => continue,
        };
        for text in texts {
            ask(&mut device, &control.set(&[text]).unwrap());
            if let Some(got) = read(&mut device, control) {
                assert_eq!(got, text, "{}", control.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

/// Controls that can only be set are seen in the parameters, in the position, or by their effect.
#[test]
fn what_cannot_be_read_is_seen_elsewhere() {
    let mut device = device(None);
    let mut parameter = |name: &str, values: &[&str], id: u8| {
        ask(&mut device, &control(name).unwrap().set(values).unwrap());
        let request = Request::from(&ReadParameters::new([id]).unwrap());
        let (answer, _) = ask(&mut device, &request);
        let answer = ReadParameters::decode_answer(&answer).unwrap();
        answer.value()[id.to_string()].clone()
    };
    assert_eq!(parameter("time-zone", &["-11"], 15), "-11");
    assert_eq!(parameter("time-zone", &["13"], 15), "13");
    assert_eq!(parameter("power", &["sleep"], 16), "2");
    assert_eq!(parameter("power", &["wake"], 16), "1");
    assert_eq!(parameter("file-server", &[], 18), "1");
    assert_eq!(parameter("floodlight", &["on"], 23), "1");
    assert_eq!(parameter("floodlight", &["off"], 23), "2");
    // From the middle.
    assert_eq!(parameter("turn", &["-100", "5"], 24), "25");
    assert_eq!(parameter("turn", &["-50", "0"], 25), "25");
    assert_eq!(parameter("step", &["right", "up"], 25), "35");
    assert_eq!(parameter("step", &["none", "down"], 24), "25");
    assert_eq!(parameter("step", &["left", "none"], 25), "25");
    // To the ends, and home.
    assert_eq!(parameter("turn", &["-128", "127"], 25), "0");
    assert_eq!(parameter("turn", &["0", "-128"], 24), "0");
    assert_eq!(parameter("home-position", &[], 25), "175");
    assert_eq!(parameter("turn", &["0", "0"], 24), "20");
}

#[test]
fn the_floodlight_is_seen_where_it_is_built_in() {
    let mut device = device(None);
    let (set, get) = (
        control("floodlight").unwrap(),
        control("built-in-floodlight").unwrap(),
    );
    for value in ["on", "off"] {
        ask(&mut device, &set.set(&[value]).unwrap());
        assert_eq!(read(&mut device, get).unwrap(), value);
    }
}

#[test]
fn the_table_is_sound() {
    let mut names = BTreeSet::new();
    for control in CATALOGUE {
        assert!(names.insert(control.name), "{} twice", control.name);
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(control.name.chars().all(kebab), "{}", control.name);
        assert!(!control.summary.is_empty() && !control.summary.contains('\n'));
        assert!(control.get_code().is_some() || control.set_code(None).is_some());
        assert_eq!(
            control.get().map(|request| request.code),
            control.get_code()
        );
        assert_eq!(control.values().is_some(), control.set_code(None).is_some());
        assert!(std::ptr::eq(
            hl_ioctl::control(control.name).unwrap(),
            control
        ));
    }
    assert!(control("Status-Light").is_none());
    let destructive: Vec<_> = CATALOGUE.iter().filter(|e| e.destructive).collect();
    assert_eq!(destructive.len(), 1);
    assert_eq!(destructive[0].set_code(None), Some(10242));
}

/// Every code of commands.md but the connection's own belongs to a control.
#[test]
fn the_table_is_complete() {
    let mut codes = BTreeSet::new();
    for control in CATALOGUE {
        codes.extend(control.get_code());
        codes.extend(control.set_code(None));
        codes.extend(control.other_set_code().map(|(code, _)| code));
    }
    let wanted = BTreeSet::from([
        10010, 10020, 10030, 10032, 10040, 10042, 10044, 10046, 10050, 10052, 10056, 10058, 10070,
        10072, 10074, 10076, 10090, 10092, 10148, 10200, 10202, 10206, 10242, 10290, 10292, 10302,
        10444, 10446, 10448, 10600, 10604, 10620, 10624, 10626, 10630, 10632, 10640, 10646, 10720,
        10788, 10820, 11000, 11002, 11004, 11006, 11010, 11012, 11014, 11016, 11018, 11020, 11022,
        11635, 12060,
    ]);
    assert_eq!(codes, wanted);
}

#[test]
fn wrong_values_say_what_is_allowed() {
    let error = |name: &str, values: &[&str]| {
        let control = control(name).unwrap();
        control.set(values).unwrap_err().to_string()
    };
    for (name, values, text) in [
        (
            "status-light",
            &["maybe"][..],
            "status-light, value: expected on or off, got `maybe`",
        ),
        (
            "night-vision",
            &["ON"],
            "night-vision, value: expected on, off or auto, got `ON`",
        ),
        (
            "time-zone",
            &["14"],
            "time-zone, value: expected -11 to 13 hours, got `14`",
        ),
        (
            "turn",
            &["1", "128"],
            "turn, vertical: expected -128 to 127 degrees, got `128`",
        ),
        (
            "turn",
            &["1"],
            "turn: expected HORIZONTAL VERTICAL: horizontal -128 to 127 degrees; vertical -128 to 127 degrees, got 1 value",
        ),
        (
            "resolution",
            &["4k"],
            "resolution, resolution: expected 1080p, 360p, 720p, 2k or 2k-alternate, got `4k`",
        ),
        (
            "resolution",
            &["-"],
            "resolution, resolution: expected 1080p, 360p, 720p, 2k or 2k-alternate, got `-`",
        ),
        (
            "resolution",
            &["1080p", "241"],
            "resolution, bitrate: expected 1 to 240 kB/s, got `241`",
        ),
        (
            "patrol-points",
            &["1:2:10", "1:2"],
            "patrol-points, point: expected 0 to 255 times VERTICAL:HORIZONTAL:SECONDS: vertical 0 to 40 degrees; horizontal 0 to 350 degrees; seconds 10 to 255 seconds, got `1:2`",
        ),
        (
            "patrol-points",
            &["1:2:9"],
            "patrol-points, seconds: expected 10 to 255 seconds, got `9`",
        ),
        ("photo", &["now"], "photo: expected no value, got 1 value"),
        (
            "status-light",
            &[],
            "status-light: expected on or off, got 0 values",
        ),
        (
            "clock",
            &["now"],
            "clock, value: expected 0 to 4294967295 Unix seconds, got `now`",
        ),
        (
            "quick-message",
            &["0"],
            "quick-message, value: expected 1 to 3 (number of the message), got `0`",
        ),
        (
            "accessories",
            &["on"],
            "accessories: it can be read only, not set",
        ),
    ] {
        assert_eq!(error(name, values), text);
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

/// Whatever is typed for a control: either it is sent, and the device takes it, or an error says what is allowed.
#[test]
fn each_control_refuses_what_none_takes() {
    for control in CATALOGUE {
        let error = control.set(&["\u{0}no such value"; 300]).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with(control.name), "{text}");
        assert!(!text.contains('\n'));
    }
}

#[test]
fn the_model_decides_between_two_codes() {
    for (model, video, motion) in [
        (None, 10056, 10206),
        (Some("HL_CAM4"), 10056, 10206),
        (Some("WYZEDB3"), 10052, 10202),
        (Some("WVOD1"), 10052, 10202),
        (Some("HL_WCO2"), 10052, 10202),
        (Some("WYZEC1"), 10052, 10202),
        (Some("WYZEC1-JZ"), 10056, 10206),
    ] {
        let context = Context {
            model,
            now_unix_millis: None,
        };
        let code = |name: &str, values: &[&str]| {
            control(name)
                .unwrap()
                .set_with(values, &context)
                .unwrap()
                .code
        };
        assert_eq!(code("resolution", &["1080p"]), video, "{model:?}");
        assert_eq!(code("motion-alarm", &["on"]), motion, "{model:?}");
    }
    let payload = |model, values: &[&str]| {
        let context = Context {
            model: Some(model),
            now_unix_millis: None,
        };
        control("resolution")
            .unwrap()
            .set_with(values, &context)
            .unwrap()
            .payload
    };
    // Left out, the bitrate goes by the picture; 2K has a code of its own on two models.
    assert_eq!(payload("HL_CAM4", &["2k"]), [4, 120, 0, 0, 0]);
    assert_eq!(payload("HL_BC", &["2k", "-", "15"]), [5, 120, 0, 15, 0]);
    assert_eq!(payload("HL_CAM4", &["360p"]), [2, 30, 0, 0, 0]);
    assert_eq!(
        payload("WYZEDB3", &["720p", "60", "20"]),
        [60, 0, 3, 20, 0, 0]
    );
}

#[test]
fn the_time_goes_where_it_is_wanted() {
    let context = Context {
        model: None,
        now_unix_millis: Some(1_767_225_600_123),
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
    let stamp = 225_600_123_u32.to_le_bytes();
    let request = position.set_with(&["40", "350"], &context).unwrap();
    assert_eq!(request.payload[..4], stamp);
    assert_eq!(position.get_with(&context).unwrap().payload, stamp);
    // Without a time it is 0.
    assert_eq!(position.get().unwrap().payload, [0; 4]);
}

#[test]
fn answers_are_described_in_words() {
    let describe = |name: &str, payload: &[u8]| control(name).unwrap().describe_answer(payload);
    assert_eq!(
        describe("video-parameters", &[120, 0, 1, 20, 2, 1]).unwrap(),
        json!({ "bitrate": 120, "resolution": "1080p", "fps": 20, "horizontal_flip": "off", "vertical_flip": "on" })
    );
    // What no document has is shown as it is.
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
    // A control that can only be set.
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
fn an_entry_is_data() {
    assert_eq!(
        control("power").unwrap().to_json(),
        json!({
            "name": "power", "summary": "Wake the camera or let it sleep", "get": null, "set": 10444,
            "values": "wake or sleep", "form": "one", "most": null,
            "fields": [{ "name": "value", "optional": false, "choices": ["wake", "sleep"] }],
            "destructive": false, "models": ["WVOD1", "HL_WCO2"], "kind": "outdoor cameras",
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
    assert_eq!(control("clock").unwrap().to_json()["models"], Value::Null);
}

/// The table in the README, made from the catalogue.
#[test]
fn the_readme_lists_every_control() {
    let table: String = CATALOGUE.iter().map(readme_row).collect();
    let readme = include_str!("../../hl-ioctl/README.md");
    assert!(
        readme.contains(&table),
        "the table in README.md should be:\n{table}"
    );
}

fn readme_row(control: &Control) -> String {
    let code = |code: Option<u16>| code.map(|code| code.to_string()).unwrap_or_default();
    let mut set = code(control.set_code(None));
    if let Some((other, _)) = control.other_set_code() {
        set = format!("{set} or {other}");
    }
    let values = control.values().map(|values| format!("`{values}`"));
    let values = values.unwrap_or_default();
    let mut summary = control.summary.to_owned();
    if let Models::Kind { name, models } = control.models {
        summary = format!("{summary} ({name}: {})", models.join(", "));
    }
    let (name, get) = (control.name, code(control.get_code()));
    format!("| `{name}` | {get} | {set} | {values} | {summary} |\n")
}
