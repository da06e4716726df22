//! Failing sessions: their error, phase and time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use serde_json::json;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::cameras::TestCamera;
use testkit::session::datagram::{iotc_dialects, records};
use testkit::session::machine::StateMachine as _;
use testkit::session::script::CameraScript;
use testkit::session::{
    ENR, LONG_ENR, MAC, Record, Simulation, UID, camera_address, clip, epoch, seed, start,
};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::hl_ioctl::commands::ConnectResult;
use tutk_session::hl_ioctl::{self, ChallengeStatus};
use tutk_session::tutk_frame::{LinkClock, Probe};
use tutk_session::{
    ClientConfig, Credentials, Deviation, Dialect, Error, Event, Failure, Phase, Status,
};
use tutk_simulator::{LeaveReason, Simulator, SimulatorConfig, SimulatorEvent};

const SECOND: Duration = Duration::from_secs(1);

fn short_delay(config: NetemConfig) -> NetemConfig {
    config.latency(Duration::from_millis(2))
}

/// Runs a session with changed configurations until the client has ended.
fn run(
    camera: &TestCamera,
    change: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
) -> Simulation {
    let (mut client, mut config) = camera.pair(clip(1, 20, 10));
    config.frames = Some(10);
    change(&mut client, &mut config);
    let mut simulation = Simulation::new(client, config, 1, short_delay);
    simulation.run(Duration::from_secs(60));
    assert!(simulation.record.ended.is_some(), "{camera}: never ended");
    simulation
}

/// A wrong ENR with the right AuthKey, so that tags in `cc51` are right.
fn wrong_enr(right: &Credentials) -> Credentials {
    let mut wrong = Credentials::new(UID, "0000000000000000", MAC).unwrap();
    wrong.auth_key = right.auth_key.clone();
    wrong
}

fn assert_unfinished(error: &Error) {
    assert!(
        matches!(error, Error::HandshakeUnfinished { .. }),
        "{error:?}"
    );
}

fn elapsed(simulation: &Simulation) -> Duration {
    simulation.now - simulation.start
}

