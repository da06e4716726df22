//! FLAC (RFC 9639) of PCM and G.711. Browsers play FLAC in MP4, but neither G.711 nor PCM.

mod bits;
mod subframe;

use crc::{CRC_8_SMBUS, CRC_16_UMTS, Crc};

use self::bits::BitWriter;
use crate::{AudioCodec, AudioConfig, AudioFormat, Error, g711};

/// The samples of one channel in the longest block that every decoder supports up to 48 kHz (RFC
/// 9639 section 7, streamable subset).
pub const MAX_FLAC_BLOCK: usize = 4_608;

/// The samples of one channel in the shortest block, except for the last (RFC 9639 section 9.1.1).
/// Shorter audio frames are refused.
pub const MIN_FLAC_BLOCK: usize = 16;

/// The size of STREAMINFO in bytes (RFC 9639 section 8.2).
pub const STREAM_INFO_BYTES: usize = 34;

/// Bits per sample.
const SAMPLE_BITS: u8 = 16;

/// The generators of sections 9.1.8 and 9.3: x^8 + x^2 + x + 1, x^16 + x^15 + x^2 + 1.
const HEADER_CRC: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);
const FRAME_CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_UMTS);

/// Encodes frames of PCM, PCMU and PCMA as FLAC. Decoding restores the (decoded) samples bit for
/// bit.
///
/// Every block uses the best of the fixed predictors of RFC 9639 with Rice codes, or is stored
/// verbatim. Linear prediction would save a few per cent more for many times the work.
///
/// - blocks: as long as the camera's frames; frames longer than [`MAX_FLAC_BLOCK`] are split
///   evenly. Numbered by samples, because sizes differ
/// - channels: independent
/// - samples: 16 bits; trailing zeros common to a block are removed ("wasted bits": G.711 has two
///   or three)
///
/// ```
/// use tutk_media::{AudioCodec, AudioFormat, FlacEncoder};
///
/// let format = AudioFormat { codec: AudioCodec::Pcmu, rate: 8_000, channels: 1 };
/// let mut encoder = FlacEncoder::new(format)?;
/// // A file: the marker, STREAMINFO as the only metadata block, and frames.
/// let mut file = b"fLaC\x80\0\0\x22".to_vec();
/// file.extend(encoder.stream_info());
/// for frame in encoder.encode(&[0xff; 160])? {
///     assert_eq!((frame.samples, frame.data.len()), (160, 13));
///     file.extend(frame.data);
/// }
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FlacEncoder {
    format: AudioFormat,
    /// The samples of one channel encoded so far.
    samples: u64,
    /// The samples of a block, channel by channel. Kept to save allocations.
    block: Vec<i32>,
}

/// A FLAC frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlacFrame {
    /// The bytes.
    pub data: Vec<u8>,
    /// The samples of one channel.
    pub samples: u32,
}

impl FlacEncoder {
    /// Starts a stream with input of this format.
    ///
    /// # Errors
    ///
    /// [`Error::FlacSource`] for codecs other than PCM, PCMU and PCMA; [`Error::AudioFormat`].
    pub fn new(format: AudioFormat) -> Result<Self, Error> {
        let codec = format.codec;
        if codec.sample_bytes().is_none() {
            return Err(Error::FlacSource { codec });
        }
        Ok(Self {
            format: format.check()?,
            samples: 0,
            block: Vec::new(),
        })
    }

    /// Encodes STREAMINFO without its metadata block header (RFC 9639 section 8.2). Frame sizes,
    /// length and checksum are unknown.
    #[must_use]
    pub fn stream_info(&self) -> [u8; STREAM_INFO_BYTES] {
        let mut info = [0; STREAM_INFO_BYTES];
        let fixed = u64::from(self.format.rate) << 44
            | u64::from(self.format.channels - 1) << 41
            | u64::from(SAMPLE_BITS - 1) << 36;
        let block = |samples: usize| u16::try_from(samples).unwrap_or(u16::MAX).to_be_bytes();
        let parts = [
            &block(MIN_FLAC_BLOCK)[..],
            &block(MAX_FLAC_BLOCK),
            &[0; 6],
            &fixed.to_be_bytes(),
        ];
        for (to, from) in info.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        info
    }

    /// Encodes an audio frame as one FLAC frame, or as several if it is longer than
    /// [`MAX_FLAC_BLOCK`].
    ///
    /// # Errors
    ///
    /// [`Error::AudioFrame`] for incomplete samples or fewer than [`MIN_FLAC_BLOCK`].
    pub fn encode(&mut self, frame: &[u8]) -> Result<impl Iterator<Item = FlacFrame>, Error> {
        let (_, read) = AudioConfig::read(self.format, frame)?;
        check(self.format.codec, read.ticks)?;
        Ok(self.blocks(frame))
    }

    /// Encodes a frame that is already checked.
    pub(crate) fn blocks(&mut self, frame: &[u8]) -> impl Iterator<Item = FlacFrame> {
        let sample = self.format.codec.sample_bytes().unwrap_or(1);
        let all = sample * usize::from(self.format.channels);
        let samples = frame.len() / all;
        let blocks = samples.div_ceil(MAX_FLAC_BLOCK).max(1);
        // Evenly, so that none is too short.
        let bytes = samples.div_ceil(blocks).max(1) * all;
        frame.chunks(bytes).map(|block| self.block(block))
    }

