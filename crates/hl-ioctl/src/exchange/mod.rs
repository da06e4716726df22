//! The challenge exchange, both sides (docs/protocol.md, section 14).
//!
//! ```text
//! client                                camera
//!   K10000 connect request  ───────────►
//!          ◄───────────  K10001 challenge
//!   acknowledgement, count ≥ 2  ───────►      (an AV packet `09 00`)
//!   K10002 response, index and flag 1  ►
//!          ◄───────────  K10003 result, JSON
//! ```
//!
//! A client that identifies its user sends K10006 or K10008 instead of K10002, by the camera's HL
//! version and model. The answer is K10007 or K10009. Without an answer, K10002 follows.
//!
//! The client's session repeats the last message every second. The camera answers a repeated
//! message with the same bytes.

mod auth;
mod camera;
mod client;

pub use auth::{AuthMessage, UserRule};
pub use camera::{
    AckRule, CameraConfig, CameraEvent, CameraExchange, CameraOutput, IgnoreReason, Ioctl,
};
pub use client::{ClientConfig, ClientExchange, ClientOutput};
