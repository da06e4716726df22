//! How much may be asked for, and how long an answer is waited for.
//!
//! Slices are lost one by one on a bad radio link, and then asking more is right. They are also lost in a queue that
//! is full, and then whatever is sent again makes it fuller. The two look alike but for the answers: a full queue
//! answers late, all the time. So this does with requests what TCP does with segments (RFC 5681, RFC 6298), mildly.

/// Slices that may be asked for and not have come: the fewest, at the beginning, and the most.
const FEWEST: usize = 32;
const FIRST: usize = 64;
const MOST: usize = 128;

/// The most doublings of the time that an answer is waited for.
const MOST_DOUBLINGS: u32 = 3;

/// What the answers so far allow.
#[derive(Debug)]
pub(crate) struct CongestionControl {
    room: usize,
    /// Below it, each answer makes room for one more; beyond, as many as there is room for do (slow start and
    /// congestion avoidance).
    threshold: usize,
    answers: usize,
    doublings: u32,
    /// Whether a slice came that was asked for once, since one did not come in time.
    answered: bool,
    /// When there was last less room.
    cut_at: Option<u64>,
}

impl CongestionControl {
    pub(crate) fn new() -> Self {
        Self {
            room: FIRST,
            threshold: MOST,
            answers: 0,
            doublings: 0,
            answered: true,
            cut_at: None,
        }
    }

    /// A slice came that was asked for so many times. Of one that was asked for twice it is not known which request
    /// was answered: the first may have been, late (Karn's algorithm).
    pub(crate) fn answered(&mut self, asks: u8) {
        self.answers += 1;
        if self.room < self.threshold || self.answers >= self.room {
            self.room = (self.room + 1).min(MOST);
            self.answers = 0;
        }
        if asks == 1 {
            self.answered = true;
            self.doublings = 0;
        }
    }

    /// Slices that were asked for did not come in that time.
    pub(crate) fn timed_out(&mut self, now: u64, wait: u64) {
        if self.cut_at.is_some_and(|at| now < at.saturating_add(wait)) {
            return;
        }
        self.cut_at = Some(now);
        self.room = (self.room / 2).max(FEWEST);
        self.threshold = self.room;
        // One that is lost alone says nothing.
        if !self.answered {
            self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
        }
        self.answered = false;
    }

    /// Slices did not come in time, nor did anything else, until now or still: there is an outage. It takes no more
    /// than to ask less often.
    pub(crate) fn silent(&mut self, has_ended: bool) {
        self.doublings = match has_ended {
            true => 0,
            false => (self.doublings + 1).min(MOST_DOUBLINGS),
        };
    }

    /// How long to wait for an answer that takes `round_trip`.
    pub(crate) fn wait(&self, round_trip: u64) -> u64 {
        round_trip.saturating_mul(1 << self.doublings)
    }

    /// Slices that may be asked for and not have come.
    pub(crate) fn room(&self) -> usize {
        self.room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_for_less_and_waits_longer_while_answers_come_too_late() {
        let mut pace = CongestionControl::new();
        assert_eq!((pace.room(), pace.wait(10)), (FIRST, 10));
        pace.timed_out(0, 10);
        assert_eq!((pace.room(), pace.wait(10)), (32, 10), "once says little");
        pace.timed_out(5, 10);
        assert_eq!(pace.wait(10), 10, "nor twice in the same time");
        for (now, wait) in [(10, 20), (30, 40), (70, 80), (150, 80)] {
            pace.timed_out(now, pace.wait(10));
            assert_eq!((pace.room(), pace.wait(10)), (FEWEST, wait));
            pace.answered(2);
        }
        pace.answered(1);
        assert_eq!(pace.wait(10), 10);
        for _ in 0..MOST * MOST {
            pace.answered(1);
        }
        assert_eq!(pace.room(), MOST);
    }
}
