//! The limits, and the results as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::camera::{FPS, Model};
use crate::files::{Decoded, Files};
use crate::monitor::{Observed, Sample};
use crate::run::{LONG, Options};
use crate::schedule::Kind;
use crate::viewers::Totals;
use crate::{LIMIT, Segments};

/// The share of the available time for which each camera must be recorded in a long run.
const SHARE: u64 = 85;

/// The same in a short run, in which each camera has a fault every few seconds.
const SHORT_SHARE: u64 = 60;

/// The most resident memory. The hub keeps at most 16 MiB of each of six cameras.
const MEMORY: u64 = 256 << 20;

/// How much resident memory may grow from the first fifth of a long run, after the first 5 minutes
/// or 40 %, to its last fifth.
const MEMORY_GROWTH: u64 = 12 << 20;

/// The most descriptors: 12 for each of six cameras, 64 for everything else, and the viewers.
const DESCRIPTORS: u64 = 160;

/// How many more descriptors may be open after the last viewer than before the first one. A
/// recording has up to four, depending on the time.
const DESCRIPTOR_GROWTH: u64 = 16;

/// The most lines of the log for each fault, and before the first one.
const LINES: u64 = 30;

/// How much longer a file may be than a segment. A fault before the last key frame can extend it.
const FILE_EXCESS: Duration = Duration::from_secs(60);

/// A step of the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub at: Instant,
    /// The seconds by which the clock is ahead since then.
    pub ahead: i64,
}

/// What a run measured.
#[derive(Debug)]
pub struct Results {
    pub names: Vec<Model>,
    pub available: Vec<Duration>,
    pub faults: Vec<Kind>,
    pub files: Files,
    pub decoded: Option<Decoded>,
    pub observed: Observed,
    pub viewers: Totals,
    pub before: Sample,
    pub after: Sample,
    pub end: Result<(), String>,
    pub panics: Vec<String>,
    pub lines: u64,
    pub failed_recordings: u64,
    pub disk: &'static str,
    pub has_clock: bool,
    pub steps: Vec<Step>,
    pub segments: Segments,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    text: String,
    failures: Vec<String>,
}

/// The table of checks.
#[derive(Default)]
struct Checks {
    rows: String,
    failures: Vec<String>,
}

impl Checks {
    fn add(&mut self, what: &str, measured: String, limit: &str, passed: bool) {
        let mark = if passed { "" } else { ": **missed**" };
        let _ = writeln!(self.rows, "| {what} | {measured} | {limit}{mark} |");
        if !passed {
            self.failures
                .push(format!("{what}: {measured}, limit {limit}"));
        }
    }

    /// Adds a check that fails with problems. The first ones are in the table.
    fn no_problems(&mut self, what: &str, measured: &str, problems: &[String]) {
        let measured = match problems {
            [] => measured.to_owned(),
            _ => format!("{measured}; {} problems", problems.len()),
        };
        self.add(what, measured, "no problem", problems.is_empty());
        let shown = problems.iter().take(20);
        self.failures
            .extend(shown.map(|problem| format!("  {problem}")));
    }
}

impl Report {
    pub(crate) fn new(options: &Options, results: Results) -> Self {
        let mut checks = Checks::default();
        let is_long = options.duration >= LONG;
        let cameras = cameras(&results, is_long, &mut checks);
        recordings(&results, &mut checks);
        resources(&results, is_long, &mut checks);
        answers(&results, &mut checks);
        let mut text = format!(
            "Seed {}, {} s, {} faults. The file system of the recordings is {}. {}\n\n",
            options.seed,
            options.duration.as_secs(),
            results.faults.len(),
            results.disk,
            match results.has_clock {
                true => "libfaketime steps the wall clock of `tutk serve`.",
                false => "The wall clock is not stepped, because libfaketime is not installed.",
            },
        );
        text += "| check | measured | limit |\n|---|---|---|\n";
        text += &checks.rows;
        text += &cameras;
        text += &faults(&results);
        text += &viewers(&results.viewers);
        Self {
            text,
            failures: checks.failures,
        }
    }

    /// Returns `true` if all limits were kept.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Returns the missed limits, with details.
    #[must_use]
    pub fn failures(&self) -> &[String] {
        &self.failures
    }

    /// Returns the tables.
    #[must_use]
    pub fn markdown(&self) -> &str {
        &self.text
    }
}

