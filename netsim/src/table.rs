//! The table.

use std::fmt::Write as _;

use crate::scenario::{Goal, Scenario};
use crate::tally::{Tally, share};

/// The columns' names, as Markdown.
#[must_use]
pub fn header() -> String {
    String::from(
        "| network | Mbit/s | mode | frames | whole | late | lost | simple client | sound | sent again | parity | delay 50 / 95 / 99 %, ms | held | allocated | goal |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    )
}

/// One scenario's line.
#[must_use]
pub fn row(scenario: &Scenario, tally: &Tally) -> String {
    let mode = match scenario.resend {
        None => "plain",
        Some(config) if config.parity => "resend, parity",
        Some(_) => "resend",
    };
    let video = &tally.video;
    let percent = |part, whole| format!("{:.2} %", share(part, whole) * 100.0);
    let of_first = |bytes| percent(bytes, tally.first);
    let delay = |percent| video.delay(percent).as_secs_f64() * 1000.0;
    let mut row = String::new();
    let _ = writeln!(
        row,
        "| {}{} | {} | {mode} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} / {:.0} / {:.0} | {} kB | {} kB | {} |",
        scenario.name,
        if scenario.dialect.name == "transcode" {
            String::new()
        } else {
            format!(", {}", scenario.dialect.name)
        },
        scenario.rate / 1_000_000,
        video.sent,
        percent(video.delivered, video.sent),
        percent(video.late, video.sent),
        video.lost(),
        percent(video.simple, video.sent),
        percent(tally.sound.delivered, tally.sound.sent),
        of_first(tally.again),
        of_first(tally.parity),
        delay(50),
        delay(95),
        delay(99),
        tally.held / 1000,
        tally.live / 1000,
        goal(scenario, tally),
    );
    row
}

/// What was to be reached, and whether it was.
fn goal(scenario: &Scenario, tally: &Tally) -> String {
    let Goal { share, delay } = scenario.goal;
    let mut goal = match scenario.resend {
        Some(_) => format!("{} %", (share * 1000.0).round() / 10.0),
        // Whatever came of slices, for that is checked of each frame.
        None if share < 1.0 => String::from("what came whole"),
        None => String::from("100 %"),
    };
    if let Some(delay) = delay {
        let _ = write!(goal, ", {} ms", delay.as_millis());
    }
    if !scenario.goal.missed(tally).is_empty() {
        goal.push_str(": **missed**");
    }
    goal
}
