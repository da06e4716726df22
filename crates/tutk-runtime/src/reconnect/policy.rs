//! When the next attempt comes, and when there is none.

use std::time::Duration;

use rand::{Rng, RngExt as _};
use tutk_session::Failure;

use crate::error::Error;

/// The shortest delay: tokio's timers know nothing finer, and without any a system that gives no socket
/// would be asked in a loop.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long a session that fell may stay away, and how soon it is begun again. Made by
/// [`ReconnectPolicy::default`]; the fields may be changed after.
///
/// Delays grow by [`factor`](Self::factor) with each attempt that fails, from [`first`](Self::first) to
/// [`largest`](Self::largest). They begin anew when a session has lasted for [`settled`](Self::settled): a
/// camera that lets us in and falls at once is not asked in a hurry for ever. A second refusal in a row, such as
/// a wrong ENR gets, waits for the largest delay at once: it is not haste that will help.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// The first delay; 500 ms. Below a millisecond it is a millisecond.
    pub first: Duration,
    /// The largest delay; 30 s.
    pub largest: Duration,
    /// What each delay is, of the one before; 2. Below 1 it is 1.
    pub factor: f64,
    /// The share of a delay, 0 to 1, that chance may take off it, so that many who fell together do not all
    /// come back together; 0.2.
    pub jitter: f64,
    /// How long a session has to last for the delays to begin anew; a minute. It should be more than a stream
    /// without a frame lasts ([`Deadlines::stream`](tutk_session::Deadlines::stream)).
    pub settled: Duration,
    /// How long after its fall a session is tried to be begun again; `None`, the default, for ever. A session
    /// that is let in ends this time, however soon it falls.
    pub give_up_after: Option<Duration>,
    /// How many attempts may fail in a row; `None`, the default, for any number.
    pub give_up_attempts: Option<u32>,
    /// Whether the very first session, too, is tried again when it fails. By default it is not: a wrong ENR
    /// has to be told, not tried.
    pub retry_first: bool,
    /// The camera's name, if it has one: it is looked up before every attempt, so that a camera that has
    /// another address after a restart is found again. Where that fails within 5 s, the last address is tried,
    /// unless it is unspecified (`0.0.0.0`). By default there is none, and the configured address is all.
    pub host: Option<String>,
}

/// The delays of one [`ReconnectPolicy`], as things happen.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: ReconnectPolicy,
    /// How many delays there were since they began anew.
    step: u32,
    /// Refusals in a row.
    refusals: u32,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            largest: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.2,
            settled: Duration::from_secs(60),
            give_up_after: None,
            give_up_attempts: None,
            retry_first: false,
            host: None,
        }
    }
}

impl ReconnectPolicy {
    /// The delay after `step` others, before chance.
    fn delay(&self, step: u32) -> Duration {
        let largest = self.largest.max(SHORTEST);
        // So that a NaN is a 1, too.
        let factor = if self.factor > 1.0 { self.factor } else { 1.0 };
        let grown = factor.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let seconds = self.first.max(SHORTEST).as_secs_f64() * grown;
        Duration::try_from_secs_f64(seconds).map_or(largest, |delay| delay.min(largest))
    }

    /// What chance leaves of a delay.
    fn jittered(&self, delay: Duration, rng: &mut impl Rng) -> Duration {
        // So that a NaN is a 0, too.
        let jitter = if self.jitter > 0.0 {
            self.jitter.min(1.0)
        } else {
            0.0
        };
        let left = delay.as_secs_f64() * (1.0 - jitter * rng.random::<f64>());
        // Only a delay that no clock will reach cannot be made again from seconds.
        let left = Duration::try_from_secs_f64(left).unwrap_or(delay);
        left.min(delay).max(SHORTEST)
    }
}

impl Backoff {
    pub(super) fn new(policy: ReconnectPolicy) -> Self {
        Self {
            policy,
            step: 0,
            refusals: 0,
        }
    }

    pub(super) fn policy(&self) -> &ReconnectPolicy {
        &self.policy
    }

    /// A session that had been let in has lasted for so long, and fell.
    pub(super) fn fell(&mut self, lasted: Duration) {
        self.refusals = 0;
        if lasted >= self.policy.settled {
            self.step = 0;
        }
    }

