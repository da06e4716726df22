//! Conversions from and to the instants of `std`.

extern crate std;

use core::time::Duration;
use std::sync::OnceLock;
use std::time::Instant as StdInstant;

use crate::Instant;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The moment that both clocks share: `std`'s instant of the program's first conversion, and one
/// year after zero, so that earlier instants convert, too.
static ORIGIN: OnceLock<StdInstant> = OnceLock::new();

/// Counts from one year before the program's first conversion. Instants before that become
/// [`Instant::ZERO`].
impl From<StdInstant> for Instant {
    fn from(std: StdInstant) -> Self {
        let origin = *ORIGIN.get_or_init(|| std);
        let shared = Self::ZERO + YEAR;
        match std.checked_duration_since(origin) {
            Some(since) => shared + since,
            None => shared - origin.duration_since(std),
        }
    }
}

/// The inverse. It makes sense only for instants that are computed from converted ones. An instant
/// that `std` cannot represent, such as [`Instant::MAX`], becomes one 30 years after the program's
/// first conversion.
impl From<Instant> for StdInstant {
    fn from(instant: Instant) -> Self {
        // The clock is read only in a program that never converted an instant of `std`.
        #[expect(
            clippy::disallowed_methods,
            reason = "a conversion needs a shared moment"
        )]
        let origin = *ORIGIN.get_or_init(StdInstant::now);
        let shared = Instant::ZERO + YEAR;
        let std = match instant.checked_duration_since(shared) {
            Some(since) if since < 30 * YEAR => origin.checked_add(since),
            Some(_) => origin.checked_add(30 * YEAR),
            None => origin.checked_sub(shared - instant),
        };
        std.unwrap_or(origin)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the clock that is converted")]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_inverse_before_and_after_the_first() {
        let first = StdInstant::now();
        let zero = Instant::from(first);
        for offset in [0, 1, 999, 1_000_000_007].map(Duration::from_nanos) {
            assert_eq!(Instant::from(first + offset), zero + offset);
            assert_eq!(StdInstant::from(zero + offset), first + offset);
            assert_eq!(Instant::from(first - offset), zero - offset);
            assert_eq!(StdInstant::from(zero - offset), first - offset);
        }
        assert!(StdInstant::from(Instant::MAX) > first + 29 * YEAR);
    }
}
