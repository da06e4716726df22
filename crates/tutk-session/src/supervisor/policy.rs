//! When the next attempt to connect is made, and when there is none.

use alloc::string::String;
use core::time::Duration;

use super::outage::ConnectionError;
use crate::error::{Error, Failure};

/// After this many failed attempts, the delay no longer grows.
const MAX_STEPS: u32 = 1024;

/// The largest number of delays that count after a session with a frame, however short it was. A
/// camera whose sessions always end within seconds is reconnected every 2 s by default.
const MAX_STEPS_AFTER_FRAME: u32 = 2;

/// The shortest delay. It prevents a busy loop if the system cannot open a socket.
const MIN_DELAY: Duration = Duration::from_millis(1);

/// How soon a session that failed is followed by another, and when to give up. Made by
/// [`ReconnectPolicy::default`] or [`ReconnectPolicy::never`]; the fields may be changed after.
///
/// The delay grows by [`factor`](Self::factor) with each failed attempt, from
/// [`initial_delay`](Self::initial_delay) to [`max_delay`](Self::max_delay). A session without a
/// frame is a failed attempt. The delay starts over after a session with a frame that lasted for
/// [`stable_after`](Self::stable_after); after a shorter one, it is at most the third delay. The
/// time that a stall was waited for counts as delay. The second refusal in a row, as with a wrong
/// ENR, uses the largest delay at once.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// The first delay; 500 ms. At least 1 ms.
    pub initial_delay: Duration,
    /// The largest delay; 30 s.
    pub max_delay: Duration,
    /// The ratio of each delay to the one before; 2. At least 1.
    pub factor: f64,
    /// The largest random reduction of a delay, as a share from 0 to 1, so that many clients do not
    /// reconnect at once; 0.2.
    pub jitter: f64,
    /// How long a session with a frame must last for the delay to start over; 5 s.
    pub stable_after: Duration,
    /// The time after a disconnect for which attempts are made; unlimited by default. An
    /// authenticated session ends this time, however short it is.
    pub give_up_after: Option<Duration>,
    /// The number of attempts in a row that may fail; unlimited by default.
    pub give_up_attempts: Option<u32>,
    /// Retry also if the very first session fails. Off by default, so that a wrong ENR is reported
    /// at once.
    pub retry_first: bool,
    /// After giving up, start again after this time, or when there is a new user. By default the
    /// supervisor ends.
    pub restart_after: Option<Duration>,
    /// The camera's host name, resolved before every attempt. It finds a camera whose address has
    /// changed. If it cannot be resolved, the last address is used, unless that is unspecified
    /// (`0.0.0.0`). Without a name, the default, only the configured address is used.
    pub host: Option<String>,
    /// If the camera does not answer at its known address, search for it by its UID: by broadcast
    /// on each interface, then by a request to each host of this machine's /24 networks, at most
    /// 100 datagrams a second, at most once in five minutes. Off by default.
    ///
    /// Without a known address (`0.0.0.0` and no host name), each attempt starts with the
    /// broadcast, also if this is off.
    pub search: bool,
}

/// The delays of one [`ReconnectPolicy`].
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// The number of delays since they started over.
    step: u32,
    /// Refusals in a row.
    refusals: u32,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            factor: 2.0,
            jitter: 0.2,
            stable_after: Duration::from_secs(5),
            give_up_after: None,
            give_up_attempts: None,
            retry_first: false,
            restart_after: None,
            host: None,
            search: false,
        }
    }
}

impl ReconnectPolicy {
    /// The policy of a single session.
    #[must_use]
    pub fn never() -> Self {
        Self {
            give_up_attempts: Some(0),
            ..Self::default()
        }
    }

    /// Returns the delay after `step` others, without jitter.
    fn delay(&self, step: u32) -> Duration {
        let max = self.max_delay.max(MIN_DELAY);
        // A NaN becomes 1.
        let factor = if self.factor > 1.0 { self.factor } else { 1.0 };
        let mut seconds = self.initial_delay.max(MIN_DELAY).as_secs_f64();
        for _ in 0..step.min(MAX_STEPS) {
            seconds *= factor;
        }
        Duration::try_from_secs_f64(seconds).map_or(max, |delay| delay.min(max))
    }

