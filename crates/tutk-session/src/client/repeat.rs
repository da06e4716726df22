//! The repetition of the login and of the authentication.

use core::time::Duration;

use tutk_time::Instant;

use super::requests::REPEAT_INTERVAL;

/// The shortest time before the first repetition: a camera may need this long for an answer.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

/// When a packet that is not answered is sent again: after some round trips, then after twice as
/// long each time, up to the interval of other clients.
#[derive(Debug, Default)]
pub(super) struct Repeat {
    /// The next time, and the interval before it.
    next: Option<(Instant, Duration)>,
}

impl Repeat {
    /// Returns the interval before the first repetition.
    pub(super) fn first_interval(round_trip: Duration) -> Duration {
        round_trip
            .saturating_mul(3)
            .clamp(MIN_INTERVAL, REPEAT_INTERVAL)
    }

    /// Starts with a packet that is sent now.
    pub(super) fn start(&mut self, now: Instant, interval: Duration) {
        self.next = Some((now + interval, interval));
    }

    /// Starts with a packet that was sent earlier: it is sent again after `wait`, and after
    /// `interval` for the second time.
    pub(super) fn start_after(&mut self, now: Instant, wait: Duration, interval: Duration) {
        self.next = Some((now + wait, interval / 2));
    }

    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    /// Returns `true` if the packet must be sent again now.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.filter(|&(at, _)| at <= now);
        if let Some((_, interval)) = due {
            self.start(now, (interval * 2).min(REPEAT_INTERVAL));
        }
        due.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next.map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn intervals_double_up_to_a_second() {
        let mut repeat = Repeat::default();
        repeat.start(Instant::ZERO, Repeat::first_interval(MS(80)));
        let times: Vec<_> = core::iter::from_fn(|| {
            let at = repeat.deadline()?;
            assert!(repeat.take_due(at) && !repeat.take_due(at));
            Some(at.duration_since(Instant::ZERO))
        })
        .take(4)
        .collect();
        assert_eq!(times, [MS(240), MS(720), MS(1680), MS(2680)]);
        repeat.start_after(Instant::ZERO, MS(30), MS(240));
        assert!(repeat.take_due(Instant::ZERO + MS(30)));
        assert_eq!(repeat.deadline(), Some(Instant::ZERO + MS(270)));
        repeat.stop();
        assert_eq!(repeat.deadline(), None);
    }

    #[test]
    fn first_interval_has_limits() {
        assert_eq!(Repeat::first_interval(MS(1)), MS(200));
        assert_eq!(Repeat::first_interval(MS(100)), MS(300));
        assert_eq!(Repeat::first_interval(MS(2000)), MS(1000));
    }
}
