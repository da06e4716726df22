//! Several clients of one camera, and commands.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::network::Network;
use testkit::session::script::CameraScript;
use testkit::session::{camera_address, clip, credentials};
use tutk_session::hl_ioctl::commands::{
    Bitrate, ConnectResult, GetNightVision, GetStatusLight, Media, MediaControl, NightVision,
    PanTiltHome, ReadParameters, Resolution, SetAnswer, SetResolution, SetVideoParameters, Switch,
};
use tutk_session::hl_ioctl::{self, CAMERA_VERSION, Command as _, HlMessage, Request};
use tutk_session::tutk_frame::IoctlRequest;
use tutk_session::{ClientConfig, Dialect, Error, Event, MAX_REQUESTS, Phase, Status};
use tutk_simulator::{Clip, LeaveReason, SimulatorConfig, SimulatorEvent};

const SECOND: Duration = Duration::from_secs(1);
const MS: fn(u64) -> Duration = Duration::from_millis;

fn client(dialect: &'static Dialect) -> ClientConfig {
    let mut config = ClientConfig::new(camera_address(), credentials());
    config.dialects = vec![Arc::new(dialect.clone())];
    config
}

fn camera(clip: &Clip) -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip.clone())
}

/// A camera with one streaming client.
fn streaming(camera: &TestCamera) -> Network {
    let (client, mut config) = camera.pair(clip(2, 20, 10));
    config.trace_slices = false;
    let mut network = Network::new(config);
    network.join(client);
    let streams = network.run_until(10 * SECOND, |network| network.clients[0].frames.len() >= 3);
    assert!(streams, "{camera}: {:?}", network.clients[0].ended);
    network
}

#[test]
fn each_client_receives_the_clip_from_its_first_frame() {
    let clip = clip(2, 20, 10);
    // A session whose handshake was not answered is counted until it is silent for some time.
    let cameras = TestCamera::of(&Dialect::TRANSCODE)
        .filter(|camera| camera.personality.max_clients >= 6 && camera.connects_directly());
    for camera in cameras {
        let (client, mut config) = camera.pair(clip.clone());
        config.dialects = Dialect::ALL.map(Arc::new).into();
        let mut network = Network::new(config);
        for number in 0..6 {
            let mut client = client.clone();
            client.dialects = vec![Dialect::ALL[number % 3].clone().into()];
            network.join(client);
            network.run(MS(330));
        }
        let all_stream = network.run_until(10 * SECOND, |network| {
            (network.clients.iter()).all(|client| client.frames.len() >= 30)
        });
        assert!(all_stream, "{camera}");
        assert_eq!(network.camera.clients().count(), 6, "{camera}");
        for (index, client) in network.clients.iter().enumerate() {
            let dialect = client.client.dialect().map(|dialect| &**dialect);
            assert_eq!(dialect, Some(&Dialect::ALL[index % 3]));
            for (at, frame) in client.frames.iter().enumerate() {
                assert_eq!(frame.number as usize, at + 1, "{camera} {index}");
                let expected = &clip.frames()[at % 20].data;
                assert_eq!(frame.data, expected, "{camera} {index} {at}");
            }
            assert_eq!(client.ended, None, "{camera}");
        }
        let frame = network.clients[0].frames.last().unwrap();
        assert_eq!(frame.info.unwrap().viewers, 6, "{camera}");
    }
}

#[test]
fn client_without_a_dialect_detects_it() {
    for dialects in [&[Dialect::TRANSCODE][..], &[Dialect::CC51], &Dialect::ALL] {
        let mut config = camera(&clip(2, 20, 10));
        config.dialects = dialects.iter().cloned().map(Arc::new).collect();
        let mut network = Network::new(config);
        network.join(ClientConfig::new(camera_address(), credentials()));
        assert!(network.run_until(5 * SECOND, |network| !network.clients[0].frames.is_empty()));
        // The camera with all dialects answers the first request.
        let dialect = network.clients[0].client.dialect();
        assert_eq!(dialect.map(|dialect| &**dialect), dialects.first());
    }
}

