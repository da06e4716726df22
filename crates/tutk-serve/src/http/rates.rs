//! How much comes in a second: from what was counted when somebody looked before.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Looks are this far apart at least, or the newer one is not kept.
const APART: Duration = Duration::from_secs(1);

/// What is older says nothing of late.
const OLD: Duration = Duration::from_secs(60);

/// Looks that are kept.
const LOOKS: usize = 8;

/// What was counted, and when. A rate is told from the oldest look that is kept to the newest: 1 to 8 s for a page that
/// looks every second, and from one scrape to the next for who comes each half minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    looks: VecDeque<Look>,
    now: Option<Look>,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Instant,
    bytes: u64,
    pictures: u64,
}

impl Rate {
    /// What was counted by now.
    pub(super) fn look(&mut self, bytes: u64, pictures: u64) {
        let look = Look {
            at: Instant::now(),
            bytes,
            pictures,
        };
        self.now = Some(look);
        self.looks.retain(|kept| kept.at.elapsed() <= OLD);
        let newest = self.looks.back();
        if newest.is_none_or(|newest| newest.at.elapsed() >= APART) {
            self.looks.push_back(look);
        }
        if self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
    }

    /// Whether there are two looks that are far enough apart.
    pub(super) fn is_known(&self) -> bool {
        self.over().is_some()
    }

    /// Bytes a second.
    pub(super) fn bytes(&self) -> f64 {
        self.a_second(|look| look.bytes)
    }

    /// Pictures a second.
    pub(super) fn pictures(&self) -> f64 {
        self.a_second(|look| look.pictures)
    }

    fn over(&self) -> Option<(Look, Look, Duration)> {
        let (first, now) = (*self.looks.front()?, self.now?);
        let time = now.at.duration_since(first.at);
        (time >= APART).then_some((first, now, time))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "what comes in a minute is far below 2^52"
    )]
    fn a_second(&self, of: impl Fn(&Look) -> u64) -> f64 {
        self.over().map_or(0.0, |(first, now, time)| {
            of(&now).saturating_sub(of(&first)) as f64 / time.as_secs_f64()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_what_came_of_late() {
        let mut rate = Rate::default();
        rate.look(1_000, 5);
        assert!(!rate.is_known());
        tokio::time::advance(Duration::from_millis(500)).await;
        rate.look(1_500, 10);
        assert!(!rate.is_known());
        tokio::time::advance(Duration::from_millis(1_500)).await;
        rate.look(5_000, 45);
        assert!(rate.is_known());
        assert_eq!((rate.bytes(), rate.pictures()), (2_000.0, 20.0));
        // Nothing more comes: after some looks it is forgotten that something did.
        for _ in 0..20 {
            tokio::time::advance(APART).await;
            rate.look(5_000, 45);
        }
        assert_eq!(rate.bytes(), 0.0);
        tokio::time::advance(2 * OLD).await;
        rate.look(9_000, 45);
        assert!(!rate.is_known());
    }
}
