//! Twenty viewers of one camera for a minute, by a clock that jumps whenever nobody has anything to
//! do: one session, and memory that stays as it is, though one of them stalls.
//!
//! What is counted is what Rust allocates. What the system holds for a connection is the system's.
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

use std::alloc::System;
use std::time::Duration;

use client::{Said, Served, Socket};
use common::tcp_client::Client;
use common::{H264, camera, heard, left, loopback};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_serve::{RtspConfig, RtspServer};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of each kind: RTSP in its TCP connection, MP4, a transport stream, and a WebSocket.
const EACH: usize = 5;

/// Pictures in a second: so many that what the system holds for a connection is full in a quarter
/// of a minute.
const FPS: u8 = 100;

/// Half of the time that is looked at: all pictures of the clip come several times.
const HALF: Duration = Duration::from_secs(30);

/// How much more may be allocated at most in the second half than at most in the first. A frame of
/// the clip has 2 KiB, and six thousand come.
const SLACK: isize = 32 << 10;

/// Bytes that are allocated now.
fn allocated() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.cast_signed() - stats.bytes_deallocated.cast_signed()
}

/// The most that is allocated within a time.
async fn most(time: Duration) -> isize {
    let until = tokio::time::Instant::now() + time;
    let mut most = 0;
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(allocated());
    }
    most
}

/// Takes what comes, for ever, and says now and then that it is there.
async fn play(mut client: Client) {
    let mut buffer = vec![0; 64 << 10];
    let mut alive = tokio::time::interval(Duration::from_secs(20));
    loop {
        tokio::select! {
            read = client.stream.read(&mut buffer) => assert!(read.unwrap() > 0, "it ended"),
            _ = alive.tick() => {
                let request = format!("OPTIONS {} RTSP/1.0\r\nCSeq: 99\r\n\r\n", client.url);
                client.stream.write_all(request.as_bytes()).await.unwrap();
            }
        }
    }
}

/// The allocator counts for the whole process: so there is one test, and nothing beside it.
#[tokio::test(start_paused = true)]
async fn memory_stays_constant_with_twenty_viewers() {
    let mut config = camera(H264, FPS);
    config.sound = Some(heard(Codec::Pcmu, 8_000, 1));
    // The one that stalls is not sent away.
    let patience = |http: &mut tutk_serve::HttpConfig| http.limits.idle_time = 100 * HALF;
    let mut served = Served::with(config, |_| {}, patience).await;
    let rtsp = RtspServer::start(served.hub.clone(), RtspConfig::new(loopback()));
    let rtsp = rtsp.await.unwrap();

    // It takes nothing.
    let stalled = Socket::narrow(served.address(), "/front/live").await;
    let mut viewers = JoinSet::new();
    for at in 0..EACH {
        let mut client = Client::connect(&rtsp).await;
        client.play("RTP/AVP/TCP").await;
        viewers.spawn(play(client));
        for path in ["/front/stream.mp4", "/front/stream.ts"] {
            let mut stream = served.stream(path).await;
            viewers.spawn(async move { while stream.part().await.is_some() {} });
        }
        if at > 0 {
            let mut socket = served.socket("/front/live").await;
            viewers.spawn(async move {
                while let Said::Json(_) | Said::Binary(_) = socket.next().await {}
            });
        }
    }
    // Until it stalls: nothing was taken for it for more than it may be behind.
    let (mut frames, mut quiet) = (0, 0);
    while quiet < 10 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let taken = served.front.stats().await.viewers[0].frames;
        quiet = if taken == frames { quiet + 1 } else { 0 };
        frames = taken;
    }
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let (tasks_before, before) = (tasks(), served.front.stats().await);
    let first = most(HALF).await;
    let second = most(HALF).await;
    assert!(second <= first + SLACK, "{first} bytes became {second}");
    let after = served.front.stats().await;
    assert_eq!(tasks(), tasks_before);
    assert!(viewers.try_join_next().is_none(), "a viewer ended");
    assert_eq!(
        (after.viewers.len(), after.sessions, after.disconnects),
        (4 * EACH, 1, 0)
    );
    let came = after.video_frames + after.audio_frames - before.video_frames - before.audio_frames;
    assert!(came >= 2 * HALF.as_secs() * u64::from(FPS), "{came}");
    for (before, after) in before.viewers.iter().zip(&after.viewers) {
        let took = after.frames - before.frames;
        // The first is the one that stalls; no other missed anything, or has more than a moment's
        // to take.
        match after.id == 0 {
            true => assert_eq!(took, 0, "{after:?}"),
            false => assert!(
                after.missed == 0 && took.abs_diff(came) < 100,
                "{after:?}: {came}"
            ),
        }
    }
    drop((stalled, viewers));
    served.hub.close().await;
    served.http.close().await;
    rtsp.close().await;
    assert_eq!(left(&mut served.camera).await, (LeaveReason::Closed, 1));
}
