//! Support for the tests of several crates. Not published.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    reason = "test helpers fail by panicking"
)]

#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(feature = "session")]
pub mod session;
pub mod tools;
