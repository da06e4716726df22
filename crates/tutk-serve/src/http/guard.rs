//! Who is let through: by the name that the server is called, by the page that asks, and by a password.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, ORIGIN,
    REFERRER_POLICY, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::App;
use super::problem::Problem;
use crate::accounts::REALM;

/// What the page may do: nothing but with what comes from here, and `blob:` for what it plays.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What all answers say.
const ALWAYS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "microphone=(self), camera=(), geolocation=()",
    ),
];

/// Stands before all that is served.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = match admit(&app, &request) {
        Ok(cookie) => {
            let mut response = next.run(request).await;
            if let Some(cookie) = cookie {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            response
        }
        Err(problem) => {
            tracing::debug!(method = %request.method(), path = request.uri().path(), %problem, "refused");
            problem.into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The cookie that goes with the answer, if one does.
fn admit(app: &App, request: &Request) -> Result<Option<HeaderValue>, Problem> {
    let most = app.limits.header_bytes;
    if head_bytes(request) > most {
        let error = format!("the request's head has more than {most} bytes");
        let (status, advice) = (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "send fewer headers",
        );
        return Err(Problem::new(status, error, advice));
    }
    let host = host(request)?;
    if app.accounts.is_open()
        && let Some(host) = &host
        && !is_own_name(host.host(), &app.names)
    {
        let error = format!("this server is not called {:?}", host.host());
        let advice = "call it by its IP address or localhost, name it in the configuration, or give it accounts";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error, advice)
            .allowing(app.names.iter().cloned()));
    }
    if changes_or_stays(request) {
        from_here(request.headers(), host.as_ref())?;
    }
    authenticate(app, request)
}

/// What an address and headers have, without what stands between them. What reads them takes up to twice the limit
/// where so much comes at once.
fn head_bytes(request: &Request) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    path + headers.sum::<usize>()
}

/// What the client calls this server.
fn host(request: &Request) -> Result<Option<Authority>, Problem> {
    let bad = |error: &str| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            error,
            "name the server once, in the header Host",
        )
    };
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= axum::http::Version::HTTP_11 => {
            return Err(bad("the request has no Host"));
        }
        // Nothing that shows pages of others is as old as this.
        (None, _) => return Ok(None),
        (Some(host), None) => host
            .to_str()
            .ok()
            .and_then(|host| Authority::from_str(host).ok())
            .filter(|host| !host.as_str().contains('@'))
            .ok_or_else(|| bad("the Host is none"))?,
        (Some(_), Some(_)) => return Err(bad("the request has several Hosts")),
    };
    // `GET http://…`: it has to be the same.
    match request.uri().authority() {
        Some(other) if !other.as_str().eq_ignore_ascii_case(host.as_str()) => {
            Err(bad("the request's address and its Host differ"))
        }
        _ => Ok(Some(host)),
    }
}

/// Whether a name is none that a stranger could have lead here: an address, this machine, or a name of ours.
fn is_own_name(host: &str, names: &[String]) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let lower = host.to_ascii_lowercase();
    IpAddr::from_str(bare).is_ok()
        || lower == "localhost"
        || lower.ends_with(".localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether it is something that a page of others must not have done: a change, or a connection that stays.
fn changes_or_stays(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    !reads || request.headers().contains_key(UPGRADE) || request.uri().path() == "/api/events"
}

/// What a browser says of the page that asks: it has to be one of ours. Who is no browser says nothing.
fn from_here(headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Problem> {
    let refused = |what: &str| {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!("{what}: only pages of this server may do this"),
            "open the server's own page; behind a proxy, have it pass the header Host on",
        )
    };
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err(refused("the request comes from another site"));
    }
    for origin in headers.get_all(ORIGIN) {
        let own = origin
            .to_str()
            .ok()
            .zip(host)
            .is_some_and(|(origin, host)| is_origin(origin, host));
        if !own {
            return Err(refused("the request's Origin is another"));
        }
    }
    Ok(())
}

/// Whether an origin is the server that was called by this name.
fn is_origin(origin: &str, host: &Authority) -> bool {
    let Some((scheme, rest)) = origin.split_once("://") else {
        return false;
    };
    let default = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    let Ok(origin) = Authority::from_str(rest) else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    origin.host().eq_ignore_ascii_case(host.host()) && port(&origin) == port(host)
}

/// RFC 7617, or the cookie that was given for it.
fn authenticate(app: &App, request: &Request) -> Result<Option<HeaderValue>, Problem> {
    if app.accounts.is_open() {
        return Ok(None);
    }
    let headers = request.headers();
    if app.doors.knows(headers) {
        return Ok(None);
    }
    let Some(said) = headers.get(AUTHORIZATION) else {
        return Err(unknown("the server wants to know who asks"));
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip());
    if let Some(left) = app.doors.failures.barred(peer) {
        let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1);
        let error = "too many wrong passwords came from this address";
        let advice = format!("wait {seconds} s");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, error, advice);
        return Err(problem.retry_after(seconds));
    }
    let right = said
        .to_str()
        .is_ok_and(|said| app.accounts.knows_basic(said));
    if !right {
        app.doors.failures.failed(peer);
        app.counters.login_failed();
        tracing::warn!(?peer, "a wrong name or password");
        return Err(unknown("name or password is wrong"));
    }
    Ok(app.doors.cookie())
}

fn unknown(error: &str) -> Problem {
    let challenge = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
    let advice = "give the name and password of an account by HTTP Basic authentication";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, error, advice);
    match HeaderValue::from_str(&challenge) {
        Ok(challenge) => problem.with_header(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_else_can_have_lead_here() {
        let names = ["cameras.home.arpa".to_owned()];
        for own in [
            "127.0.0.1",
            "192.168.1.7",
            "[::1]",
            "[fe80::1]",
            "localhost",
            "LocalHost",
            "tutk.localhost",
            "localhost.",
            "Cameras.home.arpa",
        ] {
            assert!(is_own_name(own, &names), "{own}");
        }
        for other in [
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "notlocalhost",
            "home.arpa",
            "1.2.3",
            "",
        ] {
            assert!(!is_own_name(other, &names), "{other}");
        }
    }

    #[test]
    fn an_origin_is_scheme_name_and_port() {
        let is = |origin: &str, host: &str| is_origin(origin, &Authority::from_str(host).unwrap());
        assert!(is("http://h:8080", "h:8080") && is("http://H", "h:80") && is("https://h", "h"));
        assert!(is("http://[::1]:80", "[::1]"));
        for (origin, host) in [
            ("null", "h"),
            ("http://h", "h:8080"),
            ("http://h:8081", "h:8080"),
            ("https://h", "h:80"),
            ("http://h.example.com", "h"),
            ("file://h", "h"),
            ("http://", "h"),
        ] {
            assert!(!is(origin, host), "{origin} {host}");
        }
    }
}
