//! When a failed recording is tried again, and how often that is logged.

use std::time::{Duration, Instant};

/// The pause after the first failure, for example of a full disk. Each further one is twice as
/// long.
const FIRST: Duration = Duration::from_secs(1);

/// The maximum pause.
const MAX: Duration = Duration::from_secs(60);

/// The minimum time between two messages about the same failure.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// The failures since the recording last worked.
#[derive(Debug, Default)]
pub(super) struct Retry {
    count: u32,
    since: Option<Instant>,
    logged: Option<Instant>,
}

impl Retry {
    /// Counts a failure. Returns the pause, and the number of failures if they should be logged.
    pub(super) fn fail(&mut self, now: Instant) -> (Duration, Option<u32>) {
        let pause = FIRST.saturating_mul(1_u32.checked_shl(self.count).unwrap_or(u32::MAX));
        self.count = self.count.saturating_add(1);
        self.since.get_or_insert(now);
        let due = |logged: Instant| now.saturating_duration_since(logged) >= LOG_INTERVAL;
        let log = self.logged.is_none_or(due);
        if log {
            self.logged = Some(now);
        }
        (pause.min(MAX), log.then_some(self.count))
    }

    /// Forgets all failures. Returns how many there were and for how long, if any.
    pub(super) fn succeed(&mut self, now: Instant) -> Option<(u32, Duration)> {
        let Self { count, since, .. } = std::mem::take(self);
        since.map(|since| (count, now.saturating_duration_since(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_messages_are_rare() {
        let start = Instant::now();
        let (mut now, mut retry) = (start, Retry::default());
        let mut logged = Vec::new();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60] {
            let (found, log) = retry.fail(now);
            assert_eq!(found, Duration::from_secs(pause));
            logged.extend(log);
            now += found;
        }
        assert_eq!(logged, [1, 16]);
        let (count, time) = retry.succeed(now).unwrap();
        assert_eq!((count, time), (16, now - start));
        assert_eq!(retry.succeed(now), None);
        assert_eq!(retry.fail(now), (FIRST, Some(1)));
    }
}
