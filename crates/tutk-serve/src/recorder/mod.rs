//! Recordings: a camera of the hub to a file, to segments or to standard output.
//!
//! ```no_run
//! use tutk_serve::recorder::{Recorder, RecorderEvent, RecordingLimits, Target};
//! use tutk_serve::{Camera, Error};
//!
//! async fn record(camera: &Camera) -> Result<(), Error> {
//!     let target = Target::new("door.mp4".as_ref(), None)?.with_audio();
//!     let limits = RecordingLimits {
//!         frames: Some(600),
//!         ..RecordingLimits::default()
//!     };
//!     let mut recorder = Recorder::new(camera, target.open()?, limits);
//!     while let Some(event) = recorder.next_event().await {
//!         if let RecorderEvent::Missed(frames) = event {
//!             eprintln!("the disk is too slow: {frames} frames are missing");
//!         }
//!     }
//!     recorder.finish().1
//! }
//! ```
//!
//! | module | contents |
//! |---|---|
//! | `target` | where to write, and in which format |
//! | `sink` | writes frames: when a file starts and ends |
//! | `writer` | the bytes of a format |
//! | `output` | an open file, or standard output |
//! | `disk` | the threads that flush and delete files |
//! | `pattern`, `segments` | names of segments, and the deletion of old ones |

mod access;
mod disk;
mod output;
mod pattern;
mod segments;
mod sink;
mod target;
mod writer;

use std::task::Poll;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;
use tutk_media::{AudioFormat, Codec};
use tutk_session::{ConnectionError, Disconnect, SupervisorEvent};

pub use self::access::FileAccess;
pub use self::segments::Retention;
pub use self::sink::Sink;
use self::sink::{AUDIO_DELAY, SinkError};
pub use self::target::{FileFormat, Target};
pub use self::writer::Writer;
use crate::error::Error;
use crate::hub::{Camera, LiveFrame, Viewer, ViewerEvent};

/// How much longer than [`RecordingLimits::length`] a recording may take by this machine's clock,
/// for cameras whose clock is slow or stopped.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Half the duration of a frame. A camera that closes the session after its last frame may leave a
/// recording this much shorter than its limit.
const HALF_FRAME: Duration = Duration::from_millis(25);

/// When a recording ends. Without limits, it continues until [`Recorder::finish`].
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordingLimits {
    /// The number of video frames.
    pub frames: Option<u64>,
    /// The length by the camera's clock.
    pub length: Option<Duration>,
}

/// Records a camera. It is a viewer that does not skip frames to catch up: only frames that the hub
/// no longer keeps ([`KeptLimits`](crate::KeptLimits)) are missed, and reported.
///
/// It writes within [`next_event`](Self::next_event), which blocks the calling thread while the
/// output is slow. Call it where that delays nothing else. The recording ends at its limits, when
/// the output fails or the reader of a pipe has left, and when the hub gives up connecting.
#[derive(Debug)]
pub struct Recorder {
    viewer: Viewer,
    events: broadcast::Receiver<SupervisorEvent>,
    sink: Sink,
    limits: RecordingLimits,
    batches: Option<Batches>,
    recording: Recording,
    /// The end by this machine's clock.
    deadline: Option<Instant>,
    /// The end of the last video frame, while its audio is still missing.
    tail: Option<Duration>,
    audio_omitted: bool,
    end: Option<Result<(), Error>>,
}

/// The times at which a recorder looks for frames.
#[derive(Debug)]
struct Batches {
    interval: Duration,
    next: Instant,
}

/// What a recorder waits for.
enum Input {
    Viewer(Option<ViewerEvent>),
    Session(SupervisorEvent),
    Deadline,
}

/// An event of a [`Recorder`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RecorderEvent {
    /// A frame was written. If it is the first video frame after a time without a session, that
    /// time is now the last of [`Recording::gaps`].
    Frame(LiveFrame),
    /// The output is so slow that this many frames were missed.
    Missed(u64),
    /// The file cannot hold the camera's audio, for this reason. Reported once.
    AudioOmitted(String),
    /// An event of the camera's sessions, after the frames that arrived before it.
    Session(SupervisorEvent),
}

/// What was recorded.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Recording {
    /// Video frames.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Bytes of the video frames.
    pub bytes: u64,
    /// Video frames that were not written because there was no key frame before them, or because
    /// they were too large.
    pub skipped: u64,
    /// Frames that were not written because the output was too slow.
    pub missed: u64,
    /// The times without a session.
    pub gaps: Vec<Gap>,
    /// The video track of the newest file.
    pub video: Option<VideoTrack>,
    /// The audio track.
    pub audio: Option<AudioTrack>,
    /// The number of segments. `None` for a single file.
    pub segments: Option<u64>,
    /// Why the session was interrupted, if no video frame was written since.
    pub interruption: Option<tutk_session::Error>,
    /// The timestamps of the first and of the newest video frame.
    span: Option<(Duration, Duration)>,
}

