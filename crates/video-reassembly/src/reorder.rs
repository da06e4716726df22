//! The reorder buffer of one stream.
//!
//! A frame is *settled* once it is delivered or given up. All frames up to the last settled number
//! are settled, and later ones can still arrive. A complete frame is delivered as soon as no frame
//! before it can be missing, or when enough newer frames are complete.

use alloc::vec;
use alloc::vec::Vec;

use tutk_frame::MediaKind;

use crate::event_queue::EventQueue;
use crate::partial_frame::{PartialFrame, SliceLocation, StoreOutcome, table_bytes};
use crate::send_order::SendOrder;
use crate::sequence;
use crate::{FrameNumber, FramePolicy, Lost, Origin, Slice, StreamKind};

/// How far behind the last settled frame the frame of a late slice may be. A number farther behind
/// is a jump. Equals the number of bits in [`ReorderBuffer::delivered`].
const MAX_MISORDER: i64 = 64;

#[derive(Debug)]
pub(crate) struct ReorderBuffer {
    kind: StreamKind,
    policy: FramePolicy,
    /// `true` if no frame was lost since the last delivered key frame.
    decodable: bool,
    /// Frames after `settled`, in the order of their numbers.
    frames: Vec<PartialFrame>,
    /// The last settled number.
    settled: Option<u64>,
    /// Bit i is set if frame `settled` − i was delivered or undecodable.
    delivered: u64,
    /// A number out of range. A second number close to it confirms a jump.
    jump_candidate: Option<FrameNumber>,
    /// Tables of settled frames, for reuse.
    tables: Vec<Vec<SliceLocation>>,
    /// Counts slices, as the clock of [`PartialFrame::touched`].
    ticks: u64,
}

/// Where a frame number is relative to the last settled one. Contains the unwrapped number.
enum Position {
    Settled(u64),
    Open(u64),
    OutOfRange,
}

/// What shows that no frame is missing between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuity {
    /// Their numbers.
    Numbers,
    /// The slice counters, although numbers between them were skipped.
    SendOrder,
}

impl ReorderBuffer {
    pub(crate) fn new(kind: StreamKind) -> Self {
        Self {
            kind,
            policy: FramePolicy::All,
            decodable: false,
            frames: Vec::new(),
            settled: None,
            delivered: 0,
            jump_candidate: None,
            tables: Vec::new(),
            ticks: 0,
        }
    }

    pub(crate) fn set_policy(&mut self, policy: FramePolicy) {
        self.policy = policy;
    }

    pub(crate) fn push(&mut self, slice: &Slice<'_>, out: &mut EventQueue) {
        let number = match self.position(slice.number, out.limits.max_dropout) {
            Position::Open(number) => number,
            Position::Settled(number) => {
                let behind = self.settled.unwrap_or(number).saturating_sub(number);
                let delivered = self.delivered.checked_shr(sequence::low_bits(behind));
                if delivered.is_some_and(|bits| bits & 1 == 1) {
                    out.stats.duplicates += 1;
                } else {
                    out.stats.late += 1;
                }
                return;
            }
            Position::OutOfRange if slice.origin == Origin::Recovered => {
                out.stats.recovered_dropped += 1;
                return;
            }
            Position::OutOfRange => {
                if !self.confirms_jump(slice.number) {
                    out.stats.out_of_range += 1;
                    self.jump_candidate = Some(slice.number);
                    return;
                }
                self.flush(out);
                out.stats.jumps += 1;
                out.order.numbers_restarted();
                self.jump_candidate = None;
                self.delivered = 0;
                self.decodable = false;
                let number = sequence::first(slice.number);
                self.settled = Some(number - 1);
                number
            }
        };
        self.ticks += 1;
        let ticks = self.ticks;
        let Some(frame) = self.frame_mut(number, slice, out) else {
            // Eviction settled a newer frame.
            out.stats.late += 1;
            return;
        };
        frame.touched = ticks;
        match frame.store(slice, &out.limits, &mut out.stats) {
            StoreOutcome::Stored => {
                out.stats.slices += 1;
                out.stats.recovered += u64::from(slice.origin == Origin::Recovered);
            }
            StoreOutcome::Duplicate => out.stats.duplicates += 1,
            StoreOutcome::Inconsistent => out.stats.inconsistent += 1,
            StoreOutcome::OverLimit => out.stats.over_limit += 1,
            StoreOutcome::RecoveryRejected => out.stats.recovered_dropped += 1,
        }
        if frame.is_complete() {
            self.release(out);
        }
    }

    /// Returns the number of the oldest complete frame. It waits for an older one.
    pub(crate) fn blocked_frame(&self) -> Option<u32> {
        Some(self.first_complete()?.wire.value())
    }

    /// Returns the slice counter of the first slice of the blocked frame.
    pub(crate) fn blocked_counter(&self) -> Option<u16> {
        self.first_complete()?.first_counter
    }

