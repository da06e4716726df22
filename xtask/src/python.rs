//! The Python package in bindings/python.

use std::fs;
use std::path::Path;

use crate::job::Job;
use crate::report::{Outcome, TestCounts};

/// The virtual environment with what the tests need.
const VENV: &str = "target/python/venv";
/// The package, which `bindings/python/tests/package.rs` has made.
const PACKAGE: &str = "target/python/package";
const SOURCE: &str = "bindings/python";

/// Runs the tests and type checks in Python.
pub(crate) fn test(counts: &mut TestCounts) -> Outcome {
    if Job::shell_words("python3 -m ensurepip --version")
        .output()
        .is_err()
    {
        return Outcome::Skipped("python3-venv is missing".into());
    }
    run(counts).into()
}

fn run(counts: &mut TestCounts) -> Result<(), String> {
    if !Path::new(VENV).join("bin/python").exists() {
        Job::shell_words(&format!("python3 -m venv {VENV}")).run()?;
    }
    let absolute = |path| fs::canonicalize(path).map_err(|error| format!("{path}: {error}"));
    let package = absolute(PACKAGE)?;
    // Cargo has built the program for its tests.
    let program = absolute("target/debug/tutk")?;
    let module = |command: &str| {
        Job::shell_words(&format!("{VENV}/bin/python -m {command}")).env("PYTHONPATH", &package)
    };
    let requirements = format!("{SOURCE}/requirements-test.txt");
    let install = "pip install --quiet --disable-pip-version-check --requirement";
    module(&format!("{install} {requirements}")).run()?;
    let config = format!("{SOURCE}/pyproject.toml");
    module(&format!("pytest --config-file {config} {SOURCE}/tests"))
        .env("TUTK_PROGRAM", program)
        .minutes(5)
        .watch(|_, line| {
            // The last line: `==== 25 passed in 4.20s ====`.
            if line.starts_with("==") && line.contains(" in ") {
                counts.add_line(&format!("test result: {line}"));
            }
        })?;
    module(&format!("mypy --config-file {config} {SOURCE}")).run()?;
    let allowed = format!("--ignore-unused-allowlist --allowlist {SOURCE}/stubtest-allowlist.txt");
    let stubtest = format!("mypy.stubtest tutk --mypy-config-file {config} {allowed}");
    module(&stubtest).run()
}
