//! Tests of the public API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod table;

mod content;
mod real_bytes;
mod roundtrip;
mod tables_audio;
mod tables_av;
mod tables_iotc;
mod tables_media;
mod tables_resend;
