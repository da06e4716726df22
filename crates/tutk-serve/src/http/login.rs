//! Who has shown that he may come in, and who has failed to too often.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{COOKIE, HeaderMap};
use rand::TryRng as _;
use rand::rngs::SysRng;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::Instant;

/// How long a cookie is good for. Half as old, it is replaced by a new one.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Wrong passwords from one address within [`FAILURE_TIME`], after which no more are looked at.
pub const MAX_FAILURES: u32 = 10;

/// How long wrong passwords are remembered, from the first one on.
pub const FAILURE_TIME: Duration = Duration::from_secs(60);

/// Addresses that wrong passwords are remembered of; then the oldest is forgotten.
const MAX_FAILING: usize = 1_024;

/// Cookies that are good at a time. They are shared by all who have shown a password: no more than these can be needed.
const MAX_COOKIES: usize = 4;

/// What is remembered of clients.
#[derive(Debug)]
pub(super) struct Doors {
    /// What the cookie is called. Browsers keep cookies by host and not by port: servers beside this one have
    /// others.
    name: String,
    cookies: Mutex<VecDeque<Cookie>>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

struct Cookie {
    /// 128 bits that nobody can guess.
    token: String,
    since: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Doors {
    pub(super) fn new(port: u16) -> Self {
        Self {
            name: format!("tutk-{port}"),
            cookies: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Whether a request has a cookie that was given out and is good still. All are compared, in the same time
    /// whichever it is.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let pairs = headers.get_all(COOKIE).iter();
        let pairs = pairs.filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';'));
        let said: Vec<_> = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .collect();
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = Choice::from(0);
        for cookie in cookies.iter().filter(|cookie| cookie.is_good()) {
            for (_, said) in &said {
                known |= cookie.token.as_bytes().ct_eq(said.as_bytes());
            }
        }
        known.into()
    }

    /// What a client who has shown a password is told to keep; `None` if the system has no randomness.
    pub(super) fn cookie(&self) -> Option<HeaderValue> {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.retain(Cookie::is_good);
        let fresh = |cookie: &&Cookie| cookie.since.elapsed() < COOKIE_LIFETIME / 2;
        let token = match cookies.back().filter(fresh) {
            Some(newest) => newest.token.clone(),
            None => {
                let mut random = [0; 16];
                SysRng.try_fill_bytes(&mut random).ok()?;
                let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
                if cookies.len() == MAX_COOKIES {
                    cookies.pop_front();
                }
                cookies.push_back(Cookie {
                    token: token.clone(),
                    since: Instant::now(),
                });
                token
            }
        };
        let (name, age) = (&self.name, COOKIE_LIFETIME.as_secs());
        // Not `Secure`: this server speaks no TLS itself.
        let text = format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// How long no password is looked at that comes from there, if so.
    pub(super) fn barred(&self, from: Option<IpAddr>) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failures.get(&prefix(from))?;
        let left = FAILURE_TIME.saturating_sub(known.since.elapsed());
        (known.count >= MAX_FAILURES && !left.is_zero()).then_some(left)
    }

    /// A password was wrong.
    pub(super) fn failed(&self, from: Option<IpAddr>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, known| known.since.elapsed() < FAILURE_TIME);
        let from = prefix(from);
        if failures.len() >= MAX_FAILING && !failures.contains_key(&from) {
            let oldest = failures.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(oldest, _)| *oldest) {
                failures.remove(&oldest);
            }
        }
        let known = failures.entry(from).or_insert(Failures {
            since: Instant::now(),
            count: 0,
        });
        known.count += 1;
    }
}

impl Cookie {
    fn is_good(&self) -> bool {
        self.since.elapsed() < COOKIE_LIFETIME
    }
}

/// Without the token.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cookie")
            .field("since", &self.since)
            .finish_non_exhaustive()
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

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers
    }

    fn given(doors: &Doors) -> String {
        let cookie = doors.cookie().unwrap();
        assert!(cookie.is_sensitive());
        let text = cookie.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict"), "{text}");
        text.split(';').next().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn cookies_are_good_for_a_while() {
        let doors = Doors::new(8080);
        assert!(!doors.knows(&HeaderMap::new()));
        let first = given(&doors);
        assert_eq!(first.len(), "tutk-8080=".len() + 32);
        assert!(doors.knows(&with(&first)));
        assert!(doors.knows(&with(&format!("a=b; tutk-80=0; {first}; c=d"))));
        for bad in [&first[..40], "tutk-8080=", "tutk-8080", "other=0"] {
            assert!(!doors.knows(&with(bad)), "{bad}");
        }
        assert!(!Doors::new(8080).knows(&with(&first)));
        // All who come get the same one, until it is half as old as it may be.
        assert_eq!(given(&doors), first);
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        let second = given(&doors);
        assert_ne!(second, first);
        assert!(doors.knows(&with(&first)) && doors.knows(&with(&second)));
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        assert!(!doors.knows(&with(&first)) && doors.knows(&with(&second)));
        for _ in 0..20 {
            tokio::time::advance(COOKIE_LIFETIME / 2).await;
            given(&doors);
            assert!(doors.cookies.lock().unwrap().len() <= MAX_COOKIES);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_fails_too_often_waits() {
        let doors = Doors::new(1);
        let bad: IpAddr = [10, 0, 0, 1].into();
        let good: IpAddr = [10, 0, 0, 2].into();
        for _ in 0..MAX_FAILURES {
            assert_eq!(doors.barred(Some(bad)), None);
            doors.failed(Some(bad));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(doors.barred(Some(bad)), Some(Duration::from_secs(50)));
        assert_eq!(doors.barred(Some(good)), None);
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(doors.barred(Some(bad)), None);
        // A network of IPv6 counts as one, and no number of addresses grows without end.
        let six = |last| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]));
        for at in 0..u16::try_from(MAX_FAILURES).unwrap() {
            doors.failed(six(at));
        }
        assert!(doors.barred(six(99)).is_some());
        for at in 0..3_000_u32 {
            doors.failed(Some(IpAddr::from(at.to_be_bytes())));
        }
        assert!(doors.failures.lock().unwrap().len() <= MAX_FAILING);
    }
}
