//! Writers of the file formats.

use std::borrow::Cow;
use std::time::Duration;

use tutk_media::{
    AccessUnit, AudioConfig, AudioFormat, Codec, Error, Mp4Audio, Mp4Writer, TsWriter,
};

use super::target::FileFormat;

/// Converts access units and audio frames to the bytes of one file.
///
/// ```
/// use std::time::Duration;
/// use tutk_media::{AccessUnit, Codec, Error};
/// use tutk_serve::recorder::{FileFormat, Writer};
///
/// fn mp4(codec: Codec, units: &[AccessUnit]) -> Result<Vec<u8>, Error> {
///     let mut writer = Writer::new(Some(FileFormat::Mp4), codec, false, None);
///     let (mut file, mut time) = (Vec::new(), Duration::ZERO);
///     for unit in units {
///         file.extend_from_slice(&writer.write(unit, time)?);
///         time += Duration::from_millis(50);
///     }
///     file.extend(writer.finish()?);
///     Ok(file)
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Writer {
    /// An elementary stream, which has no audio.
    Elementary,
    /// Fragmented MP4.
    Mp4(Box<Mp4Writer>),
    /// An MPEG transport stream.
    Ts(Box<TsWriter>),
}

impl Writer {
    /// A writer for video in `codec`. With `audio`, the file can have an audio track; its
    /// configuration may be known already. Audio that the format does not support is left out.
    /// MPEG-TS has audio only if the configuration is known.
    #[must_use]
    pub fn new(
        format: Option<FileFormat>,
        codec: Codec,
        audio: bool,
        config: Option<AudioConfig>,
    ) -> Self {
        match format {
            None | Some(FileFormat::H264 | FileFormat::H265) => Self::Elementary,
            Some(FileFormat::Mp4) => {
                let track = config.map_or(Mp4Audio::Awaited, Mp4Audio::Track);
                let mp4 = audio.then(|| Mp4Writer::with_audio(codec, track).ok());
                let mp4 = mp4.flatten().unwrap_or_else(|| Mp4Writer::new(codec));
                Self::Mp4(Box::new(mp4))
            }
            Some(FileFormat::Ts) => {
                let config = config.filter(|_| audio);
                let ts = config.and_then(|config| TsWriter::with_audio(codec, config).ok());
                Self::Ts(Box::new(ts.unwrap_or_else(|| TsWriter::new(codec))))
            }
        }
    }

    /// Returns the bytes to append for an access unit.
    ///
    /// # Errors
    /// The format cannot hold the access unit.
    pub fn write<'a>(
        &mut self,
        unit: &'a AccessUnit,
        time: Duration,
    ) -> Result<Cow<'a, [u8]>, Error> {
        Ok(match self {
            Self::Elementary => unit.data().as_ref().into(),
            Self::Mp4(mp4) => mp4.write(unit, time)?.into(),
            Self::Ts(ts) => Vec::from(ts.write(unit, time)?).into(),
        })
    }

    /// Returns the bytes to append for an audio frame.
    ///
    /// # Errors
    /// The format cannot hold the frame.
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Self::Elementary => Ok(Vec::new()),
            Self::Mp4(mp4) => mp4.write_audio(format, frame, time),
            Self::Ts(ts) => Ok(ts.write_audio(format, frame, time)?.into()),
        }
    }

    /// Returns `true` if the file has an audio track, as far as known.
    #[must_use]
    pub fn has_audio(&self) -> bool {
        match self {
            Self::Elementary => false,
            Self::Mp4(mp4) => mp4.audio_format().is_some(),
            Self::Ts(ts) => ts.stats().audio_frames > 0,
        }
    }

    /// Returns the numbers of written and of skipped audio frames.
    #[must_use]
    pub fn audio_frames(&self) -> [u64; 2] {
        let stats = match self {
            Self::Elementary => return [0, 0],
            Self::Mp4(mp4) => mp4.stats(),
            Self::Ts(ts) => ts.stats(),
        };
        [stats.audio_frames, stats.audio_skipped]
    }

    /// Returns the bytes that end the file.
    ///
    /// # Errors
    /// The format cannot hold the last frames.
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Elementary | Self::Ts(_) => Ok(Vec::new()),
            Self::Mp4(mp4) => mp4.finish(),
        }
    }
}
