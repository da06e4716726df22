#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod error;
#[allow(
    clippy::disallowed_methods,
    reason = "sessions are kept up here, and frames get their time of day"
)]
mod hub;

pub use error::Error;
pub use hub::*;