#[test]
fn max_clients_limits_sessions_until_a_client_leaves() {
    let mut config = camera(&clip(2, 20, 10));
    config.personality.max_clients = 2;
    let mut network = Network::new(config);
    for _ in 0..2 {
        network.join(client(&Dialect::TRANSCODE));
    }
    assert!(network.run_until(5 * SECOND, |network| {
        network
            .clients
            .iter()
            .all(|client| !client.frames.is_empty())
    }));
    let third = network.join(client(&Dialect::SUMMARY));
    network.run(6 * SECOND);
    let (phase, waited) = (Phase::Session, 5 * SECOND);
    let silent = Error::Silent { phase, waited };
    assert_eq!(network.clients[third].ended, Some(Err(silent)));
    assert_eq!(network.camera.clients().count(), 2);

    network.with(0, |client, now| client.close(now));
    assert_eq!(network.clients[0].ended, Some(Ok(())));
    assert!(network.run_until(SECOND, |network| network.camera.clients().count() == 1));
    let left = network.events.iter().find_map(|event| match event {
        SimulatorEvent::Left { client, reason, .. } => Some((client.address, reason.clone())),
        _ => None,
    });
    assert_eq!(
        left,
        Some((network.clients[0].address, LeaveReason::Closed))
    );

    let fourth = network.join(client(&Dialect::SUMMARY));
    assert!(
        network.run_until(5 * SECOND, |network| network.clients[fourth].frames.len()
            >= 5)
    );
    assert_eq!(network.clients[1].ended, None);
}

#[test]
fn camera_reports_the_phases_of_a_client() {
    for camera in TestCamera::all() {
        let network = streaming(&camera);
        let phases = network.events.iter().filter_map(|event| match event {
            SimulatorEvent::Entered { phase, .. } => Some(*phase),
            _ => None,
        });
        let phases: Vec<_> = phases.collect();
        assert!(matches!(network.events[0], SimulatorEvent::Joined { .. }));
        let expected = [Phase::Login, Phase::Authentication, Phase::Stream];
        assert_eq!(phases, expected, "{camera}");
    }
}

