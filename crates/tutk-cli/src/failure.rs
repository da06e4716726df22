//! How a command can fail, and what it returns to the shell then.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::process::ExitCode;

use tutk_runtime::tutk_session;

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done as asked.
    Done = 0,
    /// Anything that is not below.
    Other = 1,
    /// The command line, or an input file, is not usable.
    Usage = 2,
    /// No camera there, or it is silent.
    Silent = 3,
    /// The camera refused.
    Refused = 4,
    /// The stream ran, and broke off.
    BrokeOff = 5,
}

/// What failed, in which phase, and what to try: one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// A phase of the session, or `arguments`, `input`, `output`, `listen`, `start`, `command`,
    /// `sign-in`, `cameras`.
    pub(crate) phase: &'static str,
    pub(crate) what: String,
    pub(crate) advice: Cow<'static, str>,
}

impl Failure {
    pub(crate) fn new(
        status: Status,
        phase: &'static str,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            phase,
            // One line, whatever a library had to say.
            what: what.into().replace(['\n', '\r'], " "),
            advice: advice.into(),
        }
    }

    pub(crate) fn usage(
        phase: &'static str,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Status::Usage, phase, what, advice)
    }

    pub(crate) fn other(
        phase: &'static str,
        what: impl Into<String>,
        advice: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Status::Other, phase, what, advice)
    }

    /// A session that failed.
    pub(crate) fn session(error: &tutk_session::Error) -> Self {
        let status = match error.failure() {
            tutk_session::Failure::Silent => Status::Silent,
            tutk_session::Failure::Refused => Status::Refused,
            tutk_session::Failure::BrokeOff => Status::BrokeOff,
        };
        let phase = error.phase().name();
        let text = error.to_string();
        let what = text
            .strip_prefix(phase)
            .and_then(|rest| rest.strip_prefix(": "))
            .unwrap_or(&text);
        Self::new(status, phase, what, error.advice())
    }

    /// A runtime that failed in `phase`, for another reason than its session's.
    pub(crate) fn runtime(phase: &'static str, error: &tutk_runtime::Error) -> Self {
        match error {
            tutk_runtime::Error::Session(error) => Self::session(error),
            other => Self::other(phase, other.to_string(), "try again; see -v for more"),
        }
    }

    /// A file that could not be written.
    pub(crate) fn write(phase: &'static str, name: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "the disk is full: make room, or write elsewhere"
            }
            io::ErrorKind::NotFound => "make the folder first, or write elsewhere",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "write where you may"
            }
            _ => "write elsewhere",
        };
        Self::other(phase, format!("{name}: {error}"), advice)
    }

    /// A signal came before there was anything to keep.
    pub(crate) fn interrupted(phase: &'static str) -> Self {
        Self::other(
            phase,
            "interrupted before there was anything to keep",
            "run it again",
        )
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.phase, self.what, self.advice)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tutk_session::{Error, Phase};

    use super::*;

    #[test]
    fn sessions_end_with_the_status_of_the_contract() {
        let waited = Duration::from_secs(5);
        let silent = |phase| Error::Silent { phase, waited };
        for (error, status, phase) in [
            (silent(Phase::Discovery), Status::Silent, "discovery"),
            (silent(Phase::Login), Status::Silent, "login"),
            (
                Error::HandshakeUnfinished { waited },
                Status::Refused,
                "dtls",
            ),
            (Error::LoginRefused { status: 0 }, Status::Refused, "login"),
            (
                Error::ClosedByCamera {
                    phase: Phase::Stream,
                },
                Status::BrokeOff,
                "stream",
            ),
            (Error::Stalled { waited }, Status::BrokeOff, "stream"),
        ] {
            let failure = Failure::session(&error);
            assert_eq!((failure.status, failure.phase), (status, phase));
            assert!(!failure.what.starts_with(phase), "{failure}");
            assert!(!failure.advice.is_empty());
        }
    }

    #[test]
    fn it_is_one_line_that_says_all_three() {
        let failure = Failure::usage("input", "clip.txt: not\na clip", "give another");
        assert_eq!(
            failure.to_string(),
            "input: clip.txt: not a clip; give another"
        );
    }

    #[test]
    fn a_full_disk_is_called_that() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::write("stream", "out.h264", &full);
        assert_eq!(failure.status, Status::Other);
        assert!(failure.to_string().contains("disk is full"), "{failure}");
    }
}
