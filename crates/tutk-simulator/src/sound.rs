//! What a simulated camera is heard to say: encoded sound, in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec};

/// Encoded sound that a [`Camera`](crate::Simulator) sends beside its [`Clip`](crate::Clip), over
/// and over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    frames: Arc<[Bytes]>,
    format: SoundFormat,
    rate: u32,
    frame_samples: u32,
}

/// Codec, rate and channels of sound, as frames of audio say them (wire.md section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SoundFormat {
    /// How the frames are encoded.
    pub codec: Codec,
    /// Rate, bits a sample and channels.
    pub flags: AudioFlags,
}

/// Frames that make no sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SoundError {
    /// There is no frame at all.
    #[error("sound needs at least one frame")]
    Empty,
    /// A frame is empty, or longer than one packet carries.
    #[error(
        "frame {index} of the sound has {len} bytes; 1 to {} are possible",
        Sound::MAX_FRAME
    )]
    FrameLength {
        /// Which frame, from 0.
        index: usize,
        /// Its bytes.
        len: usize,
    },
    /// The codec is none of audio.
    #[error("{0:?} is no codec of audio")]
    Codec(Codec),
    /// The flags name no rate.
    #[error("the audio flags {:#04x} name no rate", .0.0)]
    Rate(AudioFlags),
    /// A frame of no samples lasts no time.
    #[error("a frame of sound has at least one sample")]
    Samples,
}

impl Sound {
    /// The longest frame that is taken, bytes: audio is one packet a frame (wire.md section 10).
    pub const MAX_FRAME: usize = 984;

    /// Sound of these frames, each of `frame_samples` samples of one channel.
    ///
    /// # Errors
    /// [`SoundError`] says what is wrong with them.
    pub fn new(
        frames: impl IntoIterator<Item = Bytes>,
        format: SoundFormat,
        frame_samples: u32,
    ) -> Result<Self, SoundError> {
        let frames: Arc<[Bytes]> = frames.into_iter().collect();
        if frames.is_empty() {
            return Err(SoundError::Empty);
        }
        for (index, frame) in frames.iter().enumerate() {
            let len = frame.len();
            if len == 0 || len > Self::MAX_FRAME {
                return Err(SoundError::FrameLength { index, len });
            }
        }
        if !format.codec.is_audio() {
            return Err(SoundError::Codec(format.codec));
        }
        if frame_samples == 0 {
            return Err(SoundError::Samples);
        }
        let rate = format.flags.rate_hz();
        Ok(Self {
            frames,
            format,
            rate: rate.ok_or(SoundError::Rate(format.flags))?,
            frame_samples,
        })
    }

    /// Codec, rate and channels.
    #[must_use]
    pub fn format(&self) -> SoundFormat {
        self.format
    }

    /// The frames of one round.
    #[must_use]
    pub fn frames(&self) -> &[Bytes] {
        &self.frames
    }

    /// Samples of one channel in each frame.
    #[must_use]
    pub fn frame_samples(&self) -> u32 {
        self.frame_samples
    }

    /// Frame `number` of the endless sound, from 0.
    pub(crate) fn frame(&self, number: u64) -> Option<&Bytes> {
        let round = u64::try_from(self.frames.len()).ok()?;
        let index = usize::try_from(number.checked_rem(round)?).ok()?;
        self.frames.get(index)
    }

    /// When frame `number` is due, from the start of the sound: when its first sample is heard.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let samples = u128::from(number) * u128::from(self.frame_samples);
        let nanos = samples * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(codec: Codec) -> SoundFormat {
        SoundFormat {
            codec,
            flags: AudioFlags::new(8_000, 16, 1).unwrap(),
        }
    }

    #[test]
    fn what_makes_no_sound_is_named() {
        let frame = |len: usize| Bytes::from(vec![1; len]);
        let new = |frames: Vec<Bytes>, codec, samples| Sound::new(frames, format(codec), samples);
        assert_eq!(new(vec![], Codec::Pcmu, 1), Err(SoundError::Empty));
        for len in [0, Sound::MAX_FRAME + 1] {
            let error = new(vec![frame(1), frame(len)], Codec::Pcmu, 1).unwrap_err();
            assert_eq!(error, SoundError::FrameLength { index: 1, len });
        }
        let error = new(vec![frame(1)], Codec::H264, 1).unwrap_err();
        assert_eq!(error, SoundError::Codec(Codec::H264));
        assert_eq!(
            new(vec![frame(1)], Codec::Pcmu, 0),
            Err(SoundError::Samples)
        );
        let no_rate = SoundFormat {
            flags: AudioFlags(0xfc),
            ..format(Codec::Pcmu)
        };
        let error = Sound::new([frame(1)], no_rate, 1).unwrap_err();
        assert_eq!(error.to_string(), "the audio flags 0xfc name no rate");
    }

    #[test]
    fn it_begins_again_and_its_time_goes_on() {
        let frames = (1..=3).map(|byte| Bytes::from(vec![byte; 160]));
        let sound = Sound::new(frames, format(Codec::Pcmu), 160).unwrap();
        assert_eq!(sound.frame(4).unwrap()[0], 2);
        assert_eq!(sound.due(4), Duration::from_millis(80));
    }
}
