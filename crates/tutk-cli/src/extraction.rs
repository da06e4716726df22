//! Writes the video of a captured session to a file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use tutk_dissect::CapturedFrame;
use tutk_media::{AccessUnit, AudioFormat, Codec};
use tutk_serve::recorder::{FileFormat, Writer};

use crate::failure::Failure;
use crate::new_file;

const PHASE: &str = "output";

/// The output of `tutk dissect --extract`.
#[derive(Debug)]
pub(crate) struct Extraction {
    name: String,
    file: BufWriter<File>,
    format: FileFormat,
    /// The number of the session, once it is known.
    session: Option<usize>,
    writer: Option<Writer>,
    /// Video frames written.
    pub(crate) frames: u64,
    pub(crate) key_frames: u64,
    pub(crate) bytes: u64,
    pub(crate) codec: Option<Codec>,
}

impl Extraction {
    /// Creates the file. Without `session`, the first session with a key frame is written.
    pub(crate) fn create(
        path: &Path,
        overwrite: bool,
        session: Option<usize>,
    ) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let format = match extension.map(str::parse) {
            Some(Ok(format)) if format != FileFormat::Ts => format,
            _ => {
                let what = format!("{name}: the format is not known");
                return Err(Failure::usage(
                    "arguments",
                    what,
                    "use a name in .mp4, .h264 or .h265",
                ));
            }
        };
        Ok(Self {
            file: BufWriter::new(new_file::create(path, overwrite)?),
            name,
            format,
            session,
            writer: None,
            frames: 0,
            key_frames: 0,
            bytes: 0,
            codec: None,
        })
    }

    /// Writes a frame, if it belongs to the session. Frames before the first key frame are skipped.
    pub(crate) fn frame(&mut self, captured: &CapturedFrame) -> Result<(), Failure> {
        let frame = &captured.frame;
        if self
            .session
            .is_some_and(|session| session != captured.session)
        {
            return Ok(());
        }
        if !frame.kind.is_video() {
            return self.audio(captured);
        }
        let Some(codec) = frame.codec.and_then(Codec::from_tutk) else {
            return Ok(());
        };
        if self.writer.is_none() {
            if !frame.is_key() {
                return Ok(());
            }
            if !self.format.holds(codec) {
                return Err(self.other_codec(codec));
            }
            self.session = Some(captured.session);
            self.codec = Some(codec);
            self.writer = Some(Writer::new(Some(self.format), codec, true, None));
        }
        if let Some(writer) = &mut self.writer {
            let unit = AccessUnit::new(codec, frame.data.clone());
            let written = match writer.write(&unit, frame.timestamp) {
                Ok(bytes) => self.file.write_all(&bytes),
                Err(error) => return Err(self.not_muxed(&error)),
            };
            written.map_err(|error| Failure::write(PHASE, &self.name, &error))?;
        }
        self.frames += 1;
        self.key_frames += u64::from(frame.is_key());
        self.bytes += u64::try_from(frame.data.len()).unwrap_or(0);
        Ok(())
    }

    fn audio(&mut self, captured: &CapturedFrame) -> Result<(), Failure> {
        let frame = &captured.frame;
        let format = AudioFormat::from_tutk(frame.codec, frame.audio);
        let Some((writer, format)) = self.writer.as_mut().zip(format) else {
            return Ok(());
        };
        // MP4 has no place for some codecs. The file then has no audio.
        let bytes = writer.write_audio(format, &frame.data, frame.timestamp);
        let written = self.file.write_all(&bytes.unwrap_or_default());
        written.map_err(|error| Failure::write(PHASE, &self.name, &error))
    }

    /// Completes the file. Removes it if the capture has no video.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let end = match self.writer.take() {
            None => {
                self.remove();
                let what = format!(
                    "{}: the capture has no video that can be decrypted",
                    self.name
                );
                let advice = "give the session's key log with --keys";
                return Err(Failure::other(PHASE, what, advice));
            }
            Some(writer) => writer.finish().map_err(|error| self.not_muxed(&error))?,
        };
        let written = self.file.write_all(&end).and_then(|()| self.file.flush());
        written.map_err(|error| Failure::write(PHASE, &self.name, &error))
    }

    /// Removes the file, which is empty. It is new, or was to be replaced.
    fn remove(&self) {
        new_file::remove(Path::new(&self.name));
    }

    fn other_codec(&self, found: Codec) -> Failure {
        self.remove();
        let what = format!("{}: the video is {found}, a different codec", self.name);
        let advice = format!("use a name in .{} or .mp4", found.name());
        Failure::usage(PHASE, what, advice)
    }

    fn not_muxed(&self, error: &tutk_media::Error) -> Failure {
        let what = format!("{}: {error}", self.name);
        Failure::other(PHASE, what, "write the plain stream to a name in .h264")
    }
}
