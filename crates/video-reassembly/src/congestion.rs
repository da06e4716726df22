//! Congestion control of retransmission requests.
//!
//! Losses on a radio link call for more requests. Losses in a full queue call for fewer, because
//! retransmissions fill it further. Only a full queue delays all answers, so requests follow a mild
//! form of TCP's congestion control (RFC 5681) and retransmission timer (RFC 6298).

use core::time::Duration;

use tutk_time::Instant;

/// Bounds of the window, and its initial size, in requested slices.
const MIN_WINDOW: usize = 32;
const INITIAL_WINDOW: usize = 64;
const MAX_WINDOW: usize = 128;

/// The limit of the exponential back-off.
const MAX_DOUBLINGS: u32 = 3;

#[derive(Debug)]
pub(crate) struct CongestionControl {
    window: usize,
    /// Slow start below this window, congestion avoidance above.
    threshold: usize,
    /// Answers since the window last grew.
    answers: usize,
    doublings: u32,
    /// `true` if a slice requested once has arrived since the last timeout.
    answered: bool,
    reduced_at: Option<Instant>,
}

impl CongestionControl {
    pub(crate) fn new() -> Self {
        Self {
            window: INITIAL_WINDOW,
            threshold: MAX_WINDOW,
            answers: 0,
            doublings: 0,
            answered: true,
            reduced_at: None,
        }
    }

    /// Handles a requested slice. After several requests it is unknown which one it answers, so it
    /// does not reset the back-off (Karn's algorithm).
    pub(crate) fn on_answer(&mut self, requests: u8) {
        self.answers += 1;
        if self.window < self.threshold || self.answers >= self.window {
            self.window = (self.window + 1).min(MAX_WINDOW);
            self.answers = 0;
        }
        if requests == 1 {
            self.answered = true;
            self.doublings = 0;
        }
    }

    /// Handles requested slices that did not arrive within `timeout` while others did.
    pub(crate) fn on_timeout(&mut self, now: Instant, timeout: Duration) {
        let holds = |at: Instant| now < at + timeout;
        if self.reduced_at.is_some_and(holds) {
            return;
        }
        self.reduced_at = Some(now);
        self.window = (self.window / 2).max(MIN_WINDOW);
        self.threshold = self.window;
        // A single loss is no reason to back off.
        if !self.answered {
            self.doublings = (self.doublings + 1).min(MAX_DOUBLINGS);
        }
        self.answered = false;
    }

    /// Handles a timeout during an outage, in which no slice arrived. Only the back-off changes.
    pub(crate) fn on_outage(&mut self, has_ended: bool) {
        self.doublings = match has_ended {
            true => 0,
            false => (self.doublings + 1).min(MAX_DOUBLINGS),
        };
    }

    /// Returns how long to wait for an answer.
    pub(crate) fn timeout(&self, rtt: Duration) -> Duration {
        rtt.saturating_mul(1 << self.doublings)
    }

    /// Returns the limit of slices that are requested and outstanding.
    pub(crate) fn window(&self) -> usize {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backs_off_on_late_answers_and_recovers() {
        let ms = Duration::from_millis;
        let mut control = CongestionControl::new();
        assert_eq!(
            (control.window(), control.timeout(ms(10))),
            (INITIAL_WINDOW, ms(10))
        );
        control.on_timeout(Instant::ZERO, ms(10));
        assert_eq!(
            (control.window(), control.timeout(ms(10))),
            (32, ms(10)),
            "first timeout"
        );
        control.on_timeout(Instant::from_millis(5), ms(10));
        assert_eq!(control.timeout(ms(10)), ms(10), "within the same timeout");
        for (now, timeout) in [(10, 20), (30, 40), (70, 80), (150, 80)] {
            control.on_timeout(Instant::from_millis(now), control.timeout(ms(10)));
            assert_eq!(
                (control.window(), control.timeout(ms(10))),
                (MIN_WINDOW, ms(timeout))
            );
            control.on_answer(2);
        }
        control.on_answer(1);
        assert_eq!(control.timeout(ms(10)), ms(10));
        for _ in 0..MAX_WINDOW * MAX_WINDOW {
            control.on_answer(1);
        }
        assert_eq!(control.window(), MAX_WINDOW);
    }
}
