//! `cargo xtask fuzz --hours N`: fuzzes the targets in slices of time, most of which go to the
//! targets that find new coverage.
#![expect(clippy::disallowed_methods, reason = "slices are timed")]

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::{CORPUS, WORKERS, arguments};
use crate::generated;
use crate::job::{Job, is_interrupted};
use crate::report::all_passed;

const PAGE: &str = "docs/fuzzing.md";

/// The number of slices of each target, unless they would be very short or long.
const ROUNDS: u64 = 6;

/// The limits of the average slice in seconds. A target needs some seconds to load its inputs.
const SLICE: [u64; 2] = [15, 300];

/// The result of a slice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Slice {
    executions: u64,
    edges: u64,
    /// The features of the inputs that existed, and those at the end.
    features: [u64; 2],
}

/// The results of a target.
#[derive(Debug, Default, Clone, PartialEq)]
struct Total {
    executions: u64,
    hours: f64,
    edges: u64,
    features: u64,
    inputs: u64,
    bytes: u64,
    findings: u64,
    /// The features that the last slice found.
    new_features: u64,
    error: Option<String>,
}

/// Fuzzes the targets for this time, and prints a table of this run. `write` adds it to the page.
pub(super) fn run(targets: &[String], hours: f64, write: bool) -> Result<(), String> {
    let is_whole = targets.len() == super::targets()?.len();
    match is_whole {
        true => Job::nightly_cargo(&["fuzz", "build"]).run()?,
        false => (targets.iter())
            .try_for_each(|target| Job::nightly_cargo(&["fuzz", "build", target]).run())?,
    }
    let folder = binaries()?;
    let time = Duration::from_secs_f64(hours * 3600.0);
    let end = Instant::now() + time;
    let mut totals: BTreeMap<String, Total> = (targets
        .iter()
        .cloned()
        .map(|target| (target, Total::default())))
    .collect();
    let per_target = time.as_secs() * WORKERS as u64 / targets.len().max(1) as u64;
    let slice = (per_target / ROUNDS).clamp(SLICE[0], SLICE[1]);
    for round in 1.. {
        let open = totals.iter().filter(|(_, total)| total.error.is_none());
        let (names, found): (Vec<_>, Vec<_>) = open
            .map(|(name, total)| (name.clone(), total.new_features))
            .unzip();
        if names.is_empty() || Instant::now() >= end || is_interrupted() {
            break;
        }
        let seconds = share_out(&found, slice * names.len() as u64);
        println!("\n=== round {round}: {slice} s per target on average");
        let mut slices: Vec<_> = names.into_iter().zip(seconds).collect();
        slices.sort_by_key(|(_, seconds)| std::cmp::Reverse(*seconds));
        in_parallel(slices, |(target, seconds)| {
            let left = end.saturating_duration_since(Instant::now()).as_secs();
            let seconds = seconds.min(left);
            let result = match seconds {
                0 => return None,
                _ => fuzz(&folder, &target, seconds),
            };
            Some((target, result))
        })
        .into_iter()
        .for_each(|(target, result)| {
            let total = totals.entry(target).or_default();
            total.add(result);
        });
    }
    minimise(&folder, &mut totals);
    let commit = Job::new("git", &["describe", "--always", "--dirty"]).output()?;
    println!("\n{}", table(&totals));
    if write {
        let page = fs::read_to_string(PAGE).unwrap_or_default();
        let mut all = parse(&page);
        for (target, total) in &totals {
            let known = all.entry(target.clone()).or_default();
            *known = known.plus(total);
        }
        let last = format!(
            "The newest run was `cargo xtask fuzz --hours {hours}{}` at commit {}.",
            if is_whole { "" } else { " TARGET ..." },
            commit.trim()
        );
        generated::write_in(PAGE, "fuzz", &format!("{last}\n\n{}", table(&all)))?;
    }
    let errors = totals.values().filter_map(|total| total.error.clone());
    all_passed(&errors.collect::<Vec<_>>())
}

/// Returns the folder of the programs that `cargo fuzz build` has made.
fn binaries() -> Result<String, String> {
    let version = Job::new("rustc", &["+nightly", "-vV"]).output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or("rustc does not tell its host")?;
    Ok(format!("fuzz/target/{host}/release"))
}

/// Divides the seconds of a round: one half equally, the other in proportion to what each target
/// has found.
fn share_out(found: &[u64], seconds: u64) -> Vec<u64> {
    let count = found.len().max(1) as u64;
    let all: u64 = found.iter().sum();
    let share = |&found: &u64| match all {
        0 => seconds / count,
        _ => seconds / 2 / count + (seconds / 2 * found) / all,
    };
    found.iter().map(share).collect()
}

