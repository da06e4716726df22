//! The web page in Chromium, with simulated cameras in the same process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests fail by panicking; browsers have clocks and processes of their own"
)]

mod browser;
#[path = "../http/client.rs"]
#[allow(dead_code, reason = "the HTTP tests use more of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod controls;
mod fixture;
mod latency;
mod layout;
mod playback;
mod recovery;
mod talk;
mod test_pattern;
