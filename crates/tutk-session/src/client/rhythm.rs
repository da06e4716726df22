//! The pauses between a camera's packets, and the limit of silence that follows from them.

use core::time::Duration;

use super::machine::Client;

/// The time that must have been observed before the rhythm counts.
const MIN_OBSERVED: Duration = Duration::from_secs(5);

/// How long a pause is remembered at least; twice as long at most.
const WINDOW: Duration = Duration::from_secs(60);

/// Silence must last this many times as long as the longest pause. A camera with one frame per
/// second may lose two.
const MARGIN: u32 = 3;

/// The pauses between the authentic packets of a camera: video, audio, probes and answers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rhythm {
    observed: Duration,
    /// The longest pause of the current window and of the one before.
    longest: [Duration; 2],
    /// The age of the current window.
    age: Duration,
}

impl Rhythm {
    /// A packet arrived, `pause` after the one before.
    pub(crate) fn packet_received(&mut self, pause: Duration) {
        self.observed = self.observed.saturating_add(pause);
        self.age = self.age.saturating_add(pause);
        let [current, before] = &mut self.longest;
        if self.age > WINDOW {
            self.age = Duration::ZERO;
            *before = core::mem::take(current);
        }
        *current = pause.max(*current);
    }

    /// Returns how long the camera may be silent: from `min` to `max`, and `max` as long as too
    /// little was observed.
    pub(crate) fn limit(&self, min: Duration, max: Duration) -> Duration {
        if self.observed < MIN_OBSERVED {
            return max;
        }
        let [current, before] = self.longest;
        let longest = current.max(before).saturating_mul(MARGIN);
        longest.max(min).min(max)
    }
}

impl Client {
    /// Returns the rhythm of the camera's packets, for its next session.
    pub(crate) fn rhythm(&self) -> Rhythm {
        self.phase_timer.rhythm()
    }

    /// Continues the rhythm of an earlier session with the same camera.
    pub(crate) fn set_rhythm(&mut self, rhythm: Rhythm) {
        self.phase_timer.set_rhythm(rhythm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn limit(rhythm: &Rhythm) -> Duration {
        rhythm.limit(MS(2500), MS(10_000))
    }

    #[test]
    fn limit_follows_the_longest_pause() {
        for (pause, expected) in [
            (50, 2500),
            (1000, 3000),
            (2000, 6000),
            (4000, 10_000),
            (u64::MAX, 10_000),
        ] {
            let mut rhythm = Rhythm::default();
            for _ in 0..200 {
                rhythm.packet_received(MS(pause));
            }
            assert_eq!(limit(&rhythm), MS(expected), "{pause}");
        }
    }

    #[test]
    fn long_pauses_are_forgotten_after_one_to_two_minutes() {
        let mut rhythm = Rhythm::default();
        rhythm.packet_received(MS(4000));
        assert_eq!(limit(&rhythm), MS(10_000), "too little was observed");
        rhythm.packet_received(MS(2000));
        assert_eq!(limit(&rhythm), MS(10_000), "the pause of 4 s");
        let mut elapsed = 0;
        while limit(&rhythm) > MS(2500) {
            rhythm.packet_received(MS(100));
            elapsed += 100;
        }
        assert!((60_000..=120_000).contains(&elapsed), "{elapsed}");
    }
}
