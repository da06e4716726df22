//! Reconnecting, back-off and giving up.

use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::supervised::SupervisorSimulation;
use testkit::session::{clip, credentials};
use tutk_session::video_reassembly::ResendConfig;
use tutk_session::{
    CommandError, ConnectionError, Error, Failure, Phase, ResendPolicy, SupervisorEvent,
};
use tutk_simulator::Clip;

use super::{
    AUDIO_OFF, MS, S, camera, configs_of, reconnecting, session_error, simulation, simulation_of,
    with_config, without_camera, wrong_enr,
};

#[test]
fn reconnects_after_camera_reboot() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        let closed = Error::ClosedByCamera {
            phase: Phase::Stream,
        };
        // No session is stable, so the delay grows.
        for delay in [500, 1000, 2000].map(MS) {
            simulation.frames(25);
            assert!(simulation.supervisor.is_authenticated());
            simulation.close_camera();
            let disconnect = simulation.disconnect();
            assert_eq!(session_error(&disconnect.error), &closed);
            let lasted = disconnect.lasted.unwrap();
            assert!(lasted >= MS(1200) && lasted <= MS(1300), "{lasted:?}");
            assert_eq!((disconnect.attempts, disconnect.next), (0, Some(delay)));
            assert!(!simulation.supervisor.is_authenticated());
            simulation.start_camera();
            let outage = simulation.restored();
            assert_eq!(outage.attempts, 0);
            assert!(outage.down.unwrap() >= delay);
            assert_eq!(session_error(&outage.error), &closed);
        }
        simulation.frames(25);
        let tally = simulation.supervisor.tally();
        assert!(tally.frames >= 100 && tally.bytes > 0);
        assert_eq!(
            (tally.reconnects, tally.lost, tally.awaiting_key_frame),
            (3, 0, 0)
        );
        let outages: Vec<_> = simulation.supervisor.outages().collect();
        assert_eq!(outages.len(), 3);
        assert!(outages.iter().all(|outage| outage.down.is_some()));
    }
}

#[test]
fn video_continues_with_a_key_frame_after_overload() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        while simulation.frame().frame.is_key() {}
        simulation.supervisor.handle_overload(simulation.now, 7);
        let datagrams = simulation.until(|event| match event {
            SupervisorEvent::Overloaded { datagrams } => Some(*datagrams),
            _ => None,
        });
        let next = simulation.frame();
        assert!(next.frame.is_key() && !next.discontinuity, "{next:?}");
        let tally = simulation.supervisor.tally();
        assert_eq!((datagrams, tally.overload_drops), (7, 7));
        assert!(tally.awaiting_key_frame > 0);
        // The sum outlives the session.
        simulation.close_camera();
        simulation.disconnect();
        assert_eq!(simulation.supervisor.tally().overload_drops, 7);
    }
}

#[test]
fn time_line_continues_over_a_gap() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        let last = simulation.frames(10);
        let arrived = simulation.now;
        simulation.close_camera();
        simulation.disconnect();
        simulation.start_camera();
        let next = simulation.frame();
        assert!(next.discontinuity && next.frame.number == 1);
        let gap = simulation.now - arrived;
        assert_eq!(next.frame.timestamp - last.frame.timestamp, gap);
        assert_eq!(next.unix - last.unix, gap);
    }
}

#[test]
fn reconnects_after_a_long_outage() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        simulation.frames(300);
        // The camera stops without closing its sessions.
        simulation.camera = None;
        let first = simulation.disconnect();
        let stalled = Error::Stalled { waited: MS(2500) };
        assert_eq!(session_error(&first.error), &stalled);
        let mut waits = vec![first.next.unwrap().as_secs_f64()];
        for attempts in 1..=8 {
            let disconnect = simulation.disconnect();
            assert_eq!((disconnect.attempts, disconnect.lasted), (attempts, None));
            let phase = session_error(&disconnect.error).phase();
            assert_eq!(phase, Phase::Discovery);
            waits.push(disconnect.next.unwrap().as_secs_f64());
        }
        // The camera was silent for longer than the first delay.
        assert_eq!(waits, [0.001, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(simulation.supervisor.outages().next().unwrap().down, None);

        simulation.start_camera();
        let outage = simulation.restored();
        assert_eq!(session_error(&outage.error), &stalled);
        let last = outage.last_error.unwrap();
        assert_eq!(session_error(&last).phase(), Phase::Discovery);
        // Eight attempts of five seconds, and the delays.
        let min = 8.0 * 5.0 + waits.iter().sum::<f64>();
        let down = outage.down.unwrap().as_secs_f64();
        // A camera that does not answer the first ClientHello takes longer to reach.
        let max = min + if camera.connects_directly() { 1.0 } else { 6.0 };
        assert!(down >= min && down < max, "{camera}: {down} {min}");
        simulation.frames(25);
    }
}

#[test]
fn attempts_continue_for_a_day_without_a_camera() {
    let mut simulation = simulation();
    simulation.frames(10);
    simulation.camera = None;
    simulation.run(S(24 * 3600));
    // Discovery takes 5 s, and the delay is 30 s.
    let attempts = simulation.connects.len();
    assert!((2460..2480).contains(&attempts), "{attempts}");
    simulation.events.clear();
    simulation.start_camera();
    let outage = simulation.restored();
    assert!(outage.down.unwrap() >= S(24 * 3600 - 10));
    assert!(simulation.frame().discontinuity);
}

#[test]
fn reconnects_after_a_stall() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        simulation.frames(10);
        simulation.muted = true;
        let error = simulation.disconnect().error;
        assert!(matches!(session_error(&error), Error::Stalled { .. }));
        simulation.muted = false;
        simulation.restored();
        simulation.frames(10);
    }
}

