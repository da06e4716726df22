//! Writes audio that clients send to the simulated camera to a file.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tutk_media::{AdtsHeader, AudioCodec, AudioFormat, WavFile};
use tutk_runtime::tutk_simulator::ReceivedAudio;

use crate::failure::Failure;
use crate::new_file;

/// The format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// WAV: PCM or G.711 frames after a header.
    Wav,
    /// ADTS: AAC frames with a header each.
    Adts,
    /// Unchanged frames without headers.
    Bare,
}

/// A file of received audio frames.
#[derive(Debug)]
pub(crate) struct TalkOutput {
    file: File,
    name: String,
    form: Form,
    /// The format of the first frame.
    format: Option<AudioFormat>,
    frames: u64,
    /// Bytes after the header.
    bytes: u64,
    /// Frames that the file format cannot hold.
    skipped: u64,
}

impl TalkOutput {
    /// Creates the file. Its extension selects the format. An existing file is an error unless
    /// `overwrite` is set.
    pub(crate) fn create(path: &Path, overwrite: bool) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let form = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("wav") => Form::Wav,
            Some("aac") => Form::Adts,
            _ => Form::Bare,
        };
        Ok(Self {
            file: new_file::create(path, overwrite)?,
            name,
            form,
            format: None,
            frames: 0,
            bytes: 0,
            skipped: 0,
        })
    }

    /// Writes a frame. Counts frames that the file cannot hold, and returns a message for the first
    /// one.
    pub(crate) fn take(&mut self, frame: &ReceivedAudio) -> Result<Option<String>, Failure> {
        let Some(format) = AudioFormat::from_tutk(Some(frame.codec), Some(frame.flags)) else {
            return Ok(self.skip(format!(
                "{:?} with {:?} is not supported",
                frame.codec, frame.flags
            )));
        };
        if let Some(before) = self.format.filter(|before| *before != format) {
            return Ok(self.skip(format!("the format changed from {before} to {format}")));
        }
        let mut header = Vec::new();
        match self.form {
            Form::Wav if self.format.is_none() => match WavFile::header(format, None) {
                // `finish` fills in the sizes.
                Ok(bytes) => header = bytes,
                Err(error) => return Ok(self.skip(error.to_string())),
            },
            Form::Adts if format.codec == AudioCodec::Aac => {
                match AdtsHeader::write(format, frame.data.len()) {
                    Ok(bytes) => header = bytes.to_vec(),
                    Err(error) => return Ok(self.skip(error.to_string())),
                }
            }
            Form::Adts if format.codec != AudioCodec::AacAdts => {
                return Ok(self.skip(format!("an .aac file cannot hold {format}")));
            }
            Form::Wav | Form::Adts | Form::Bare => {}
        }
        self.format = Some(format);
        self.frames += 1;
        self.bytes += frame.data.len() as u64;
        let written = self.file.write_all(&header);
        written
            .and_then(|()| self.file.write_all(&frame.data))
            .map_err(|error| Failure::write("output", &self.name, &error))?;
        Ok(None)
    }

    /// Completes the file and returns its number of frames.
    pub(crate) fn finish(mut self) -> Result<u64, Failure> {
        if self.form == Form::Wav
            && let Some(format) = self.format
        {
            let end = if self.bytes % 2 == 1 { &[0][..] } else { &[] };
            let header = WavFile::header(format, Some(self.bytes));
            let header = header.map_err(|error| {
                Failure::other(
                    "output",
                    format!("{}: {error}", self.name),
                    "send less audio",
                )
            })?;
            let completed = self.file.write_all(end);
            completed
                .and_then(|()| self.file.seek(SeekFrom::Start(0)))
                .and_then(|_| self.file.write_all(&header))
                .map_err(|error| Failure::write("output", &self.name, &error))?;
        }
        Ok(self.frames)
    }

    fn skip(&mut self, why: String) -> Option<String> {
        self.skipped += 1;
        (self.skipped == 1).then(|| format!("{}: audio frame skipped: {why}", self.name))
    }
}