/// Why clients left the camera.
fn leave_reasons(simulation: &Simulation) -> Vec<LeaveReason> {
    simulation
        .record
        .camera
        .iter()
        .filter_map(|event| match event {
            SimulatorEvent::Left { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn wrong_uid_times_out_after_5_s() {
    for camera in TestCamera::all() {
        let simulation = run(&camera, |client, _| {
            client.credentials = Credentials::new("ZZZZZZZZZZZZZZZZZZZZ", ENR, MAC).unwrap();
        });
        let error = simulation.record.error();
        let (phase, waited) = (Phase::Discovery, 5 * SECOND);
        assert_eq!(*error, Error::Silent { phase, waited }, "{camera}");
        assert_eq!(error.failure(), Failure::Silent);
        assert!(error.advice().contains("UID"), "{}", error.advice());
        assert_eq!(elapsed(&simulation), 5 * SECOND, "{camera}");
        assert_eq!(simulation.camera.clients().count(), 0);
    }
}

#[test]
fn wrong_enr_fails_in_the_handshake() {
    for camera in TestCamera::all() {
        let simulation = run(&camera, |client, _| {
            client.credentials = wrong_enr(&client.credentials);
        });
        let error = simulation.record.error();
        assert_unfinished(error);
        assert_eq!(error.phase(), Phase::Dtls);
        assert_eq!(error.failure(), Failure::Refused);
        assert!(error.to_string().contains("wrong ENR"), "{error}");
        assert_eq!(simulation.record.phases, [Phase::Discovery, Phase::Session]);
        // With other cameras, the client falls back first.
        if camera.connects_directly() {
            assert!(elapsed(&simulation) < 5 * SECOND, "{camera}");
            // One more handshake, because a forged packet can break the first.
            assert_eq!(simulation.client.stats().restarts, 1, "{camera}");
        }
    }
}

/// A network that is slow or loses many packets is not mistaken for a wrong key.
#[test]
fn right_enr_connects_over_bad_networks() {
    let slow = |config: NetemConfig| config.latency(Duration::from_millis(500));
    let lossy = |config| short_delay(config).loss(RandomLoss::new(Probability::new(0.2)));
    let networks = [(slow as fn(NetemConfig) -> NetemConfig, 1), (lossy, 50)];
    for (dialect, (network, seeds)) in
        (Dialect::ALL.iter()).flat_map(|dialect| networks.map(|network| (dialect, network)))
    {
        let cameras: Vec<_> = TestCamera::of(dialect).collect();
        for (camera, seed) in cameras.iter().cycle().zip(0..seeds) {
            let (client, config) = camera.pair(clip(1, 20, 10));
            let mut simulation = Simulation::new(client, config, seed, network);
            let shaken = |record: &Record| record.phases.contains(&Phase::Dtls);
            simulation.run_until(20 * SECOND, |record| {
                shaken(record) || record.ended.is_some()
            });
            let record = &simulation.record;
            assert!(shaken(record), "{camera}, {seed}: {:?}", record.ended);
        }
    }
}

/// A camera does not answer a discovery request with a wrong AuthKey or, in `cc51`, a tag made with
/// it.
#[test]
fn wrong_auth_key_is_not_answered() {
    for camera in TestCamera::all() {
        let simulation = run(&camera, |client, _| {
            client.credentials = Credentials::with_auth_key(UID, ENR, "AAAAAAAA").unwrap();
            // The session request has no AuthKey.
            client.fast_connect = false;
        });
        let error = simulation.record.error();
        let (phase, waited) = (Phase::Discovery, 5 * SECOND);
        assert_eq!(*error, Error::Silent { phase, waited }, "{camera}");
        assert_eq!(error.failure(), Failure::Silent);
        for word in ["UID", "ENR", "MAC"] {
            assert!(error.advice().contains(word), "{}", error.advice());
        }
        assert_eq!(simulation.camera.clients().count(), 0);
        assert_eq!(
            simulation.camera.dropped(),
            50,
            "{camera}: every 100 ms for 5 s"
        );
    }
}

/// DTLS gives up after eight timeouts, which double from 300 ms.
#[test]
fn handshake_timeout_of_dtls_is_reported_by_its_progress() {
    for (dialect, _) in iotc_dialects() {
        let no_deadline = |config: &mut ClientConfig| config.deadlines.dtls = Duration::MAX;
        let mut script = CameraScript::with_config(dialect, no_deadline);
        script.answer_discovery();
        for _ in 0..4 {
            script.grant_session();
            script.advance(2 * SECOND);
        }
        script.advance(100 * SECOND);
        let error = script.error();
        assert!(
            matches!(error, Error::HandshakeUnanswered { tried, .. } if tried.len() == 3),
            "{dialect}: {error:?}"
        );
    }
}

/// A camera that grants sessions and never answers DTLS is reported after 10 s, although the client
/// makes several offers.
#[test]
fn unanswered_handshake_is_reported_with_all_that_was_offered() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.answer_discovery();
        for _ in 0..5 {
            script.grant_session();
            script.advance(2 * SECOND - Duration::from_millis(1));
            assert!(!script.has_ended(), "{dialect}: too early");
            script.advance(Duration::from_millis(1));
        }
        let error = script.error();
        assert_eq!(
            error.to_string(),
            "dtls: no answer from the camera within 10 s; offered 0xccac with extended master \
             secret, then 0xccac, then 0xccac or 0x00ae"
        );
        assert_eq!(error.failure(), Failure::Silent);
        assert_eq!(error.phase(), Phase::Dtls);
        assert!(error.advice().contains("firmware"), "{}", error.advice());
    }
}

#[test]
fn hello_without_extended_master_secret_follows_an_unanswered_one() {
    for (dialect, _) in iotc_dialects() {
        let mut script = CameraScript::new(dialect);
        script.answer_discovery();
        script.grant_session();
        assert!(
            newest_hello(&script).has_extended_master_secret,
            "{dialect}"
        );
        script.advance(2 * SECOND);
        script.grant_session();
        let hello = newest_hello(&script);
        assert!(!hello.has_extended_master_secret, "{dialect}");
        // The camera answers this one.
        script.advance(Duration::from_millis(100));
        script.accept_handshake();
        script.advance(SECOND);
        assert_eq!(script.peer.status(), Status::In(Phase::Login), "{dialect}");
        let tolerated = script.peer.stats().tolerated;
        assert_eq!(tolerated.count(Deviation::HandshakeOffer), 1);
        let event = |event: &Event| matches!(event, Event::Tolerated(Deviation::HandshakeOffer));
        assert_eq!(script.events.iter().filter(|e| event(e)).count(), 1);
    }
}

struct Hello {
    has_extended_master_secret: bool,
}

fn newest_hello(script: &CameraScript) -> Hello {
    let hello = script.datagrams.iter().rev().find_map(|sent| {
        let records = records(&script.dialect, &sent.bytes)?;
        (records[0] == 22 && records[13] == 1).then_some(records)
    });
    let extension = [0, 23, 0, 0];
    let hello = hello.unwrap();
    Hello {
        has_extended_master_secret: hello.windows(4).any(|four| four == extension),
    }
}

#[test]
fn refused_login_is_the_error_if_authentication_fails_later() {
    for (dialect, closes) in Dialect::ALL.iter().zip([true, false, true]) {
        let mut script = CameraScript::new(dialect);
        script.connect();
        script.answer_login(LoginStatus(0x11));
        assert!(!script.has_ended(), "{dialect}");
        match closes {
            true => script.close_dtls(),
            false => script.advance(10 * SECOND),
        }
        let error = script.error();
        assert_eq!(*error, Error::LoginRefused { status: 0x11 }, "{dialect}");
        assert_eq!(
            (error.phase(), error.failure()),
            (Phase::Login, Failure::Refused)
        );
        assert_eq!(script.peer.status(), Status::Ended);
    }
}

#[test]
fn refusal_in_k10003_ends_the_session() {
    for camera in TestCamera::all() {
        let simulation = run(&camera, |_, config| {
            config.result = Some(ConnectResult::refuse())
        });
        let error = simulation.record.error();
        let wrong = Error::Authentication(hl_ioctl::Error::WrongEnr);
        assert_eq!(*error, wrong, "{camera}");
        assert!(error.to_string().contains("ENR"), "{error}");
        assert_eq!(error.phase(), Phase::Authentication);
        assert_eq!(error.failure(), Failure::Refused);
        assert!(simulation.record.frames.is_empty());
    }
}

#[test]
fn status_6_needs_an_enr_of_32_characters() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.log_in();
    script.send_challenge(ChallengeStatus::LongEnr);
    let too_short = hl_ioctl::Error::EnrTooShort {
        status: 6,
        expected: 32,
        got: 16,
    };
    assert_eq!(*script.error(), Error::Authentication(too_short));
}

#[test]
fn statuses_1_3_and_6_work() {
    for (status, enr) in [
        (ChallengeStatus::FixedKey, ENR),
        (ChallengeStatus::FixedKey, LONG_ENR),
        (ChallengeStatus::Enr, ENR),
        (ChallengeStatus::Enr, LONG_ENR),
        (ChallengeStatus::LongEnr, LONG_ENR),
    ] {
        let simulation = run(
            &TestCamera::strict(&Dialect::TRANSCODE),
            |client, camera| {
                let credentials = Credentials::new(UID, enr, MAC).unwrap();
                client.credentials = credentials.clone();
                camera.credentials = credentials;
                camera.personality.status = status;
            },
        );
        assert_eq!(simulation.record.phases, Phase::ALL, "{status:?}");
        assert_eq!(simulation.record.frames.len(), 10, "{status:?}");
    }
    // A simulated camera with a short ENR is an error at construction.
    let made = simulator(|camera| camera.personality.status = ChallengeStatus::LongEnr);
    assert!(matches!(made, Err(Error::Authentication(_))), "{made:?}");
}

/// Creates a simulated camera with a changed configuration.
fn simulator(change: impl FnOnce(&mut SimulatorConfig)) -> Result<Simulator, Error> {
    let (_, mut camera) = Simulation::pair(&Dialect::TRANSCODE, clip(1, 1, 1));
    change(&mut camera);
    let start = start();
    Simulator::new(camera, camera_address(), seed(1), epoch(start, start))
}

#[test]
fn statuses_2_4_and_5_are_reported() {
    for camera in TestCamera::all() {
        for (status, expected) in [
            (ChallengeStatus::Updating, hl_ioctl::Error::CameraUpdating),
            (ChallengeStatus::Checking, hl_ioctl::Error::CameraChecking),
            (ChallengeStatus::Off, hl_ioctl::Error::CameraOff),
        ] {
            let simulation = run(&camera, |_, config| config.personality.status = status);
            let error = simulation.record.error();
            assert_eq!(*error, Error::Authentication(expected), "{camera}");
            assert_eq!(error.failure(), Failure::Refused);
            let soon = elapsed(&simulation) < SECOND;
            assert!(soon || !camera.connects_directly(), "{camera}");
        }
    }
}

#[test]
fn silent_camera_times_out_in_each_phase() {
    for dialect in &Dialect::ALL {
        for phase in Phase::ALL {
            let mut script = CameraScript::in_phase(dialect, phase);
            assert_eq!(script.peer.status(), Status::In(phase), "{dialect}");
            let seconds = if phase <= Phase::Session { 5 } else { 10 };
            script.advance(seconds * SECOND - Duration::from_millis(1));
            assert!(!script.has_ended(), "{dialect} {phase}: too early");
            script.advance(Duration::from_millis(1));
            let waited = seconds * SECOND;
            match script.error() {
                Error::HandshakeUnanswered {
                    waited: time,
                    tried,
                } if phase == Phase::Dtls => {
                    assert_eq!((*time, tried.len()), (waited, 1), "{dialect}");
                }
                error => assert_eq!(*error, Error::Silent { phase, waited }, "{dialect}"),
            }
            assert_eq!(script.error().failure(), Failure::Silent);
            assert_eq!(script.peer.status(), Status::Ended);

            // After the end there is no output.
            let before = (script.datagrams.len(), script.events.len());
            script.answer_discovery();
            script.advance(3 * 3600 * SECOND);
            assert_eq!((script.datagrams.len(), script.events.len()), before);
        }
    }
}

#[test]
fn deadlines_can_be_changed_and_disabled() {
    let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
        config.deadlines.discovery = SECOND;
    });
    script.advance(SECOND);
    let (phase, waited) = (Phase::Discovery, SECOND);
    assert_eq!(*script.error(), Error::Silent { phase, waited });

    let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
        config.deadlines.stream = Duration::MAX;
        config.deadlines.command = Duration::MAX;
        config.reorder_timeout = Duration::MAX;
    });
    script.authenticate();
    script.advance(60 * SECOND);
    assert!(!script.has_ended());
}

