//! `cargo xtask soak`: the program for minutes, with a schedule of faults.

use crate::job::Job;

const PAGE: &str = "docs/soak.md";

/// Builds the program and the soak test together, and runs it. `--write` writes its page.
pub(crate) fn run(args: &[&str]) -> Result<(), String> {
    Job::cargo(&["build", "--package", "tutk-cli", "--package", "soak"]).run()?;
    let mut args = args.to_vec();
    if let Some(at) = args.iter().position(|arg| *arg == "--write") {
        args.insert(at + 1, PAGE);
    }
    // As long as the arguments say, up to a week.
    Job::new("target/debug/soak", &args)
        .minutes(7 * 24 * 60)
        .run()
}
