//! Searching for a camera whose address has changed.

use std::net::SocketAddr;

use testkit::session::camera_address;
use testkit::session::supervised::SupervisorSimulation;
use tutk_session::{Error, Failure, Phase, SupervisorEvent};

use super::{S, reconnecting, session_error, with_config, wrong_enr};

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
