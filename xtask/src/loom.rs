//! `cargo xtask loom`: the hub's shared state in more orders of threads.

use crate::job::Job;

/// The tests that `cargo xtask test` runs with fewer preemptions.
const TESTS: [&str; 5] = ["test", "--package", "tutk-serve", "--lib", "hub::model"];

/// The number of preemptions of each thread.
const PREEMPTIONS: &str = "3";

pub(crate) fn run() -> Result<(), String> {
    Job::cargo(&TESTS)
        .env("LOOM_MAX_PREEMPTIONS", PREEMPTIONS)
        .run()
}
