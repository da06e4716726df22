//! What can go wrong between cameras and their viewers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::accounts::MAX_ACCOUNT_BYTES;
use crate::hub::MAX_NAME_BYTES;

/// An error of the hub or of a server.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A camera's name is empty or too long, or has a character that no URL's path segment could have.
    #[error(
        "{0:?} names no camera: 1 to {MAX_NAME_BYTES} bytes without `/` and control characters do"
    )]
    Name(String),
    /// There is a camera of that name.
    #[error("there is a camera {0:?} already")]
    Exists(String),
    /// A client could not tell this name, or its password.
    #[error(
        "{0:?} makes no account: a name has no `:` or `\"`, and neither it nor the password a control character or more than {MAX_ACCOUNT_BYTES} bytes"
    )]
    Account(String),
    /// Everybody in the network could watch: nobody said that this is meant.
    #[error(
        "{0} can be reached by others than this machine, and there are no accounts: add one, listen on 127.0.0.1, or allow it to be open to everybody"
    )]
    Open(SocketAddr),
    /// The camera was taken out of the hub, or the hub was closed.
    #[error("the camera is served no more")]
    Closed,
    /// There is no session with the camera now, for this reason.
    #[error("no session with the camera: {0}")]
    Down(#[source] tutk_runtime::Error),
    /// The camera did not say in time what it shows.
    #[error("the camera showed nothing within {} s", .0.as_secs_f32())]
    Nothing(Duration),
    /// The camera did not answer a command in time.
    #[error("no answer to the command {code}")]
    Unanswered {
        /// Code of the command.
        code: u16,
    },
    /// Too many commands wait for their answers.
    #[error("{0} commands wait for their answers already")]
    Busy(usize),
    /// A command is too long to be sent.
    #[error("a command's payload has at most {max} bytes, this one has {found}")]
    TooLong {
        /// The most that fits.
        max: usize,
        /// What came.
        found: usize,
    },
    /// The session failed at what was asked of it, to talk above all.
    #[error(transparent)]
    Session(#[from] tutk_runtime::Error),
    /// The system gave no socket.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