    /// The delay before the next attempt, after `error`; `None` if there is to be none, with `attempts` that
    /// failed so far and `down` for how long.
    pub(super) fn next(
        &mut self,
        error: &Error,
        attempts: u32,
        down: Duration,
        rng: &mut impl Rng,
    ) -> Option<Duration> {
        let refused = matches!(error, Error::Session(error) if error.failure() == Failure::Refused);
        self.refusals = if refused {
            self.refusals.saturating_add(1)
        } else {
            0
        };
        let delay = if self.refusals > 1 {
            self.policy.largest
        } else {
            self.policy.delay(self.step)
        };
        self.step = self.step.saturating_add(1);
        let delay = self.policy.jittered(delay, rng);
        let tired = (self.policy.give_up_attempts).is_some_and(|most| attempts >= most);
        let late =
            (self.policy.give_up_after).is_some_and(|most| down.saturating_add(delay) > most);
        (!tired && !late).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;
    use tutk_session::Phase;

    use super::*;

    fn silent() -> Error {
        let phase = Phase::Discovery;
        let waited = Duration::from_secs(5);
        tutk_session::Error::Silent { phase, waited }.into()
    }

    fn refused() -> Error {
        tutk_session::Error::LoginRefused { status: 1 }.into()
    }

    fn stalled() -> Error {
        let waited = Duration::from_secs(10);
        tutk_session::Error::Stalled { waited }.into()
    }

    /// What one backoff says of these errors.
    fn delays(policy: &ReconnectPolicy, errors: &[Error], seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(policy.clone());
        let mut rng = StdRng::seed_from_u64(seed);
        let mut next = |error| backoff.next(error, 0, Duration::ZERO, &mut rng).unwrap();
        errors.iter().map(&mut next).collect()
    }

    fn plain() -> ReconnectPolicy {
        ReconnectPolicy {
            jitter: 0.0,
            ..ReconnectPolicy::default()
        }
    }

    #[test]
    fn the_default_doubles_from_half_a_second_to_half_a_minute() {
        let seconds = delays(&plain(), &vec![silent(); 9], 1)
            .iter()
            .map(Duration::as_secs_f64)
            .collect::<Vec<_>>();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn a_second_refusal_waits_longest_and_silence_goes_on_as_before() {
        let errors = [
            silent(),
            refused(),
            refused(),
            refused(),
            silent(),
            refused(),
        ];
        let seconds = delays(&plain(), &errors, 1)
            .iter()
            .map(Duration::as_secs_f64)
            .collect::<Vec<_>>();
        assert_eq!(seconds, [0.5, 1.0, 30.0, 30.0, 8.0, 16.0]);
    }

    #[test]
    fn only_a_session_that_lasted_begins_the_delays_anew() {
        let policy = plain();
        let mut backoff = Backoff::new(policy.clone());
        let mut rng = StdRng::seed_from_u64(1);
        let mut fall = |lasted| {
            backoff.fell(lasted);
            let delay = backoff.next(&stalled(), 0, Duration::ZERO, &mut rng);
            delay.unwrap().as_secs_f64()
        };
        let short = policy.settled - Duration::from_millis(1);
        assert_eq!(fall(short), 0.5);
        assert_eq!(fall(short), 1.0);
        assert_eq!(fall(short), 2.0);
        assert_eq!(fall(policy.settled), 0.5);
        assert_eq!(fall(short), 1.0);
    }

    #[test]
    fn it_gives_up_by_attempts_and_by_time() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut backoff = Backoff::new(ReconnectPolicy {
            give_up_attempts: Some(2),
            ..plain()
        });
        let mut next = |attempts| backoff.next(&silent(), attempts, Duration::ZERO, &mut rng);
        assert!(next(0).is_some() && next(1).is_some());
        assert_eq!(next(2), None);

        let mut backoff = Backoff::new(ReconnectPolicy {
            give_up_after: Some(Duration::from_secs(10)),
            ..plain()
        });
        let mut next = |down| {
            let down = Duration::from_millis(down);
            backoff.next(&silent(), 0, down, &mut rng)
        };
        assert!(next(0).is_some());
        // The next attempt would come after a second: just in time, and with the next a moment late.
        assert!(next(9_000).is_some());
        assert_eq!(next(8_001), None);
    }

    #[test]
    fn one_seed_is_one_row_of_delays() {
        let errors = vec![silent(); 20];
        let policy = ReconnectPolicy::default();
        assert_eq!(delays(&policy, &errors, 7), delays(&policy, &errors, 7));
        assert_ne!(delays(&policy, &errors, 7), delays(&policy, &errors, 8));
    }

    proptest! {
        /// Whatever the policy: no delay below the shortest or over the largest, each within its jitter, and
        /// without jitter none is shorter than the one before.
        #[test]
        fn delays_grow_and_keep_within_bounds(
            first in 0..10_000_u64,
            largest in 0..100_000_u64,
            factor in prop_oneof![-2.0..20.0_f64, Just(f64::NAN), Just(f64::INFINITY)],
            jitter in prop_oneof![-1.0..2.0_f64, Just(f64::NAN), Just(f64::INFINITY)],
            seed: u64,
        ) {
            let jittered = ReconnectPolicy {
                first: Duration::from_millis(first),
                largest: Duration::from_millis(largest),
                factor,
                jitter,
                ..ReconnectPolicy::default()
            };
            let plain = ReconnectPolicy { jitter: 0.0, ..jittered.clone() };
            let errors = vec![silent(); 40];
            let whole = delays(&plain, &errors, seed);
            let parts = delays(&jittered, &errors, seed);
            let most = jittered.largest.max(SHORTEST);
            prop_assert!(whole.is_sorted());
            let share = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
            for (whole, part) in whole.into_iter().zip(parts) {
                prop_assert!(whole >= SHORTEST && whole <= most);
                let least = whole.mul_f64(1.0 - share).max(SHORTEST);
                // A nanosecond for rounding.
                prop_assert!(part + Duration::from_nanos(1) >= least && part <= whole, "{part:?} of {whole:?}");
            }
        }
    }
}
