#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod account;
mod camera;
#[cfg(feature = "client")]
mod client;
mod error;
mod http;
mod lenient;
mod password;
mod redact;
mod secret;
mod sign_in;

pub use account::{Account, PhoneId};
pub use camera::{CloudBaseStation, CloudCamera};
#[cfg(feature = "client")]
pub use client::{Client, MAX_RESPONSE, Options, REQUEST_TIMEOUT};
pub use error::Error;
pub use http::{Request, Response, Service};
pub use secret::Secret;
pub use sign_in::{AuthenticatorApp, SecondFactor, SignIn, SignInStatus};
