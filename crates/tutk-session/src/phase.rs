//! The six phases of a session, and the clock that measures them.

use std::fmt;
use std::time::{Duration, Instant};

/// A phase of a session, in order (summary.md, "Connection Flow").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Finding the camera and, where it is not known, the dialect it speaks.
    Discovery,
    /// Session request and its answer.
    Session,
    /// The DTLS handshake.
    Dtls,
    /// The AV login.
    Login,
    /// Challenge and response, K10000 to K10003.
    Authentication,
    /// From the camera's yes to the last frame. Complete, as a phase, with the first whole frame.
    Stream,
}

impl Phase {
    /// All six, in order.
    pub const ALL: [Self; 6] = [
        Self::Discovery,
        Self::Session,
        Self::Dtls,
        Self::Login,
        Self::Authentication,
        Self::Stream,
    ];

    /// The phase after this one, or `None` for the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|&phase| phase > self)
    }

    /// Short lower-case name, for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Session => "session",
            Self::Dtls => "dtls",
            Self::Login => "login",
            Self::Authentication => "authentication",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One phase that was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseReport {
    /// Which one.
    pub phase: Phase,
    /// How long it took, from the end of the one before it.
    pub took: Duration,
}

/// How long a client waits in each phase before it gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// For an answer to discovery; 5 s is the usual limit (wire.md section 4).
    pub discovery: Duration,
    /// For an answer to the session request.
    pub session: Duration,
    /// For the whole DTLS handshake.
    pub dtls: Duration,
    /// For the login's answer.
    pub login: Duration,
    /// For K10001 and K10003 together.
    pub authentication: Duration,
    /// For a whole frame: the first one, and later each next one.
    pub stream: Duration,
    /// For anything at all from the camera while no frame is waited for, in dialects whose cameras
    /// ask whether we are there. How often real ones do is not known: this leaves them much time.
    pub silence: Duration,
    /// For the answer to a command.
    pub command: Duration,
    /// For the camera to open its channel for sound to it, from the request on.
    pub talk: Duration,
}

impl Deadlines {
    pub(crate) fn of(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Discovery => self.discovery,
            Phase::Session => self.session,
            Phase::Dtls => self.dtls,
            Phase::Login => self.login,
            Phase::Authentication => self.authentication,
            Phase::Stream => self.stream,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            discovery: Duration::from_secs(5),
            session: Duration::from_secs(5),
            dtls: Duration::from_secs(10),
            login: Duration::from_secs(10),
            authentication: Duration::from_secs(10),
            stream: Duration::from_secs(10),
            silence: Duration::from_secs(30),
            command: Duration::from_secs(5),
            talk: Duration::from_secs(10),
        }
    }
}

/// So much later than `at`. A time that no clock will reach, such as [`Duration::MAX`] for "no
/// limit", becomes one that no session will.
pub fn later(at: Instant, by: Duration) -> Instant {
    const AGES: Duration = Duration::from_secs(3600 * 24 * 365);
    at.checked_add(by).unwrap_or_else(|| at + AGES)
}

/// Monotonic and wall-clock time of one moment, as the caller's clocks had it.
///
/// The session never reads a clock. It is told both times once, at construction, and counts on from
/// there with the instants it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The moment, monotonic.
    pub instant: Instant,
    /// The same moment, time since 1970-01-01 00:00 UTC.
    pub unix: Duration,
}

impl Epoch {
    /// Time since 1970 at `now`.
    #[must_use]
    pub fn unix_at(&self, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.instant);
        self.unix.saturating_add(since)
    }

    /// Unix seconds at `now`, in the 32 bits that packets have for them.
    #[doc(hidden)]
    #[must_use]
    pub fn unix_seconds_at(&self, now: Instant) -> u32 {
        u32::try_from(self.unix_at(now).as_secs()).unwrap_or(u32::MAX)
    }

    /// Low 16 bits of a millisecond clock that began with the epoch (wire.md section 8).
    #[doc(hidden)]
    #[must_use]
    pub fn link_clock_at(&self, now: Instant) -> u16 {
        let [low, high, ..] = now
            .saturating_duration_since(self.instant)
            .as_millis()
            .to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}
