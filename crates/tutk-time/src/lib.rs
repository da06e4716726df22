#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "std")]
mod convert;

use core::ops::{Add, AddAssign, Sub, SubAssign};
use core::time::Duration;

/// A moment of a monotonic clock, as the time since a zero that the caller chooses.
///
/// The resolution is 1 ns and the range 584 years. Arithmetic never panics or wraps: results are
/// limited to [`Instant::ZERO`] and [`Instant::MAX`]. Instants with different zeros must not be
/// mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant {
    nanos: u64,
}

impl Instant {
    /// The caller's zero.
    pub const ZERO: Self = Self { nanos: 0 };

    /// The latest instant. As a deadline it means "never".
    pub const MAX: Self = Self { nanos: u64::MAX };

    /// Returns the instant `seconds` after zero.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self {
            nanos: seconds.saturating_mul(1_000_000_000),
        }
    }

    /// Returns the instant `millis` milliseconds after zero.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self {
            nanos: millis.saturating_mul(1_000_000),
        }
    }

    /// Returns the instant `micros` microseconds after zero.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self {
            nanos: micros.saturating_mul(1000),
        }
    }

    /// Returns the instant `nanos` nanoseconds after zero.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// Returns the milliseconds since zero, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.nanos / 1_000_000
    }

    /// Returns the microseconds since zero, rounded down.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.nanos / 1000
    }

    /// Returns the nanoseconds since zero.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// Returns the time since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    /// Returns the time since `earlier`, or `None` if `earlier` is later.
    #[must_use]
    pub const fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        match self.nanos.checked_sub(earlier.nanos) {
            Some(nanos) => Some(Duration::from_nanos(nanos)),
            None => None,
        }
    }
}

/// Returns the nanoseconds, at most [`u64::MAX`].
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The sum is at most [`Instant::MAX`].
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self {
            nanos: self.nanos.saturating_add(nanos(duration)),
        }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// The difference is at least [`Instant::ZERO`].
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(nanos(duration)),
        }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// The same as [`Instant::duration_since`].
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arithmetic_is_limited_to_the_range() {
        assert_eq!(Instant::ZERO - Duration::from_nanos(1), Instant::ZERO);
        assert_eq!(Instant::from_secs(1) + Duration::MAX, Instant::MAX);
        assert_eq!(Instant::ZERO - Instant::MAX, Duration::ZERO);
        assert_eq!(Instant::from_secs(u64::MAX), Instant::MAX);
        assert_eq!(Instant::ZERO.checked_duration_since(Instant::MAX), None);
    }

    proptest! {
        #[test]
        fn a_sum_minus_its_start_is_the_duration(start in 0..u64::MAX / 2, span in 0..u64::MAX / 2) {
            let (start, span) = (Instant::from_nanos(start), Duration::from_nanos(span));
            prop_assert_eq!(start + span - start, span);
            prop_assert_eq!((start + span) - span, start);
        }
    }
}
