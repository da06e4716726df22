//! Writes frames as an elementary stream, MP4 or MPEG-TS to a file, to segments or to standard
//! output.

mod output;
mod pattern;
mod segments;
mod target;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use jiff::ZonedDateTime;
use tutk_media::{
    AccessUnit, AudioConfig, AudioFormat, Codec, MAX_EARLY_AUDIO_FRAMES, ParameterSets,
};
use tutk_runtime::tutk_session::tutk_frame;

use self::output::Output;
pub(crate) use self::segments::Retention;
use self::target::Place;
pub(crate) use self::target::Target;
use self::writer::{Expected, Writer};
use crate::failure::Failure;
use crate::format::Format;

/// The largest delay of audio behind the video that it belongs to.
pub(crate) const SOUND_DELAY: Duration = Duration::from_millis(300);

/// An open output. Call [`Sink::finish`] in every case.
#[derive(Debug)]
pub(crate) struct Sink {
    place: Place,
    format: Option<Format>,
    /// Whether to write audio, if the format supports it.
    sound: bool,
    /// The output that is open but still empty, and its path if the sink created the file.
    ready: Option<(Output, Option<PathBuf>)>,
    current: Option<Part>,
    /// The previous segment and its end. Its audio may still arrive.
    closing: Option<(Part, Duration)>,
    /// Audio before the first key frame, which may belong to that frame.
    early: VecDeque<(AudioFormat, Bytes, Duration)>,
    /// The newest audio format of the camera.
    heard: Option<AudioConfig>,
    sets: Option<ParameterSets>,
    /// The number of files.
    parts: u64,
    /// Audio frames in completed files, and skipped ones.
    closed: (u64, u64),
    sweep: Option<JoinHandle<()>>,
}

/// One file.
#[derive(Debug)]
struct Part {
    name: String,
    output: Output,
    writer: Writer,
    picture: Picture,
    /// The time of its first video frame.
    begun: Duration,
}

/// The video codec and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) codec: Codec,
    /// Width and height in pixels, if known.
    pub(crate) size: Option<(u16, u16)>,
}

/// An access unit to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// Annex B.
    pub(crate) data: &'a Bytes,
    pub(crate) key: bool,
    /// The codec, if the camera reports it.
    pub(crate) codec: Option<tutk_frame::Codec>,
    /// The time from an arbitrary start.
    pub(crate) time: Duration,
}

impl Unit<'_> {
    fn parse(&self, codec: Codec) -> AccessUnit {
        AccessUnit::new(codec, self.data.clone()).with_key_flag(self.key)
    }
}

/// An audio frame to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundUnit<'a> {
    pub(crate) data: &'a Bytes,
    pub(crate) format: AudioFormat,
    /// The time on the clock of the video.
    pub(crate) time: Duration,
}

/// The audio track of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SoundTrack {
    pub(crate) format: AudioFormat,
    pub(crate) frames: u64,
    pub(crate) skipped: u64,
}

/// The reason why a frame was not written.
#[derive(Debug)]
pub(crate) enum SinkError {
    /// The frame is before the first key frame or too large. Continue.
    Skipped,
    /// The file cannot hold this audio frame. Continue.
    Sound(tutk_media::Error),
    /// The reader closed the pipe, which is not an error.
    ReaderGone,
    /// The output failed.
    Failed(Failure),
}

impl Sink {
    /// Creates a sink. For a single file, the output is already open.
    fn new(target: &Target, ready: Option<(Output, Option<PathBuf>)>) -> Self {
        Self {
            place: target.place.clone(),
            format: target.format,
            sound: target.sound,
            ready,
            current: None,
            closing: None,
            early: VecDeque::new(),
            heard: None,
            sets: None,
            parts: 0,
            closed: (0, 0),
            sweep: None,
        }
    }

    /// Returns the video codec and size if known.
    pub(crate) fn picture(&self) -> Option<Picture> {
        self.current.as_ref().map(|part| part.picture)
    }

    /// Returns the number of segments, or `None` for a single file.
    pub(crate) fn segments(&self) -> Option<u64> {
        matches!(self.place, Place::Segments(_)).then_some(self.parts)
    }

