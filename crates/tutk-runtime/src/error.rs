//! What can go wrong here: the session itself, or the system below it.

use std::io;
use std::sync::Arc;

/// An error of the runtime.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session failed: it says in which phase, and what to try.
    #[error(transparent)]
    Session(#[from] tutk_session::Error),
    /// The system gave no socket, port or randomness.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// Sound does not get to the camera.
    #[error(transparent)]
    Talk(#[from] tutk_session::TalkError),
    /// Somebody talks to the camera already, through the same session.
    #[error("somebody talks to the camera already")]
    AlreadyTalking,
    /// The session is over already.
    #[error("the session is over")]
    Gone,
    /// There is no session now, but there will be: it fell, or the camera has not let us in yet.
    #[error("no session now: it is being begun again")]
    Down,
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
