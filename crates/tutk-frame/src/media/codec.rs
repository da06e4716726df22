//! What media is: the kind of a frame, its codec, and the format of audio.

/// The kind of a frame, as byte 0 of a media packet and of its slice header say (wire.md
/// sections 8 and 10).
///
/// | kind | code | sent again | summary's magic |
/// |---|---|---|---|
/// | audio | 3 | 4 | `05 01` |
/// | key | 5 | 6 | `05 08` |
/// | delta | 7 | 8 | `05 00` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MediaKind {
    /// Audio.
    Audio,
    /// A video frame that needs no other.
    Key,
    /// A video frame that builds on the one before.
    Delta,
}

/// The codec of a frame (wire.md section 10), or of its summary header.
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
    /// Any other id. Made by [`Codec::from`] only for ids that have no name here.
    Unknown(u16),
}

/// The flags byte of an audio frame's info (wire.md section 10).
///
/// | bits | what |
/// |---|---|
/// | 2..6 | index of the sample rate: 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000 Hz |
/// | 1 | 1: 16 bits a sample, 0: 8 bits |
/// | 0 | 1: stereo, 0: mono |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AudioFlags(pub u8);

/// Sample rates by index, in Hz.
const RATES: [u32; 9] = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000];

impl MediaKind {
    /// The byte for this kind: 3, 5, 7, or 4, 6, 8 when sent again.
    #[must_use]
    pub fn code(self, resent: bool) -> u8 {
        let first = match self {
            Self::Audio => 3,
            Self::Key => 5,
            Self::Delta => 7,
        };
        first + u8::from(resent)
    }

    /// The kind that a byte stands for, and whether it is sent again.
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

    /// Whether this is a video frame.
    #[must_use]
    pub fn is_video(self) -> bool {
        self != Self::Audio
    }
}

impl Codec {
    /// The id in the frame info.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::Mpeg4 => 0x4c,
            Self::H263 => 0x4d,
            Self::H264 => 0x4e,
            Self::Mjpeg => 0x4f,
            Self::H265 => 0x50,
            Self::AacRaw => 0x86,
            Self::AacAdts => 0x87,
            Self::AacLatm => 0x88,
            Self::Pcmu => 0x89,
            Self::Pcma => 0x8a,
            Self::Adpcm => 0x8b,
            Self::Pcm => 0x8c,
            Self::Speex => 0x8d,
            Self::Mp3 => 0x8e,
            Self::G726 => 0x8f,
            Self::AacWyze => 0x90,
            Self::Opus => 0x92,
            Self::Unknown(id) => id,
        }
    }

    /// Whether this is a video codec with a name here.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(
            self,
            Self::Mpeg4 | Self::H263 | Self::H264 | Self::Mjpeg | Self::H265
        )
    }

    /// Whether this is an audio codec with a name here.
    #[must_use]
    pub fn is_audio(self) -> bool {
        !self.is_video() && !matches!(self, Self::Unknown(_))
    }
}

impl AudioFlags {
    /// The flags for a format: rate in Hz, bits a sample (8 or 16), channels (1 or 2). `None` when
    /// the byte cannot say it.
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

    /// The sample rate in Hz; `None` for an index that stands for none.
    #[must_use]
    pub fn rate_hz(self) -> Option<u32> {
        RATES.get(usize::from(self.0 >> 2)).copied()
    }

    /// Bits a sample: 8 or 16.
    #[must_use]
    pub fn bits(self) -> u8 {
        if self.0 & 2 == 0 { 8 } else { 16 }
    }

    /// Channels: 1 or 2.
    #[must_use]
    pub fn channels(self) -> u8 {
        1 + (self.0 & 1)
    }
}

impl From<u16> for Codec {
    fn from(id: u16) -> Self {
        match id {
            0x4c => Self::Mpeg4,
            0x4d => Self::H263,
            0x4e => Self::H264,
            0x4f => Self::Mjpeg,
            0x50 => Self::H265,
            0x86 => Self::AacRaw,
            0x87 => Self::AacAdts,
            0x88 => Self::AacLatm,
            0x89 => Self::Pcmu,
            0x8a => Self::Pcma,
            0x8b => Self::Adpcm,
            0x8c => Self::Pcm,
            0x8d => Self::Speex,
            0x8e => Self::Mp3,
            0x8f => Self::G726,
            0x90 => Self::AacWyze,
            0x92 => Self::Opus,
            id => Self::Unknown(id),
        }
    }
}

/// By its id, so that no `Unknown` hides a name.
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
    fn every_id_is_its_own() {
        for id in 0..=u16::MAX {
            assert_eq!(Codec::from(id).id(), id);
        }
    }

    #[test]
    fn audio_formats() {
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
