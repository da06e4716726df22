#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod answer;
mod bytes;
mod camera;
mod client;
mod error;
mod fields;
mod packet;
mod text;

pub use answer::{ANSWER_LEN, LoginAnswer};
pub use camera::{CameraConfig, CameraEvent, CameraLogin, CameraOutput, CameraStats, Refusal};
pub use client::{ClientEvent, ClientLogin, ClientOutput, ClientStats, LoginResult};
pub use error::Error;
pub use fields::{AuthType, Capabilities, Nonce, Status};
pub use packet::{LoginBytes, LoginLayout, LoginOffsets, LoginPacket, MAX_PACKET_LEN, Part};
pub use text::{MAX_TEXT_LEN, Password, User};
