use std::fmt;

use crate::Error;

/// An audio codec that cameras send (docs/protocol.md, section 15).
///
/// | codec | id | [`name`](Self::name) | RTP (`rtpmap`) | MP4 | MPEG-TS |
/// |---|---|---|---|---|---|
/// | AAC | 0x86, 0x90 | `aac` | `mpeg4-generic` | `mp4a` | 0x0f |
/// | AAC in ADTS | 0x87 | `aac` | `mpeg4-generic` | `mp4a` | 0x0f |
/// | AAC in LATM | 0x88 | `aac-latm` | | | |
/// | G.711 µ-law | 0x89 | `pcmu` | `PCMU` | `ulaw`, `fLaC` | |
/// | G.711 A-law | 0x8a | `pcma` | `PCMA` | `alaw`, `fLaC` | |
/// | ADPCM | 0x8b | `adpcm` | | | |
/// | PCM | 0x8c | `pcm` | `L16` | `sowt`, `fLaC` | |
/// | Speex | 0x8d | `speex` | | | |
/// | MP3 | 0x8e | `mp3` | `MPA` | `mp4a` | 0x03, 0x04 |
/// | G.726 | 0x8f | `g726` | | | |
/// | Opus | 0x92 | `opus` | `opus` | `Opus` | 0x06 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC access units without headers. A frame that has an ADTS header nevertheless is parsed as
    /// ADTS.
    Aac,
    /// AAC with an ADTS header before each frame.
    AacAdts,
    /// AAC in LATM.
    AacLatm,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// ADPCM.
    Adpcm,
    /// Linear PCM, 16 bits, little-endian.
    Pcm,
    /// Speex.
    Speex,
    /// MPEG audio layer III.
    Mp3,
    /// G.726.
    G726,
    /// Opus.
    Opus,
}

/// The format of an audio stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// The codec.
    pub codec: AudioCodec,
    /// The sample rate in hertz.
    pub rate: u32,
    /// The number of channels: 1 or 2 from cameras.
    pub channels: u8,
}

impl AudioCodec {
    /// Every codec.
    pub const ALL: [Self; 11] = [
        Self::Aac,
        Self::AacAdts,
        Self::AacLatm,
        Self::Pcmu,
        Self::Pcma,
        Self::Adpcm,
        Self::Pcm,
        Self::Speex,
        Self::Mp3,
        Self::G726,
        Self::Opus,
    ];

    /// The short lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aac | Self::AacAdts => "aac",
            Self::AacLatm => "aac-latm",
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::Adpcm => "adpcm",
            Self::Pcm => "pcm",
            Self::Speex => "speex",
            Self::Mp3 => "mp3",
            Self::G726 => "g726",
            Self::Opus => "opus",
        }
    }

    /// The size of one sample of one channel in bytes, for codecs with a fixed one.
    pub(crate) const fn sample_bytes(self) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma => Some(1),
            Self::Pcm => Some(2),
            _ => None,
        }
    }
}

impl AudioFormat {
    /// The supported sample rates in hertz.
    pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=65_535;

    /// The supported numbers of channels.
    pub const CHANNELS: std::ops::RangeInclusive<u8> = 1..=8;

    /// Checks the rate and the number of channels.
    ///
    /// # Errors
    ///
    /// [`Error::AudioFormat`].
    pub(crate) fn check(self) -> Result<Self, Error> {
        let channels = if self.codec == AudioCodec::Aac || self.codec == AudioCodec::AacAdts {
            Self::CHANNELS
        } else {
            1..=2
        };
        for (field, found, min, max) in [
            (
                "a rate",
                self.rate,
                *Self::RATES.start(),
                *Self::RATES.end(),
            ),
            (
                "a number of channels",
                self.channels.into(),
                (*channels.start()).into(),
                (*channels.end()).into(),
            ),
        ] {
            if !(min..=max).contains(&found) {
                return Err(Error::AudioFormat {
                    codec: self.codec,
                    field,
                    min,
                    max,
                    found,
                });
            }
        }
        Ok(self)
    }
}

impl fmt::Display for AudioCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aac => "AAC",
            Self::AacAdts => "AAC (ADTS)",
            Self::AacLatm => "AAC (LATM)",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::Adpcm => "ADPCM",
            Self::Pcm => "PCM",
            Self::Speex => "Speex",
            Self::Mp3 => "MP3",
            Self::G726 => "G.726",
            Self::Opus => "Opus",
        })
    }
}

/// For example `PCMU, 8000 Hz, mono`.
impl fmt::Display for AudioFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} Hz, ", self.codec, self.rate)?;
        match self.channels {
            1 => f.write_str("mono"),
            2 => f.write_str("stereo"),
            more => write!(f, "{more} channels"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_out_of_range_are_refused() {
        let format = |codec, rate, channels| AudioFormat {
            codec,
            rate,
            channels,
        };
        assert!(format(AudioCodec::Pcm, 8_000, 2).check().is_ok());
        assert!(format(AudioCodec::Aac, 48_000, 8).check().is_ok());
        let error = format(AudioCodec::Pcm, 8_000, 3).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "PCM: expected a number of channels from 1 to 2, found 3"
        );
        let error = format(AudioCodec::Opus, 0, 1).check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Opus: expected a rate from 1000 to 65535, found 0"
        );
    }

    #[test]
    fn formats_are_displayed() {
        let format = AudioFormat {
            codec: AudioCodec::AacAdts,
            rate: 16_000,
            channels: 2,
        };
        assert_eq!(format.to_string(), "AAC (ADTS), 16000 Hz, stereo");
    }
}
