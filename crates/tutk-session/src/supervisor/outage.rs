//! Disconnects and outages.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tutk_time::Instant;

use crate::error::Error;

/// The number of outages that are kept. The oldest is dropped first.
pub const MAX_OUTAGES: usize = 32;

/// Why there is no session.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] Error),
    /// The driver could not resolve the host name or open a socket.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
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

    fn silent(phase: Phase) -> ConnectionError {
        let waited = Duration::from_secs(5);
        Error::Silent { phase, waited }.into()
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
