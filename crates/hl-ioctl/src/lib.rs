#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod catalogue;
mod challenge;
mod command;
pub mod commands;
mod enr;
mod error;
mod exchange;
mod json;
mod layout;
mod message;
mod parse;
mod profile;
pub mod schema;
pub mod xxtea;

pub use catalogue::{CATALOGUE, Context, Control, DONE, Operation, control};
pub use challenge::{ChallengeRule, ChallengeStatus, challenge_response};
pub use command::{Command, Request, UNANSWERED};
pub use commands::ConnectResult;
pub use enr::{Enr, MAX_ENR};
pub use error::{Error, JsonError};
pub use exchange::{
    AckRule, AuthMessage, CameraConfig, CameraEvent, CameraExchange, CameraOutput, ClientConfig,
    ClientExchange, ClientOutput, IgnoreReason, Ioctl, UserRule,
};
pub use json::{JsonDocument, MAX_JSON};
pub use layout::Scalar;
pub use message::{CAMERA_VERSION, CLIENT_VERSION, HEADER_SIZE, HlMessage, MAGIC, MAX_PAYLOAD};
pub use profile::{CameraGroup, CommandProfile, CommandSet};

// Crates whose types are part of this crate's API.
pub use {bytes, serde_json};
