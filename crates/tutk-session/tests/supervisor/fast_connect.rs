//! Which sessions use early packets.

use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::supervised::SupervisorSimulation;
use tutk_session::Dialect;
use tutk_simulator::EarlyPackets;

use super::{MS, camera, configs_of, reconnecting};

/// The times from a socket to the authentication, in round trips of 10 ms, for three sessions.
fn round_trips(mut simulation: SupervisorSimulation) -> [u128; 3] {
    [(); 3].map(|()| {
        simulation.authenticated();
        let connected = *simulation.connects.last().unwrap();
        let took: Duration = simulation.now - connected;
        assert_eq!(took.subsec_millis() % 10, 0, "{took:?}");
        simulation.run(MS(500));
        simulation.close_camera();
        simulation.start_camera();
        took.as_millis() / 10
    })
}

fn with_early_packets(early: EarlyPackets, is_fast: bool) -> SupervisorSimulation {
    let (mut config, mut camera) = (reconnecting(), camera());
    config.client.fast_connect = is_fast;
    camera.personality.early_packets = early;
    SupervisorSimulation::new(config, camera, 1)
}

#[test]
fn later_sessions_request_the_session_beside_discovery() {
    let accepted = EarlyPackets::Accepted;
    assert_eq!(round_trips(with_early_packets(accepted, true)), [6, 5, 5]);
    assert_eq!(round_trips(with_early_packets(accepted, false)), [7, 7, 7]);
}

#[test]
fn dropped_early_packets_cost_30_ms() {
    let dropped = EarlyPackets::Dropped;
    assert_eq!(round_trips(with_early_packets(dropped, true)), [10, 10, 10]);
}

/// The early login is refused after four round trips.
#[test]
fn camera_that_refuses_early_packets_gets_them_only_once() {
    let refused = EarlyPackets::Refused;
    assert_eq!(round_trips(with_early_packets(refused, true)), [10, 7, 7]);
}

#[test]
fn session_that_is_refused_early_is_not_requested_early_again() {
    let (config, camera) = configs_of(&TestCamera::new(&Dialect::TRANSCODE, "early-refused", 0));
    let simulation = SupervisorSimulation::new(config, camera, 1);
    assert_eq!(round_trips(simulation), [107, 7, 7]);
}
