//! Errors of the hub and of its outputs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tutk_media::Codec;

use crate::limits::{MAX_ACCOUNT_BYTES, MAX_NAME_BYTES};

/// An error of the hub or of an output.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A camera's name is empty, too long, or contains `/` or a control character.
    #[error(
        "invalid camera name {0:?}: use 1 to {MAX_NAME_BYTES} bytes without `/` and control characters"
    )]
    InvalidName(String),
    /// The hub already has a camera with this name.
    #[error("a camera named {0:?} already exists")]
    AlreadyExists(String),
    /// A client could not send this name or its password.
    #[error(
        "invalid account {0:?}: a name cannot contain `:` or `\"`, and name and password are limited to {MAX_ACCOUNT_BYTES} bytes without control characters"
    )]
    InvalidAccount(String),
    /// The address is reachable from other machines, and anonymous access was not allowed.
    #[error(
        "{0} is reachable from other machines, and there are no accounts: add an account, listen on 127.0.0.1, or allow anonymous access"
    )]
    AnonymousAccess(SocketAddr),
    /// The certificate or the private key of TLS cannot be used.
    #[error("{file}: {problem}")]
    Tls {
        /// The file.
        file: String,
        /// The reason.
        problem: String,
    },
    /// The camera was removed from the hub, or the hub was closed.
    #[error("the camera is no longer served")]
    Closed,
    /// There is no session with the camera.
    #[error("no session with the camera: {0}")]
    Down(#[source] tutk_runtime::Error),
    /// The camera sent no frames in time.
    #[error("the camera sent no frames within {} s", .0.as_secs_f32())]
    NoFrames(Duration),
    /// The camera did not answer a command in time.
    #[error("no answer to command {code}")]
    Unanswered {
        /// The code of the command.
        code: u16,
    },
    /// Too many commands are waiting for an answer.
    #[error("{0} commands are already waiting for an answer")]
    Busy(usize),
    /// The payload of a command is too long.
    #[error("command payload of {found} bytes is too long: at most {max} bytes are allowed")]
    TooLong {
        /// The maximum length.
        max: usize,
        /// The actual length.
        found: usize,
    },
    /// The session reported an error, for example for the backchannel.
    #[error(transparent)]
    Session(tutk_runtime::Error),
    /// A recording cannot be written to this target.
    #[error("{target}: {problem}")]
    InvalidTarget {
        /// The path or pattern.
        target: String,
        /// The reason.
        problem: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file of a recording exists, and replacing it was not requested.
    #[error("{0} exists")]
    OutputExists(String),
    /// A recording cannot be written.
    #[error("{name}: {source}")]
    Write {
        /// The file, the pattern of the segments, or standard output.
        name: String,
        /// The error of the system.
        source: Arc<io::Error>,
    },
    /// The camera sends video in a codec that cannot be recorded.
    #[error("the camera sends {0:?}, which tutk cannot record")]
    UnsupportedVideo(tutk_session::Codec),
    /// The camera sends video in another codec than the file's.
    #[error("{name}: the camera sends {found}, a different codec")]
    OtherCodec {
        /// The file.
        name: String,
        /// The codec of the camera.
        found: Codec,
    },
    /// The camera changed its video codec.
    #[error("{name}: the camera changed its codec from {from}")]
    CodecChanged {
        /// The file.
        name: String,
        /// The codec of the file.
        from: Codec,
    },
    /// The file format cannot hold the stream.
    #[error("{name}: {source}")]
    Mux {
        /// The file.
        name: String,
        /// Why not.
        source: tutk_media::Error,
    },
    /// An I/O error.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
}

impl From<tutk_runtime::Error> for Error {
    fn from(error: tutk_runtime::Error) -> Self {
        match error {
            tutk_runtime::Error::Unanswered { code } => Self::Unanswered { code },
            tutk_runtime::Error::TooManyRequests(waiting) => Self::Busy(waiting),
            tutk_runtime::Error::NotConnected => Self::Down(error),
            tutk_runtime::Error::Closed => Self::Closed,
            error => Self::Session(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
