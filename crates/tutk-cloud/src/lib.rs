//! Downloads the keys of your own cameras from the vendor's cloud.
//!
//! The account at the vendor contains the UID, ENR, MAC, address and model of each camera. This
//! crate signs in and reads the list of cameras. Streaming needs no cloud afterwards. It makes only
//! these requests:
//!
//! - [`SignIn::request`] to [`Service::SignIn`]: e-mail and hashed password, and key id and key in
//!   the headers `Keyid` and `Apikey`. [`SignIn::parse_response`] returns a token, or that a second
//!   factor is required.
//! - [`SignIn::request_with_code`] to the same server: the same, and the code of the second factor.
//! - [`Account::list_request`] to [`Service::CameraList`]: the token, and constants of the vendor's
//!   app. [`Account::parse_list`] returns the cameras.
//!
//! Besides these headers, only `Host`, `Content-Type` and `Content-Length` are sent. The owner
//! creates key id and key in the vendor's developer console.
//!
//! The crate itself does no I/O: the caller sends a [`Request`] and passes the [`Response`]. The
//! feature `client`, on by default, adds an HTTPS client, `Client`.
//!
//! # Verified and unverified facts
//!
//! The requests are those of 2026, and the vendor may change them. An unexpected response is an
//! [`Error::UnexpectedResponse`] with an excerpt from which possible secrets are removed. The crate
//! has not been tested with a real account. Two parts are not documented and follow other programs:
//! the request with the second factor ([`SignIn::request_with_code`]), and the response to an
//! expired token ([`Error::TokenRejected`]).
//!
//! # Secrets
//!
//! Passwords, keys, tokens and ENRs are [`Secret`]s: zeroed on drop, redacted in `Debug`, and not
//! contained in errors. The buffers of the HTTP and TLS libraries that `Client` uses are not
//! zeroed.
//!
//! ```
//! use tutk_cloud::{Account, Response, PhoneId, SignIn, SignInStatus};
//!
//! # fn send(request: &tutk_cloud::Request) -> Response {
//! #     let body = match request.service {
//! #         tutk_cloud::Service::SignIn => r#"{"access_token":"t","user_id":"u"}"#,
//! #         tutk_cloud::Service::CameraList => r#"{"code":"1","data":{"device_list":[]}}"#,
//! #     };
//! #     Response::new(200, body)
//! # }
//! # fn main() -> Result<(), tutk_cloud::Error> {
//! let sign_in = SignIn::new("me@example.com", "the password", "key-id", "key")?;
//! let response = send(&sign_in.request());
//! let SignInStatus::Complete { access_token, user_id } = sign_in.parse_response(&response)? else {
//!     unreachable!("this account has no second factor");
//! };
//! let phone_id = PhoneId::new([1, 2, 3, 4, 5, 6, 7, 8]); // random, and stored
//! let account = Account { access_token, user_id, phone_id };
//! let now = 1_800_000_000_000; // milliseconds
//! for camera in account.parse_list(&send(&account.list_request(now)))? {
//!     println!("{} {:?} {:?}", camera.nickname, camera.model, camera.ip);
//! }
//! # Ok(())
//! # }
//! ```

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
