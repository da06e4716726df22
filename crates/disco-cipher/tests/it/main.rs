//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

#[path = "../oracle/mod.rs"]
mod oracle;

mod properties;
mod tag;
mod vectors;
