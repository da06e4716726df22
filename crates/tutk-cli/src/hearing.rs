//! What clients say to the simulated camera, into a file.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use tutk_media::{AdtsHeader, AudioCodec, AudioFormat, WavFile};
use tutk_runtime::tutk_simulator::Heard;

use crate::failure::Failure;
use crate::sound;

/// How what is heard is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The frames of PCM or G.711, one behind the other, behind a header.
    Wav,
    /// AAC with a header before each frame.
    Adts,
    /// The frames as they came, one behind the other.
    Bare,
}

/// A file of what was heard, frame by frame as it came.
#[derive(Debug)]
pub(crate) struct Hearing {
    file: File,
    name: String,
    form: Form,
    /// Known since the first frame.
    format: Option<AudioFormat>,
    frames: u64,
    /// Bytes behind the header.
    bytes: u64,
    /// Frames that did not fit.
    skipped: u64,
}

impl Hearing {
    /// Makes the file; its name tells the form.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let form = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("wav") => Form::Wav,
            Some("aac") => Form::Adts,
            _ => Form::Bare,
        };
        let file = File::create(path).map_err(|error| Failure::write("output", &name, &error))?;
        Ok(Self {
            file,
            name,
            form,
            format: None,
            frames: 0,
            bytes: 0,
            skipped: 0,
        })
    }

    /// Takes a frame. One that the file cannot hold is counted, and said once.
    pub(crate) fn take(&mut self, heard: &Heard) -> Result<Option<String>, Failure> {
        let Some(format) = sound::audio_format(Some(heard.codec), Some(heard.flags)) else {
            return Ok(self.skip(format!(
                "{:?} with {:?} is not known",
                heard.codec, heard.flags
            )));
        };
        if let Some(before) = self.format.filter(|before| *before != format) {
            return Ok(self.skip(format!("it was {before} before, and is {format} now")));
        }
        let mut header = Vec::new();
        match self.form {
            Form::Wav if self.format.is_none() => match WavFile::header(format, None) {
                // The sizes follow at the end.
                Ok(bytes) => header = bytes,
                Err(error) => return Ok(self.skip(error.to_string())),
            },
            Form::Adts if format.codec == AudioCodec::Aac => {
                match AdtsHeader::write(format, heard.data.len()) {
                    Ok(bytes) => header = bytes.to_vec(),
                    Err(error) => return Ok(self.skip(error.to_string())),
                }
            }
            Form::Adts if format.codec != AudioCodec::AacAdts => {
                return Ok(self.skip(format!("{format} has no place in an .aac file")));
            }
            Form::Wav | Form::Adts | Form::Bare => {}
        }
        self.format = Some(format);
        self.frames += 1;
        self.bytes += heard.data.len() as u64;
        let written = self.file.write_all(&header);
        written
            .and_then(|()| self.file.write_all(&heard.data))
            .map_err(|error| Failure::write("output", &self.name, &error))?;
        Ok(None)
    }

    /// Completes the file: how many frames it has.
    pub(crate) fn finish(mut self) -> Result<u64, Failure> {
        if self.form == Form::Wav
            && let Some(format) = self.format
        {
            let end = if self.bytes % 2 == 1 { &[0][..] } else { &[] };
            let header = WavFile::header(format, Some(self.bytes));
            let header = header.map_err(|error| {
                Failure::other("output", format!("{}: {error}", self.name), "say less")
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
        (self.skipped == 1).then(|| format!("{}: sound left out: {why}", self.name))
    }
}
