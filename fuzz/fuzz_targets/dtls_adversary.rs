//! Two DTLS handshakes at once through an adversary whom the fuzzer steers: losing, delaying, repeating,
//! changing, cutting, inventing, and saying to one what was meant for another, with all suites, while the
//! applications send and close. What must hold is written where the property tests have it too.
//!
//! Input: a script, as `crates/dtls-psk/tests/common/adversary.rs` reads it.
#![no_main]

#[allow(
    unexpected_cfgs,
    reason = "the features are those of the crate that it belongs to"
)]
#[path = "../../crates/dtls-psk/tests/common/mod.rs"]
mod common;

use std::time::Instant;

use common::adversary::{Adversary, Script};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    Adversary::new(Instant::now(), &mut script).run(&mut script);
});
