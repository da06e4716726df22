//! RTSP: connections in memory, the server on loopback, and the clients of other projects.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod connection;
mod ffmpeg;
mod gstreamer;
mod properties;
mod relay;
mod retina;
mod server;
mod users;
