//! Reassembly of slices into frames.

use tutk_frame::MediaKind;

use crate::event_queue::EventQueue;
use crate::reorder::ReorderBuffer;
use crate::{Event, FramePolicy, Limits, Origin, Slice, Stats, StreamKind};

/// Reassembles frames from slices that are late, duplicated, reordered or lost.
///
/// Pass each slice to [`handle_slice`](Self::handle_slice), then call
/// [`poll_output`](Self::poll_output) until it returns `None`. Poll also after
/// [`skip_to`](Self::skip_to) and [`flush`](Self::flush). This is the
/// [contract of all state machines][contract] of the project, without time and datagrams.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
///
/// **Delivery.** Every frame with all of its slices is delivered, bit for bit, and no other frame.
/// With [`FramePolicy::Decodable`], video frames that cannot be decoded are dropped. A frame whose
/// size differs from its frame info or header is counted ([`Stats::size_mismatches`]) and
/// delivered, because DTLS authenticates each slice. Recovered slices are not authenticated and
/// must pass further checks, see [`Origin::Recovered`].
///
/// **Order.** The frames of a stream are delivered in the order of their numbers. Audio and video
/// do not wait for each other, even if they share one count of frame numbers. If such a number is
/// lost, and both streams lost frames there, it is reported for the likelier one. A complete frame
/// is delivered at once if its number follows the last one, if its header names the last frame as
/// the previous one, or if the slice counters show that no frame of its stream was sent in between.
/// Otherwise an older frame is missing or incomplete, and the complete frame waits until that frame
/// is complete or more than [`Limits::reorder_window`] newer frames are. The reassembler has no
/// clock. A caller with a clock finds the waiting frame with [`blocked_frame`](Self::blocked_frame)
/// and ends the wait with `skip_to`.
///
/// At the start of a stream, frames 0 and 1 do not wait. Any other first frame waits as if a frame
/// before it were missing, because it may have overtaken one.
#[derive(Debug)]
pub struct Reassembler {
    video: ReorderBuffer,
    audio: ReorderBuffer,
    out: EventQueue,
}

impl Reassembler {
    /// Creates a reassembler that delivers all complete frames.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            video: ReorderBuffer::new(StreamKind::Video),
            audio: ReorderBuffer::new(StreamKind::Audio),
            out: EventQueue::new(limits.normalised()),
        }
    }

    /// Sets the frame policy.
    #[must_use]
    pub fn with_policy(mut self, policy: FramePolicy) -> Self {
        self.video.set_policy(policy);
        self
    }

    /// Handles a slice and copies its payload into the frame. A slice that cannot be used is
    /// dropped and counted in [`stats`](Self::stats).
    pub fn handle_slice(&mut self, slice: &Slice<'_>) {
        let (limits, stats) = (&self.out.limits, &mut self.out.stats);
        stats.resent += u64::from(slice.origin == Origin::Resent);
        if slice.index >= slice.count {
            stats.inconsistent += 1;
            return;
        }
        let frame_bytes = slice.metadata.map_or(0, |metadata| metadata.frame_bytes);
        let fits = usize::try_from(frame_bytes).is_ok_and(|bytes| bytes <= limits.frame_bytes)
            && slice.payload.len() <= limits.frame_bytes
            && slice.count <= limits.slices;
        if !fits {
            stats.over_limit += 1;
            return;
        }
        self.out.order.received(slice);
        match slice.kind {
            MediaKind::Audio => self.audio.push(slice, &mut self.out),
            _ => self.video.push(slice, &mut self.out),
        }
    }

    /// Returns the next event, or `None` until another method is called.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.out.pop()
    }

    /// Returns the number of the stream's oldest complete frame that waits for an older one.
    ///
    /// To end the wait, pass the number to [`skip_to`](Self::skip_to).
    #[must_use]
    pub fn blocked_frame(&self, stream: StreamKind) -> Option<u32> {
        self.stream(stream).blocked_frame()
    }

    /// Returns the slice counter of the first slice of the [blocked frame](Self::blocked_frame), if
    /// the layout has one.
    ///
    /// A camera sends a stream's slices in the order of its frames, so the missing slices have
    /// lower counters.
    #[must_use]
    pub fn blocked_counter(&self, stream: StreamKind) -> Option<u16> {
        self.stream(stream).blocked_counter()
    }

    /// Changes [`Limits::reorder_window`] from the next slice on.
    pub fn set_reorder_window(&mut self, frames: usize) {
        self.out.limits = Limits {
            reorder_window: frames,
            ..self.out.limits
        }
        .normalised();
    }

    /// Stops waiting for frames before `number`.
    ///
    /// Delivers the complete frames before it and gives up the others. Then delivers frame `number`
    /// if it is complete, and the complete frames that follow it. A number beyond all received
    /// frames has no further effect.
    pub fn skip_to(&mut self, stream: StreamKind, number: u32) {
        match stream {
            StreamKind::Video => self.video.skip_to(number, &mut self.out),
            StreamKind::Audio => self.audio.skip_to(number, &mut self.out),
        }
    }

    /// Delivers all complete frames and gives up the others.
    pub fn flush(&mut self) {
        self.video.flush(&mut self.out);
        self.audio.flush(&mut self.out);
    }

    /// Returns the memory in bytes that buffered frames and reusable tables occupy, without the
    /// frames in the event queue.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.video.memory_usage() + self.audio.memory_usage()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.out.stats
    }

    fn stream(&self, stream: StreamKind) -> &ReorderBuffer {
        match stream {
            StreamKind::Video => &self.video,
            StreamKind::Audio => &self.audio,
        }
    }
}

impl Default for Reassembler {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}
