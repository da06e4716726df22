//! One who does not take what is sent slows nobody, and makes nothing grow.

use std::time::Duration;

use tutk_serve::KeptLimits;

use crate::client::{Said, Served, Socket};
use crate::common::players::ffmpeg_is_there;
use crate::common::{FPS, H264, camera, picture};
use crate::live::Watched;
use crate::stream::{PASS, ffmpeg};

/// Frames that are kept.
const KEPT: usize = 200;

#[tokio::test(start_paused = true)]
async fn only_the_slow_browser_misses_frames() {
    let served = Served::with(
        camera(H264, FPS),
        |settings| {
            settings.kept = KeptLimits {
                bytes: usize::MAX,
                frames: KEPT,
            };
        },
        |http| http.limits.idle_time = Duration::from_secs(1_000_000),
    )
    .await;
    let mut slow = Socket::narrow(served.address(), "/front/live").await;
    let mut watched = Watched::default();
    watched.see(&mut slow, 5).await;
    let mut fast = served.socket("/front/live").await;
    let mut quick = Watched::default();
    let mut direct = served.front.watch("direct");
    // Until the system holds no more for it, and the ring has gone over it.
    let (mut blocked, mut taken) = (0, 0);
    while blocked < 3 * KEPT {
        picture(&mut direct).await;
        quick.see(&mut fast, 1).await;
        let stats = served.front.stats().await;
        assert!(stats.kept_frames <= KEPT, "{stats:?}");
        let [of_slow, of_fast, _] = &stats.viewers[..] else {
            panic!("{stats:?}");
        };
        assert_eq!(of_fast.missed, 0);
        blocked = if of_slow.frames == taken {
            blocked + 1
        } else {
            0
        };
        taken = of_slow.frames;
    }
    // It is told, and goes on with a key frame: what it has can be decoded all the same.
    while !watched.told.iter().any(|told| told["type"] == "missed") {
        watched.see(&mut slow, 1).await;
    }
    watched.see(&mut slow, 100).await;
    let missed = watched.told.iter().find(|told| told["type"] == "missed");
    assert!(
        missed.unwrap()["frames"].as_u64().unwrap() > 100,
        "{missed:?}"
    );
    assert!(quick.told.iter().all(|told| told["type"] != "missed"));
    if ffmpeg_is_there() {
        ffmpeg(&watched.file(), "slow.mp4", PASS);
    }
    let metrics = served.get("/metrics").await.text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("tutk_camera_viewer_missed_frames_total{"));
    let count: f64 = line.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count > 100.0);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn client_that_reads_nothing_is_disconnected() {
    let served = Served::start(camera(H264, FPS)).await;
    let mut socket = Socket::narrow(served.address(), "/front/live").await;
    Watched::default().see(&mut socket, 5).await;
    let mut stream = served.stream("/front/stream.mp4").await;
    stream.bytes(1_000).await;
    // Neither is read from here on.
    let mut direct = served.front.watch("direct");
    while served.front.stats().await.viewers.len() > 1 {
        picture(&mut direct).await;
    }
    while socket.next().await != Said::Gone {}
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn dead_websocket_client_is_detected() {
    // Nothing is written to it: the camera is away.
    let config = camera(H264, FPS);
    let gone = crate::common::served(config.clone());
    let address = gone.local_addr();
    gone.close().await;
    let served = Served::with(config, |settings| settings.client.camera = address, |_| {}).await;
    let socket = served.socket("/front/live").await;
    while served.front.stats().await.viewers.len() != 1 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(served.front.stats().await.viewers.len(), 1);
    // It does not answer, as it is not read from: the connection stays open all the time.
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(served.front.stats().await.viewers.len(), 0);
    drop(socket);
    served.close().await;
}