#[test]
fn requests_plain_media_after_two_stalls_in_resend_mode() {
    let mut config = reconnecting();
    config.client.resend = ResendPolicy::On;
    let mut camera = camera();
    camera.personality.resend = Some(ResendConfig::OBSERVED);
    let mut simulation = SupervisorSimulation::new(config, camera, 1);
    for grouped in [true, true, false, false] {
        simulation.frames(20);
        let groups = simulation.supervisor.stats().unwrap().groups;
        assert_eq!(groups.slices > 0, grouped, "{groups:?}");
        simulation.muted = true;
        simulation.disconnect();
        simulation.muted = false;
    }
}

#[test]
fn drops_delta_frames_before_the_first_key_frame() {
    let frames = clip(1, 30, 10).frames()[3..].to_vec();
    let mut camera = camera();
    camera.clip = Clip::new(frames, tutk_session::Codec::H264, 20).unwrap();
    let mut simulation = SupervisorSimulation::new(reconnecting(), camera, 1);
    let first = simulation.frame();
    assert!(first.frame.is_key() && !first.discontinuity);
    assert_eq!(first.frame.number, 8);
    assert_eq!(simulation.supervisor.tally().awaiting_key_frame, 7);
}

#[test]
fn first_failure_ends_the_supervisor() {
    let mut config = reconnecting();
    config.client.credentials = wrong_enr();
    for (mut simulation, failure) in [
        (with_config(config.clone()), Failure::Refused),
        (without_camera(config), Failure::Silent),
    ] {
        assert_eq!(
            simulation.command(&AUDIO_OFF),
            Err(CommandError::NotConnected)
        );
        let error = simulation.until(|event| match event {
            SupervisorEvent::Disconnected(disconnect) => panic!("{disconnect:?}"),
            SupervisorEvent::Ended(result) => Some(result.clone().unwrap_err()),
            _ => None,
        });
        assert_eq!(session_error(&error).failure(), failure);
        assert!(simulation.events_within(S(3600)).is_empty());
    }
}

#[test]
fn retry_first_retries_the_first_session() {
    let mut config = reconnecting();
    config.policy.retry_first = true;
    let mut simulation = without_camera(config);
    simulation.run(S(20));
    simulation.start_camera();
    let outage = simulation.restored();
    assert!(outage.attempts >= 3 && outage.down.unwrap() >= S(20));
    assert_eq!(outage.lasted, Duration::ZERO);
    assert!(!simulation.frame().discontinuity, "no earlier session");
    assert_eq!(simulation.supervisor.tally().reconnects, 0);
}

#[test]
fn refusals_in_a_row_use_the_largest_delay() {
    let mut simulation = simulation();
    simulation.frames(10);
    simulation.close_camera();
    simulation.config.credentials = wrong_enr();
    simulation.start_camera();
    assert_eq!(simulation.disconnect().next, Some(MS(500)));
    for (attempts, delay) in (1..).zip([1, 30, 30]) {
        let disconnect = simulation.disconnect();
        let failure = session_error(&disconnect.error).failure();
        assert_eq!(failure, Failure::Refused);
        assert_eq!(disconnect.attempts, attempts);
        assert_eq!(disconnect.next, Some(S(delay)));
    }
    simulation.close_camera();
    simulation.config.credentials = credentials();
    simulation.start_camera();
    assert_eq!(simulation.restored().attempts, 3);
}

#[test]
fn gives_up_by_attempts_or_time() {
    let mut by_attempts = reconnecting();
    by_attempts.policy.give_up_attempts = Some(3);
    let mut by_time = reconnecting();
    by_time.policy.give_up_after = Some(S(20));
    // The session ends at 0 s. Attempts fail at 5.5, 11.5 and 18.5 s. The next would start at
    // 22.5 s.
    for config in [by_attempts, by_time] {
        let mut simulation = with_config(config);
        simulation.frames(10);
        simulation.close_camera();
        let closed_at = simulation.now;
        for attempts in 0..3 {
            let disconnect = simulation.disconnect();
            assert_eq!(disconnect.attempts, attempts);
            assert!(disconnect.next.is_some());
        }
        let last = simulation.disconnect();
        assert_eq!((last.attempts, last.next), (3, None));
        let error = simulation.ended().unwrap_err();
        assert_eq!(session_error(&error).failure(), Failure::Silent);
        let after = (simulation.now - closed_at).as_secs_f64();
        assert!((18.5..19.0).contains(&after), "{after}");
        let outage = simulation.supervisor.outages().next().unwrap();
        assert_eq!(outage.attempts, 3);
        assert_eq!(simulation.supervisor.tally().frames, 10);
    }
}

#[test]
fn single_session_ends_with_its_error() {
    for camera in TestCamera::all() {
        let (config, simulated) = configs_of(&camera);
        let mut simulation = SupervisorSimulation::new(config.client.into(), simulated, 1);
        simulation.frames(10);
        simulation.close_camera();
        assert_eq!(simulation.disconnect().next, None);
        let error = simulation.ended().unwrap_err();
        let error = session_error(&error);
        assert!(matches!(error, Error::ClosedByCamera { .. }), "{error:?}");
    }
}

#[test]
fn socket_failure_is_a_failed_attempt() {
    let mut config = reconnecting();
    config.policy.retry_first = true;
    let mut simulation = with_config(config);
    simulation.frames(10);
    simulation.sockets_fail = true;
    simulation.close_camera();
    simulation.disconnect();
    let disconnect = simulation.disconnect();
    assert!(matches!(disconnect.error, ConnectionError::Driver(_)));
    assert_eq!((disconnect.attempts, disconnect.lasted), (1, None));
    simulation.sockets_fail = false;
    simulation.start_camera();
    simulation.restored();
}
