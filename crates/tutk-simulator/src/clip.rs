//! What a simulated camera shows: encoded frames, in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tutk_frame::media::Codec;

/// One encoded access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipFrame {
    /// The access unit, Annex B for H.264 and H.265.
    pub data: Bytes,
    /// Whether decoding can begin here.
    pub key: bool,
}

/// Encoded video that a [`Camera`](crate::Simulator) sends over and over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    frames: Arc<[ClipFrame]>,
    codec: Codec,
    fps: u8,
}

/// Frames that make no clip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipError {
    /// There is no frame at all.
    #[error("a clip needs at least one frame")]
    Empty,
    /// A frame is empty, or longer than the protocol's slices can carry.
    #[error("frame {index} has {len} bytes; 1 to {} are possible", Clip::MAX_FRAME)]
    FrameLength {
        /// Which frame, from 0.
        index: usize,
        /// Its bytes.
        len: usize,
    },
    /// Frames per second outside 1 to 120.
    #[error("{0} frames per second; 1 to 120 are possible")]
    Fps(u8),
}

impl Clip {
    /// The longest frame that is taken, bytes: what a client's default
    /// [`Limits`](tutk_session::Limits) let through. A key frame at 2K is well under a tenth of it.
    pub const MAX_FRAME: usize = 2 << 20;

    /// A clip of these frames, at `fps` frames per second.
    ///
    /// # Errors
    /// [`ClipError`] if there is no frame, one of an impossible length, or an impossible rate.
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
        if !(1..=120).contains(&fps) {
            return Err(ClipError::Fps(fps));
        }
        Ok(Self { frames, codec, fps })
    }

    /// How the frames are encoded.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Frames per second.
    #[must_use]
    pub fn fps(&self) -> u8 {
        self.fps
    }

    /// The frames of one round.
    #[must_use]
    pub fn frames(&self) -> &[ClipFrame] {
        &self.frames
    }

    /// Frame `number` of the endless stream, from 0.
    pub(crate) fn frame(&self, number: u64) -> Option<&ClipFrame> {
        let round = u64::try_from(self.frames.len()).ok()?;
        let index = usize::try_from(number.checked_rem(round)?).ok()?;
        self.frames.get(index)
    }

    /// When frame `number` is due, from the start of the stream.
    pub(crate) fn due(&self, number: u64) -> Duration {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.fps);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
