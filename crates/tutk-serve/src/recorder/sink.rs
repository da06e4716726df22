//! Writes frames to a file, to segments or to standard output.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use jiff::ZonedDateTime;
use tutk_media::{AccessUnit, AudioCodec, AudioConfig, MAX_EARLY_AUDIO_FRAMES};

use super::disk::Pending;
use super::output::Output;
use super::target::{Place, Target, write_error};
use super::writer::Writer;
use super::{AudioTrack, VideoTrack};
use crate::error::Error;
use crate::hub::LiveFrame;

/// The largest delay of audio behind the video that it belongs to.
pub(super) const AUDIO_DELAY: Duration = Duration::from_millis(300);

/// An open [`Target`]. Dropping it removes a file that it created and that is still empty.
#[derive(Debug)]
pub struct Sink {
    target: Target,
    /// The output that is open, before the first key frame.
    ready: Option<Output>,
    current: Option<Part>,
    /// The previous segment and its end. Its audio may still arrive.
    closing: Option<(Part, Duration)>,
    /// Audio before the first key frame, which may belong to that frame.
    early: VecDeque<LiveFrame>,
    /// The newest audio configuration of the camera.
    audio: Option<AudioConfig>,
    /// The number of files.
    parts: u64,
    /// Audio frames in completed files, and skipped ones.
    closed: [u64; 2],
    sweep: Option<Pending>,
}

/// One file.
#[derive(Debug)]
struct Part {
    name: String,
    output: Output,
    writer: Writer,
    video: VideoTrack,
    /// The time of its first video frame.
    begun: Duration,
    /// A write failed. The file ends with an earlier one, so that an index would be wrong.
    failed: bool,
}

/// Why a frame was not written.
#[derive(Debug)]
pub(super) enum SinkError {
    /// The frame is before the first key frame, too large, or damaged. Continue.
    Skipped,
    /// The file cannot hold the camera's audio. Continue.
    AudioOmitted(String),
    /// The reader closed the pipe, which is not an error.
    ReaderGone,
    /// The output failed.
    Failed(Error),
}

impl From<Error> for SinkError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Target {
    /// Opens the file, or creates the directory of the segments. An existing file keeps its
    /// contents until the first frame arrives.
    ///
    /// # Errors
    /// [`Error::OutputExists`] without [`with_overwrite`](Self::with_overwrite), [`Error::Write`].
    pub fn open(&self) -> Result<Sink, Error> {
        let opened = match &self.place {
            Place::Stdout => Ok(Some(Output::stdout())),
            Place::File(path) => Output::open(path, self.overwrite, self.access).map(Some),
            Place::Segments(segments) => segments.pattern.prepare(self.access).map(|()| None),
        };
        match opened {
            Ok(ready) => Ok(Sink::new(self.clone(), ready)),
            Err(error)
                if error.kind() == io::ErrorKind::AlreadyExists
                    && matches!(self.place, Place::File(_)) =>
            {
                Err(Error::OutputExists(self.place.name()))
            }
            Err(error) => Err(write_error(self.place.name(), error)),
        }
    }
}

impl Sink {
    /// A sink of `target`. For a single file, the output is already open.
    fn new(target: Target, ready: Option<Output>) -> Self {
        Self {
            target,
            ready,
            current: None,
            closing: None,
            early: VecDeque::new(),
            audio: None,
            parts: 0,
            closed: [0; 2],
            sweep: None,
        }
    }

    /// Returns the video track, if there is one yet.
    pub(super) fn video_track(&self) -> Option<VideoTrack> {
        self.current.as_ref().map(|part| part.video)
    }

    /// Returns the audio track, if there is one yet.
    pub(super) fn audio_track(&self) -> Option<AudioTrack> {
        let [mut frames, mut skipped] = self.closed;
        let mut any = frames > 0;
        let closing = self.closing.as_ref().map(|(part, _)| part);
        for part in self.current.iter().chain(closing) {
            let [more, left_out] = part.writer.audio_frames();
            (frames, skipped) = (frames + more, skipped + left_out);
            any |= part.writer.has_audio();
        }
        Some(AudioTrack {
            format: self.audio.filter(|_| any)?.format(),
            frames,
            skipped,
        })
    }