    pub(crate) fn memory_usage(&self) -> usize {
        let frames = self.frames.iter().map(PartialFrame::memory_usage);
        frames.chain(self.tables.iter().map(table_bytes)).sum()
    }

    /// Settles the frames before `number`, then delivers the complete frames that follow.
    pub(crate) fn skip_to(&mut self, number: u32, out: &mut EventQueue) {
        let Some(newest) = self.frames.last() else {
            return;
        };
        let end = sequence::nearest(newest.number, sequence::like(number, newest.wire));
        self.settle_before(end, out);
        if let Some(first) = self.frames.first()
            && self.continuity(first, &out.order).is_none()
        {
            self.give_up_missing(end, (first.wire, first.kind), out);
        }
        self.release(out);
    }

    /// Delivers all complete frames and gives up the others.
    pub(crate) fn flush(&mut self, out: &mut EventQueue) {
        if let Some(newest) = self.frames.last() {
            self.settle_before(newest.number + 1, out);
        }
    }

    fn first_complete(&self) -> Option<&PartialFrame> {
        self.frames.iter().find(|frame| frame.is_complete())
    }

    fn position(&self, number: FrameNumber, max_dropout: u32) -> Position {
        let reference = self.settled.or_else(|| Some(self.frames.first()?.number));
        let Some(reference) = reference else {
            return Position::Open(sequence::first(number));
        };
        let unwrapped = sequence::nearest(reference, number);
        let distance = sequence::distance(sequence::low_bits(reference), number);
        if distance > max_dropout.into() || distance <= -MAX_MISORDER {
            Position::OutOfRange
        } else if self.settled.is_some_and(|settled| unwrapped <= settled) {
            Position::Settled(unwrapped)
        } else {
            Position::Open(unwrapped)
        }
    }

    /// Returns `true` if a number out of range follows the last such number.
    fn confirms_jump(&self, number: FrameNumber) -> bool {
        self.jump_candidate.is_some_and(|candidate| {
            (1..=MAX_MISORDER).contains(&sequence::distance(candidate.value(), number))
        })
    }

    /// Returns the frame with that number, and creates it if necessary. Returns `None` if the
    /// eviction of another frame settled it.
    fn frame_mut(
        &mut self,
        number: u64,
        slice: &Slice<'_>,
        out: &mut EventQueue,
    ) -> Option<&mut PartialFrame> {
        let at = match self.frames.binary_search_by_key(&number, |f| f.number) {
            Ok(at) => at,
            Err(_) => {
                if self.frames.len() >= out.limits.frames {
                    self.evict(out);
                }
                if self.settled.is_some_and(|settled| number <= settled) {
                    return None;
                }
                let at = self.frames.partition_point(|f| f.number < number);
                let table = self.tables.pop().unwrap_or_default();
                let frame = PartialFrame::new(number, slice, table);
                self.frames.insert(at, frame);
                at
            }
        };
        self.frames.get_mut(at)
    }

    /// Drops the incomplete frame that has waited longest for a slice. There is one, because fewer
    /// complete frames wait than the limit of frames.
    fn evict(&mut self, out: &mut EventQueue) {
        let incomplete = (self.frames.iter().enumerate()).filter(|(_, f)| !f.is_complete());
        let Some((at, frame)) = incomplete.min_by_key(|(_, frame)| frame.touched) else {
            return;
        };
        out.stats.evicted += 1;
        if at == 0 {
            self.settle_before(frame.number + 1, out);
            self.release(out);
        } else {
            // Its number is reported as missing when a later frame is settled.
            let table = self.frames.remove(at).into_table();
            self.tables.push(table);
        }
    }

    /// Delivers the frames that need not wait, and those over the reorder window.
    fn release(&mut self, out: &mut EventQueue) {
        loop {
            while let Some(first) = self.frames.first().filter(|f| f.is_complete())
                && let Some(continuity) = self.continuity(first, &out.order)
            {
                self.settle_first(Some(continuity), out);
            }
            let mut waiting = self.frames.iter().filter(|f| f.is_complete());
            let Some(oldest) = waiting.next().map(|frame| frame.number) else {
                return;
            };
            if waiting.count() < out.limits.reorder_window {
                return;
            }
            self.settle_before(oldest + 1, out);
        }
    }

    /// Returns what shows that no frame can be missing before this one, the first in the buffer.
    fn continuity(&self, frame: &PartialFrame, order: &SendOrder) -> Option<Continuity> {
        if self.is_next_by_number(frame) {
            return Some(Continuity::Numbers);
        }
        // The numbers between two frames may be those of the other stream.
        let follows = order.follows(self.kind, self.last(frame), frame.wire.value());
        follows.then_some(Continuity::SendOrder)
    }