#[test]
fn video_off_and_on_continues_the_frame_numbers() {
    for camera in TestCamera::all() {
        let mut network = streaming(&camera);
        let video = |switch| MediaControl {
            media: Media::Video,
            switch,
        };
        network.with(0, |client, now| client.command(now, &video(Switch::Off)));
        network.run(SECOND);
        assert_eq!(network.clients[0].answers(), [(10011, vec![1])], "{camera}");
        let paused = network.clients[0].frames.len();
        // Longer than the deadline of a frame.
        network.run(15 * SECOND);
        assert_eq!(network.clients[0].frames.len(), paused, "{camera}");
        assert_eq!(network.clients[0].ended, None, "{camera}");

        network.with(0, |client, now| client.command(now, &video(Switch::On)));
        assert!(
            network.run_until(2 * SECOND, |network| network.clients[0].frames.len()
                >= paused + 20)
        );
        let client = &network.clients[0];
        assert_eq!(client.answers().len(), 2, "{camera}");
        let numbers: Vec<u32> = client.frames.iter().map(|frame| frame.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{camera}: {numbers:?}");
        assert!(client.frames[paused].is_key(), "{camera}");
        // At most the frame that was being sent at the pause is lost.
        let last = *numbers.last().unwrap();
        assert!(
            u32::try_from(numbers.len()).unwrap() + 1 >= last,
            "{camera}"
        );

        network.camera.close(network.now);
        network.run(SECOND);
        let phase = Phase::Stream;
        assert_eq!(
            network.clients[0].ended,
            Some(Err(Error::ClosedByCamera { phase }))
        );
    }
}

#[test]
fn settings_can_be_set_and_read() {
    for dialect in &Dialect::ALL {
        let mut network = streaming(&TestCamera::strict(dialect));
        let read = ReadParameters::new([3, 4, 5, 6, 7, 99]).unwrap();
        let request = |network: &mut Network, request: Request| {
            let before = network.clients[0].answers().len();
            network.with(0, |client, now| client.command(now, request));
            assert!(
                network.run_until(SECOND, |network| network.clients[0].answers().len()
                    > before)
            );
            network.clients[0].answers().pop().unwrap()
        };
        let values = |network: &mut Network| {
            let (code, payload) = request(network, (&read).into());
            assert_eq!(code, 10021, "{dialect}");
            serde_json::from_slice::<serde_json::Value>(&payload).unwrap()
        };
        let expected = serde_json::json!({"3": "120", "4": "1", "5": "20", "6": "2", "7": "2"});
        assert_eq!(values(&mut network), expected, "{dialect}");

        let set = SetVideoParameters {
            bitrate: Some(Bitrate::SD),
            fps: NonZeroU8::new(15),
            horizontal_flip: Some(Switch::On),
            ..SetVideoParameters::default()
        };
        assert_eq!(
            request(&mut network, (&set).into()),
            (10053, vec![1]),
            "{dialect}"
        );
        let expected = serde_json::json!({"3": "60", "4": "1", "5": "15", "6": "1", "7": "2"});
        assert_eq!(values(&mut network), expected, "{dialect}");

        let set = SetResolution {
            resolution: Resolution::P360,
            bitrate: Bitrate::HD,
            fps: NonZeroU16::new(10),
        };
        assert_eq!(
            request(&mut network, (&set).into()),
            (10057, vec![1]),
            "{dialect}"
        );
        let expected = serde_json::json!({"3": "120", "4": "2", "5": "10", "6": "1", "7": "2"});
        assert_eq!(values(&mut network), expected, "{dialect}");
        assert_eq!(network.clients[0].unanswered(), []);
    }
}

/// The new resolution starts with a key frame in the stream of each client.
#[test]
fn resolution_change_is_reported_on_a_key_frame() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        let mut network = streaming(&TestCamera::strict(dialect));
        network.join(client(dialect));
        assert!(network.run_until(5 * SECOND, |network| network.clients[1].frames.len() >= 3));
        let mut set = |resolution| {
            let set = SetResolution {
                resolution,
                bitrate: Bitrate::SD,
                fps: None,
            };
            network.with(0, |client, now| client.command(now, &set));
            network.run(2 * SECOND);
        };
        set(Resolution::P360);
        set(Resolution::P360);
        set(Resolution::TwoK);
        for client in &network.clients {
            let changed: Vec<_> = (client.frames.iter())
                .filter(|frame| frame.resolution_changed)
                .map(|frame| (frame.is_key(), frame.info.unwrap().resolution))
                .collect();
            assert_eq!(changed, [(true, 2), (true, 4)], "{dialect}");
            assert!(client.frames.is_sorted_by_key(|frame| frame.timestamp));
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
fn unknown_command_is_unanswered_after_5_s() {
    for camera in TestCamera::all() {
        let mut network = streaming(&camera);
        let sent_at = network.now - network.start;
        network.with(0, |client, now| client.command(now, unknown(0)));
        network.run(6 * SECOND);
        let unanswered = network.clients[0].unanswered();
        assert_eq!(unanswered, [(sent_at + 5 * SECOND, 10998)], "{camera}");
        assert_eq!(network.clients[0].ended, None);
    }
}

#[test]
fn lost_command_is_repeated() {
    for camera in TestCamera::all() {
        let mut network = streaming(&camera);
        network.lossy = true;
        let read = ReadParameters::new([3]).unwrap();
        network.with(0, |client, now| client.command(now, &read));
        network.run(MS(2500));
        assert!(network.clients[0].answers().is_empty(), "{camera}");
        network.lossy = false;
        network.run(MS(600));
        assert_eq!(network.clients[0].answers().len(), 1, "{camera}: at 3 s");
    }
}

/// The IOCTLs that the scripted camera received: index, HL code and payload.
fn ioctls(script: &mut CameraScript) -> Vec<(u32, u16, Vec<u8>)> {
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
fn one_command_per_code_is_in_flight() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.take_packets();
        for payload in [1, 2] {
            script.peer.command(script.now, unknown(payload));
        }
        let other = Request {
            code: 10020,
            payload: vec![1, 1],
        };
        script.with(|client, now| client.command(now, other));
        let sent = ioctls(&mut script);
        assert_eq!(
            sent,
            [(2, 10998, vec![1]), (3, 10020, vec![1, 1])],
            "{dialect}"
        );
        // Both are repeated with the same index.
        script.advance(MS(1000));
        assert_eq!(ioctls(&mut script), sent, "{dialect}");
        script.send_hl(&answer(10999));
        // The camera may answer the repetition, too. The next command does not get this answer.
        script.send_hl(&answer(10999));
        assert!(ioctls(&mut script).is_empty(), "{dialect}");
        script.advance(MS(1000));
        let sent = ioctls(&mut script);
        assert!(sent.contains(&(4, 10998, vec![2])), "{dialect}: {sent:?}");
        // A duplicate answer is ignored.
        script.send_hl(&answer(10021));
        script.send_hl(&answer(10021));
        assert!(ioctls(&mut script).is_empty());
        let answers = script
            .events
            .iter()
            .filter(|event| matches!(event, Event::Answer(_)));
        assert_eq!(answers.count(), 2, "{dialect}");
    }
}

#[test]
fn answers_name_the_command_among_equal_ones() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        let [first, second, third] =
            [(); 3].map(|()| script.with(|client, now| client.command(now, &GetNightVision)));
        let get = script.with(|client, now| client.command(now, &GetStatusLight));
        let step = script.with(|client, now| client.command(now, &PanTiltHome));
        script.send_hl(&answer(GetStatusLight::ANSWER_CODE));
        for value in [3, 2] {
            let message = HlMessage {
                version: CAMERA_VERSION,
                code: GetNightVision::ANSWER_CODE,
                payload: &[value],
            };
            script.send_hl(&message.to_vec().unwrap());
        }
        // Pan and tilt are complete after a second, and the third command is not answered.
        script.advance(6 * SECOND);
        let mut answers = script.events.iter().filter_map(|event| match event {
            Event::Answer(answer) => Some(answer),
            _ => None,
        });
        let mut next = || answers.next().unwrap();
        let light = next();
        assert_eq!(
            (light.id, light.decode::<GetStatusLight>()),
            (get, Ok(Switch::On))
        );
        assert_eq!(
            light.decode::<GetNightVision>(),
            Err(hl_ioctl::Error::Code {
                expected: 10041,
                got: 10031
            })
        );
        for (id, value) in [(first, NightVision::Auto), (second, NightVision::Off)] {
            let answer = next();
            assert_eq!(
                (answer.id, answer.decode::<GetNightVision>()),
                (id, Ok(value))
            );
        }
        let moved = next();
        assert_eq!(
            (moved.id, moved.decode::<PanTiltHome>()),
            (step, Ok(SetAnswer::Done))
        );
        assert!(answers.next().is_none(), "{dialect}");
        let unanswered = script.events.iter().filter_map(|event| match event {
            Event::Unanswered { id, code } => Some((*id, *code)),
            _ => None,
        });
        assert_eq!(
            unanswered.collect::<Vec<_>>(),
            [(third, 10040)],
            "{dialect}"
        );
    }
}

