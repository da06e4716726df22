//! Formats of files: elementary stream, MP4 or MPEG-TS.

use std::borrow::Cow;
use std::time::Duration;

use tutk_media::{AccessUnit, AudioConfig, AudioFormat, Codec, Error, Mp4Writer, TsWriter};

use crate::format::Format;

/// Converts access units and audio frames to the bytes of one file.
#[derive(Debug)]
pub(super) enum Writer {
    Bare,
    Mp4(Box<Mp4Writer>),
    Ts(Box<TsWriter>),
}

/// What is known about the audio before a file starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    Nothing,
    /// There may be audio.
    Some,
    This(AudioConfig),
}

impl Writer {
    pub(super) fn new(format: Option<Format>, codec: Codec, sound: Expected) -> Self {
        match format {
            None | Some(Format::H264 | Format::H265) => Self::Bare,
            Some(Format::Mp4) => Self::Mp4(Box::new(match sound {
                Expected::Nothing => Mp4Writer::new(codec),
                Expected::Some => Mp4Writer::new(codec).await_audio(),
                // A codec that MP4 does not support is not waited for.
                Expected::This(config) => Mp4Writer::new(codec)
                    .with_audio(config)
                    .unwrap_or_else(|_| Mp4Writer::new(codec)),
            })),
            Some(Format::Ts) => Self::Ts(Box::new(match sound {
                Expected::Nothing | Expected::Some => TsWriter::new(codec),
                Expected::This(config) => TsWriter::new(codec)
                    .with_audio(config)
                    .unwrap_or_else(|_| TsWriter::new(codec)),
            })),
        }
    }

    /// Returns the bytes to append for an access unit.
    pub(super) fn write<'a>(
        &mut self,
        unit: &'a AccessUnit,
        time: Duration,
    ) -> Result<Cow<'a, [u8]>, Error> {
        Ok(match self {
            Self::Bare => unit.data().as_ref().into(),
            Self::Mp4(mp4) => mp4.write(unit, time)?.into(),
            Self::Ts(ts) => Vec::from(ts.write(unit, time)?).into(),
        })
    }

    /// Returns the bytes to append for an audio frame.
    pub(super) fn write_sound(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        match self {
            Self::Bare => Ok(Vec::new()),
            Self::Mp4(mp4) => mp4.write_audio(format, frame, time),
            Self::Ts(ts) => Ok(ts.write_audio(format, frame, time)?.into()),
        }
    }

    /// Returns `true` if the format accepts the audio, as far as known.
    pub(super) fn has_sound(&self) -> bool {
        match self {
            Self::Bare => false,
            Self::Mp4(mp4) => mp4.audio_format().is_some(),
            Self::Ts(ts) => ts.stats().audio_frames > 0,
        }
    }

    /// Returns the numbers of written and skipped audio frames.
    pub(super) fn sound_frames(&self) -> (u64, u64) {
        match self {
            Self::Bare => (0, 0),
            Self::Mp4(mp4) => (mp4.stats().audio_frames, mp4.stats().audio_skipped),
            Self::Ts(ts) => (ts.stats().audio_frames, ts.stats().audio_skipped),
        }
    }

    /// Returns the bytes that end the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Bare | Self::Ts(_) => Ok(Vec::new()),
            Self::Mp4(mp4) => mp4.finish(),
        }
    }
}
