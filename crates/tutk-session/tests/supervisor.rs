//! The supervisor with a simulated camera.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use testkit::session::supervised::SupervisorSimulation;
use testkit::session::{MAC, UID, camera_address, clip, clip_audio, credentials};
use tutk_session::hl_ioctl::Command as _;
use tutk_session::hl_ioctl::commands::{Media, MediaControl, Switch};
use tutk_session::video_reassembly::{ResendConfig, StreamKind};
use tutk_session::{
    ClientConfig, CommandError, ConnectionError, Credentials, Demand, Error, Event, Failure, Keep,
    Phase, ReconnectPolicy, ResendPolicy, SupervisorConfig, SupervisorEvent,
};
use tutk_simulator::{Clip, SimulatorConfig};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// 20 frames per second, a key frame every ten frames.
fn camera() -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip(1, 30, 10))
}

/// A supervisor that reconnects without jitter.
fn reconnecting() -> SupervisorConfig {
    let client = ClientConfig::new(camera_address(), credentials());
    let mut policy = ReconnectPolicy::default();
    policy.jitter = 0.0;
    SupervisorConfig::new(client, policy)
}

fn on_demand(linger: Duration) -> SupervisorConfig {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger };
    config
}

fn with_config(config: SupervisorConfig) -> SupervisorSimulation {
    SupervisorSimulation::new(config, camera(), 1)
}

fn simulation() -> SupervisorSimulation {
    with_config(reconnecting())
}

/// A simulation without a camera.
fn without_camera(config: SupervisorConfig) -> SupervisorSimulation {
    let mut simulation = with_config(config);
    simulation.camera = None;
    simulation
}

