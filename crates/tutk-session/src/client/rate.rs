//! The rate of received bytes.

use core::time::Duration;

use tutk_time::Instant;

/// The shortest time over which the rate is measured.
const SPAN: Duration = Duration::from_secs(1);

/// Bytes per second, over the last complete span.
#[derive(Debug)]
pub(super) struct Rate {
    span_start: Instant,
    span_bytes: u64,
    per_second: u64,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            span_start: now,
            span_bytes: 0,
            per_second: 0,
        }
    }

    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.update(now);
        self.span_bytes = self.span_bytes.saturating_add(bytes as u64);
    }

    pub(super) fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Starts a new span if the current one is complete.
    pub(super) fn update(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.span_start);
        if elapsed >= SPAN {
            let per_second = u128::from(self.span_bytes) * 1_000_000 / elapsed.as_micros().max(1);
            self.per_second = u64::try_from(per_second).unwrap_or(u64::MAX);
            self.span_start = now;
            self.span_bytes = 0;
        }
    }
}
