//! The video of a simulated camera: encoded frames in memory.

use alloc::sync::Arc;
use core::time::Duration;

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
    /// When the frames of a repetition are due, and how long it takes. `None`: by the frame rate.
    times: Option<(Arc<[Duration]>, Duration)>,
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
        Ok(Self {
            frames,
            codec,
            fps,
            times: None,
        })
    }

    /// Sets when each frame is due, from the first one on, instead of the frame rate. A time before
    /// that of the previous frame counts as that one. If there are fewer times than frames, the
    /// others follow at the frame rate. The first frame is repeated one average interval after the
    /// last one.
    #[must_use]
    pub fn with_times(mut self, times: impl IntoIterator<Item = Duration>) -> Self {
        let interval = Duration::from_secs(1) / u32::from(self.fps.max(1));
        let mut times = times.into_iter();
        let mut last = None;
        let due: Arc<[Duration]> = (self.frames.iter())
            .map(|_| {
                let next = match (times.next(), last) {
                    (Some(time), last) => time.max(last.unwrap_or_default()),
                    (None, Some(last)) => interval.saturating_add(last),
                    (None, None) => Duration::ZERO,
                };
                last = Some(next);
                next
            })
            .collect();
        let intervals = u32::try_from(due.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let last = last.unwrap_or_default();
        let average = last.checked_div(intervals).unwrap_or(interval);
        // Many frames at once must not repeat without a pause.
        let period = last.saturating_add(average.max(interval));
        self.times = Some((due, period));
        self
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
        if let Some((times, period)) = &self.times {
            let count = u64::try_from(times.len()).unwrap_or(u64::MAX).max(1);
            let round = u32::try_from(number / count).unwrap_or(u32::MAX);
            let index = usize::try_from(number % count).unwrap_or(usize::MAX);
            let within = times.get(index).copied().unwrap_or_default();
            return period.saturating_mul(round).saturating_add(within);
        }
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.fps);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn frames_are_due_at_their_times_in_every_repetition() {
        let frame = ClipFrame {
            data: Bytes::from_static(b"frame"),
            key: true,
        };
        let clip = Clip::new(vec![frame; 4], Codec::H264, 20).unwrap();
        let due = |clip: &Clip| [0, 1, 2, 3, 4, 9].map(|number| clip.due(number));
        assert_eq!(due(&clip), [0, 50, 100, 150, 200, 450].map(MS));
        let timed = clip.clone().with_times([0, 300, 200, 600].map(MS));
        assert_eq!(due(&timed), [0, 300, 300, 600, 800, 1900].map(MS));
        let short = clip.clone().with_times([MS(10), MS(20)]);
        assert_eq!(due(&short), [10, 20, 70, 120, 180, 360].map(MS));
        let at_once = clip.with_times([MS(0); 4]);
        assert_eq!(due(&at_once), [0, 0, 0, 0, 50, 100].map(MS));
    }
}
