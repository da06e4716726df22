//! Prints the table of simulated networks, for `cargo xtask simulate`.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::process::ExitCode;

use netsim::{
    CONNECT_NETWORKS, Error, Media, PATTERNS, Results, Scenario, availability_header,
    connect_header, header, round_trips_header, round_trips_row, row, run,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tutk_session::Dialect;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The default number of seeds per scenario, and of simulated seconds per run.
const SEEDS: u64 = 20;
const SECONDS: u64 = 60;

/// The number of sessions for each row of the table "Connecting".
const CONNECTS: u64 = 400;

const HELP: &str = "\
Usage: netsim [--seeds N] [--seconds N] [--only TEXT]

  --seeds N    Runs per scenario [default: 20]
  --seconds N  Simulated seconds per run [default: 60]
  --only TEXT  Run only scenarios with TEXT in their name
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
    let mut options = std::env::args().skip(1);
    while let Some(option) = options.next() {
        let value = options.next()?;
        match option.as_str() {
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

/// Prints the table and the missed goals. Returns `true` if all goals were reached.
fn simulate(arguments: &Arguments) -> Result<bool, Error> {
    let mut media = BTreeMap::new();
    let mut all_reached = true;
    print!("{}", header());
    for scenario in Scenario::all() {
        if !scenario.name.contains(&arguments.only) {
            continue;
        }
        let media = match media.entry(scenario.rate) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Media::new(scenario.rate, arguments.seconds)?),
        };
        let mut results = Results::default();
        for seed in 0..arguments.seeds {
            results.add(run(&scenario, media, seed, Some(allocated))?);
        }
        print!("{}", row(&scenario, &results));
        for missed in scenario.goal.missed(&results) {
            all_reached = false;
            eprintln!("goal missed: {}: {missed}", scenario.name);
        }
    }
    if "connect".contains(&arguments.only) {
        println!("\n### Connecting\n");
        println!(
            "The time until the camera has authenticated the client, in {CONNECTS} sessions.\n"
        );
        print!("{}", connect_header());
        for dialect in &Dialect::ALL {
            for network in CONNECT_NETWORKS {
                let times = network.run(dialect, CONNECTS)?;
                all_reached &= network.is_reached(&times);
                print!("{}", network.row(dialect, &times));
            }
        }
    }
    if "first frame".contains(&arguments.only) {
        println!("\n### Round trips to the first frame\n");
        println!(
            "The number of round trips until the first video frame, and timeouts \
             (docs/protocol.md, section \"Fast connect\").\n"
        );
        print!("{}", round_trips_header());
        for dialect in &Dialect::ALL {
            for cookie in [false, true] {
                print!("{}", round_trips_row(dialect, cookie)?);
            }
        }
    }
    if "availability".contains(&arguments.only) {
        println!("\n### Availability\n");
        println!("The share of 15 minutes for which a supervisor has the camera's video.\n");
        print!("{}", availability_header());
        for pattern in PATTERNS {
            let results = pattern.run(&Dialect::TRANSCODE, 0)?;
            all_reached &= results.share >= pattern.goal;
            print!("{}", pattern.row(&results));
        }
    }
    Ok(all_reached)
}

/// Returns the allocated bytes.
fn allocated() -> u64 {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated as u64).saturating_sub(stats.bytes_deallocated as u64)
}
