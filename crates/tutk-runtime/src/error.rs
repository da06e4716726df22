//! Errors of sessions and of the system below them.

use std::io;
use std::sync::Arc;

use tutk_session::ConnectionError;

/// An error of the runtime.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] tutk_session::Error),
    /// A socket, a host name or the system's randomness is not available.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// Audio cannot be sent to the camera.
    #[error(transparent)]
    Talk(#[from] tutk_session::TalkError),
    /// Another talker of the same session is open.
    #[error("the audio channel to the camera is in use; wait until the other talker has finished")]
    AlreadyTalking,
    /// The camera did not answer a command in time.
    #[error("the camera did not answer command K{code}")]
    Unanswered {
        /// The code of the command.
        code: u16,
    },
    /// This many commands already wait for an answer.
    #[error("{0} commands already wait for an answer; wait for some of them")]
    TooManyRequests(usize),
    /// There is no authenticated session at the moment. The supervisor may be reconnecting.
    #[error("no session with the camera; wait until it is connected")]
    NotConnected,
    /// The session was closed, or has failed and is not retried.
    #[error("the session is closed")]
    Closed,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl From<ConnectionError> for Error {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Session(error) => Self::Session(error),
            ConnectionError::Driver(error) => {
                let io = error.get_ref().downcast_ref::<io::Error>();
                let kind = io.map_or(io::ErrorKind::Other, io::Error::kind);
                Self::Io(Arc::new(io::Error::new(kind, error)))
            }
            other => Self::Io(Arc::new(io::Error::other(other))),
        }
    }
}
