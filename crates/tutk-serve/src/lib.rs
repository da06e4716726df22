#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod error;
#[allow(
    clippy::disallowed_methods,
    reason = "sessions are kept up here, and frames get their time of day"
)]
mod hub;
pub mod rtsp;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets and clocks of RTSP are here, and nowhere in `rtsp` itself"
)]
mod rtsp_server;

pub use accounts::{Accounts, MAX_ACCOUNT_BYTES};
pub use error::Error;
pub use hub::*;
pub use rtsp_server::{MAX_CONNECTIONS, RtspConfig, RtspServer};
