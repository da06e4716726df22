//! Requests with arbitrary hosts, origins, credentials, cookies and headers of proxies, one after
//! the other, to the routes of the HTTP server. Time passes only when nothing else happens.
//!
//! - With accounts, only health checks and the login page are served without a valid password or
//!   cookie, and no other request gets a cookie.
//! - A password or cookie is not accepted from another machine over plain HTTP.
//! - Without accounts, a page that was loaded from another host name is refused.
//! - A page of another site changes nothing and opens no WebSocket.
//! - A client that is not a trusted proxy gains nothing by the headers of one.
//! - Each response has the security headers.
#![no_main]

#[allow(dead_code, reason = "other targets send frames")]
mod feed;
mod requests;

use std::time::Duration;

use arbitrary::Arbitrary;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use feed::Feed;
use libfuzzer_sys::fuzz_target;
use requests::{Cookies, Facts, Parts};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{advance, timeout};
use tower::ServiceExt as _;
use tutk_serve::{Account, Accounts, HttpApp, HttpConfig, Hub, KeptLimits, Role};

/// Longer than failed logins are remembered.
const FORGOTTEN: Duration = Duration::from_secs(20 * 60);

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    has_accounts: bool,
    allow_plain: bool,
    requests: Vec<Parts<'a>>,
}

/// The kinds of servers, each twice, so that the same requests can be sent with a change.
struct Servers {
    runtime: Runtime,
    apps: Vec<[App; 2]>,
    _feed: Feed,
}

struct App {
    router: Router,
    has_accounts: bool,
    allow_plain: bool,
}

thread_local! {
    static SERVERS: Servers = Servers::new();
}

fuzz_target!(|input: Input<'_>| SERVERS.with(|servers| servers.run(&input)));

impl Servers {
    fn new() -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let hub = Hub::new();
        let feed = Feed::new(&hub, KeptLimits::default());
        let context = runtime.enter();
        let kinds = [(false, false), (true, false), (true, true)];
        let apps = kinds.map(|kind| [(); 2].map(|()| App::new(&hub, kind)));
        drop(context);
        Self {
            runtime,
            apps: apps.into(),
            _feed: feed,
        }
    }

    fn run(&self, input: &Input<'_>) {
        let index = match (input.has_accounts, input.allow_plain) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let [app, twin] = &self.apps[index];
        self.runtime.block_on(async {
            advance(FORGOTTEN).await;
            let outcomes = app.send(&input.requests, false).await;
            if !input.requests.iter().any(Parts::is_through_proxy) {
                let without = twin.send(&input.requests, true).await;
                assert_eq!(outcomes, without, "headers of proxies were trusted");
            }
        });
    }
}

impl App {
    fn new(hub: &Hub, (has_accounts, allow_plain): (bool, bool)) -> Self {
        let mut config = HttpConfig::new(([127, 0, 0, 1], 80).into());
        if has_accounts {
            let account = |name, password| Account::new(name, password).expect("a valid account");
            let mut accounts = Accounts::none();
            accounts.add_account(account("alice", "secret"));
            accounts.add_account(account("bob", "hidden").with_role(Role::View));
            config.accounts = accounts;
        }
        config.names = vec!["cameras.home.arpa".to_owned()];
        config.trusted_proxies = vec!["10.0.0.1/32".parse().expect("a network")];
        config.allow_plain_auth = allow_plain;
        Self {
            router: HttpApp::new(hub.clone(), config).router(),
            has_accounts,
            allow_plain,
        }
    }

    /// Sends the requests, and returns the statuses. `None` if there was no response. With `hide`,
    /// the headers of proxies have other names.
    async fn send(&self, requests: &[Parts<'_>], hide: bool) -> Vec<Option<StatusCode>> {
        let mut cookies = Cookies::default();
        let mut statuses = Vec::new();
        for parts in requests.iter().take(12) {
            let Some((request, facts)) = parts.request(&cookies, hide) else {
                statuses.push(None);
                continue;
            };
            let is_logout = facts.path == "/logout";
            let sent = request.headers().clone();
            // Streams and commands wait for the camera.
            let response = timeout(
                Duration::from_secs(60),
                self.router.clone().oneshot(request),
            );
            let Ok(response) = response.await else {
                self.check(&facts, StatusCode::OK, false);
                statuses.push(None);
                continue;
            };
            let Ok(response) = response;
            let (status, headers) = (response.status(), response.headers());
            for name in [
                CONTENT_SECURITY_POLICY,
                X_CONTENT_TYPE_OPTIONS,
                CACHE_CONTROL,
            ] {
                assert!(headers.contains_key(&name), "no {name}");
            }
            let sets_cookie = headers.get_all(SET_COOKIE).iter().any(|cookie| {
                let cookie = cookie.to_str().expect("text");
                !cookie.starts_with("tutk-80=;")
            });
            self.check(&facts, status, sets_cookie);
            if is_logout && status == StatusCode::NO_CONTENT {
                cookies.end(&sent);
            }
            // A request with the cookie of one account and the password of another is that of the
            // cookie's account, so that a new cookie can only be that of a sent password.
            cookies.remember(headers, facts.has_alice);
            statuses.push(Some(status));
        }
        statuses
    }

    fn check(&self, facts: &Facts, status: StatusCode, sets_cookie: bool) {
        let refused = [303, 400, 401, 403, 421, 429, 431].contains(&status.as_u16());
        let context = || format!("{status} for {}", facts.path);
        if self.has_accounts {
            if !facts.has_any {
                assert!(refused || facts.is_public, "{}", context());
                assert!(!sets_cookie, "{}", context());
            }
            if facts.is_far && !self.allow_plain {
                assert!(refused || facts.is_public, "{}", context());
                assert!(
                    !sets_cookie && status != StatusCode::UNAUTHORIZED,
                    "{}",
                    context()
                );
            }
            if facts.path == "/metrics" && !facts.has_alice {
                assert!(!status.is_success(), "{}", context());
            }
        } else if facts.is_rebound && !facts.is_health_check() {
            assert!(refused, "{}", context());
        }
        if facts.is_cross_site && facts.needs_own_origin && !facts.is_health_check() {
            assert!(refused, "{}", context());
        }
    }
}
