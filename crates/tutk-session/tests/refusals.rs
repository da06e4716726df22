//! Sessions that cannot be: wrong credentials, cameras that refuse, cameras that vanish. Each has
//! its error, its phase and its time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use str0m_netem::NetemConfig;
use testkit::session::scripted::Scripted;
use testkit::session::{ENR, LONG_ENR, MAC, Simulation, UID, clip};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::hl_ioctl::commands::ConnectResult;
use tutk_session::hl_ioctl::{self, ChallengeStatus};
use tutk_session::tutk_frame::{LinkClock, Probe};
use tutk_session::{ClientConfig, Credentials, Dialect, Error, Event, Failure, Phase, Status};
use tutk_simulator::{LeaveReason, SimulatorConfig, SimulatorEvent};

const EACH: [&Dialect; 3] = Dialect::ALL;
const SECOND: Duration = Duration::from_secs(1);

fn near(config: NetemConfig) -> NetemConfig {
    config.latency(Duration::from_millis(2))
}

/// Runs a pair whose configurations were changed, until the client has ended.
fn run(
    dialect: &'static Dialect,
    change: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
) -> Simulation {
    let (mut client, mut camera) = Simulation::pair(dialect, clip(1, 20, 10), 1);
    camera.frames = Some(10);
    change(&mut client, &mut camera);
    let mut simulation = Simulation::new(client, camera, 1, near);
    simulation.run(Duration::from_secs(60));
    assert!(simulation.record.ended.is_some(), "{dialect}: never ended");
    simulation
}

/// Another ENR with the right AuthKey: a tag in `cc51` would say no before DTLS can.
fn wrong_enr() -> Credentials {
    let mut credentials = Credentials::new(UID, "0000000000000000", MAC).unwrap();
    credentials.auth_key = testkit::session::credentials().auth_key;
    credentials
}

fn elapsed(simulation: &Simulation) -> Duration {
    simulation.now - simulation.start
}

