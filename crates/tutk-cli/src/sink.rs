//! Where the frames go: a bare stream or a fragmented MP4, to a file or to standard output.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tutk_media::{AudioFormat, Codec, MAX_EARLY_AUDIO_FRAMES, Mp4Writer};
use tutk_runtime::tutk_session::tutk_frame;

use crate::args::Format;
use crate::clip::codec_name;
use crate::failure::Failure;

/// Bytes that wait before they are written: a key frame of a good camera.
const BUFFER: usize = 256 << 10;

/// What the command line asks for, checked as far as it can be before there is a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `None` is standard output.
    path: Option<PathBuf>,
    /// `None` is the camera's codec, bare.
    format: Option<Format>,
    /// Whether sound is wanted, where the format has a place for it.
    sound: bool,
}

/// An output that is open. Call [`Sink::finish`], whatever happened.
#[derive(Debug)]
pub(crate) struct Sink {
    out: BufWriter<Output>,
    name: String,
    format: Option<Format>,
    sound: bool,
    /// Sound that came before the first key frame: it may belong to it.
    early: VecDeque<(AudioFormat, Bytes, Duration)>,
    /// Its path, if this made the file: it goes again if nothing comes.
    created: Option<PathBuf>,
    started: Option<Started>,
}

#[derive(Debug)]
enum Output {
    File(File),
    Stdout(Stdout),
}

/// Known since the first key frame.
#[derive(Debug)]
struct Started {
    picture: Picture,
    mp4: Option<Mp4Writer>,
}

/// What the video is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) codec: Codec,
    /// Width and height in pixels, if they can be read.
    pub(crate) size: Option<(u16, u16)>,
}

/// One access unit, on its way into the sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unit<'a> {
    /// Annex B.
    pub(crate) data: &'a Bytes,
    pub(crate) key: bool,
    /// As the camera has it, if it says.
    pub(crate) codec: Option<tutk_frame::Codec>,
    /// From any beginning.
    pub(crate) time: Duration,
}

/// One frame of sound, on its way into the sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundUnit<'a> {
    pub(crate) data: &'a Bytes,
    pub(crate) format: AudioFormat,
    /// On the clock of the pictures.
    pub(crate) time: Duration,
}

/// What there is of sound in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SoundTrack {
    pub(crate) format: AudioFormat,
    pub(crate) frames: u64,
    pub(crate) skipped: u64,
}

/// Why a frame was not written.
#[derive(Debug)]
pub(crate) enum SinkError {
    /// It stands before the first key frame, or is too large: go on.
    Skipped,
    /// A frame of sound that the file cannot take: go on.
    Sound(tutk_media::Error),
    /// Whoever read our output does so no more: not an error of ours.
    ReaderGone,
    /// The output is of no more use.
    Failed(Failure),
}

impl Target {
    /// Tells the format from the name where it is not given.
    pub(crate) fn new(output: &Path, format: Option<Format>) -> Result<Self, Failure> {
        let path = (output != Path::new("-")).then(|| output.to_owned());
        if path.is_none() && format == Some(Format::Mp4) {
            let what = "standard output takes a bare stream, not mp4";
            return Err(Failure::usage(
                "arguments",
                what,
                "use --format h264 or h265, or a file",
            ));
        }
        let format = match (&path, format) {
            (None, format) | (_, format @ Some(_)) => format,
            (Some(path), None) => Some(format_of(path)?),
        };
        Ok(Self {
            path,
            format,
            sound: false,
        })
    }

    /// The same with sound beside the picture, if the format has a place for it; whether it has.
    pub(crate) fn with_sound(mut self) -> (Self, bool) {
        self.sound = self.format == Some(Format::Mp4);
        let sound = self.sound;
        (self, sound)
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    /// Opens the output. A file that is there keeps what it has until the first frame comes.
    pub(crate) fn open(&self) -> Result<Sink, Failure> {
        let mut created = None;
        let (name, out) = match &self.path {
            None => ("standard output".to_owned(), Output::Stdout(io::stdout())),
            Some(path) => {
                let name = path.display().to_string();
                let (file, new) = open(path).map_err(|e| Failure::write("output", &name, &e))?;
                created = new.then(|| path.clone());
                (name, Output::File(file))
            }
        };
        Ok(Sink {
            out: BufWriter::with_capacity(BUFFER, out),
            name,
            format: self.format,
            sound: self.sound,
            early: VecDeque::new(),
            created,
            started: None,
        })
    }
}

impl Sink {
    /// What the video is, once that is known.
    pub(crate) fn picture(&self) -> Option<Picture> {
        self.started.as_ref().map(|started| started.picture)
    }

