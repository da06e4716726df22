//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod catalogue;
mod challenge;
mod commands;
mod connect_result;
mod exchange;
mod message;
mod properties;
mod steps;
mod users;
mod xxtea;
