//! Audio frames: the configuration that their headers state, and their duration.

use crate::adts::{AAC_SAMPLES, AacConfig, AdtsHeader};
use crate::{AudioCodec, AudioFormat, Error};

/// The largest audio frame in bytes. Cameras send hundreds of bytes.
pub const MAX_AUDIO_FRAME_BYTES: usize = 64 << 10;

/// The clock rate of Opus in hertz, independent of the rate of its source.
const OPUS_RATE: u32 = 48_000;

/// The samples of one channel in the longest Opus packet: 120 ms (RFC 6716 section 3.4).
const MAX_OPUS_SAMPLES: u32 = 5_760;

/// The decoder configuration of an audio stream. It is the same for all frames of a stream.
///
/// ```
/// use tutk_media::{AudioCodec, AudioConfig, AudioFormat};
///
/// let format = AudioFormat { codec: AudioCodec::Pcmu, rate: 8_000, channels: 1 };
/// assert_eq!(AudioConfig::new(format)?.format(), format);
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioConfig {
    /// Never [`AudioCodec::AacAdts`]: headers are removed.
    pub(crate) codec: AudioCodec,
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    /// The MPEG-4 audio object type of AAC, 0 for other codecs.
    pub(crate) object_type: u8,
}

/// A frame as a container stores it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AudioFrame<'a> {
    /// The bytes, without an ADTS header.
    pub(crate) data: &'a [u8],
    /// The duration in ticks of [`AudioConfig::timescale`].
    pub(crate) ticks: u32,
}

impl AudioConfig {
    /// The configuration of a stream before its first frame. AAC is assumed to be LC; if frames
    /// have headers, use [`of_frame`](Self::of_frame).
    ///
    /// # Errors
    ///
    /// [`Error::AudioFormat`] if the rate or the number of channels is not supported.
    pub fn new(format: AudioFormat) -> Result<Self, Error> {
        let format = format.check()?;
        let (codec, object_type) = match format.codec {
            AudioCodec::Aac | AudioCodec::AacAdts => (
                AudioCodec::Aac,
                AacConfig::low_complexity(format)?.object_type,
            ),
            codec => (codec, 0),
        };
        Ok(Self {
            codec,
            rate: format.rate,
            channels: format.channels,
            object_type,
        })
    }

    /// The configuration that a frame's header states. Without a header, that of `format`.
    ///
    /// # Errors
    ///
    /// [`Error::AudioFormat`]. [`Error::AudioFrame`] and [`Error::Adts`] if it is not a frame of
    /// that codec, or for a codec whose frames cannot be parsed: AAC in LATM, ADPCM, Speex and
    /// G.726.
    pub fn of_frame(format: AudioFormat, frame: &[u8]) -> Result<Self, Error> {
        Self::read(format, frame).map(|(config, _)| config)
    }

    /// Returns the configuration of a frame and the frame without an ADTS header.
    pub(crate) fn read<'a>(
        format: AudioFormat,
        frame: &'a [u8],
    ) -> Result<(Self, AudioFrame<'a>), Error> {
        let mut config = Self::new(format)?;
        if frame.len() > MAX_AUDIO_FRAME_BYTES {
            return Err(frame_error(
                format.codec,
                "at most 65536 bytes",
                frame.len().to_string(),
            ));
        }
        let mut data = frame;
        let ticks = match config.codec {
            AudioCodec::Mp3 => {
                let header = Mp3Header::parse(frame)?;
                (config.rate, config.channels) = (header.rate, header.channels);
                header.samples
            }
            AudioCodec::Opus => opus_samples(frame)?,
            codec @ (AudioCodec::AacLatm
            | AudioCodec::Adpcm
            | AudioCodec::Speex
            | AudioCodec::G726) => {
                let expected = "a known duration";
                return Err(frame_error(codec, expected, "none".into()));
            }
            codec => match codec.sample_bytes() {
                Some(bytes) => {
                    let all = bytes * usize::from(config.channels);
                    if frame.is_empty() || !frame.len().is_multiple_of(all) {
                        let found = format!("{} bytes", frame.len());
                        return Err(frame_error(codec, "whole samples of every channel", found));
                    }
                    u32::try_from(frame.len() / all).unwrap_or(u32::MAX)
                }
                None => {
                    // Raw AAC never starts with these bits, which are those of an empty frame.
                    let has_header = matches!(frame, [0xff, second, ..] if second & 0xf6 == 0xf0);
                    if has_header || format.codec == AudioCodec::AacAdts {
                        let header = AdtsHeader::parse(frame)?;
                        if header.frame_bytes != frame.len() {
                            let found = format!("{} of {}", frame.len(), header.frame_bytes);
                            return Err(frame_error(format.codec, "the size in its header", found));
                        }
                        let stated = header.config();
                        (config.rate, config.channels) = (stated.rate, stated.channels);
                        config.object_type = stated.object_type;
                        data = frame.get(header.header_bytes..).unwrap_or_default();
                    } else if frame.is_empty() {
                        return Err(frame_error(format.codec, "bytes", "none".into()));
                    }
                    AAC_SAMPLES
                }
            },
        };
        Ok((config, AudioFrame { data, ticks }))
    }

    /// The time scale in ticks per second: the sample rate, or 48000 for Opus.
    #[must_use]
    pub const fn timescale(&self) -> u32 {
        match self.codec {
            AudioCodec::Opus => OPUS_RATE,
            _ => self.rate,
        }
    }

    /// The format according to the headers of frames. ADTS headers are removed.
    #[must_use]
    pub const fn format(&self) -> AudioFormat {
        AudioFormat {
            codec: self.codec,
            rate: self.rate,
            channels: self.channels,
        }
    }
}

