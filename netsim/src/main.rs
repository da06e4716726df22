//! The table of simulated networks: `cargo xtask simulate` runs this.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::process::ExitCode;

use netsim::{Error, Media, Scenario, Tally, header, row, run};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Seeds of each scenario, and simulated seconds of each run.
const SEEDS: u64 = 20;
const SECONDS: u64 = 60;

const HELP: &str = "\
usage: netsim [--seeds N] [--seconds N] [--only WORDS]

  --seeds N     runs of each scenario (20)
  --seconds N   simulated seconds of each run (60)
  --only WORDS  scenarios whose name has these words
";

struct Arguments {
    seeds: u64,
    seconds: u64,
    only: String,
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments {
        seeds: SEEDS,
        seconds: SECONDS,
        only: String::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--seeds" => arguments.seeds = value.parse().ok()?,
            "--seconds" => arguments.seconds = value.parse().ok()?,
            "--only" => arguments.only = value,
            _ => return None,
        }
    }
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    match simulate(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("netsim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table, and on the way what was not reached. Whether all was.
fn simulate(arguments: &Arguments) -> Result<bool, Error> {
    let mut media = BTreeMap::new();
    let mut all_reached = true;
    print!("{}", header());
    for scenario in Scenario::all() {
        if !scenario.name.contains(&arguments.only) {
            continue;
        }
        let media = match media.entry(scenario.rate) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Media::new(scenario.rate, arguments.seconds)?)
            }
        };
        let mut tally = Tally::default();
        for seed in 0..arguments.seeds {
            tally.add(run(&scenario, media, seed, Some(allocated))?);
        }
        print!("{}", row(&scenario, &tally));
        for missed in scenario.goal.missed(&tally) {
            all_reached = false;
            eprintln!("missed: {}: {missed}", scenario.name);
        }
    }
    Ok(all_reached)
}

/// Bytes that are allocated now.
fn allocated() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated as u64).saturating_sub(stats.bytes_deallocated as u64)
}