    /// Returns the number of segments, or `None` for a single file.
    pub(super) fn segments(&self) -> Option<u64> {
        matches!(self.target.place, Place::Segments(_)).then_some(self.parts)
    }

    /// Writes the next frame.
    pub(super) fn write(&mut self, frame: &LiveFrame) -> Result<(), SinkError> {
        match (frame.kind.is_video(), &frame.unit) {
            (true, Some(unit)) => self.write_video(frame, unit),
            (true, None) => Err(self.without_unit(frame)),
            (false, _) => self.write_audio(frame),
        }
    }

    /// Completes the file, or removes it if it is empty and was created by the sink.
    pub(super) fn finish(mut self) -> Result<(), SinkError> {
        let last = self.current.take();
        let mut pending = Vec::from_iter(self.sweep.take());
        // Completes both, also if one fails.
        let results: Vec<_> = (self.closing.take().map(|(part, _)| part).into_iter())
            .chain(last)
            .map(|part| part.finish().map(|flush| pending.extend(flush)))
            .collect();
        pending.into_iter().for_each(Pending::wait);
        results.into_iter().collect()
    }

    fn write_video(&mut self, frame: &LiveFrame, unit: &AccessUnit) -> Result<(), SinkError> {
        let first;
        let unit = match self.starts_file(frame, unit) {
            true => {
                first = self.start(frame, unit)?;
                &first
            }
            false => unit,
        };
        let time = frame.timestamp;
        let Some(part) = &mut self.current else {
            return Err(SinkError::Skipped);
        };
        if unit.codec() != part.video.codec {
            return Err(part.codec_changed().into());
        }
        match part.writer.write(unit, time) {
            Ok(bytes) => part.append(&bytes)?,
            Err(error @ tutk_media::Error::UnitTooLarge { .. }) => {
                tracing::warn!(%error, "frame skipped");
                return Err(SinkError::Skipped);
            }
            Err(error) => return Err(part.mux_error(error)),
        }
        if let Some((_, end)) = &self.closing
            && time >= *end + AUDIO_DELAY
        {
            self.close_segment()?;
        }
        Ok(())
    }

    /// Returns the reason why a video frame without an access unit cannot be written.
    fn without_unit(&self, frame: &LiveFrame) -> SinkError {
        match (&self.current, frame.codec) {
            (Some(part), Some(_)) => part.codec_changed().into(),
            (None, Some(codec)) if frame.is_key() => Error::UnsupportedVideo(codec).into(),
            // Neither the camera nor the frame tells the codec. The next key frame may.
            _ => SinkError::Skipped,
        }
    }

    fn write_audio(&mut self, frame: &LiveFrame) -> Result<(), SinkError> {
        if !self.target.audio {
            return Err(SinkError::Skipped);
        }
        let codec = frame.codec.and_then(AudioCodec::from_tutk);
        let audio = frame.description.sound;
        let Some(audio) = audio.filter(|audio| Some(audio.format.codec) == codec) else {
            let codec = frame.codec.map(|codec| format!("{codec:?}"));
            let reason = codec.unwrap_or_else(|| "its codec is unknown".to_owned());
            return Err(SinkError::AudioOmitted(reason));
        };
        self.audio = Some(audio.config);
        let time = frame.timestamp;
        let part = match (&mut self.closing, &mut self.current) {
            (Some((part, end)), _) if time < *end => part,
            (_, Some(part)) => part,
            (_, None) => {
                if self.early.len() >= MAX_EARLY_AUDIO_FRAMES {
                    self.early.pop_front();
                }
                self.early.push_back(frame.clone());
                return Ok(());
            }
        };
        match part.writer.write_audio(audio.format, &frame.data, time) {
            Ok(bytes) => part.append(&bytes),
            Err(error @ tutk_media::Error::Mp4(_)) => Err(part.mux_error(error)),
            // These errors apply to all frames.
            Err(
                error @ (tutk_media::Error::AudioNotInMp4 { .. }
                | tutk_media::Error::AudioNotCarried { .. }
                | tutk_media::Error::AudioFormat { .. }
                | tutk_media::Error::AudioChanged { .. }),
            ) => Err(SinkError::AudioOmitted(error.to_string())),
            Err(error) => {
                tracing::debug!(%error, "audio frame skipped");
                Err(SinkError::Skipped)
            }
        }
    }

