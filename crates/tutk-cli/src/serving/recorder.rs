//! The recording of a served camera.

use std::io;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tutk_serve::recorder::{Recorder, RecorderEvent, RecordingLimits, Target};
use tutk_serve::{Camera, Error, RecordingState};

use super::retry::Retry;
use crate::failure::Failure;

/// The shortest time between two warnings about missed frames.
const MISSED_INTERVAL: Duration = Duration::from_secs(60);

/// A recording that fails within this time has not worked in between. The header of a file and
/// frames that are not written yet fit onto a full disk, too.
const SHORTEST: Duration = Duration::from_secs(3);

/// The interval of writes. Waking a thread for each frame would cost as much as writing it.
const BATCH: Duration = Duration::from_millis(250);

/// The number of threads that write. Disks are slow, so that they do nothing else.
const THREADS: usize = 4;

/// The threads that write all recordings.
#[derive(Debug)]
pub(super) struct RecordingThreads {
    handle: Handle,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl RecordingThreads {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("recorder")
            .enable_time()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}

impl Drop for RecordingThreads {
    fn drop(&mut self) {
        // A disk that does not answer must not delay the exit.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A recording that continues until it is stopped.
#[derive(Debug)]
pub(super) struct ContinuousRecording {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl ContinuousRecording {
    /// Starts recording, which keeps the session with the camera.
    pub(super) fn start(threads: &RecordingThreads, camera: Camera, target: Target) -> Self {
        let (stop, stopping) = watch::channel(false);
        let task = threads
            .handle
            .spawn(async move { run(&camera, &target, stopping).await });
        Self { stop, task }
    }

    /// Requests the end of the recording: see [`stop`](Self::stop).
    pub(super) fn request_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Completes the file.
    pub(super) async fn stop(self) {
        self.request_stop();
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
            () = stopped(&mut stopping) => return camera.set_recording(RecordingState::Off),
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
    let mut first = None;
    let recorder = Recorder::new(camera, target.open()?, RecordingLimits::default());
    let mut recorder = recorder.in_batches(BATCH);
    loop {
        let event = tokio::select! {
            biased;
            () = stopped(stopping) => break,
            event = recorder.next_event() => event,
        };
        match event {
            None => break,
            Some(RecorderEvent::Frame(_)) => {
                let first = first.get_or_insert_with(Instant::now);
                if first.elapsed() >= SHORTEST
                    && let Some((times, time)) = retry.succeed(Instant::now().into_std())
                {
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

/// Waits for the request to stop, which stays until the end. Cancel-safe.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that nobody can request it any more.
    let _ = stopping.wait_for(|stop| *stop).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use tutk_serve::recorder::FileFormat;
    use tutk_serve::{CameraSettings, Hub};

    use super::*;
    use crate::serving::demo;

    /// More than tokio has threads for blocking work.
    const RECORDINGS: usize = 600;

    /// Completing the file fails, and the recording must not be started again.
    #[cfg(target_os = "linux")]
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn recording_stops_while_the_disk_is_full() {
        let (_servers, plans) = demo::begin().unwrap();
        let hub = Hub::new();
        let settings: CameraSettings = super::super::service::settings(&plans["garden"]);
        let camera = hub.add("garden", settings).unwrap();
        let mut viewer = camera.watch("test");
        viewer.next_frame().await.unwrap();
        let threads = RecordingThreads::start().unwrap();
        for pause in [0, 20, 60, 120, 300] {
            let target = Target::new("/dev/full".as_ref(), Some(FileFormat::H264)).unwrap();
            let recording = ContinuousRecording::start(&threads, camera.clone(), target);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let stopped = tokio::time::timeout(Duration::from_secs(5), recording.stop()).await;
            assert!(stopped.is_ok(), "after {pause} ms");
        }
        hub.close().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_recordings_share_a_few_threads() {
        let folder = tempfile::tempdir().unwrap();
        let (_servers, plans) = demo::begin().unwrap();
        let hub = Hub::new();
        let settings: CameraSettings = super::super::service::settings(&plans["garden"]);
        let camera = hub.add("garden", settings).unwrap();
        let threads = RecordingThreads::start().unwrap();
        let path = |number: usize| folder.path().join(format!("{number}.h264"));
        let recordings: Vec<_> = (0..RECORDINGS)
            .map(|number| {
                let target = Target::new(&path(number), None).unwrap();
                ContinuousRecording::start(&threads, camera.clone(), target)
            })
            .collect();
        let is_recorded = |number| path(number).metadata().is_ok_and(|file| file.len() > 0);
        let limit = Instant::now() + Duration::from_secs(60);
        while !(0..RECORDINGS).all(is_recorded) {
            assert!(Instant::now() < limit, "not all recordings have started");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        recordings
            .iter()
            .for_each(ContinuousRecording::request_stop);
        for recording in recordings {
            recording.stop().await;
        }
        hub.close().await;
    }
}
