//! Short runs of each network of the table reach its goals.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use netsim::{Media, Results, Scenario, run};

/// Runs per scenario, and simulated seconds per run. A goal of 99 % allows at least one lost frame.
/// Outages start after more than 14 s.
const SEEDS: u64 = 2;
const SECONDS: u64 = 10;
const SECONDS_WITH_OUTAGES: u64 = 20;

/// Runs the selected scenarios and checks their goals.
fn all_reach_their_goals(is_selected: impl Fn(&Scenario) -> bool) {
    let mut missed = Vec::new();
    for scenario in Scenario::all()
        .iter()
        .filter(|scenario| is_selected(scenario))
    {
        let seconds = match scenario.down.outage {
            Some(_) => SECONDS_WITH_OUTAGES,
            None => SECONDS,
        };
        let media = Media::new(scenario.rate, seconds).unwrap();
        let mut results = Results::default();
        for seed in 0..SEEDS {
            results.add(run(scenario, &media, seed, None).unwrap());
        }
        assert_eq!(results.runs, SEEDS);
        let why = scenario.goal.missed(&results);
        missed.extend(
            why.into_iter()
                .map(|why| format!("{}: {why}", scenario.name)),
        );
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn delivers_all_complete_frames_in_plain_mode() {
    all_reach_their_goals(|scenario| scenario.resend.is_none());
}

#[test]
fn reaches_goals_with_retransmissions() {
    all_reach_their_goals(|scenario| scenario.resend.is_some_and(|resend| resend.parity == 0));
}

#[test]
fn reaches_goals_with_retransmissions_and_parity() {
    all_reach_their_goals(|scenario| scenario.resend.is_some_and(|resend| resend.parity > 0));
}

#[test]
fn goals_can_be_missed() {
    let all = Scenario::all();
    let lossy = |scenario: &&Scenario| scenario.name == "5 % lost";
    let plain = all.iter().find(lossy).unwrap();
    let resend = all.iter().filter(lossy).nth(1).unwrap();
    assert!(plain.resend.is_none() && resend.resend.is_some());

    let media = Media::new(plain.rate, 4).unwrap();
    let results = run(plain, &media, 1, None).unwrap();
    assert_eq!(plain.goal.missed(&results), [""; 0]);
    let missed = resend.goal.missed(&results);
    assert!(
        missed.iter().any(|why| why.starts_with("video: ")),
        "{missed:?}"
    );

    let mut wrong = run(resend, &media, 1, None).unwrap();
    assert_eq!(resend.goal.missed(&wrong), [""; 0]);
    wrong.audio.wrong = 1;
    assert_eq!(resend.goal.missed(&wrong), ["audio: 1 wrong frames"]);
    wrong.audio.wrong = 0;
    wrong.video.mismatched = 2;
    assert_eq!(
        resend.goal.missed(&wrong),
        ["video: 2 frames do not match their received slices"]
    );
}

#[test]
fn a_seed_determines_the_run() {
    let all = Scenario::all();
    let scenario = all.iter().find(|s| s.name.starts_with("combined")).unwrap();
    let media = Media::new(scenario.rate, 4).unwrap();
    let once = |seed| run(scenario, &media, seed, None).unwrap();
    assert_eq!(once(3), once(3));
    assert_ne!(once(3), once(4));
}
