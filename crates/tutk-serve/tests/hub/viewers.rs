//! Frames, descriptions and states for viewers.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;
use tutk_media::{AudioCodec, Codec as VideoCodec};
use tutk_runtime::tutk_session::{Codec, MediaKind};
use tutk_serve::{CameraState, KeptLimits, ViewerEvent};

use crate::common::{
    FPS, H264, H265, camera_config, clip, hub_with_camera, next_event, next_frame,
    next_video_frame, settings, start_camera, tone_audio, wait_for_state,
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
