//! The track of sound: what its frames are, and where in time each stands.

use std::time::Duration;

use super::boxes::Sample;
use crate::adts::{AAC_SAMPLES, AacConfig, AdtsHeader};
use crate::{AudioCodec, AudioFormat, Error};

/// How far sound may be off the clock before it is brought back into step: about where lips and
/// voice begin to part (ITU-R BT.1359 has 45 ms for sound that comes early).
pub const AUDIO_TOLERANCE: Duration = Duration::from_millis(40);

/// The largest frame of sound in bytes. Cameras send hundreds.
pub const MAX_AUDIO_FRAME_BYTES: usize = 64 << 10;

/// Frames of sound kept while the first key frame is still to come; then the oldest are left out.
pub const MAX_EARLY_AUDIO_FRAMES: usize = 256;

/// A frame this far ahead of both picture and sound is not believed: a camera's clock was set, and
/// the frame is of the time before.
const MAX_LEAD: Duration = Duration::from_secs(10);

/// Ticks a second of Opus, whatever the rate was that it was encoded from.
const OPUS_RATE: u32 = 48_000;

/// Samples of one channel in the longest Opus packet: 120 ms (RFC 6716 section 3.4).
const MAX_OPUS_SAMPLES: u32 = 5_760;

/// The sound of the fragment being collected.
#[derive(Debug)]
pub(super) struct AudioTrack {
    pub(super) config: Config,
    pub(super) samples: Vec<Sample>,
    /// Their bytes one behind the other.
    pub(super) data: Vec<u8>,
    /// Where the first of them begins, in ticks.
    pub(super) start: u64,
    /// Where the newest frame ends, in ticks, be it in this fragment or before.
    end: Option<u64>,
}

/// What a track is of. Frames of another configuration do not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Config {
    /// Never [`AudioCodec::AacAdts`]: headers are taken off.
    pub(super) codec: AudioCodec,
    pub(super) rate: u32,
    pub(super) channels: u8,
    /// MPEG-4 audio object type of AAC; 0 for others.
    pub(super) object_type: u8,
}

/// A frame as it goes into the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct AudioFrame<'a> {
    pub(super) data: &'a [u8],
    /// How long it lasts, in ticks.
    pub(super) ticks: u32,
}

impl AudioTrack {
    pub(super) const fn new(config: Config) -> Self {
        Self {
            config,
            samples: Vec::new(),
            data: Vec::new(),
            start: 0,
            end: None,
        }
    }

    /// Puts a frame where the clock says, or behind the one before if that is near enough. `time` is
    /// its place in nanoseconds from the beginning of the file, `picture` that of the newest picture.
    /// Returns whether there is room for it.
    pub(super) fn append(&mut self, frame: AudioFrame<'_>, time: i128, picture: i128) -> bool {
        let Some(start) = self.place(frame, time, picture) else {
            return false;
        };
        match (self.samples.last_mut(), self.end) {
            (None, _) => self.start = start,
            // What lies between is silence: the frame before lasts until this one.
            (Some(before), Some(end)) => {
                let gap = u32::try_from(start - end).unwrap_or(u32::MAX);
                before.duration = before.duration.saturating_add(gap);
            }
            (Some(_), None) => {}
        }
        self.samples.push(Sample {
            // A frame's length has been held far below 2^32.
            size: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            duration: frame.ticks,
            key: true,
        });
        self.data.extend_from_slice(frame.data);
        self.end = Some(start + u64::from(frame.ticks));
        true
    }

    /// Where a frame begins, in ticks; never before the end of the one before it.
    fn place(&self, frame: AudioFrame<'_>, time: i128, picture: i128) -> Option<u64> {
        let clock = self.to_ticks(time);
        let Some(end) = self.end else {
            // What was heard before the first picture is left out.
            return u64::try_from(clock).ok();
        };
        let ahead = clock - i128::from(end);
        let tolerance = self.to_ticks(nanos(AUDIO_TOLERANCE));
        let lead = self.to_ticks(nanos(MAX_LEAD));
        if ahead > lead && clock - self.to_ticks(picture) > lead {
            Some(end)
        } else if ahead > tolerance {
            u64::try_from(clock).ok()
        } else if -ahead > tolerance.max(frame.ticks.into()) {
            None
        } else {
            Some(end)
        }
    }

    /// How long the sound of this fragment is.
    pub(super) fn held(&self) -> Duration {
        let first = if self.samples.is_empty() {
            None
        } else {
            self.end
        };
        let ticks = first.map_or(0, |end| end - self.start);
        let rate = u64::from(self.config.timescale());
        Duration::from_millis(ticks.saturating_mul(1_000) / rate)
    }

    /// The fragment is written: the next frame begins another one.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.data.clear();
    }

    /// Nanoseconds as ticks of this track, rounded to the nearest.
    fn to_ticks(&self, nanos: i128) -> i128 {
        let ticks = nanos * i128::from(self.config.timescale());
        (ticks + 500_000_000).div_euclid(1_000_000_000)
    }
}

