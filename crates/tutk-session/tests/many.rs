//! Several clients on one camera, and what they tell it to do.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use testkit::session::hub::Hub;
use testkit::session::scripted::Scripted;
use testkit::session::{camera_address, clip, credentials};
use tutk_session::hl_ioctl::commands::{
    Bitrate, ConnectResult, Media, MediaControl, ReadParameters, Resolution, SetResolution,
    SetVideoParameters, Switch,
};
use tutk_session::hl_ioctl::{CAMERA_VERSION, HlMessage, Request};
use tutk_session::tutk_frame::IoctlRequest;
use tutk_session::{ClientConfig, Dialect, Error, Event, MAX_REQUESTS, Phase, Status};
use tutk_simulator::{Clip, LeaveReason, SimulatorConfig, SimulatorEvent};

const EACH: [&Dialect; 3] = Dialect::ALL;
const SECOND: Duration = Duration::from_secs(1);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn client(dialect: &'static Dialect) -> ClientConfig {
    let mut config = ClientConfig::new(camera_address(), credentials());
    config.dialects = vec![dialect];
    config
}

fn camera(clip: &Clip) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip.clone())
}

/// A camera, and one client that streams from it.
fn one(dialect: &'static Dialect) -> Hub {
    let mut hub = Hub::new(camera(&clip(2, 20, 10)));
    hub.join(client(dialect));
    assert!(hub.run_until(5 * SECOND, |hub| hub.clients[0].frames.len() >= 3));
    hub
}

#[test]
fn each_client_gets_the_clip_from_its_first_frame_in_its_dialect() {
    let clip = clip(2, 20, 10);
    let mut hub = Hub::new(camera(&clip));
    for number in 0..6 {
        hub.join(client(EACH[number % 3]));
        hub.run(MS(330));
    }
    assert!(hub.run_until(10 * SECOND, |hub| {
        hub.clients.iter().all(|member| member.frames.len() >= 30)
    }));
    assert_eq!(hub.camera.clients().count(), 6);
    for (index, member) in hub.clients.iter().enumerate() {
        assert_eq!(member.client.dialect(), Some(EACH[index % 3]));
        for (at, frame) in member.frames.iter().enumerate() {
            assert_eq!(frame.number as usize, at + 1, "{index}");
            assert_eq!(frame.data, clip.frames()[at % 20].data, "{index} {at}");
        }
        assert_eq!(member.ended, None);
    }
    // Six of them watch by now, and the frames say so.
    let frame = hub.clients[0].frames.last().unwrap();
    assert_eq!(frame.info.unwrap().viewers, 6);
}

#[test]
fn a_client_that_knows_only_the_address_finds_the_dialect() {
    let mut hub = Hub::new(camera(&clip(2, 20, 10)));
    hub.join(ClientConfig::new(camera_address(), credentials()));
    let mut both = client(&Dialect::SUMMARY);
    both.dialects = Dialect::ALL.to_vec();
    hub.join(both);
    assert!(hub.run_until(5 * SECOND, |hub| {
        hub.clients.iter().all(|member| !member.frames.is_empty())
    }));
    assert_eq!(hub.clients[0].client.dialect(), Some(&Dialect::TRANSCODE));
}

#[test]
fn there_is_room_for_so_many_and_a_client_that_goes_makes_room() {
    let mut config = camera(&clip(2, 20, 10));
    config.max_clients = 2;
    let mut hub = Hub::new(config);
    for _ in 0..2 {
        hub.join(client(&Dialect::TRANSCODE));
    }
    assert!(hub.run_until(5 * SECOND, |hub| {
        hub.clients.iter().all(|member| !member.frames.is_empty())
    }));
    let third = hub.join(client(&Dialect::SUMMARY));
    hub.run(6 * SECOND);
    let (phase, waited) = (Phase::Session, 5 * SECOND);
    let silent = Error::Silent { phase, waited };
    assert_eq!(hub.clients[third].ended, Some(Err(silent)));
    assert_eq!(hub.camera.clients().count(), 2);

    hub.with(0, |client, now| client.close(now));
    assert_eq!(hub.clients[0].ended, Some(Ok(())));
    assert!(hub.run_until(SECOND, |hub| hub.camera.clients().count() == 1));
    let left = hub.events.iter().find_map(|event| match event {
        SimulatorEvent::Left { client, reason, .. } => Some((client.address, reason.clone())),
        _ => None,
    });
    assert_eq!(left, Some((hub.clients[0].address, LeaveReason::Closed)));

    let fourth = hub.join(client(&Dialect::SUMMARY));
    assert!(hub.run_until(5 * SECOND, |hub| hub.clients[fourth].frames.len() >= 5));
    assert_eq!(hub.clients[1].ended, None, "the others do not notice");
}

