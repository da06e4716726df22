use std::fmt;

use crate::Error;

/// The codecs of sound that cameras send (wire.md section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// AAC access units without headers: 0x86, and 0x90 as Wyze cameras send it. A frame that begins
    /// with an ADTS header nevertheless is read as one.
    Aac,
    /// AAC with an ADTS header before each frame: 0x87.
    AacAdts,
    /// AAC in LATM: 0x88.
    AacLatm,
    /// G.711 µ-law: 0x89.
    Pcmu,
    /// G.711 A-law: 0x8a.
    Pcma,
    /// ADPCM: 0x8b.
    Adpcm,
    /// Linear PCM, 16 bits, little-endian: 0x8c.
    Pcm,
    /// Speex: 0x8d.
    Speex,
    /// MPEG audio layer III: 0x8e.
    Mp3,
    /// G.726: 0x8f.
    G726,
    /// Opus: 0x92.
    Opus,
}

/// What has to be known of a stream of sound to play it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AudioFormat {
    /// The codec.
    pub codec: AudioCodec,
    /// Sampling rate in hertz.
    pub rate: u32,
    /// How many channels: 1 or 2 from cameras.
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

    /// Bytes of one sample of one channel, for the codecs that have a size for it.
    pub(crate) const fn sample_bytes(self) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma => Some(1),
            Self::Pcm => Some(2),
            _ => None,
        }
    }
}

impl AudioFormat {
    /// The rates in hertz that this crate takes.
    pub const RATES: std::ops::RangeInclusive<u32> = 1_000..=65_535;

    /// The numbers of channels that this crate takes.
    pub const CHANNELS: std::ops::RangeInclusive<u8> = 1..=8;

    /// # Errors
    ///
    /// [`Error::AudioFormat`] when the rate or the number of channels is none that this crate takes.
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

/// As `PCMU, 8000 Hz, mono`.
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
    fn formats_out_of_range_are_named() {
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
    fn formats_are_readable() {
        let format = AudioFormat {
            codec: AudioCodec::AacAdts,
            rate: 16_000,
            channels: 2,
        };
        assert_eq!(format.to_string(), "AAC (ADTS), 16000 Hz, stereo");
    }
}