    /// Writes the next access unit.
    pub(crate) fn write(&mut self, unit: Unit<'_>) -> Result<(), SinkError> {
        let first = match self.is_due(unit) {
            true => Some(self.start(unit)?),
            false => None,
        };
        let Some(part) = &mut self.current else {
            return Err(SinkError::Skipped);
        };
        let codec = part.picture.codec;
        if unit
            .codec
            .is_some_and(|found| Codec::from_tutk(found) != Some(codec))
        {
            let what = format!("{}: the camera changed its codec from {codec}", part.name);
            let failure = Failure::other("stream", what, "start another recording");
            return Err(SinkError::Failed(failure));
        }
        let data = first.unwrap_or_else(|| unit.parse(codec));
        match part.writer.write(&data, unit.time) {
            Ok(bytes) => part.append(&bytes)?,
            Err(error @ tutk_media::Error::UnitTooLarge { .. }) => {
                tracing::warn!(%error, "frame skipped");
                return Err(SinkError::Skipped);
            }
            Err(error) => return Err(part.unusable(&error)),
        }
        if let Some((_, end)) = &self.closing
            && unit.time >= *end + SOUND_DELAY
        {
            self.close_segment()?;
        }
        Ok(())
    }

    /// Writes the next audio frame.
    pub(crate) fn write_sound(&mut self, unit: SoundUnit<'_>) -> Result<(), SinkError> {
        if !self.sound {
            return Err(SinkError::Skipped);
        }
        // The writer reports invalid frames.
        self.heard = AudioConfig::of_frame(unit.format, unit.data)
            .ok()
            .or(self.heard);
        let part = match (&mut self.closing, &mut self.current) {
            (Some((part, end)), _) if unit.time < *end => part,
            (_, Some(part)) => part,
            (_, None) => {
                if self.early.len() >= MAX_EARLY_AUDIO_FRAMES {
                    self.early.pop_front();
                }
                self.early
                    .push_back((unit.format, unit.data.clone(), unit.time));
                return Ok(());
            }
        };
        match part.writer.write_sound(unit.format, unit.data, unit.time) {
            Ok(bytes) => part.append(&bytes),
            Err(error @ tutk_media::Error::Mp4(_)) => Err(part.unusable(&error)),
            Err(error) => Err(SinkError::Sound(error)),
        }
    }

    /// Returns the audio track if there is one.
    pub(crate) fn sound_track(&self) -> Option<SoundTrack> {
        let (mut frames, mut skipped) = self.closed;
        let closing = self.closing.as_ref().map(|(part, _)| part);
        let parts = self.current.iter().chain(closing);
        let mut any = frames > 0;
        for part in parts {
            let (more, left_out) = part.writer.sound_frames();
            (frames, skipped) = (frames + more, skipped + left_out);
            any |= part.writer.has_sound();
        }
        let format = self.heard.filter(|_| any)?.format();
        Some(SoundTrack {
            format,
            frames,
            skipped,
        })
    }

