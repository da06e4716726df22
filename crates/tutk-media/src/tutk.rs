//! The codecs of the TUTK protocol: feature `tutk`.

use tutk_frame::AudioFlags;

use crate::{AudioCodec, AudioFormat, Codec};

impl Codec {
    /// The video codec of a frame. `None` for an audio codec and for video that is neither H.264
    /// nor H.265.
    #[must_use]
    pub const fn from_tutk(codec: tutk_frame::Codec) -> Option<Self> {
        match codec {
            tutk_frame::Codec::H264 => Some(Self::H264),
            tutk_frame::Codec::H265 => Some(Self::H265),
            _ => None,
        }
    }

    /// The codec in the TUTK protocol.
    #[must_use]
    pub const fn to_tutk(self) -> tutk_frame::Codec {
        match self {
            Self::H264 => tutk_frame::Codec::H264,
            Self::H265 => tutk_frame::Codec::H265,
        }
    }
}

impl AudioCodec {
    /// The audio codec of a frame. `None` for a video codec and for an unknown one.
    #[must_use]
    pub const fn from_tutk(codec: tutk_frame::Codec) -> Option<Self> {
        Some(match codec {
            tutk_frame::Codec::AacRaw | tutk_frame::Codec::AacWyze => Self::Aac,
            tutk_frame::Codec::AacAdts => Self::AacAdts,
            tutk_frame::Codec::AacLatm => Self::AacLatm,
            tutk_frame::Codec::Pcmu => Self::Pcmu,
            tutk_frame::Codec::Pcma => Self::Pcma,
            tutk_frame::Codec::Adpcm => Self::Adpcm,
            tutk_frame::Codec::Pcm => Self::Pcm,
            tutk_frame::Codec::Speex => Self::Speex,
            tutk_frame::Codec::Mp3 => Self::Mp3,
            tutk_frame::Codec::G726 => Self::G726,
            tutk_frame::Codec::Opus => Self::Opus,
            _ => return None,
        })
    }

    /// The codec in the TUTK protocol.
    #[must_use]
    pub const fn to_tutk(self) -> tutk_frame::Codec {
        match self {
            Self::Aac => tutk_frame::Codec::AacRaw,
            Self::AacAdts => tutk_frame::Codec::AacAdts,
            Self::AacLatm => tutk_frame::Codec::AacLatm,
            Self::Pcmu => tutk_frame::Codec::Pcmu,
            Self::Pcma => tutk_frame::Codec::Pcma,
            Self::Adpcm => tutk_frame::Codec::Adpcm,
            Self::Pcm => tutk_frame::Codec::Pcm,
            Self::Speex => tutk_frame::Codec::Speex,
            Self::Mp3 => tutk_frame::Codec::Mp3,
            Self::G726 => tutk_frame::Codec::G726,
            Self::Opus => tutk_frame::Codec::Opus,
        }
    }
}

impl AudioFormat {
    /// The format of an audio frame. `None` if the camera does not state codec, rate and channels.
    #[must_use]
    pub fn from_tutk(codec: Option<tutk_frame::Codec>, flags: Option<AudioFlags>) -> Option<Self> {
        let flags = flags?;
        Some(Self {
            codec: AudioCodec::from_tutk(codec?)?,
            rate: flags.rate_hz()?,
            channels: flags.channels(),
        })
    }

    /// The codec and flags of audio frames in the TUTK protocol. `None` if the protocol has no code
    /// for the rate or the number of channels.
    #[must_use]
    pub fn to_tutk(self) -> Option<(tutk_frame::Codec, AudioFlags)> {
        let flags = AudioFlags::new(self.rate, 16, self.channels)?;
        Some((self.codec.to_tutk(), flags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_and_formats_convert_back() {
        for codec in AudioCodec::ALL {
            let format = AudioFormat {
                codec,
                rate: 16_000,
                channels: 2,
            };
            let (id, flags) = format.to_tutk().unwrap();
            assert_eq!(AudioFormat::from_tutk(Some(id), Some(flags)), Some(format));
            assert_eq!(Codec::from_tutk(id), None);
        }
        for codec in [Codec::H264, Codec::H265] {
            assert_eq!(Codec::from_tutk(codec.to_tutk()), Some(codec));
            assert_eq!(AudioCodec::from_tutk(codec.to_tutk()), None);
        }
        let wyze = tutk_frame::Codec::AacWyze;
        assert_eq!(AudioCodec::from_tutk(wyze), Some(AudioCodec::Aac));
        let odd = AudioFormat {
            codec: AudioCodec::Pcm,
            rate: 16_001,
            channels: 1,
        };
        assert_eq!(odd.to_tutk(), None);
        assert_eq!(AudioFormat::from_tutk(Some(wyze), None), None);
    }
}
