//! When sessions begin and end, and failures of cameras.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;
use tutk_runtime::tutk_session::Credentials;
use tutk_runtime::tutk_simulator::LeaveReason;
use tutk_runtime::{ObservedDatagram, Observer};
use tutk_serve::{CameraSettings, CameraState, Error, Keep, LINGER};

use crate::SOUND_ON;
use crate::common::{
    self, FPS, H264, camera_config, hub_with_camera, next_video_frame, settings, start_camera,
    start_camera_at, wait_for_leave, wait_for_state,
};

/// Panics at some of the datagrams.
#[derive(Debug, Default)]
struct Panicking(AtomicUsize);

impl Observer for Panicking {
    fn datagram(&self, _: &ObservedDatagram<'_>) {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(![300, 310, 900].contains(&count), "datagram {count}");
    }

    fn key_log(&self, _: &str) {}
}

#[tokio::test(start_paused = true)]
async fn session_on_demand_lingers_after_the_last_viewer() {
    let mut server = start_camera(camera_config(H264, FPS));
    let (hub, camera) = hub_with_camera(settings(&server));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(camera.stats().await.sessions, 0, "there were no users");

    let mut first = camera.watch("first");
    let one = next_video_frame(&mut first).await;
    drop(first);
    // Another viewer connects in time and uses the same session.
    tokio::time::sleep(LINGER - Duration::from_secs(1)).await;
    let mut second = camera.watch("second");
    let two = next_video_frame(&mut second).await;
    assert!(two.is_key() && two.timestamp > one.timestamp && !two.discontinuity);
    let dropped = Instant::now();
    drop(second);
    assert_eq!(wait_for_leave(&mut server).await, (LeaveReason::Closed, 1));
    let kept = dropped.elapsed();
    assert!(
        kept >= LINGER && kept < LINGER + Duration::from_secs(1),
        "{kept:?}"
    );
    tokio::task::yield_now().await;
    let stats = camera.stats().await;
    assert!(matches!(stats.state, CameraState::Idle), "{stats:?}");
    assert_eq!((stats.sessions, stats.disconnects, stats.users), (1, 0, 0));
    assert_eq!((stats.kept_frames, stats.session), (0, None));

    // The time line continues, with a gap.
    tokio::time::sleep(Duration::from_secs(100)).await;
    let mut third = camera.watch("third");
    let three = next_video_frame(&mut third).await;
    assert!(three.is_key() && three.discontinuity);
    assert!(three.timestamp > two.timestamp + Duration::from_secs(100));
    assert_eq!(camera.stats().await.sessions, 2);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn permanent_session_needs_no_viewers() {
    let mut server = start_camera(camera_config(H264, FPS));
    let mut with = settings(&server);
    with.keep = Keep::Always;
    let (hub, camera) = hub_with_camera(with);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let stats = camera.stats().await;
    assert_eq!((stats.sessions, stats.disconnects, stats.users), (1, 0, 0));
    assert!(stats.video_frames > 11_000, "{stats:?}");
    // At most one GOP.
    assert!(stats.kept_frames <= 100, "{stats:?}");
    assert!(next_video_frame(&mut camera.watch("late")).await.is_key());
    hub.close().await;
    assert_eq!(wait_for_leave(&mut server).await, (LeaveReason::Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn viewers_survive_a_camera_reboot() {
    let config = camera_config(H264, FPS);
    let server = start_camera(config.clone());
    let address = server.local_addr();
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut viewers = [camera.watch("one"), camera.watch("two")];
    let mut before = Duration::ZERO;
    for viewer in &mut viewers {
        for _ in 0..30 {
            before = next_video_frame(viewer).await.timestamp;
        }
    }
    server.close().await;
    let down = wait_for_state(&mut viewers[0], |state| {
        matches!(state, CameraState::Down(_))
    })
    .await;
    let CameraState::Down(disconnect) = down else {
        unreachable!()
    };
    assert!(disconnect.lasted.is_some() && disconnect.next.is_some());
    // A new caller waits for the camera.
    let described = tokio::spawn({
        let camera = camera.clone();
        async move { camera.description().await }
    });
    let _server = start_camera_at(config, address).await;
    for viewer in &mut viewers {
        let mut frames = Vec::new();
        while frames.len() < 5 {
            let next = next_video_frame(viewer).await;
            if next.timestamp > before + Duration::from_millis(400) {
                frames.push(next);
            }
        }
        assert!(frames[0].is_key() && frames[0].discontinuity);
        assert!(frames[1..].iter().all(|frame| !frame.discontinuity));
        let stats = viewer.stats().unwrap();
        assert_eq!(stats.missed, 0, "{stats:?}");
    }
    assert!(described.await.unwrap().is_ok());
    let stats = camera.stats().await;
    assert_eq!((stats.sessions, stats.disconnects), (2, 1));
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn reports_a_missing_camera_and_retries() {
    let config = camera_config(H264, FPS);
    let server = start_camera(config.clone());
    let address = server.local_addr();
    let with = settings(&server);
    server.close().await;
    let (hub, camera) = hub_with_camera(with);
    let mut viewer = camera.watch("test");
    let error = camera.description().await.unwrap_err();
    assert!(matches!(error, Error::Down(_)), "{error}");
    let error = camera.command(&SOUND_ON).await.unwrap_err();
    assert!(matches!(error, Error::Down(_)), "{error}");
    assert!(matches!(camera.talk().await.unwrap_err(), Error::Down(_)));
    let _server = start_camera_at(config, address).await;
    assert!(next_video_frame(&mut viewer).await.is_key());
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_key_is_reported_and_retried_slowly() {
    let server = start_camera(camera_config(H264, FPS));
    let mut credentials = Credentials::new(common::UID, "aKzdqckqZ8HUHFe6", common::MAC).unwrap();
    // With a wrong AuthKey, which follows from the ENR, the camera would not answer at all.
    credentials.auth_key = common::credentials().auth_key;
    let mut with = CameraSettings::new(tutk_session::ClientConfig::new(
        server.local_addr(),
        credentials,
    ));
    with.keep = Keep::Always;
    let (hub, camera) = hub_with_camera(with);
    let mut viewer = camera.watch("test");
    let began = Instant::now();
    let fourth =
        |state: &CameraState| matches!(state, CameraState::Down(down) if down.attempts >= 4);
    let CameraState::Down(down) = wait_for_state(&mut viewer, fourth).await else {
        unreachable!()
    };
    assert!(down.error.to_string().contains("ENR"), "{}", down.error);
    assert!(began.elapsed() > Duration::from_secs(45), "{down:?}");
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn camera_is_restarted_after_a_panic() {
    let server = start_camera(camera_config(H264, FPS));
    let mut settings = settings(&server);
    settings.observer = Some(Arc::new(Panicking::default()));
    let (hub, camera) = hub_with_camera(settings);
    let mut viewer = camera.watch("test");
    let mut previous = None;
    loop {
        let frame = next_video_frame(&mut viewer).await;
        if let Some(previous) = previous {
            assert!(frame.timestamp > previous, "{frame:?}");
        }
        if frame.discontinuity {
            assert!(frame.is_key());
            if camera.stats().await.panics == 3 {
                break;
            }
        }
        previous = Some(frame.timestamp);
    }
    let stats = camera.stats().await;
    assert!(matches!(stats.state, CameraState::Up), "{stats:?}");
    assert_eq!(stats.panics, 3);
    hub.close().await;
    assert!(matches!(camera.state(), CameraState::Closed));
}

#[tokio::test(start_paused = true)]
async fn camera_is_away_since_the_first_failure() {
    let mut server = start_camera(camera_config(H264, FPS));
    let address = server.local_addr();
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut viewer = camera.watch("test");
    next_video_frame(&mut viewer).await;
    let up = camera.details().since;
    server.close().await;
    let down = |state: &CameraState| matches!(state, CameraState::Down(_));
    wait_for_state(&mut viewer, down).await;
    let away = camera.details().since;
    assert!(away > up);
    for _ in 0..3 {
        wait_for_state(&mut viewer, down).await;
        assert_eq!(camera.details().since, away);
    }
    server = start_camera_at(camera_config(H264, FPS), address).await;
    wait_for_state(&mut viewer, |state| matches!(state, CameraState::Up)).await;
    assert!(camera.details().since > away);
    server.close().await;
    wait_for_state(&mut viewer, down).await;
    assert!(camera.details().since > away);
    hub.close().await;
}
#[tokio::test(start_paused = true)]
async fn removed_camera_leaves_no_task() {
    let mut server = start_camera(camera_config(H264, FPS));
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for closed in [true, false] {
        let (hub, camera) = hub_with_camera(settings(&server));
        let mut viewer = camera.watch("one");
        next_video_frame(&mut viewer).await;
        assert!(tasks() > before);
        if closed {
            assert!(hub.remove("front").await);
            assert!(!hub.remove("front").await);
            assert!(hub.camera("front").is_none());
        }
        drop((viewer, camera, hub));
        assert_eq!(wait_for_leave(&mut server).await.0, LeaveReason::Closed);
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    }
}