    fn block(&mut self, bytes: &[u8]) -> FlacFrame {
        self.block.clear();
        let channels = usize::from(self.format.channels);
        let codec = self.format.codec;
        for channel in 0..channels {
            let samples: &mut dyn Iterator<Item = i16> = match codec {
                AudioCodec::Pcmu => &mut bytes.iter().map(|byte| g711::decode_pcmu(*byte)),
                AudioCodec::Pcma => &mut bytes.iter().map(|byte| g711::decode_pcma(*byte)),
                _ => &mut bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|bytes| i16::from_le_bytes(*bytes)),
            };
            let own = samples.skip(channel).step_by(channels);
            self.block.extend(own.map(i32::from));
        }
        let samples = self.block.len() / channels;
        // At most the size of the samples and of the headers: 16 bytes, and 2 for each channel.
        let mut data = Vec::with_capacity(self.block.len() * 2 + 32);
        self.header(&mut data, samples);
        let mut bits = BitWriter::new(&mut data);
        for channel in self.block.chunks_mut(samples.max(1)) {
            subframe::write(&mut bits, channel, SAMPLE_BITS);
        }
        bits.align();
        data.extend(FRAME_CRC.checksum(&data).to_be_bytes());
        self.samples += samples as u64;
        FlacFrame {
            data,
            // No more than `MAX_FLAC_BLOCK`.
            samples: u32::try_from(samples).unwrap_or(u32::MAX),
        }
    }

    /// Writes a frame header (RFC 9639 section 9.1).
    fn header(&self, data: &mut Vec<u8>, samples: usize) {
        let AudioFormat { rate, channels, .. } = self.format;
        let rate_code = match rate {
            8_000 => 4,
            16_000 => 5,
            22_050 => 6,
            24_000 => 7,
            32_000 => 8,
            44_100 => 9,
            48_000 => 10,
            // In hertz, after the block size.
            _ => 13,
        };
        // Sync code of variable block sizes; a 16-bit block size after the number; independent
        // channels; 16 bits per sample.
        data.extend([0xff, 0xf9, 0x70 | rate_code, (channels - 1) << 4 | 0x08]);
        push_number(data, self.samples);
        let size = u16::try_from(samples - 1).unwrap_or(u16::MAX);
        data.extend(size.to_be_bytes());
        if rate_code == 13 {
            // Every supported rate has 16 bits.
            data.extend(u16::try_from(rate).unwrap_or(u16::MAX).to_be_bytes());
        }
        data.push(HEADER_CRC.checksum(data));
    }
}

/// Checks that a frame has enough samples for a block.
pub(crate) fn check(codec: AudioCodec, samples: u32) -> Result<(), Error> {
    if usize::try_from(samples).unwrap_or(usize::MAX) < MIN_FLAC_BLOCK {
        return Err(Error::AudioFrame {
            codec,
            expected: "at least 16 samples, the shortest FLAC block",
            found: samples.to_string(),
        });
    }
    Ok(())
}

/// Appends a number of up to 36 bits, coded like UTF-8 (RFC 9639 section 9.1.5). It wraps after 16
/// days at 48 kHz.
fn push_number(data: &mut Vec<u8>, number: u64) {
    let number = number & ((1 << 36) - 1);
    // The number of bytes after the first one.
    let more = match 64 - number.leading_zeros() {
        0..=7 => 0,
        // Each of them takes 6 bits, and one bit of the first byte.
        bits => (bits - 2) / 5,
    };
    let byte = |value: u64| value.to_be_bytes()[7];
    if more == 0 {
        data.push(byte(number));
        return;
    }
    // As many ones as bytes.
    let ones = !(0x7f_u8 >> more);
    data.push(ones | byte(number >> (6 * more)));
    for at in (0..more).rev() {
        data.push(0x80 | byte(number >> (6 * at)) & 0x3f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_coded_like_utf_8() {
        let coded = |number| {
            let mut data = Vec::new();
            push_number(&mut data, number);
            data
        };
        for letter in [
            'A',
            '\u{7f}',
            '\u{80}',
            '\u{7ff}',
            '\u{800}',
            '\u{ffff}',
            '\u{10000}',
        ] {
            let mut utf8 = [0; 4];
            let utf8 = letter.encode_utf8(&mut utf8).as_bytes();
            assert_eq!(coded(u32::from(letter).into()), utf8, "{letter:?}");
        }
        // Beyond the range of UTF-8 (RFC 9639 section 9.1.5).
        assert_eq!(coded(0x1f_ffff), [0xf7, 0xbf, 0xbf, 0xbf]);
        assert_eq!(coded(0x20_0000), [0xf8, 0x88, 0x80, 0x80, 0x80]);
        assert_eq!(coded(0x7fff_ffff), [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
        assert_eq!(
            coded(0x8000_0000),
            [0xfe, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80]
        );
        assert_eq!(
            coded((1 << 36) - 1),
            [0xfe, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]
        );
        assert_eq!(coded(1 << 36), [0]);
    }

    #[test]
    fn invalid_input_is_refused() {
        let format = |codec| AudioFormat {
            codec,
            rate: 8_000,
            channels: 2,
        };
        let error = FlacEncoder::new(format(AudioCodec::AacAdts)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected PCM, PCMU or PCMA to encode as FLAC, found AAC (ADTS)"
        );
        let mut encoder = FlacEncoder::new(format(AudioCodec::Pcm)).unwrap();
        assert!(encoder.encode(&[0; 63]).is_err() && encoder.encode(&[0; 60]).is_err());
        assert_eq!(encoder.encode(&[0; 64]).unwrap().count(), 1);
    }
}
