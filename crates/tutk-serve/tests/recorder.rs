//! Recordings of a hub's cameras, over real UDP sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read files"
)]

mod common;

use std::time::Duration;

use common::{H264, camera_config, clip, hub_with_camera, settings, start_camera, with_timeout};
use tutk_media::Clip;
use tutk_serve::Error;
use tutk_serve::recorder::{Recorder, RecorderEvent, RecordingLimits, Target};

#[tokio::test]
async fn slow_output_misses_frames_up_to_a_key_frame() {
    let server = start_camera(camera_config(H264, 120));
    let mut settings = settings(&server);
    settings.kept.frames = 10;
    let (hub, camera) = hub_with_camera(settings);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let sink = Target::new(&path, None).unwrap().open().unwrap();
    let limits = RecordingLimits {
        frames: Some(80),
        length: None,
    };
    let mut recorder = Recorder::new(&camera, sink, limits);
    let mut missed = 0;
    while let Some(event) = with_timeout(recorder.next_event()).await {
        match event {
            RecorderEvent::Frame(_) if recorder.recording().frames == 5 => {
                // The output is blocked for 60 frames.
                let blocked_until = camera.stats().await.video_frames + 60;
                while camera.stats().await.video_frames < blocked_until {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            RecorderEvent::Missed(frames) => missed += frames,
            _ => {}
        }
    }
    let (recording, result) = recorder.finish();
    result.unwrap();
    assert!(missed >= 50, "{missed}");
    assert_eq!((recording.frames, recording.missed), (80, missed));

    let written = Clip::parse(std::fs::read(&path).unwrap().into()).unwrap();
    let sent = clip(H264);
    let sent: Vec<_> = sent.units().collect();
    let index = |data| sent.iter().position(|unit| unit.data() == data).unwrap();
    let indexes: Vec<_> = written.units().map(|unit| index(unit.data())).collect();
    assert_eq!(indexes.len(), 80);
    let jumps: Vec<_> = indexes
        .windows(2)
        .filter(|pair| pair[1] != (pair[0] + 1) % sent.len())
        .collect();
    assert!(!jumps.is_empty());
    assert!(jumps.iter().all(|pair| sent[pair[1]].is_key()), "{jumps:?}");
    hub.close().await;
}

#[tokio::test]
async fn recording_ends_when_the_camera_is_removed() {
    let server = start_camera(camera_config(H264, 120));
    let (hub, camera) = hub_with_camera(settings(&server));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let sink = Target::new(&path, None).unwrap().open().unwrap();
    let mut recorder = Recorder::new(&camera, sink, RecordingLimits::default());
    while recorder.recording().frames < 10 {
        with_timeout(recorder.next_event()).await.unwrap();
    }
    hub.close().await;
    while with_timeout(recorder.next_event()).await.is_some() {}
    let (recording, result) = recorder.finish();
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(recording.bytes, bytes.len() as u64);
    assert!(H264.repeat(10).starts_with(&bytes));
}

#[tokio::test]
async fn last_batch_is_written_at_the_end() {
    let server = start_camera(camera_config(H264, 120));
    let (hub, camera) = hub_with_camera(settings(&server));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let sink = Target::new(&path, None).unwrap().open().unwrap();
    let recorder = Recorder::new(&camera, sink, RecordingLimits::default());
    let mut recorder = recorder.in_batches(Duration::from_millis(500));
    while recorder.recording().frames < 10 {
        with_timeout(recorder.next_event()).await.unwrap();
    }
    let received = camera.stats().await.video_frames + 30;
    while camera.stats().await.video_frames < received {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(recorder.recording().frames < received);
    let (recording, result) = recorder.finish();
    result.unwrap();
    assert!(recording.frames >= received, "{recording:?}");
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(recording.bytes, bytes.len() as u64);
    assert!(H264.repeat(10).starts_with(&bytes));
    hub.close().await;
}