#[test]
fn session_without_video_times_out_without_keepalives() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::with_config(dialect, |config| config.media.video = false);
        script.authenticate();
        if dialect == &Dialect::SUMMARY {
            // In this dialect, the camera sends no keepalives.
            script.advance(600 * SECOND);
            assert!(!script.has_ended());
            continue;
        }
        for _ in 0..5 {
            script.advance(29 * SECOND);
            assert!(!script.has_ended(), "{dialect}");
            let (stamp, clock) = (script.stamp(), LinkClock::default());
            script.send_packet(|out| Probe { stamp, clock }.write(out));
        }
        script.advance(31 * SECOND);
        let (phase, waited) = (Phase::Stream, 30 * SECOND);
        assert_eq!(*script.error(), Error::Silent { phase, waited });
    }
}

#[test]
fn handshake_that_stops_midway_is_unfinished() {
    for dialect in &Dialect::ALL {
        let (client, camera) = Simulation::pair(dialect, clip(1, 20, 10));
        let mut simulation = Simulation::new(client, camera, 1, short_delay);
        simulation.tap = Some(Vec::new());
        // The camera's third datagram is its first flight.
        while sent_by_camera(&simulation) < 3 {
            simulation.run_until(Duration::from_millis(1), |_| false);
        }
        simulation.camera_off = true;
        simulation.run(60 * SECOND);
        let error = simulation.record.error();
        assert_unfinished(error);
        assert_eq!(error.phase(), Phase::Dtls);
    }
}

