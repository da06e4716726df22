//! Login cookies, which browsers send where they cannot send HTTP Basic.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{COOKIE, HeaderMap};
use rand::TryRng as _;
use rand::rngs::SysRng;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::time::Instant;

use crate::hex::hex;

/// How long a login cookie is valid. After half of this time, logins get a new one.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The maximum number of valid cookies. All clients that log in share the newest one.
const MAX_COOKIES: usize = 4;

/// The login cookies of a server. They are kept in memory only.
#[derive(Debug)]
pub(super) struct LoginCookies {
    /// The name of the cookie. It contains the port because browsers share cookies between the
    /// ports of a host.
    name: String,
    cookies: Mutex<VecDeque<Cookie>>,
}

struct Cookie {
    /// 128 random bits.
    token: String,
    since: Instant,
}

impl LoginCookies {
    pub(super) fn new(port: u16) -> Self {
        Self {
            name: format!("tutk-{port}"),
            cookies: Mutex::default(),
        }
    }

    /// Returns `true` if a request has a valid cookie. The time does not depend on which cookie
    /// matches.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> bool {
        let pairs = headers.get_all(COOKIE).iter();
        let pairs = pairs.filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';'));
        let sent: Vec<_> = pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .collect();
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = Choice::from(0);
        for cookie in cookies.iter().filter(|cookie| cookie.is_valid()) {
            for (_, sent) in &sent {
                known |= cookie.token.as_bytes().ct_eq(sent.as_bytes());
            }
        }
        known.into()
    }

    /// Returns the `Set-Cookie` header for a client that has logged in, or `None` if the system has
    /// no randomness.
    pub(super) fn set_cookie(&self) -> Option<HeaderValue> {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.retain(Cookie::is_valid);
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
        // Not `Secure`, because this server does not support TLS.
        let text = format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    fn is_valid(&self) -> bool {
        self.since.elapsed() < COOKIE_LIFETIME
    }
}

/// Omits the token.
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

    fn issue(cookies: &LoginCookies) -> String {
        let cookie = cookies.set_cookie().unwrap();
        assert!(cookie.is_sensitive());
        let text = cookie.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict"), "{text}");
        text.split(';').next().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn cookies_expire_after_their_lifetime() {
        let cookies = LoginCookies::new(8080);
        assert!(!cookies.authenticate(&HeaderMap::new()));
        let first = issue(&cookies);
        assert_eq!(first.len(), "tutk-8080=".len() + 32);
        assert!(cookies.authenticate(&with(&first)));
        assert!(cookies.authenticate(&with(&format!("a=b; tutk-80=0; {first}; c=d"))));
        for bad in [&first[..40], "tutk-8080=", "tutk-8080", "other=0"] {
            assert!(!cookies.authenticate(&with(bad)), "{bad}");
        }
        assert!(!LoginCookies::new(8080).authenticate(&with(&first)));
        // All clients get the same cookie for half of its lifetime.
        assert_eq!(issue(&cookies), first);
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        let second = issue(&cookies);
        assert_ne!(second, first);
        assert!(cookies.authenticate(&with(&first)) && cookies.authenticate(&with(&second)));
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        assert!(!cookies.authenticate(&with(&first)) && cookies.authenticate(&with(&second)));
        for _ in 0..20 {
            tokio::time::advance(COOKIE_LIFETIME / 2).await;
            issue(&cookies);
            assert!(cookies.cookies.lock().unwrap().len() <= MAX_COOKIES);
        }
    }
}