    /// Applies jitter to a delay. `random` is from 0 to 1.
    fn jittered(&self, delay: Duration, random: f64) -> Duration {
        // A NaN becomes 0.
        let jitter = if self.jitter > 0.0 {
            self.jitter.min(1.0)
        } else {
            0.0
        };
        let left = delay.as_secs_f64() * (1.0 - jitter * random);
        // It fails only for a delay of billions of years.
        let left = Duration::try_from_secs_f64(left).unwrap_or(delay);
        left.min(delay).max(MIN_DELAY)
    }
}

impl Backoff {
    /// An authenticated session ended. `lasted` is how long it was, if it had a frame.
    pub(super) fn disconnected(&mut self, policy: &ReconnectPolicy, lasted: Option<Duration>) {
        self.refusals = 0;
        match lasted {
            Some(lasted) if lasted >= policy.stable_after => self.step = 0,
            Some(_) => self.step = self.step.min(MAX_STEPS_AFTER_FRAME),
            None => {}
        }
    }

    /// Returns the delay before the next attempt after `error`, or `None` to give up. `attempts`
    /// have failed in a row, and the outage has lasted for `down`.
    pub(super) fn next(
        &mut self,
        policy: &ReconnectPolicy,
        error: &ConnectionError,
        attempts: u32,
        down: Duration,
        random: f64,
    ) -> Option<Duration> {
        let refused =
            matches!(error, ConnectionError::Session(error) if error.failure() == Failure::Refused);
        self.refusals = if refused {
            self.refusals.saturating_add(1)
        } else {
            0
        };
        let delay = if self.refusals > 1 {
            policy.max_delay
        } else {
            policy.delay(self.step)
        };
        self.step = self.step.saturating_add(1);
        let delay = match error {
            ConnectionError::Session(Error::Stalled { waited }) => delay.saturating_sub(*waited),
            _ => delay,
        };
        let delay = policy.jittered(delay, random);
        let too_many = policy.give_up_attempts.is_some_and(|max| attempts >= max);
        let too_late = (policy.give_up_after).is_some_and(|max| down.saturating_add(delay) > max);
        (!too_many && !too_late).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::phase::Phase;

    fn silent() -> ConnectionError {
        let phase = Phase::Discovery;
        let waited = Duration::from_secs(5);
        Error::Silent { phase, waited }.into()
    }

    fn refused() -> ConnectionError {
        Error::LoginRefused { status: 1 }.into()
    }

    fn closed() -> ConnectionError {
        let phase = Phase::Stream;
        Error::ClosedByCamera { phase }.into()
    }

    /// The delays after these errors.
    fn delays(policy: &ReconnectPolicy, errors: &[ConnectionError], seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::default();
        let mut rng = StdRng::seed_from_u64(seed);
        let mut next = |error| {
            let random = rng.random::<f64>();
            let delay = backoff.next(policy, error, 0, Duration::ZERO, random);
            delay.unwrap()
        };
        errors.iter().map(&mut next).collect()
    }

    fn seconds(delays: &[Duration]) -> Vec<f64> {
        delays.iter().map(Duration::as_secs_f64).collect()
    }

    fn without_jitter() -> ReconnectPolicy {
        ReconnectPolicy {
            jitter: 0.0,
            ..ReconnectPolicy::default()
        }
    }

    #[test]
    fn default_delay_doubles_up_to_30_seconds() {
        let delays = delays(&without_jitter(), &vec![silent(); 9], 1);
        let expected = [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        assert_eq!(seconds(&delays), expected);
    }

    #[test]
    fn second_refusal_in_a_row_uses_the_largest_delay() {
        let errors = [
            silent(),
            refused(),
            refused(),
            refused(),
            silent(),
            refused(),
        ];
        let delays = delays(&without_jitter(), &errors, 1);
        assert_eq!(seconds(&delays), [0.5, 1.0, 30.0, 30.0, 8.0, 16.0]);
    }

    #[test]
    fn only_failed_attempts_grow_the_delay() {
        let policy = without_jitter();
        let mut backoff = Backoff::default();
        let mut disconnect = |lasted: Option<u64>, error| {
            backoff.disconnected(&policy, lasted.map(Duration::from_millis));
            let delay = backoff.next(&policy, &error, 0, Duration::ZERO, 0.0);
            delay.unwrap().as_secs_f64()
        };
        // Sessions without a frame.
        let delays: Vec<f64> = (0..6).map(|_| disconnect(None, closed())).collect();
        assert_eq!(delays, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]);
        // Short ones and longer ones.
        for _ in 0..3 {
            assert_eq!(disconnect(Some(4999), closed()), 2.0);
        }
        for _ in 0..3 {
            assert_eq!(disconnect(Some(5000), closed()), 0.5);
        }
        // The camera was silent for longer than the delay.
        let waited = Duration::from_millis(2500);
        let stalled = || ConnectionError::from(Error::Stalled { waited });
        assert_eq!(disconnect(Some(20_000), stalled()), 0.001);
        assert_eq!(disconnect(None, silent()), 1.0);
    }

    #[test]
    fn gives_up_by_attempts_and_by_time() {
        let policy = ReconnectPolicy {
            give_up_attempts: Some(2),
            ..without_jitter()
        };
        let mut backoff = Backoff::default();
        let mut next = |attempts| backoff.next(&policy, &silent(), attempts, Duration::ZERO, 0.0);
        assert!(next(0).is_some() && next(1).is_some());
        assert_eq!(next(2), None);

        let policy = ReconnectPolicy {
            give_up_after: Some(Duration::from_secs(10)),
            ..without_jitter()
        };
        let mut backoff = Backoff::default();
        let mut next = |down| {
            let down = Duration::from_millis(down);
            backoff.next(&policy, &silent(), 0, down, 0.0)
        };
        assert!(next(0).is_some());
        // The next attempt would start after one second: just in time, then one millisecond late.
        assert!(next(9_000).is_some());
        assert_eq!(next(8_001), None);
    }

    #[test]
    fn same_seed_makes_the_same_delays() {
        let errors = vec![silent(); 20];
        let policy = ReconnectPolicy::default();
        assert_eq!(delays(&policy, &errors, 7), delays(&policy, &errors, 7));
        assert_ne!(delays(&policy, &errors, 7), delays(&policy, &errors, 8));
    }

    proptest! {
        /// For any policy, each delay is within the bounds and its jitter, and delays without
        /// jitter do not shrink.
        #[test]
        fn delays_grow_within_bounds(
            initial_delay in 0..10_000_u64,
            max_delay in 0..100_000_u64,
            factor in prop_oneof![-2.0..20.0_f64, Just(f64::NAN), Just(f64::INFINITY)],
            jitter in prop_oneof![-1.0..2.0_f64, Just(f64::NAN), Just(f64::INFINITY)],
            seed: u64,
        ) {
            let jittered = ReconnectPolicy {
                initial_delay: Duration::from_millis(initial_delay),
                max_delay: Duration::from_millis(max_delay),
                factor,
                jitter,
                ..ReconnectPolicy::default()
            };
            let plain = ReconnectPolicy { jitter: 0.0, ..jittered.clone() };
            let errors = vec![silent(); 40];
            let whole = delays(&plain, &errors, seed);
            let parts = delays(&jittered, &errors, seed);
            let max = jittered.max_delay.max(MIN_DELAY);
            prop_assert!(whole.is_sorted());
            let share = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
            for (whole, part) in whole.into_iter().zip(parts) {
                prop_assert!(whole >= MIN_DELAY && whole <= max);
                let min = whole.mul_f64(1.0 - share).max(MIN_DELAY);
                // One nanosecond for rounding.
                prop_assert!(part + Duration::from_nanos(1) >= min && part <= whole, "{part:?} of {whole:?}");
            }
        }
    }
}