/// The reasons for which clients left the camera.
fn reasons(simulation: &Simulation) -> Vec<LeaveReason> {
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
fn a_wrong_uid_is_silence_after_five_seconds() {
    for dialect in EACH {
        let simulation = run(dialect, |client, _| {
            client.credentials = Credentials::new("ZZZZZZZZZZZZZZZZZZZZ", ENR, MAC).unwrap();
        });
        let error = simulation.record.error();
        let (phase, waited) = (Phase::Discovery, 5 * SECOND);
        assert_eq!(*error, Error::Silent { phase, waited }, "{dialect}");
        assert_eq!(error.failure(), Failure::Silent);
        assert!(error.advice().contains("UID"), "{}", error.advice());
        assert_eq!(elapsed(&simulation), 5 * SECOND, "{dialect}");
        assert_eq!(simulation.camera.clients().count(), 0);
    }
}

#[test]
fn a_wrong_enr_ends_in_the_handshake() {
    for dialect in EACH {
        let simulation = run(dialect, |client, _| {
            client.credentials = wrong_enr();
        });
        let error = simulation.record.error();
        assert!(
            matches!(error, Error::HandshakeUnfinished { .. }),
            "{dialect}: {error:?}"
        );
        assert_eq!(error.phase(), Phase::Dtls);
        assert_eq!(error.failure(), Failure::Refused);
        assert!(error.to_string().contains("wrong ENR"), "{error}");
        assert!(elapsed(&simulation) <= 11 * SECOND, "{dialect}");
        assert_eq!(simulation.record.phases, [Phase::Discovery, Phase::Session]);
    }
}

/// The summary's key has the AuthKey in it, and cc51's tags, which are wrong then: so silence. In
/// transcode a simulated camera does not look at it.
#[test]
fn a_wrong_auth_key_matters_to_keys_and_tags() {
    let wrong = |client: &mut ClientConfig, _: &mut SimulatorConfig| {
        client.credentials = Credentials::with_auth_key(UID, ENR, "AAAAAAAA").unwrap();
    };
    let simulation = run(&Dialect::SUMMARY, wrong);
    let error = simulation.record.error();
    assert!(
        matches!(error, Error::HandshakeUnfinished { .. }),
        "{error:?}"
    );
    assert_eq!(error.failure(), Failure::Refused);

    let simulation = run(&Dialect::CC51, wrong);
    let error = simulation.record.error();
    let (phase, waited) = (Phase::Discovery, 5 * SECOND);
    assert_eq!(*error, Error::Silent { phase, waited });
    assert_eq!(error.failure(), Failure::Silent);
    for word in ["UID", "ENR", "MAC"] {
        assert!(error.advice().contains(word), "{}", error.advice());
    }
    assert_eq!(simulation.camera.clients().count(), 0);
    assert_eq!(simulation.camera.dropped(), 50, "each 100 ms for 5 s");

    let simulation = run(&Dialect::TRANSCODE, wrong);
    assert_eq!(simulation.record.frames.len(), 10);
}

/// DTLS gives up by itself after eight waits that double from 300 ms. That is named just the same.
#[test]
fn a_handshake_that_dtls_gives_up_is_named_by_how_far_it_came() {
    for dialect in EACH {
        let forever = |config: &mut ClientConfig| config.deadlines.dtls = Duration::MAX;
        let mut script = Scripted::with(dialect, forever);
        script.answer_discovery();
        script.grant();
        script.advance(100 * SECOND);
        let error = script.error();
        assert!(
            matches!(
                error,
                Error::Silent {
                    phase: Phase::Dtls,
                    ..
                }
            ),
            "{dialect}: {error:?}"
        );

        let mut script = Scripted::with(dialect, |config| {
            forever(config);
            config.credentials = wrong_enr();
        });
        script.answer_discovery();
        script.answer_session();
        script.advance(100 * SECOND);
        let error = script.error();
        assert!(
            matches!(error, Error::HandshakeUnfinished { .. }),
            "{dialect}: {error:?}"
        );
    }
}

#[test]
fn a_refused_login_says_so() {
    for dialect in EACH {
        let mut script = Scripted::new(dialect);
        script.connect();
        script.answer_login(LoginStatus(0x11));
        let error = script.error();
        assert_eq!(*error, Error::LoginRefused { status: 0x11 }, "{dialect}");
        assert_eq!(
            (error.phase(), error.failure()),
            (Phase::Login, Failure::Refused)
        );
        assert_eq!(script.client.status(), Status::Ended);
    }
}

#[test]
fn a_k10003_that_refuses_ends_the_session() {
    for dialect in EACH {
        let simulation = run(dialect, |_, camera| {
            camera.result = Some(ConnectResult::refuse())
        });
        let error = simulation.record.error();
        let refused = hl_ioctl::Error::Refused {
            connection_res: "0".into(),
        };
        assert_eq!(*error, Error::Authentication(refused), "{dialect}");
        assert_eq!(error.phase(), Phase::Authentication);
        assert_eq!(error.failure(), Failure::Refused);
        assert!(simulation.record.frames.is_empty());
    }
}

#[test]
fn status_6_needs_an_enr_of_32_characters() {
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    script.log_in();
    script.challenge(ChallengeStatus::LongEnr);
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
        let simulation = run(&Dialect::TRANSCODE, |client, camera| {
            let credentials = Credentials::new(UID, enr, MAC).unwrap();
            client.credentials = credentials.clone();
            camera.credentials = credentials;
            camera.status = status;
        });
        assert_eq!(simulation.record.phases, Phase::ALL, "{status:?}");
        assert_eq!(simulation.record.frames.len(), 10, "{status:?}");
    }
    // The camera's own ENR must be long enough; found out at once.
    let (_, mut camera) = Simulation::pair(&Dialect::TRANSCODE, clip(1, 1, 1), 1);
    camera.status = ChallengeStatus::LongEnr;
    let script = Scripted::new(&Dialect::TRANSCODE);
    let epoch = tutk_session::Epoch {
        instant: script.start,
        unix: Duration::ZERO,
    };
    let rng = Box::new(<rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1));
    let made =
        tutk_simulator::Simulator::new(camera, testkit::session::camera_address(), rng, epoch);
    assert!(matches!(made, Err(Error::Authentication(_))), "{made:?}");
}

#[test]
fn statuses_2_4_and_5_are_clear() {
    for dialect in EACH {
        for (status, expected) in [
            (ChallengeStatus::Updating, hl_ioctl::Error::CameraUpdating),
            (ChallengeStatus::Checking, hl_ioctl::Error::CameraChecking),
            (ChallengeStatus::Off, hl_ioctl::Error::CameraOff),
        ] {
            let simulation = run(dialect, |_, camera| camera.status = status);
            let error = simulation.record.error();
            assert_eq!(*error, Error::Authentication(expected), "{dialect}");
            assert_eq!(error.failure(), Failure::Refused);
            assert!(elapsed(&simulation) < SECOND, "{dialect}: at once");
        }
    }
}

