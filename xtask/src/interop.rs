//! `cargo xtask interop`: dtls-psk with other DTLS implementations.

use crate::job::Job;

const PROGRAM: [&str; 5] = ["run", "--quiet", "--package", "interop", "--"];
const PAGE: &str = "docs/interop.md";

/// Runs the whole matrix and writes its page. With arguments, runs and prints a part.
pub(crate) fn all(args: &[&str]) -> Result<(), String> {
    let args = if args.is_empty() {
        &["--write", PAGE]
    } else {
        args
    };
    Job::cargo(&[&PROGRAM, args].concat()).minutes(120).run()
}

/// Runs each cipher suite, role and peer once, and a few lossy networks.
pub(crate) fn short() -> Result<(), String> {
    Job::cargo(&[&PROGRAM[..], &["--short"]].concat()).run()
}
