//! Authentication, host names and origins.

use std::time::Duration;

use tutk_serve::http::{MAX_FAILURES, MAX_LOGIN_DELAY};
use tutk_serve::{Accounts, Error, HttpConfig, HttpServer, Hub, RtspConfig, RtspServer};

use crate::client::{Response, StreamingResponse, TestServer, WebSocket, basic};
use crate::common::{FPS, H264, camera_config, loopback, rtsp_tcp_client};
use crate::live::Received;

const PATHS: [&str; 10] = [
    "/",
    "/app.js",
    "/openapi.json",
    "/metrics",
    "/api/cameras",
    "/api/events",
    "/front/stream.mp4",
    "/front/snapshot.jpg",
    "/front/live",
    "/nothing",
];

async fn start_with_accounts() -> TestServer {
    let accounts = |http: &mut HttpConfig| {
        http.accounts.add("anna", "sécret").unwrap();
        http.accounts.add("bert", "other").unwrap();
    };
    TestServer::with(camera_config(H264, FPS), |_| {}, accounts).await
}

/// Sends a complete request.
async fn send_raw(server: &TestServer, request: &str) -> Response {
    StreamingResponse::open(server.address(), request)
        .await
        .read_all()
        .await
}

#[tokio::test(start_paused = true)]
async fn accounts_protect_every_url() {
    let server = start_with_accounts().await;
    for path in PATHS {
        let response = server.get(path).await;
        response.problem(401);
        let challenge = response.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm=\"tutk\""), "{challenge}");
        assert_eq!(response.header("set-cookie"), None, "{path}");
    }
    let response = server.post("/api/cameras/front/controls/photo", "{}").await;
    response.problem(401);
    let unknown = WebSocket::open(server.address(), "/front/talk", "").await;
    unknown.err().unwrap().problem(401);
    assert_eq!(
        server.front.stats().await.sessions,
        0,
        "no client was authenticated"
    );
    for (name, password) in [("anna", "sécret"), ("bert", "other")] {
        let response = server
            .send("GET", "/api/cameras", &basic(name, password), "")
            .await;
        assert_eq!(response.status, 200);
        // With a password any host name is allowed, because another web page does not know it.
        let host = format!(
            "GET /api/cameras HTTP/1.1\r\nHost: cam.example\r\nConnection: close\r\n{}\r\n",
            basic(name, password)
        );
        assert_eq!(send_raw(&server, &host).await.status, 200);
    }
    for (name, password) in [
        ("anna", "other"),
        ("anna", ""),
        ("", ""),
        ("carl", "sécret"),
    ] {
        let response = server
            .send("GET", "/api/cameras", &basic(name, password), "")
            .await;
        response.problem(401);
    }
    for invalid in ["Basic", "Basic ?", "Bearer x", "Digest x", "Basic YQ=="] {
        let header = format!("Authorization: {invalid}\r\n");
        server
            .send("GET", "/api/cameras", &header, "")
            .await
            .problem(401);
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn cookie_authenticates_websockets() {
    let server = start_with_accounts().await;
    let response = server.send("GET", "/", &basic("anna", "sécret"), "").await;
    let cookie = response.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (pair, _) = cookie.split_once(';').unwrap();
    let header = format!("Cookie: a=b; {pair}\r\n");
    let Ok(mut socket) = WebSocket::open(server.address(), "/front/live", &header).await else {
        panic!("the cookie was refused");
    };
    Received::default().receive(&mut socket, 3).await;
    let response = server.send("GET", "/api/cameras", &header, "").await;
    assert_eq!(
        (response.status, response.header("set-cookie")),
        (200, None)
    );
    let (name, _) = pair.split_once('=').unwrap();
    assert_eq!(name, format!("tutk-{}", server.address().port()));
    let forged = format!("Cookie: {name}={:032x}\r\n", 1);
    server
        .send("GET", "/api/cameras", &forged, "")
        .await
        .problem(401);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn account_is_delayed_after_too_many_wrong_passwords_from_an_address() {
    let server = start_with_accounts().await;
    let response = server.send("GET", "/", &basic("anna", "sécret"), "").await;
    let (pair, _) = response
        .header("set-cookie")
        .unwrap()
        .split_once(';')
        .unwrap();
    let cookie = format!("Cookie: {pair}\r\n");
    for _ in 0..MAX_FAILURES {
        server
            .send("GET", "/", &basic("anna", "guess"), "")
            .await
            .problem(401);
    }
    // Not passwords.
    for other in ["Bearer x", "Basic x", "Digest x"] {
        let header = format!("Authorization: {other}\r\n");
        server.send("GET", "/", &header, "").await.problem(401);
    }
    // The correct password is not checked either.
    for password in ["guess", "sécret"] {
        let response = server.send("GET", "/", &basic("anna", password), "").await;
        response.problem(429);
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert_eq!(wait, 1);
    }
    // Other accounts at this address are not affected.
    let other = server.send("GET", "/", &basic("bert", "other"), "").await;
    assert_eq!(other.status, 200);
    // A client with a login cookie is not blocked.
    assert_eq!(server.send("GET", "/", &cookie, "").await.status, 200);
    let failed = server.send("GET", "/metrics", &cookie, "").await.text();
    assert!(
        failed.contains(&format!("tutk_http_logins_failed_total {MAX_FAILURES}\n")),
        "{failed}"
    );
    // The correct password is accepted after the delay, which grows with each wrong one.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let wrong = basic("anna", "guess");
    server.send("GET", "/", &wrong, "").await.problem(401);
    let delayed = server.send("GET", "/", &wrong, "").await;
    delayed.problem(429);
    assert_eq!(delayed.header("retry-after"), Some("2"));
    tokio::time::sleep(MAX_LOGIN_DELAY).await;
    assert_eq!(
        server
            .send("GET", "/", &basic("anna", "sécret"), "")
            .await
            .status,
        200
    );
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_host_names_are_refused_without_accounts() {
    let with_name = |http: &mut HttpConfig| http.names.push("cam.home.arpa".to_owned());
    let server = TestServer::with(camera_config(H264, FPS), |_| {}, with_name).await;
    for (host, status) in [
        ("127.0.0.1", 200),
        ("192.0.2.7:8080", 200),
        ("[2001:db8::7]:80", 200),
        ("localhost:8080", 200),
        ("tutk.localhost", 200),
        ("CAM.home.arpa:80", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("home.arpa", 421),
        ("a@127.0.0.1", 400),
        ("a b", 400),
        ("", 400),
    ] {
        let request =
            format!("GET /api/cameras HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let response = send_raw(&server, &request).await;
        assert_eq!(response.status, status, "{host}: {}", response.text());
        if status == 421 {
            assert_eq!(response.allowed(), ["cam.home.arpa"]);
        }
    }
    for (request, status) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            400,
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            421,
        ),
        (
            "GET http://127.0.0.1/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            200,
        ),
        ("GET / HTTP/1.0\r\n\r\n", 200),
    ] {
        assert_eq!(send_raw(&server, request).await.status, status, "{request}");
    }
    let host = "Host: evil.example\r\n";
    let request = format!(
        "GET /front/live HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    assert_eq!(send_raw(&server, &request).await.status, 421);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn cross_origin_requests_are_refused() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let own = format!("http://{}", server.address());
    let port = server.address().port();
    let control = "/api/cameras/front/controls/photo";
    for (header, own) in [
        (String::new(), true),
        (format!("Origin: {own}\r\n"), true),
        (
            format!("Origin: {own}\r\nSec-Fetch-Site: same-origin\r\n"),
            true,
        ),
        ("Sec-Fetch-Site: none\r\n".to_owned(), true),
        (
            format!("Origin: {own}\r\nSec-Fetch-Site: cross-site\r\n"),
            false,
        ),
        ("Sec-Fetch-Site: cross-site\r\n".to_owned(), false),
        ("Sec-Fetch-Site: same-site\r\n".to_owned(), false),
        ("Origin: null\r\n".to_owned(), false),
        ("Origin: http://evil.example\r\n".to_owned(), false),
        (format!("Origin: http://127.0.0.1:{}\r\n", port ^ 1), false),
        (format!("Origin: http://localhost:{port}\r\n"), false),
        (
            format!("Origin: {own}\r\nOrigin: http://evil.example\r\n"),
            false,
        ),
    ] {
        let json = format!("Content-Type: application/json\r\n{header}");
        let response = server.send("POST", control, &json, "{}").await;
        assert_eq!(
            response.status,
            if own { 200 } else { 403 },
            "{header}: {}",
            response.text()
        );
        for path in ["/front/live", "/front/talk"] {
            let opened = WebSocket::open(server.address(), path, &header).await;
            assert_eq!(opened.is_ok(), own, "{path} {header}");
            assert!(opened.err().is_none_or(|response| response.status == 403));
        }
        let events = server.open("GET", "/api/events", &header, "").await;
        assert_eq!(events.status, if own { 200 } else { 403 }, "{header}");
        // A read is allowed, but the other page cannot see the response.
        let response = server.send("GET", "/api/cameras", &header, "").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("access-control-allow-origin"), None);
        assert_eq!(
            response.header("cross-origin-resource-policy"),
            Some("same-origin")
        );
    }
    server
        .send("OPTIONS", control, "Origin: http://evil.example\r\n", "")
        .await
        .problem(403);
    server.send("OPTIONS", control, "", "").await.problem(405);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn invalid_handshakes_are_refused() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    for path in ["/front/live", "/front/talk"] {
        let response = server.get(path).await;
        response.problem(426);
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
    }
    let request = |version: u8, key: &str| {
        format!(
            "GET /front/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, close\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(send_raw(&server, &request(8, key)).await.status, 426);
    assert_eq!(
        send_raw(&server, &request(13, "c2hvcnQ=")).await.status,
        400
    );
    let unknown = WebSocket::open(server.address(), "/back/live", "").await;
    unknown.err().unwrap().problem(404);
    assert_eq!(server.front.stats().await.sessions, 0);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn anonymous_access_from_other_machines_must_be_allowed() {
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let error = HttpServer::start(Hub::new(), HttpConfig::new(everywhere))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AnonymousAccess(_)), "{error}");
    let mut config = HttpConfig::new(everywhere);
    config.allow_anonymous = true;
    HttpServer::start(Hub::new(), config)
        .await
        .unwrap()
        .close()
        .await;
    let mut config = HttpConfig::new(everywhere);
    config.accounts = Accounts::none();
    config.accounts.add("anna", "x").unwrap();
    HttpServer::start(Hub::new(), config)
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test(start_paused = true)]
async fn trusted_proxy_names_the_client() {
    let config = |http: &mut HttpConfig| {
        http.accounts.add("anna", "secret").unwrap();
        http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    };
    let server = TestServer::with(camera_config(H264, FPS), |_| {}, config).await;
    let from = |client: &str, password: &str| {
        let basic = basic("anna", password);
        format!("X-Forwarded-For: 127.0.0.1, {client}\r\nX-Forwarded-Proto: https\r\n{basic}")
    };
    let (bad, good) = ("192.0.2.66", "192.0.2.7");
    for _ in 0..MAX_FAILURES {
        let header = from(bad, "guess");
        server.send("GET", "/", &header, "").await.problem(401);
    }
    let header = from(bad, "secret");
    server.send("GET", "/", &header, "").await.problem(429);
    let response = server.send("GET", "/", &from(good, "secret"), "").await;
    assert_eq!(response.status, 200);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn http_and_rtsp_share_the_budget_of_wrong_passwords() {
    let mut accounts = Accounts::none();
    accounts.add("anna", "secret").unwrap();
    let config = |http: &mut HttpConfig| http.accounts = accounts.clone();
    let server = TestServer::with(camera_config(H264, FPS), |_| {}, config).await;
    let mut config = RtspConfig::new(loopback());
    config.accounts = accounts.clone();
    let rtsp = RtspServer::start(server.hub.clone(), config).await.unwrap();
    let mut client = rtsp_tcp_client::Client::connect(&rtsp).await;
    for _ in 0..MAX_FAILURES / 2 {
        let wrong = basic("anna", "guess");
        server.send("GET", "/", &wrong, "").await.problem(401);
        assert_eq!(client.request("DESCRIBE", "", &wrong).await.status, 401);
    }
    let right = basic("anna", "secret");
    server.send("GET", "/", &right, "").await.problem(429);
    assert_eq!(client.request("DESCRIBE", "", &right).await.status, 503);
    rtsp.close().await;
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn health_checks_need_no_password() {
    let server = start_with_accounts().await;
    for path in ["/healthz", "/readyz"] {
        let response = server.get(path).await;
        assert_eq!((response.status, response.text().as_str()), (200, "ok\n"));
        assert_eq!(server.post(path, "{}").await.status, 405);
    }
    server.get("/healthz/x").await.problem(401);
    server.hub.remove("front").await;
    assert_eq!(server.get("/readyz").await.status, 503);
    assert_eq!(server.get("/healthz").await.status, 200);
    server.close().await;
}
