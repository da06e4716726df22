//! A short soak test: each fault of `cargo xtask soak` about once.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use soak::{Options, run};

#[test]
fn program_survives_each_fault() {
    let options = Options {
        program: env!("CARGO_BIN_EXE_tutk").into(),
        duration: Duration::from_secs(40),
        seed: 1,
    };
    let report = run(&options).unwrap();
    println!("{}", report.markdown());
    assert!(report.passed(), "{}", report.failures().join("\n"));
}
