//! A supervisor reaches the goals of recorded time for each pattern of outages.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use netsim::{Outages, PATTERNS};
use tutk_session::Dialect;

#[test]
fn reaches_goals_of_availability() {
    let mut missed = String::new();
    for (pattern, dialect) in PATTERNS
        .iter()
        .flat_map(|p| Dialect::ALL.each_ref().map(|d| (p, d)))
    {
        let results = pattern.run(dialect, 1).unwrap();
        if results.share < pattern.goal {
            missed += &format!("{dialect} {}", pattern.row(&results));
        }
    }
    assert!(missed.is_empty(), "goals missed:\n{missed}");
}

/// Neither a slow camera nor an outage of 2 s ends a session.
#[test]
fn short_outages_and_slow_cameras_are_not_disconnected() {
    let short = |p: &&netsim::Pattern| p.outages == Outages::Network && p.down.as_secs() <= 2;
    for (pattern, dialect) in
        (PATTERNS.iter().filter(short)).flat_map(|p| Dialect::ALL.each_ref().map(|d| (p, d)))
    {
        let results = pattern.run(dialect, 1).unwrap();
        assert_eq!(
            results.disconnects,
            0,
            "{dialect} {}",
            pattern.row(&results)
        );
    }
}
