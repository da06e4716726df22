//! AAC in ADTS (ISO/IEC 14496-3 annex 1.A.3), and the `AudioSpecificConfig` that MP4 has instead.

use crate::{AudioCodec, AudioFormat, Error};

/// The samples of one channel in an AAC frame.
pub const AAC_SAMPLES: u32 = 1_024;

/// Sampling rates in hertz by `sampling_frequency_index` (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];

/// The `sampling_frequency_index` of a rate that follows it.
const RATE_FOLLOWS: u8 = 15;

/// The object type of AAC LC, which cameras send.
const LOW_COMPLEXITY: u8 = 2;

/// The largest ADTS frame in bytes, header included: its length has 13 bits.
const MAX_FRAME_BYTES: usize = (1 << 13) - 1;

/// The header of an ADTS frame.
///
/// | bits | field |
/// |---|---|
/// | 12 | syncword, all ones |
/// | 1 | ID: 0 MPEG-4, 1 MPEG-2 |
/// | 2 | layer, 0 |
/// | 1 | no checksum |
/// | 2 | object type − 1 |
/// | 4 | index of the rate |
/// | 1 | private |
/// | 3 | channel configuration |
/// | 4 | original, home, copyright identification and its start |
/// | 13 | bytes of the frame, header included |
/// | 11 | buffer fullness |
/// | 2 | raw data blocks − 1 |
/// | 16 | checksum, if there is one |
///
/// ```
/// use tutk_media::{AdtsHeader, AudioCodec, AudioFormat};
///
/// let format = AudioFormat { codec: AudioCodec::Aac, rate: 16_000, channels: 1 };
/// let bytes = AdtsHeader::write(format, 200)?;
/// let header = AdtsHeader::parse(&bytes)?;
/// assert_eq!((header.rate, header.channels, header.frame_bytes), (16_000, 1, 207));
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsHeader {
    /// The MPEG-4 audio object type, 1 to 4: 2 is AAC LC.
    pub object_type: u8,
    /// The sample rate in hertz.
    pub rate: u32,
    /// The number of channels: 1 to 6, or 8.
    pub channels: u8,
    /// The size of the header in bytes: 7, or 9 with a checksum.
    pub header_bytes: usize,
    /// The size of the frame in bytes, header included.
    pub frame_bytes: usize,
}

impl AdtsHeader {
    /// The size of a header without a checksum, in bytes.
    pub const BYTES: usize = 7;

    /// Parses the header at the start of `frame`. The payload may be missing.
    ///
    /// # Errors
    ///
    /// [`Error::Adts`] at offset 0: too short, no syncword, a rate or channel configuration that
    /// ADTS does not define, a length shorter than the header. Two things that ADTS allows are not
    /// supported: a channel configuration inside the frame, and several raw data blocks in one
    /// frame.
    pub fn parse(frame: &[u8]) -> Result<Self, Error> {
        let error = |expected, found: String| {
            Err(Error::Adts {
                at: 0,
                expected,
                found,
            })
        };
        let Some(&[b0, b1, b2, b3, b4, b5, b6]) = frame.first_chunk() else {
            return error("a header of 7 bytes", format!("{} bytes", frame.len()));
        };
        if b0 != 0xff || b1 & 0xf6 != 0xf0 {
            return error("a syncword (ff f.)", format!("{b0:02x} {b1:02x}"));
        }
        let index = b2 >> 2 & 0xf;
        let Some(&rate) = RATES.get(usize::from(index)) else {
            return error("a rate index of at most 12", index.to_string());
        };
        let channels = match (b2 & 1) << 2 | b3 >> 6 {
            0 => return error("a channel configuration of 1 to 7", "0".into()),
            7 => 8,
            channels => channels,
        };
        let header_bytes = if b1 & 1 == 1 { Self::BYTES } else { 9 };
        let frame_bytes = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5) >> 5;
        if frame_bytes <= header_bytes {
            return error("a frame after its header", format!("{frame_bytes} bytes"));
        }
        if b6 & 3 != 0 {
            let blocks = (b6 & 3) + 1;
            return error("one raw data block in a frame", blocks.to_string());
        }
        Ok(Self {
            object_type: (b2 >> 6) + 1,
            rate,
            channels,
            header_bytes,
            frame_bytes,
        })
    }

    /// Encodes the header, without a checksum, of an AAC LC frame with `payload` bytes of payload.
    ///
    /// # Errors
    ///
    /// [`Error::Adts`] if ADTS has no code for the format, or if the frame is larger than 8191
    /// bytes.
    pub fn write(format: AudioFormat, payload: usize) -> Result<[u8; Self::BYTES], Error> {
        let error = |expected, found: u64| {
            Err(Error::Adts {
                at: 0,
                expected,
                found: found.to_string(),
            })
        };
        let index = AacConfig::rate_index(format.rate);
        if index == RATE_FOLLOWS {
            return error(
                "one of the rates that AAC has codes for",
                format.rate.into(),
            );
        }
        let Some(channels) = channel_configuration(format.channels) else {
            return error("1 to 6, or 8 channels", format.channels.into());
        };
        let length = payload.saturating_add(Self::BYTES);
        let length = match u16::try_from(length) {
            Ok(short) if length <= MAX_FRAME_BYTES => short,
            _ => return error("a frame of at most 8191 bytes", length as u64),
        };
        // The 13 bits of the length are in three bytes: 2, 8 and 3 bits.
        let [_, top, middle, last] = (u32::from(length) << 5).to_be_bytes();
        Ok([
            0xff,
            0xf1,
            (LOW_COMPLEXITY - 1) << 6 | index << 2 | channels >> 2,
            (channels & 3) << 6 | top,
            middle,
            // A buffer fullness of all ones means a variable rate.
            last | 0x1f,
            0xfc,
        ])
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> AudioFormat {
        AudioFormat {
            codec: AudioCodec::AacAdts,
            rate: self.rate,
            channels: self.channels,
        }
    }

    pub(crate) const fn config(&self) -> AacConfig {
        AacConfig {
            object_type: self.object_type,
            rate: self.rate,
            channels: self.channels,
        }
    }
}

