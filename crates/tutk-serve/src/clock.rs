//! The clocks of the system.

use std::time::Instant;
#[cfg(feature = "http")]
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time of tokio's clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Returns the time since 1970, or zero for earlier times.
#[cfg(feature = "http")]
pub(crate) fn unix_time(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the milliseconds since 1970.
#[cfg(feature = "http")]
pub(crate) fn unix_millis(time: SystemTime) -> u64 {
    millis(unix_time(time))
}

/// Returns the milliseconds of a duration.
#[cfg(feature = "http")]
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