#[test]
fn the_camera_tells_who_comes_and_how_far() {
    let hub = one(&Dialect::TRANSCODE);
    let phases: Vec<_> = hub
        .events
        .iter()
        .filter_map(|event| match event {
            SimulatorEvent::Entered { phase, .. } => Some(*phase),
            _ => None,
        })
        .collect();
    assert!(matches!(hub.events[0], SimulatorEvent::Joined { .. }));
    assert_eq!(phases, [Phase::Login, Phase::Authentication, Phase::Stream]);
}

#[test]
fn video_off_and_on_again_goes_on_with_its_counts() {
    for dialect in EACH {
        let mut hub = one(dialect);
        let video = |switch| MediaControl {
            media: Media::Video,
            switch,
        };
        hub.with(0, |client, now| {
            client.command(now, (&video(Switch::Off)).into())
        });
        hub.run(SECOND);
        assert_eq!(hub.clients[0].answers(), [(10011, vec![1])], "{dialect}");
        let paused = hub.clients[0].frames.len();
        // Longer than frames are waited for: this silence was asked for.
        hub.run(15 * SECOND);
        assert_eq!(hub.clients[0].frames.len(), paused, "{dialect}");
        assert_eq!(hub.clients[0].ended, None, "{dialect}");

        hub.with(0, |client, now| {
            client.command(now, (&video(Switch::On)).into())
        });
        assert!(hub.run_until(2 * SECOND, |hub| hub.clients[0].frames.len() >= paused + 20));
        let member = &hub.clients[0];
        assert_eq!(member.answers().len(), 2, "{dialect}");
        let numbers: Vec<u32> = member.frames.iter().map(|frame| frame.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{dialect}: {numbers:?}");
        assert!(
            member.frames[paused].is_key(),
            "{dialect}: it begins with a key frame"
        );
        // The frame that was cut off by the pause may be lost, and nothing else.
        let last = *numbers.last().unwrap();
        assert!(
            u32::try_from(numbers.len()).unwrap() + 1 >= last,
            "{dialect}"
        );

        // The end of the stream is an end again.
        hub.camera.close(hub.now);
        hub.run(SECOND);
        let phase = Phase::Stream;
        assert_eq!(
            hub.clients[0].ended,
            Some(Err(Error::ClosedByCamera { phase }))
        );
    }
}

#[test]
fn what_is_set_can_be_read() {
    for dialect in EACH {
        let mut hub = one(dialect);
        let read = ReadParameters::new([1, 2, 3, 4, 5, 99]).unwrap();
        let ask = |hub: &mut Hub, request: Request| {
            let before = hub.clients[0].answers().len();
            hub.with(0, |client, now| client.command(now, request));
            assert!(hub.run_until(SECOND, |hub| hub.clients[0].answers().len() > before));
            hub.clients[0].answers().pop().unwrap()
        };
        let values = |hub: &mut Hub| {
            let (code, payload) = ask(hub, (&read).into());
            assert_eq!(code, 10021, "{dialect}");
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap()
        };
        let expected = serde_json::json!({"1": "120", "2": "0", "3": "20", "4": "2", "5": "2"});
        assert_eq!(values(&mut hub), expected, "{dialect}");

        let set = SetVideoParameters {
            bitrate: Some(Bitrate::SD),
            fps: NonZeroU8::new(15),
            horizontal_flip: Some(Switch::On),
            ..SetVideoParameters::default()
        };
        assert_eq!(ask(&mut hub, (&set).into()), (10053, vec![1]), "{dialect}");
        let expected = serde_json::json!({"1": "60", "2": "0", "3": "15", "4": "1", "5": "2"});
        assert_eq!(values(&mut hub), expected, "{dialect}");

        let set = SetResolution {
            resolution: Resolution::P360,
            bitrate: Bitrate::HD,
            fps: NonZeroU16::new(10),
        };
        assert_eq!(ask(&mut hub, (&set).into()), (10057, vec![1]), "{dialect}");
        let expected = serde_json::json!({"1": "120", "2": "1", "3": "10", "4": "1", "5": "2"});
        assert_eq!(values(&mut hub), expected, "{dialect}");
        assert_eq!(hub.clients[0].unanswered(), []);
    }
}

/// A change of resolution begins with a key frame, in every client's stream, and that frame says
/// so.
#[test]
fn a_frame_after_a_change_of_resolution_says_so() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        let mut hub = one(dialect);
        hub.join(client(dialect));
        assert!(hub.run_until(5 * SECOND, |hub| hub.clients[1].frames.len() >= 3));
        let mut set = |resolution| {
            let set = SetResolution {
                resolution,
                bitrate: Bitrate::SD,
                fps: None,
            };
            hub.with(0, |client, now| client.command(now, (&set).into()));
            hub.run(2 * SECOND);
        };
        set(Resolution::P360);
        // The same once more is no change.
        set(Resolution::P360);
        set(Resolution::TwoK);
        for member in &hub.clients {
            let changed: Vec<_> = (member.frames.iter())
                .filter(|frame| frame.resolution_changed)
                .map(|frame| (frame.is_key(), frame.info.unwrap().resolution))
                .collect();
            assert_eq!(changed, [(true, 1), (true, 3)], "{dialect}");
            assert!(member.frames.is_sorted_by_key(|frame| frame.timestamp));
        }
    }
}

