//! What can go wrong here: the session itself, or the system below it.

use std::io;

/// An error of the runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The session failed: it says in which phase, and what to try.
    #[error(transparent)]
    Session(#[from] tutk_session::Error),
    /// The system gave no socket, port or randomness.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The session is over already.
    #[error("the session is over")]
    Gone,
}
