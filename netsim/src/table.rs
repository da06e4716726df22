//! The table of results, as Markdown.

use std::fmt::Write as _;

use tutk_session::Dialect;

use crate::results::{Results, share};
use crate::scenario::{Goal, Scenario};

/// Returns the head of the table.
#[must_use]
pub fn header() -> String {
    String::from(
        "| network | Mbit/s | mode | frames | delivered | late | lost | baseline | audio | resent | parity | delay 50 / 95 / 99 %, ms | buffered | heap | goal |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    )
}

/// Returns the row of a scenario.
#[must_use]
pub fn row(scenario: &Scenario, results: &Results) -> String {
    let mode = match scenario.resend {
        None => "plain",
        Some(config) if config.parity > 0 => "resend, parity",
        Some(_) => "resend",
    };
    let video = &results.video;
    let percent = |part, whole| format!("{:.2} %", share(part, whole) * 100.0);
    let of_media = |bytes| percent(bytes, results.media_bytes);
    let delay = |percent| video.delay(percent).as_secs_f64() * 1000.0;
    let mut row = String::new();
    let _ = writeln!(
        row,
        "| {}{} | {} | {mode} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} / {:.0} / {:.0} | {} kB | {} kB | {} |",
        scenario.name,
        match scenario.dialect == Dialect::TRANSCODE {
            true => String::new(),
            false => format!(", {}", scenario.dialect),
        },
        scenario.rate / 1_000_000,
        video.sent,
        percent(video.delivered, video.sent),
        percent(video.late, video.sent),
        video.lost(),
        percent(video.baseline, video.sent),
        percent(results.audio.delivered, results.audio.sent),
        of_media(results.resent_bytes),
        of_media(results.parity_bytes),
        delay(50),
        delay(95),
        delay(99),
        results.buffered / 1000,
        results.heap / 1000,
        goal(scenario, results),
    );
    row
}

fn goal(scenario: &Scenario, results: &Results) -> String {
    let Goal { share, delay } = scenario.goal;
    let mut goal = match scenario.resend {
        Some(_) => format!("{} %", (share * 1000.0).round() / 10.0),
        // `StreamResults::mismatched` checks this for each frame.
        None if share < 1.0 => String::from("all complete"),
        None => String::from("100 %"),
    };
    if let Some(delay) = delay {
        let _ = write!(goal, ", {} ms", delay.as_millis());
    }
    if !scenario.goal.missed(results).is_empty() {
        goal.push_str(": **missed**");
    }
    goal
}