impl Config {
    /// What the caller says that a stream is.
    pub(super) fn declared(format: AudioFormat) -> Result<Self, Error> {
        let format = format.check()?;
        let not_in_mp4 = |why| {
            Err(Error::AudioNotInMp4 {
                codec: format.codec,
                why,
            })
        };
        let (codec, object_type) = match format.codec {
            AudioCodec::Aac | AudioCodec::AacAdts => (
                AudioCodec::Aac,
                AacConfig::low_complexity(format)?.object_type,
            ),
            AudioCodec::Mp3 if format.rate < 16_000 => {
                return not_in_mp4("MPEG audio below 16 kHz (\"2.5\") is in no standard");
            }
            codec @ (AudioCodec::Pcmu
            | AudioCodec::Pcma
            | AudioCodec::Pcm
            | AudioCodec::Mp3
            | AudioCodec::Opus) => (codec, 0),
            AudioCodec::AacLatm => {
                return not_in_mp4(
                    "its frames do not stand at whole bytes, and are not unpacked here",
                );
            }
            AudioCodec::Adpcm => {
                return not_in_mp4("MP4 and QuickTime know ADPCM only in blocks of another layout");
            }
            AudioCodec::Speex => return not_in_mp4("no sample entry is defined for it"),
            AudioCodec::G726 => return not_in_mp4("no sample entry is defined for it"),
        };
        Ok(Self {
            codec,
            rate: format.rate,
            channels: format.channels,
            object_type,
        })
    }

    /// What a frame says that it is, where it has a header, and what the caller says otherwise; and
    /// the frame without that header.
    pub(super) fn of_frame<'a>(
        format: AudioFormat,
        frame: &'a [u8],
    ) -> Result<(Self, AudioFrame<'a>), Error> {
        let mut config = Self::declared(format)?;
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
                    // Raw AAC never begins like this: it would be a frame of nothing but its end.
                    let has_header = matches!(frame, [0xff, second, ..] if second & 0xf6 == 0xf0);
                    if has_header || format.codec == AudioCodec::AacAdts {
                        let header = AdtsHeader::parse(frame)?;
                        if header.frame_bytes != frame.len() {
                            let found = format!("{} of {}", frame.len(), header.frame_bytes);
                            return Err(frame_error(format.codec, "the bytes it says", found));
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

    /// Ticks a second: those of the samples.
    pub(super) const fn timescale(&self) -> u32 {
        match self.codec {
            AudioCodec::Opus => OPUS_RATE,
            _ => self.rate,
        }
    }

    /// As told to a person.
    pub(super) const fn format(&self) -> AudioFormat {
        AudioFormat {
            codec: self.codec,
            rate: self.rate,
            channels: self.channels,
        }
    }
}

/// What the header of an MPEG audio frame says (ISO/IEC 11172-3 2.4.1.3, ISO/IEC 13818-3 2.4.2.3).
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
            _ => return error("a rate with the number 3".into()),
        };
        Ok(Self {
            rate: rate / half,
            channels: if b3 >> 6 == 3 { 1 } else { 2 },
            samples,
        })
    }
}

/// Samples of one channel in an Opus packet, at 48 kHz (RFC 6716 sections 3.1 and 3.2).
fn opus_samples(packet: &[u8]) -> Result<u32, Error> {
    let error = |found| {
        Err(frame_error(
            AudioCodec::Opus,
            "2.5 to 120 ms of sound",
            found,
        ))
    };
    let Some(&contents) = packet.first() else {
        return error("no byte".to_owned());
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
        (_, None) => return error("no number of frames".to_owned()),
    };
    let samples = frame * count;
    if (1..=MAX_OPUS_SAMPLES).contains(&samples) {
        Ok(samples)
    } else {
        error(format!("{count} frames of {frame} samples"))
    }
}

pub(super) const fn nanos(duration: Duration) -> i128 {
    // A Duration has fewer than 2^94 nanoseconds.
    duration.as_nanos().cast_signed()
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
        Config::of_frame(format, frame).map(|(_, frame)| frame.ticks)
    }

    /// RFC 6716 table 2: the frame sizes of every configuration.
    #[test]
    fn opus_frame_sizes() {
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
        // 48 frames of 2.5 ms, and one more than there may be.
        assert_eq!(opus(&[0x83, 48]), Ok(5_760));
        assert!(opus(&[0x83, 49]).is_err() && opus(&[0x83, 0]).is_err());
    }

    #[test]
    fn mpeg_audio_headers() {
        let read = |frame: &[u8]| {
            Mp3Header::parse(frame).map(|read| (read.rate, read.channels, read.samples))
        };
        assert_eq!(read(&[0xff, 0xfb, 0x90, 0x00]), Ok((44_100, 2, 1_152)));
        assert_eq!(read(&[0xff, 0xfa, 0x54, 0xc4]), Ok((48_000, 1, 1_152)));
        assert_eq!(read(&[0xff, 0xf3, 0x48, 0xc4]), Ok((16_000, 1, 576)));
        // Layer II, MPEG-2.5, a rate that is none, and too few bytes.
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
    fn the_length_of_a_frame_is_that_of_its_samples() {
        assert_eq!(ticks(AudioCodec::Pcmu, 8_000, &[0; 160]), Ok(160));
        assert_eq!(ticks(AudioCodec::Pcm, 16_000, &[0; 640]), Ok(320));
        assert_eq!(ticks(AudioCodec::Aac, 16_000, &[0x21; 90]), Ok(1_024));
        assert!(ticks(AudioCodec::Aac, 16_000, &[]).is_err());
    }
}
