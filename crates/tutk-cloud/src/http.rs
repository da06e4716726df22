//! What is sent and what comes back, before any network.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::lenient::Lenient;
use crate::{Error, Secret, redact};

/// The `code` of an answer that is none of refusal.
pub(crate) const SUCCESS: &str = "1";

/// Which of the vendor's two servers a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Signs in.
    SignIn,
    /// Lists the cameras.
    CameraList,
}

/// An HTTPS POST with a body of JSON: `Content-Type: application/json`.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where it goes.
    pub service: Service,
    /// Headers beside those that HTTP itself needs.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body: one JSON object.
    pub body: Secret,
}

/// What came back: status and body.
#[derive(Clone)]
pub struct Response {
    status: u16,
    body: Zeroizing<Vec<u8>>,
}

impl Service {
    /// The server, as `https://HOST`.
    #[must_use]
    pub const fn origin(self) -> &'static str {
        match self {
            Self::SignIn => "https://auth-prod.api.wyze.com",
            Self::CameraList => "https://api.wyzecam.com",
        }
    }

    /// The path there, with its `/`.
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
        // Structures of text and numbers only: this cannot fail.
        let body = serde_json::to_string(body).unwrap_or_default();
        Self {
            service,
            headers,
            body: Secret::new(body),
        }
    }
}

impl Response {
    /// HTTP status and body as they came.
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

    /// The body as a JSON object.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        // serde would take an array for a structure as well, in the order of its fields.
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

/// `code` or `errorCode`, and `msg` or `description`: how both servers say that they will not.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: Lenient,
    #[serde(rename = "errorCode")]
    error_code: Lenient,
    msg: Lenient,
    description: Lenient,
}

/// The answer as a refusal, unless it is none. `sent` are the secrets that were in the request.
pub(crate) fn refusal(answer: &Response, sent: &[&Secret]) -> Option<Error> {
    let refusal: Refusal = answer.read()?;
    let code = refusal.code.text().or(refusal.error_code.text());
    let text = refusal.msg.text().or(refusal.description.text());
    if code == Some(SUCCESS) || (code.is_none() && text.is_none()) {
        return None;
    }
    let shown = |text| redact::message(text, sent);
    Some(Error::Refused {
        code: code.map(shown),
        text: text.map_or_else(|| "without a word why".to_owned(), shown),
    })
}
