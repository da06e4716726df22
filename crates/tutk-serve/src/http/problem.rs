//! Error responses: a status, and JSON with the error and advice.

use std::fmt;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Error;

/// An error response.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// `{"error": …, "advice": …, "allowed": […]}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Body {
    /// What failed.
    pub(super) error: String,
    /// What to try.
    pub(super) advice: String,
    /// The allowed values, if they can be listed.
    pub(super) allowed: Vec<String>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            status,
            body: Body {
                error: error.into(),
                advice: advice.into(),
                allowed: Vec::new(),
            },
            headers: Vec::new(),
        }
    }

    pub(super) fn allowing(mut self, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.body.allowed = allowed.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a `Retry-After` header.
    pub(super) fn retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, seconds.into())
    }

    /// Returns the close code of a WebSocket that ends with this error. Codes from 4000 are private
    /// to the application (RFC 6455 section 7.4.2).
    pub(super) fn close_code(&self) -> u16 {
        4_000 + self.status.as_u16()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.body.error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        response.headers_mut().extend(
            self.headers
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let advice = advice(&error);
        let status = match &error {
            Error::Closed => StatusCode::NOT_FOUND,
            Error::NoFrames(_) | Error::Unanswered { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::TooLong { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Session(tutk_runtime::Error::AlreadyTalking) => StatusCode::CONFLICT,
            Error::Session(tutk_runtime::Error::Talk(_)) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string(), advice)
    }
}

/// Returns what the user can do about an error.
fn advice(error: &Error) -> &'static str {
    match error {
        Error::Down(error) | Error::Session(error) => session_advice(error),
        Error::NoFrames(_) => "check that the camera is switched on, then try again",
        Error::Unanswered { .. } => {
            "this model may not support the command: cameras do not answer unknown commands"
        }
        Error::Busy(_) => "wait for their answers, then try again",
        Error::Closed => "the camera was removed from the configuration: see /api/cameras",
        Error::TooLong { .. } => "send fewer values",
        _ => "try again, and see the server's log for details",
    }
}

/// Returns what the user can do about an error of the session.
pub(super) fn session_advice(error: &tutk_runtime::Error) -> &'static str {
    match error {
        tutk_runtime::Error::Session(error) => error.advice(),
        tutk_runtime::Error::Talk(_) => {
            "check that the camera has a speaker, and that no other app is talking"
        }
        tutk_runtime::Error::AlreadyTalking => "wait until the other client has finished talking",
        tutk_runtime::Error::NotConnected | tutk_runtime::Error::Closed => {
            "the camera is reconnecting: try again in a few seconds"
        }
        _ => "try again, and see the server's log for details",
    }
}
