//! The keys of one's own cameras, from the vendor's cloud.
//!
//! A camera's UID, ENR, MAC, address and model are in its owner's account at the vendor. This crate signs in
//! there and reads the list; streaming needs no cloud once it is read. It sends nothing but the two requests
//! that are described here:
//!
//! | request | to | says | answer |
//! |---|---|---|---|
//! | [`SignIn::request`] | [`Service::SignIn`] | e-mail, hashed password; key id and key in the headers `Keyid` and `Apikey` | [`SignIn::read`]: a token, or that a second factor is wanted |
//! | [`SignIn::request_with_code`] | the same | the same, and the code of the second factor | the same |
//! | [`Account::list_request`] | [`Service::CameraList`] | the token, and constants of the vendor's app | [`Account::parse_list`]: the cameras |
//!
//! Beside those, only what HTTP cannot do without: `Host`, `Content-Type` and `Content-Length`. Key id and key
//! are made by the owner, in the vendor's developer console.
//!
//! All of it is pure: a [`Request`] goes out, an [`Response`] comes in, by whatever means the caller has. The
//! feature `client` (on unless told otherwise) has one, `Client`, over HTTPS.
//!
//! # What is sure, and what is not
//!
//! The facts are those of 2026, and the vendor may change them: an answer that is not understood is an
//! [`Error::UnexpectedResponse`] that shows it, shortened and with all that may be a secret left out. Nobody here has
//! tried this on a real account. Two things are not in the document that this follows but are what other
//! programs are known to do: the request with the second factor ([`SignIn::request_with_code`]), and how a token
//! that has run out is answered ([`Error::TokenRejected`]).
//!
//! # Secrets
//!
//! Password, keys, tokens and ENRs are [`Secret`]s: zeroed when dropped, not shown by `Debug`, and in no error.
//! The buffers of the HTTP and TLS libraries below `Client` are their own.
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
//! let SignInStatus::Complete { access_token, user_id } = sign_in.read(&send(&sign_in.request()))? else {
//!     unreachable!("this account has no second factor");
//! };
//! let phone_id = PhoneId::new([1, 2, 3, 4, 5, 6, 7, 8]); // random, and kept
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
pub use camera::CloudCamera;
#[cfg(feature = "client")]
pub use client::{Client, MAX_RESPONSE, Options, REQUEST_TIMEOUT};
pub use error::Error;
pub use http::{Request, Response, Service};
pub use secret::Secret;
pub use sign_in::{AuthenticatorApp, SecondFactor, SignIn, SignInStatus};
