//! `cargo xtask scale`: `tutk serve` with many cameras and with many viewers.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "measures processes over sockets on loopback"
)]

mod cameras;
mod child;
mod clip;
mod fan_out;
mod instructions;
mod namespaces;
mod network;
mod viewer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::generated;
use crate::job::Job;
use crate::report::all_passed;

/// The folder of the clip, the configuration files and the recordings.
const FOLDER: &str = "target/scale";

/// The program that is measured.
const PROGRAM: &str = "target/release/tutk";

const INTRODUCTION: &str = "\
Written by `cargo xtask scale --write`. Do not edit.

Each camera sends 20 video frames per second of 1080p H.264 at 2 Mbit/s in the dialect \
`transcode`, with a key frame every 4 s and no audio. `tutk simulate --cameras` simulates all of \
them in one process, `tutk serve` is another process, and viewers are a third one, all on the \
loopback interface. CPU time is that of all threads of a process, in user and system mode, and \
does not depend on what else runs. Latencies do.
";

/// What to measure.
#[derive(Debug, Clone)]
struct Plan {
    cameras: Vec<u16>,
    viewers: Vec<usize>,
    time: Duration,
    namespaces: bool,
}

/// The files of a run.
#[derive(Debug)]
struct Files {
    folder: PathBuf,
    program: PathBuf,
    clip: PathBuf,
}

/// Measures, and prints the tables. `--write` updates docs/benchmarks.md.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    let write = args.contains(&"--write");
    let args: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| *arg != "--write")
        .collect();
    let plan = Plan::parse(&args)?;
    let build = [
        "build",
        "--release",
        "--package",
        "tutk-cli",
        "--package",
        "netsim",
    ];
    Job::cargo(&build).minutes(60).run()?;
    let folder = std::path::absolute(FOLDER).map_err(|error| error.to_string())?;
    let files = Files {
        program: std::path::absolute(PROGRAM).map_err(|error| error.to_string())?,
        clip: clip::make(&folder)?,
        folder,
    };
    let mut text = String::from(INTRODUCTION);
    let mut section = |part: String| {
        println!("{part}");
        text.push('\n');
        text.push_str(&part);
    };
    if !plan.cameras.is_empty() {
        section(cameras::measure(&plan, &files)?);
    }
    if !plan.viewers.is_empty() {
        section(fan_out::measure(&plan, &files)?);
    }
    let (table, above) = instructions::measure()?;
    section(table);
    if plan.namespaces {
        section(namespaces::measure(&plan, &files)?);
    }
    if write {
        generated::write("scale", &text)?;
    }
    all_passed(&above)
}

impl Plan {
    fn parse(args: &[&str]) -> Result<Self, String> {
        let mut plan = Self {
            cameras: vec![1, 10, 100, 400, 1_000],
            viewers: vec![1, 10, 100, 1_000],
            time: Duration::from_secs(20),
            namespaces: true,
        };
        let mut args = args.iter();
        while let Some(name) = args.next() {
            if *name == "--no-namespaces" {
                plan.namespaces = false;
                continue;
            }
            let value = args.next().ok_or(format!("{name} needs a value"))?;
            let invalid = |_| format!("{name} {value}: not numbers separated by commas");
            match *name {
                "--cameras" => plan.cameras = numbers(value).map_err(invalid)?,
                "--viewers" => plan.viewers = numbers(value).map_err(invalid)?,
                "--seconds" => {
                    plan.time = Duration::from_secs(value.parse().map_err(invalid)?);
                }
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(plan)
    }
}

/// Parses numbers separated by commas; none in an empty text.
fn numbers<T: std::str::FromStr>(text: &str) -> Result<Vec<T>, T::Err> {
    let numbers = text.split(',').filter(|number| !number.is_empty());
    numbers.map(str::parse).collect()
}

impl Files {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let written = std::fs::write(path, text).and_then(|()| {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    });
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Returns a percentile of measured times in milliseconds; 0 without any.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_options() {
        let plan = Plan::parse(&["--cameras", "1,20", "--seconds", "3", "--viewers", ""]).unwrap();
        assert_eq!(plan.cameras, [1, 20]);
        assert_eq!(plan.viewers, [0; 0]);
        assert_eq!(plan.time, Duration::from_secs(3));
        assert!(Plan::parse(&["--cameras", "x"]).is_err());
        assert!(Plan::parse(&["--cameras"]).is_err());
        assert!(Plan::parse(&["--fast", "1"]).is_err());
    }

    #[test]
    fn percentiles_of_sorted_times() {
        let times: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(
            [0, 50, 95, 100].map(|percent| percentile(&times, percent)),
            [1.0, 51.0, 96.0, 100.0]
        );
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
