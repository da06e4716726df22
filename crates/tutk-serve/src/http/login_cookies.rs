//! Login cookies, which browsers send where they cannot send HTTP Basic.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{COOKIE, HeaderMap};
use rand::TryRng as _;
use rand::rngs::SysRng;
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::accounts::User;
use crate::hex::hex;

/// How long a login cookie is valid. After half of this time, logins get a new one.
pub const COOKIE_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The maximum number of valid cookies. The oldest one is no longer valid then.
const MAX_COOKIES: usize = 256;

/// The maximum number of valid cookies of one user.
const MAX_COOKIES_PER_USER: usize = 16;

/// The login cookies of a server. They are kept in memory only.
#[derive(Debug)]
pub(super) struct LoginCookies {
    /// The name of the cookie. It contains the port because browsers share cookies between the
    /// ports of a host.
    name: String,
    /// Oldest first.
    cookies: Mutex<VecDeque<Cookie>>,
}

struct Cookie {
    /// 128 random bits.
    token: String,
    user: User,
    /// Set after HTTP Basic. All clients of the user that use it get the same cookie.
    shared: bool,
    since: Instant,
    /// Set when the session ends.
    ended: watch::Sender<bool>,
}

/// The session of a login cookie.
#[derive(Debug, Clone)]
pub(super) struct Session(watch::Receiver<bool>);

impl Session {
    /// Waits until the session ends by a logout, or by the limits of sessions. A session that
    /// expires only admits no further requests. Cancel-safe.
    pub(super) async fn ended(&mut self) {
        if self.0.wait_for(|ended| *ended).await.is_err() {
            std::future::pending().await
        }
    }
}

impl LoginCookies {
    pub(super) fn new(port: u16) -> Self {
        Self {
            name: format!("tutk-{port}"),
            cookies: Mutex::default(),
        }
    }

    /// Returns the user and the session of a request's valid cookie. The time does not depend on
    /// which cookie matches.
    pub(super) fn authenticate(&self, headers: &HeaderMap) -> Option<(User, Session)> {
        let sent = self.sent(headers);
        let mut found = None;
        for cookie in self.lock().iter().filter(|cookie| cookie.is_valid()) {
            if cookie.is_among(&sent) {
                found = Some((cookie.user.clone(), Session(cookie.ended.subscribe())));
            }
        }
        found
    }

    /// Returns the `Set-Cookie` header for a client that has logged in with HTTP Basic, or `None`
    /// if the system has no randomness.
    pub(super) fn set_shared(&self, user: &User, secure: bool) -> Option<HeaderValue> {
        let mut cookies = self.lock();
        let shared = cookies.iter().rev().find(|cookie| {
            cookie.shared && cookie.user == *user && cookie.since.elapsed() < COOKIE_LIFETIME / 2
        });
        let token = match shared {
            Some(cookie) => cookie.token.clone(),
            None => issue(&mut cookies, user, true)?,
        };
        self.header(&token, COOKIE_LIFETIME, secure)
    }

    /// Returns the `Set-Cookie` header of a new session.
    pub(super) fn set_new(&self, user: &User, secure: bool) -> Option<HeaderValue> {
        let token = issue(&mut self.lock(), user, false)?;
        self.header(&token, COOKIE_LIFETIME, secure)
    }

    /// Ends the sessions whose cookies a request has. Returns the `Set-Cookie` header that removes
    /// the cookie.
    pub(super) fn log_out(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let sent = self.sent(headers);
        self.lock().retain(|cookie| {
            let logged_out = cookie.is_among(&sent);
            if logged_out {
                cookie.end();
            }
            !logged_out
        });
        self.header("", Duration::ZERO, false)
    }