fn unknown(payload: u8) -> Request {
    Request {
        code: 10998,
        payload: vec![payload],
    }
}

#[test]
fn a_command_that_the_camera_does_not_know_is_unanswered_after_5_s() {
    for dialect in EACH {
        let mut hub = one(dialect);
        let asked = hub.now - hub.start;
        hub.with(0, |client, now| client.command(now, unknown(0)));
        hub.run(6 * SECOND);
        let said = hub.clients[0].unanswered();
        assert_eq!(said, [(asked + 5 * SECOND, 10998)], "{dialect}");
        assert_eq!(hub.clients[0].ended, None);
    }
}

#[test]
fn a_command_that_is_lost_is_sent_again() {
    for dialect in EACH {
        let mut hub = one(dialect);
        hub.loss = |_| true;
        let read = ReadParameters::new([3]).unwrap();
        hub.with(0, |client, now| client.command(now, (&read).into()));
        hub.run(MS(2500));
        assert!(hub.clients[0].answers().is_empty(), "{dialect}");
        hub.loss = |_| false;
        hub.run(MS(600));
        assert_eq!(hub.clients[0].answers().len(), 1, "{dialect}: at 3 s");
    }
}

/// IOCTLs that a scripted camera got: index and HL code, payload.
fn ioctls(script: &mut Scripted) -> Vec<(u32, u16, Vec<u8>)> {
    script
        .take_packets()
        .iter()
        .filter_map(|packet| {
            let request = IoctlRequest::parse(packet).ok()?;
            let message = HlMessage::parse(request.hl).unwrap();
            Some((request.index, message.code, message.payload.to_vec()))
        })
        .collect()
}

fn answer(code: u16) -> Vec<u8> {
    let message = HlMessage {
        version: CAMERA_VERSION,
        code,
        payload: &[1],
    };
    message.to_vec().unwrap()
}

