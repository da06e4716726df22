//! The hub over real UDP sockets on loopback, with tokio's clock paused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
mod requests;
mod sessions;
mod viewers;

use tutk_runtime::tutk_session::hl_ioctl::commands::{Media, MediaControl, Switch};

const SOUND_ON: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::On,
};
