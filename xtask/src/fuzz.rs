//! The fuzz targets: `fuzz/`, a workspace of its own that needs a nightly compiler.

use std::fs;
use std::path::Path;

use crate::parallel::side_by_side;
use crate::report::{Outcome, Report};
use crate::run::Job;

/// Where inputs that a run finds interesting go; the seeds in the repository are only read.
const CORPUS: &str = "target/fuzz-corpus";

/// Seconds for each target unless FUZZ_SECONDS says otherwise.
const SHORT_SECONDS: u64 = 5;
const LONG_SECONDS: u64 = 60;

/// An input that takes longer than this many seconds is a finding.
const TIMEOUT: &str = "-timeout=10";

/// Builds all targets once and runs each for a moment: steps of `cargo xtask test`.
pub(crate) fn short(report: &mut Report, there: bool) {
    if !there {
        report.step("fuzz", |_| {
            Outcome::CouldNot("cargo-fuzz or the nightly toolchain is missing".into())
        });
        return;
    }
    let mut built = false;
    report.step("fuzz: build", |_| {
        built = Job::nightly_cargo(&["fuzz", "build"]).succeeds();
        built
    });
    if built {
        report.step("fuzz: run", |_| run_short());
    }
}

/// Each target for a moment, two at a time; what they print is shown if they find something.
fn run_short() -> bool {
    let mut all = true;
    let run = |target: String| {
        let output = job(&target, seconds(SHORT_SECONDS)).map(Job::output_of_both);
        (target, output)
    };
    let take = |(target, output): (String, Option<(bool, String)>)| {
        let (passed, output) = output.unwrap_or_default();
        if passed {
            let runs = output
                .lines()
                .find(|line| line.contains("number_of_executed_units"));
            let runs = runs.and_then(|line| line.rsplit(' ').next()).unwrap_or("?");
            println!("{target}: passed, {runs} runs");
        } else {
            println!("{output}\n{target}: FAILED");
        }
        all &= passed;
    };
    side_by_side(targets(), 2, run, take);
    all
}

/// `cargo xtask fuzz`.
pub(crate) fn long(chosen: &[&str]) -> bool {
    let known = targets();
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !known.iter().any(|target| target == *name))
    {
        eprintln!(
            "xtask: no fuzz target {unknown}; there are: {}",
            known.join(" ")
        );
        return false;
    }
    let mut report = Report::default();
    for target in known {
        if chosen.is_empty() || chosen.contains(&target.as_str()) {
            report.step(&format!("fuzz: {target}"), |_| {
                run(&target, seconds(LONG_SECONDS))
            });
        }
    }
    report.finish(true)
}

/// `cargo xtask seeds`.
pub(crate) fn make_seeds() -> bool {
    let manifest = [
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--example",
        "make-seeds",
    ];
    Job::nightly_cargo(&[&["run", "--quiet"], &manifest[..]].concat()).succeeds()
}

fn run(target: &str, seconds: u64) -> bool {
    job(target, seconds).is_some_and(Job::succeeds)
}

/// Nothing if there is no place for what it finds.
fn job(target: &str, seconds: u64) -> Option<Job> {
    let corpus = format!("{CORPUS}/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    if let Err(error) = fs::create_dir_all(&corpus) {
        eprintln!("xtask: {corpus}: {error}");
        return None;
    }
    let seconds = format!("-max_total_time={seconds}");
    let mut args = vec!["fuzz", "run", target, &corpus];
    if Path::new(&seeds).exists() {
        args.push(&seeds);
    }
    args.extend([
        "--",
        &seconds,
        TIMEOUT,
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    Some(Job::nightly_cargo(&args))
}

/// The names of the targets, in the order of fuzz/Cargo.toml.
fn targets() -> Vec<String> {
    let list = Job::nightly_cargo(&["fuzz", "list"])
        .output()
        .unwrap_or_default();
    list.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn seconds(default: u64) -> u64 {
    std::env::var("FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
