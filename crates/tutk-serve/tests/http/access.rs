//! Who is let in, by raw requests.

use tutk_serve::http::{FAILURE_TIME, MAX_FAILURES};
use tutk_serve::{Accounts, Error, HttpConfig, HttpServer, Hub};

use crate::client::{Answer, Served, Socket, Stream, basic};
use crate::common::{FPS, H264, camera};
use crate::live::Watched;

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

async fn guarded() -> Served {
    let accounts = |http: &mut HttpConfig| {
        http.accounts.add("anna", "sécret").unwrap();
        http.accounts.add("bert", "other").unwrap();
    };
    Served::with(camera(H264, FPS), |_| {}, accounts).await
}

/// An answer to a request that says all of itself.
async fn raw(served: &Served, request: &str) -> Answer {
    Stream::open(served.address(), request).await.all().await
}

#[tokio::test(start_paused = true)]
async fn accounts_protect_every_url() {
    let served = guarded().await;
    for path in PATHS {
        let answer = served.get(path).await;
        answer.problem(401);
        let asked = answer.header("www-authenticate").unwrap();
        assert!(asked.starts_with("Basic realm=\"tutk\""), "{asked}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
    }
    let answer = served.post("/api/cameras/front/controls/photo", "{}").await;
    answer.problem(401);
    let unknown = Socket::open(served.address(), "/front/talk", "").await;
    unknown.err().unwrap().problem(401);
    assert_eq!(served.front.stats().await.sessions, 0, "nobody was let in");
    for (name, password) in [("anna", "sécret"), ("bert", "other")] {
        let answer = served
            .send("GET", "/api/cameras", &basic(name, password), "")
            .await;
        assert_eq!(answer.status, 200);
        // An account that is known needs no other name for the server: no page of others has its
        // password.
        let host = format!(
            "GET /api/cameras HTTP/1.1\r\nHost: cam.example\r\nConnection: close\r\n{}\r\n",
            basic(name, password)
        );
        assert_eq!(raw(&served, &host).await.status, 200);
    }
    for (name, password) in [
        ("anna", "other"),
        ("anna", ""),
        ("", ""),
        ("carl", "sécret"),
    ] {
        let answer = served
            .send("GET", "/api/cameras", &basic(name, password), "")
            .await;
        answer.problem(401);
    }
    for odd in ["Basic", "Basic ?", "Bearer x", "Digest x", "Basic YQ=="] {
        let header = format!("Authorization: {odd}\r\n");
        served
            .send("GET", "/api/cameras", &header, "")
            .await
            .problem(401);
    }
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn cookie_authenticates_websockets() {
    let served = guarded().await;
    let answer = served.send("GET", "/", &basic("anna", "sécret"), "").await;
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (pair, _) = cookie.split_once(';').unwrap();
    let header = format!("Cookie: a=b; {pair}\r\n");
    let Ok(mut socket) = Socket::open(served.address(), "/front/live", &header).await else {
        panic!("the cookie was not known");
    };
    Watched::default().see(&mut socket, 3).await;
    let answer = served.send("GET", "/api/cameras", &header, "").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    let (name, _) = pair.split_once('=').unwrap();
    assert_eq!(name, format!("tutk-{}", served.address().port()));
    let forged = format!("Cookie: {name}={:032x}\r\n", 1);
    served
        .send("GET", "/api/cameras", &forged, "")
        .await
        .problem(401);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn address_is_blocked_after_too_many_wrong_passwords() {
    let served = guarded().await;
    let answer = served.send("GET", "/", &basic("anna", "sécret"), "").await;
    let (pair, _) = answer
        .header("set-cookie")
        .unwrap()
        .split_once(';')
        .unwrap();
    let cookie = format!("Cookie: {pair}\r\n");
    for _ in 0..MAX_FAILURES {
        served
            .send("GET", "/", &basic("anna", "guess"), "")
            .await
            .problem(401);
    }
    // The right one is not looked at either, or it would be found.
    for password in ["guess", "sécret"] {
        let answer = served.send("GET", "/", &basic("anna", password), "").await;
        answer.problem(429);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait <= FAILURE_TIME.as_secs());
    }
    // Who is in already is not in the way of anything.
    assert_eq!(served.send("GET", "/", &cookie, "").await.status, 200);
    let failed = served.send("GET", "/metrics", &cookie, "").await.text();
    assert!(
        failed.contains(&format!("tutk_http_logins_failed_total {MAX_FAILURES}\n")),
        "{failed}"
    );
    tokio::time::sleep(FAILURE_TIME).await;
    assert_eq!(
        served
            .send("GET", "/", &basic("anna", "sécret"), "")
            .await
            .status,
        200
    );
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn unknown_host_names_are_refused_without_accounts() {
    let named = |http: &mut HttpConfig| http.names.push("cam.home.arpa".to_owned());
    let served = Served::with(camera(H264, FPS), |_| {}, named).await;
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
        let answer = raw(&served, &request).await;
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
        if status == 421 {
            assert_eq!(answer.allowed(), ["cam.home.arpa"]);
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
        assert_eq!(raw(&served, request).await.status, status, "{request}");
    }
    let host = "Host: evil.example\r\n";
    let request = format!(
        "GET /front/live HTTP/1.1\r\n{host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    assert_eq!(raw(&served, &request).await.status, 421);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn cross_origin_requests_are_refused() {
    let served = Served::start(camera(H264, FPS)).await;
    let own = format!("http://{}", served.address());
    let port = served.address().port();
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
        let answer = served.send("POST", control, &json, "{}").await;
        assert_eq!(
            answer.status,
            if own { 200 } else { 403 },
            "{header}: {}",
            answer.text()
        );
        for path in ["/front/live", "/front/talk"] {
            let opened = Socket::open(served.address(), path, &header).await;
            assert_eq!(opened.is_ok(), own, "{path} {header}");
            assert!(opened.err().is_none_or(|answer| answer.status == 403));
        }
        let events = served.open("GET", "/api/events", &header, "").await;
        assert_eq!(events.status, if own { 200 } else { 403 }, "{header}");
        // To look does no harm: what is seen is not the other page's to read.
        let answer = served.send("GET", "/api/cameras", &header, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin")
        );
    }
    served
        .send("OPTIONS", control, "Origin: http://evil.example\r\n", "")
        .await
        .problem(403);
    served.send("OPTIONS", control, "", "").await.problem(405);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn invalid_handshakes_are_refused() {
    let served = Served::start(camera(H264, FPS)).await;
    for path in ["/front/live", "/front/talk"] {
        let answer = served.get(path).await;
        answer.problem(426);
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    }
    let request = |version: u8, key: &str| {
        format!(
            "GET /front/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade, close\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: {version}\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(raw(&served, &request(8, key)).await.status, 426);
    assert_eq!(raw(&served, &request(13, "c2hvcnQ=")).await.status, 400);
    let nobody = Socket::open(served.address(), "/back/live", "").await;
    nobody.err().unwrap().problem(404);
    assert_eq!(served.front.stats().await.sessions, 0);
    served.close().await;
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