    /// Returns `true` if a file starts with this video frame.
    fn starts_file(&self, frame: &LiveFrame, unit: &AccessUnit) -> bool {
        frame.is_key()
            && match (&self.current, &self.target.place) {
                (None, _) => true,
                (Some(part), Place::Segments(segments)) => {
                    frame.timestamp.saturating_sub(part.begun) >= segments.length
                        || unit.codec() != part.video.codec
                }
                (Some(_), _) => false,
            }
    }

    /// Starts a file with a key frame: checks its codec and truncates an old file. Returns the
    /// access unit with all parameter sets.
    fn start(&mut self, frame: &LiveFrame, unit: &AccessUnit) -> Result<AccessUnit, SinkError> {
        self.close_segment()?;
        let (codec, format) = (unit.codec(), self.target.format);
        if format.is_some_and(|format| !format.holds(codec)) {
            let name = self.target.place.name();
            return Err(Error::OtherCodec { name, found: codec }.into());
        }
        let (unit, size) = match frame.description.video.clone() {
            Some(mut sets) => {
                let unit = sets.complete(unit).into_owned();
                let parameters = sets.parameters();
                (unit, parameters.map(|video| (video.width, video.height)))
            }
            None => (unit.clone(), None),
        };
        let (name, output) = self.next_output()?;
        let mut writer = Writer::new(format, codec, self.target.audio, self.audio);
        for frame in self.early.drain(..) {
            // Nothing can be written before the first video frame. Errors of this frame will
            // repeat.
            if let Some(audio) = frame.description.sound
                && let Err(error) = writer.write_audio(audio.format, &frame.data, frame.timestamp)
            {
                tracing::debug!(%error, "audio frame skipped");
            }
        }
        let part = Part {
            name,
            output,
            writer,
            video: VideoTrack { codec, size },
            begun: frame.timestamp,
            failed: false,
        };
        let before = self.current.replace(part);
        self.closing = before.map(|before| (before, frame.timestamp));
        self.parts += 1;
        Ok(unit)
    }

    /// Returns the output of the next file, and its name.
    fn next_output(&mut self) -> Result<(String, Output), SinkError> {
        let name = self.target.place.name();
        let Place::Segments(segments) = &self.target.place else {
            let mut output = self.ready.take().ok_or(SinkError::Skipped)?;
            return match output.begin() {
                Ok(()) => Ok((name, output)),
                Err(error) => Err(broken(name, error)),
            };
        };
        let created = (segments.pattern).create(&ZonedDateTime::now(), self.target.access);
        let opened = created.and_then(|(path, file)| {
            let output = Output::new(file, Some(path.clone()))?;
            Ok((path, output))
        });
        let (path, output) = opened.map_err(|error| broken(name, error))?;
        tracing::info!(path = %path.display(), "segment");
        if self.sweep.as_ref().is_none_or(Pending::is_done) {
            self.sweep = segments.sweep(&path);
        }
        Ok((path.display().to_string(), output))
    }

    /// Completes the previous segment, which has all of its audio.
    fn close_segment(&mut self) -> Result<(), SinkError> {
        let Some((part, _)) = self.closing.take() else {
            return Ok(());
        };
        for (sum, more) in self.closed.iter_mut().zip(part.writer.audio_frames()) {
            *sum += more;
        }
        // The rest is flushed to the disk while the next segment is written.
        part.finish().map(drop)
    }
}

