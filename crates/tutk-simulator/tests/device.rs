//! Outcomes of commands, and robustness against any message.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics fails"
)]

use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::*;
use hl_ioctl::{Command, CommandSet, Error, HlMessage, Request};
use proptest::prelude::*;
use serde_json::json;
use tutk_simulator::{DeviceConfig, DeviceState, Effect, Outcome, UnansweredReason};

const NOW: u32 = 1_767_225_600;

fn handle(device: &mut DeviceState, request: &Request, now: u32) -> Outcome {
    let bytes = request.to_hl().unwrap();
    device.handle(&HlMessage::parse(&bytes).unwrap(), now)
}

fn send<C: Command>(device: &mut DeviceState, command: &C) -> Outcome {
    handle(device, &Request::from(command), NOW)
}

fn get<C: Command + Default>(device: &mut DeviceState, now: u32) -> C::Answer {
    match handle(device, &Request::from(&C::default()), now) {
        Outcome::Answer(bytes) => {
            C::answer_from_message(&HlMessage::parse(&bytes).unwrap()).unwrap()
        }
        outcome => panic!("{outcome:?}"),
    }
}

fn of_model(model: &str) -> DeviceState {
    DeviceState::new(DeviceConfig {
        model: Some(model.into()),
        ..DeviceConfig::default()
    })
}

#[test]
fn reports_effects() {
    let mut device = DeviceState::new(DeviceConfig::default());
    let effect = |outcome: Outcome| match outcome {
        Outcome::Effect(answer, effect) => {
            assert_eq!(answer[16..], [1]);
            effect
        }
        outcome => panic!("{outcome:?}"),
    };
    let media = MediaControl {
        media: Media::Audio,
        switch: Switch::On,
    };
    assert_eq!(effect(send(&mut device, &media)), Effect::Media(media));
    assert_eq!(effect(send(&mut device, &TakePhoto)), Effect::Photo);
    assert_eq!(
        effect(send(&mut device, &StartFileServer)),
        Effect::FileServer
    );
    assert_eq!(
        effect(send(&mut device, &FormatSdCard)),
        Effect::FormatSdCard
    );
    assert_eq!(
        effect(send(&mut device, &SetPower(Power::Sleep))),
        Effect::Power(Power::Sleep)
    );
    let message = QuickMessage::new(2).unwrap();
    assert_eq!(
        effect(send(&mut device, &PlayQuickMessage(message))),
        Effect::QuickMessage(message)
    );
    let resolution = SetResolution {
        resolution: Resolution::P720,
        bitrate: Bitrate::SD,
        fps: NonZeroU16::new(300),
    };
    let reported = effect(send(&mut device, &resolution));
    assert_eq!(reported, Effect::Video(device.video()));
    let video = device.video();
    assert_eq!(
        (video.resolution, video.bitrate, video.fps),
        (Resolution::P720, Bitrate::SD, 300)
    );
    // K10051 has one byte for the frame rate.
    assert_eq!(get::<GetVideoParameters>(&mut device, NOW).fps, 255);
}

#[test]
fn omitted_fields_keep_their_values() {
    let mut device = DeviceState::new(DeviceConfig::default());
    let before = device.video();
    send(&mut device, &SetVideoParameters::default());
    assert_eq!(device.video(), before);
    let flip = SetVideoParameters {
        vertical_flip: Some(Switch::On),
        fps: NonZeroU8::new(5),
        ..SetVideoParameters::default()
    };
    send(&mut device, &flip);
    let video = device.video();
    assert_eq!((video.fps, video.vertical_flip), (5, Switch::On));
    assert_eq!(
        (video.resolution, video.bitrate, video.horizontal_flip),
        (before.resolution, before.bitrate, before.horizontal_flip)
    );
    send(
        &mut device,
        &SetResolution {
            resolution: Resolution::P360,
            bitrate: Bitrate::P360,
            fps: None,
        },
    );
    let video = device.video();
    assert_eq!((video.fps, video.resolution), (5, Resolution::P360));
}

#[test]
fn clock_continues_after_it_was_set() {
    let mut device = DeviceState::new(DeviceConfig::default());
    let clock = |device: &mut DeviceState, now| get::<GetClock>(device, now).get();
    assert_eq!(clock(&mut device, NOW), NOW);
    for (set, offset) in [
        (NOW + 3600, 3600),
        (0, -i64::from(NOW)),
        (u32::MAX, i64::from(u32::MAX - NOW)),
    ] {
        let outcome = send(&mut device, &SetClock(UnixSeconds::new(set).unwrap()));
        assert!(matches!(outcome, Outcome::Effect(_, Effect::Clock(got)) if got == offset));
        assert_eq!(clock(&mut device, NOW), set);
        assert_eq!(clock(&mut device, NOW + 7), set.wrapping_add(7));
        assert_eq!(device.clock(NOW - 1), set.wrapping_sub(1));
    }
}

