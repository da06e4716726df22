//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and use processes"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod arbitrary;
mod behaviour;
mod captures;
mod deviations;
mod limits;
mod network;
mod pcapng;
mod redaction;
#[cfg(feature = "report")]
mod report;
mod sealed;
mod sessions;
