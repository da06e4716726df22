//! Sessions on demand.

use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::supervised::SupervisorSimulation;
use tutk_session::{Keep, SupervisorConfig, SupervisorEvent};

use super::{MS, S, configs_of, reconnecting, with_config, without_camera};

fn on_demand(linger: Duration) -> SupervisorConfig {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger };
    config
}

fn idle(event: &SupervisorEvent) -> Option<()> {
    matches!(event, SupervisorEvent::Idle).then_some(())
}

#[test]
fn session_on_demand_lingers_after_the_last_user() {
    for camera in TestCamera::all() {
        let (mut config, simulated) = configs_of(&camera);
        config.keep = Keep::OnDemand { linger: S(10) };
        let mut simulation = SupervisorSimulation::new(config, simulated, 1);
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
