//! What clients can make grow, or hold up.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;

use crate::client::{Served, Stream};
use crate::common::{FPS, H264, camera, left, patient};
use crate::live::Watched;
use crate::stream::with_sound;

#[tokio::test(start_paused = true)]
async fn viewers_over_the_limit_get_503() {
    let served = Served::with(camera(H264, FPS), |_| {}, |http| http.limits.viewers = 2).await;
    let first = served.stream("/front/stream.ts").await;
    let mut second = served.socket("/front/live").await;
    Watched::default().see(&mut second, 1).await;
    for path in ["/front/stream.mp4", "/front/stream.ts"] {
        let answer = served.get(path).await;
        let error = answer.problem(503);
        assert!(error.contains("2 viewers"), "{error}");
        assert_eq!(answer.header("retry-after"), Some("10"));
    }
    let (error, code) = served.socket("/front/live").await.failure().await;
    assert_eq!(code, 4_503, "{error}");
    // All else is served, and a place that is left is free.
    assert_eq!(served.get("/api/cameras").await.status, 200);
    drop((first, second));
    loop {
        let next = served.open("GET", "/front/stream.mp4", "", "").await;
        if next.status == 200 {
            break;
        }
    }
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn connections_over_the_limit_get_503() {
    let served = Served::with(
        camera(H264, FPS),
        |_| {},
        |http| http.limits.connections = 3,
    )
    .await;
    let mut held = vec![served.stream("/front/stream.mp4").await];
    // A WebSocket counts as long as it is open.
    let mut socket = served.socket("/front/live").await;
    Watched::default().see(&mut socket, 1).await;
    held.push(served.stream("/api/events").await);
    let refused = served.get("/api/cameras").await;
    let error = refused.problem(503);
    assert!(error.contains("3 connections"), "{error}");
    drop(socket);
    loop {
        let answer = served.get("/metrics").await;
        if answer.status == 200 {
            let text = answer.text();
            assert!(
                !text.contains("tutk_http_connections_refused_total 0\n"),
                "{text}"
            );
            break;
        }
    }
    drop(held);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn oversized_requests_are_refused() {
    let served = Served::start(camera(H264, FPS)).await;
    let control = "/api/cameras/front/controls/night-vision";
    let long = format!("{{\"value\":\"{}\"}}", "x".repeat(64 << 10));
    let error = served.post(control, &long).await.problem(413);
    assert!(error.contains("65536"), "{error}");
    let most = format!("{{\"value\":\"on\"}}{}", " ".repeat((64 << 10) - 14));
    assert_eq!(served.post(control, &most).await.status, 200);
    // The limit is exact; what is far beyond is not read at all.
    for (length, status) in [
        (30 << 10, 200),
        (33 << 10, 431),
        (40 << 10, 431),
        (1 << 20, 431),
    ] {
        let header = format!("X-Long: {}\r\n", "x".repeat(length));
        let answer = served.send("GET", "/", &header, "").await;
        assert_eq!(answer.status, status, "{length}");
    }
    let many = "X: y\r\n".repeat(200);
    assert_eq!(served.send("GET", "/", &many, "").await.status, 431);
    let path = format!("/{}", "x".repeat(40 << 10));
    assert!(matches!(served.get(&path).await.status, 414 | 431));
    // No more than that is looked at, however many come.
    let answer = served
        .send("POST", control, "Transfer-Encoding: chunked\r\n", "")
        .await;
    answer.problem(415);
    served.close().await;
}

/// Limits as large as can be said are none.
#[tokio::test(start_paused = true)]
async fn limits_can_be_infinite() {
    let none = |http: &mut tutk_serve::HttpConfig| {
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
    let served = Served::with(camera(H264, FPS), |_| {}, none).await;
    let mut socket = served.socket("/front/live").await;
    Watched::default().see(&mut socket, 30).await;
    served.stream("/front/stream.mp4").await.bytes(1_000).await;
    let control = "/api/cameras/front/controls/night-vision";
    let answer = served.post(control, "{\"value\":\"on\"}").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    served.close().await;
}

/// Whether the server has closed it within a time.
async fn closed(tcp: &mut TcpStream, within: Duration) -> bool {
    let begun = Instant::now();
    let mut bytes = [0; 1_024];
    while !matches!(patient(tcp.read(&mut bytes)).await, Ok(0) | Err(_)) {}
    begun.elapsed() <= within
}

#[tokio::test(start_paused = true)]
async fn slow_requests_time_out() {
    let served = Served::start(camera(H264, FPS)).await;
    let second = Duration::from_secs(1);
    // Nothing is asked; half of a head comes; nothing more is asked.
    let host = served.address();
    let head = format!("GET /api/cameras HTTP/1.1\r\nHost: {host}\r\n");
    for begin in [String::new(), head.clone(), format!("{head}\r\n")] {
        let mut tcp = TcpStream::connect(host).await.unwrap();
        tcp.write_all(begin.as_bytes()).await.unwrap();
        assert!(closed(&mut tcp, 21 * second).await, "{begin}");
    }
    // Half of a body.
    let request = format!(
        "POST /api/cameras/front/controls/photo HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
    );
    let begun = Instant::now();
    let answer = Stream::open(host, &request).await;
    assert_eq!((answer.status, begun.elapsed()), (408, 10 * second));
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn no_tasks_remain_after_close_or_drop() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let mut camera = crate::common::served(with_sound(H264, Codec::Pcmu));
    let before = tasks();
    for closed in [true, false] {
        let (hub, _) = crate::common::hub(crate::common::settings(&camera));
        let config = tutk_serve::HttpConfig::new(crate::common::loopback());
        let http = tutk_serve::HttpServer::start(hub.clone(), config)
            .await
            .unwrap();
        let host = http.local_addr();
        let get = |path: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            async move { Stream::open(host, &request).await }
        };
        let mut stream = get("/front/stream.mp4").await;
        stream.bytes(1_000).await;
        let mut socket = crate::client::Socket::open(host, "/front/live", "")
            .await
            .ok()
            .unwrap();
        Watched::default().see(&mut socket, 3).await;
        let talk = crate::client::Socket::open(host, "/front/talk", "").await;
        let events = get("/api/events").await;
        assert!(tasks() > before);
        if closed {
            http.close().await;
        } else {
            drop(http);
        }
        drop((stream, socket, talk, events, hub));
        assert_eq!(left(&mut camera).await.0, LeaveReason::Closed);
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    }
}
