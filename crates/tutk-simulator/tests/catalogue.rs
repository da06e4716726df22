//! Every control, from text through bytes to the device and back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails"
)]

use hl_ioctl::schema::{Field, Kind, OMITTED, Values};
use hl_ioctl::{CATALOGUE, CommandSet, Context, Control, HlMessage, Request, control};
use proptest::prelude::*;
use serde_json::Value;
use tutk_session::models::command_profile;
use tutk_simulator::{DeviceConfig, DeviceState, Effect, Outcome};

const NOW: u32 = 1_767_225_600;

fn device(model: Option<&str>) -> DeviceState {
    DeviceState::new(DeviceConfig {
        model: model.map(Into::into),
        ..DeviceConfig::default()
    })
}

/// Sends a request to the device. Returns the payload of the answer, and the effect.
fn ask(device: &mut DeviceState, request: &Request) -> (Vec<u8>, Option<Effect>) {
    let bytes = request.to_hl().unwrap();
    let (answer, effect) = match device.handle(&HlMessage::parse(&bytes).unwrap(), NOW) {
        Outcome::Answer(answer) => (answer, None),
        Outcome::Effect(answer, effect) => (answer, Some(effect)),
        Outcome::Unanswered(reason) => panic!("K{}: {reason:?}", request.code),
    };
    let answer = HlMessage::parse(&answer).unwrap();
    assert!(request.is_answered_by(&answer));
    (answer.payload.to_vec(), effect)
}

fn read(device: &mut DeviceState, control: &Control) -> Option<Value> {
    let (answer, _) = ask(device, &control.get()?);
    Some(control.describe_answer(&answer).unwrap())
}

/// Returns `true` if `read` contains all of `set`.
fn holds(read: &Value, set: &Value) -> bool {
    match (read, set) {
        (Value::Object(read), Value::Object(set)) => {
            set.iter().all(|(key, value)| read.get(key) == Some(value))
        }
        _ => read == set,
    }
}

/// Valid texts of a field.
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
        _ => panic!("{kind:?}"),
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
        Values::List { item, max_items } => {
            let one = fields(item).prop_map(|parts| parts.join(":"));
            prop::collection::vec(one, 0..=max_items).boxed()
        }
        _ => panic!("{values:?}"),
    }
}

/// A control that can be set, and valid values.
fn setting() -> impl Strategy<Value = (&'static Control, Vec<String>)> {
    let settable: Vec<_> = CATALOGUE
        .iter()
        .filter(|control| control.values().is_some())
        .collect();
    prop::sample::select(settable)
        .prop_flat_map(|control| (Just(control), texts(control.values().unwrap())))
}

/// Sets a control on a device of this model, and reads it back if it can be read.
fn set_then_get(
    control: &Control,
    texts: &[String],
    model: Option<&str>,
) -> Result<(), TestCaseError> {
    let context = Context {
        profile: command_profile(model),
        now_unix_millis: Some(u64::from(NOW) * 1000),
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let request = control.set_with(&texts, &context).unwrap();
    prop_assert_eq!(
        Some(request.code),
        control.set_code(context.profile.command_set)
    );
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
    fn reads_what_was_set((control, texts) in setting()) {
        set_then_get(control, &texts, None)?;
    }

    #[test]
    fn reads_what_was_set_on_each_model(
        (control, texts) in setting(),
        model in prop::sample::select(vec!["WYZEDB3", "HL_CAM4", "WVOD1", "HL_DB2", "WYZEC1-JZ"])
    ) {
        // Only the legacy command set has this control.
        prop_assume!(control.name != "video-parameters" || command_profile(Some(model)).command_set == CommandSet::Legacy);
        set_then_get(control, &texts, Some(model))?;
    }
}

/// Sets all named values of each control on the same device.
#[test]
fn sets_and_reads_every_named_value() {
    let mut device = device(None);
    let mut seen = 0;
    for control in CATALOGUE {
        let kind = match control.values() {
            Some(Values::One(kind)) => kind,
            Some(Values::Fields([field])) => field.kind,
            _ => continue,
        };
        let texts = match kind {
            Kind::OnOff => vec!["on", "off", "on"],
            Kind::OneOf(names) => names.iter().map(|named| named.name).collect(),
            _ => continue,
        };
        for text in texts {
            ask(&mut device, &control.set(&[text]).unwrap());
            if let Some(got) = read(&mut device, control) {
                let set = control.parse(&[text], &Context::default()).unwrap();
                assert!(holds(&got, &set), "{}: {got}", control.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn time_zone_is_a_parameter() {
    let mut device = device(None);
    for zone in ["-11", "13"] {
        let request = control("time-zone").unwrap().set(&[zone]).unwrap();
        ask(&mut device, &request);
        let parameters = read(&mut device, control("parameters").unwrap()).unwrap();
        assert_eq!(parameters["22"], zone);
    }
}

#[test]
fn camera_turns_within_its_range() {
    let mut device = device(None);
    let mut turn = |name: &str, values: &[&str]| {
        ask(&mut device, &control(name).unwrap().set(values).unwrap());
        let position = read(&mut device, control("position").unwrap()).unwrap();
        let angle = |name: &str| position[name].as_u64().unwrap();
        (angle("horizontal"), angle("vertical"))
    };
    // From the centre.
    assert_eq!(turn("turn", &["-100", "5"]), (75, 25));
    assert_eq!(turn("turn", &["-50", "0"]), (25, 25));
    assert_eq!(turn("step", &["right", "up"]), (35, 35));
    assert_eq!(turn("step", &["none", "down"]), (35, 25));
    assert_eq!(turn("step", &["left", "none"]), (25, 25));
    // To the ends of the range, and home.
    assert_eq!(turn("turn", &["-128", "127"]), (0, 40));
    assert_eq!(turn("turn", &["0", "-128"]), (0, 0));
    assert_eq!(turn("home-position", &[]), (175, 20));
}

#[test]
fn built_in_floodlight_reports_the_floodlight() {
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
