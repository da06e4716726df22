//! The page in Chromium, driven over the DevTools protocol: cameras simulated in the same process.
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
#[allow(dead_code, reason = "it can do more than is needed here")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod controls;
mod house;
mod late;
mod looks;
mod painted;
mod talk;
mod trouble;
mod watching;