    /// Takes the next access unit.
    pub(crate) fn write(&mut self, unit: Unit<'_>) -> Result<(), SinkError> {
        if self.started.is_none() {
            if !unit.key {
                return Err(SinkError::Skipped);
            }
            self.start(unit)?;
        }
        let Some(started) = &mut self.started else {
            return Err(SinkError::Skipped);
        };
        let codec = started.picture.codec;
        if unit
            .codec
            .is_some_and(|found| media_codec(found) != Some(codec))
        {
            let what = format!("{}: the camera changed its codec from {codec}", self.name);
            let failure = Failure::other("stream", what, "record again, from here");
            return Err(SinkError::Failed(failure));
        }
        let written = match &mut started.mp4 {
            None => self.out.write_all(unit.data),
            Some(mp4) => match mp4.write(unit.data, unit.key, unit.time) {
                Ok(bytes) => self.out.write_all(&bytes),
                Err(error @ tutk_media::Error::UnitTooLarge { .. }) => {
                    tracing::warn!(%error, "frame left out");
                    return Err(SinkError::Skipped);
                }
                Err(error) => return Err(self.unusable(&error)),
            },
        };
        // A reader of standard output wants each frame at once.
        let flush = unit.key || matches!(self.out.get_ref(), Output::Stdout(_));
        written
            .and_then(|()| if flush { self.out.flush() } else { Ok(()) })
            .map_err(|error| self.broken(&error))
    }

    /// Takes the next frame of sound.
    pub(crate) fn write_sound(&mut self, unit: SoundUnit<'_>) -> Result<(), SinkError> {
        let Some(started) = &mut self.started else {
            if self.early.len() >= MAX_EARLY_AUDIO_FRAMES {
                self.early.pop_front();
            }
            self.early
                .push_back((unit.format, unit.data.clone(), unit.time));
            return Ok(());
        };
        let Some(mp4) = &mut started.mp4 else {
            return Err(SinkError::Skipped);
        };
        let bytes = match mp4.write_audio(unit.format, unit.data, unit.time) {
            Ok(bytes) => bytes,
            Err(error @ tutk_media::Error::Mp4(_)) => return Err(self.unusable(&error)),
            Err(error) => return Err(SinkError::Sound(error)),
        };
        let written = self.out.write_all(&bytes);
        written.map_err(|error| self.broken(&error))
    }

    /// What there is of sound in the file, once there is any.
    pub(crate) fn sound_track(&self) -> Option<SoundTrack> {
        let mp4 = self.started.as_ref()?.mp4.as_ref()?;
        Some(SoundTrack {
            format: mp4.audio_format()?,
            frames: mp4.audio_frames(),
            skipped: mp4.audio_skipped(),
        })
    }

