//! Who has shown that he may come in.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{COOKIE, HeaderMap};
use rand::TryRng as _;
use rand::rngs::SysRng;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::Instant;

use crate::accounts::hex;
use crate::failures::Failures;

/// How long a cookie is good for. Half as old, it is replaced by a new one.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Cookies that are good at a time. They are shared by all who have shown a password: no more than these can be needed.
const MAX_COOKIES: usize = 4;

/// What is remembered of clients.
#[derive(Debug)]
pub(super) struct Doors {
    /// What the cookie is called. Browsers keep cookies by host and not by port: servers beside this one have
    /// others.
    name: String,
    cookies: Mutex<VecDeque<Cookie>>,
    pub(super) failures: Failures,
}

struct Cookie {
    /// 128 bits that nobody can guess.
    token: String,
    since: Instant,
}

impl Doors {
    pub(super) fn new(port: u16) -> Self {
        Self {
            name: format!("tutk-{port}"),
            cookies: Mutex::default(),
            failures: Failures::default(),
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
                let token = hex(&random);
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
}