/// Passes each item to `work`, in [`WORKERS`] threads, and returns the results.
fn in_parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Option<R> + Sync) -> Vec<R> {
    let queue = Mutex::new(VecDeque::from(items));
    let results = Mutex::new(Vec::new());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(item) = next().filter(|_| !is_interrupted()) {
                    let result = work(item);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.extend(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Fuzzes a target. Returns the result, its hours, and the error if there is a finding.
fn fuzz(folder: &str, target: &str, seconds: u64) -> (Slice, f64, Option<String>) {
    let started = Instant::now();
    let mut slice = Slice::default();
    let mut run = || {
        let artifacts = format!("fuzz/artifacts/{target}/");
        fs::create_dir_all(&artifacts)
            .map_err(|error| format!("cannot create {artifacts}: {error}"))?;
        let prefix = format!("-artifact_prefix={artifacts}");
        let mut args = arguments(target, seconds)?;
        args.push(prefix);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        program(folder, target, &args)
            .minutes(10 + seconds / 60)
            .watch(|_, line| slice.read(line))
    };
    let error = run().err().filter(|_| !is_interrupted());
    match &error {
        None => println!(
            "{target}: {seconds} s, {} new features",
            slice.new_features()
        ),
        Some(error) => println!("{target}: FINDING\n{error}"),
    }
    (slice, started.elapsed().as_secs_f64() / 3600.0, error)
}

impl Slice {
    /// Reads a line of libFuzzer's output.
    fn read(&mut self, line: &str) {
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            self.executions = count.trim().parse().unwrap_or(0);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [number, kind, ..] = words.as_slice() else {
            return;
        };
        if !number.starts_with('#') {
            return;
        }
        let value = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1)?.parse().ok()
        };
        if let (Some(edges), Some(features)) = (value("cov:"), value("ft:")) {
            self.edges = edges;
            let [before, now] = &mut self.features;
            *now = features;
            if *kind == "INITED" {
                *before = features;
            }
        }
    }

    fn new_features(&self) -> u64 {
        let [before, now] = self.features;
        now.saturating_sub(before)
    }
}

impl Total {
    fn add(&mut self, (slice, hours, error): (Slice, f64, Option<String>)) {
        self.executions += slice.executions;
        self.hours += hours;
        self.edges = self.edges.max(slice.edges);
        self.features = self.features.max(slice.features[1]);
        self.new_features = slice.new_features();
        self.findings += u64::from(error.is_some());
        self.error = error;
    }

    /// Adds a newer run.
    fn plus(&self, newer: &Self) -> Self {
        Self {
            executions: self.executions + newer.executions,
            hours: self.hours + newer.hours,
            findings: self.findings + newer.findings,
            ..newer.clone()
        }
    }
}

/// Minimises the inputs of all targets and counts them.
fn minimise(folder: &str, totals: &mut BTreeMap<String, Total>) {
    println!("\n=== minimise the inputs");
    let names: Vec<String> = totals.keys().cloned().collect();
    let sizes = in_parallel(names, |target| {
        if let Err(error) = merge(folder, &target) {
            // The inputs stay as they are.
            println!("{target}: not minimised: {error}");
        }
        let files = fs::read_dir(format!("{CORPUS}/{target}")).ok()?;
        let sizes = files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
        let sizes: Vec<u64> = sizes.collect();
        Some((target, sizes.len() as u64, sizes.iter().sum()))
    });
    for (target, inputs, bytes) in sizes {
        let total = totals.entry(target).or_default();
        (total.inputs, total.bytes) = (inputs, bytes);
    }
}

/// Replaces the inputs of a target by those that have all their features, as `cargo fuzz cmin`
/// does. That would build the target again if a source has changed.
fn merge(folder: &str, target: &str) -> Result<(), String> {
    let (corpus, smaller) = (
        format!("{CORPUS}/{target}"),
        format!("{CORPUS}/{target}.new"),
    );
    // A run that was interrupted left it.
    let _ = fs::remove_dir_all(&smaller);
    let failed = |error| format!("cannot replace {corpus}: {error}");
    fs::create_dir(&smaller).map_err(failed)?;
    program(folder, target, &["-merge=1", &smaller, &corpus]).run()?;
    fs::remove_dir_all(&corpus).map_err(failed)?;
    fs::rename(&smaller, &corpus).map_err(failed)
}

/// Returns the job of a target's program.
fn program(folder: &str, target: &str, args: &[&str]) -> Job {
    Job::new(&format!("{folder}/{target}"), args)
        // As `cargo fuzz run` sets it.
        .env("ASAN_OPTIONS", "detect_odr_violation=0")
        .quiet()
}

/// Returns the first sentence of a target's documentation.
fn summary(target: &str) -> String {
    let text = fs::read_to_string(format!("fuzz/fuzz_targets/{target}.rs")).unwrap_or_default();
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let text = lines.map(str::trim).take_while(|line| !line.is_empty());
    let text = text.collect::<Vec<_>>().join(" ");
    let end = text.find(". ").unwrap_or(text.len());
    let sentence = text.get(..end).unwrap_or_default();
    sentence.trim_end_matches(['.', ':']).replace('|', "\\|")
}

fn table(totals: &BTreeMap<String, Total>) -> String {
    let mut out = String::from(
        "| target | executions | hours | edges | features | corpus | findings | input |\n\
         |---|--:|--:|--:|--:|--:|--:|---|\n",
    );
    let mut sum = Total::default();
    for (target, total) in totals {
        let Total {
            executions,
            hours,
            edges,
            features,
            inputs,
            bytes,
            findings,
            ..
        } = total;
        let kilobytes = bytes.div_ceil(1_000);
        let _ = writeln!(
            out,
            "| `{target}` | {executions} | {hours:.2} | {edges} | {features} | {inputs}, {kilobytes} KB | {findings} | {} |",
            summary(target)
        );
        sum.executions += executions;
        sum.hours += hours;
        sum.findings += findings;
    }
    let _ = writeln!(
        out,
        "| all | {} | {:.2} | | | | {} | |",
        sum.executions, sum.hours, sum.findings
    );
    out
}

/// Reads the numbers of a page.
fn parse(page: &str) -> BTreeMap<String, Total> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [
            _,
            target,
            executions,
            hours,
            edges,
            features,
            corpus,
            findings,
            ..,
        ] = cells.as_slice()
        else {
            return None;
        };
        let target = target.strip_prefix('`')?.strip_suffix('`')?;
        let (inputs, bytes) = corpus.strip_suffix(" KB")?.split_once(", ")?;
        let total = Total {
            executions: executions.parse().ok()?,
            hours: hours.parse().ok()?,
            edges: edges.parse().ok()?,
            features: features.parse().ok()?,
            inputs: inputs.parse().ok()?,
            bytes: 1_000 * bytes.parse::<u64>().ok()?,
            findings: findings.parse().ok()?,
            ..Total::default()
        };
        Some((target.to_owned(), total))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_to_targets_that_find_more() {
        assert_eq!(share_out(&[0, 0, 0], 90), [30, 30, 30]);
        // Each gets 20 of the first half. The second half is shared 2 : 1 : 0.
        assert_eq!(share_out(&[20, 10, 0], 120), [60, 40, 20]);
        assert_eq!(share_out(&[7], 40), [40]);
        assert_eq!(share_out(&[], 40), [0; 0]);
    }

    #[test]
    fn no_target_starves_and_the_time_is_not_exceeded() {
        for found in [[1, 0, 0, 1_000_000], [3, 3, 1, 0], [0, 0, 0, 1]] {
            let shares = share_out(&found, 400);
            assert!(shares.iter().all(|&share| share >= 50), "{shares:?}");
            let sum: u64 = shares.iter().sum();
            assert!((396..=400).contains(&sum), "{shares:?}");
        }
    }

    #[test]
    fn reads_the_output_of_libfuzzer() {
        let mut slice = Slice::default();
        for line in [
            "INFO: seed corpus: files: 3 min: 1b max: 9b total: 20b rss: 40Mb",
            "#4\tINITED cov: 100 ft: 120 corp: 3/20b exec/s: 0 rss: 41Mb",
            "#90\tNEW    cov: 101 ft: 130 corp: 4/24b lim: 4 exec/s: 0 rss: 42Mb L: 4/9 MS: 1 CopyPart-",
            "#5000\tDONE   cov: 110 ft: 145 corp: 9/60b lim: 48 exec/s: 2500 rss: 60Mb",
            "stat::number_of_executed_units: 5000",
        ] {
            slice.read(line);
        }
        let expected = Slice {
            executions: 5000,
            edges: 110,
            features: [120, 145],
        };
        assert_eq!((slice, slice.new_features()), (expected, 25));
    }

    #[test]
    fn numbers_of_a_page_are_read_back_and_added() {
        let total = Total {
            executions: 1_000,
            hours: 0.25,
            edges: 10,
            features: 20,
            inputs: 3,
            bytes: 4_000,
            findings: 1,
            ..Total::default()
        };
        let totals = BTreeMap::from([("rtsp".to_owned(), total.clone())]);
        let read = parse(&table(&totals));
        assert_eq!(read, totals);
        let both = read["rtsp"].plus(&Total {
            executions: 1,
            edges: 11,
            ..total
        });
        assert_eq!((both.executions, both.edges, both.findings), (1_001, 11, 2));
        assert_eq!(both.hours, 0.5);
    }
}