#[test]
fn commands_wait_for_the_authentication() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.peer.command(script.now, unknown(1));
        script.answer_discovery();
        script.peer.command(script.now, unknown(2));
        script.answer_session();
        let other = Request {
            code: 10020,
            payload: vec![1, 1],
        };
        script.with(|client, now| client.command(now, other));
        script.answer_login(tutk_session::av_login::Status::SUCCESS);
        // A command that was not sent does not time out.
        script.advance(6 * SECOND);
        let sent = ioctls(&mut script);
        assert!(
            sent.iter().all(|(_, code, _)| *code == 10000),
            "{dialect}: {sent:?}"
        );
        script.send_challenge(tutk_session::hl_ioctl::ChallengeStatus::Enr);
        ioctls(&mut script);
        script.send_result(&ConnectResult::accept(None, None));
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
fn rejected_commands_are_unanswered_at_once() {
    let long = Request {
        code: 10040,
        payload: vec![0; tutk_session::MAX_HL_PAYLOAD + 1],
    };
    let unanswered = |script: &CameraScript| {
        let unanswered = |event: &&Event| matches!(event, Event::Unanswered { .. });
        script.events.iter().filter(unanswered).count()
    };
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.with(|client, now| client.command(now, long.clone()));
        assert_eq!(unanswered(&script), 1, "{dialect}");
        script.authenticate();
        script.peer.command(script.now, long.clone());
        for _ in 0..=MAX_REQUESTS {
            script.peer.command(script.now, unknown(1));
        }
        script.settle();
        assert_eq!(unanswered(&script), 3, "{dialect}");
        assert_eq!(script.peer.status(), Status::In(Phase::Stream), "{dialect}");
        // The longest payload is sent.
        let longest = Request {
            payload: vec![0; tutk_session::MAX_HL_PAYLOAD],
            ..long.clone()
        };
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.take_packets();
        script.with(|client, now| client.command(now, longest.clone()));
        assert_eq!(
            ioctls(&mut script),
            [(2, 10040, longest.payload)],
            "{dialect}"
        );
    }
}

#[test]
fn commands_after_the_end_have_no_effect() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.with(|client, now| client.close(now));
    let events = script.events.len();
    script.peer.command(script.now, unknown(1));
    script.peer.handle_timeout(script.now);
    assert!(!script.settle());
    assert_eq!(script.events.len(), events);
}