    /// Closes the sink without frames and removes a file that it created.
    pub(crate) fn discard(self) {
        if let Some((_, Some(path))) = &self.ready {
            // The file is empty and was created by the sink. It stays if it cannot be removed.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Completes the file, or removes it if it is empty and was created by the sink.
    pub(crate) fn finish(mut self) -> Result<(), SinkError> {
        let last = self.current.take();
        let mut threads = Vec::from_iter(self.sweep.take());
        // Completes both, also if one fails.
        let results: Vec<_> = (self.closing.take().map(|(part, _)| part).into_iter())
            .chain(last)
            .map(|part| part.finish().map(|thread| threads.extend(thread)))
            .collect();
        for thread in threads {
            // The thread reports its own errors.
            let _ = thread.join();
        }
        self.discard();
        results.into_iter().collect()
    }

    /// Returns `true` if this unit starts a file.
    fn is_due(&self, unit: Unit<'_>) -> bool {
        match (&self.current, &self.place) {
            (None, _) => unit.key,
            (Some(part), Place::Segments(segments)) => {
                let codec = unit.codec.and_then(Codec::from_tutk);
                let is_long = unit.time.saturating_sub(part.begun) >= segments.length;
                unit.key && (is_long || codec.is_some_and(|codec| codec != part.picture.codec))
            }
            (Some(_), _) => false,
        }
    }

    /// Starts a file with a key frame: checks its codec and truncates an old file. Returns the
    /// frame in the form that the file needs.
    fn start(&mut self, unit: Unit<'_>) -> Result<AccessUnit, SinkError> {
        self.close_segment()?;
        let codec = self.codec(unit)?;
        let sets = match &mut self.sets {
            Some(sets) if sets.codec() == codec => sets,
            sets => sets.insert(ParameterSets::new(codec)),
        };
        let data = sets.complete(&unit.parse(codec)).into_owned();
        let size = sets
            .parameters()
            .map(|parameters| (parameters.width, parameters.height));
        let (name, output) = match &self.place {
            Place::Segments(segments) => {
                let failed = |e| broken(&self.place.name(), &e);
                let (path, file) = segments
                    .pattern
                    .create(&ZonedDateTime::now())
                    .map_err(failed)?;
                tracing::info!(path = %path.display(), "segment");
                if self.sweep.as_ref().is_none_or(JoinHandle::is_finished) {
                    self.sweep = segments.sweep(&path);
                }
                let output = Output::of(file).map_err(failed)?;
                (path.display().to_string(), output)
            }
            Place::File(_) | Place::Stdout => {
                let name = self.place.name();
                let Some((mut output, _)) = self.ready.take() else {
                    return Err(SinkError::Skipped);
                };
                output.empty().map_err(|error| broken(&name, &error))?;
                (name, output)
            }
        };
        let sound = match self.heard {
            _ if !self.sound => Expected::Nothing,
            Some(config) => Expected::This(config),
            None => Expected::Some,
        };
        let mut writer = Writer::new(self.format, codec, sound);
        for (format, data, time) in self.early.drain(..) {
            // Nothing can be written before the first video frame. Errors of this frame will
            // repeat.
            if let Err(error) = writer.write_sound(format, &data, time) {
                tracing::debug!(%error, "audio frame skipped");
            }
        }
        let part = Part {
            name,
            output,
            writer,
            picture: Picture { codec, size },
            begun: unit.time,
        };
        let before = self.current.replace(part);
        self.closing = before.map(|before| (before, unit.time));
        self.parts += 1;
        Ok(data)
    }

    /// Returns the codec of a key frame if it can be written.
    fn codec(&self, unit: Unit<'_>) -> Result<Codec, SinkError> {
        let codec = match unit.codec {
            Some(codec) => Codec::from_tutk(codec).ok_or_else(|| {
                let what = format!("the camera sends {codec:?}, which tutk cannot record");
                let advice = "only H.264 and H.265 are supported";
                SinkError::Failed(Failure::other("stream", what, advice))
            })?,
            None => match (&self.current, Codec::detect(unit.data)) {
                (Some(part), _) => part.picture.codec,
                (None, Some(codec)) => codec,
                // Neither the camera nor the frame tells the codec. The next key frame may.
                (None, None) => return Err(SinkError::Skipped),
            },
        };
        if self.format.is_some_and(|format| !format.holds(codec)) {
            let what = format!(
                "{}: the camera sends {codec}, a different codec",
                self.place.name()
            );
            let advice = format!(
                "use --format {0}, ts or mp4, or a name in .{0}, .ts or .mp4",
                codec.name()
            );
            return Err(SinkError::Failed(Failure::usage("stream", what, advice)));
        }
        Ok(codec)
    }

    /// Completes the previous segment, which has all of its audio.
    fn close_segment(&mut self) -> Result<(), SinkError> {
        let Some((part, _)) = self.closing.take() else {
            return Ok(());
        };
        let (frames, skipped) = part.writer.sound_frames();
        self.closed = (self.closed.0 + frames, self.closed.1 + skipped);
        // The rest is flushed to the disk while the next segment is written.
        part.finish().map(drop)
    }
}

impl Part {
    fn append(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.output.write(bytes);
        written.map_err(|error| broken(&self.name, &error))
    }

    /// Completes the file and returns the thread that flushes it to the disk.
    fn finish(mut self) -> Result<Option<JoinHandle<()>>, SinkError> {
        let writer = std::mem::replace(&mut self.writer, Writer::Bare);
        let rest = writer.finish().map_err(|error| self.unusable(&error))?;
        self.append(&rest)?;
        Ok(self.output.close())
    }

    fn unusable(&self, error: &tutk_media::Error) -> SinkError {
        let what = format!("{}: {error}", self.name);
        SinkError::Failed(Failure::other(
            "stream",
            what,
            "record the plain stream with --format h264 or h265",
        ))
    }
}

fn broken(name: &str, error: &io::Error) -> SinkError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return SinkError::ReaderGone;
    }
    SinkError::Failed(Failure::write("stream", name, error))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clip::BUILT_IN;
    use crate::failure::Status;