/// A time without a session, within a recording.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The start, from the start of the recording.
    pub at: Duration,
    /// The time between the frames before and after.
    pub length: Duration,
    /// Why the session was interrupted, if known.
    pub error: Option<tutk_session::Error>,
}

/// The video of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoTrack {
    /// The codec.
    pub codec: Codec,
    /// Width and height in pixels, if known.
    pub size: Option<(u16, u16)>,
}

/// The audio of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioTrack {
    /// Codec, sample rate and channels.
    pub format: AudioFormat,
    /// Audio frames.
    pub frames: u64,
    /// Audio frames that were not written because they were damaged or before the first video
    /// frame.
    pub skipped: u64,
}

impl Recorder {
    /// Starts to record. The session with the camera is kept, or started, while the recorder
    /// exists.
    #[must_use]
    pub fn new(camera: &Camera, sink: Sink, limits: RecordingLimits) -> Self {
        let events = camera.events();
        let mut viewer = camera.watch("recording");
        viewer.set_max_lag(None);
        Self {
            viewer,
            events,
            sink,
            limits,
            batches: None,
            recording: Recording::default(),
            deadline: None,
            tail: None,
            audio_omitted: false,
            end: None,
        }
    }

    /// Writes the frames of each `interval` together, which costs less. They wait in the camera's
    /// buffer, which keeps them in any case.
    #[must_use]
    pub fn in_batches(mut self, interval: Duration) -> Self {
        let next = Instant::now();
        self.batches = Some(Batches { interval, next });
        self
    }

