//! Limits how often strangers can make the program log the same message.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The minimum time between two messages.
const INTERVAL: Duration = Duration::from_secs(10);

/// The limit of one message.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    count: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(State {
            last: None,
            count: 0,
        }))
    }

    /// Counts an occurrence. Returns how many there were since the last message, including this
    /// one, if it is time for another message.
    pub(crate) fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.count += 1;
        let due = state
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if !due {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.count))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the start of a simulated clock")]
mod tests {
    use super::*;

    #[test]
    fn message_is_logged_once_per_interval_with_a_count() {
        let limit = LogLimit::new();
        let start = Instant::now();
        assert_eq!(limit.count(start), Some(1));
        for _ in 0..1_000 {
            assert_eq!(limit.count(start + INTERVAL / 2), None);
        }
        assert_eq!(limit.count(start + INTERVAL), Some(1_001));
        assert_eq!(limit.count(start + 3 * INTERVAL), Some(1));
    }
}
