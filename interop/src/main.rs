//! Tests dtls-psk with other DTLS implementations over loopback UDP, and writes docs/interop.md.
//! `cargo xtask interop` runs it.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a driver of sockets, processes, threads and clocks"
)]

mod application;
mod cell;
mod dimpl_endpoint;
mod link;
mod matrix;
mod ours;
mod peers;
mod relay;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use cell::Outcome;
use matrix::{Cell, Peer};
use peers::Ready;
use table::Run;

/// The credentials of both sides.
const IDENTITY: &str = "interop-client";
const KEY: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";

/// Seeds per lossy cell, in the full and the short run.
const SEEDS: u64 = 100;
const SHORT_SEEDS: u64 = 3;
/// The number of lossy cells run in parallel. They mostly wait.
const LOSSY_WORKERS: usize = 32;

const HELP: &str = "\
usage: interop [--short] [--seeds N] [--only PEER] [--write FILE]

  --short       one lossless cell for each suite, side and peer, and 3 seeds
  --seeds N     lossy cells for each suite, side and peer (default: 100)
  --only PEER   test only this peer: openssl, gnutls, mbedtls, wolfssl, dimpl, itself
  --write FILE  write the results to FILE instead of standard output

A short run prints no tables. With CI=true a peer that cannot be built is a failure.
";

struct Arguments {
    short: bool,
    seeds: u64,
    only: Option<Peer>,
    write: Option<PathBuf>,
}

fn arguments() -> Option<Arguments> {
    let mut seeds = None;
    let mut arguments = Arguments {
        short: false,
        seeds: 0,
        only: None,
        write: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--short" => arguments.short = true,
            "--seeds" => seeds = Some(words.next()?.parse().ok()?),
            "--only" => {
                let name = words.next()?;
                let known = |peer: &Peer| peer.name().eq_ignore_ascii_case(&name);
                arguments.only = Some(Peer::ALL.into_iter().find(known)?);
            }
            "--write" => arguments.write = Some(words.next()?.into()),
            _ => return None,
        }
    }
    let default = if arguments.short { SHORT_SEEDS } else { SEEDS };
    arguments.seeds = seeds.unwrap_or(default);
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let start = Instant::now();
    let mut run = Run::default();
    let selected = |peer: &Peer| arguments.only.is_none_or(|only| only == *peer);
    for peer in Peer::ALL.into_iter().filter(selected) {
        match peers::prepare(peer) {
            Ok(ready) => run.ready.push(ready),
            Err(why) => {
                eprintln!("MISSING {}: {why}", peer.name());
                run.missing.push((peer, why));
            }
        }
    }
    let cells = |of: &dyn Fn(Peer) -> Vec<Cell>| -> Vec<Cell> {
        run.ready.iter().flat_map(|ready| of(ready.peer)).collect()
    };
    let lossless = cells(&|peer| matrix::lossless(peer, arguments.short));
    let lossy = cells(&|peer| matrix::lossy(peer, arguments.seeds));
    let processors = thread::available_parallelism().map_or(1, usize::from);
    run.lossless = run_all(lossless, &run.ready, processors);
    run.lossless_took = start.elapsed();
    run.lossy = run_all(lossy, &run.ready, LOSSY_WORKERS);
    run.lossy_took = start.elapsed() - run.lossless_took;
    run.seeds = arguments.seeds;

    let page = table::page(&run);
    match &arguments.write {
        None if arguments.short => {}
        None => print!("{page}"),
        Some(path) => {
            if let Err(error) = std::fs::write(path, &page) {
                eprintln!("interop: {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{}", table::summary(&run));
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    if run.failures().next().is_none() && (run.missing.is_empty() || !ci) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs cells with `workers` threads, and prints failures as they occur.
fn run_all(cells: Vec<Cell>, ready: &[Ready], workers: usize) -> Vec<(Cell, Outcome)> {
    let next = AtomicUsize::new(0);
    let reference = ready.iter().find(|ready| ready.peer == Peer::OpenSsl);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(cell) = cells.get(index) else { break };
                    let Some(peer) = ready.iter().find(|ready| ready.peer == cell.peer) else {
                        continue;
                    };
                    let outcome = cell::run(cell, peer, reference);
                    if let Outcome::Failed(why) = &outcome {
                        eprintln!("FAILED {}: {why}", table::describe(cell));
                    }
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, *cell, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, ..)| *index);
    done.into_iter()
        .map(|(_, cell, outcome)| (cell, outcome))
        .collect()
}