#[test]
fn one_request_of_a_code_is_on_its_way_at_a_time() {
    for dialect in EACH {
        let mut script = Scripted::new(dialect);
        script.let_in();
        script.take_packets();
        for payload in [1, 2] {
            script.client.command(script.now, unknown(payload));
        }
        let other = Request {
            code: 10020,
            payload: vec![1, 1],
        };
        script.client.command(script.now, other);
        script.settle();
        let sent = ioctls(&mut script);
        assert_eq!(
            sent,
            [(2, 10998, vec![1]), (3, 10020, vec![1, 1])],
            "{dialect}"
        );
        // Both again each second, under the index that they had.
        script.advance(MS(1000));
        assert_eq!(ioctls(&mut script), sent, "{dialect}");
        script.ioctl(&answer(10999));
        assert_eq!(ioctls(&mut script), [(4, 10998, vec![2])], "{dialect}");
        // An answer that nobody waits for changes nothing.
        script.ioctl(&answer(10021));
        script.ioctl(&answer(10021));
        assert!(ioctls(&mut script).is_empty());
        let answers = script
            .events
            .iter()
            .filter(|event| matches!(event, Event::Answer(_)));
        assert_eq!(answers.count(), 2, "{dialect}");
    }
}

#[test]
fn commands_wait_until_the_camera_has_let_us_in() {
    for dialect in EACH {
        let mut script = Scripted::new(dialect);
        script.client.command(script.now, unknown(1));
        script.answer_discovery();
        script.client.command(script.now, unknown(2));
        script.answer_session();
        let other = Request {
            code: 10020,
            payload: vec![1, 1],
        };
        script.client.command(script.now, other);
        script.settle();
        script.answer_login(tutk_session::av_login::Status::SUCCESS);
        // Longer than an answer may take: what was not sent cannot be late.
        script.advance(6 * SECOND);
        let early = ioctls(&mut script);
        assert!(
            early.iter().all(|(_, code, _)| *code == 10000),
            "{dialect}: {early:?}"
        );
        script.challenge(tutk_session::hl_ioctl::ChallengeStatus::Enr);
        ioctls(&mut script);
        script.result(&ConnectResult::accept(None, None));
        let sent = ioctls(&mut script);
        assert_eq!(
            sent,
            [(2, 10998, vec![1]), (3, 10020, vec![1, 1])],
            "{dialect}"
        );
        let unanswered = |event: &Event| matches!(event, Event::Unanswered { .. });
        assert!(!script.events.iter().any(unanswered), "{dialect}");
    }
}

#[test]
fn commands_that_cannot_be_sent_are_unanswered_at_once() {
    let long = Request {
        code: 10040,
        payload: vec![0; tutk_session::MAX_HL_PAYLOAD + 1],
    };
    let unanswered = |script: &Scripted| {
        let unanswered = |event: &&Event| matches!(event, Event::Unanswered { .. });
        script.events.iter().filter(unanswered).count()
    };
    for dialect in EACH {
        let mut script = Scripted::new(dialect);
        script.client.command(script.now, long.clone());
        script.settle();
        assert_eq!(unanswered(&script), 1, "{dialect}");
        script.let_in();
        script.client.command(script.now, long.clone());
        for _ in 0..=MAX_REQUESTS {
            script.client.command(script.now, unknown(1));
        }
        script.settle();
        assert_eq!(unanswered(&script), 3, "{dialect}");
        assert_eq!(
            script.client.status(),
            Status::In(Phase::Stream),
            "{dialect}"
        );
        // The longest that can be sent can be.
        let longest = Request {
            payload: vec![0; tutk_session::MAX_HL_PAYLOAD],
            ..long.clone()
        };
        let mut script = Scripted::new(dialect);
        script.let_in();
        script.take_packets();
        script.client.command(script.now, longest.clone());
        script.settle();
        assert_eq!(
            ioctls(&mut script),
            [(2, 10040, longest.payload)],
            "{dialect}"
        );
    }
}

#[test]
fn after_the_end_commands_do_nothing() {
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    script.client.close(script.now);
    script.settle();
    let events = script.events.len();
    script.client.command(script.now, unknown(1));
    script.client.handle_timeout(script.now);
    assert!(!script.settle());
    assert_eq!(script.events.len(), events, "nothing comes after the end");
}
