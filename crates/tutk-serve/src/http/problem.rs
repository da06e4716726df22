//! What is answered when something cannot be done: a status, and JSON that says what to try.

use std::fmt;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::Error;

/// An error as clients get it.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) body: Body,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// `{"error": …, "advice": …, "allowed": […]}`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Body {
    /// What is wrong.
    pub(super) error: String,
    /// What to try.
    pub(super) advice: String,
    /// What would do, each for itself; empty where that is no list.
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

    /// It may be tried again after so many seconds.
    pub(super) fn retry_after(self, seconds: u32) -> Self {
        self.with_header(RETRY_AFTER, seconds.into())
    }

    /// The code that a WebSocket is closed with: those from 4000 on are an application's own (RFC 6455 section
    /// 7.4.2).
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
            Error::Nothing(_) | Error::Unanswered { .. } => StatusCode::GATEWAY_TIMEOUT,
            Error::TooLong { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Session(tutk_runtime::Error::AlreadyTalking) => StatusCode::CONFLICT,
            Error::Session(tutk_runtime::Error::Talk(_)) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string(), advice)
    }
}

/// What to try.
pub(super) fn advice(error: &Error) -> &'static str {
    match error {
        Error::Down(error) | Error::Session(error) => session_advice(error),
        Error::Nothing(_) => "check that the camera is switched on, and try again",
        Error::Unanswered { .. } => {
            "a camera that does not know a command does not answer: this model may not have it"
        }
        Error::Busy(_) => "wait until those are answered, and try again",
        Error::Closed => "it was taken out of the configuration: see /api/cameras",
        Error::TooLong { .. } => "give fewer values",
        _ => "try again; the server's log says more",
    }
}

/// What to try when there is no session, or not what was wanted of it.
pub(super) fn session_advice(error: &tutk_runtime::Error) -> &'static str {
    match error {
        tutk_runtime::Error::Session(error) => error.advice(),
        tutk_runtime::Error::Talk(_) => {
            "check that the camera has a speaker, and that no other app talks to it"
        }
        tutk_runtime::Error::AlreadyTalking => "wait until whoever talks has done",
        tutk_runtime::Error::Down | tutk_runtime::Error::Gone => {
            "the session is being begun again: try again in some seconds"
        }
        _ => "try again; the server's log says more",
    }
}
