//! Why long-running responses end before the client or the camera ends them.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::login_cookies::Session;
use super::problem::Problem;
use super::state::{AppState, Shutdown};

/// Extracts what tells a long-running response to end. The server waits until it is dropped.
#[derive(Debug)]
pub(super) struct Stop {
    shutdown: Shutdown,
    /// The session that the request belongs to. `None` without a login cookie.
    session: Option<Session>,
}

/// Why a response must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stopped {
    Shutdown,
    LoggedOut,
}

impl Stop {
    /// Waits until the server shuts down, or the session of the request ends. Cancel-safe.
    pub(super) async fn requested(&mut self) -> Stopped {
        let logged_out = async {
            match &mut self.session {
                Some(session) => session.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.shutdown.started() => Stopped::Shutdown,
            () = logged_out => Stopped::LoggedOut,
        }
    }
}

impl FromRequestParts<AppState> for Stop {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self {
            shutdown: state.shutdown(),
            session: parts.extensions.get().cloned(),
        })
    }
}

impl From<Stopped> for Problem {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Shutdown => {
                let error = "the server is shutting down";
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again later");
                problem.retry_after(10)
            }
            Stopped::LoggedOut => {
                let (error, advice) = ("the session has ended", "log in again at /login");
                Self::new(StatusCode::UNAUTHORIZED, error, advice)
            }
        }
    }
}
