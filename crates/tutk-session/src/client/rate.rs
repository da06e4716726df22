//! How much comes in.

use std::time::{Duration, Instant};

/// How long is counted before a rate is told.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes a second, over the last whole span.
#[derive(Debug)]
pub(super) struct Rate {
    since: Instant,
    bytes: u64,
    last: u64,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
            last: 0,
        }
    }

    /// So many bytes came.
    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.turn(now);
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Bytes a second.
    pub(super) fn per_second(&self) -> u64 {
        self.last
    }

    /// Ends the span if it is over. One in which nothing came ends as well, when it is noticed.
    pub(super) fn turn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.since);
        if elapsed >= SPAN {
            let per_second = u128::from(self.bytes) * 1_000_000 / elapsed.as_micros().max(1);
            self.last = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.since = now;
            self.bytes = 0;
        }
    }
}
