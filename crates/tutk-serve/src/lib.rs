#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod accounts;
mod error;
#[allow(clippy::disallowed_methods, reason = "it counts by the time")]
mod failures;
#[cfg(feature = "http")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets, clocks and randomness of HTTP are here"
)]
pub mod http;
#[allow(
    clippy::disallowed_methods,
    reason = "sessions are kept up here, and frames get their time of day"
)]
mod hub;
mod listen;
mod path;
pub mod rtsp;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "sockets and clocks of RTSP are here, and nowhere in `rtsp` itself"
)]
mod rtsp_server;

pub use accounts::{Accounts, MAX_ACCOUNT_BYTES};
pub use error::Error;
pub use failures::{FAILURE_TIME, MAX_FAILURES};
#[cfg(feature = "http")]
pub use http::{HttpApp, HttpConfig, HttpLimits, HttpServer};
pub use hub::*;
pub use listen::check_listen;
pub use path::path_segment;
pub use rtsp_server::{MAX_CONNECTIONS, RtspConfig, RtspServer};
