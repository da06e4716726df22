//! How long a packet takes to the camera and an answer back.

use std::time::Duration;

/// Before anything is known: more than most home networks take.
const UNKNOWN: u64 = 100_000;

/// The least and the most that an answer is waited for. Clocks of a millisecond tell nothing finer.
const SHORTEST: u64 = 10_000;
const LONGEST: u64 = 1_000_000;

/// The part of a wait that is there for a scheduler on the other side, microseconds.
const GRANULARITY: u64 = 5_000;

/// What the camera reports as no time at all.
const UNDER_A_MILLISECOND: u64 = 500;

/// The round trip, smoothed as RFC 6298 section 2 has it. All times are in microseconds.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    /// Smoothed round trip and its variation.
    estimate: Option<(u64, u64)>,
    /// What the camera has reported last.
    reported: Option<u16>,
    /// Whether a probe has come before.
    probed: bool,
}

impl RoundTrip {
    /// The camera says how long it takes, milliseconds, in a probe or with media.
    ///
    /// With media it says the same again and again: that is one measurement, not many. Before it
    /// knows it says 0, and that is the same as for a network that takes none: so only that of a
    /// second probe counts, when the answer to the first one has been there.
    pub(super) fn report(&mut self, milliseconds: u16, is_probe: bool) {
        let probed = self.probed;
        self.probed |= is_probe;
        let is_news = is_probe || self.reported != Some(milliseconds);
        self.reported = Some(milliseconds);
        match milliseconds {
            0 if is_probe && probed => self.sample(UNDER_A_MILLISECOND),
            0 => {}
            some if is_news => self.sample(u64::from(some) * 1_000),
            _ => {}
        }
    }

    /// One round trip was seen.
    pub(super) fn sample(&mut self, micros: u64) {
        self.estimate = Some(match self.estimate {
            None => (micros, micros / 2),
            Some((smoothed, variation)) => {
                let error = smoothed.abs_diff(micros);
                ((smoothed * 7 + micros) / 8, (variation * 3 + error) / 4)
            }
        });
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        let (smoothed, _) = self.estimate?;
        Some(Duration::from_micros(smoothed))
    }

    /// How long an answer can be waited for, microseconds.
    pub(super) fn patience(&self) -> u64 {
        let patience = self.estimate.map_or(UNKNOWN, |(smoothed, variation)| {
            smoothed + (variation * 4).max(GRANULARITY)
        });
        patience.clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_is_seen() {
        let mut round_trip = RoundTrip::default();
        assert_eq!(
            (round_trip.smoothed(), round_trip.patience()),
            (None, UNKNOWN)
        );
        for _ in 0..50 {
            round_trip.sample(20_000);
        }
        assert_eq!(round_trip.smoothed(), Some(Duration::from_millis(20)));
        assert_eq!(round_trip.patience(), 25_000);
        round_trip.sample(100_000);
        assert_eq!(round_trip.smoothed(), Some(Duration::from_millis(30)));
        assert!(round_trip.patience() > 100_000);
    }

    #[test]
    fn the_first_zero_of_a_camera_says_nothing() {
        let mut round_trip = RoundTrip::default();
        round_trip.report(0, false);
        round_trip.report(0, false);
        round_trip.report(0, true);
        round_trip.report(0, false);
        assert_eq!(round_trip.smoothed(), None);
        round_trip.report(0, true);
        assert_eq!(round_trip.smoothed(), Some(Duration::from_micros(500)));
        assert_eq!(round_trip.patience(), SHORTEST);
    }

    #[test]
    fn what_media_repeats_is_said_once() {
        let mut round_trip = RoundTrip::default();
        round_trip.report(40, true);
        let once = round_trip.patience();
        for _ in 0..20 {
            round_trip.report(40, false);
        }
        assert_eq!(round_trip.patience(), once);
        round_trip.report(40, true);
        assert!(round_trip.patience() < once);
    }

    #[test]
    fn patience_has_an_end() {
        let mut round_trip = RoundTrip::default();
        round_trip.report(u16::MAX, false);
        assert_eq!(round_trip.patience(), LONGEST);
    }
}
