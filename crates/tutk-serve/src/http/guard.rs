//! Checks of every request: the host name, the origin of the page, and authentication.

use std::net::IpAddr;
use std::str::FromStr as _;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST, HeaderMap,
    HeaderName, ORIGIN, REFERRER_POLICY, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::client::Client;
use super::health::is_health_check;
use super::login::{LOGIN, LoginError, is_public, log_in};
use super::login_cookies::Session;
use super::problem::Problem;
use super::server::HTTPS;
use super::state::AppState;
use crate::accounts::{AuthError, Login, REALM, User};
use crate::admission::ConnectionSlot;
use crate::clock::now;

/// Restricts the page to resources of this server, and `blob:` for media.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

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
    let (mut parts, body) = request.into_parts();
    let mut response = match check(&state, &parts).await {
        Ok(admitted) => {
            let Admitted {
                user,
                session,
                cookie,
            } = admitted;
            if let Some(user) = user {
                parts.extensions.insert(user);
            }
            if let Some(session) = session {
                parts.extensions.insert(session);
            }
            let mut response = next.run(Request::from_parts(parts, body)).await;
            if let Some(cookie) = cookie {
                response.headers_mut().append(SET_COOKIE, cookie);
            }
            response
        }
        Err(Refusal::Redirect(to)) => Redirect::to(&to).into_response(),
        Err(Refusal::Problem(problem)) => {
            tracing::debug!(method = %parts.method, path = parts.uri.path(), %problem, "refused");
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

/// A request that may be served.
#[derive(Default)]
struct Admitted {
    /// `None` for pages that need no authentication.
    user: Option<User>,
    /// The session of a request with a login cookie.
    session: Option<Session>,
    /// The login cookie to set.
    cookie: Option<HeaderValue>,
}

/// Why a request is not served.
enum Refusal {
    Problem(Problem),
    /// A browser must load another page.
    Redirect(String),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Checks a request.
async fn check(state: &AppState, request: &Parts) -> Result<Admitted, Refusal> {
    let max = state.limits.header_bytes;
    if head_bytes(request) > max {
        let error = format!("URL and headers have more than {max} bytes");
        let (status, advice) = (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "send fewer headers",
        );
        return Err(Problem::new(status, error, advice).into());
    }
    let path = request.uri.path();
    if is_health_check(path) {
        return Ok(Admitted::public());
    }
    let host = host(request)?;
    if state.accounts.allows_anonymous()
        && let Some(host) = &host
        && !is_own_name(host.host(), &state.names)
    {
        let error = format!("unknown host name {:?}", host.host());
        let advice = "use the IP address or localhost, add the host name to the configuration, or add accounts";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error, advice)
            .allowing(state.names.iter().cloned())
            .into());
    }
    if needs_same_origin(request) {
        check_origin(&request.headers, host.as_ref())?;
    }
    let is_page = match path {
        "/" => wants_page(request),
        _ => path == LOGIN && request.method != Method::POST,
    };
    // The login page would ask for a password that must not be sent.
    if is_page
        && !state.accounts.allows_anonymous()
        && let Err(problem) = Client::of(state, request).check_transport(state)
    {
        let secure = secure_url(state, host.as_ref());
        return Err(secure.map_or(Refusal::Problem(problem), Refusal::Redirect));
    }
    if is_public(path) {
        return Ok(Admitted::public());
    }
    let admitted = match authenticate(state, request).await {
        // A page without credentials is one that a person has opened.
        Err(_) if path == "/" && is_page => return Err(Refusal::Redirect(LOGIN.to_owned())),
        admitted => admitted?,
    };
    admit(state, request)?;
    Ok(admitted)
}

impl Admitted {
    /// Admits a request that needs no authentication.
    fn public() -> Self {
        Self::default()
    }
}

/// Returns the page's URL at the HTTPS server of the hub, if there is one.
fn secure_url(state: &AppState, host: Option<&Authority>) -> Option<String> {
    let outputs = state.hub.outputs();
    let output = outputs.iter().find(|output| output.scheme == HTTPS)?;
    output.index_url(host?.host())
}

/// Returns `true` if a browser loads the URL as a page.
fn wants_page(request: &Parts) -> bool {
    let accept = request.headers.get(ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    request.method == Method::GET && accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Gives the connection a place among the authenticated ones.
fn admit(state: &AppState, request: &Parts) -> Result<(), Problem> {
    let slot = request.extensions.get::<ConnectionSlot>();
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
fn head_bytes(request: &Parts) -> usize {
    let uri = &request.uri;
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    path + headers.sum::<usize>()
}

/// Returns the host name that the client uses for this server.
fn host(request: &Parts) -> Result<Option<Authority>, Problem> {
    let bad = |error: &str| Problem::new(StatusCode::BAD_REQUEST, error, "send one Host header");
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) if request.version >= axum::http::Version::HTTP_11 => {
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
    match request.uri.authority() {
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
fn needs_same_origin(request: &Parts) -> bool {
    let reads = matches!(request.method, Method::GET | Method::HEAD);
    !reads || request.headers.contains_key(UPGRADE) || request.uri.path() == "/api/events"
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
async fn authenticate(state: &AppState, request: &Parts) -> Result<Admitted, Problem> {
    if state.accounts.allows_anonymous() {
        return Ok(Admitted {
            user: Some(User::ANONYMOUS),
            ..Admitted::default()
        });
    }
    let client = Client::of(state, request);
    client.check_transport(state)?;
    let headers = &request.headers;
    if let Some((user, session)) = state.login_cookies.authenticate(headers) {
        return Ok(Admitted {
            user: Some(user),
            session: Some(session),
            cookie: None,
        });
    }
    // A challenge makes a browser ask for the password, although the page has a form for it. A
    // browser that opens a URL needs it to use the name and the password in the URL.
    let mode = headers.get(SEC_FETCH_MODE).map(HeaderValue::as_bytes);
    let challenge = !headers.contains_key(SEC_FETCH_SITE) || mode == Some(b"navigate");
    let unauthorized = |error| unauthorized(error, challenge);
    let Some(authorization) = headers.get(AUTHORIZATION) else {
        return Err(unauthorized("authentication is required"));
    };
    let login = match authorization.to_str() {
        Ok(header) => (state.accounts).check_basic(now(), client.address, header),
        Err(_) => Login::Done(Err(AuthError::Unauthorized)),
    };
    let user = log_in(state, &client, login)
        .await
        .map_err(|error| match error {
            LoginError::Delayed(problem) => problem,
            LoginError::Malformed => unauthorized(
                "the Authorization header has no name and password in the Basic scheme",
            ),
            LoginError::Wrong => unauthorized("wrong name or password"),
        })?;
    let cookie = state.login_cookies.set_shared(&user, client.secure);
    Ok(Admitted {
        user: Some(user),
        session: None,
        cookie,
    })
}

fn unauthorized(error: &str, challenge: bool) -> Problem {
    let advice = "send the name and password of an account with HTTP Basic authentication, or log in at /login";
    let problem = Problem::new(StatusCode::UNAUTHORIZED, error, advice);
    let header = format!("Basic realm=\"{REALM}\", charset=\"UTF-8\"");
    match HeaderValue::from_str(&header) {
        Ok(header) if challenge => problem.with_header(WWW_AUTHENTICATE, header),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;

    use super::*;
    use crate::http::HttpConfig;
    use crate::http::client::{X_FORWARDED_FOR, X_FORWARDED_PROTO};
    use crate::http::server::IsTls;
    use crate::hub::{Hub, UrlScheme, UrlTarget};

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

    #[tokio::test]
    async fn passwords_need_an_encrypted_connection() {
        let config = |plain| {
            let mut config = HttpConfig::new(([127, 0, 0, 1], 80).into());
            config.accounts.add("anna", "x").unwrap();
            let proxies = ["10.0.0.1/32", "127.0.0.2/32"];
            config.trusted_proxies = proxies.map(|proxy| proxy.parse().unwrap()).into();
            config.allow_plain_auth = plain;
            AppState::new(Hub::new(), config)
        };
        let (strict, lax) = (config(false), config(true));
        // anna:x
        let basic = "Basic YW5uYTp4";
        // Of a trusted proxy: the scheme and the address of its client.
        let (http, https) = (
            &[(X_FORWARDED_PROTO, "http")],
            &[(X_FORWARDED_PROTO, "https")],
        );
        let far = &[(X_FORWARDED_FOR, "192.0.2.1")];
        for (state, peer, headers, tls, status) in [
            (&strict, "192.0.2.1", &[][..], false, 403),
            (&strict, "192.0.2.1", https, false, 403),
            (&strict, "10.0.0.1", &[], false, 403),
            (&strict, "10.0.0.1", https, false, 200),
            (&strict, "10.0.0.1", http, true, 403),
            (&strict, "10.0.0.1", &[], true, 200),
            (&strict, "192.0.2.1", http, true, 200),
            (&strict, "192.0.2.1", &[], true, 200),
            (&strict, "127.0.0.1", &[], false, 200),
            (&strict, "::ffff:127.0.0.1", &[], false, 200),
            (&strict, "127.0.0.2", &[], false, 200),
            (&strict, "127.0.0.2", far, false, 403),
            (&strict, "127.0.0.2", http, false, 403),
            (&strict, "127.0.0.2", https, false, 200),
            (&lax, "192.0.2.1", &[], false, 200),
        ] {
            let mut headers = headers.to_vec();
            headers.push((AUTHORIZATION, basic));
            let parts = parts("/api/cameras", peer, &headers, tls);
            let found = outcome(state, &parts).await;
            assert_eq!(found, Err(status), "{peer} {headers:?} {tls}");
        }
    }

    fn parts(path: &str, peer: &str, headers: &[(HeaderName, &str)], tls: bool) -> Parts {
        let mut request = Request::get(path).header(HOST, "h");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let address = SocketAddr::new(peer.parse().unwrap(), 1);
        parts.extensions.insert(ConnectInfo(address));
        if tls {
            parts.extensions.insert(IsTls);
        }
        parts
    }

    /// Returns where a request is redirected to, or its status.
    async fn outcome(state: &AppState, parts: &Parts) -> Result<String, u16> {
        match check(state, parts).await {
            Ok(_) => Err(200),
            Err(Refusal::Problem(problem)) => Err(problem.status.as_u16()),
            Err(Refusal::Redirect(to)) => Ok(to),
        }
    }

    /// A form must not ask for a password that may not be sent.
    #[tokio::test]
    async fn login_page_needs_an_encrypted_connection() {
        let hub = Hub::new();
        let mut config = HttpConfig::new(([127, 0, 0, 1], 80).into());
        config.accounts.add("anna", "x").unwrap();
        let state = AppState::new(hub.clone(), config);
        let open = async |path: &str, peer: &str| {
            let parts = parts(path, peer, &[(ACCEPT, "text/html")], false);
            outcome(&state, &parts).await
        };
        let (near, far) = ("127.0.0.1", "192.0.2.1");
        assert_eq!(open("/", near).await, Ok(LOGIN.to_owned()));
        assert_eq!(open(LOGIN, near).await, Err(200));
        for path in ["/", LOGIN] {
            assert_eq!(open(path, far).await, Err(403), "{path}");
        }
        let _https = hub.register(UrlScheme {
            scheme: HTTPS,
            address: ([0; 4], 8443).into(),
            target: UrlTarget::Index,
        });
        for path in ["/", LOGIN] {
            assert_eq!(open(path, far).await, Ok("https://h:8443/".to_owned()));
        }
        assert_eq!(open(LOGIN, near).await, Err(200));
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