    /// Returns what was recorded so far. Audio and segments are known after
    /// [`finish`](Self::finish).
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Waits for a frame and writes it, or returns another event. Returns `None` when the recording
    /// has ended. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<RecorderEvent> {
        while self.end.is_none() {
            let event = match self.next_input().await {
                Input::Viewer(event) => self.viewer_event(event),
                Input::Session(event) => self.session_event(event),
                Input::Deadline => self.end(Ok(())),
            };
            if event.is_some() {
                return event;
            }
        }
        self.events.try_recv().ok().map(RecorderEvent::Session)
    }

    /// Frames come first, so that they are written before the session's end is handled.
    async fn next_input(&mut self) -> Input {
        loop {
            let Some(batches) = &mut self.batches else {
                tokio::select! {
                    biased;
                    () = until(self.deadline) => return Input::Deadline,
                    event = self.viewer.next_event() => return Input::Viewer(event),
                    event = self.events.recv() => match event {
                        Ok(event) => return Input::Session(event),
                        // Events over the backlog are lost.
                        Err(_) => continue,
                    },
                }
            };
            tokio::select! {
                biased;
                () = until(self.deadline) => return Input::Deadline,
                () = tokio::time::sleep_until(batches.next) => {}
            }
            if let Poll::Ready(event) = self.viewer.try_next_event() {
                return Input::Viewer(event);
            }
            if let Ok(event) = self.events.try_recv() {
                return Input::Session(event);
            }
            batches.next = Instant::now() + batches.interval;
        }
    }

    /// Completes the file. Returns what was recorded, and the error that ended the recording.
    pub fn finish(mut self) -> (Recording, Result<(), Error>) {
        // The frames of the batch that is under way.
        while self.batches.is_some()
            && self.end.is_none()
            && let Poll::Ready(event) = self.viewer.try_next_event()
        {
            self.viewer_event(event);
        }
        let mut recording = self.recording;
        recording.audio = self.sink.audio_track();
        recording.segments = self.sink.segments();
        // An earlier error takes precedence. The file is completed in any case.
        let finished = match self.sink.finish() {
            Err(SinkError::Failed(error)) => Err(error),
            _ => Ok(()),
        };
        (recording, self.end.unwrap_or(Ok(())).and(finished))
    }

    fn viewer_event(&mut self, event: Option<ViewerEvent>) -> Option<RecorderEvent> {
        match event {
            Some(ViewerEvent::Frame(frame)) => self.frame(frame),
            Some(ViewerEvent::Missed(frames)) => {
                self.recording.missed += frames;
                Some(RecorderEvent::Missed(frames))
            }
            Some(_) => None,
            None => self.end(Err(Error::Closed)),
        }
    }

    fn end(&mut self, result: Result<(), Error>) -> Option<RecorderEvent> {
        self.end = Some(result);
        None
    }

    fn session_event(&mut self, event: SupervisorEvent) -> Option<RecorderEvent> {
        match &event {
            SupervisorEvent::Disconnected(Disconnect {
                error: ConnectionError::Session(error),
                ..
            }) => {
                let closed = matches!(error, tutk_session::Error::ClosedByCamera { .. });
                if closed && self.is_long_enough() {
                    return self.end(Ok(()));
                }
                let interruption = &mut self.recording.interruption;
                interruption.get_or_insert_with(|| error.clone());
            }
            SupervisorEvent::GaveUp(error) => {
                self.end = Some(Err(Error::Down(error.clone().into())));
            }
            _ => {}
        }
        Some(RecorderEvent::Session(event))
    }

    fn frame(&mut self, frame: LiveFrame) -> Option<RecorderEvent> {
        let video = frame.kind.is_video();
        if self.is_past_the_end(&frame) {
            return None;
        }
        if video {
            let number = self.recording.frames + 1;
            let (key, bytes, time) = (frame.is_key(), frame.data.len(), frame.timestamp);
            tracing::trace!(number, key, bytes, ?time, "frame");
        }
        match self.sink.write(&frame) {
            Ok(()) => {}
            Err(SinkError::Skipped) => {
                self.recording.skipped += u64::from(video);
                return None;
            }
            Err(SinkError::AudioOmitted(reason)) => {
                let first = !std::mem::replace(&mut self.audio_omitted, true);
                return first.then_some(RecorderEvent::AudioOmitted(reason));
            }
            Err(SinkError::ReaderGone) => return self.end(Ok(())),
            Err(SinkError::Failed(error)) => return self.end(Err(error)),
        }
        if video {
            self.count(&frame);
        }
        Some(RecorderEvent::Frame(frame))
    }

    /// Returns `true` if the limits exclude this frame. Ends the recording when nothing that
    /// belongs to it can follow.
    fn is_past_the_end(&mut self, frame: &LiveFrame) -> bool {
        let (video, time) = (frame.kind.is_video(), frame.timestamp);
        if let Some(tail) = self.tail {
            let late = time >= tail;
            if late && !video {
                self.end = Some(Ok(()));
            }
            return video || late;
        }
        if let (true, Some(length), Some((first, _))) =
            (video, self.limits.length, self.recording.span)
            && time.saturating_sub(first) >= length
        {
            self.wait_for_audio(first + length);
            return true;
        }
        false
    }

    /// Waits for the audio of the last video frame, which ends at `tail`.
    fn wait_for_audio(&mut self, tail: Duration) {
        if self.sink.audio_track().is_none() {
            self.end = Some(Ok(()));
            return;
        }
        self.tail = Some(tail);
        let latest = Instant::now() + AUDIO_DELAY;
        self.deadline = Some(self.deadline.map_or(latest, |end| end.min(latest)));
    }

    /// Counts a written video frame.
    fn count(&mut self, frame: &LiveFrame) {
        let recording = &mut self.recording;
        let interruption = recording.interruption.take();
        match &mut recording.span {
            Some((first, newest)) => {
                if frame.discontinuity {
                    recording.gaps.push(Gap {
                        at: newest.saturating_sub(*first),
                        length: frame.timestamp.saturating_sub(*newest),
                        error: interruption,
                    });
                }
                *newest = frame.timestamp;
            }
            None => {
                recording.span = Some((frame.timestamp, frame.timestamp));
                let length = self.limits.length;
                self.deadline = length.map(|length| Instant::now() + length + CLOCK_TOLERANCE);
            }
        }
        recording.frames += 1;
        recording.key_frames += u64::from(frame.is_key());
        recording.bytes += frame.data.len() as u64;
        recording.video = self.sink.video_track();
        if self.limits.frames == Some(recording.frames)
            && let Some((first, _)) = recording.span
        {
            let end = first + recording.length();
            self.wait_for_audio(end);
        }
    }

    fn is_long_enough(&self) -> bool {
        let length = self.recording.length() + HALF_FRAME;
        self.limits.length.is_some_and(|limit| length >= limit)
    }
}

impl Recording {
    /// Returns the length by the camera's clock. The last frame has the average duration.
    #[must_use]
    pub fn length(&self) -> Duration {
        let Some((first, newest)) = self.span else {
            return Duration::ZERO;
        };
        let span = newest.saturating_sub(first);
        let gaps: Duration = self.gaps.iter().map(|gap| gap.length).sum();
        let shown = span.saturating_sub(gaps);
        let between = self.frames.saturating_sub(1 + self.gaps.len() as u64);
        let between = u32::try_from(between).unwrap_or(u32::MAX);
        span + shown.checked_div(between).unwrap_or_default()
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
