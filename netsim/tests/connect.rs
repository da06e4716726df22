//! Clients connect within the goals, also if packets are lost.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use netsim::CONNECT_NETWORKS;
use tutk_session::Dialect;

#[test]
fn reaches_goals_of_connecting() {
    let mut missed = String::new();
    for (network, dialect) in CONNECT_NETWORKS
        .iter()
        .flat_map(|network| Dialect::ALL.each_ref().map(|dialect| (network, dialect)))
    {
        let times = network.run(dialect, 100).unwrap();
        if !network.is_reached(&times) {
            missed += &network.row(dialect, &times);
        }
    }
    assert!(missed.is_empty(), "goals missed:\n{missed}");
}