    /// Returns the cookies of this server that a request has.
    fn sent<'a>(&self, headers: &'a HeaderMap) -> Vec<&'a str> {
        let pairs = headers.get_all(COOKIE).iter();
        let pairs = pairs.filter_map(|value| value.to_str().ok());
        let pairs = pairs.flat_map(|value| value.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let own = pairs.filter(|(name, _)| *name == self.name);
        own.map(|(_, token)| token).collect()
    }

    fn header(&self, token: &str, age: Duration, secure: bool) -> Option<HeaderValue> {
        let (name, age) = (&self.name, age.as_secs());
        let secure = if secure { "; Secure" } else { "" };
        let text =
            format!("{name}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Cookie>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a cookie, and drops the oldest one over the limits.
fn issue(cookies: &mut VecDeque<Cookie>, user: &User, shared: bool) -> Option<String> {
    cookies.retain(Cookie::is_valid);
    let mut random = [0; 16];
    SysRng.try_fill_bytes(&mut random).ok()?;
    let own = |cookie: &Cookie| cookie.user == *user;
    let oldest = if cookies.iter().filter(|cookie| own(cookie)).count() >= MAX_COOKIES_PER_USER {
        cookies.iter().position(own)
    } else {
        (cookies.len() >= MAX_COOKIES).then_some(0)
    };
    if let Some(cookie) = oldest.and_then(|oldest| cookies.remove(oldest)) {
        cookie.end();
    }
    let token = hex(&random);
    cookies.push_back(Cookie {
        token: token.clone(),
        user: user.clone(),
        shared,
        since: Instant::now(),
        ended: watch::Sender::new(false),
    });
    Some(token)
}

impl Cookie {
    fn is_valid(&self) -> bool {
        self.since.elapsed() < COOKIE_LIFETIME
    }

    fn end(&self) {
        self.ended.send_replace(true);
    }

    fn is_among(&self, sent: &[&str]) -> bool {
        let mut known = Choice::from(0);
        for sent in sent {
            known |= self.token.as_bytes().ct_eq(sent.as_bytes());
        }
        known.into()
    }
}

/// Omits the token.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cookie")
            .field("user", &self.user)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Role;

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers
    }

    fn user(name: &str) -> User {
        User::new(name, Role::Admin)
    }

    fn token(cookie: Option<HeaderValue>) -> String {
        let cookie = cookie.unwrap();
        assert!(cookie.is_sensitive());
        let text = cookie.to_str().unwrap();
        assert!(text.ends_with("; HttpOnly; SameSite=Strict"), "{text}");
        text.split(';').next().unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn cookies_expire_after_their_lifetime() {
        let cookies = LoginCookies::new(8080);
        let anna = user("anna");
        let knows = |cookie: &str| cookies.authenticate(&with(cookie)).is_some();
        assert!(cookies.authenticate(&HeaderMap::new()).is_none());
        let first = token(cookies.set_shared(&anna, false));
        assert_eq!(first.len(), "tutk-8080=".len() + 32);
        assert!(knows(&first));
        assert!(knows(&format!("a=b; tutk-80=0; {first}; c=d")));
        for bad in [&first[..40], "tutk-8080=", "tutk-8080", "other=0"] {
            assert!(!knows(bad), "{bad}");
        }
        let other = LoginCookies::new(8080);
        assert!(other.authenticate(&with(&first)).is_none());
        // All clients of a user that use Basic get the same cookie for half of its lifetime.
        assert_eq!(token(cookies.set_shared(&anna, false)), first);
        assert_ne!(token(cookies.set_shared(&user("ben"), false)), first);
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        let second = token(cookies.set_shared(&anna, false));
        assert_ne!(second, first);
        assert!(knows(&first) && knows(&second));
        tokio::time::advance(COOKIE_LIFETIME / 2).await;
        assert!(!knows(&first) && knows(&second));
    }

    #[test]
    fn sessions_belong_to_users_and_end_with_logout() {
        let cookies = LoginCookies::new(1);
        let anna = token(cookies.set_new(&user("anna"), false));
        let ben = token(cookies.set_new(&user("ben"), false));
        let name = |cookie: &str| {
            let (user, _) = cookies.authenticate(&with(cookie))?;
            Some(user.name().to_owned())
        };
        assert_eq!(name(&anna).as_deref(), Some("anna"));
        assert_eq!(name(&ben).as_deref(), Some("ben"));
        let cleared = cookies.log_out(&with(&anna)).unwrap();
        assert!(
            cleared
                .to_str()
                .unwrap()
                .starts_with("tutk-1=; Path=/; Max-Age=0;")
        );
        assert_eq!(name(&anna), None);
        assert!(name(&ben).is_some());
        let secure = cookies.set_new(&user("ben"), true).unwrap();
        assert!(secure.to_str().unwrap().ends_with("; Secure"));
    }

    #[test]
    fn cookies_are_limited_for_each_user() {
        let cookies = LoginCookies::new(1);
        let ben = token(cookies.set_new(&user("ben"), false));
        let oldest = token(cookies.set_new(&user("anna"), false));
        for _ in 0..MAX_COOKIES_PER_USER {
            let _ = cookies.set_new(&user("anna"), false);
        }
        assert!(cookies.authenticate(&with(&oldest)).is_none());
        assert!(cookies.authenticate(&with(&ben)).is_some());
        for number in 0..2 * MAX_COOKIES {
            let _ = cookies.set_new(&user(&number.to_string()), false);
        }
        assert!(cookies.lock().len() <= MAX_COOKIES);
    }
}
