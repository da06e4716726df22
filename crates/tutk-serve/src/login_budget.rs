//! Limits how often clients can guess passwords.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The number of wrong passwords for an account from one address that are answered at once. After
/// that, each further attempt has to wait.
pub const MAX_FAILURES: u32 = 10;

/// The maximum wait between two attempts. The first wait is one second, and each wrong password
/// doubles it.
pub const MAX_LOGIN_DELAY: Duration = Duration::from_secs(60);

/// The wait after [`MAX_FAILURES`].
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// How long failures are remembered after the last one.
const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// The number of addresses that are remembered. The one that failed least recently is forgotten
/// first.
const MAX_ADDRESSES: usize = 1_024;

/// The failed attempts of all addresses. All servers that share their accounts share it.
#[derive(Debug, Default)]
pub(crate) struct LoginBudget(Mutex<HashMap<IpAddr, Address>>);

/// The failed attempts from one address.
#[derive(Debug, Default)]
struct Address {
    /// For each account, by index.
    accounts: HashMap<usize, Failures>,
    /// For all names, also those without an account.
    total: Failures,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Failures {
    count: u32,
    /// The last failure.
    last: Option<Instant>,
    /// The next attempt is not checked before.
    until: Option<Instant>,
}

/// A check of a password. It counts as a failure, until [`LoginBudget::succeed`] takes that back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reservation {
    pub(crate) peer: IpAddr,
    /// `None` if no account has the name.
    pub(crate) account: Option<usize>,
    /// How long the client has to wait if the password is wrong.
    pub(crate) delay: Option<Duration>,
    /// The failures for all names, before and after this one.
    totals: [Failures; 2],
}

impl LoginBudget {
    /// Reserves a check of a password. `account` is `None` if no account has the name.
    ///
    /// The reservation counts as a failure, so that checks at the same time, and ones that the
    /// client does not wait for, cannot exceed the budget.
    ///
    /// # Errors
    /// How long the client has to wait before its next attempt.
    pub(crate) fn reserve(
        &self,
        now: Instant,
        peer: IpAddr,
        account: Option<usize>,
    ) -> Result<Reservation, Duration> {
        let mut addresses = self.lock();
        let Address { accounts, total } = entry(&mut addresses, now, peer);
        let delay = total.wait(now);
        if let Some(account) = account {
            let failures = accounts.entry(account).or_default();
            if let Some(wait) = failures.wait(now) {
                // Names without an account have to wait, too. Otherwise the response would show
                // which names exist.
                total.until = total.until.max(failures.until);
                return Err(wait);
            }
            failures.fail(now);
        } else if let Some(wait) = delay {
            return Err(wait);
        }
        let before = *total;
        if delay.is_none() {
            total.fail(now);
        }
        Ok(Reservation {
            peer,
            account,
            delay,
            totals: [before, *total],
        })
    }

