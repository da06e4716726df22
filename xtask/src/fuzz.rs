//! The fuzz targets in fuzz/, a workspace of its own that requires a nightly compiler.

use std::path::Path;
use std::{fs, thread};

use crate::job::Job;
use crate::report::{Outcome, Report};

/// The folder of inputs that runs add. The seeds in the repository are only read.
const CORPUS: &str = "target/fuzz-corpus";

/// The seconds for each target, unless FUZZ_SECONDS is set.
const SHORT_SECONDS: u64 = 5;
const LONG_SECONDS: u64 = 60;

/// The number of targets that run at the same time in a short run.
const WORKERS: usize = 2;

/// Builds all targets and runs each for a few seconds.
pub(crate) fn short(report: &mut Report, is_missing: bool) {
    if is_missing {
        let reason = "cargo-fuzz or the nightly toolchain is missing";
        report.step("fuzz", |_| Outcome::Skipped(reason.into()));
        return;
    }
    let mut built = false;
    report.step("build fuzz targets", |_| {
        let result = Job::nightly_cargo(&["fuzz", "build"]).run();
        built = result.is_ok();
        result
    });
    if built {
        report.step("fuzz", |_| run_short());
    }
}

fn run_short() -> Result<(), String> {
    let mut errors = Vec::new();
    for targets in targets()?.chunks(WORKERS) {
        thread::scope(|scope| {
            let threads = targets
                .iter()
                .map(|target| (target, scope.spawn(|| run_quietly(target))));
            let threads: Vec<_> = threads.collect();
            for (target, thread) in threads {
                match thread.join().unwrap_or_else(|_| Err("panicked".into())) {
                    Ok(runs) => println!("{target}: passed, {runs} runs"),
                    Err(error) => {
                        println!("{target}: FAILED\n{error}");
                        errors.push(format!("{target}: {error}"));
                    }
                }
            }
        });
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}

/// Returns the number of inputs that were tried.
fn run_quietly(target: &str) -> Result<String, String> {
    let mut runs = String::from("?");
    job(target, seconds(SHORT_SECONDS))?
        .quiet()
        .watch(|_, line| {
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                runs = count.trim().into();
            }
        })?;
    Ok(runs)
}

/// `cargo xtask fuzz`.
pub(crate) fn long(chosen: &[&str]) -> Result<(), String> {
    let known = targets()?;
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !known.iter().any(|target| target == *name))
    {
        return Err(format!(
            "no fuzz target {unknown}; choose from: {}",
            known.join(" ")
        ));
    }
    let mut report = Report::default();
    let seconds = seconds(LONG_SECONDS);
    for target in known {
        if chosen.is_empty() || chosen.contains(&target.as_str()) {
            report.step(&target, |_| {
                job(&target, seconds)?.minutes(20 + seconds / 60).run()
            });
        }
    }
    report.finish(true)
}

/// `cargo xtask seeds`.
pub(crate) fn make_seeds() -> Result<(), String> {
    let args = [
        "run",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--example",
        "make-seeds",
    ];
    Job::nightly_cargo(&args).run()
}

fn job(target: &str, seconds: u64) -> Result<Job, String> {
    let corpus = format!("{CORPUS}/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    fs::create_dir_all(&corpus).map_err(|error| format!("cannot create {corpus}: {error}"))?;
    let limit = format!("-max_total_time={seconds}");
    let mut args = vec!["fuzz", "run", target, &corpus];
    if Path::new(&seeds).exists() {
        args.push(&seeds);
    }
    // An input that takes ten seconds is a finding.
    args.extend([
        "--",
        &limit,
        "-timeout=10",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    Ok(Job::nightly_cargo(&args))
}

/// Returns the names of the targets.
fn targets() -> Result<Vec<String>, String> {
    let list = Job::nightly_cargo(&["fuzz", "list"]).output()?;
    Ok(list.split_whitespace().map(str::to_owned).collect())
}

fn seconds(default: u64) -> u64 {
    let seconds = std::env::var("FUZZ_SECONDS").ok();
    seconds
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}
