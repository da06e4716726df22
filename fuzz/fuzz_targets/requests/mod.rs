//! Requests with arbitrary hosts, origins, credentials, cookies and headers of proxies, and what is
//! known about them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::Arbitrary;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};

/// `alice:secret`, an administrator, in base64.
const ALICE: &str = "YWxpY2U6c2VjcmV0";

/// `bob:hidden`, who may only view, in base64.
const BOB: &str = "Ym9iOmhpZGRlbg==";

/// The host name of another site.
const EVIL: &str = "evil.example";

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The paths that are served without credentials.
const PUBLIC: [&str; 7] = [
    "/healthz",
    "/readyz",
    "/login",
    "/login.js",
    "/style.css",
    "/icon.svg",
    "/manifest.webmanifest",
];

const PATHS: [&str; 20] = [
    "/",
    "/login",
    "/logout",
    "/healthz",
    "/readyz",
    "/style.css",
    "/app.js",
    "/openapi.json",
    "/metrics",
    "/api/user",
    "/api/events",
    "/api/cameras",
    "/api/cameras/front",
    "/api/cameras/front/controls",
    "/api/cameras/front/controls/night-vision",
    "/api/cameras/back",
    "/front/live",
    "/front/talk",
    "/front/stream.mp4",
    "/front/snapshot.jpg",
];

#[derive(Debug, Arbitrary)]
pub struct Parts<'a> {
    peer: Peer,
    method: Verb,
    path: Path<'a>,
    /// The host in the URL.
    absolute: Option<Name<'a>>,
    is_http10: bool,
    host: Option<Name<'a>>,
    headers: Vec<Header<'a>>,
    body: Content<'a>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Peer {
    Loopback,
    Loopback6,
    Mapped,
    /// The trusted proxy.
    Proxy,
    Lan(u8),
    Far6(u8),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
}

