//! Requests and responses.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::lenient::Lenient;
use crate::{Error, Secret, redact};

/// The `code` of a successful response.
pub(crate) const SUCCESS: &str = "1";

/// One of the vendor's two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The server for signing in.
    SignIn,
    /// The server for the list of cameras.
    CameraList,
}

/// An HTTPS POST request with the header `Content-Type: application/json`.
#[derive(Debug, Clone)]
pub struct Request {
    /// The server.
    pub service: Service,
    /// The additional headers.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body, a JSON object.
    pub body: Secret,
}

/// An HTTP response.
#[derive(Clone)]
pub struct Response {
    status: u16,
    body: Zeroizing<Vec<u8>>,
}

impl Service {
    /// The address of the server, `https://HOST`.
    #[must_use]
    pub const fn origin(self) -> &'static str {
        match self {
            Self::SignIn => "https://auth-prod.api.wyze.com",
            Self::CameraList => "https://api.wyzecam.com",
        }
    }

    /// The path of the request, starting with `/`.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::SignIn => "/api/user/login",
            Self::CameraList => "/app/v2/home_page/get_object_list",
        }
    }
}

impl Request {
    pub(crate) fn new(
        service: Service,
        headers: Vec<(&'static str, Secret)>,
        body: &impl Serialize,
    ) -> Self {
        // Structures of text and numbers always serialize.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self {
            service,
            headers,
            body: Secret::new(body),
        }
    }
}

impl Response {
    /// Creates a response from HTTP status and body.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = Zeroizing::new(body.into());
        Self { status, body }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Parses the body as a JSON object.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Option<T> {
        // serde also accepts an array for a structure.
        let object = self.body.trim_ascii_start().first() == Some(&b'{');
        object.then(|| serde_json::from_slice(&self.body).ok())?
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, body } = self;
        write!(f, "Response({status}, {} bytes)", body.len())
    }
}

/// A refusal of either server: `code` or `errorCode`, and `msg` or `description`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: Lenient,
    #[serde(rename = "errorCode")]
    error_code: Lenient,
    msg: Lenient,
    description: Lenient,
}

/// Returns the refusal in the response, if it is one. `sent` are the secrets of the request.
pub(crate) fn refusal(response: &Response, sent: &[&Secret]) -> Option<Error> {
    let refusal: Refusal = response.json()?;
    let code = refusal.code.text().or(refusal.error_code.text());
    let text = refusal.msg.text().or(refusal.description.text());
    if code == Some(SUCCESS) || (code.is_none() && text.is_none()) {
        return None;
    }
    let redacted = |text| redact::message(text, sent);
    Some(Error::Refused {
        code: code.map(redacted),
        text: text.map_or_else(|| "no reason given".to_owned(), redacted),
    })
}