fn session_error(error: &ConnectionError) -> &Error {
    match error {
        ConnectionError::Session(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A wrong ENR with the right AuthKey: a camera does not answer a wrong AuthKey.
fn wrong_enr() -> Credentials {
    let mut wrong = Credentials::new(UID, "0000000000000000", MAC).unwrap();
    wrong.auth_key = credentials().auth_key;
    wrong
}

fn idle(event: &SupervisorEvent) -> Option<()> {
    matches!(event, SupervisorEvent::Idle).then_some(())
}

const AUDIO_OFF: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::Off,
};

#[test]
fn reconnects_after_camera_reboot() {
    let mut simulation = simulation();
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

#[test]
fn time_line_continues_over_a_gap() {
    let mut simulation = simulation();
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

#[test]
fn reconnects_after_a_long_outage() {
    let mut simulation = simulation();
    simulation.frames(300);
    // The camera stops without closing its sessions.
    simulation.camera = None;
    let first = simulation.disconnect();
    let stalled = Error::Stalled { waited: S(10) };
    assert_eq!(session_error(&first.error), &stalled);
    let mut waits = vec![first.next.unwrap().as_secs_f64()];
    for attempts in 1..=8 {
        let disconnect = simulation.disconnect();
        assert_eq!((disconnect.attempts, disconnect.lasted), (attempts, None));
        let phase = session_error(&disconnect.error).phase();
        assert_eq!(phase, Phase::Discovery);
        waits.push(disconnect.next.unwrap().as_secs_f64());
    }
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(simulation.supervisor.outages().next().unwrap().down, None);

    simulation.start_camera();
    let outage = simulation.restored();
    assert_eq!(session_error(&outage.error), &stalled);
    let last = outage.last_error.unwrap();
    assert_eq!(session_error(&last).phase(), Phase::Discovery);
    // Eight attempts of five seconds, and the delays.
    let min = 8.0 * 5.0 + waits.iter().sum::<f64>();
    let down = outage.down.unwrap().as_secs_f64();
    assert!(down >= min && down < min + 1.0, "{down} {min}");
    simulation.frames(25);
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
    let mut simulation = simulation();
    simulation.frames(10);
    simulation.muted = true;
    let error = simulation.disconnect().error;
    assert!(matches!(session_error(&error), Error::Stalled { .. }));
    simulation.muted = false;
    simulation.restored();
    simulation.frames(10);
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
    let mut simulation = with_config(reconnecting().client.into());
    simulation.frames(10);
    simulation.close_camera();
    assert_eq!(simulation.disconnect().next, None);
    let error = simulation.ended().unwrap_err();
    let error = session_error(&error);
    assert!(matches!(error, Error::ClosedByCamera { .. }), "{error:?}");
}

#[test]
fn closes_in_every_state() {
    let close = |simulation: &mut SupervisorSimulation| {
        simulation.close();
        simulation.ended().unwrap();
        assert!(!simulation.socket_open);
        assert!(simulation.events_within(S(3600)).is_empty());
    };
    // In the middle of each phase, and after the first frames.
    for time in [0, 7, 15, 25, 35, 60, 2000].map(MS) {
        let mut simulation = simulation();
        simulation.run(time);
        close(&mut simulation);
    }
    // While backing off, and in the next attempt.
    for time in [MS(100), S(2)] {
        let mut simulation = simulation();
        simulation.frames(10);
        simulation.close_camera();
        simulation.disconnect();
        simulation.run(time);
        close(&mut simulation);
    }
}

#[test]
fn commands_need_an_authenticated_session() {
    let mut simulation = simulation();
    for _ in 0..3 {
        assert_eq!(
            simulation.command(&AUDIO_OFF),
            Err(CommandError::NotConnected)
        );
        simulation.authenticated();
        simulation.command(&AUDIO_OFF).unwrap();
        let code = simulation.until(|event| match event {
            SupervisorEvent::Session(Event::Answer(answer)) => Some(answer.code),
            _ => None,
        });
        assert_eq!(code, MediaControl::ANSWER_CODE);
        simulation.close_camera();
        simulation.disconnect();
        simulation.start_camera();
    }
}

#[test]
fn commands_beyond_the_limit_are_not_accepted() {
    let mut simulation = simulation();
    simulation.authenticated();
    let accepted = (0..200).take_while(|_| simulation.command(&AUDIO_OFF).is_ok());
    assert!((60..=64).contains(&accepted.count()));
    assert_eq!(
        simulation.command(&AUDIO_OFF),
        Err(CommandError::NotAccepted)
    );
}

#[test]
fn initial_commands_are_sent_in_each_session() {
    let mut config = reconnecting();
    config.initial_commands = vec![(&AUDIO_OFF).into()];
    let mut camera = camera();
    camera.audio = Some(clip_audio(1, 10));
    let mut simulation = SupervisorSimulation::new(config, camera, 1);
    for _ in 0..3 {
        simulation.until(|event| {
            matches!(event, SupervisorEvent::Session(Event::Answer(_))).then_some(())
        });
        // Audio in flight.
        simulation.frames(10);
        for _ in 0..20 {
            assert_eq!(simulation.frame().frame.stream(), StreamKind::Video);
        }
        simulation.close_camera();
        simulation.disconnect();
        simulation.start_camera();
    }
}

#[test]
fn session_on_demand_lingers_after_the_last_user() {
    let mut simulation = with_config(on_demand(S(10)));
    assert!(simulation.events_within(S(60)).is_empty());
    simulation.set_demand(1, 1);
    let first = simulation.frames(10);
    simulation.set_demand(0, 1);
    simulation.run(S(9));
    // A new user in time keeps the session.
    simulation.set_demand(1, 2);
    assert!(simulation.frames(200).frame.timestamp > first.frame.timestamp);
    simulation.set_demand(0, 2);
    let left_at = simulation.now;
    simulation.until(idle);
    assert_eq!(simulation.now - left_at, S(10));
    assert!(!simulation.socket_open && !simulation.supervisor.is_running());
    assert_eq!(simulation.connects.len(), 1);

    assert!(simulation.events_within(S(100)).is_empty());
    simulation.set_demand(1, 3);
    assert!(simulation.frame().discontinuity);
    let tally = simulation.supervisor.tally();
    assert_eq!((tally.frames, tally.reconnects), (1, 0), "not reset");
}

#[test]
fn user_who_leaves_at_once_extends_a_session_but_starts_none() {
    let mut simulation = with_config(on_demand(S(10)));
    simulation.set_demand(0, 1);
    assert!(simulation.events_within(S(60)).is_empty());
    simulation.set_demand(1, 2);
    simulation.frames(10);
    simulation.set_demand(0, 2);
    simulation.run(S(9));
    simulation.set_demand(0, 3);
    simulation.run(S(9));
    assert!(simulation.supervisor.is_authenticated());
    simulation.run(S(2));
    assert!(!simulation.supervisor.is_running());
}

#[test]
fn attempts_end_with_the_demand() {
    let mut config = on_demand(S(1));
    config.policy.retry_first = true;
    // While connecting, and while backing off.
    for time in [S(2), MS(5_100)] {
        let mut simulation = without_camera(config.clone());
        simulation.set_demand(1, 1);
        simulation.run(time);
        simulation.set_demand(0, 1);
        simulation.until(idle);
        assert!(!simulation.socket_open);
        assert!(simulation.events_within(S(60)).is_empty());
    }
}

#[test]
fn new_user_ends_the_pause_after_giving_up() {
    let mut config = on_demand(S(1));
    config.policy.restart_after = Some(S(30));
    let mut simulation = without_camera(config);
    let gave_up =
        |event: &SupervisorEvent| matches!(event, SupervisorEvent::GaveUp(_)).then_some(());
    simulation.set_demand(1, 1);
    simulation.until(gave_up);
    // The pause, and an attempt of five seconds.
    let start = simulation.now;
    simulation.until(gave_up);
    assert_eq!(simulation.now - start, S(35));
    simulation.set_demand(2, 2);
    simulation.until(gave_up);
    assert_eq!(simulation.now - start, S(40));
    // Without users there is no attempt.
    simulation.set_demand(0, 2);
    assert!(simulation.events_within(S(60)).is_empty());
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
    assert!(matches!(disconnect.error, ConnectionError::Io(_)));
    assert_eq!((disconnect.attempts, disconnect.lasted), (1, None));
    simulation.sockets_fail = false;
    simulation.start_camera();
    simulation.restored();
}

/// A change of the supervisor's environment.
#[derive(Debug, Clone)]
enum Incident {
    CameraCloses,
    CameraStops,
    CameraStarts,
    Mute(bool),
    Sockets(bool),
    Users(usize),
}

fn incident() -> impl Strategy<Value = (u64, Incident)> {
    let incident = prop_oneof![
        Just(Incident::CameraCloses),
        Just(Incident::CameraStops),
        Just(Incident::CameraStarts),
        any::<bool>().prop_map(Incident::Mute),
        any::<bool>().prop_map(Incident::Sockets),
        (0..3_usize).prop_map(Incident::Users),
    ];
    let time = prop_oneof![0..100_u64, 0..20_000_u64, 0..120_000_u64];
    (time, incident)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// After any incidents in any order: frames are on the time line, there is a socket only while
    /// one is needed, and the stream returns when the camera does.
    #[test]
    fn stream_returns_after_any_incidents(
        on_demand: bool,
        restart: bool,
        seed in 0..1000_u64,
        incidents in prop::collection::vec(incident(), 1..15),
    ) {
        let linger = S(10);
        let mut policy = ReconnectPolicy::default();
        policy.retry_first = true;
        if restart {
            policy.give_up_attempts = Some(3);
            policy.restart_after = Some(S(30));
        }
        let mut config = SupervisorConfig::new(reconnecting().client, policy);
        if on_demand {
            config.keep = Keep::OnDemand { linger };
        }
        let mut camera = camera();
        camera.audio = Some(clip_audio(1, 10));
        let mut simulation = SupervisorSimulation::new(config, camera, seed);
        let mut demand = Demand::default();
        let mut needed = simulation.now;
        for (time, incident) in incidents {
            let end = simulation.now + MS(time);
            loop {
                let more = simulation.step(end);
                if demand.users > 0 || !on_demand {
                    needed = simulation.now;
                }
                prop_assert!(!simulation.socket_open || simulation.now <= needed + linger);
                if !more {
                    break;
                }
            }
            match incident {
                Incident::CameraCloses => simulation.close_camera(),
                Incident::CameraStops => simulation.camera = None,
                Incident::CameraStarts => simulation.start_camera(),
                Incident::Mute(muted) => simulation.muted = muted,
                Incident::Sockets(fail) => simulation.sockets_fail = fail,
                Incident::Users(users) => {
                    demand.total_users += users.saturating_sub(demand.users) as u64;
                    demand.users = users;
                    simulation.set_demand(demand.users, demand.total_users);
                }
            }
        }
        simulation.muted = false;
        simulation.sockets_fail = false;
        simulation.start_camera();
        simulation.set_demand(1, demand.total_users + 1);
        simulation.events.clear();
        // A stall is detected after 10 s, then there may be a pause of 30 s.
        simulation.run(S(60));
        let is_frame = |event: &SupervisorEvent| matches!(event, SupervisorEvent::Frame(_));
        prop_assert!(simulation.events.iter().any(|(_, event)| is_frame(event)));
        simulation.close();
        prop_assert!(!simulation.socket_open && simulation.checks.ended);
    }
}

/// A supervisor whose camera has moved to [`camera_address`].
fn moved(search: bool) -> SupervisorSimulation {
    let mut config = reconnecting();
    config.policy.search = search;
    config.client.camera = SocketAddr::from(([192, 0, 2, 200], 32761));
    with_config(config)
}

#[test]
fn camera_with_another_address_is_found_and_kept() {
    let mut simulation = moved(true);
    simulation.found = Some(camera_address());
    let to = simulation.until(|event| match event {
        SupervisorEvent::Moved { from, to } => Some((*from, *to)),
        SupervisorEvent::Disconnected(disconnect) => panic!("{disconnect:?}"),
        _ => None,
    });
    assert_eq!(to, (simulation.known, camera_address()));
    // Only after the known address has failed.
    assert_eq!(simulation.searches, [(simulation.start + S(5), true)]);
    simulation.frames(10);
    // The next session uses the new address at once.
    simulation.known = camera_address();
    simulation.close_camera();
    simulation.start_camera();
    simulation.restored();
    assert_eq!(simulation.searches.len(), 1);
}

#[test]
fn found_address_is_dropped_without_authentication() {
    let mut simulation = moved(true);
    simulation.config.credentials = wrong_enr();
    simulation.close_camera();
    simulation.start_camera();
    simulation.found = Some(camera_address());
    let error = simulation.until(|event| match event {
        SupervisorEvent::Ended(result) => Some(result.clone().unwrap_err()),
        SupervisorEvent::Moved { .. } => panic!("not authenticated"),
        _ => None,
    });
    assert_eq!(session_error(&error).failure(), Failure::Refused);
}

#[test]
fn camera_that_is_not_found_is_swept_for_at_most_every_five_minutes() {
    let mut simulation = moved(true);
    let error = simulation.until(|event| match event {
        SupervisorEvent::Ended(result) => Some(result.clone().unwrap_err()),
        _ => None,
    });
    // The error is that of the known address.
    assert!(matches!(
        session_error(&error),
        Error::Silent {
            phase: Phase::Discovery,
            ..
        }
    ));
    assert_eq!(simulation.searches.len(), 1);

    let mut config = reconnecting();
    config.policy.search = true;
    config.policy.retry_first = true;
    config.client.camera = SocketAddr::from(([192, 0, 2, 200], 32761));
    let mut simulation = with_config(config);
    simulation.run(S(1000));
    let sweeps: Vec<_> = simulation
        .searches
        .iter()
        .map(|&(at, sweep)| {
            assert!(sweep);
            at
        })
        .collect();
    assert!((3..=4).contains(&sweeps.len()), "{sweeps:?}");
    assert!(sweeps.windows(2).all(|pair| pair[1] - pair[0] >= S(300)));

    let mut simulation = moved(false);
    simulation.run(S(20));
    assert!(simulation.searches.is_empty());
}

#[test]
fn camera_without_an_address_is_searched_for_in_every_attempt() {
    let mut config = reconnecting();
    config.policy.search = true;
    config.policy.retry_first = true;
    config.client.camera = SocketAddr::from(([0, 0, 0, 0], 32761));
    let mut simulation = with_config(config.clone());
    let error = simulation.disconnect().error;
    assert!(matches!(session_error(&error), Error::NotFound));
    simulation.run(S(60));
    let sweeps: Vec<_> = simulation
        .searches
        .iter()
        .map(|&(_, sweep)| sweep)
        .collect();
    assert!(sweeps.len() > 3);
    // Later ones only broadcast.
    assert!(sweeps[0] && !sweeps[1..].contains(&true), "{sweeps:?}");
    simulation.found = Some(camera_address());
    simulation.frames(1);

    // Broadcasts are sent even if searches are off.
    config.policy.search = false;
    let mut simulation = with_config(config);
    simulation.found = Some(camera_address());
    simulation.run(S(60));
    assert!(!simulation.searches.is_empty());
    assert!(simulation.searches.iter().all(|&(_, sweep)| !sweep));
}
