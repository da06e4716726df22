//! Limits and counters of the reassembler.

/// The limits of a [`Reassembler`](crate::Reassembler). The limits on frames apply to video and
/// audio separately.
///
/// At most `2 * frames * frame_bytes` bytes are buffered in frames. Slices without a known offset
/// in their frame, and recovered slices that proved wrong, use up to twice as much again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Buffered frames of a stream, incomplete or waiting, at least 1. One more evicts the
    /// incomplete frame that has waited longest for a slice.
    pub frames: usize,
    /// Bytes of a frame, at most 1 GiB. Slices beyond it are dropped, so the frame is lost.
    pub frame_bytes: usize,
    /// Slices of a frame. The slices of frames with more are dropped.
    pub slices: u32,
    /// Complete frames of a stream that wait for an older one, less than `frames`. One more, and
    /// the older frame is given up. 0 disables waiting.
    pub reorder_window: usize,
    /// How far ahead of the last frame a frame number may be, as in RFC 3550, appendix A.1. A
    /// number beyond it, or far behind, is accepted after a second frame confirms the jump.
    pub max_dropout: u32,
    /// Events queued for [`poll_output`](crate::Reassembler::poll_output), at least 1. One more
    /// drops the oldest.
    pub events: usize,
}

/// The counters of a [`Reassembler`](crate::Reassembler).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Slices stored in a frame.
    pub slices: u64,
    /// Retransmitted slices received.
    pub resent: u64,
    /// Recovered slices stored in a frame.
    pub recovered: u64,
    /// Recovered slices dropped, at once or later, because they contradict received data. See
    /// [`Origin::Recovered`](crate::Origin::Recovered).
    pub recovered_dropped: u64,
    /// Frames delivered.
    pub frames: u64,
    /// Bytes of the frames delivered.
    pub bytes: u64,
    /// Complete frames dropped by [`FramePolicy::Decodable`](crate::FramePolicy::Decodable).
    pub undecodable: u64,
    /// Frames given up with some of their slices received.
    pub incomplete: u64,
    /// Frame numbers given up with no slice received.
    pub missing: u64,
    /// Frames delivered at once although numbers before them were skipped, because the slice
    /// counters show that no frame was missing. They occur if audio and video share one count.
    pub shared_numbers: u64,
    /// Duplicate slices, including slices of a delivered frame.
    pub duplicates: u64,
    /// Slices of a frame that was given up.
    pub late: u64,
    /// Slices that contradict themselves or the first slice of their frame in kind, number of
    /// slices, index or frame size.
    pub inconsistent: u64,
    /// Slices of a frame over [`Limits::frame_bytes`] or [`Limits::slices`].
    pub over_limit: u64,
    /// Slices dropped because their frame number is too far from the last one.
    pub out_of_range: u64,
    /// Confirmed jumps of a stream's frame numbers.
    pub jumps: u64,
    /// Incomplete frames dropped because of [`Limits::frames`].
    pub evicted: u64,
    /// Frames delivered with a size other than the one in their frame info or header.
    pub size_mismatches: u64,
    /// Frame infos that cannot be parsed. Their frames are delivered without one.
    pub invalid_info: u64,
    /// Jumps of the camera's clock removed from the timestamps.
    pub clock_jumps: u64,
    /// Events dropped because the event queue was full.
    pub events_dropped: u64,
}

impl Limits {
    /// Clamps each limit to the range that its documentation states.
    pub(crate) fn normalised(mut self) -> Self {
        self.frames = self.frames.max(1);
        self.events = self.events.max(1);
        // Spans are 32 bits wide, and a frame's bytes can be stored twice.
        self.frame_bytes = self.frame_bytes.min(1 << 30);
        self.reorder_window = self.reorder_window.min(self.frames - 1);
        // Half the range of 16-bit frame numbers is unambiguous.
        self.max_dropout = self.max_dropout.clamp(1, 0x4000);
        self
    }
}

impl Default for Limits {
    /// 16 frames of 2 MiB and 4096 slices, 4 waiting frames, a dropout of 1024 frames, 256 events.
    fn default() -> Self {
        Self {
            frames: 16,
            frame_bytes: 2 << 20,
            slices: 4096,
            reorder_window: 4,
            max_dropout: 1024,
            events: 256,
        }
    }
}
