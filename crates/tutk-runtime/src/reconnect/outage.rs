//! What is told of a session that fell.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use crate::error::Error;

/// How many outages are remembered. Over it the oldest is forgotten.
pub const OUTAGES: usize = 32;

/// A session fell, or an attempt to begin another failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fall {
    /// Why.
    pub error: Error,
    /// When.
    pub at: SystemTime,
    /// How long the session had been up, from being let in; `None` if it never was: an attempt failed.
    pub lasted: Option<Duration>,
    /// How many attempts have failed since a session was up.
    pub attempts: u32,
    /// When the next attempt begins, from now; `None` if there will be none, and the end follows.
    pub next: Option<Duration>,
}

/// A time without a session, from its fall until another was let in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outage {
    /// Why the session fell. Before the first session was let in: why that was not.
    pub error: Error,
    /// When it fell.
    pub at: SystemTime,
    /// How long it had been up, from being let in. Zero before the first session was let in.
    pub lasted: Duration,
    /// How many attempts to begin another failed.
    pub attempts: u32,
    /// Why the newest of them did.
    pub last_error: Option<Error>,
    /// How long there was no session; `None` if there is none yet, or none came.
    pub down: Option<Duration>,
}

/// The newest [`OUTAGES`] of them, oldest first, and whether the newest still goes on.
#[derive(Debug, Default)]
pub(super) struct History {
    outages: VecDeque<Outage>,
    /// Since when there is no session, if there was one or one was tried.
    down_since: Option<Instant>,
}

impl History {
    pub(super) fn outages(&self) -> impl DoubleEndedIterator<Item = &Outage> + ExactSizeIterator {
        self.outages.iter()
    }

    /// A session that had been up fell.
    pub(super) fn fell(&mut self, now: Instant, error: &Error, lasted: Duration) {
        if self.outages.len() >= OUTAGES {
            self.outages.pop_front();
        }
        self.outages.push_back(Outage {
            error: error.clone(),
            at: SystemTime::now(),
            lasted,
            attempts: 0,
            last_error: None,
            down: None,
        });
        self.down_since = Some(now);
    }

    /// An attempt that had begun at `began` failed.
    pub(super) fn attempt_failed(&mut self, began: Instant, error: &Error) {
        if self.down_since.is_none() {
            self.fell(began, error, Duration::ZERO);
        }
        if let Some(outage) = self.outages.back_mut() {
            outage.attempts = outage.attempts.saturating_add(1);
            outage.last_error = Some(error.clone());
        }
    }

    /// A session is up: the outage that this ends, if there was one.
    pub(super) fn restored(&mut self, now: Instant) -> Option<Outage> {
        let since = self.down_since.take()?;
        let outage = self.outages.back_mut()?;
        outage.down = Some(now.saturating_duration_since(since));
        Some(outage.clone())
    }

    /// Attempts that failed since a session was up.
    pub(super) fn attempts(&self) -> u32 {
        match (self.down_since, self.outages.back()) {
            (Some(_), Some(outage)) => outage.attempts,
            _ => 0,
        }
    }

    /// How long there has been no session.
    pub(super) fn down(&self, now: Instant) -> Duration {
        let down = |since| now.saturating_duration_since(since);
        self.down_since.map(down).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use tutk_session::Phase;

    use super::*;

    fn silent(phase: Phase) -> Error {
        let waited = Duration::from_secs(5);
        tutk_session::Error::Silent { phase, waited }.into()
    }

    #[test]
    fn an_outage_counts_what_failed_until_it_ends() {
        let start = Instant::now();
        let mut history = History::default();
        assert!(history.restored(start).is_none(), "the first session");
        history.fell(start, &silent(Phase::Stream), Duration::from_secs(60));
        for attempt in 1..=3 {
            history.attempt_failed(start, &silent(Phase::Discovery));
            assert_eq!(history.attempts(), attempt);
        }
        let later = start + Duration::from_secs(7);
        assert_eq!(history.down(later), Duration::from_secs(7));
        let outage = history.restored(later).unwrap();
        assert_eq!(outage.down, Some(Duration::from_secs(7)));
        assert_eq!((outage.attempts, outage.lasted.as_secs()), (3, 60));
        assert!(outage.error.to_string().starts_with("stream"));
        assert!(
            outage
                .last_error
                .unwrap()
                .to_string()
                .starts_with("discovery")
        );
        assert_eq!(
            (history.attempts(), history.down(later)),
            (0, Duration::ZERO)
        );
        assert!(history.restored(later).is_none(), "told twice");
    }

    #[test]
    fn before_the_first_session_it_is_down_since_the_first_attempt() {
        let start = Instant::now();
        let mut history = History::default();
        history.attempt_failed(start, &silent(Phase::Discovery));
        history.attempt_failed(start + Duration::from_secs(5), &silent(Phase::Session));
        let outage = history.restored(start + Duration::from_secs(6)).unwrap();
        assert_eq!(outage.down, Some(Duration::from_secs(6)));
        assert_eq!((outage.attempts, outage.lasted), (2, Duration::ZERO));
    }

    #[test]
    fn the_oldest_is_forgotten() {
        let start = Instant::now();
        let mut history = History::default();
        let count = 3 * OUTAGES as u64;
        for second in 0..count {
            history.fell(start, &silent(Phase::Stream), Duration::from_secs(second));
        }
        assert_eq!(history.outages().len(), OUTAGES);
        let newest = history.outages().next_back().unwrap();
        assert_eq!(newest.lasted.as_secs(), count - 1);
    }
}
