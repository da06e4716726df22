//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use the clock, sockets and processes"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

#[path = "../common/mod.rs"]
mod common;

mod attack;
mod attack_adversary;
mod attack_forged;
mod changing_cookies;
mod determinism;
mod examples;
mod false_start;
mod invalid_input;
mod negotiation;
mod netem;
mod openssl;
mod passive;
mod wireshark;
