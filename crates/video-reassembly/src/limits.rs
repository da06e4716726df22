//! What a peer can make grow, and what is counted.

/// The limits of a [`Reassembler`](crate::Reassembler). Those on frames hold for video and for
/// audio, each.
///
/// At most `2 * frames * frame_bytes` bytes are held in frames, and up to twice as many again for
/// slices that are set aside: those whose place in their frame is not known yet, and recovered ones
/// that proved wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Frames of one stream that are in assembly or held back, at least 1. One more, and the
    /// incomplete one that has gone longest without a slice is dropped.
    pub frames: usize,
    /// Bytes of one frame, at most 1 GiB. A slice that goes beyond is dropped, and with it its frame.
    pub frame_bytes: usize,
    /// Slices of one frame. Slices of a frame that has more are dropped.
    pub slices: u32,
    /// Complete frames of one stream that are held back for an older one. One more, and the older
    /// one is given up. 0 gives it up with the first. Always less than `frames`.
    pub reorder_window: usize,
    /// How far ahead of the last frame a number may be. Beyond it, and far behind, a number counts
    /// only once a second frame near it has shown that the camera's count has jumped.
    pub max_dropout: u32,
    /// Events that wait for [`poll`](crate::Reassembler::poll), at least 1. One more, and the oldest
    /// is dropped.
    pub events: usize,
}

/// What a [`Reassembler`](crate::Reassembler) did and dropped, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Slices put into a frame.
    pub slices: u64,
    /// Slices among all that came that were marked as sent again.
    pub resent: u64,
    /// Recovered slices put into a frame.
    pub recovered: u64,
    /// Recovered slices that were dropped, at once or later, because they do not fit what came
    /// ([`Origin::Recovered`](crate::Origin::Recovered)).
    pub recovered_dropped: u64,
    /// Frames handed out.
    pub frames: u64,
    /// Bytes of the frames handed out.
    pub bytes: u64,
    /// Whole frames held back by [`FramePolicy::Decodable`](crate::FramePolicy::Decodable).
    pub undecodable: u64,
    /// Frames given up of which a part came.
    pub incomplete: u64,
    /// Frame numbers passed over of which nothing came.
    pub missing: u64,
    /// Slices that were there already, or whose frame was handed out already.
    pub duplicates: u64,
    /// Slices of a frame that was given up, or passed over, before.
    pub late: u64,
    /// Slices that contradict themselves or the first slice of their frame: kind, number of slices,
    /// index, metadata size.
    pub inconsistent: u64,
    /// Slices of a frame over [`Limits::frame_bytes`] or [`Limits::slices`].
    pub over_limit: u64,
    /// Slices whose frame number is too far away to believe.
    pub out_of_range: u64,
    /// Times that a stream's count jumped, and was followed.
    pub jumps: u64,
    /// Incomplete frames dropped because of [`Limits::frames`].
    pub evicted: u64,
    /// Frames handed out with another size than their frame info or header says.
    pub size_mismatches: u64,
    /// Frame infos that could not be read. Their frames are handed out without one.
    pub invalid_info: u64,
    /// Steps of the camera's clock that were taken out of the timestamps.
    pub clock_jumps: u64,
    /// Events dropped because nobody polled.
    pub events_dropped: u64,
}

impl Limits {
    /// Limits that hold for themselves: [`frames`](Self::frames) and [`events`](Self::events) at
    /// least 1, [`frame_bytes`](Self::frame_bytes) within 32 bits, also when some of it is there twice,
    /// [`reorder_window`](Self::reorder_window) below `frames`, and [`ahead`](Self::max_dropout) within what
    /// a 16-bit number can tell.
    pub(crate) fn normalised(mut self) -> Self {
        self.frames = self.frames.max(1);
        self.events = self.events.max(1);
        self.frame_bytes = self.frame_bytes.min(1 << 30);
        self.reorder_window = self.reorder_window.min(self.frames - 1);
        self.max_dropout = self.max_dropout.clamp(1, 0x4000);
        self
    }
}

impl Default for Limits {
    /// 16 frames of 2 MiB and 4096 slices, 4 frames held back, 1024 numbers ahead, 256 events.
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