fn sent_by_camera(simulation: &Simulation) -> usize {
    let tap = simulation.tap.as_ref().unwrap();
    tap.iter().filter(|tapped| !tapped.to_camera).count()
}

#[test]
fn stalled_stream_delivers_all_complete_frames() {
    for camera in TestCamera::all() {
        let clip = clip(3, 20, 10);
        let (client, config) = camera.pair(clip.clone());
        let mut simulation = Simulation::new(client, config, 3, short_delay);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 30);
        simulation.camera_off = true;
        let off_at = elapsed(&simulation);
        simulation.run(60 * SECOND);

        let waited = 10 * SECOND;
        let error = simulation.record.error();
        assert_eq!(*error, Error::Stalled { waited }, "{camera}");
        assert_eq!(error.failure(), Failure::Interrupted);
        assert_eq!(error.phase(), Phase::Stream);
        let took = elapsed(&simulation) - off_at;
        assert!(
            took >= 9 * SECOND && took <= 11 * SECOND,
            "{camera}: {took:?}"
        );
        let complete: Vec<u32> = simulation.complete_video().into_iter().collect();
        let record = &simulation.record;
        let delivered: Vec<u32> = record.frames.iter().map(|frame| frame.number).collect();
        assert_eq!(delivered, complete, "{camera}");
        assert!(delivered.len() >= 30);
        for frame in &record.frames {
            let index = (frame.number as usize - 1) % 20;
            assert_eq!(frame.data, clip.frames()[index].data, "{camera}");
        }
    }
}

