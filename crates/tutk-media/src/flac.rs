//! FLAC (RFC 9639) of what cameras send uncompressed: browsers play neither G.711 nor PCM out of MP4, and this
//! they all do.

mod bits;
mod subframe;

use crc::{CRC_8_SMBUS, CRC_16_UMTS, Crc};

use self::bits::BitWriter;
use crate::{AudioCodec, AudioConfig, AudioFormat, Error, g711};

/// Samples of one channel in the longest block that every decoder takes up to 48 kHz (section 7, streamable subset).
pub const MAX_FLAC_BLOCK: usize = 4_608;

/// Samples of one channel in the shortest block but for the last one (section 9.1.1). A shorter frame of sound is
/// refused.
pub const MIN_FLAC_BLOCK: usize = 16;

/// Bytes of STREAMINFO (section 8.2).
pub const STREAM_INFO_BYTES: usize = 34;

/// Bits of a sample.
const SAMPLE_BITS: u8 = 16;

/// The generators of sections 9.1.8 and 9.3: x^8 + x^2 + x + 1, x^16 + x^15 + x^2 + 1.
const HEADER_CRC: Crc<u8> = Crc::<u8>::new(&CRC_8_SMBUS);
const FRAME_CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_UMTS);

/// Makes PCM, PCMU and PCMA into FLAC, each frame for itself: what comes out of a decoder are the samples, bit for
/// bit (those that G.711 stands for).
///
/// Every block is coded by the best of RFC 9639's fixed predictors with Rice codes, or as it is. That is what there
/// is to gain of sound in G.711: linear prediction makes it smaller by some per cent, at many times the work.
///
/// | part | how |
/// |---|---|
/// | blocks | as long as the camera's frames; those beyond [`MAX_FLAC_BLOCK`] are cut evenly. Numbered by samples, as their sizes may differ |
/// | channels | each for itself |
/// | samples | 16 bits; zeros that all of a block end in are taken off ("wasted bits": G.711 has two or three) |
///
/// ```
/// use tutk_media::{AudioCodec, AudioFormat, FlacEncoder};
///
/// let format = AudioFormat { codec: AudioCodec::Pcmu, rate: 8_000, channels: 1 };
/// let mut encoder = FlacEncoder::new(format)?;
/// // A file of its own: the marker, STREAMINFO as the only block of metadata, and frames.
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
    /// Samples of one channel encoded so far.
    samples: u64,
    /// The block's samples of one channel after the other: kept, so that a frame allocates nothing but what it is.
    block: Vec<i32>,
}

/// One frame of FLAC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlacFrame {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Samples of one channel in it.
    pub samples: u32,
}

impl FlacEncoder {
    /// Begins a stream of sound that comes in this format.
    ///
    /// # Errors
    ///
    /// [`Error::FlacSource`] for another codec than PCM, PCMU and PCMA; [`Error::AudioFormat`].
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

    /// STREAMINFO, without the header of its metadata block (section 8.2). Frame sizes, length and checksum are
    /// "not known": the stream has no end.
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

    /// Encodes a frame of sound as it came: in one frame, or in several where it is longer than
    /// [`MAX_FLAC_BLOCK`].
    ///
    /// # Errors
    ///
    /// [`Error::AudioFrame`] where it has not whole samples of every channel, or fewer than [`MIN_FLAC_BLOCK`].
    pub fn encode(&mut self, frame: &[u8]) -> Result<impl Iterator<Item = FlacFrame>, Error> {
        let (_, read) = AudioConfig::read(self.format, frame)?;
        check(self.format.codec, read.ticks)?;
        Ok(self.blocks(frame))
    }

    /// As [`encode`](Self::encode), of a frame that was read and checked.
    pub(crate) fn blocks(&mut self, frame: &[u8]) -> impl Iterator<Item = FlacFrame> {
        let sample = self.format.codec.sample_bytes().unwrap_or(1);
        let all = sample * usize::from(self.format.channels);
        let samples = frame.len() / all;
        let blocks = samples.div_ceil(MAX_FLAC_BLOCK).max(1);
        // As even as may be, so that none is too short.
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
        // Never larger than what came but for headers, which have 16 bytes and 2 for each channel at most.
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

    /// Section 9.1.
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
            // In hertz, behind the block size.
            _ => 13,
        };
        // Sync code with blocks of different sizes; the block size is 16 bits behind the number; channels one by
        // one; 16 bits a sample.
        data.extend([0xff, 0xf9, 0x70 | rate_code, (channels - 1) << 4 | 0x08]);
        push_number(data, self.samples);
        let size = u16::try_from(samples - 1).unwrap_or(u16::MAX);
        data.extend(size.to_be_bytes());
        if rate_code == 13 {
            // All rates that are taken have 16 bits.
            data.extend(u16::try_from(rate).unwrap_or(u16::MAX).to_be_bytes());
        }
        data.push(HEADER_CRC.checksum(data));
    }
}

/// Whether a frame of so many samples makes a block.
pub(crate) fn check(codec: AudioCodec, samples: u32) -> Result<(), Error> {
    if usize::try_from(samples).unwrap_or(usize::MAX) < MIN_FLAC_BLOCK {
        return Err(Error::AudioFrame {
            codec,
            expected: "16 samples or more, which FLAC has in a block",
            found: samples.to_string(),
        });
    }
    Ok(())
}

/// A number of up to 36 bits, coded like UTF-8 (section 9.1.5). It begins anew after that, after 16 days at 48 kHz.
fn push_number(data: &mut Vec<u8>, number: u64) {
    let number = number & ((1 << 36) - 1);
    // How many bytes follow the first one.
    let more = match 64 - number.leading_zeros() {
        0..=7 => 0,
        // Each byte that follows takes 6 bits, and one of the first byte's.
        bits => (bits - 2) / 5,
    };
    let byte = |value: u64| value.to_be_bytes()[7];
    if more == 0 {
        data.push(byte(number));
        return;
    }
    // As many ones as there are bytes.
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
        // Beyond what UTF-8 has today (section 9.1.5's table).
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
    fn what_is_not_samples_is_refused() {
        let format = |codec| AudioFormat {
            codec,
            rate: 8_000,
            channels: 2,
        };
        let error = FlacEncoder::new(format(AudioCodec::AacAdts)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected PCM, PCMU or PCMA to make FLAC of, found AAC (ADTS)"
        );
        let mut encoder = FlacEncoder::new(format(AudioCodec::Pcm)).unwrap();
        assert!(encoder.encode(&[0; 63]).is_err() && encoder.encode(&[0; 60]).is_err());
        assert_eq!(encoder.encode(&[0; 64]).unwrap().count(), 1);
    }
}
