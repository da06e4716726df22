//! The phases of a session, their time limits, and the clock.

use core::fmt;
use core::time::Duration;

use tutk_time::Instant;

/// A phase of a session, in order (docs/protocol.md, section "Overview").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Finding the camera and, if it is not known, its dialect.
    Discovery,
    /// Session request and its answer.
    Session,
    /// The DTLS handshake.
    Dtls,
    /// The AV login.
    Login,
    /// Challenge and response, K10000 to K10003.
    Authentication,
    /// From authentication to the last frame. The phase completes with the first frame.
    Stream,
}

impl Phase {
    /// All phases in order.
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

    /// Returns the short lower-case name for reports.
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

/// A completed phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseReport {
    /// The phase.
    pub phase: Phase,
    /// The duration since the end of the previous phase.
    pub took: Duration,
}

/// The time limits of the phases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadlines {
    /// For an answer to discovery; usually 5 s (docs/protocol.md, section "Discovery and session").
    pub discovery: Duration,
    /// For an answer to the session request.
    pub session: Duration,
    /// For the whole DTLS handshake.
    pub dtls: Duration,
    /// For the login's answer.
    pub login: Duration,
    /// For K10001 and K10003 together.
    pub authentication: Duration,
    /// For each complete frame.
    pub stream: Duration,
    /// For any packet during a stream. A camera that sends packets less often has more time: three
    /// times its longest pause in the last one to two minutes, at most [`stream`](Self::stream),
    /// which also applies to the first 5 s. A network outage of 2 s does not end the session.
    pub stall: Duration,
    /// For any packet from the camera while no video is requested, in dialects whose cameras send
    /// keepalives. The interval of real cameras is not known, so the limit is generous.
    pub silence: Duration,
    /// For the answer to a command.
    pub command: Duration,
    /// For the camera to open its audio channel after the request.
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
            stall: Duration::from_millis(2500),
            silence: Duration::from_secs(30),
            command: Duration::from_secs(5),
            talk: Duration::from_secs(10),
        }
    }
}

/// The monotonic and the wall-clock time of one moment.
///
/// The session never reads a clock. It gets both times at construction, and derives later times
/// from the instants of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The monotonic time.
    pub instant: Instant,
    /// The time since 1970-01-01 00:00 UTC.
    pub unix: Duration,
}

impl Epoch {
    /// A monotonic time, and the time since 1970-01-01 00:00 UTC at that moment.
    #[must_use]
    pub fn new(instant: impl Into<Instant>, unix: Duration) -> Self {
        Self {
            instant: instant.into(),
            unix,
        }
    }

    /// Returns the time since 1970 at `now`.
    #[must_use]
    pub fn unix_at(&self, now: Instant) -> Duration {
        let since = now.duration_since(self.instant);
        self.unix.saturating_add(since)
    }

    /// Returns the Unix seconds at `now` in 32 bits, as in packets.
    #[doc(hidden)]
    #[must_use]
    pub fn unix_seconds_at(&self, now: Instant) -> u32 {
        u32::try_from(self.unix_at(now).as_secs()).unwrap_or(u32::MAX)
    }

    /// Returns the low 16 bits of the milliseconds since the epoch (docs/protocol.md, section "One
    /// grammar").
    #[doc(hidden)]
    #[must_use]
    pub fn link_clock_at(&self, now: Instant) -> u16 {
        let [low, high, ..] = now.duration_since(self.instant).as_millis().to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}