/// Returns the table of cameras, and checks the recorded share of each.
fn cameras(results: &Results, is_long: bool, checks: &mut Checks) -> String {
    let mut table = "\n| camera | dialect | personality | video | audio | available | recorded \
                     | share | files | longest |\n|---|---|---|---|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let mut least = None;
    for (model, available) in results.names.iter().zip(&results.available) {
        let recorded = results.files.cameras.get(model.name);
        let recorded = recorded.cloned().unwrap_or_default();
        // In thousandths. The cameras send frames at a constant rate.
        let milliseconds = u64::try_from(available.as_millis()).unwrap_or(u64::MAX);
        let time = recorded.frames * 1_000 / FPS;
        let share = time * 1_000 / milliseconds.max(1);
        least = least.min(Some(share)).or(Some(share));
        let _ = writeln!(
            table,
            "| {} | `{}` | `{}` | {} | {} | {} s | {} s | {} | {} | {:.1} s |",
            model.name,
            model.dialect,
            model.personality,
            if model.h265 { "H.265" } else { "H.264" },
            model.audio,
            available.as_secs(),
            time / 1_000,
            percent(share),
            recorded.files,
            recorded.longest.as_secs_f64(),
        );
    }
    let (least, goal) = (
        least.unwrap_or_default(),
        if is_long { SHARE } else { SHORT_SHARE },
    );
    checks.add(
        "recorded share of the time in which a camera works, the smallest",
        percent(least),
        &format!("at least {goal} %"),
        least >= goal * 10,
    );
    table
}

fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// Checks the files.
fn recordings(results: &Results, checks: &mut Checks) {
    let files = &results.files;
    let count: u64 = files.cameras.values().map(|camera| camera.files).sum();
    let decoded = match &results.decoded {
        Some(Decoded {
            files, incomplete, ..
        }) => format!(
            "{count} files, {files} of them decoded by ffmpeg, {incomplete} with frames that refer to lost ones"
        ),
        None => format!("{count} files, none decoded because ffmpeg is not installed"),
    };
    let what = "files are complete, play, and have increasing timestamps";
    checks.no_problems(what, &decoded, &files.problems);
    let longest = files.cameras.values().map(|camera| camera.longest).max();
    let longest = longest.unwrap_or_default();
    let limit = results.segments.length + FILE_EXCESS;
    checks.add(
        "longest file",
        format!("{:.1} s", longest.as_secs_f64()),
        &format!("at most {} s", limit.as_secs()),
        longest <= limit,
    );
    if results.has_clock {
        let (seen, due) = seen_steps(results);
        checks.add(
            "steps of the wall clock that names of files show",
            format!("{seen} of {}", results.steps.len()),
            &format!("at least {due}"),
            seen >= due,
        );
    }
}

/// Returns how many steps of the clock the names of files show, and how many must be shown: those
/// that another step follows so late that each camera began a segment.
fn seen_steps(results: &Results) -> (usize, usize) {
    let enough = results.segments.length * 2 + LIMIT;
    let (mut seen, mut due) = (0, 0);
    for (number, step) in results.steps.iter().enumerate() {
        let next = results.steps.get(number + 1).map(|next| next.at);
        let is_own = |at: Instant| at >= step.at && next.is_none_or(|next| at < next);
        let mut named = results
            .files
            .named
            .iter()
            .filter(|named| is_own(named.seen));
        seen += usize::from(named.any(|named| named.ahead.abs_diff(step.ahead) <= 10));
        due += usize::from(next.is_some_and(|next| next - step.at >= enough));
    }
    (seen, due)
}

