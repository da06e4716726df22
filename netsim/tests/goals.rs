//! Seconds of each network of the table: the goals hold for them as well.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use netsim::{Media, Scenario, Tally, run};

/// Runs of each scenario, and simulated seconds of each: 99 % are fewer than all of the frames. Outages begin after
/// more than 14 s.
const SEEDS: u64 = 2;
const SECONDS: u64 = 10;
const SECONDS_WITH_OUTAGES: u64 = 20;

/// Runs the scenarios of that kind, and asks for nothing missed in any.
fn all_reach_their_goals(is_meant: impl Fn(&Scenario) -> bool) {
    let mut missed = Vec::new();
    for scenario in Scenario::all().iter().filter(|scenario| is_meant(scenario)) {
        let seconds = match scenario.down.outage {
            Some(_) => SECONDS_WITH_OUTAGES,
            None => SECONDS,
        };
        let media = Media::new(scenario.rate, seconds).unwrap();
        let mut tally = Tally::default();
        for seed in 0..SEEDS {
            tally.add(run(scenario, &media, seed, None).unwrap());
        }
        assert_eq!(tally.runs, SEEDS);
        let why = scenario.goal.missed(&tally);
        missed.extend(
            why.into_iter()
                .map(|why| format!("{}: {why}", scenario.name)),
        );
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn plain_media_is_all_that_came_whole() {
    all_reach_their_goals(|scenario| scenario.resend.is_none());
}

#[test]
fn what_is_lost_is_sent_again() {
    all_reach_their_goals(|scenario| scenario.resend.is_some_and(|resend| !resend.parity));
}

#[test]
fn what_is_lost_is_sent_again_or_made_from_parity() {
    all_reach_their_goals(|scenario| scenario.resend.is_some_and(|resend| resend.parity));
}

/// A goal that nothing could miss would say nothing.
#[test]
fn goals_can_be_missed() {
    let all = Scenario::all();
    let lossy = |scenario: &&Scenario| scenario.name == "5 % lost";
    let plain = all.iter().find(lossy).unwrap();
    let again = all.iter().filter(lossy).nth(1).unwrap();
    assert!(plain.resend.is_none() && again.resend.is_some());

    let media = Media::new(plain.rate, 4).unwrap();
    let tally = run(plain, &media, 1, None).unwrap();
    assert_eq!(plain.goal.missed(&tally), [""; 0]);
    let missed = again.goal.missed(&tally);
    assert!(
        missed.iter().any(|why| why.starts_with("pictures: ")),
        "{missed:?}"
    );

    let mut wrong = run(again, &media, 1, None).unwrap();
    assert_eq!(again.goal.missed(&wrong), [""; 0]);
    wrong.sound.wrong = 1;
    assert_eq!(again.goal.missed(&wrong), ["sound: 1 wrong frames"]);
    wrong.sound.wrong = 0;
    wrong.video.not_as_arrived = 2;
    assert_eq!(
        again.goal.missed(&wrong),
        ["pictures: 2 frames not as their slices arrived"]
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let all = Scenario::all();
    let scenario = all
        .iter()
        .find(|s| s.name.starts_with("all together"))
        .unwrap();
    let media = Media::new(scenario.rate, 4).unwrap();
    let once = |seed| run(scenario, &media, seed, None).unwrap();
    assert_eq!(once(3), once(3));
    assert_ne!(once(3), once(4));
}
