//! Disconnects and outages.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use tutk_time::Instant;

/// The number of outages that are kept. The oldest is dropped first.
pub const MAX_OUTAGES: usize = 32;

/// Why there is no session.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] crate::Error),
    /// The driver could not resolve the host name or open a socket.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// An error of the driver, which owns sockets and name resolution. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DriverError {
    error: Arc<dyn Error + Send + Sync>,
    is_not_found: bool,
}

impl DriverError {
    /// Wraps an error.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            error: Arc::new(error),
            is_not_found: false,
        }
    }

    /// Wraps an error that says that the camera's address is not known: its host name does not
    /// resolve, or a search for it has ended without a result.
    pub fn not_found(error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            is_not_found: true,
            ..Self::new(error)
        }
    }

    /// Returns `true` if the camera's address is not known.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.is_not_found
    }

    /// Returns the wrapped error, for example to downcast it.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for DriverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// [`NotFound`](std::io::ErrorKind::NotFound) says that the camera's address is not known.
#[cfg(feature = "std")]
impl From<std::io::Error> for DriverError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::not_found(error),
            _ => Self::new(error),
        }
    }
}

/// The end of a session, or a failed attempt to connect.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Disconnect {
    /// The reason.
    pub error: ConnectionError,
    /// When it happened, since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// How long the session had been authenticated; `None` if an attempt failed before that.
    pub lasted: Option<Duration>,
    /// The number of failed attempts since the last authenticated session.
    pub attempts: u32,
    /// The time until the next attempt; `None` if there is none.
    pub next: Option<Duration>,
}

/// A time without a session, from a disconnect until the camera authenticates the client again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outage {
    /// Why the session ended. Before the first session: why the first attempt failed.
    pub error: ConnectionError,
    /// When the session ended, since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// How long that session had been authenticated. Zero before the first session.
    pub lasted: Duration,
    /// The number of failed attempts to reconnect.
    pub attempts: u32,
    /// The error of the newest failed attempt.
    pub last_error: Option<ConnectionError>,
    /// How long the outage lasted; `None` if there is no session yet.
    pub down: Option<Duration>,
}

/// The newest [`MAX_OUTAGES`] outages, oldest first.
#[derive(Debug, Default)]
pub(super) struct OutageLog {
    outages: VecDeque<Outage>,
    /// The start of the current outage.
    down_since: Option<Instant>,
}

impl OutageLog {
    pub(super) fn outages(&self) -> impl DoubleEndedIterator<Item = &Outage> + ExactSizeIterator {
        self.outages.iter()
    }

    /// An authenticated session ended at `now`, `at` after 1970.
    pub(super) fn disconnected(
        &mut self,
        now: Instant,
        at: Duration,
        error: &ConnectionError,
        lasted: Duration,
    ) {
        if self.outages.len() >= MAX_OUTAGES {
            self.outages.pop_front();
        }
        self.outages.push_back(Outage {
            error: error.clone(),
            at,
            lasted,
            attempts: 0,
            last_error: None,
            down: None,
        });
        self.down_since = Some(now);
    }

    /// An attempt that started at `since` failed.
    pub(super) fn attempt_failed(&mut self, since: Instant, at: Duration, error: &ConnectionError) {
        if self.down_since.is_none() {
            self.disconnected(since, at, error, Duration::ZERO);
        }
        if let Some(outage) = self.outages.back_mut() {
            outage.attempts = outage.attempts.saturating_add(1);
            outage.last_error = Some(error.clone());
        }
    }

    /// Ends the current outage and returns it.
    pub(super) fn restored(&mut self, now: Instant) -> Option<Outage> {
        let since = self.down_since.take()?;
        let outage = self.outages.back_mut()?;
        outage.down = Some(now.duration_since(since));
        Some(outage.clone())
    }

    /// Returns the number of failed attempts in the current outage.
    pub(super) fn attempts(&self) -> u32 {
        match (self.down_since, self.outages.back()) {
            (Some(_), Some(outage)) => outage.attempts,
            _ => 0,
        }
    }

    /// Returns how long the current outage has lasted.
    pub(super) fn down(&self, now: Instant) -> Duration {
        let down = |since| now.duration_since(since);
        self.down_since.map(down).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::Phase;
    use alloc::string::ToString;

    fn silent(phase: Phase) -> ConnectionError {
        let waited = Duration::from_secs(5);
        crate::Error::Silent { phase, waited }.into()
    }

    const AT: Duration = Duration::ZERO;

    #[test]
    fn outage_counts_failed_attempts_until_restored() {
        let start = Instant::ZERO;
        let mut log = OutageLog::default();
        assert!(log.restored(start).is_none(), "the first session");
        log.disconnected(start, AT, &silent(Phase::Stream), Duration::from_secs(60));
        for attempt in 1..=3 {
            log.attempt_failed(start, AT, &silent(Phase::Discovery));
            assert_eq!(log.attempts(), attempt);
        }
        let later = start + Duration::from_secs(7);
        assert_eq!(log.down(later), Duration::from_secs(7));
        let outage = log.restored(later).unwrap();
        assert_eq!(outage.down, Some(Duration::from_secs(7)));
        assert_eq!((outage.attempts, outage.lasted.as_secs()), (3, 60));
        assert!(outage.error.to_string().starts_with("stream"));
        let last_error = outage.last_error.unwrap().to_string();
        assert!(last_error.starts_with("discovery"));
        assert_eq!((log.attempts(), log.down(later)), (0, Duration::ZERO));
        assert!(log.restored(later).is_none(), "restored twice");
    }

    #[test]
    fn first_outage_starts_with_the_first_attempt() {
        let start = Instant::ZERO;
        let mut log = OutageLog::default();
        log.attempt_failed(start, AT, &silent(Phase::Discovery));
        let second = start + Duration::from_secs(5);
        log.attempt_failed(second, AT, &silent(Phase::Session));
        let outage = log.restored(start + Duration::from_secs(6)).unwrap();
        assert_eq!(outage.down, Some(Duration::from_secs(6)));
        assert_eq!((outage.attempts, outage.lasted), (2, Duration::ZERO));
    }

    #[test]
    fn oldest_outage_is_dropped() {
        let start = Instant::ZERO;
        let mut log = OutageLog::default();
        let count = 3 * MAX_OUTAGES as u64;
        for second in 0..count {
            let lasted = Duration::from_secs(second);
            log.disconnected(start, AT, &silent(Phase::Stream), lasted);
        }
        assert_eq!(log.outages().len(), MAX_OUTAGES);
        let newest = log.outages().next_back().unwrap();
        assert_eq!(newest.lasted.as_secs(), count - 1);
    }
}