impl Part {
    fn append(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.output.write(bytes).map_err(|error| {
            self.failed = true;
            broken(self.name.clone(), error)
        })
    }

    /// Completes the file and requests its flush to the disk.
    fn finish(mut self) -> Result<Option<Pending>, SinkError> {
        let writer = std::mem::replace(&mut self.writer, Writer::Elementary);
        if !self.failed {
            let rest = writer.finish().map_err(|error| self.mux_error(error))?;
            self.append(&rest)?;
        }
        Ok(self.output.close())
    }

    fn codec_changed(&self) -> Error {
        Error::CodecChanged {
            name: self.name.clone(),
            from: self.video.codec,
        }
    }

    fn mux_error(&self, source: tutk_media::Error) -> SinkError {
        let name = self.name.clone();
        SinkError::Failed(Error::Mux { name, source })
    }
}

fn broken(name: String, error: io::Error) -> SinkError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => SinkError::ReaderGone,
        _ => SinkError::Failed(write_error(name, error)),
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod full_disk;

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::SystemTime;

    use bytes::Bytes;
    use tutk_media::{Clip, Codec, ParameterSets};
    use tutk_session::MediaKind;

    use super::super::FileFormat;
    use super::*;
    use crate::hub::{FrameContent, StreamDescription};

    const CLIP: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h264");
    const FRAME: Duration = Duration::from_millis(50);

    /// Writes the clip from frame `first` on. Returns the number of skipped frames.
    fn write(path: &Path, first: usize) -> (usize, Result<(), SinkError>) {
        let clip = Clip::parse(Bytes::from_static(CLIP)).unwrap();
        let target = Target::new(path, None).unwrap().with_overwrite(true);
        let mut sink = target.open().unwrap();
        let (mut skipped, mut time) = (0, Duration::ZERO);
        let mut result = Ok(());
        let description = Arc::new(StreamDescription {
            video: Some(ParameterSets::new(Codec::H264)),
            sound: None,
            settled: true,
        });
        for unit in clip.units().skip(first) {
            time += FRAME;
            let frame = LiveFrame::from(FrameContent {
                kind: match unit.is_key() {
                    true => MediaKind::Key,
                    false => MediaKind::Delta,
                },
                data: unit.data().clone(),
                unit: Some(unit.clone()),
                codec: None,
                timestamp: time,
                wall: SystemTime::UNIX_EPOCH,
                discontinuity: false,
                description: Arc::clone(&description),
            });
            match sink.write(&frame) {
                Ok(()) => {}
                Err(SinkError::Skipped) => skipped += 1,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        (skipped, result.and(sink.finish()))
    }

    #[test]
    fn a_file_starts_with_a_key_frame_and_replaces_an_old_one_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        let old = vec![7; CLIP.len() * 2];
        // The clip has key frames at 0, 40 and 80.
        for (first, skipped) in [(81, 19), (0, 0), (30, 10)] {
            std::fs::write(&path, &old).unwrap();
            let (found, result) = write(&path, first);
            assert!(result.is_ok() && found == skipped, "{first}: {found}");
            let written = std::fs::read(&path).unwrap();
            match first {
                81 => assert!(written == old),
                0 => assert!(written == CLIP),
                _ => assert!(CLIP.ends_with(&written) && !written.is_empty()),
            }
        }
    }

    #[test]
    fn an_existing_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        std::fs::write(&path, "old").unwrap();
        let target = Target::new(&path, None).unwrap();
        let error = target.open().unwrap_err();
        assert!(matches!(error, Error::OutputExists(_)), "{error}");
        assert_eq!(error.to_string(), format!("{} exists", path.display()));
        drop(target.with_overwrite(true).open().unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        // Devices and pipes cannot be replaced.
        #[cfg(unix)]
        drop(
            Target::new(Path::new("/dev/null"), Some(FileFormat::Ts))
                .unwrap()
                .open()
                .unwrap(),
        );
    }
}
