//! A camera's frames into segments.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::{Camera, LiveFrame, Viewer, ViewerEvent};

use crate::sink::{Sink, SinkError, SoundUnit, Target, Unit};

/// How long to wait when the disk took nothing.
const RESPITE: Duration = Duration::from_secs(10);

/// A recording that goes on until it is told to stop.
#[derive(Debug)]
pub(super) struct Recorder {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// One recording.
struct Recording {
    name: String,
    target: Target,
    sink: Option<Sink>,
    /// When it is tried again, after the disk took nothing.
    again: Option<Instant>,
    /// What sound could not be taken is said once.
    unsound: bool,
}

impl Recorder {
    /// Begins; the camera is kept up for it.
    pub(super) fn start(camera: &Camera, target: Target) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut viewer = camera.watch("recording");
        // It wants every frame.
        viewer.set_max_lag(None);
        let recording = Recording {
            name: camera.name().to_owned(),
            target,
            sink: None,
            again: None,
            unsound: false,
        };
        let handle = Handle::current();
        // A thread of its own: disks are slow, and nobody else is to wait for them.
        let task = tokio::task::spawn_blocking(move || {
            handle.block_on(recording.run(viewer, stopping));
        });
        Self { stop, task }
    }

    /// Completes the file.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "a recording broke off");
        }
    }
}

impl Recording {
    async fn run(mut self, mut viewer: Viewer, mut stopping: watch::Receiver<bool>) {
        loop {
            let event = tokio::select! {
                biased;
                _ = stopping.changed() => break,
                event = viewer.next_event() => event,
            };
            match event {
                None => break,
                Some(ViewerEvent::Frame(frame)) => self.frame(&frame),
                Some(ViewerEvent::Missed(frames)) => {
                    let name = &self.name;
                    tracing::warn!(
                        "{name}: {frames} frames are not recorded: the disk is too slow"
                    );
                }
                Some(_) => {}
            }
        }
        self.end();
    }

    fn frame(&mut self, frame: &LiveFrame) {
        if self.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        if self.sink.is_none() {
            match self.target.open() {
                Ok(sink) => self.sink = Some(sink),
                Err(failure) => return self.failed(&failure),
            }
            self.again = None;
        }
        let Some(sink) = &mut self.sink else { return };
        let description = &frame.description;
        let written = if frame.kind == MediaKind::Audio {
            let Some(sound) = &description.sound else {
                return;
            };
            sink.write_sound(SoundUnit {
                data: &frame.data,
                format: sound.format,
                time: frame.timestamp,
            })
        } else {
            let Some(video) = &description.video else {
                return;
            };
            sink.write(Unit {
                data: &frame.data,
                key: frame.is_key(),
                codec: Some(video.codec().to_tutk()),
                time: frame.timestamp,
            })
        };
        match written {
            Ok(()) | Err(SinkError::Skipped) => {}
            Err(SinkError::Sound(error)) => {
                let name = &self.name;
                if !std::mem::replace(&mut self.unsound, true) {
                    tracing::warn!("{name}: recorded without some or all of its sound: {error}");
                }
            }
            // Nobody reads a file as it is written, so that nobody can have gone.
            Err(SinkError::ReaderGone) => {}
            Err(SinkError::Failed(failure)) => {
                self.failed(&failure);
                self.end();
            }
        }
    }

    fn failed(&mut self, failure: &crate::failure::Failure) {
        let (name, seconds) = (&self.name, RESPITE.as_secs());
        tracing::error!("{name} is not recorded: {failure}; trying again in {seconds} s");
        self.again = Some(Instant::now() + RESPITE);
    }

    fn end(&mut self) {
        if let Some(Err(SinkError::Failed(failure))) = self.sink.take().map(Sink::finish) {
            tracing::error!("{}: the file is not complete: {failure}", self.name);
        }
    }
}
