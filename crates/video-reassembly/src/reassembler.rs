//! Slices in, frames out.

use tutk_frame::MediaKind;

use crate::event_queue::EventQueue;
use crate::reorder::ReorderBuffer;
use crate::{Event, FramePolicy, Limits, Origin, Slice, Stats, StreamKind};

/// Makes frames of slices that come late, twice, out of order, and not at all.
///
/// The contract: feed one slice to [`push`](Self::push), then call [`poll`](Self::poll) until it
/// returns `None`; likewise after [`skip_to`](Self::skip_to) and
/// [`flush`](Self::flush).
///
/// **What is handed out.** Every frame whose slices all came, bit for bit, and nothing else; of video,
/// with [`FramePolicy::Decodable`], only what can be decoded. Whether a frame's size is also the one
/// that its frame info or header says is counted ([`Stats::size_mismatches`]) and is no reason to
/// withhold it: DTLS has vouched for each slice. It has not for recovered ones: see
/// [`Origin::Recovered`].
///
/// **ReorderBuffer.** Frames of one stream come in the order of their numbers; audio and video do not wait
/// for each other. A complete frame is handed out at once if its number follows on the last one's,
/// or if the header names the last one as the frame before. Else something older is missing or
/// incomplete, and it is held back until that came, or until more than
/// [`Limits::reorder_window`] newer frames are complete. There is no time in here: a caller with a
/// clock asks [`blocked_frame`](Self::blocked_frame) what waits and ends the wait with `skip_to`.
///
/// At the beginning, frames 0 and 1 follow on nothing; any other first frame waits like one with a gap
/// before it, for it may have overtaken the one before.
#[derive(Debug)]
pub struct Reassembler {
    video: ReorderBuffer,
    audio: ReorderBuffer,
    out: EventQueue,
}

impl Reassembler {
    /// A reassembler with those limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            video: ReorderBuffer::new(StreamKind::Video),
            audio: ReorderBuffer::new(StreamKind::Audio),
            out: EventQueue::new(limits.normalised()),
        }
    }

    /// The same with another policy than to hand out all whole frames.
    #[must_use]
    pub fn with_policy(mut self, policy: FramePolicy) -> Self {
        self.video.set_policy(policy);
        self
    }

    /// Takes one slice; its bytes are copied into the frame. What cannot be used is dropped and
    /// counted in [`stats`](Self::stats).
    pub fn push(&mut self, slice: &Slice<'_>) {
        let (limits, stats) = (&self.out.limits, &mut self.out.stats);
        stats.resent += u64::from(slice.origin == Origin::Resent);
        if slice.index >= slice.count {
            stats.inconsistent += 1;
            return;
        }
        let metadata = slice.metadata.map_or(0, |metadata| metadata.frame_bytes);
        let announced_fits =
            usize::try_from(metadata).is_ok_and(|bytes| bytes <= limits.frame_bytes);
        if slice.count > limits.slices
            || !announced_fits
            || slice.payload.len() > limits.frame_bytes
        {
            stats.over_limit += 1;
            return;
        }
        match slice.kind {
            MediaKind::Audio => self.audio.push(slice, &mut self.out),
            MediaKind::Key | MediaKind::Delta => self.video.push(slice, &mut self.out),
        }
    }

    /// The next event, or `None` when nothing is left until the next call of another method.
    pub fn poll(&mut self) -> Option<Event> {
        self.out.pop()
    }

    /// The number of the oldest complete frame of a stream that waits for an older one; `None` when
    /// none waits. A caller that wants to wait no longer passes it to
    /// [`skip_to`](Self::skip_to).
    #[must_use]
    pub fn blocked_frame(&self, stream: StreamKind) -> Option<u32> {
        match stream {
            StreamKind::Video => self.video.blocked_frame(),
            StreamKind::Audio => self.audio.blocked_frame(),
        }
    }

    /// The slice counter of the first slice of the frame that [`blocked_frame`](Self::blocked_frame) names, where the layout has
    /// one. A stream's slices are sent in the order of its frames: whatever the frame waits for has a lower one.
    #[must_use]
    pub fn blocked_counter(&self, stream: StreamKind) -> Option<u16> {
        match stream {
            StreamKind::Video => self.video.blocked_counter(),
            StreamKind::Audio => self.audio.blocked_counter(),
        }
    }

    /// Sets [`Limits::reorder_window`], from the next slice on: a caller who finds out that what is missing is sent
    /// again, or that it is not, waits longer or less long.
    pub fn set_reorder_window(&mut self, frames: usize) {
        self.out.limits = Limits {
            reorder_window: frames,
            ..self.out.limits
        }
        .normalised();
    }

    /// Waits no longer for frames before `number`: complete ones are handed out, the others and the
    /// numbers of which nothing came are given up, and frame `number` is handed out if it is
    /// complete, with those that follow it. Numbers beyond all that were seen change nothing more.
    pub fn skip_to(&mut self, stream: StreamKind, number: u32) {
        match stream {
            StreamKind::Video => self.video.skip_to(number, &mut self.out),
            StreamKind::Audio => self.audio.skip_to(number, &mut self.out),
        }
    }

    /// Hands out every complete frame and gives up all others: nothing more will come.
    pub fn flush(&mut self) {
        self.video.flush(&mut self.out);
        self.audio.flush(&mut self.out);
    }

    /// Bytes of memory that frames in assembly and held back take now, and the tables that are kept for others.
    /// Frames that wait to be polled are not among them.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.video.memory_usage() + self.audio.memory_usage()
    }

    /// What was done and dropped so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.out.stats
    }
}

impl Default for Reassembler {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
