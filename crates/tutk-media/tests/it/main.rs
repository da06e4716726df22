//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and processes"
)]

mod common;

mod clips;
mod flac;
mod live;
mod mp4;
mod mp4_audio;
mod players;
mod properties;
mod rtp;
mod rtp_players;
#[cfg(feature = "snapshot")]
mod snapshot;
mod ts;
mod ts_players;