#[derive(Debug, Arbitrary)]
enum Path<'a> {
    Known(u8),
    Other(&'a str),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Name<'a> {
    Localhost,
    Address,
    Own,
    Evil,
    EvilPort,
    Other(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Header<'a> {
    Alice,
    Bob,
    WrongPassword(u8),
    Authorization(&'a [u8]),
    /// A cookie that was set before.
    Cookie(u8),
    OtherCookie(&'a [u8]),
    Origin(Name<'a>, bool),
    NullOrigin,
    FetchSite(Site<'a>),
    FetchMode(&'a [u8]),
    ForwardedFor(Forwarded<'a>),
    ForwardedProto(Scheme<'a>),
    Upgrade,
    Html,
    SecondHost(Name<'a>),
    Large(u16),
    Other(u8, &'a [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Site<'a> {
    SameOrigin,
    None,
    CrossSite,
    Other(&'a [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Forwarded<'a> {
    Loopback,
    Lan(u8),
    List(u8, u8),
    Other(&'a [u8]),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Scheme<'a> {
    Http,
    Https,
    Other(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
enum Content<'a> {
    None,
    LoginAlice,
    LoginWrong,
    Json(&'a str),
}

/// What a request has.
pub struct Facts {
    pub path: String,
    pub is_public: bool,
    /// It may have the password or a cookie of alice.
    pub has_alice: bool,
    /// It may have those of any account.
    pub has_any: bool,
    /// It comes from another machine and not through the proxy.
    pub is_far: bool,
    pub is_cross_site: bool,
    pub needs_own_origin: bool,
    /// The host name is that of another site.
    pub is_rebound: bool,
}

/// The login cookies that the server has set.
#[derive(Default)]
pub struct Cookies(Vec<Cookie>);

pub struct Cookie {
    /// `NAME=TOKEN`.
    pair: String,
    may_be_alice: bool,
    /// The user has logged out.
    has_ended: bool,
}

impl Cookies {
    pub fn remember(&mut self, headers: &HeaderMap, may_be_alice: bool) {
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("text");
            let pair = cookie.split(';').next().unwrap_or_default().to_owned();
            if !pair.ends_with('=') {
                self.0.push(Cookie {
                    pair,
                    may_be_alice,
                    has_ended: false,
                });
            }
        }
    }

    /// Ends the sessions of the cookies that a request had.
    pub fn end(&mut self, sent: &HeaderMap) {
        for cookie in &mut self.0 {
            cookie.has_ended |= contains(sent, &COOKIE, &cookie.pair);
        }
    }
}

/// Renames the headers of proxies. The number of bytes stays the same, because it is limited.
fn hide_proxy_headers(headers: &mut HeaderMap) {
    for (name, hidden) in [
        (FORWARDED_FOR, "x-forwarded-xxx"),
        (FORWARDED_PROTO, "x-forwarded-xxxxx"),
    ] {
        let values: Vec<_> = headers.get_all(&name).iter().cloned().collect();
        headers.remove(&name);
        for value in values {
            headers.append(HeaderName::from_static(hidden), value);
        }
    }
}

/// Returns `true` if a header contains the text.
fn contains(headers: &HeaderMap, name: &HeaderName, text: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut parts = value.as_bytes().windows(text.len());
        parts.any(|part| part == text.as_bytes())
    })
}

impl Facts {
    pub fn is_health_check(&self) -> bool {
        ["/healthz", "/readyz"].contains(&self.path.as_str())
    }
}

impl Parts<'_> {
    pub fn is_through_proxy(&self) -> bool {
        matches!(self.peer, Peer::Proxy)
    }

    /// Returns the request, if it can be one. With `hide`, the headers of proxies have other names.
    pub fn request(&self, cookies: &Cookies, hide: bool) -> Option<(Request<Body>, Facts)> {
        let path = match self.path {
            Path::Known(index) => PATHS[usize::from(index) % PATHS.len()],
            Path::Other(path) => path,
        };
        if !path.starts_with('/') {
            return None;
        }
        let mut uri = Uri::builder().path_and_query(path);
        if let Some(name) = self.absolute {
            let name = name.bytes();
            uri = uri.scheme("http").authority(&name[..]);
        }
        let mut headers = HeaderMap::new();
        if let Some(host) = self.host {
            headers.append(HOST, HeaderValue::from_bytes(&host.bytes()).ok()?);
        }
        for header in &self.headers {
            header.add(&mut headers, cookies);
        }
        if hide {
            hide_proxy_headers(&mut headers);
        }
        let body = self.body.text();
        if !body.is_empty() {
            headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut request = Request::new(Body::from(body.to_owned()));
        *request.uri_mut() = uri.build().ok()?;
        *request.method_mut() = self.method.method();
        if self.is_http10 {
            *request.version_mut() = Version::HTTP_10;
        }
        let facts = self.facts(&request, &headers, cookies);
        *request.headers_mut() = headers;
        let peer = ConnectInfo(SocketAddr::new(self.peer.address(), 9));
        request.extensions_mut().insert(peer);
        Some((request, facts))
    }

    fn facts(&self, request: &Request<Body>, headers: &HeaderMap, cookies: &Cookies) -> Facts {
        let path = request.uri().path();
        let has = |text| contains(headers, &AUTHORIZATION, text);
        let mut sent = cookies.0.iter();
        let has_cookie =
            |cookie: &Cookie| !cookie.has_ended && contains(headers, &COOKIE, &cookie.pair);
        let has_alice_cookie = sent.clone().any(|one| one.may_be_alice && has_cookie(one));
        let logs_in =
            path == "/login" && matches!(self.body, Content::LoginAlice | Content::Json(_));
        let has_alice = has(ALICE) || has_alice_cookie || logs_in;
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().map(HeaderValue::as_bytes);
        let lower = host.unwrap_or_default().to_ascii_lowercase();
        let own_host = !lower.is_empty() && !lower.starts_with(EVIL.as_bytes());
        let evil_origin = headers.get_all(ORIGIN).iter().any(|origin| {
            let is_evil = |scheme| origin == &format!("{scheme}://{EVIL}");
            origin == "null" || is_evil("http") || is_evil("https")
        });
        let mut sites = headers.get_all(FETCH_SITE).iter();
        let cross_site =
            matches!((sites.next(), sites.next()), (Some(site), None) if site == "cross-site");
        let reads = matches!(self.method, Verb::Get | Verb::Head);
        Facts {
            is_public: PUBLIC.contains(&path),
            has_any: has_alice || has(BOB) || sent.any(has_cookie),
            has_alice,
            is_far: matches!(self.peer, Peer::Lan(_) | Peer::Far6(_)),
            is_cross_site: cross_site || (evil_origin && own_host),
            needs_own_origin: !reads || headers.contains_key(UPGRADE) || path == "/api/events",
            is_rebound: host.is_some_and(|host| host == EVIL.as_bytes()),
            path: path.to_owned(),
        }
    }
}

impl Peer {
    fn address(self) -> IpAddr {
        match self {
            Self::Loopback => IpAddr::from([127, 0, 0, 1]),
            Self::Loopback6 => Ipv6Addr::LOCALHOST.into(),
            Self::Mapped => Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(),
            Self::Proxy => IpAddr::from([10, 0, 0, 1]),
            Self::Lan(last) => IpAddr::from([192, 0, 2, last]),
            Self::Far6(last) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
        }
    }
}

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Head => Method::HEAD,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Options => Method::OPTIONS,
        }
    }
}

impl Name<'_> {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Localhost => b"localhost".to_vec(),
            Self::Address => b"192.0.2.1:80".to_vec(),
            Self::Own => b"cameras.home.arpa".to_vec(),
            Self::Evil => EVIL.into(),
            Self::EvilPort => format!("{EVIL}:8080").into(),
            Self::Other(bytes) => bytes.to_vec(),
        }
    }
}

impl Header<'_> {
    fn add(&self, headers: &mut HeaderMap, cookies: &Cookies) {
        let mut add = |name: HeaderName, value: &[u8]| {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                headers.append(name, value);
            }
        };
        match *self {
            Self::Alice => add(AUTHORIZATION, format!("Basic {ALICE}").as_bytes()),
            Self::Bob => add(AUTHORIZATION, format!("Basic {BOB}").as_bytes()),
            // `alice:` and other passwords, `bob:`, and unknown names.
            Self::WrongPassword(which) => {
                let wrong = [
                    "YWxpY2U6",
                    "YWxpY2U6c2VjcmV1",
                    "Ym9iOng=",
                    "eDp5",
                    "Og==",
                    "!",
                ];
                let wrong = wrong[usize::from(which) % wrong.len()];
                add(AUTHORIZATION, format!("Basic {wrong}").as_bytes());
            }
            Self::Authorization(bytes) => add(AUTHORIZATION, bytes),
            Self::Cookie(index) => {
                if let Some(cookie) = cookies.0.get(usize::from(index) % cookies.0.len().max(1)) {
                    add(COOKIE, format!("a=b; {}", cookie.pair).as_bytes());
                }
            }
            Self::OtherCookie(bytes) => add(COOKIE, bytes),
            Self::Origin(name, secure) => {
                let scheme = if secure { "https://" } else { "http://" };
                add(ORIGIN, &[scheme.as_bytes(), &name.bytes()].concat());
            }
            Self::NullOrigin => add(ORIGIN, b"null"),
            Self::FetchSite(site) => add(
                FETCH_SITE,
                match site {
                    Site::SameOrigin => b"same-origin",
                    Site::None => b"none",
                    Site::CrossSite => b"cross-site",
                    Site::Other(bytes) => bytes,
                },
            ),
            Self::FetchMode(bytes) => add(FETCH_MODE, bytes),
            Self::ForwardedFor(forwarded) => add(
                FORWARDED_FOR,
                &match forwarded {
                    Forwarded::Loopback => b"127.0.0.1".to_vec(),
                    Forwarded::Lan(last) => format!("192.0.2.{last}").into(),
                    Forwarded::List(a, b) => format!("127.0.0.1, 192.0.2.{a}:1, 10.0.0.{b}").into(),
                    Forwarded::Other(bytes) => bytes.to_vec(),
                },
            ),
            Self::ForwardedProto(scheme) => add(
                FORWARDED_PROTO,
                match scheme {
                    Scheme::Http => b"http",
                    Scheme::Https => b"https",
                    Scheme::Other(bytes) => bytes,
                },
            ),
            Self::Upgrade => {
                add(UPGRADE, b"websocket");
                add(CONNECTION, b"upgrade");
                add(SEC_WEBSOCKET_VERSION, b"13");
                add(SEC_WEBSOCKET_KEY, b"dGhlIHNhbXBsZSBub25jZQ==");
            }
            Self::Html => add(ACCEPT, b"text/html"),
            Self::SecondHost(name) => add(HOST, &name.bytes()),
            Self::Large(len) => add(ACCEPT, &vec![b'a'; len.into()]),
            Self::Other(which, bytes) => {
                let names = ["range", "if-none-match", "last-event-id", "content-length"];
                let name = names[usize::from(which) % names.len()];
                add(HeaderName::from_static(name), bytes);
            }
        }
    }
}

impl Content<'_> {
    fn text(&self) -> &str {
        match *self {
            Self::None => "",
            Self::LoginAlice => "{\"name\":\"alice\",\"password\":\"secret\"}",
            Self::LoginWrong => "{\"name\":\"alice\",\"password\":\"wrong\"}",
            Self::Json(text) => text,
        }
    }
}
