//! Recent data rates, computed from successive readings of counters.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The minimum time between kept samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// The maximum age of a sample.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The maximum number of kept samples.
const MAX_SAMPLES: usize = 8;

/// Computes the rate between the oldest kept sample and the newest one. For a page that polls every
/// second it is an average over 1 to 8 s. For a Prometheus server it is the average since the
/// previous scrape.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    samples: VecDeque<Sample>,
    newest: Option<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    bytes: u64,
    frames: u64,
}

impl Rate {
    /// Adds the current values of the counters.
    pub(super) fn sample(&mut self, bytes: u64, frames: u64) {
        let sample = Sample {
            at: Instant::now(),
            bytes,
            frames,
        };
        self.newest = Some(sample);
        self.samples.retain(|kept| kept.at.elapsed() <= MAX_AGE);
        let newest = self.samples.back();
        if newest.is_none_or(|newest| newest.at.elapsed() >= INTERVAL) {
            self.samples.push_back(sample);
        }
        if self.samples.len() > MAX_SAMPLES {
            self.samples.pop_front();
        }
    }

    /// Returns `true` if there are two samples with at least [`INTERVAL`] between them.
    pub(super) fn is_known(&self) -> bool {
        self.period().is_some()
    }

    /// Returns bytes per second.
    pub(super) fn bytes(&self) -> f64 {
        self.per_second(|sample| sample.bytes)
    }

    /// Returns video frames per second.
    pub(super) fn frames(&self) -> f64 {
        self.per_second(|sample| sample.frames)
    }

    fn period(&self) -> Option<(Sample, Sample, Duration)> {
        let (first, newest) = (*self.samples.front()?, self.newest?);
        let time = newest.at.duration_since(first.at);
        (time >= INTERVAL).then_some((first, newest, time))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "the counts of a minute are far below 2^52"
    )]
    fn per_second(&self, of: impl Fn(&Sample) -> u64) -> f64 {
        self.period().map_or(0.0, |(first, newest, time)| {
            of(&newest).saturating_sub(of(&first)) as f64 / time.as_secs_f64()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rate_covers_recent_samples_only() {
        let mut rate = Rate::default();
        rate.sample(1_000, 5);
        assert!(!rate.is_known());
        tokio::time::advance(Duration::from_millis(500)).await;
        rate.sample(1_500, 10);
        assert!(!rate.is_known());
        tokio::time::advance(Duration::from_millis(1_500)).await;
        rate.sample(5_000, 45);
        assert!(rate.is_known());
        assert_eq!((rate.bytes(), rate.frames()), (2_000.0, 20.0));
        // Without new data the rate drops to zero after some samples.
        for _ in 0..20 {
            tokio::time::advance(INTERVAL).await;
            rate.sample(5_000, 45);
        }
        assert_eq!(rate.bytes(), 0.0);
        tokio::time::advance(2 * MAX_AGE).await;
        rate.sample(9_000, 45);
        assert!(!rate.is_known());
    }
}
