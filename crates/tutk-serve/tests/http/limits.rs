//! Limits of connections, viewers, sizes and times.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_serve::{AUTHENTICATION_TIME, HttpConfig, MAX_UNAUTHENTICATED};

use crate::client::{StreamingResponse, TestServer, basic};
use crate::common::{FPS, H264, camera_config, connect_from, wait_for_leave, with_timeout};
use crate::live::Received;
use crate::stream::camera_with_audio;

#[tokio::test(start_paused = true)]
async fn viewers_over_the_limit_get_503() {
    let server = TestServer::with(
        camera_config(H264, FPS),
        |_| {},
        |http| http.limits.viewers = 2,
    )
    .await;
    let first = server.stream("/front/stream.ts").await;
    let mut second = server.websocket("/front/live").await;
    Received::default().receive(&mut second, 1).await;
    for path in ["/front/stream.mp4", "/front/stream.ts"] {
        let response = server.get(path).await;
        let error = response.problem(503);
        assert!(error.contains("2 viewers"), "{error}");
        assert_eq!(response.header("retry-after"), Some("10"));
    }
    let (error, code) = server.websocket("/front/live").await.failure().await;
    assert_eq!(code, 4_503, "{error}");
    // Other requests succeed. A viewer that disconnects makes room for another.
    assert_eq!(server.get("/api/cameras").await.status, 200);
    drop((first, second));
    loop {
        let next = server.open("GET", "/front/stream.mp4", "", "").await;
        if next.status == 200 {
            break;
        }
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn connections_over_the_limit_get_503() {
    let server = TestServer::with(
        camera_config(H264, FPS),
        |_| {},
        |http| http.limits.connections = 3,
    )
    .await;
    let mut streams = vec![server.stream("/front/stream.mp4").await];
    // A WebSocket counts as long as it is open.
    let mut socket = server.websocket("/front/live").await;
    Received::default().receive(&mut socket, 1).await;
    streams.push(server.stream("/api/events").await);
    let refused = server.get("/api/cameras").await;
    let error = refused.problem(503);
    assert!(error.contains("3 connections"), "{error}");
    drop(socket);
    loop {
        let response = server.get("/metrics").await;
        if response.status == 200 {
            let text = response.text();
            assert!(
                !text.contains("tutk_http_connections_refused_total 0\n"),
                "{text}"
            );
            break;
        }
    }
    drop(streams);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn oversized_requests_are_refused() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let control = "/api/cameras/front/controls/night-vision";
    let long = format!("{{\"value\":\"{}\"}}", "x".repeat(64 << 10));
    let error = server.post(control, &long).await.problem(413);
    assert!(error.contains("65536"), "{error}");
    let largest = format!("{{\"value\":\"on\"}}{}", " ".repeat((64 << 10) - 14));
    assert_eq!(server.post(control, &largest).await.status, 200);
    // The limit is exact. A much larger request is not read completely.
    for (length, status) in [
        (30 << 10, 200),
        (33 << 10, 431),
        (40 << 10, 431),
        (1 << 20, 431),
    ] {
        let header = format!("X-Long: {}\r\n", "x".repeat(length));
        let response = server.send("GET", "/", &header, "").await;
        assert_eq!(response.status, status, "{length}");
    }
    let many = "X: y\r\n".repeat(200);
    assert_eq!(server.send("GET", "/", &many, "").await.status, 431);
    let path = format!("/{}", "x".repeat(40 << 10));
    assert!(matches!(server.get(&path).await.status, 414 | 431));
    // A malformed chunk is not too long.
    let host = server.address();
    for chunk in ["zz\r\n{}\r\n", "2\r\n{}0\r\n\r\n"] {
        let request = format!(
            "POST {control} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}"
        );
        let response = StreamingResponse::open(host, &request).await;
        let response = response.read_all().await;
        assert_eq!(response.status, 400, "{chunk}: {}", response.text());
    }
    // The content type is checked before the body.
    let response = server
        .send("POST", control, "Transfer-Encoding: chunked\r\n", "")
        .await;
    response.problem(415);
    server.close().await;
}

/// The largest values disable the limits.
#[tokio::test(start_paused = true)]
async fn limits_can_be_infinite() {
    let unlimited = |http: &mut tutk_serve::HttpConfig| {
        let limits = &mut http.limits;
        for size in [
            &mut limits.connections,
            &mut limits.viewers,
            &mut limits.header_bytes,
            &mut limits.body_bytes,
            &mut limits.message_bytes,
        ] {
            *size = usize::MAX;
        }
        for time in [
            &mut limits.header_time,
            &mut limits.body_time,
            &mut limits.idle_time,
        ] {
            *time = Duration::MAX;
        }
    };
    let server = TestServer::with(camera_config(H264, FPS), |_| {}, unlimited).await;
    let mut socket = server.websocket("/front/live").await;
    Received::default().receive(&mut socket, 30).await;
    server
        .stream("/front/stream.mp4")
        .await
        .read_at_least(1_000)
        .await;
    let control = "/api/cameras/front/controls/night-vision";
    let response = server.post(control, "{\"value\":\"on\"}").await;
    assert_eq!(response.status, 200, "{}", response.text());
    server.close().await;
}

/// Returns `true` if the server closes the connection in time.
async fn is_closed(tcp: &mut TcpStream, within: Duration) -> bool {
    let start = Instant::now();
    let mut bytes = [0; 1_024];
    while !matches!(with_timeout(tcp.read(&mut bytes)).await, Ok(0) | Err(_)) {}
    start.elapsed() <= within
}

#[tokio::test(start_paused = true)]
async fn slow_requests_time_out() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let second = Duration::from_secs(1);
    // No request, an incomplete head, and no second request.
    let host = server.address();
    let head = format!("GET /api/cameras HTTP/1.1\r\nHost: {host}\r\n");
    for begin in [String::new(), head.clone(), format!("{head}\r\n")] {
        let mut tcp = TcpStream::connect(host).await.unwrap();
        tcp.write_all(begin.as_bytes()).await.unwrap();
        assert!(is_closed(&mut tcp, 21 * second).await, "{begin}");
    }
    // An incomplete body.
    let request = format!(
        "POST /api/cameras/front/controls/photo HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    let start = Instant::now();
    let response = StreamingResponse::open(host, &request).await;
    assert_eq!((response.status, start.elapsed()), (408, 10 * second));
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn no_tasks_remain_after_close_or_drop() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut camera = crate::common::start_camera(camera_with_audio(H264, Codec::Pcmu));
    let before = tasks();
    for closed in [true, false] {
        let (hub, _) = crate::common::hub_with_camera(crate::common::settings(&camera));
        let config = tutk_serve::HttpConfig::new(crate::common::loopback());
        let http = tutk_serve::HttpServer::start(hub.clone(), config)
            .await
            .unwrap();
        let host = http.local_addr();
        let get = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            async move { StreamingResponse::open(host, &request).await }
        };
        let mut stream = get("/front/stream.mp4").await;
        stream.read_at_least(1_000).await;
        let mut socket = crate::client::WebSocket::open(host, "/front/live", "")
            .await
            .ok()
            .unwrap();
        Received::default().receive(&mut socket, 3).await;
        let talk = crate::client::WebSocket::open(host, "/front/talk", "").await;
        let events = get("/api/events").await;
        assert!(tasks() > before);
        if closed {
            http.close().await;
        } else {
            drop(http);
        }
        drop((stream, socket, talk, events, hub));
        assert_eq!(wait_for_leave(&mut camera).await.0, LeaveReason::Closed);
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_use_up_the_connections() {
    let accounts = |http: &mut HttpConfig| http.accounts.add("anna", "secret").unwrap();
    let server = TestServer::with(camera_config(H264, FPS), |_| {}, accounts).await;
    let host = server.address();
    let right = basic("anna", "secret");
    let mut stream = server.open("GET", "/front/stream.mp4", &right, "").await;
    stream.read_at_least(1_000).await;
    // Half a head, and a request without a password.
    let half = format!("GET / HTTP/1.1\r\nHost: {host}\r\n");
    let whole = format!("{half}\r\n");
    let mut strangers = Vec::new();
    for at in 0..4 * MAX_UNAUTHENTICATED {
        let mut stranger = connect_from(2, host).await;
        let text = if at % 2 == 0 { &half } else { &whole };
        stranger.write_all(text.as_bytes()).await.unwrap();
        strangers.push(stranger);
    }
    let response = server.send("GET", "/api/cameras", &right, "").await;
    assert_eq!(response.status, 200);
    // The newest ones are still open, but not for long.
    let mut newest = strangers.pop().unwrap();
    assert!(is_closed(&mut newest, AUTHENTICATION_TIME).await);
    stream.read_at_least(1_000).await;
    let metrics = server.send("GET", "/metrics", &right, "").await.text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("tutk_http_connections_unauthenticated_total "));
    let count: usize = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= 3 * MAX_UNAUTHENTICATED, "{count}");
    server.close().await;
}