    /// Reports a correct password: the failures of the account from this address are forgotten.
    pub(crate) fn succeed(&self, reservation: &Reservation) {
        let mut addresses = self.lock();
        let Some(address) = addresses.get_mut(&prefix(reservation.peer)) else {
            return;
        };
        if let Some(account) = reservation.account {
            address.accounts.remove(&account);
        }
        let [before, after] = reservation.totals;
        let total = &mut address.total;
        if *total == after {
            *total = before;
        } else {
            // Others failed meanwhile.
            let own = after.count.saturating_sub(before.count);
            total.count = total.count.saturating_sub(own);
            total.until = total.until.filter(|_| total.count >= MAX_FAILURES);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Address>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn wait(&self, now: Instant) -> Option<Duration> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn fail(&mut self, now: Instant) {
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
        let over = self.count.checked_sub(MAX_FAILURES);
        let delay = over.map(|over| {
            let factor = 1_u32.checked_shl(over).unwrap_or(u32::MAX);
            FIRST_DELAY.saturating_mul(factor).min(MAX_LOGIN_DELAY)
        });
        self.until = delay.map(|delay| now + delay);
    }
}

impl Address {
    fn last(&self) -> Option<Instant> {
        let all = self.accounts.values().chain([&self.total]);
        all.filter_map(|failures| failures.last).max()
    }
}

/// Returns the failures of an address, after forgetting old ones.
fn entry(addresses: &mut HashMap<IpAddr, Address>, now: Instant, peer: IpAddr) -> &mut Address {
    let peer = prefix(peer);
    if !addresses.contains_key(&peer) {
        let recent = |last: Instant| now.saturating_duration_since(last) < FORGET_AFTER;
        addresses.retain(|_, address| address.last().is_some_and(recent));
        if addresses.len() >= MAX_ADDRESSES {
            let oldest = addresses.iter().min_by_key(|(_, address)| address.last());
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                addresses.remove(&oldest);
            }
        }
    }
    let address = addresses.entry(peer).or_default();
    let old = |last: Instant| now.saturating_duration_since(last) >= FORGET_AFTER;
    if address.last().is_some_and(old) {
        *address = Address::default();
    }
    address
}

/// Returns the address that failures are counted for: an IPv4 address, or the /64 network of an
/// IPv6 address, because one client can use all addresses of such a network.
pub(crate) fn prefix(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
        address => address,
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the start of a simulated clock")]
mod tests {
    use super::*;

    const BAD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const GOOD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const SECOND: Duration = Duration::from_secs(1);

    /// Tries a wrong password. Returns how long to wait, if it was not answered at once.
    fn guess(
        budget: &LoginBudget,
        now: Instant,
        peer: IpAddr,
        account: Option<usize>,
    ) -> Option<Duration> {
        match budget.reserve(now, peer, account) {
            Ok(reservation) => reservation.delay,
            Err(wait) => Some(wait),
        }
    }

    /// Returns how long the client has to wait before its next attempt.
    fn wait(budget: &LoginBudget, now: Instant, account: Option<usize>) -> Option<Duration> {
        budget.reserve(now, BAD, account).err()
    }

    #[test]
    fn delay_grows_after_the_budget_is_used_up() {
        let budget = LoginBudget::default();
        let mut now = Instant::now();
        for _ in 0..MAX_FAILURES {
            assert_eq!(guess(&budget, now, BAD, Some(0)), None);
        }
        for delay in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let delay = delay * SECOND;
            assert_eq!(wait(&budget, now, Some(0)), Some(delay));
            now += delay;
            assert_eq!(guess(&budget, now, BAD, Some(0)), None);
        }
        assert_eq!(guess(&budget, now, GOOD, Some(0)), None, "other addresses");
        now += FORGET_AFTER;
        assert_eq!(guess(&budget, now, BAD, Some(0)), None);
        assert_eq!(guess(&budget, now, BAD, Some(0)), None);
    }

    #[test]
    fn other_accounts_at_the_address_can_still_log_in() {
        let budget = LoginBudget::default();
        let now = Instant::now();
        for _ in 0..100 {
            guess(&budget, now, BAD, Some(0));
            guess(&budget, now, BAD, None);
        }
        // The correct password of an account resets its own failures only.
        for _ in 0..3 * MAX_FAILURES {
            budget.succeed(&budget.reserve(now, BAD, Some(1)).unwrap());
        }
        assert!(wait(&budget, now, Some(0)).is_some());
        assert!(wait(&budget, now, None).is_some());
    }

    #[test]
    fn correct_passwords_leave_no_trace() {
        let budget = LoginBudget::default();
        let now = Instant::now();
        for account in [None, Some(1)] {
            for _ in 1..MAX_FAILURES / 2 {
                assert_eq!(guess(&budget, now, BAD, account), None);
            }
        }
        // One after the other, then two at the same time.
        for _ in 0..3 * MAX_FAILURES {
            budget.succeed(&budget.reserve(now, BAD, Some(0)).unwrap());
        }
        let both = [(); 2].map(|()| budget.reserve(now, BAD, Some(0)).unwrap());
        both.iter()
            .for_each(|reservation| budget.succeed(reservation));
        for _ in 0..2 {
            assert_eq!(guess(&budget, now, BAD, None), None);
        }
        assert_eq!(wait(&budget, now, None), Some(SECOND));
    }

    /// The client does not wait for the results, or asks for all of them at the same time.
    #[test]
    fn unfinished_checks_count() {
        for account in [None, Some(0)] {
            let budget = LoginBudget::default();
            let now = Instant::now();
            for _ in 0..MAX_FAILURES {
                assert_eq!(wait(&budget, now, account), None);
            }
            assert_eq!(wait(&budget, now, account), Some(SECOND), "{account:?}");
            assert_eq!(wait(&budget, now, None), Some(SECOND), "{account:?}");
        }
    }

    #[test]
    fn responses_do_not_show_which_names_exist() {
        let budget = LoginBudget::default();
        let mut now = Instant::now();
        for round in 0..200_u64 {
            let peer = IpAddr::from([10, 1, 0, 0]);
            let other = IpAddr::from([10, 1, 0, 1]);
            // The same guesses of a name with an account, and of one without.
            let known = guess(&budget, now, peer, Some(0)).is_some();
            let unknown = guess(&budget, now, other, None).is_some();
            assert_eq!(known, unknown, "{round}");
            now += Duration::from_millis(round * 7);
        }
    }

    #[test]
    fn ipv6_networks_count_as_one_address_and_memory_is_limited() {
        let budget = LoginBudget::default();
        let now = Instant::now();
        let six = |last| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for at in 0..u16::try_from(MAX_FAILURES).unwrap() {
            assert_eq!(guess(&budget, now, six(at), Some(0)), None);
        }
        assert!(budget.reserve(now, six(99), Some(0)).is_err());
        for at in 0..3_000_u32 {
            guess(&budget, now, IpAddr::from(at.to_be_bytes()), Some(0));
        }
        assert!(budget.lock().len() <= MAX_ADDRESSES);
    }
}