/// Scripts that come to a phase and end there.
fn until(phase: Phase, dialect: &'static Dialect) -> Scripted {
    let mut script = Scripted::new(dialect);
    match phase {
        Phase::Discovery => {}
        Phase::Session => script.answer_discovery(),
        Phase::Dtls => {
            script.answer_discovery();
            script.grant();
        }
        Phase::Login => script.connect(),
        Phase::Authentication => script.log_in(),
        Phase::Stream => script.let_in(),
    }
    script
}

#[test]
fn a_camera_that_falls_silent_is_named_with_its_phase_on_time() {
    for dialect in EACH {
        for phase in Phase::ALL {
            let mut script = until(phase, dialect);
            assert_eq!(script.client.status(), Status::In(phase), "{dialect}");
            let seconds = if phase <= Phase::Session { 5 } else { 10 };
            script.advance(seconds * SECOND - Duration::from_millis(1));
            assert!(!script.has_ended(), "{dialect} {phase}: too early");
            script.advance(Duration::from_millis(1));
            let waited = seconds * SECOND;
            assert_eq!(
                *script.error(),
                Error::Silent { phase, waited },
                "{dialect}"
            );
            assert_eq!(script.error().failure(), Failure::Silent);
            assert_eq!(script.client.status(), Status::Ended);

            // Nothing is said, heard or due any more.
            let (said, heard) = (script.datagrams.len(), script.events.len());
            script.answer_discovery();
            script.advance(3 * 3600 * SECOND);
            assert_eq!((script.datagrams.len(), script.events.len()), (said, heard));
        }
    }
}

#[test]
fn deadlines_can_be_set_and_taken_away() {
    let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
        config.deadlines.discovery = SECOND;
    });
    script.advance(SECOND);
    let (phase, waited) = (Phase::Discovery, SECOND);
    assert_eq!(*script.error(), Error::Silent { phase, waited });

    let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
        config.deadlines.stream = Duration::MAX;
        config.deadlines.command = Duration::MAX;
        config.patience = Duration::MAX;
    });
    script.let_in();
    script.advance(60 * SECOND);
    assert!(!script.has_ended());
}

#[test]
fn without_video_no_frame_is_waited_for_but_a_word() {
    for dialect in EACH {
        let mut script = Scripted::with(dialect, |config| config.media.video = false);
        script.let_in();
        if dialect == &Dialect::SUMMARY {
            // There the camera has nothing to say by itself.
            script.advance(600 * SECOND);
            assert!(!script.has_ended());
            continue;
        }
        for _ in 0..5 {
            script.advance(29 * SECOND);
            assert!(!script.has_ended(), "{dialect}");
            let (stamp, clock) = (script.stamp(), LinkClock::default());
            script.packet(|out| Probe { stamp, clock }.write(out));
        }
        script.advance(31 * SECOND);
        let (phase, waited) = (Phase::Stream, 30 * SECOND);
        assert_eq!(*script.error(), Error::Silent { phase, waited });
    }
}

#[test]
fn a_handshake_that_stops_half_way_may_be_the_keys_or_the_camera() {
    for dialect in EACH {
        let (client, camera) = Simulation::pair(dialect, clip(1, 20, 10), 1);
        let mut simulation = Simulation::new(client, camera, 1, near);
        simulation.tap = Some(Vec::new());
        // Until the camera's first flight is under way: it is the third thing that the camera says.
        while from_camera(&simulation) < 3 {
            simulation.run_until(Duration::from_millis(1), |_| false);
        }
        simulation.camera_gone = true;
        simulation.run(60 * SECOND);
        let error = simulation.record.error();
        assert!(
            matches!(error, Error::HandshakeUnfinished { .. }),
            "{error:?}"
        );
        assert_eq!(error.phase(), Phase::Dtls);
    }
}

fn from_camera(simulation: &Simulation) -> usize {
    let tap = simulation.tap.as_ref().unwrap();
    tap.iter().filter(|tapped| !tapped.to_camera).count()
}