    fn is_next_by_number(&self, frame: &PartialFrame) -> bool {
        match self.settled {
            // The previous number counts only if it is the last settled one, as some devices do not
            // fill it in.
            Some(settled) => frame.number == settled + 1 || frame.previous == self.last(frame),
            // Sequences start at 0 or 1. Any other first frame may have overtaken the one before.
            None => match frame.wire.value() {
                0 => true,
                1 => frame.previous.is_none_or(|previous| previous == 0),
                _ => false,
            },
        }
    }

    /// Returns the last settled number in the width of the frame's.
    fn last(&self, frame: &PartialFrame) -> Option<u32> {
        (self.settled).map(|settled| sequence::on_wire(settled, frame.wire))
    }

    /// Settles all numbers before `end` up to the last frame in the buffer.
    fn settle_before(&mut self, end: u64, out: &mut EventQueue) {
        while let Some(first) = self.frames.first().filter(|frame| frame.number < end) {
            let continuity = self.continuity(first, &out.order);
            self.settle_first(continuity, out);
        }
    }

    /// Settles the first frame in the buffer, and the numbers before it. `continuity` is that of
    /// this frame.
    fn settle_first(&mut self, continuity: Option<Continuity>, out: &mut EventQueue) {
        if self.frames.is_empty() {
            return;
        }
        let frame = self.frames.remove(0);
        let complete = frame.is_complete();
        match continuity {
            None => self.give_up_missing(frame.number, (frame.wire, frame.kind), out),
            Some(continuity) => {
                if continuity == Continuity::SendOrder && complete && self.settled.is_some() {
                    out.stats.shared_numbers += 1;
                }
                self.report_left_numbers(&frame, out);
            }
        }
        self.advance_to(frame.number, complete);
        out.order.settled(self.kind, frame.wire.value());
        if complete {
            self.jump_candidate = None;
            self.decodable |= frame.kind == MediaKind::Key;
            if self.policy == FramePolicy::All || self.decodable || self.kind == StreamKind::Audio {
                let table = out.frame(frame);
                self.tables.push(table);
                return;
            }
            out.undecodable(&frame);
        } else {
            self.decodable = false;
            out.stats.incomplete += 1;
        }
        let number = frame.wire.value();
        let next = self.frames.first();
        out.lost(Lost {
            stream: self.kind,
            first: number,
            last: number,
            received: frame.received,
            total: frame.count,
            undecodable: complete,
            next_is_key: next.map(|next| next.kind == MediaKind::Key),
        });
        self.tables.push(frame.into_table());
    }

    /// Gives up the numbers after the last settled one and before `end`. No frame has them, and
    /// `next` describes the frame that follows.
    fn give_up_missing(&mut self, end: u64, next: (FrameNumber, MediaKind), out: &mut EventQueue) {
        let (like, kind) = next;
        let last = end - 1;
        let Some(settled) = self.settled else {
            // Frames before the first received one are not losses.
            self.settled = Some(last);
            return;
        };
        let first = settled + 1;
        if first > last {
            return;
        }
        let wire = |number| sequence::on_wire(number, like);
        let (from, to) = (wire(first), wire(last));
        let shared = out.order.lost_numbers(self.kind, from, to, like.value());
        let shared = shared.unwrap_or_else(|| vec![(from, to, end - first)]);
        self.report_missing(&shared, kind, out);
        self.advance_to(last, false);
        out.order.settled(self.kind, to);
    }

    /// Reports the lost frames before `next` that the other stream did not report.
    fn report_left_numbers(&mut self, next: &PartialFrame, out: &mut EventQueue) {
        let Some(settled) = self.settled.filter(|settled| settled + 1 < next.number) else {
            return;
        };
        let wire = |number| sequence::on_wire(number, next.wire);
        let (first, last) = (wire(settled + 1), wire(next.number - 1));
        let left = out.order.left_numbers(self.kind, first, last);
        self.report_missing(&left, next.kind, out);
    }

    /// Reports ranges of numbers, each with its length. `next` is the kind of the next frame.
    fn report_missing(
        &mut self,
        ranges: &[(u32, u32, u64)],
        next: MediaKind,
        out: &mut EventQueue,
    ) {
        for &(first, last, count) in ranges {
            out.stats.missing += count;
            out.lost(Lost {
                stream: self.kind,
                first,
                last,
                received: 0,
                total: 0,
                undecodable: false,
                next_is_key: Some(next == MediaKind::Key),
            });
            self.decodable = false;
        }
    }

    /// Marks `number` as the last settled one.
    fn advance_to(&mut self, number: u64, delivered: bool) {
        let by = number - self.settled.unwrap_or(number - 1);
        let moved = self.delivered.checked_shl(sequence::low_bits(by));
        self.delivered = moved.unwrap_or(0) | u64::from(delivered);
        self.settled = Some(number);
    }
}