/// A frame of an ADTS stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdtsFrame<'a> {
    /// The header.
    pub header: AdtsHeader,
    /// The bytes, header included.
    pub data: &'a [u8],
}

impl<'a> AdtsFrame<'a> {
    /// The bytes after the header: an AAC access unit as in MP4 and raw streams.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.data
            .get(self.header.header_bytes..)
            .unwrap_or_default()
    }
}

/// The frames of an ADTS stream: see [`adts_frames`].
#[derive(Debug, Clone)]
pub struct AdtsFrames<'a> {
    stream: &'a [u8],
    /// The offset of the next frame, and that of the end once the stream is done.
    at: usize,
}

/// Splits an ADTS stream into its frames. The frames joined are the stream up to its first error,
/// which is the last item.
#[must_use]
pub const fn adts_frames(stream: &[u8]) -> AdtsFrames<'_> {
    AdtsFrames { stream, at: 0 }
}

impl<'a> Iterator for AdtsFrames<'a> {
    type Item = Result<AdtsFrame<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let rest = self.stream.get(start..)?;
        if rest.is_empty() {
            return None;
        }
        self.at = self.stream.len();
        let header = match AdtsHeader::parse(rest) {
            Ok(header) => header,
            Err(Error::Adts {
                expected, found, ..
            }) => {
                return Some(Err(Error::Adts {
                    at: start,
                    expected,
                    found,
                }));
            }
            Err(error) => return Some(Err(error)),
        };
        let Some(data) = rest.get(..header.frame_bytes) else {
            return Some(Err(Error::Adts {
                at: start,
                expected: "a whole frame",
                found: format!("{} of {} bytes", rest.len(), header.frame_bytes),
            }));
        };
        self.at = start + header.frame_bytes;
        Some(Ok(AdtsFrame { header, data }))
    }
}

/// An `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AacConfig {
    pub(crate) object_type: u8,
    pub(crate) rate: u32,
    pub(crate) channels: u8,
}

impl AacConfig {
    /// AAC LC of this format, which is assumed for frames without a header.
    ///
    /// # Errors
    ///
    /// [`Error::AudioFormat`] for 7 channels, for which AAC has no configuration.
    pub(crate) fn low_complexity(format: AudioFormat) -> Result<Self, Error> {
        let format = format.check()?;
        if channel_configuration(format.channels).is_none() {
            return Err(Error::AudioFormat {
                codec: format.codec,
                field: "a number of channels",
                min: 1,
                max: 6,
                found: format.channels.into(),
            });
        }
        Ok(Self {
            object_type: LOW_COMPLEXITY,
            rate: format.rate,
            channels: format.channels,
        })
    }

    /// Encodes the configuration.
    ///
    /// | bits | field |
    /// |---|---|
    /// | 5 | object type |
    /// | 4 | index of the rate |
    /// | 24 | the rate, if its index is 15 |
    /// | 4 | channel configuration |
    /// | 3 | frame length 1024, no core coder, no extension |
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let index = Self::rate_index(self.rate);
        let channels = channel_configuration(self.channels).unwrap_or(0);
        let mut bits = u64::from(self.object_type) << 4 | u64::from(index);
        let mut bytes = 2;
        if index == RATE_FOLLOWS {
            bits = bits << 24 | u64::from(self.rate);
            bytes = 5;
        }
        bits = bits << 7 | u64::from(channels) << 3;
        let all = bits.to_be_bytes();
        all.last_chunk::<5>().map_or_else(Vec::new, |last| {
            last.iter().skip(5 - bytes).copied().collect()
        })
    }

    fn rate_index(rate: u32) -> u8 {
        (0..)
            .zip(RATES)
            .find(|(_, known)| *known == rate)
            .map_or(RATE_FOLLOWS, |(index, _)| index)
    }
}

