//! `cargo xtask test`: runs every check.

use crate::job::Job;
use crate::report::{Outcome, Report, TestCounts};
use crate::workspace::{is_ci, packages};
use crate::{
    comments, cortex_m, dist, documented, fuzz, interop, nextest, no_std, package, python, tools,
    wasm,
};

/// The feature of the second crypto backend.
const RUST_CRYPTO: &str = "rust-crypto";
/// Tests and examples use the clock of `std`.
const RUST_CRYPTO_ARGS: [&str; 3] = ["--no-default-features", "--features", "rust-crypto,std"];

/// The crates that use the second backend. The others only pass the feature on.
const RUST_CRYPTO_TESTS: [&str; 4] = ["-p", "dtls-psk", "-p", "tutk-session"];

/// Runs all steps, even if some fail, and prints a summary.
pub(crate) fn all(fast: bool) -> Result<(), String> {
    let mut report = Report::default();
    let missing = tools::prepare(&mut report);

    report.step("format", |_| Job::cargo(&["fmt", "--all", "--check"]).run());
    report.step("format, fuzz targets", |_| {
        Job::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run()
    });
    report.step("format, bindings", |_| {
        [
            "bindings/cortex-m/Cargo.toml",
            "bindings/wasm/generate/Cargo.toml",
        ]
        .iter()
        .try_for_each(|path| Job::cargo(&["fmt", "--manifest-path", path, "--check"]).run())
    });
    report.step("comments", |_| comments::check());
    report.step("tests named in documents", |_| documented::check());
    report.step("no_std", |_| no_std::check());
    report.step("no_std targets", |_| no_std::build());
    report.step("session on a microcontroller", |_| cortex_m::run());
    report.step("package for browsers", |_| wasm::test());
    report.step("packages", |_| package::check());
    report.step("release files", |_| dist::check());
    report.step("licenses, bans, sources", |_| {
        if missing.cargo_tool("deny") {
            return Outcome::Skipped("cargo-deny is missing".into());
        }
        // Advisories change over time, so that they could fail a build that passed before.
        Job::cargo(&["deny", "check", "bans", "licenses", "sources"])
            .run()
            .into()
    });
    report.step("clippy", |_| clippy(&["--workspace".into()]));
    if !fast {
        report.step("clippy, rust-crypto", |_| clippy(&rust_crypto_args()?));
    }
    test(
        &mut report,
        "",
        &["--workspace"],
        missing.cargo_tool("nextest"),
    );
    if !fast {
        let args = [&RUST_CRYPTO_TESTS[..], &RUST_CRYPTO_ARGS].concat();
        test(
            &mut report,
            ", rust-crypto",
            &args,
            missing.cargo_tool("nextest"),
        );
    }
    report.step("Python package", python::test);
    report.step("interoperability", |_| interop::short());
    report.step("docs", |_| {
        Job::cargo(&["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()
    });
    report.step("build benches", |_| {
        // With the dependencies that the tests use. `cargo xtask bench` builds for measurements.
        Job::cargo(&[
            "bench",
            "--workspace",
            "--bench",
            "*",
            "--no-run",
            "--profile",
            "dev",
        ])
        .run()
    });
    if !fast {
        fuzz::short(&mut report, missing.cargo_tool("fuzz"));
    }
    report.finish(is_ci())
}

fn test(report: &mut Report, suffix: &str, args: &[&str], is_nextest_missing: bool) {
    type Step = fn(&[&str], &mut TestCounts) -> Result<(), String>;
    let steps: [(&str, Step); 3] = [
        ("build tests", |args, _| nextest::build(args)),
        ("tests", nextest::run),
        ("doc tests", nextest::run_doc_tests),
    ];
    for (name, step) in steps {
        report.step(&format!("{name}{suffix}"), |counts| {
            if is_nextest_missing && name != "doc tests" {
                return Outcome::Skipped("cargo-nextest is missing".into());
            }
            step(args, counts).into()
        });
    }
}

fn clippy(args: &[String]) -> Result<(), String> {
    let args = args.iter().map(String::as_str);
    let all: Vec<&str> = ["clippy", "--all-targets"]
        .into_iter()
        .chain(args)
        .collect();
    Job::cargo(&[&all[..], &["--", "-D", "warnings"]].concat()).run()
}

/// Selects every package with the feature of the second crypto backend.
fn rust_crypto_args() -> Result<Vec<String>, String> {
    let mut args: Vec<String> = RUST_CRYPTO_ARGS.map(String::from).into();
    for package in packages()?
        .iter()
        .filter(|package| package.features.contains_key(RUST_CRYPTO))
    {
        args.extend(["--package".into(), package.name.to_string()]);
    }
    Ok(args)
}
