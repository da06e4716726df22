#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[allow(
    clippy::disallowed_types,
    reason = "remembered passwords need a random key, and hashes a thread of their own"
)]
mod accounts;
#[allow(clippy::disallowed_methods, reason = "it closes connections by time")]
mod admission;
mod clock;
mod error;
mod hex;
#[cfg(feature = "http")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "HTTP uses sockets, the clock and randomness"
)]
pub mod http;
#[allow(
    clippy::disallowed_methods,
    reason = "the hub runs sessions and takes the time of day of frames"
)]
mod hub;
mod limits;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the accept loop uses sockets and the clock"
)]
mod listener;
mod log_limit;
mod login_budget;
mod output;
mod path;
#[cfg(feature = "recorder")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "recordings use files, threads and the clock"
)]
pub mod recorder;
pub mod rtsp;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the sockets and the clock of `rtsp`"
)]
mod rtsp_server;
#[cfg(feature = "http")]
mod schemes;
#[allow(clippy::disallowed_types, reason = "the streams of sockets")]
mod stream;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "certificates are files that change"
)]
mod tls;

pub use accounts::{Account, Accounts, PasswordCheck, Role, hash_password};
pub use admission::{AUTHENTICATION_TIME, MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_PER_ADDRESS};
pub use error::Error;
#[cfg(feature = "http")]
pub use http::{HttpApp, HttpConfig, HttpLimits, HttpServer};
pub use hub::*;
pub use limits::{MAX_ACCOUNT_BYTES, MAX_NAME_BYTES};
pub use listener::check_listen;
pub use login_budget::{MAX_FAILURES, MAX_LOGIN_DELAY};
pub use output::Output;
pub use path::path_segment;
pub use rtsp_server::{MAX_CONNECTIONS, RtspConfig, RtspServer};
pub use tls::TlsConfig;
