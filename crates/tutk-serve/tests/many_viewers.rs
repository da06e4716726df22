//! Twenty viewers of one camera for a minute, with tokio's clock paused: one session and constant
//! memory, although one of the viewers stalls.
//!
//! Only allocations of this process count, not the socket buffers of the kernel.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "the tests of HTTP use more of it")]
mod client;
mod common;
#[path = "common/memory.rs"]
mod memory;

use std::time::Duration;

use client::{TestServer, WebSocket, WebSocketMessage};
use common::rtsp_tcp_client::Client;
use common::{H264, camera_config, loopback, tone_audio, wait_for_leave};
use memory::allocated;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_serve::{RtspConfig, RtspServer};

/// Viewers of each kind: RTSP over TCP, MP4, MPEG-TS and WebSocket.
const EACH: usize = 5;

/// The frame rate. It fills the socket buffers of the stalled viewer within 15 s.
const FPS: u8 = 100;

/// Half of the measured time. The clip repeats several times.
const HALF: Duration = Duration::from_secs(30);

/// The allowed growth of the peak from the first half to the second. A frame of the clip has 2 KiB,
/// and there are 6,000 frames.
const SLACK: isize = 32 << 10;

/// Returns the peak of the allocated bytes within a time.
async fn peak(time: Duration) -> isize {
    let until = tokio::time::Instant::now() + time;
    let mut peak = 0;
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
        peak = peak.max(allocated());
    }
    peak
}

/// Reads forever, and sends a keep-alive every 20 s.
async fn play(mut client: Client) {
    let mut buffer = vec![0; 64 << 10];
    let mut alive = tokio::time::interval(Duration::from_secs(20));
    loop {
        tokio::select! {
            read = client.stream.read(&mut buffer) => assert!(read.unwrap() > 0, "the connection was closed"),
            _ = alive.tick() => {
                let request = format!("OPTIONS {} RTSP/1.0\r\nCSeq: 99\r\n\r\n", client.url);
                client.stream.write_all(request.as_bytes()).await.unwrap();
            }
        }
    }
}

/// The allocator counts for the whole process, so that this must be the only test.
#[tokio::test(start_paused = true)]
async fn memory_stays_constant_with_twenty_viewers() {
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    // The stalled viewer is not disconnected.
    let no_timeout = |http: &mut tutk_serve::HttpConfig| http.limits.idle_time = 100 * HALF;
    let mut server = TestServer::with(config, |_| {}, no_timeout).await;
    let rtsp = RtspServer::start(server.hub.clone(), RtspConfig::new(loopback()));
    let rtsp = rtsp.await.unwrap();

    // This viewer reads nothing.
    let stalled = WebSocket::connect_with_small_buffer(server.address(), "/front/live").await;
    let mut viewers = JoinSet::new();
    for at in 0..EACH {
        let mut client = Client::connect(&rtsp).await;
        client.play("RTP/AVP/TCP").await;
        viewers.spawn(play(client));
        for path in ["/front/stream.mp4", "/front/stream.ts"] {
            let mut stream = server.stream(path).await;
            viewers.spawn(async move { while stream.next_chunk().await.is_some() {} });
        }
        if at > 0 {
            let mut socket = server.websocket("/front/live").await;
            viewers.spawn(async move {
                while let WebSocketMessage::Json(_) | WebSocketMessage::Binary(_) =
                    socket.next().await
                {}
            });
        }
    }
    // Wait until it stalls: no frame was sent to it for longer than a viewer may lag.
    let (mut frames, mut stalled_seconds) = (0, 0);
    while stalled_seconds < 10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sent = server.front.stats().await.viewers[0].frames;
        stalled_seconds = if sent == frames {
            stalled_seconds + 1
        } else {
            0
        };
        frames = sent;
    }
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (tasks_before, before) = (tasks(), server.front.stats().await);
    let first = peak(HALF).await;
    let second = peak(HALF).await;
    assert!(second <= first + SLACK, "{first} bytes became {second}");
    let after = server.front.stats().await;
    assert_eq!(tasks(), tasks_before);
    assert!(viewers.try_join_next().is_none(), "a viewer ended");
    assert_eq!(
        (after.viewers.len(), after.sessions, after.disconnects),
        (4 * EACH, 1, 0)
    );
    let received =
        after.video_frames + after.audio_frames - before.video_frames - before.audio_frames;
    assert!(
        received >= 2 * HALF.as_secs() * u64::from(FPS),
        "{received}"
    );
    for (before, after) in before.viewers.iter().zip(&after.viewers) {
        let sent = after.frames - before.frames;
        // The first one stalls. No other viewer missed a frame or lags.
        match after.id == 0 {
            true => assert_eq!(sent, 0, "{after:?}"),
            false => assert!(
                after.missed == 0 && sent.abs_diff(received) < 100,
                "{after:?}: {received}"
            ),
        }
    }
    drop((stalled, viewers));
    server.hub.close().await;
    server.http.close().await;
    rtsp.close().await;
    assert_eq!(
        wait_for_leave(&mut server.camera).await,
        (LeaveReason::Closed, 1)
    );
}
