//! The round-trip time, and the timeout of retransmission requests that follows from it.

use core::time::Duration;

/// The timeout before the first sample: more than the round trip of most home networks.
const INITIAL_TIMEOUT: Duration = Duration::from_millis(100);

/// The bounds of the timeout.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(1);

/// The smallest margin above the round trip, for the scheduler of the camera.
const GRANULARITY: Duration = Duration::from_millis(5);

/// The sample for a reported round trip of 0 ms.
const UNDER_A_MILLISECOND: Duration = Duration::from_micros(500);

/// The round-trip time, smoothed as in RFC 6298, section 2.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// Smoothed round trip and its variation.
    estimate: Option<(Duration, Duration)>,
    /// The newest value from the camera, in milliseconds.
    reported: Option<u16>,
    /// There was a probe.
    probed: bool,
}

impl RoundTrip {
    /// Adds the camera's measurement, from a probe or a media packet.
    ///
    /// Media packets repeat the last measurement, so only a changed value is a sample. The camera
    /// reports 0 before its first measurement. So 0 counts only from the second probe on, when it
    /// has an answer to the first.
    pub(super) fn report(&mut self, milliseconds: u16, is_probe: bool) {
        let probed = self.probed;
        self.probed |= is_probe;
        let is_new = is_probe || self.reported != Some(milliseconds);
        self.reported = Some(milliseconds);
        match milliseconds {
            0 if is_probe && probed => self.sample(UNDER_A_MILLISECOND),
            0 => {}
            some if is_new => self.sample(Duration::from_millis(some.into())),
            _ => {}
        }
    }

    /// Adds this side's measurement.
    pub(super) fn sample(&mut self, sample: Duration) {
        self.estimate = Some(match self.estimate {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                let error = smoothed.abs_diff(sample);
                ((smoothed * 7 + sample) / 8, (variation * 3 + error) / 4)
            }
        });
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.estimate.map(|(smoothed, _)| smoothed)
    }

    /// Returns the retransmission timeout.
    pub(super) fn timeout(&self) -> Duration {
        let timeout = self
            .estimate
            .map_or(INITIAL_TIMEOUT, |(smoothed, variation)| {
                smoothed + (variation * 4).max(GRANULARITY)
            });
        timeout.clamp(MIN_TIMEOUT, MAX_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_smoothed() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(round_trip.smoothed(), None);
        assert_eq!(round_trip.timeout(), INITIAL_TIMEOUT);
        for _ in 0..50 {
            round_trip.sample(Duration::from_millis(20));
        }
        assert_eq!(round_trip.smoothed(), Some(Duration::from_millis(20)));
        assert_eq!(round_trip.timeout(), Duration::from_millis(25));
        round_trip.sample(Duration::from_millis(100));
        assert_eq!(round_trip.smoothed(), Some(Duration::from_millis(30)));
        assert!(round_trip.timeout() > Duration::from_millis(100));
    }

    #[test]
    fn zero_counts_from_the_second_probe_on() {
        let mut round_trip = RoundTrip::default();
        for is_probe in [false, false, true, false] {
            round_trip.report(0, is_probe);
        }
        assert_eq!(round_trip.smoothed(), None);
        round_trip.report(0, true);
        assert_eq!(round_trip.smoothed(), Some(Duration::from_micros(500)));
        assert_eq!(round_trip.timeout(), MIN_TIMEOUT);
    }

    #[test]
    fn repeated_reports_in_media_are_one_sample() {
        let mut round_trip = RoundTrip::default();
        round_trip.report(40, true);
        let timeout = round_trip.timeout();
        for _ in 0..20 {
            round_trip.report(40, false);
        }
        assert_eq!(round_trip.timeout(), timeout);
        round_trip.report(40, true);
        assert!(round_trip.timeout() < timeout);
    }

    #[test]
    fn timeout_is_limited() {
        let mut round_trip = RoundTrip::default();
        round_trip.report(u16::MAX, false);
        assert_eq!(round_trip.timeout(), MAX_TIMEOUT);
    }
}
