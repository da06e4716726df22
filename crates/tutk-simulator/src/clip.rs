//! The video of a simulated camera: encoded frames in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tutk_frame::media::Codec;

/// An encoded access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipFrame {
    /// The access unit, Annex B for H.264 and H.265.
    pub data: Bytes,
    /// `true` for a key frame.
    pub key: bool,
}

/// Encoded video that a [`Simulator`](crate::Simulator) repeats endlessly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    frames: Arc<[ClipFrame]>,
    codec: Codec,
    fps: u8,
}

/// Why frames do not make a [`Clip`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// There is no frame.
    #[error("a clip needs at least one frame")]
    Empty,
    /// A frame is empty, or longer than [`Clip::MAX_FRAME`].
    #[error("frame {index} has {len} bytes; 1 to {} are possible", Clip::MAX_FRAME)]
    FrameLength {
        /// The index of the frame, from 0.
        index: usize,
        /// Its length in bytes.
        len: usize,
    },
    /// The frame rate is 0.
    #[error("{0} frames per second; 1 to 255 are possible")]
    Fps(u8),
}

impl Clip {
    /// The length of the longest frame in bytes. A client accepts it with the default
    /// [`Limits`](tutk_session::Limits). A key frame at 2K has less than a tenth of it.
    pub const MAX_FRAME: usize = 2 << 20;

    /// A clip of these frames at `fps` frames per second.
    ///
    /// # Errors
    /// [`ClipError`].
    pub fn new(
        frames: impl IntoIterator<Item = ClipFrame>,
        codec: Codec,
        fps: u8,
    ) -> Result<Self, ClipError> {
        let frames: Arc<[ClipFrame]> = frames.into_iter().collect();
        if frames.is_empty() {
            return Err(ClipError::Empty);
        }
        for (index, frame) in frames.iter().enumerate() {
            let len = frame.data.len();
            if len == 0 || len > Self::MAX_FRAME {
                return Err(ClipError::FrameLength { index, len });
            }
        }
        if fps == 0 {
            return Err(ClipError::Fps(fps));
        }
        Ok(Self { frames, codec, fps })
    }

    /// Returns the codec of the frames.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Returns the frame rate in frames per second.
    #[must_use]
    pub fn fps(&self) -> u8 {
        self.fps
    }

    /// Returns the frames of one repetition.
    #[must_use]
    pub fn frames(&self) -> &[ClipFrame] {
        &self.frames
    }

    /// Returns frame `number` of the endless stream, from 0.
    pub(crate) fn frame(&self, number: u64) -> Option<&ClipFrame> {
        let count = u64::try_from(self.frames.len()).ok()?;
        let index = usize::try_from(number.checked_rem(count)?).ok()?;
        self.frames.get(index)
    }

    /// Returns when frame `number` is due, from the start of the stream.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.fps);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
