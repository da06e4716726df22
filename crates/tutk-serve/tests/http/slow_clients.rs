//! Slow and dead clients. They do not delay others, and their memory is limited.

use std::time::Duration;

use tokio::time::Instant;
use tutk_serve::KeptLimits;

use crate::client::{TestServer, WebSocket, WebSocketMessage};
use crate::common::players::has_ffmpeg;
use crate::common::{FPS, H264, camera_config, next_video_frame};
use crate::live::Received;
use crate::stream::{NULL_OUTPUT, ffmpeg};

/// The limit of buffered frames.
const KEPT: usize = 200;

#[tokio::test(start_paused = true)]
async fn only_the_slow_browser_misses_frames() {
    let server = TestServer::with(
        camera_config(H264, FPS),
        |settings| {
            settings.kept = KeptLimits {
                bytes: usize::MAX,
                frames: KEPT,
            };
        },
        |http| http.limits.idle_time = Duration::from_secs(1_000_000),
    )
    .await;
    let mut slow = WebSocket::connect_with_small_buffer(server.address(), "/front/live").await;
    let mut slow_received = Received::default();
    slow_received.receive(&mut slow, 5).await;
    let mut fast = server.websocket("/front/live").await;
    let mut fast_received = Received::default();
    let mut direct = server.front.watch("direct");
    // Until the socket buffers are full, and the frame buffer has dropped unsent frames.
    let (mut blocked, mut sent) = (0, 0);
    while blocked < 3 * KEPT {
        next_video_frame(&mut direct).await;
        fast_received.receive(&mut fast, 1).await;
        let stats = server.front.stats().await;
        assert!(stats.kept_frames <= KEPT, "{stats:?}");
        let [of_slow, of_fast, _] = &stats.viewers[..] else {
            panic!("{stats:?}");
        };
        assert_eq!(of_fast.missed, 0);
        blocked = if of_slow.frames == sent {
            blocked + 1
        } else {
            0
        };
        sent = of_slow.frames;
    }
    // The missed frames are reported. The stream continues with a key frame and stays decodable.
    while !slow_received
        .messages
        .iter()
        .any(|message| message["type"] == "missed")
    {
        slow_received.receive(&mut slow, 1).await;
    }
    slow_received.receive(&mut slow, 100).await;
    let missed = slow_received
        .messages
        .iter()
        .find(|message| message["type"] == "missed");
    assert!(
        missed.unwrap()["frames"].as_u64().unwrap() > 100,
        "{missed:?}"
    );
    assert!(
        fast_received
            .messages
            .iter()
            .all(|message| message["type"] != "missed")
    );
    if has_ffmpeg() {
        ffmpeg(&slow_received.file(), "slow.mp4", NULL_OUTPUT);
    }
    let metrics = server.get("/metrics").await.text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("tutk_camera_viewer_missed_frames_total{"));
    let count: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count > 100.0);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_nothing_is_disconnected() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut socket = WebSocket::connect_with_small_buffer(server.address(), "/front/live").await;
    Received::default().receive(&mut socket, 5).await;
    let mut stream = server.stream("/front/stream.mp4").await;
    stream.read_at_least(1_000).await;
    // From now on neither is read.
    let mut direct = server.front.watch("direct");
    while server.front.stats().await.viewers.len() > 1 {
        next_video_frame(&mut direct).await;
    }
    while socket.next().await != WebSocketMessage::Disconnected {}
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn dead_websocket_client_is_detected() {
    // Nothing is sent to the client, because the camera is away.
    let (server, _) = TestServer::without_camera().await;
    let socket = server.websocket("/front/live").await;
    while server.front.stats().await.viewers.len() != 1 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(server.front.stats().await.viewers.len(), 1);
    // The client does not answer pings, because it does not read.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(server.front.stats().await.viewers.len(), 0);
    drop(socket);
    server.close().await;
}

/// The most that the socket buffers of both sides and the write buffer of the server can hold.
const MAX_BUFFERED: usize = 32 << 20;

#[tokio::test]
async fn client_that_sends_pings_and_reads_nothing_is_not_read_further() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let (away, _) = TestServer::without_camera().await;
    for (server, path) in [
        (&server, "/front/live"),
        (&server, "/front/talk"),
        (&away, "/front/live"),
    ] {
        let mut socket = WebSocket::connect_with_small_buffer(server.address(), path).await;
        let stalled = Duration::from_millis(500);
        let start = Instant::now();
        let mut sent = 0;
        // A disconnected client is fine, too.
        while let Ok(Ok(bytes)) = tokio::time::timeout(stalled, socket.ping(1_024)).await {
            sent += bytes;
            assert!(
                sent < MAX_BUFFERED,
                "{path}: {sent} bytes in {:?}",
                start.elapsed()
            );
        }
    }
    server.close().await;
    away.close().await;
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut socket = server.websocket("/front/live").await;
    for _ in 0..100 {
        socket.ping(1).await.unwrap();
    }
    assert_eq!(socket.count_pongs(100).await, 100);
    server.close().await;
}
