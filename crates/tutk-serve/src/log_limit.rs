//! Limits how often clients and cameras can cause the same message in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::now;

/// The period in which each message is logged at most [`BURST`] times.
const INTERVAL: Duration = Duration::from_secs(10);

/// The maximum number of equal messages in [`INTERVAL`].
const BURST: u32 = 10;

/// Logs a message that clients or cameras can cause. The field `times` is the number of occurrences
/// since the message before. After 10 messages in 10 s, further ones are only counted.
macro_rules! log_limited {
    ($level:ident, $($fields:tt)+) => {{
        static LIMIT: $crate::log_limit::LogLimit = $crate::log_limit::LogLimit::new();
        if let Some(times) = LIMIT.count_now() {
            tracing::$level!(times, $($fields)+);
        }
    }};
}
pub(crate) use log_limited;

/// The limit of one message.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The start of the current period.
    since: Option<Instant>,
    /// The messages of the current period.
    logged: u32,
    /// The occurrences since the last message.
    count: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State {
            since: None,
            logged: 0,
            count: 0,
        }))
    }

    /// As [`count`](Self::count), by tokio's clock.
    pub(crate) fn count_now(&self) -> Option<u64> {
        self.count(now())
    }

    /// Counts an occurrence. Returns how many there were since the last message, including this
    /// one, if it may be logged.
    fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        let is_over = |since: Instant| now.saturating_duration_since(since) >= INTERVAL;
        if state.since.is_none_or(is_over) {
            (state.since, state.logged) = (Some(now), 0);
        }
        if state.logged >= BURST {
            return None;
        }
        state.logged += 1;
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the start of a simulated clock")]
mod tests {
    use super::*;

    #[test]
    fn message_is_logged_ten_times_per_interval_with_a_count() {
        let limit = LogLimit::new();
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(limit.count(start), Some(1));
        }
        for _ in 0..1_000 {
            assert_eq!(limit.count(start + INTERVAL / 2), None);
        }
        assert_eq!(limit.count(start + INTERVAL), Some(1_001));
        assert_eq!(limit.count(start + 3 * INTERVAL), Some(1));
    }
}
