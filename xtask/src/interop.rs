//! `cargo xtask interop`: dtls-psk against other implementations.

use crate::run::Job;

const PROGRAM: [&str; 5] = ["run", "--quiet", "--package", "interop", "--"];
const PAGE: &str = "docs/interop.md";

/// The whole matrix, into its page. With arguments of the program's own only what they ask for, printed.
pub(crate) fn all(args: &[&str]) -> bool {
    let args = if args.is_empty() {
        &["--write", PAGE]
    } else {
        args
    };
    Job::cargo(&[&PROGRAM, args].concat()).succeeds()
}

/// Each suite, side and peer once, and a few bad networks: seconds. If `strict`, no peer may be missing.
pub(crate) fn short(strict: bool) -> bool {
    let job = Job::cargo(&[&PROGRAM[..], &["--short"]].concat());
    let job = if strict { job.env("CI", "true") } else { job };
    job.succeeds()
}