/// Checks memory and descriptors.
fn resources(results: &Results, is_long: bool, checks: &mut Checks) {
    let samples = &results.observed.samples;
    let most = |value: fn(&Sample) -> u64| samples.iter().map(value).max().unwrap_or_default();
    let (memory, descriptors) = (most(|one| one.memory), most(|one| one.descriptors));
    checks.add(
        "resident memory, the most",
        mebibytes(memory),
        &format!("at most {}", mebibytes(MEMORY)),
        memory > 0 && memory <= MEMORY,
    );
    if is_long {
        let end = samples.last().map_or(Duration::ZERO, |last| last.at);
        let early = (end * 2 / 5).min(Duration::from_secs(300));
        let windows = [
            early..early + end / 5,
            end * 4 / 5..end + Duration::from_secs(1),
        ];
        let [early, late] = windows.map(|window| {
            let within = samples.iter().filter(|one| window.contains(&one.at));
            median(within.map(|one| one.memory).collect())
        });
        checks.add(
            "resident memory, median of an early and of the last fifth",
            format!("{}, {}", mebibytes(early), mebibytes(late)),
            &format!("grows by at most {}", mebibytes(MEMORY_GROWTH)),
            late <= early + MEMORY_GROWTH,
        );
    }
    checks.add(
        "open descriptors, the most",
        descriptors.to_string(),
        &format!("at most {DESCRIPTORS}"),
        descriptors > 0 && descriptors <= DESCRIPTORS,
    );
    let (before, after) = (results.before.descriptors, results.after.descriptors);
    checks.add(
        "open descriptors before the first and after the last viewer",
        format!("{before}, {after}"),
        &format!("grows by at most {DESCRIPTOR_GROWTH}"),
        after > 0 && after <= before + DESCRIPTOR_GROWTH,
    );
    let threads = (
        results.before.threads,
        most(|one| one.threads),
        results.after.threads,
    );
    checks.add(
        "threads before the first viewer, the most, after the last viewer",
        format!("{}, {}, {}", threads.0, threads.1, threads.2),
        "grows by at most 16",
        threads.2 > 0 && threads.2 <= threads.0 + 16,
    );
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Checks health, viewers, the log and the end.
fn answers(results: &Results, checks: &mut Checks) {
    let observed = &results.observed;
    let measured = format!(
        "{} answers, the slowest after {:.1} s",
        observed.requests,
        observed.slowest.as_secs_f64()
    );
    let what = "`/healthz`, `/readyz` and `/metrics` answer; every camera recovers within 45 s";
    checks.no_problems(what, &measured, &observed.problems);
    let viewers = &results.viewers;
    let count: u64 = viewers.kinds.values().map(|kind| kind.viewers).sum();
    let what = "every viewer gets a frame within 45 s of its start, and of its camera's recovery";
    checks.no_problems(what, &format!("{count} viewers"), &viewers.problems);
    let idle = viewers.kinds.values().filter(|kind| kind.items == 0);
    checks.add(
        "kinds of viewers that received nothing",
        idle.count().to_string(),
        "none",
        viewers.kinds.values().all(|kind| kind.items > 0),
    );
    let panics = format!(
        "{} in the logs, {} counted",
        results.panics.len(),
        observed.panics
    );
    checks.add(
        "panics",
        panics,
        "none",
        results.panics.is_empty() && observed.panics == 0,
    );
    checks.failures.extend(results.panics.iter().cloned());
    let most = LINES * (results.faults.len() as u64 + 1);
    checks.add(
        "lines of the log",
        results.lines.to_string(),
        &format!("at most {LINES} for each fault"),
        results.lines <= most,
    );
    let full = results
        .faults
        .iter()
        .filter(|kind| **kind == Kind::DiskFull);
    let most = (full.count() * results.names.len()) as u64;
    checks.add(
        "lines of the log about failed recordings",
        results.failed_recordings.to_string(),
        "at most one for each camera and full disk",
        results.failed_recordings <= most,
    );
    let end = match &results.end {
        Ok(()) => "status 0".to_owned(),
        Err(error) => error.lines().next().unwrap_or_default().to_owned(),
    };
    checks.add("end after SIGTERM", end, "status 0", results.end.is_ok());
}

/// Returns the table of faults.
fn faults(results: &Results) -> String {
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for kind in &results.faults {
        *counts.entry(*kind).or_default() += 1;
    }
    let mut table =
        "\n| fault | times | recovery, median | longest |\n|---|--:|--:|--:|\n".to_owned();
    for kind in Kind::ALL {
        let count = counts.get(&kind).copied().unwrap_or_default();
        let times = results.observed.recoveries.get(&kind);
        let _ = writeln!(table, "| {} | {count} |{}", kind.text(), times_of(times));
    }
    table
}

/// Returns two cells: the median and the largest.
fn times_of(times: Option<&Vec<Duration>>) -> String {
    let Some(times) = times.filter(|times| !times.is_empty()) else {
        return " | |".to_owned();
    };
    let mut times = times.clone();
    times.sort_unstable();
    let at = |index: usize| times.get(index).copied().unwrap_or_default().as_secs_f64();
    format!(
        " {:.1} s | {:.1} s |",
        at(times.len() / 2),
        at(times.len() - 1)
    )
}

/// Returns the table of viewers.
fn viewers(totals: &Totals) -> String {
    let mut table = "\n| viewers | times | frames, parts or events | ended by the server \
                     | first frame, median | longest |\n|---|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for (kind, received) in &totals.kinds {
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} |{}",
            kind.text(),
            received.viewers,
            received.items,
            received.ended,
            times_of(Some(&received.waits)),
        );
    }
    let [slow, observed, closed] = totals.slow;
    let _ = writeln!(
        table,
        "| do not read: {observed} started 160 s before the end | {slow} | | {closed} | | |"
    );
    table
}
