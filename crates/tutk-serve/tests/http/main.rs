//! The HTTP server over TCP on loopback, with simulated cameras in the same process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

mod access;
mod api;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod limits;
mod live;
mod openapi;
mod page;
mod slow_clients;
mod snapshot;
mod stream;
mod talk;
mod users;
mod vlc;
