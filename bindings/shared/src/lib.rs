//! What the bindings for other languages have in common.
//!
//! C, Python and JavaScript return the same JSON for a camera's address, the catalogue of commands
//! and dissected packets. `bindings/vectors` contains it for known inputs, and each binding is
//! tested against these files.
#![forbid(unsafe_code)]

#[cfg(feature = "runtime")]
mod camera;
mod camera_url;
mod commands;
mod dissection;

#[cfg(feature = "runtime")]
pub use camera::{Camera, CameraOptions, CommandError, decode_answer, runtime};
pub use camera_url::parse_url;
pub use commands::{controls, describe_answer, request};
pub use dissection::{Dissection, Error, dissect_datagram};
#[cfg(feature = "runtime")]
pub use tutk_runtime;
pub use {tutk_dissect, tutk_session};