    const FRAME: Duration = Duration::from_millis(50);

    /// Writes the clip from frame `first` on, claiming that it is `codec`.
    fn write(
        path: &Path,
        format: Option<Format>,
        first: usize,
        codec: tutk_frame::Codec,
    ) -> (usize, Result<(), SinkError>) {
        let clip = tutk_media::Clip::parse(Bytes::from_static(BUILT_IN)).unwrap();
        let mut sink = Target::new(path, format).unwrap().open().unwrap();
        let (mut skipped, mut time) = (0, Duration::ZERO);
        let mut result = Ok(());
        for unit in clip.units().skip(first) {
            time += FRAME;
            let codec = Some(codec);
            match sink.write(Unit {
                data: unit.data(),
                key: unit.is_key(),
                codec,
                time,
            }) {
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
    fn names_tell_formats() {
        for (name, format) in [
            ("a.h264", Format::H264),
            ("a.264", Format::H264),
            ("a.H265", Format::H265),
            ("a.hevc", Format::H265),
            ("a.mp4", Format::Mp4),
        ] {
            let target = Target::new(Path::new(name), None).unwrap();
            assert_eq!(target.format, Some(format), "{name}");
        }
        assert!(Target::new(Path::new("a.avi"), None).is_err());
        assert!(Target::new(Path::new("a.avi"), Some(Format::H264)).is_ok());
        assert_eq!(Target::new(Path::new("-"), None).unwrap().format, None);
    }

    #[test]
    fn a_bare_stream_is_the_clip_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        std::fs::write(&path, vec![7; BUILT_IN.len() * 2]).unwrap();
        let (skipped, result) = write(&path, None, 0, tutk_frame::Codec::H264);
        assert!(result.is_ok() && skipped == 0);
        assert!(std::fs::read(&path).unwrap() == BUILT_IN);
    }

    #[test]
    fn it_begins_with_a_key_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        let (skipped, result) = write(&path, None, 30, tutk_frame::Codec::H264);
        assert!(result.is_ok());
        assert_eq!(skipped, 10);
        assert!(BUILT_IN.ends_with(&std::fs::read(&path).unwrap()));
    }

    #[test]
    fn another_codec_is_an_error_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        let (_, result) = write(&path, None, 0, tutk_frame::Codec::H265);
        let Err(SinkError::Failed(failure)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.to_string().contains("--format h265"), "{failure}");
        assert!(!path.exists());
    }

    #[test]
    fn an_old_file_stays_until_there_is_a_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        std::fs::write(&path, "old").unwrap();
        let (skipped, result) = write(&path, None, 81, tutk_frame::Codec::H264);
        assert!(result.is_ok() && skipped == 19);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let target = Target::new(Path::new("/nowhere/out.mp4"), None).unwrap();
        let failure = target.open().unwrap_err();
        assert_eq!((failure.status, failure.phase), (Status::Other, "output"));
        assert!(failure.what.contains("/nowhere/out.mp4"), "{failure}");
    }
}
