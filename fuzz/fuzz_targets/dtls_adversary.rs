//! Two DTLS handshakes through an adversary driven by the fuzzer. It loses, delays, repeats,
//! changes, truncates, invents and redirects datagrams, with all suites, while the applications
//! send and close. The property tests check the same invariants.
//!
//! Input: a script for `crates/dtls-psk/tests/common/adversary.rs`.
#![no_main]

#[allow(unexpected_cfgs, reason = "the features belong to dtls-psk")]
#[path = "../../crates/dtls-psk/tests/common/mod.rs"]
mod common;

use common::adversary::{Adversary, Script};
use libfuzzer_sys::fuzz_target;
use tutk_time::Instant;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    Adversary::new(Instant::ZERO, &mut script).run(&mut script);
});
