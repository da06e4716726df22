//! The fuzz targets in fuzz/, a workspace of its own that requires a nightly compiler.

mod campaign;

use std::path::Path;
use std::{fs, thread};

use crate::job::Job;
use crate::report::{Outcome, Report};

/// The folder of inputs that runs add. The seeds in the repository are only read.
const CORPUS: &str = "target/fuzz-corpus";

/// The seconds for each target, unless FUZZ_SECONDS is set.
const SHORT_SECONDS: u64 = 3;
const LONG_SECONDS: u64 = 60;

/// The profile for a few seconds: compiling with less optimisation saves more time.
const SHORT_PROFILE: &str = "--dev";

/// The number of targets that run at the same time, except in a long run.
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
        let result = Job::nightly_cargo(&["fuzz", "build", SHORT_PROFILE]).run();
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
    job(target, seconds(SHORT_SECONDS), &[SHORT_PROFILE])?
        .quiet()
        .watch(|_, line| {
            if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
                runs = count.trim().into();
            }
        })?;
    Ok(runs)
}

/// `cargo xtask fuzz`.
pub(crate) fn fuzz(args: &[&str]) -> Result<(), String> {
    let (mut hours, mut write, mut chosen) = (None, false, Vec::new());
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        match arg {
            "--write" => write = true,
            "--hours" => {
                let number = args.next().and_then(|hours| hours.parse().ok());
                let number = number.filter(|hours: &f64| *hours > 0.0 && *hours < 10_000.0);
                hours = Some(number.ok_or("--hours needs a number of hours, for example 0.5")?);
            }
            target => chosen.push(target),
        }
    }
    let mut targets = targets()?;
    if let Some(unknown) = chosen
        .iter()
        .find(|name| !targets.iter().any(|target| target == *name))
    {
        return Err(format!(
            "no fuzz target {unknown}; choose from: {}",
            targets.join(" ")
        ));
    }
    targets.retain(|target| chosen.is_empty() || chosen.contains(&target.as_str()));
    match hours {
        Some(hours) => campaign::run(&targets, hours, write),
        None if write => Err("--write needs --hours".into()),
        None => long(&targets),
    }
}

/// Fuzzes the targets one after the other.
fn long(targets: &[String]) -> Result<(), String> {
    let mut report = Report::default();
    let seconds = seconds(LONG_SECONDS);
    for target in targets {
        report.step(target, |_| {
            job(target, seconds, &[])?.minutes(20 + seconds / 60).run()
        });
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

fn job(target: &str, seconds: u64, profile: &[&str]) -> Result<Job, String> {
    let arguments = arguments(target, seconds)?;
    let (folders, options): (Vec<&str>, Vec<&str>) =
        (arguments.iter().map(String::as_str)).partition(|argument| !argument.starts_with('-'));
    let args = [
        &["fuzz", "run"],
        profile,
        &[target],
        &folders[..],
        &["--", "-verbosity=0"],
        &options[..],
    ];
    Ok(Job::nightly_cargo(&args.concat()))
}

/// Returns the arguments of a target's program: the folders of inputs, and options.
fn arguments(target: &str, seconds: u64) -> Result<Vec<String>, String> {
    let corpus = format!("{CORPUS}/{target}");
    let seeds = format!("fuzz/seeds/{target}");
    fs::create_dir_all(&corpus).map_err(|error| format!("cannot create {corpus}: {error}"))?;
    let mut arguments = vec![corpus];
    if Path::new(&seeds).exists() {
        arguments.push(seeds);
    }
    arguments.extend([
        format!("-max_total_time={seconds}"),
        // An input that takes ten seconds is a finding.
        "-timeout=10".into(),
        "-print_final_stats=1".into(),
    ]);
    Ok(arguments)
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
