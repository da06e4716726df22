//! The kind of a frame, its codec, and the format of audio.

/// The kind of a frame (docs/protocol.md, section 15).
///
/// Byte 0 of a media packet and of its slice header is the code.
///
/// | kind | code | retransmitted | fragment's magic |
/// |---|---|---|---|
/// | audio | 3 | 4 | `05 01` |
/// | key | 5 | 6 | `05 08` |
/// | delta | 7 | 8 | `05 00` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum MediaKind {
    /// Audio.
    Audio,
    /// A key frame.
    Key,
    /// A video frame that depends on the frames before it.
    Delta,
}

/// The codec of a frame (docs/protocol.md, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// 0x4c, MPEG-4 part 2.
    Mpeg4,
    /// 0x4d, H.263.
    H263,
    /// 0x4e, H.264, Annex B.
    H264,
    /// 0x4f, motion JPEG.
    Mjpeg,
    /// 0x50, H.265, Annex B.
    H265,
    /// 0x86, AAC without a header.
    AacRaw,
    /// 0x87, AAC with ADTS headers.
    AacAdts,
    /// 0x88, AAC in LATM.
    AacLatm,
    /// 0x89, G.711 µ-law.
    Pcmu,
    /// 0x8a, G.711 A-law.
    Pcma,
    /// 0x8b, ADPCM.
    Adpcm,
    /// 0x8c, PCM, 16 bits.
    Pcm,
    /// 0x8d, Speex.
    Speex,
    /// 0x8e, MP3.
    Mp3,
    /// 0x8f, G.726.
    G726,
    /// 0x90, AAC as Wyze cameras send it.
    AacWyze,
    /// 0x92, Opus.
    Opus,
    /// Any other id. [`Codec::from`] returns it only for ids without a variant.
    Unknown(u16),
}

/// The flags of an audio frame's info (docs/protocol.md, section 15).
///
/// | bits | content |
/// |---|---|
/// | 2..6 | index of the rate: 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 Hz |
/// | 1 | 1: 16 bits per sample, 0: 8 bits |
/// | 0 | 1: stereo, 0: mono |
///
/// ```
/// use tutk_frame::AudioFlags;
///
/// let flags = AudioFlags::new(16_000, 16, 1).ok_or("no such format")?;
/// assert_eq!((flags.rate_hz(), flags.bits(), flags.channels()), (Some(16_000), 16, 1));
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AudioFlags(pub u8);

/// The known codecs by id.
const CODECS: [(u16, Codec); 17] = [
    (0x4c, Codec::Mpeg4),
    (0x4d, Codec::H263),
    (0x4e, Codec::H264),
    (0x4f, Codec::Mjpeg),
    (0x50, Codec::H265),
    (0x86, Codec::AacRaw),
    (0x87, Codec::AacAdts),
    (0x88, Codec::AacLatm),
    (0x89, Codec::Pcmu),
    (0x8a, Codec::Pcma),
    (0x8b, Codec::Adpcm),
    (0x8c, Codec::Pcm),
    (0x8d, Codec::Speex),
    (0x8e, Codec::Mp3),
    (0x8f, Codec::G726),
    (0x90, Codec::AacWyze),
    (0x92, Codec::Opus),
];

/// Sample rates by index, in Hz.
const RATES: [u32; 9] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];

impl MediaKind {
    /// Returns the code: 3, 5 or 7, and 4, 6 or 8 for a retransmission.
    #[must_use]
    pub fn code(self, resent: bool) -> u8 {
        let first = match self {
            Self::Audio => 3,
            Self::Key => 5,
            Self::Delta => 7,
        };
        first + u8::from(resent)
    }

    /// Returns the kind of a code, and `true` for a retransmission.
    #[must_use]
    pub fn from_code(code: u8) -> Option<(Self, bool)> {
        match code {
            3 => Some((Self::Audio, false)),
            4 => Some((Self::Audio, true)),
            5 => Some((Self::Key, false)),
            6 => Some((Self::Key, true)),
            7 => Some((Self::Delta, false)),
            8 => Some((Self::Delta, true)),
            _ => None,
        }
    }

    /// Returns `true` for key and delta frames.
    #[must_use]
    pub fn is_video(self) -> bool {
        self != Self::Audio
    }
}

impl Codec {
    /// Returns the id in the frame info.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::Unknown(id) => id,
            known => CODECS
                .iter()
                .find(|(_, codec)| *codec == known)
                .map_or(0, |(id, _)| *id),
        }
    }

    /// Returns `true` for a known video codec.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(
            self,
            Self::Mpeg4 | Self::H263 | Self::H264 | Self::Mjpeg | Self::H265
        )
    }

    /// Returns `true` for a known audio codec.
    #[must_use]
    pub fn is_audio(self) -> bool {
        !self.is_video() && !matches!(self, Self::Unknown(_))
    }
}

impl AudioFlags {
    /// Makes the flags of a format: rate in Hz, bits per sample (8 or 16), channels (1 or 2).
    /// Returns `None` if the flags cannot express it.
    #[must_use]
    pub fn new(rate_hz: u32, bits: u8, channels: u8) -> Option<Self> {
        let index = RATES.iter().position(|&r| r == rate_hz)?;
        let wide = match bits {
            8 => 0,
            16 => 2,
            _ => return None,
        };
        let stereo = match channels {
            1 => 0,
            2 => 1,
            _ => return None,
        };
        Some(Self(u8::try_from(index).ok()? << 2 | wide | stereo))
    }

    /// Returns the sample rate in Hz, or `None` for an unknown index.
    #[must_use]
    pub fn rate_hz(self) -> Option<u32> {
        RATES.get(usize::from(self.0 >> 2)).copied()
    }

    /// Returns the bits per sample: 8 or 16.
    #[must_use]
    pub fn bits(self) -> u8 {
        if self.0 & 2 == 0 { 8 } else { 16 }
    }

    /// Returns the number of channels: 1 or 2.
    #[must_use]
    pub fn channels(self) -> u8 {
        1 + (self.0 & 1)
    }
}

impl From<u16> for Codec {
    fn from(id: u16) -> Self {
        let known = CODECS.iter().find(|(known, _)| *known == id);
        known.map_or(Self::Unknown(id), |(_, codec)| *codec)
    }
}

/// Generates an id, so that `Unknown` never holds the id of another variant.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Codec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::from(u16::from(u.arbitrary::<u8>()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_survives_conversion() {
        for id in 0..=u16::MAX {
            assert_eq!(Codec::from(id).id(), id);
        }
    }

    #[test]
    fn audio_flags_encode_rate_bits_and_channels() {
        // 16 kHz, 16 bits, mono: index 3.
        assert_eq!(AudioFlags::new(16000, 16, 1), Some(AudioFlags(0b1110)));
        for &rate in &RATES {
            for bits in [8, 16] {
                for channels in [1, 2] {
                    let flags = AudioFlags::new(rate, bits, channels).unwrap();
                    assert_eq!(flags.rate_hz(), Some(rate));
                    assert_eq!((flags.bits(), flags.channels()), (bits, channels));
                }
            }
        }
        assert_eq!(AudioFlags::new(16001, 16, 1), None);
        assert_eq!(AudioFlags(9 << 2).rate_hz(), None);
    }
}
