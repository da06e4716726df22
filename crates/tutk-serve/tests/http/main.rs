//! HTTP as its clients see it: bytes over TCP on loopback, cameras simulated in the same process.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

mod api;
mod client;
#[path = "../common/mod.rs"]
mod common;
mod events;
mod guards;
mod limits;
mod live;
mod openapi;
mod page;
mod slow;
mod snapshot;
mod stream;
mod talk;
mod vlc;