impl From<AudioConfig> for AacConfig {
    fn from(config: AudioConfig) -> Self {
        Self {
            object_type: config.object_type,
            rate: config.rate,
            channels: config.channels,
        }
    }
}

/// The header of an MPEG audio frame (ISO/IEC 11172-3 section 2.4.1.3, ISO/IEC 13818-3 section
/// 2.4.2.3).
struct Mp3Header {
    rate: u32,
    channels: u8,
    samples: u32,
}

impl Mp3Header {
    fn parse(frame: &[u8]) -> Result<Self, Error> {
        let error = |found| {
            let expected = "an MPEG-1 or MPEG-2 layer III header";
            Err(frame_error(AudioCodec::Mp3, expected, found))
        };
        let Some(&[b0, b1, b2, b3]) = frame.first_chunk() else {
            return error(format!("{} bytes", frame.len()));
        };
        // 11 bits of syncword, two of version, two of layer.
        let (half, samples) = match (b0, b1 & 0xfe) {
            (0xff, 0xfa) => (1, 1_152),
            (0xff, 0xf2) => (2, 576),
            _ => return error(format!("{b0:02x} {b1:02x}")),
        };
        let rate = match b2 >> 2 & 3 {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            _ => return error("the reserved rate index 3".into()),
        };
        Ok(Self {
            rate: rate / half,
            channels: if b3 >> 6 == 3 { 1 } else { 2 },
            samples,
        })
    }
}

/// The samples of one channel in an Opus packet, at 48 kHz (RFC 6716 sections 3.1 and 3.2).
fn opus_samples(packet: &[u8]) -> Result<u32, Error> {
    let error = |found| {
        Err(frame_error(
            AudioCodec::Opus,
            "2.5 to 120 ms of audio",
            found,
        ))
    };
    let Some(&contents) = packet.first() else {
        return error("an empty packet".to_owned());
    };
    let size = contents >> 3 & 3;
    let frame = match contents >> 3 {
        ..12 if size == 3 => 2_880,
        ..12 => 480 << size,
        12..16 => 480 << (size & 1),
        _ => 120 << size,
    };
    let count = match (contents & 3, packet.get(1)) {
        (0, _) => 1,
        (1 | 2, _) => 2,
        (_, Some(count)) => u32::from(count & 0x3f),
        (_, None) => return error("no frame count".to_owned()),
    };
    let samples = frame * count;
    if (1..=MAX_OPUS_SAMPLES).contains(&samples) {
        Ok(samples)
    } else {
        error(format!("{count} frames of {frame} samples"))
    }
}

const fn frame_error(codec: AudioCodec, expected: &'static str, found: String) -> Error {
    Error::AudioFrame {
        codec,
        expected,
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(codec: AudioCodec, rate: u32, frame: &[u8]) -> Result<u32, Error> {
        let format = AudioFormat {
            codec,
            rate,
            channels: 1,
        };
        AudioConfig::read(format, frame).map(|(_, frame)| frame.ticks)
    }

    /// RFC 6716 table 2: the frame sizes of every configuration.
    #[test]
    fn opus_durations_match_rfc_6716() {
        let opus = |packet: &[u8]| ticks(AudioCodec::Opus, 8_000, packet);
        for (configurations, sizes) in [
            (0..12, &[480, 960, 1_920, 2_880][..]),
            (12..16, &[480, 960]),
            (16..32, &[120, 240, 480, 960]),
        ] {
            for (configuration, size) in configurations.zip(sizes.iter().cycle()) {
                let first = configuration << 3;
                assert_eq!(opus(&[first]), Ok(*size), "{configuration}");
                assert_eq!(opus(&[first | 1]), Ok(2 * size));
                assert_eq!(opus(&[first | 4 | 2]), Ok(2 * size));
                assert_eq!(opus(&[first | 3, 0xc2]), Ok(2 * size));
            }
        }
        // 48 frames of 2.5 ms are the longest packet.
        assert_eq!(opus(&[0x83, 48]), Ok(5_760));
        assert!(opus(&[0x83, 49]).is_err() && opus(&[0x83, 0]).is_err());
    }

    #[test]
    fn parses_mpeg_audio_headers() {
        let read = |frame: &[u8]| {
            Mp3Header::parse(frame).map(|read| (read.rate, read.channels, read.samples))
        };
        assert_eq!(read(&[0xff, 0xfb, 0x90, 0x00]), Ok((44_100, 2, 1_152)));
        assert_eq!(read(&[0xff, 0xfa, 0x54, 0xc4]), Ok((48_000, 1, 1_152)));
        assert_eq!(read(&[0xff, 0xf3, 0x48, 0xc4]), Ok((16_000, 1, 576)));
        // Layer II, MPEG-2.5, a reserved rate, and too few bytes.
        for frame in [
            &[0xff, 0xfd, 0x90, 0][..],
            &[0xff, 0xe3, 0x48, 0],
            &[0xff, 0xfb, 0x9c, 0],
            &[0xff],
        ] {
            assert!(read(frame).is_err());
        }
    }

    #[test]
    fn frames_without_headers_have_a_duration() {
        assert_eq!(ticks(AudioCodec::Pcmu, 8_000, &[0; 160]), Ok(160));
        assert_eq!(ticks(AudioCodec::Pcm, 16_000, &[0; 640]), Ok(320));
        assert_eq!(ticks(AudioCodec::Aac, 16_000, &[0x21; 90]), Ok(1_024));
        assert!(ticks(AudioCodec::Aac, 16_000, &[]).is_err());
    }
}
