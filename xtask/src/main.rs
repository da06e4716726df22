//! The chores of this workspace: `cargo xtask help`.
#![forbid(unsafe_code)]

mod bench;
mod fuzz;
mod interop;
mod page;
mod parallel;
mod report;
mod run;
mod simulate;
mod suites;
mod test;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [--fast]         everything that must hold: format, lints, licences, tests, docs, benches
                        that compile, each fuzz target for a moment (FUZZ_SECONDS, 5 unless set).
                        --fast leaves out fuzzing and the second crypto backend.
  ci                    the same with CI=true: a tool that is missing is a failure
  bench [--last] [--write]  run the benchmarks and print the tables (--last: those of the last run);
                        --write: into docs/benchmarks.md
  simulate [--write]    Client against Camera over simulated networks: prints the table (--write: into
                        docs/benchmarks.md, too); fails if a goal is missed. With arguments (--seeds N,
                        --seconds N, --only WORDS): prints that part
  interop [ARGS]        dtls-psk against other implementations: writes docs/interop.md. With
                        arguments (--short, --seeds N, --only PEER): prints that part
  fuzz [TARGET ...]     fuzz these targets, or all, for FUZZ_SECONDS each (60 unless set)
  seeds                 make fuzz/seeds again
  assets                make the clips that ship with the program again (needs ffmpeg)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Every path below is relative to the root of the workspace.
    if let Err(error) = std::env::set_current_dir(root()) {
        eprintln!("xtask: {}: {error}", root().display());
        return ExitCode::FAILURE;
    }
    let done = match args.as_slice() {
        ["test"] => test::all(test::is_ci(), false),
        ["test", "--fast"] => test::all(test::is_ci(), true),
        ["ci"] => test::all(true, false),
        ["bench"] => bench::all(false),
        ["bench", "--write"] => bench::all(true),
        ["bench", "--last"] => bench::show(false),
        ["bench", "--last", "--write"] => bench::show(true),
        ["simulate", "--write"] => simulate::all(&[], true),
        ["simulate", args @ ..] => simulate::all(args, false),
        ["interop", args @ ..] => interop::all(args),
        ["fuzz", targets @ ..] => fuzz::long(targets),
        ["seeds"] => fuzz::make_seeds(),
        ["assets"] => run::succeeds("crates/tutk-cli/assets/make-clips.sh", &[]),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            true
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}
