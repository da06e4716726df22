//! The recording of a served camera.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tutk_serve::recorder::{Recorder, RecorderEvent, RecordingLimits, Target};
use tutk_serve::{Camera, Error, RecordingState};

use super::retry::Retry;
use crate::failure::Failure;

/// The shortest time between two warnings about missed frames.
const MISSED_INTERVAL: Duration = Duration::from_secs(60);

/// A recording that continues until it is stopped.
#[derive(Debug)]
pub(super) struct ContinuousRecording {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ContinuousRecording {
    /// Starts recording, which keeps the session with the camera.
    pub(super) fn start(camera: Camera, target: Target) -> Self {
        let (stop, stopping) = watch::channel(false);
        let handle = Handle::current();
        // A separate thread, because disks are slow.
        let task = tokio::task::spawn_blocking(move || {
            handle.block_on(run(&camera, &target, stopping));
        });
        Self { stop, task }
    }

    /// Completes the file.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a recording was interrupted");
        }
    }
}

/// Records until the task is stopped or the camera is removed.
async fn run(camera: &Camera, target: &Target, mut stopping: watch::Receiver<bool>) {
    let name = camera.name();
    // Keeps the session during pauses.
    let _lease = camera.lease();
    let mut retry = Retry::default();
    camera.set_recording(RecordingState::On);
    loop {
        let error = match record(camera, target, &mut stopping, &mut retry).await {
            Ok(()) | Err(Error::Closed) => return camera.set_recording(RecordingState::Off),
            Err(error) => error,
        };
        let (pause, log) = retry.fail(Instant::now().into_std());
        let failure = Failure::recording("stream", error);
        camera.set_recording(RecordingState::Failed(failure.to_string()));
        if let Some(times) = log {
            tracing::error!("{name} is not recorded (attempt {times}): {failure}");
        }
        tokio::select! {
            _ = stopping.changed() => return camera.set_recording(RecordingState::Off),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Records until the task is stopped or the recording fails.
async fn record(
    camera: &Camera,
    target: &Target,
    stopping: &mut watch::Receiver<bool>,
    retry: &mut Retry,
) -> Result<(), Error> {
    let name = camera.name();
    let (mut missed, mut missed_at) = (0_u64, None::<Instant>);
    let mut recorder = Recorder::new(camera, target.open()?, RecordingLimits::default());
    loop {
        let event = tokio::select! {
            biased;
            _ = stopping.changed() => break,
            event = recorder.next_event() => event,
        };
        match event {
            None => break,
            Some(RecorderEvent::Frame(_)) => {
                if let Some((times, time)) = retry.succeed(Instant::now().into_std()) {
                    camera.set_recording(RecordingState::On);
                    let seconds = time.as_secs();
                    tracing::warn!(
                        "{name} is recorded again after {times} failures in {seconds} s"
                    );
                }
            }
            Some(RecorderEvent::Missed(frames)) => {
                missed += frames;
                if missed_at.is_none_or(|at| at.elapsed() >= MISSED_INTERVAL) {
                    tracing::warn!(
                        "{name}: {missed} frames are not recorded: the disk is too slow"
                    );
                    (missed, missed_at) = (0, Some(Instant::now()));
                }
            }
            Some(RecorderEvent::AudioOmitted(reason)) => {
                tracing::warn!("{name}: the audio is not recorded: {reason}");
            }
            Some(_) => {}
        }
    }
    recorder.finish().1
}