#[test]
fn parameters_report_the_state() {
    let mut device = DeviceState::new(DeviceConfig::default());
    send(&mut device, &SetNightVision(NightVision::On));
    send(&mut device, &SetTimeZone(TimeZone::new(-8).unwrap()));
    send(&mut device, &SetMotionTracking(Switch::On));
    // Duplicates and unknown ids are ignored.
    let json = device.parameters(&[1, 2, 3, 4, 5, 2, 8, 13, 22, 27, 50, 200]);
    assert_eq!(
        json,
        json!({
            "1": "1", "2": "1", "3": "120", "4": "1", "5": "20", "13": "2", "22": "-8", "27": "1",
            "50": "1",
        })
    );
    assert_eq!(device.parameters(&[28, 255]), json!({}));
    let all = device.parameters(ReadParameters::all().ids());
    assert_eq!(all.as_object().unwrap().len(), 12);
}

#[test]
fn codes_of_the_other_command_set_are_not_answered() {
    let resolution = SetResolution {
        resolution: Resolution::P1080,
        bitrate: Bitrate::HD,
        fps: None,
    };
    let unknown = Outcome::Unanswered(UnansweredReason::UnknownCode);
    for model in ["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"] {
        let mut device = of_model(model);
        assert_eq!(device.model(), Some(model));
        assert_eq!(send(&mut device, &resolution), unknown);
        let alarm = SetMotionAlarm { alarm: Switch::On };
        assert_eq!(send(&mut device, &alarm), unknown);
        assert_ne!(send(&mut device, &SetVideoParameters::default()), unknown);
        let alarm = SetMotionAlarmLegacy { alarm: Switch::On };
        assert_ne!(send(&mut device, &alarm), unknown);
    }
    let mut device = of_model("HL_CAM4");
    assert_ne!(send(&mut device, &resolution), unknown);
    assert_eq!(send(&mut device, &SetVideoParameters::default()), unknown);
    let alarm = SetMotionAlarmLegacy { alarm: Switch::On };
    assert_eq!(send(&mut device, &alarm), unknown);
}

#[test]
fn unknown_codes_and_malformed_payloads_are_not_answered() {
    let mut device = DeviceState::new(DeviceConfig::default());
    let mut handle = |code, payload: &[u8]| {
        let message = HlMessage {
            version: 5,
            code,
            payload,
        };
        device.handle(&message, NOW)
    };
    // Codes of the connection, of answers, and unassigned codes.
    for code in [
        0,
        10000,
        10002,
        10006,
        10008,
        10031,
        10033,
        10054,
        11636,
        u16::MAX,
    ] {
        assert_eq!(
            handle(code, &[1; 64]),
            Outcome::Unanswered(UnansweredReason::UnknownCode)
        );
    }
    for (code, payload) in [
        (10032, &[][..]),
        (10032, &[3]),
        (10020, &[2, 1]),
        (11018, &[0; 6]),
    ] {
        let outcome = handle(code, payload);
        assert!(
            matches!(outcome, Outcome::Unanswered(UnansweredReason::Malformed(_))),
            "{outcome:?}"
        );
    }
    // Later firmware may send longer payloads.
    assert!(matches!(handle(10032, &[2, 9, 9]), Outcome::Answer(_)));
    assert_eq!(get::<GetStatusLight>(&mut device, NOW), Switch::Off);
}

#[test]
fn too_long_answers_are_not_sent() {
    let mut device = DeviceState::new(DeviceConfig {
        accessories: "x".repeat(70_000).into(),
        ..DeviceConfig::default()
    });
    let outcome = send(&mut device, &GetAccessories);
    assert!(matches!(
        outcome,
        Outcome::Unanswered(UnansweredReason::Malformed(Error::TooLong { .. }))
    ));
}

/// Codes of the catalogue, and others.
fn code() -> impl Strategy<Value = u16> {
    let known: Vec<u16> = hl_ioctl::CATALOGUE
        .iter()
        .flat_map(|control| {
            [
                control.get_code(),
                control.set_code(CommandSet::Current),
                control.legacy_set_code(),
            ]
        })
        .flatten()
        .collect();
    prop_oneof![8 => prop::sample::select(known), 1 => any::<u16>()]
}

proptest! {
    /// The code of an answer is the code of the command plus one, messages that are not answered
    /// change nothing, and all controls stay readable.
    #[test]
    fn handles_any_messages(
        messages in prop::collection::vec(
            (code(), prop::collection::vec(prop_oneof![4 => 0..4u8, 1 => any::<u8>()], 0..40), any::<u32>()),
            0..60
        )
    ) {
        let mut device = DeviceState::new(DeviceConfig::default());
        for (code, payload, now) in &messages {
            let message = HlMessage { version: 5, code: *code, payload };
            let before = device.parameters(ReadParameters::all().ids());
            match device.handle(&message, *now) {
                Outcome::Answer(answer) | Outcome::Effect(answer, _) => {
                    prop_assert_eq!(HlMessage::parse(&answer).unwrap().code, code + 1);
                }
                Outcome::Unanswered(_) => {
                    prop_assert_eq!(device.parameters(ReadParameters::all().ids()), before);
                }
            }
        }
        for control in hl_ioctl::CATALOGUE {
            let Some(request) = control.get() else { continue };
            let Outcome::Answer(answer) = handle(&mut device, &request, NOW) else {
                return Err(TestCaseError::fail(control.name));
            };
            control.describe_answer(HlMessage::parse(&answer).unwrap().payload).unwrap();
        }
        let Position { vertical, horizontal, .. } = get::<GetPosition>(&mut device, NOW);
        prop_assert!(vertical <= 40 && horizontal <= 350);
    }
}
