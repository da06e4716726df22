//! The hub over real UDP sockets on loopback, with tokio's clock paused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{
    FPS, H264, H265, camera_config, clip, hub_with_camera, next_event, next_frame,
    next_video_frame, settings, start_camera, start_camera_at, tone_audio, wait_for_leave,
    wait_for_state, with_timeout,
};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tutk_media::{AudioCodec, Codec as VideoCodec};
use tutk_runtime::tutk_session::hl_ioctl::Command as _;
use tutk_runtime::tutk_session::hl_ioctl::commands::{
    GetNightVision, Media, MediaControl, NightVision, SetAnswer, SetNightVision, Switch,
};
use tutk_runtime::tutk_session::{AudioFlags, Codec, Credentials, MediaKind, TalkFrame};
use tutk_runtime::tutk_simulator::{LeaveReason, SimulatorEvent};
use tutk_runtime::{ObservedDatagram, Observer};
use tutk_serve::{CameraSettings, CameraState, Error, Hub, Keep, KeptLimits, LINGER, ViewerEvent};

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

const SOUND_ON: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::On,
};

/// The access units of a clip, and which of them are key frames.
fn units(stream: &'static [u8]) -> Vec<(bytes::Bytes, bool)> {
    let clip = clip(stream);
    clip.units()
        .map(|unit| (unit.data().clone(), unit.is_key()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn viewer_gets_state_description_and_every_frame() {
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let server = start_camera(config);
    let (hub, camera) = hub_with_camera(settings(&server));
    assert!(matches!(camera.state(), CameraState::Idle));
    let mut viewer = camera.watch("test");
    let units = units(H264);

    let ViewerEvent::State(CameraState::Idle) = next_event(&mut viewer).await else {
        panic!("the state must come first");
    };
    wait_for_state(&mut viewer, |state| {
        matches!(state, CameraState::Connecting)
    })
    .await;
    wait_for_state(&mut viewer, |state| matches!(state, CameraState::Up)).await;
    let ViewerEvent::Description(first) = next_event(&mut viewer).await else {
        panic!("the description must come before frames");
    };
    assert!(!first.settled);
    let (mut at, mut sounds, mut described) = (0, Vec::new(), first);
    let mut last = Duration::ZERO;
    while at < 150 {
        match next_event(&mut viewer).await {
            ViewerEvent::Description(description) => described = description,
            ViewerEvent::Frame(frame) => {
                assert_eq!(frame.description, described);
                assert!(!frame.discontinuity);
                if frame.kind == MediaKind::Audio {
                    sounds.push(frame.timestamp);
                    continue;
                }
                // The clip repeats.
                let (unit, key) = &units[at % units.len()];
                assert_eq!((&frame.data, frame.is_key()), (unit, *key));
                assert_eq!(
                    frame.timestamp,
                    Duration::from_millis(50) * at.try_into().unwrap()
                );
                assert!(frame.timestamp >= last);
                last = frame.timestamp;
                at += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    let video = described.video.as_ref().unwrap();
    assert_eq!(
        (video.codec(), video.parameters().unwrap().width),
        (VideoCodec::H264, 640)
    );
    assert_eq!(described.sound.unwrap().format.codec, AudioCodec::Pcmu);
    assert!(described.settled && camera.description().await.unwrap() == described);
    assert!(sounds.len() >= 370, "{}", sounds.len());
    assert!(
        sounds
            .windows(2)
            .all(|pair| pair[1] - pair[0] == Duration::from_millis(20))
    );

    let stats = camera.stats().await;
    assert_eq!(
        (stats.video_frames, stats.sessions, stats.disconnects),
        (150, 1, 0)
    );
    assert_eq!(
        stats.session.unwrap().frames,
        stats.video_frames + stats.audio_frames
    );
    let [only] = &stats.viewers[..] else {
        panic!("{stats:?}");
    };
    assert_eq!((only.label.as_str(), only.missed), ("test", 0));
    assert_eq!(
        only.frames + only.waiting,
        stats.video_frames + stats.audio_frames
    );
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn late_viewer_starts_with_the_last_key_frame() {
    let units = units(H265);
    let server = start_camera(camera_config(H265, FPS));
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut first = camera.watch("first");
    // In the middle of the second GOP.
    let second = 1 + units.iter().skip(1).position(|(_, key)| *key).unwrap();
    let until = second + 7;
    let mut newest = next_frame(&mut first).await;
    for _ in 0..until {
        newest = next_frame(&mut first).await;
    }
    let now = Instant::now();
    let mut late = camera.watch("late");
    let key = next_frame(&mut late).await;
    assert_eq!((&key.data, key.is_key()), (&units[second].0, true));
    assert_eq!(
        late.next_timestamp(),
        Some(key.timestamp + Duration::from_millis(50))
    );
    for (unit, _) in &units[second + 1..=until] {
        let next = next_frame(&mut late).await;
        assert_eq!(next.data, unit);
        if next.timestamp == newest.timestamp {
            // Shared, not copied.
            assert_eq!(next.data.as_ptr(), newest.data.as_ptr());
        }
    }
    assert_eq!(Instant::now(), now, "the viewer had to wait");
    for _ in 0..30 {
        assert_eq!(next_frame(&mut first).await, next_frame(&mut late).await);
    }
    assert_eq!(late.stats().unwrap().missed, 0);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn slow_viewer_does_not_delay_others() {
    const KEPT: usize = 60;
    let server = start_camera(camera_config(H264, FPS));
    let mut with = settings(&server);
    with.kept = KeptLimits {
        bytes: usize::MAX,
        frames: KEPT,
    };
    let (hub, camera) = hub_with_camera(with);
    let mut fast = camera.watch("fast");
    let mut slow = camera.watch("slow");
    slow.set_max_lag(None);
    let units = units(H264);
    for round in 0..8 {
        for (at, (unit, _)) in units.iter().enumerate() {
            let next = next_video_frame(&mut fast).await;
            assert_eq!(next.data, unit, "{round} {at}");
            let stats = camera.stats().await;
            assert!(stats.kept_frames <= KEPT);
        }
        // The slow viewer reads one of 100 frames.
        next_video_frame(&mut slow).await;
    }
    assert_eq!(fast.stats().unwrap().missed, 0);
    let before = slow.stats().unwrap();
    assert!(before.missed > 600, "{before:?}");
    assert!(before.waiting <= KEPT as u64);
    for _ in 0..units.len() {
        next_video_frame(&mut fast).await;
    }
    let mut events = Vec::new();
    while events.is_empty() || !matches!(events.last(), Some(ViewerEvent::Frame(_))) {
        events.push(next_event(&mut slow).await);
    }
    let [ViewerEvent::Missed(missed), ViewerEvent::Frame(next)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(slow.stats().unwrap().missed, before.missed + missed);
    assert!(next.is_key());
    hub.close().await;
}

#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn frame_wakes_a_viewer_once() {
    let server = start_camera(camera_config(H264, FPS));
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut viewer = camera.watch("test");
    next_video_frame(&mut viewer).await;
    let counter = Arc::new(CountingWaker::default());
    let waker = Waker::from(Arc::clone(&counter));
    let mut context = Context::from_waker(&waker);
    while pin!(viewer.next_event()).poll(&mut context).is_ready() {}
    let (mut frames, mut wakes) = (0, 0);
    for _ in 0..200 {
        let woken = counter.0.load(Ordering::Relaxed) > wakes;
        wakes += usize::from(woken);
        assert_eq!(counter.0.load(Ordering::Relaxed), wakes);
        let before = frames;
        while let Poll::Ready(event) = pin!(viewer.next_event()).poll(&mut context) {
            frames += usize::from(matches!(event, Some(ViewerEvent::Frame(_))));
        }
        assert!(woken || frames == before, "a frame did not wake the viewer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(frames >= 35 && wakes <= frames, "{wakes} {frames}");
    hub.close().await;
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
async fn serves_commands_of_several_callers_at_once() {
    let server = start_camera(camera_config(H264, FPS));
    let (hub, camera) = hub_with_camera(settings(&server));
    // There are no viewers: the command starts the session.
    let ask = || {
        let camera = camera.clone();
        tokio::spawn(async move { camera.command(&SOUND_ON).await })
    };
    let all: Vec<_> = (0..10).map(|_| ask()).collect();
    for one in all {
        let answer = one.await.unwrap().unwrap();
        assert_eq!(answer.code, MediaControl::ANSWER_CODE);
        assert_eq!(
            MediaControl::decode_answer(&answer.payload).unwrap(),
            SetAnswer::Done
        );
    }
    assert_eq!(camera.stats().await.sessions, 1);
    // The camera does not answer an unknown command.
    let unknown = tutk_session::hl_ioctl::Request {
        code: 65_000,
        payload: vec![1],
    };
    let error = camera.command(unknown).await.unwrap_err();
    assert!(
        matches!(error, Error::Unanswered { code: 65_000 }),
        "{error}"
    );
    let long = tutk_session::hl_ioctl::Request {
        code: 2,
        payload: vec![0; 5_000],
    };
    assert!(matches!(
        camera.command(long).await.unwrap_err(),
        Error::TooLong { .. }
    ));
    hub.close().await;
    assert!(matches!(
        camera.command(&SOUND_ON).await.unwrap_err(),
        Error::Closed
    ));
}

#[tokio::test(start_paused = true)]
async fn audio_channel_has_one_talker_at_a_time() {
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let mut server = start_camera(config);
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut talker = camera.talk().await.unwrap();
    let error = camera.talk().await.unwrap_err();
    assert!(
        matches!(error, Error::Session(tutk_runtime::Error::AlreadyTalking)),
        "{error}"
    );
    for at in 0..5 {
        let frame = TalkFrame {
            codec: Codec::Pcmu,
            flags: AudioFlags::new(8_000, 16, 1).unwrap(),
            timestamp: Duration::from_millis(20) * at,
            data: &[u8::try_from(at).unwrap(); 160],
        };
        talker.send(frame).await.unwrap();
    }
    talker.finish().await.unwrap();
    let mut received = Vec::new();
    while received.len() < 5 {
        if let Some(SimulatorEvent::AudioReceived { frame, .. }) =
            with_timeout(server.next_event()).await
        {
            received.push(frame.data[0]);
        }
    }
    assert_eq!(received, [0, 1, 2, 3, 4]);
    camera.talk().await.unwrap().finish().await.unwrap();
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

#[tokio::test(start_paused = true)]
async fn checks_camera_names() {
    let server = start_camera(camera_config(H264, FPS));
    let hub = Hub::new();
    for bad in ["", "a/b", "a\nb", &"x".repeat(65)] {
        let error = hub.add(bad, settings(&server)).unwrap_err();
        assert!(matches!(error, Error::InvalidName(_)), "{error}");
    }
    for good in ["front", "Häuschen 2", &"x".repeat(64)] {
        assert_eq!(hub.add(good, settings(&server)).unwrap().name(), good);
    }
    let error = hub.add("front", settings(&server)).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(_)), "{error}");
    assert_eq!(hub.cameras().len(), 3);
    hub.close().await;
    assert!(hub.cameras().is_empty());
}

#[tokio::test(start_paused = true)]
async fn initial_commands_are_sent_in_each_session() {
    let config = camera_config(H264, FPS);
    let server = start_camera(config.clone());
    let address = server.local_addr();
    let mut with = settings(&server);
    with.initial_commands = vec![(&SetNightVision(NightVision::On)).into()];
    with.keep = Keep::Always;
    let (hub, camera) = hub_with_camera(with);
    let ask = async || {
        let answer = camera.command(&GetNightVision).await.unwrap();
        GetNightVision::decode_answer(&answer.payload).unwrap()
    };
    let greeted = ask().await;
    assert_eq!(greeted, NightVision::On);
    // Another camera, without the settings of the first.
    server.close().await;
    let _server = start_camera_at(config, address).await;
    let mut viewer = camera.watch("test");
    while camera.stats().await.sessions < 2 {
        next_video_frame(&mut viewer).await;
    }
    assert_eq!(ask().await, NightVision::On);
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
