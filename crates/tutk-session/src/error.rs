//! The reasons for which a session fails.

use std::time::Duration;

use crate::client::refuses_suite;
use crate::phase::Phase;

/// The reason why a [`Client`](crate::Client) ended.
///
/// Invalid packets never end a session. They are dropped and counted in [`Stats`](crate::Stats).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer arrived in time.
    #[error("{phase}: no answer from the camera within {} s", waited.as_secs_f32())]
    Silent {
        /// The phase that waited.
        phase: Phase,
        /// How long.
        waited: Duration,
    },
    /// The handshake started but did not finish. With a wrong key, cameras stop answering.
    #[error("dtls: wrong ENR, or camera silent (the handshake did not finish within {} s)", waited.as_secs_f32())]
    HandshakeUnfinished {
        /// The time limit of the handshake.
        waited: Duration,
    },
    /// DTLS failed.
    #[error("{phase}: {source}")]
    Dtls {
        /// The phase in which it failed.
        phase: Phase,
        /// The error of DTLS.
        source: dtls_psk::Error,
    },
    /// The user or password does not fit into a login.
    #[error("login: {0}")]
    Login(av_login::Error),
    /// The camera refused the AV login.
    #[error("login: the camera refused user or password (status {status:#04x})")]
    LoginRefused {
        /// The status of its answer; 0x10 is success.
        status: u8,
    },
    /// The client could not answer the challenge, or the camera refused the answer.
    #[error("authentication: {0}")]
    Authentication(hl_ioctl::Error),
    /// The camera closed the session.
    #[error("{phase}: the camera closed the session")]
    ClosedByCamera {
        /// The phase in which it was closed.
        phase: Phase,
    },
    /// The camera stopped sending frames.
    #[error("stream: no whole frame for {} s", waited.as_secs_f32())]
    Stalled {
        /// How long.
        waited: Duration,
    },
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The camera was not found or does not answer.
    Silent,
    /// The camera refused: UID, ENR or key are wrong, or it cannot serve now.
    Refused,
    /// The stream was interrupted.
    BrokeOff,
}

impl Error {
    /// Returns the phase in which the session failed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Silent { phase, .. }
            | Self::Dtls { phase, .. }
            | Self::ClosedByCamera { phase } => *phase,
            Self::HandshakeUnfinished { .. } => Phase::Dtls,
            Self::Login(_) | Self::LoginRefused { .. } => Phase::Login,
            Self::Authentication(_) => Phase::Authentication,
            Self::Stalled { .. } => Phase::Stream,
        }
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Silent { .. } => Failure::Silent,
            Self::Stalled { .. } => Failure::BrokeOff,
            Self::Dtls { phase, .. } | Self::ClosedByCamera { phase }
                if *phase == Phase::Stream =>
            {
                Failure::BrokeOff
            }
            Self::HandshakeUnfinished { .. }
            | Self::Dtls { .. }
            | Self::ClosedByCamera { .. }
            | Self::Login(_)
            | Self::LoginRefused { .. }
            | Self::Authentication(_) => Failure::Refused,
        }
    }

    /// Returns what the user can do, as one line.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Silent {
                phase: Phase::Discovery,
                ..
            } => {
                "check the address, that the camera is on and in this network, and that UID, ENR and MAC or AuthKey are its own: new firmware does not answer to others"
            }
            Self::Silent { .. } => "the camera was there and fell silent: try again, or restart it",
            Self::Dtls { source, .. } if refuses_suite(source) => {
                "the camera takes none of the suites that its model is known to: leave `model` out, or correct it"
            }
            Self::HandshakeUnfinished { .. } | Self::Dtls { .. } => {
                "check the ENR and the MAC or AuthKey: they change when the camera is set up anew"
            }
            Self::Login(_) | Self::LoginRefused { .. } => {
                "check the ENR, and that the dialect is the camera's"
            }
            Self::Authentication(_) => {
                "check the ENR; if the camera is updating or switched off, wait and try again"
            }
            Self::ClosedByCamera { .. } => {
                "too many viewers, or the camera restarted: close other apps and try again"
            }
            Self::Stalled { .. } => "check the camera's Wi-Fi; the picture so far is kept",
        }
    }
}
