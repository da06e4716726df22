//! The audio of a simulated camera: encoded frames in memory.

use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec};

/// Encoded audio that a [`Simulator`](crate::Simulator) repeats endlessly, beside its
/// [`Clip`](crate::Clip).
///
/// ```
/// use tutk_simulator::tutk_session::{AudioFlags, Codec};
/// use tutk_simulator::{ClipAudio, ClipAudioFormat};
///
/// let flags = AudioFlags::new(8_000, 16, 1).ok_or("no such format")?;
/// let format = ClipAudioFormat { codec: Codec::Pcmu, flags };
/// // 20 ms of silence.
/// let audio = ClipAudio::new([vec![0xff; 160].into()], format, 160)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipAudio {
    frames: Arc<[Bytes]>,
    format: ClipAudioFormat,
    rate: u32,
    frame_samples: u32,
}

/// Codec, sample rate, sample width and channels, as audio frames carry them (docs/protocol.md,
/// section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClipAudioFormat {
    /// The codec of the frames.
    pub codec: Codec,
    /// Sample rate, sample width and channels.
    pub flags: AudioFlags,
}

/// Why frames do not make an [`ClipAudio`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipAudioError {
    /// There is no frame.
    #[error("an audio clip needs at least one frame")]
    Empty,
    /// A frame is empty, or longer than [`ClipAudio::MAX_FRAME`].
    #[error(
        "audio frame {index} has {len} bytes; 1 to {} are possible",
        ClipAudio::MAX_FRAME
    )]
    FrameLength {
        /// The index of the frame, from 0.
        index: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// The codec is not an audio codec.
    #[error("{0:?} is not an audio codec")]
    Codec(Codec),
    /// The sample rate of the flags is not known.
    #[error("the audio flags {:#04x} have no known sample rate", .0.0)]
    Rate(AudioFlags),
    /// The frames have no samples.
    #[error("an audio frame needs at least one sample")]
    Samples,
}

impl ClipAudio {
    /// The length of the longest frame in bytes. An audio frame is one packet (docs/protocol.md,
    /// section 15).
    pub const MAX_FRAME: usize = 984;

    /// Audio of these frames, each with `frame_samples` samples per channel.
    ///
    /// # Errors
    /// [`ClipAudioError`].
    pub fn new(
        frames: impl IntoIterator<Item = Bytes>,
        format: ClipAudioFormat,
        frame_samples: u32,
    ) -> Result<Self, ClipAudioError> {
        let frames: Arc<[Bytes]> = frames.into_iter().collect();
        if frames.is_empty() {
            return Err(ClipAudioError::Empty);
        }
        for (index, frame) in frames.iter().enumerate() {
            let len = frame.len();
            if len == 0 || len > Self::MAX_FRAME {
                return Err(ClipAudioError::FrameLength { index, len });
            }
        }
        if !format.codec.is_audio() {
            return Err(ClipAudioError::Codec(format.codec));
        }
        if frame_samples == 0 {
            return Err(ClipAudioError::Samples);
        }
        let rate = format.flags.rate_hz();
        Ok(Self {
            frames,
            format,
            rate: rate.ok_or(ClipAudioError::Rate(format.flags))?,
            frame_samples,
        })
    }

    /// Returns the format of the frames.
    #[must_use]
    pub fn format(&self) -> ClipAudioFormat {
        self.format
    }

    /// Returns the frames of one repetition.
    #[must_use]
    pub fn frames(&self) -> &[Bytes] {
        &self.frames
    }

    /// Returns the number of samples per channel in each frame.
    #[must_use]
    pub fn frame_samples(&self) -> u32 {
        self.frame_samples
    }

    /// Returns frame `number` of the endless stream, from 0.
    pub(crate) fn frame(&self, number: u64) -> Option<&Bytes> {
        let count = u64::try_from(self.frames.len()).ok()?;
        let index = usize::try_from(number.checked_rem(count)?).ok()?;
        self.frames.get(index)
    }

    /// Returns when the first sample of frame `number` is due, from the start of the stream.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let samples = u128::from(number) * u128::from(self.frame_samples);
        let nanos = samples * 1_000_000_000 / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;
    use alloc::vec;
    use alloc::vec::Vec;

    fn format(codec: Codec) -> ClipAudioFormat {
        ClipAudioFormat {
            codec,
            flags: AudioFlags::new(8_000, 16, 1).unwrap(),
        }
    }

    #[test]
    fn errors_name_the_cause() {
        let frame = |len: usize| Bytes::from(vec![1; len]);
        let new =
            |frames: Vec<Bytes>, codec, samples| ClipAudio::new(frames, format(codec), samples);
        assert_eq!(new(vec![], Codec::Pcmu, 1), Err(ClipAudioError::Empty));
        for len in [0, ClipAudio::MAX_FRAME + 1] {
            let error = new(vec![frame(1), frame(len)], Codec::Pcmu, 1).unwrap_err();
            assert_eq!(error, ClipAudioError::FrameLength { index: 1, len });
        }
        let error = new(vec![frame(1)], Codec::H264, 1).unwrap_err();
        assert_eq!(error, ClipAudioError::Codec(Codec::H264));
        let error = new(vec![frame(1)], Codec::Pcmu, 0).unwrap_err();
        assert_eq!(error, ClipAudioError::Samples);
        let no_rate = ClipAudioFormat {
            flags: AudioFlags(0xfc),
            ..format(Codec::Pcmu)
        };
        let error = ClipAudio::new([frame(1)], no_rate, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the audio flags 0xfc have no known sample rate"
        );
    }

    #[test]
    fn repeats_its_frames_while_time_continues() {
        let frames = (1..=3).map(|byte| Bytes::from(vec![byte; 160]));
        let audio = ClipAudio::new(frames, format(Codec::Pcmu), 160).unwrap();
        assert_eq!(audio.frame(4).unwrap()[0], 2);
        assert_eq!(audio.due(4), Duration::from_millis(80));
    }
}
