//! Login failures per client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The number of wrong passwords from one address within [`FAILURE_TIME`] after which it is
/// blocked. Each server counts its own.
pub const MAX_FAILURES: u32 = 10;

/// How long wrong passwords are remembered, starting with the first one.
pub const FAILURE_TIME: Duration = Duration::from_secs(60);

/// The number of addresses that are remembered. The oldest one is forgotten first.
const MAX_ADDRESSES: usize = 1_024;

/// The recent login failures of all addresses.
#[derive(Debug, Default)]
pub(crate) struct LoginFailures(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl LoginFailures {
    /// Returns how much longer passwords from this address are not checked, if it is blocked.
    pub(crate) fn blocked(&self, peer: Option<IpAddr>) -> Option<Duration> {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = addresses.get(&prefix(peer))?;
        let left = FAILURE_TIME.saturating_sub(known.since.elapsed());
        (known.count >= MAX_FAILURES && !left.is_zero()).then_some(left)
    }

    /// Counts a wrong password.
    pub(crate) fn count(&self, peer: Option<IpAddr>) {
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.retain(|_, known| known.since.elapsed() < FAILURE_TIME);
        let peer = prefix(peer);
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&peer) {
            let oldest = addresses.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                addresses.remove(&oldest);
            }
        }
        let known = addresses.entry(peer).or_insert(Failures {
            since: Instant::now(),
            count: 0,
        });
        known.count += 1;
    }
}

/// Returns the address that failures are counted for: an IPv4 address, or the /64 network of an
/// IPv6 address, because one client can use all addresses of such a network.
fn prefix(peer: Option<IpAddr>) -> IpAddr {
    match peer.map(|peer| peer.to_canonical()) {
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
    async fn blocks_an_address_after_too_many_failures() {
        let failures = LoginFailures::default();
        let bad: IpAddr = [10, 0, 0, 1].into();
        let good: IpAddr = [10, 0, 0, 2].into();
        for _ in 0..MAX_FAILURES {
            assert_eq!(failures.blocked(Some(bad)), None);
            failures.count(Some(bad));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(failures.blocked(Some(bad)), Some(Duration::from_secs(50)));
        assert_eq!(failures.blocked(Some(good)), None);
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(failures.blocked(Some(bad)), None);
        // An IPv6 network counts as one address.
        let six = |last| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        for at in 0..u16::try_from(MAX_FAILURES).unwrap() {
            failures.count(six(at));
        }
        assert!(failures.blocked(six(99)).is_some());
        for at in 0..3_000_u32 {
            failures.count(Some(IpAddr::from(at.to_be_bytes())));
        }
        assert!(failures.0.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
