//! Who has failed to show a password too often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Wrong passwords from one address within [`FAILURE_TIME`], after which no more are looked at. RTSP and HTTP count
/// each for itself.
pub const MAX_FAILURES: u32 = 10;

/// How long wrong passwords are remembered, from the first one on.
pub const FAILURE_TIME: Duration = Duration::from_secs(60);

/// Addresses that wrong passwords are remembered of; then the oldest is forgotten.
const MAX_FAILING: usize = 1_024;

/// Wrong passwords of late, by where they came from.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<IpAddr, Failing>>);

#[derive(Debug, Clone, Copy)]
struct Failing {
    since: Instant,
    count: u32,
}

impl Failures {
    /// How long no password is looked at that comes from there, if so.
    pub(crate) fn barred(&self, from: Option<IpAddr>) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failures.get(&prefix(from))?;
        let left = FAILURE_TIME.saturating_sub(known.since.elapsed());
        (known.count >= MAX_FAILURES && !left.is_zero()).then_some(left)
    }

    /// A password was wrong.
    pub(crate) fn failed(&self, from: Option<IpAddr>) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, known| known.since.elapsed() < FAILURE_TIME);
        let from = prefix(from);
        if failures.len() >= MAX_FAILING && !failures.contains_key(&from) {
            let oldest = failures.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                failures.remove(&oldest);
            }
        }
        let known = failures.entry(from).or_insert(Failing {
            since: Instant::now(),
            count: 0,
        });
        known.count += 1;
    }
}

/// Whom failures are counted of: an address, or a network of IPv6, of which one client has as many as he likes.
fn prefix(from: Option<IpAddr>) -> IpAddr {
    match from.map(|from| from.to_canonical()) {
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        Some(address) => address,
        None => [0; 4].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_fails_too_often_waits() {
        let failures = Failures::default();
        let bad: IpAddr = [10, 0, 0, 1].into();
        let good: IpAddr = [10, 0, 0, 2].into();
        for _ in 0..MAX_FAILURES {
            assert_eq!(failures.barred(Some(bad)), None);
            failures.failed(Some(bad));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(failures.barred(Some(bad)), Some(Duration::from_secs(50)));
        assert_eq!(failures.barred(Some(good)), None);
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(failures.barred(Some(bad)), None);
        // A network of IPv6 counts as one, and no number of addresses grows without end.
        let six = |last| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        for at in 0..u16::try_from(MAX_FAILURES).unwrap() {
            failures.failed(six(at));
        }
        assert!(failures.barred(six(99)).is_some());
        for at in 0..3_000_u32 {
            failures.failed(Some(IpAddr::from(at.to_be_bytes())));
        }
        assert!(failures.0.lock().unwrap().len() <= MAX_FAILING);
    }
}
