//! Checks of every request: the host name, the origin of the page, and authentication.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName,
    ORIGIN, REFERRER_POLICY, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ipnet::IpNet;

use super::health::is_health_check;
use super::problem::Problem;
use super::state::AppState;
use crate::accounts::{AuthError, REALM};
use crate::admission::ConnectionSlot;

/// Restricts the page to resources of this server, and `blob:` for media.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Headers of all responses.
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

/// The middleware of all routes.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = match check(&state, &request) {
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

/// Checks a request. Returns the cookie to set, if any.
fn check(state: &AppState, request: &Request) -> Result<Option<HeaderValue>, Problem> {
    let max = state.limits.header_bytes;
    if head_bytes(request) > max {
        let error = format!("URL and headers have more than {max} bytes");
        let (status, advice) = (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "send fewer headers",
        );
        return Err(Problem::new(status, error, advice));
    }
    if is_health_check(request.uri().path()) {
        return Ok(None);
    }
    let host = host(request)?;
    if state.accounts.allows_anonymous()
        && let Some(host) = &host
        && !is_own_name(host.host(), &state.names)
    {
        let error = format!("unknown host name {:?}", host.host());
        let advice = "use the IP address or localhost, add the host name to the configuration, or add accounts";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error, advice)
            .allowing(state.names.iter().cloned()));
    }
    if needs_same_origin(request) {
        check_origin(request.headers(), host.as_ref())?;
    }
    let cookie = authenticate(state, request)?;
    admit(state, request)?;
    Ok(cookie)
}

/// Gives the connection a place among the authenticated ones.
fn admit(state: &AppState, request: &Request) -> Result<(), Problem> {
    let slot = request.extensions().get::<ConnectionSlot>();
    if slot.is_none_or(|slot| slot.admit().is_ok()) {
        return Ok(());
    }
    state.counters.connections_refused.inc();
    let max = state.limits.connections;
    let error = format!("the limit of {max} connections is reached");
    let advice = "close connections, or raise the limit of connections";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, advice);
    let close = HeaderValue::from_static("close");
    Err(problem.retry_after(10).with_header(CONNECTION, close))
}

/// Returns the bytes of URL and headers without separators. hyper accepts up to twice the limit if
/// that much arrives at once.
fn head_bytes(request: &Request) -> usize {
    let uri = request.uri();
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    path + headers.sum::<usize>()
}

/// Returns the host name that the client uses for this server.
fn host(request: &Request) -> Result<Option<Authority>, Problem> {
    let bad = |error: &str| Problem::new(StatusCode::BAD_REQUEST, error, "send one Host header");
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() >= axum::http::Version::HTTP_11 => {
            return Err(bad("the request has no Host header"));
        }
        // HTTP/1.0. No browser is that old.
        (None, _) => return Ok(None),
        (Some(host), None) => host
            .to_str()
            .ok()
            .and_then(|host| Authority::from_str(host).ok())
            .filter(|host| !host.as_str().contains('@'))
            .ok_or_else(|| bad("the Host header is invalid"))?,
        (Some(_), Some(_)) => return Err(bad("the request has several Host headers")),
    };
    // `GET http://…`
    match request.uri().authority() {
        Some(other) if !other.as_str().eq_ignore_ascii_case(host.as_str()) => {
            Err(bad("the request's URL and its Host header differ"))
        }
        _ => Ok(Some(host)),
    }
}

/// Returns `true` if a host name is safe from DNS rebinding: an IP address, `localhost`, or a
/// configured name.
fn is_own_name(host: &str, names: &[String]) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let lower = host.to_ascii_lowercase();
    IpAddr::from_str(bare).is_ok()
        || lower == "localhost"
        || lower.ends_with(".localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Returns `true` for requests that pages of other sites may not make: changes, and long-lived
/// connections.
fn needs_same_origin(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    !reads || request.headers().contains_key(UPGRADE) || request.uri().path() == "/api/events"
}

/// Checks that the request comes from a page of this server. Clients other than browsers omit these
/// headers.
fn check_origin(headers: &HeaderMap, host: Option<&Authority>) -> Result<(), Problem> {
    let refused = |what: &str| {
        Problem::new(
            StatusCode::FORBIDDEN,
            format!("{what}: only pages of this server may do this"),
            "use the page of this server; a proxy must forward the Host header",
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
            return Err(refused("the request has another Origin"));
        }
    }
    Ok(())
}

/// Returns `true` if an origin is the server with this host name.
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

/// Checks HTTP Basic (RFC 7617) or the login cookie.
fn authenticate(state: &AppState, request: &Request) -> Result<Option<HeaderValue>, Problem> {
    if state.accounts.allows_anonymous() {
        return Ok(None);
    }
    let headers = request.headers();
    if state.login_cookies.authenticate(headers) {
        return Ok(None);
    }
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return Err(unauthorized("authentication is required"));
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or([0; 4].into(), |ConnectInfo(peer)| peer.ip());
    let peer = client_address(headers, peer, &state.trusted_proxies);
    let now = tokio::time::Instant::now().into_std();
    let checked = match authorization.to_str() {
        Ok(header) => state.accounts.check_basic(now, peer, header),
        Err(_) => Err(AuthError::Unauthorized),
    };
    match checked {
        Ok(()) => Ok(state.login_cookies.set_cookie()),
        Err(AuthError::Delayed(wait)) => {
            state.counters.logins_delayed.inc();
            let seconds = u32::try_from(wait.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
            let error = "too many wrong passwords from this address";
            let advice = format!("wait {seconds} s");
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, error, advice);
            Err(problem.retry_after(seconds))
        }
        Err(AuthError::Unauthorized) => Err(unauthorized(
            "the Authorization header has no name and password in the Basic scheme",
        )),
        Err(AuthError::Wrong | AuthError::Stale) => {
            state.counters.logins_failed.inc();
            tracing::warn!(%peer, "wrong name or password");
            Err(unauthorized("wrong name or password"))
        }
    }
}

/// Returns the address of a client that may be behind trusted proxies. Each proxy appends the
/// address of its client to `X-Forwarded-For`, so that the last ones are trustworthy.
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted_proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| {
        let mut proxies = trusted_proxies.iter();
        proxies.any(|proxy| proxy.contains(address))
    };
    let forwarded = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let forwarded = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    let mut client = peer.to_canonical();
    for address in forwarded {
        let Some(address) = forwarded_address(address.trim()).filter(|_| is_trusted(&client))
        else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// Parses an address with or without a port.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let address = IpAddr::from_str(text).ok();
    address.or_else(|| SocketAddr::from_str(text).ok().map(|address| address.ip()))
}

fn unauthorized(error: &str) -> Problem {
    let challenge = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
    let advice = "send the name and password of an account with HTTP Basic authentication";
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
    fn own_names_are_safe_from_dns_rebinding() {
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
    fn only_trusted_proxies_may_name_the_client() {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];
        let trusted = trusted.map(|proxy| proxy.parse().unwrap());
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(X_FORWARDED_FOR, value.parse().unwrap());
            }
            client_address(&headers, peer.parse().unwrap(), &trusted).to_string()
        };
        for (peer, forwarded, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("127.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            // The client itself sent the first address.
            ("127.0.0.1", &["1.1.1.1, 192.0.2.1, 10.0.0.3"], "192.0.2.1"),
            ("127.0.0.1", &["1.1.1.1", "192.0.2.1,10.0.0.3"], "192.0.2.1"),
            ("127.0.0.1", &["1.1.1.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1, unknown, 10.0.0.3"], "10.0.0.3"),
            ("192.0.2.7", &["192.0.2.1"], "192.0.2.7"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
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