    /// There will be no frame: takes the file away if it was made for this.
    pub(crate) fn discard(self) {
        if let Some(path) = &self.created {
            // Empty and ours. If it cannot be removed, it stays, empty.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Completes the file, or takes it away if it was made for nothing.
    pub(crate) fn finish(mut self) -> Result<(), SinkError> {
        match self.started.take() {
            None => {
                self.discard();
                Ok(())
            }
            Some(started) => {
                let rest = started.mp4.map(Mp4Writer::finish).transpose();
                let rest = rest.map_err(|error| self.unusable(&error))?;
                self.out
                    .write_all(&rest.unwrap_or_default())
                    .and_then(|()| self.out.flush())
                    .map_err(|error| self.broken(&error))
            }
        }
    }

    /// The first key frame is here: its codec is checked, and an old file emptied.
    fn start(&mut self, unit: Unit<'_>) -> Result<(), SinkError> {
        let read = tutk_media::Clip::parse(unit.data.clone()).ok();
        let codec = match (unit.codec, &read) {
            (Some(codec), _) => media_codec(codec).ok_or_else(|| {
                let what = format!("the camera sends {codec:?}, which cannot be recorded");
                let advice = "only H.264 and H.265 can";
                SinkError::Failed(Failure::other("stream", what, advice))
            })?,
            (None, Some(read)) => read.codec(),
            // Neither the camera nor the frame says: the next key frame may.
            (None, None) => return Err(SinkError::Skipped),
        };
        if self.format.is_some_and(|format| !format.holds(codec)) {
            let what = format!("{}: the camera sends {codec}, another codec", self.name);
            let advice = format!(
                "use --format {0} or mp4, or a name in .{0} or .mp4",
                codec_name(codec)
            );
            return Err(SinkError::Failed(Failure::usage("stream", what, advice)));
        }
        if let Output::File(file) = self.out.get_ref() {
            // A device or pipe has no length to set.
            let emptied = file.metadata().and_then(|metadata| {
                if metadata.is_file() {
                    file.set_len(0)
                } else {
                    Ok(())
                }
            });
            emptied.map_err(|error| self.broken(&error))?;
        }
        let size = read.map(|read| (read.parameters().width, read.parameters().height));
        self.started = Some(Started {
            picture: Picture { codec, size },
            mp4: (self.format == Some(Format::Mp4)).then(|| {
                let mut writer = Mp4Writer::new(codec);
                if self.sound {
                    writer = writer.await_audio();
                }
                for (format, data, time) in self.early.drain(..) {
                    // Without a picture there is nothing to write yet. What is wrong with a frame will be
                    // with the next ones, too.
                    if let Err(error) = writer.write_audio(format, &data, time) {
                        tracing::debug!(%error, "sound left out");
                    }
                }
                writer
            }),
        });
        Ok(())
    }

    fn broken(&self, error: &io::Error) -> SinkError {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return SinkError::ReaderGone;
        }
        SinkError::Failed(Failure::write("stream", &self.name, error))
    }

    fn unusable(&self, error: &tutk_media::Error) -> SinkError {
        let what = format!("{}: {error}", self.name);
        SinkError::Failed(Failure::other(
            "stream",
            what,
            "record the bare stream instead",
        ))
    }
}

impl Format {
    fn holds(self, codec: Codec) -> bool {
        match self {
            Self::H264 => codec == Codec::H264,
            Self::H265 => codec == Codec::H265,
            Self::Mp4 => true,
        }
    }
}

/// Opens without emptying it, and says whether the file is new.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.write(true);
    match options.clone().create_new(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            options.open(path).map(|file| (file, false))
        }
        Err(error) => Err(error),
    }
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("h264" | "264") => Ok(Format::H264),
        Some("h265" | "265" | "hevc") => Ok(Format::H265),
        Some("mp4") => Ok(Format::Mp4),
        _ => {
            let what = format!("{}: the name does not tell the format", path.display());
            let advice = "end it in .h264, .h265 or .mp4, or give --format";
            Err(Failure::usage("arguments", what, advice))
        }
    }
}

fn media_codec(codec: tutk_frame::Codec) -> Option<Codec> {
    match codec {
        tutk_frame::Codec::H264 => Some(Codec::H264),
        tutk_frame::Codec::H265 => Some(Codec::H265),
        _ => None,
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::SHIPPED;
    use crate::failure::Status;

    const FRAME: Duration = Duration::from_millis(50);

    /// Writes the clip from frame `first` on, claiming that it is `codec`.
    fn write(
        path: &Path,
        format: Option<Format>,
        first: usize,
        codec: tutk_frame::Codec,
    ) -> (usize, Result<(), SinkError>) {
        let clip = tutk_media::Clip::parse(Bytes::from_static(SHIPPED)).unwrap();
        let mut sink = Target::new(path, format).unwrap().open().unwrap();
        let (mut skipped, mut time) = (0, Duration::ZERO);
        let mut result = Ok(());
        for (data, key) in clip.units().skip(first) {
            time += FRAME;
            let codec = Some(codec);
            match sink.write(Unit {
                data,
                key,
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
        assert!(Target::new(Path::new("-"), Some(Format::Mp4)).is_err());
    }

    #[test]
    fn a_bare_stream_is_the_clip_and_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        std::fs::write(&path, vec![7; SHIPPED.len() * 2]).unwrap();
        let (skipped, result) = write(&path, None, 0, tutk_frame::Codec::H264);
        assert!(result.is_ok() && skipped == 0);
        assert!(std::fs::read(&path).unwrap() == SHIPPED);
    }

    #[test]
    fn it_begins_with_a_key_frame() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        let (skipped, result) = write(&path, None, 30, tutk_frame::Codec::H264);
        assert!(result.is_ok());
        assert_eq!(skipped, 10);
        assert!(SHIPPED.ends_with(&std::fs::read(&path).unwrap()));
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
