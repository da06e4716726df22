//! The time budget.

use std::time::Duration;

use tokio::time::Instant;

/// The budget without `--budget`.
const USUAL: Duration = Duration::from_secs(30);

/// Divides a time budget between the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    scale: f64,
    ends: Instant,
}

impl Schedule {
    /// Starts now.
    pub(crate) fn new(budget: Duration) -> Self {
        Self {
            scale: budget.as_secs_f64() / USUAL.as_secs_f64(),
            ends: Instant::now() + budget,
        }
    }

    /// Returns the time for a step that takes at most `usual` seconds of 30, and no more than is
    /// left.
    pub(crate) fn limit(&self, usual: f64) -> Duration {
        Duration::from_secs_f64(usual * self.scale).min(self.left())
    }

    pub(crate) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Returns `true` if a step that takes `usual` seconds of 30 still fits.
    pub(crate) fn has(&self, usual: f64) -> bool {
        self.left() >= Duration::from_secs_f64(usual * self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn scales_steps_and_never_exceeds_the_budget() {
        let schedule = Schedule::new(Duration::from_secs(15));
        assert_eq!(schedule.limit(10.0), Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(12)).await;
        assert_eq!(schedule.limit(10.0), Duration::from_secs(3));
        assert!(schedule.has(6.0) && !schedule.has(6.1));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(schedule.limit(1.0), Duration::ZERO);
    }
}