#[test]
fn a_camera_that_stops_mid_stream_leaves_what_came() {
    for dialect in EACH {
        let clip = clip(3, 20, 10);
        let (client, camera) = Simulation::pair(dialect, clip.clone(), 3);
        let mut simulation = Simulation::new(client, camera, 3, near);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 30);
        simulation.camera_gone = true;
        let gone_at = elapsed(&simulation);
        simulation.run(60 * SECOND);

        let waited = 10 * SECOND;
        let error = simulation.record.error();
        assert_eq!(*error, Error::Stalled { waited }, "{dialect}");
        assert_eq!(error.failure(), Failure::BrokeOff);
        assert_eq!(error.phase(), Phase::Stream);
        let took = elapsed(&simulation) - gone_at;
        assert!(
            took >= 9 * SECOND && took <= 11 * SECOND,
            "{dialect}: {took:?}"
        );
        // Whatever was whole is there, in order, bit for bit.
        let whole: Vec<u32> = simulation.whole().into_iter().collect();
        let record = &simulation.record;
        let delivered: Vec<u32> = record.frames.iter().map(|frame| frame.number).collect();
        assert_eq!(delivered, whole, "{dialect}");
        assert!(delivered.len() >= 30);
        for frame in &record.frames {
            let index = (frame.number as usize - 1) % 20;
            assert_eq!(frame.data, clip.frames()[index].data, "{dialect}");
        }
    }
}

#[test]
fn a_camera_that_closes_mid_stream_says_so() {
    for dialect in EACH {
        let (client, camera) = Simulation::pair(dialect, clip(3, 20, 10), 3);
        let mut simulation = Simulation::new(client, camera, 3, near);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 5);
        let now = simulation.now;
        simulation.camera.close(now);
        simulation.settle();
        simulation.run(SECOND);
        let phase = Phase::Stream;
        let error = simulation.record.error();
        assert_eq!(*error, Error::ClosedByCamera { phase }, "{dialect}");
        assert_eq!(error.failure(), Failure::BrokeOff);
        assert_eq!(reasons(&simulation), [LeaveReason::CameraClosed]);
    }
}

#[test]
fn a_camera_with_a_last_frame_closes_after_it() {
    for dialect in EACH {
        let simulation = run(dialect, |_, _| {});
        let phase = Phase::Stream;
        assert_eq!(
            *simulation.record.error(),
            Error::ClosedByCamera { phase },
            "{dialect}"
        );
        assert_eq!(simulation.record.frames.len(), 10);
        assert_eq!(reasons(&simulation), [LeaveReason::Finished], "{dialect}");
        assert_eq!(simulation.camera.clients().count(), 0);
    }
}

#[test]
fn a_client_may_close_at_any_time() {
    for dialect in EACH {
        for phase in Phase::ALL {
            let mut script = until(phase, dialect);
            script.client.close(script.now);
            script.settle();
            let ends = script
                .events
                .iter()
                .filter(|event| matches!(event, Event::Ended(Ok(()))));
            assert_eq!(ends.count(), 1, "{dialect} {phase}");
            assert!(matches!(script.events.last(), Some(Event::Ended(_))));
            script.advance(60 * SECOND);
            script.client.close(script.now);
            assert!(
                !script.settle(),
                "{dialect} {phase}: said something after the end"
            );
        }
    }
}

#[test]
fn a_client_that_vanishes_is_forgotten() {
    for dialect in EACH {
        let (client, camera) = Simulation::pair(dialect, clip(3, 20, 10), 3);
        let mut simulation = Simulation::new(client, camera, 3, near);
        simulation.run_until(30 * SECOND, |record| record.frames.len() == 5);
        assert_eq!(simulation.camera.clients().count(), 1);
        // From here on only the camera's time goes on.
        let mut now = simulation.now;
        let end = now + 11 * SECOND;
        while now < end {
            now += Duration::from_millis(10);
            simulation.camera.handle_timeout(now);
            while !matches!(
                simulation.camera.poll_output(),
                tutk_session::Output::Timeout(_)
            ) {}
        }
        assert_eq!(simulation.camera.clients().count(), 0, "{dialect}");
    }
}

#[test]
fn a_k10003_that_fits_into_no_packet_is_found_out_at_once() {
    let script = Scripted::new(&Dialect::TRANSCODE);
    let epoch = tutk_session::Epoch {
        instant: script.start,
        unix: Duration::ZERO,
    };
    let make = |model: String| {
        let (_, mut camera) = Simulation::pair(&Dialect::TRANSCODE, clip(1, 1, 1), 1);
        camera.model = Some(model);
        let rng = Box::new(<rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(1));
        tutk_simulator::Simulator::new(camera, testkit::session::camera_address(), rng, epoch)
    };
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
fn the_model_stands_in_k10003() {
    let simulation = run(&Dialect::TRANSCODE, |_, camera| {
        camera.model = Some("HL_CAM4".into());
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
    assert_eq!(json["cameraInfo"]["videoParm"]["type"], "H264");
}
