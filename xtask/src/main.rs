//! Development tasks of this workspace: `cargo xtask help`.
#![forbid(unsafe_code)]

mod bench;
mod comments;
mod cortex_m;
mod dist;
mod documented;
mod examples;
mod fuzz;
mod generated;
mod interop;
mod job;
mod loom;
mod memory;
mod msrv;
mod nextest;
mod no_std;
mod package;
mod python;
mod report;
mod sbom;
mod scale;
mod simulate;
mod soak;
mod test;
mod tools;
mod wasm;
mod workspace;

use std::process::ExitCode;

use job::Job;

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [--fast]   Run every check: formatting, lints, licenses, tests, documentation, and a few
                  seconds of each fuzz target. Offers to install missing tools. With CI=true, or
                  without a terminal, installs them; with CI=true a missing tool is a failure.
                  --fast skips fuzzing and the second crypto backend.
  ci              Run `test` with CI=true.
  bench [--last] [--write]
                  Run the benchmarks and print tables of the results. --last prints the results of
                  the previous run. --write updates docs/benchmarks.md.
  simulate [--write] [ARGS]
                  Run client and camera over simulated networks and print a table. Fails if a
                  network misses its goal. --write updates docs/benchmarks.md. With --seeds N,
                  --seconds N or --only NAME, run only a part.
  interop [ARGS]  Test dtls-psk against other DTLS implementations and write docs/interop.md. With
                  --short, --seeds N or --only PEER, run a part and print it.
  soak [--minutes N | --seconds N] [--seed N] [--write]
                  Run `tutk serve` with simulated cameras, recordings and viewers, while cameras
                  fail, the disk fills and the clock is stepped. --write updates docs/soak.md.
  scale [--cameras N,…] [--viewers N,…] [--seconds N] [--no-namespaces] [--write]
                  Run `tutk serve` with up to 1,000 simulated cameras, with and without recording, with
                  up to 1,000 viewers of one camera, and in network namespaces, and print tables.
                  --write updates docs/benchmarks.md.
  examples        Compile each example that names its dependencies in a package of its own, and
                  count its lines.
  fuzz [--hours N [--write]] [TARGET ...]
                  Fuzz the given targets, or all of them, for FUZZ_SECONDS each (default: 60). With
                  --hours, fuzz for this time, two targets at once, and give most of it to those
                  that find new coverage. --write adds the results to docs/fuzzing.md.
  loom            Run the tests of the hub's shared state in more orders of threads than `test`.
  miri            Run the tests of the protocol crates in Miri, which finds undefined behaviour.
                  Installs it with rustup. A test is stopped after 3 minutes.
  sanitize        Run the tests that call the C library aws-lc with AddressSanitizer and
                  UndefinedBehaviorSanitizer. Needs clang.
  msrv            Check each library with the compiler that its rust-version names. Installs these
                  compilers with rustup.
  package         Check metadata and files of the packages that are published.
  dist [TARGET]   Build the program for a release, and pack it into target/artifacts: an archive, a
                  package of Debian (musl), a bill of materials and checksums.
  wasm            Build the package for browsers and Node.js, bindings/wasm/pkg, and test it.
  vectors         Regenerate the test vectors in bindings/vectors.
  header          Regenerate the header of the C library, bindings/c/include/tutk.h.
  seeds           Regenerate the fuzzing seeds in fuzz/seeds.
  assets          Regenerate the video clips that ship with the program (requires ffmpeg).
";

fn main() -> ExitCode {
    // All paths in this program are relative to the workspace.
    let started = std::env::set_current_dir(workspace::root())
        .map_err(|error| format!("cannot enter {}: {error}", workspace::root().display()))
        .and_then(|()| job::stop_on_ctrl_c());
    if let Err(error) = started {
        eprintln!("xtask: {error}");
        return ExitCode::FAILURE;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args.as_slice() {
        ["test"] => test::all(false),
        ["test", "--fast"] => test::all(true),
        ["ci"] => Job::cargo(&["xtask", "test"])
            .env("CI", "true")
            .minutes(120)
            .run(),
        ["bench"] => bench::run().and_then(|()| bench::show(false)),
        ["bench", "--write"] => bench::run().and_then(|()| bench::show(true)),
        ["bench", "--last"] => bench::show(false),
        ["bench", "--last", "--write"] => bench::show(true),
        ["simulate", "--write"] => simulate::all(&[], true),
        ["simulate", args @ ..] => simulate::all(args, false),
        ["interop", args @ ..] => interop::all(args),
        ["soak", args @ ..] => soak::run(args),
        ["scale", args @ ..] => scale::run(args),
        ["examples"] => examples::check(),
        ["fuzz", args @ ..] => fuzz::fuzz(args),
        ["loom"] => loom::run(),
        ["miri"] => memory::miri(),
        ["sanitize"] => memory::sanitize(),
        ["msrv"] => msrv::all(),
        ["package"] => package::check(),
        ["dist"] => dist::build(None),
        ["dist", "--check"] => dist::check(),
        ["dist", target] => dist::build(Some(target)),
        ["wasm"] => match wasm::test() {
            report::Outcome::Passed => Ok(()),
            outcome => Err(format!("{outcome:?}")),
        },
        ["vectors"] => Job::cargo(&["test", "--package", "tutk-bindings", "--test", "vectors"])
            .env("TUTK_WRITE_VECTORS", "1")
            .run(),
        ["header"] => Job::cargo(&["test", "--package", "tutk-ffi", "--test", "c", "header"])
            .env("TUTK_WRITE_HEADER", "1")
            .run(),
        ["seeds"] => fuzz::make_seeds(),
        ["assets"] => Job::new("crates/tutk-cli/assets/make-clips.sh", &[]).run(),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
