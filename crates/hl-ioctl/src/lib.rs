#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod challenge;
mod command;
pub mod commands;
mod enr;
mod error;
mod exchange;
mod json;
mod message;
mod wire;
pub mod xxtea;

pub use challenge::{ChallengeRule, ChallengeStatus, answer};
pub use command::{Command, Request};
pub use commands::ConnectResult;
pub use enr::{Enr, MAX_ENR};
pub use error::Error;
pub use exchange::camera::{AckRule, CameraConfig, CameraExchange, CameraStep, Ignored, Ioctl};
pub use exchange::client::{ClientConfig, ClientExchange, Step};
pub use json::{JsonDocument, MAX_JSON};
pub use message::{CAMERA_VERSION, CLIENT_VERSION, HEADER_SIZE, HlMessage, MAGIC, MAX_PAYLOAD};