#[test]
fn camera_closes_in_the_stream() {
    for camera in TestCamera::all() {
        let (client, config) = camera.pair(clip(3, 20, 10));
        let mut simulation = Simulation::new(client, config, 3, short_delay);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 5);
        let now = simulation.now;
        simulation.camera.close(now);
        simulation.settle();
        simulation.run(SECOND);
        let phase = Phase::Stream;
        let error = simulation.record.error();
        assert_eq!(*error, Error::ClosedByCamera { phase }, "{camera}");
        assert_eq!(error.failure(), Failure::Interrupted);
        let reasons = leave_reasons(&simulation);
        assert_eq!(reasons.last(), Some(&LeaveReason::CameraClosed), "{camera}");
    }
}

#[test]
fn camera_closes_after_its_last_frame() {
    for camera in TestCamera::all() {
        let simulation = run(&camera, |_, _| {});
        let phase = Phase::Stream;
        assert_eq!(
            *simulation.record.error(),
            Error::ClosedByCamera { phase },
            "{camera}"
        );
        assert_eq!(simulation.record.frames.len(), 10);
        let reasons = leave_reasons(&simulation);
        assert_eq!(reasons.last(), Some(&LeaveReason::Finished), "{camera}");
        // A session whose handshake was not answered remains for some time.
        let remaining = simulation.camera.clients().count();
        assert!(remaining == 0 || !camera.connects_directly(), "{camera}");
    }
}

#[test]
fn client_closes_in_each_phase() {
    for dialect in &Dialect::ALL {
        for phase in Phase::ALL {
            let mut script = CameraScript::in_phase(dialect, phase);
            script.with(|client, now| client.close(now));
            let ends = script
                .events
                .iter()
                .filter(|event| matches!(event, Event::Ended(Ok(()))));
            assert_eq!(ends.count(), 1, "{dialect} {phase}");
            assert!(matches!(script.events.last(), Some(Event::Ended(_))));
            script.advance(60 * SECOND);
            script.peer.close(script.now);
            assert!(!script.settle(), "{dialect} {phase}: output after the end");
        }
    }
}

#[test]
fn camera_removes_a_silent_client() {
    for camera in TestCamera::all() {
        let (client, config) = camera.pair(clip(3, 20, 10));
        let mut simulation = Simulation::new(client, config, 3, short_delay);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 5);
        assert!(simulation.camera.clients().count() > 0, "{camera}");
        // From here on, only the camera runs.
        let mut now = simulation.now;
        let end = now + 11 * SECOND;
        while now < end {
            now += Duration::from_millis(10);
            simulation.camera.handle_timeout(now);
            simulation.camera.drain();
        }
        assert_eq!(simulation.camera.clients().count(), 0, "{camera}");
    }
}

#[test]
fn k10003_that_is_too_long_is_an_error_at_construction() {
    let make = |model: String| simulator(|camera| camera.personality.model = Some(model.into()));
    assert!(make("WYZE_CAKP2JFUS".into()).is_ok());
    let error = make("M".repeat(2000)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Authentication(hl_ioctl::Error::TooLong { .. })
        ),
        "{error:?}"
    );
}

#[test]
fn k10003_contains_model_mac_and_channels() {
    let simulation = run(&TestCamera::strict(&Dialect::TRANSCODE), |_, camera| {
        camera.personality.model = Some("HL_CAM4".into());
    });
    let result = simulation
        .record
        .other
        .iter()
        .find_map(|event| match event {
            Event::Authenticated(result) => Some(result),
            _ => None,
        });
    let json = result.unwrap().json();
    assert_eq!(json["cameraInfo"]["basicInfo"]["model"], "HL_CAM4");
    assert_eq!(json["cameraInfo"]["basicInfo"]["mac"], MAC);
    assert_eq!(json["cameraInfo"]["videoParm"]["type"], "H264");
    // The simulated camera of this test has no microphone. Cameras misspell the key.
    let channels = json!({ "video": "1", "audio": "0" });
    for key in ["channelRequestResult", "channelResquestResult"] {
        assert_eq!(json["cameraInfo"][key], channels, "{key}");
    }
}
