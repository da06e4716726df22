//! Failures of a command and the exit status.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::process::ExitCode;

use tutk_runtime::tutk_session;

/// The exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Success.
    Done = 0,
    /// Any other error.
    Other = 1,
    /// The command line or an input file is invalid.
    Usage = 2,
    /// The camera was not found or does not answer.
    Silent = 3,
    /// The camera refused.
    Refused = 4,
    /// The stream was interrupted.
    BrokeOff = 5,
}

/// What failed, in which phase, and what to do. It is displayed on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// A phase of the session, or `arguments`, `input`, `output`, `listen`, `start`, `command`,
    /// `sign-in`, `cameras`. For `doctor` also `address` and `network`.
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
            // Messages of libraries can have several lines.
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

    /// A failed session.
    pub(crate) fn session(error: &tutk_session::Error) -> Self {
        let status = match error.failure() {
            tutk_session::Failure::Silent => Status::Silent,
            tutk_session::Failure::Refused => Status::Refused,
            tutk_session::Failure::Interrupted => Status::BrokeOff,
        };
        let phase = error.phase().name();
        let text = error.to_string();
        let what = text
            .strip_prefix(phase)
            .and_then(|rest| rest.strip_prefix(": "))
            .unwrap_or(&text);
        Self::new(status, phase, what, error.advice())
    }

    /// A failure of the runtime in `phase`, or of its session in the session's own phase.
    pub(crate) fn runtime(phase: &'static str, error: &tutk_runtime::Error) -> Self {
        match error {
            tutk_runtime::Error::Session(error) => Self::session(error),
            tutk_runtime::Error::Io(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let advice = "set --local-port or `local_ports` to free ports, for example 40000-40019: each camera and each command needs its own";
                Self::other(phase, error.to_string(), advice)
            }
            other => Self::other(phase, other.to_string(), "try again with -v for details"),
        }
    }

    /// The output file of a command with the option `--overwrite` exists.
    pub(crate) fn exists(name: impl fmt::Display) -> Self {
        let advice = "choose another name, or replace the file with --overwrite";
        Self::usage("output", format!("{name} exists"), advice)
    }

    /// A capture or a report that cannot be written.
    pub(crate) fn capture(name: &str, error: &tutk_dissect::Error) -> Self {
        match error {
            tutk_dissect::Error::Io(error) => Self::write("output", name, error),
            error => Self::other("output", format!("{name}: {error}"), "choose another file"),
        }
    }

    /// A failed recording, in `phase` if the error does not tell it.
    pub(crate) fn recording(phase: &'static str, error: tutk_serve::Error) -> Self {
        use tutk_serve::Error;
        let what = error.to_string();
        match error {
            Error::Write { name, source } => Self::write(phase, &name, &source),
            Error::Down(error) | Error::Session(error) => Self::runtime(phase, &error),
            Error::OutputExists(name) => Self::exists(name),
            Error::InvalidTarget { advice, .. } => Self::usage("arguments", what, advice),
            Error::OtherCodec { found, .. } => {
                let name = found.name();
                let advice =
                    format!("use --format {name}, ts or mp4, or a name in .{name}, .ts or .mp4");
                Self::usage(phase, what, advice)
            }
            error => {
                let advice = match error {
                    Error::UnsupportedVideo(_) => "only H.264 and H.265 are supported",
                    Error::CodecChanged { .. } => "start another recording",
                    Error::Mux { .. } => "record the plain stream with --format h264 or h265",
                    _ => "try again with -v for details",
                };
                Self::other(phase, what, advice)
            }
        }
    }

    /// A write error on a file.
    pub(crate) fn write(phase: &'static str, name: &str, error: &io::Error) -> Self {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "the disk is full: free some space, or choose another file"
            }
            io::ErrorKind::NotFound => "create the directory, or choose another file",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a directory that you can write to"
            }
            _ => "choose another file",
        };
        Self::other(phase, format!("{name}: {error}"), advice)
    }

    /// A signal arrived before any output was written.
    pub(crate) fn interrupted(phase: &'static str) -> Self {
        Self::other(
            phase,
            "interrupted before any output was written",
            "run the command again",
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
    fn maps_session_errors_to_exit_status() {
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
    fn displays_phase_cause_and_advice_on_one_line() {
        let failure = Failure::usage("input", "clip.txt: not\na clip", "give another");
        assert_eq!(
            failure.to_string(),
            "input: clip.txt: not a clip; give another"
        );
    }

    #[test]
    fn reports_a_full_disk() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let failure = Failure::write("stream", "out.h264", &full);
        assert_eq!(failure.status, Status::Other);
        assert!(failure.to_string().contains("disk is full"), "{failure}");
    }
}