/// The code for a number of channels (ISO/IEC 14496-3 table 1.19).
const fn channel_configuration(channels: u8) -> Option<u8> {
    match channels {
        1..=6 => Some(channels),
        8 => Some(7),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(rate: u32, channels: u8) -> AudioFormat {
        AudioFormat {
            codec: AudioCodec::Aac,
            rate,
            channels,
        }
    }

    #[test]
    fn encodes_audio_specific_configs() {
        let bytes = |rate, channels| {
            let config = AacConfig::low_complexity(format(rate, channels)).unwrap();
            config.to_bytes()
        };
        // As ffmpeg and every encoder write them.
        assert_eq!(bytes(48_000, 2), [0x11, 0x90]);
        assert_eq!(bytes(16_000, 1), [0x14, 0x08]);
        assert_eq!(bytes(8_000, 1), [0x15, 0x88]);
        // 00010 1111 000000000010011100010000 0001 000
        assert_eq!(bytes(10_000, 1), [0x17, 0x80, 0x13, 0x88, 0x08]);
        assert!(AacConfig::low_complexity(format(48_000, 7)).is_err());
    }

    #[test]
    fn parses_a_header_of_ffmpeg() {
        // 16 kHz, mono, 371 bytes.
        let header = [0xff, 0xf1, 0x60, 0x40, 0x2e, 0x7f, 0xfc];
        assert_eq!(
            AdtsHeader::parse(&header),
            Ok(AdtsHeader {
                object_type: 2,
                rate: 16_000,
                channels: 1,
                header_bytes: 7,
                frame_bytes: 371
            })
        );
        assert_eq!(AdtsHeader::write(format(16_000, 1), 364), Ok(header));
    }

    #[test]
    fn written_headers_parse_back() {
        for rate in RATES {
            for channels in [1, 2, 3, 4, 5, 6, 8] {
                for payload in [1, 7, 8, 255, 256, 2_040, 2_041, 4_096, 8_184] {
                    let bytes = AdtsHeader::write(format(rate, channels), payload).unwrap();
                    let header = AdtsHeader::parse(&bytes).unwrap();
                    assert_eq!((header.rate, header.channels), (rate, channels));
                    assert_eq!((header.object_type, header.header_bytes), (2, 7));
                    assert_eq!(header.frame_bytes, payload + 7);
                }
            }
        }
        assert!(AdtsHeader::write(format(16_000, 1), 8_185).is_err());
        assert!(AdtsHeader::write(format(10_000, 1), 100).is_err());
        assert!(AdtsHeader::write(format(16_000, 7), 100).is_err());
    }

    #[test]
    fn invalid_headers_are_refused() {
        let good = [0xff, 0xf1, 0x60, 0x40, 0x2e, 0x7f, 0xfc];
        let with = |at: usize, byte: u8| {
            let mut header = good;
            header[at] = byte;
            AdtsHeader::parse(&header).unwrap_err().to_string()
        };
        assert!(with(0, 0xfe).ends_with("expected a syncword (ff f.), found fe f1"));
        // An MP3 frame has the same syncword and another layer.
        assert!(with(1, 0xfb).ends_with("expected a syncword (ff f.), found ff fb"));
        assert!(with(2, 0x74).ends_with("expected a rate index of at most 12, found 13"));
        assert!(with(3, 0x00).ends_with("expected a channel configuration of 1 to 7, found 0"));
        assert!(with(4, 0x00).ends_with("expected a frame after its header, found 3 bytes"));
        assert!(with(6, 0xfd).ends_with("expected one raw data block in a frame, found 2"));
        let short = AdtsHeader::parse(&good[..6]).unwrap_err();
        assert!(
            short
                .to_string()
                .ends_with("a header of 7 bytes, found 6 bytes")
        );
    }

    #[test]
    fn stream_is_split_up_to_its_first_error() {
        let frame = |payload: &[u8]| {
            let header = AdtsHeader::write(format(8_000, 1), payload.len()).unwrap();
            [&header, payload].concat()
        };
        let mut stream = [frame(&[1, 2, 3]), frame(&[4])].concat();
        let payloads: Vec<_> = adts_frames(&stream)
            .map(|frame| frame.unwrap().payload())
            .collect();
        assert_eq!(payloads, [&[1, 2, 3][..], &[4]]);
        stream.pop();
        let items: Vec<_> = adts_frames(&stream).collect();
        assert_eq!(items.len(), 2);
        assert_eq!(
            items[1],
            Err(Error::Adts {
                at: 10,
                expected: "a whole frame",
                found: "7 of 8 bytes".into()
            })
        );
        assert_eq!(adts_frames(&[]).count(), 0);
    }
}
