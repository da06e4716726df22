//! One stream's frames, in assembly and held back, put in order.
//!
//! A frame is *settled* once it is handed out or given up. Everything up to the last settled number
//! is over; everything after it may still come. A complete frame is handed out as soon as it is
//! known that nothing is missing before it, and otherwise when enough newer ones are complete.

use alloc::vec::Vec;

use tutk_frame::MediaKind;

use crate::event_queue::EventQueue;
use crate::partial_frame::{PartialFrame, SliceLocation, Stored, table_bytes};
use crate::sequence;
use crate::{FrameNumber, FramePolicy, Lost, Origin, Slice, StreamKind};

/// How far behind the last settled frame a number may be and still be a late slice's. Farther back,
/// it is a jump of the count. It is the number of bits in [`ReorderBuffer::delivered`].
const BEHIND: i64 = 64;

/// The frames of one stream.
#[derive(Debug)]
pub(crate) struct ReorderBuffer {
    kind: StreamKind,
    policy: FramePolicy,
    /// Whether every frame since the last key frame that was handed out was so, too.
    decodable: bool,
    /// By number, lowest first; all after `settled`.
    frames: Vec<PartialFrame>,
    settled: Option<u64>,
    /// Bit i: frame `settled` − i was handed out, not given up.
    delivered: u64,
    /// A number too far away to believe, until a second one near it comes.
    suspect: Option<FrameNumber>,
    /// Tables of frames that are over, to use again.
    tables: Vec<Vec<SliceLocation>>,
    /// Slices that were stored: the clock of [`PartialFrame::touched`].
    ticks: u64,
}

/// Where a number stands.
enum Position {
    Over(u64),
    Open(u64),
    Far,
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
            suspect: None,
            tables: Vec::new(),
            ticks: 0,
        }
    }

    pub(crate) fn set_policy(&mut self, policy: FramePolicy) {
        self.policy = policy;
    }

    pub(crate) fn push(&mut self, slice: &Slice<'_>, out: &mut EventQueue) {
        let number = match self.standing(slice.number, out.limits.max_dropout) {
            Position::Open(number) => number,
            Position::Over(number) => {
                let behind = self.settled.unwrap_or(number).saturating_sub(number);
                let delivered = self.delivered.checked_shr(sequence::low_bits(behind));
                if delivered.is_some_and(|bits| bits & 1 == 1) {
                    out.stats.duplicates += 1;
                } else {
                    out.stats.late += 1;
                }
                return;
            }
            Position::Far if slice.origin == Origin::Recovered => {
                out.stats.recovered_dropped += 1;
                return;
            }
            Position::Far => {
                if !self.is_confirmed(slice.number) {
                    out.stats.out_of_range += 1;
                    self.suspect = Some(slice.number);
                    return;
                }
                self.flush(out);
                out.stats.jumps += 1;
                self.suspect = None;
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
            // Room for it could only be made by settling a newer one.
            out.stats.late += 1;
            return;
        };
        frame.touched = ticks;
        match frame.store(slice, &out.limits, &mut out.stats) {
            Stored::Yes => {
                out.stats.slices += 1;
                out.stats.recovered += u64::from(slice.origin == Origin::Recovered);
            }
            Stored::Duplicate => out.stats.duplicates += 1,
            Stored::Inconsistent => out.stats.inconsistent += 1,
            Stored::OverLimit => out.stats.over_limit += 1,
            Stored::Unusable => out.stats.recovered_dropped += 1,
        }
        if frame.is_complete() {
            self.release(out);
        }
    }

    /// The oldest complete frame that waits for an older one.
    pub(crate) fn blocked_frame(&self) -> Option<u32> {
        Some(self.first_complete()?.wire.value())
    }

    /// The counter of that frame's first slice.
    pub(crate) fn blocked_counter(&self) -> Option<u16> {
        self.first_complete()?.counter
    }

    /// Bytes of memory that frames and tables take.
    pub(crate) fn memory_usage(&self) -> usize {
        let tables = self.tables.iter().map(table_bytes);
        self.frames
            .iter()
            .map(PartialFrame::memory_usage)
            .chain(tables)
            .sum()
    }

    fn first_complete(&self) -> Option<&PartialFrame> {
        self.frames.iter().find(|frame| frame.is_complete())
    }

    /// Hands out or gives up every frame before `number`, and what can be handed out then.
    pub(crate) fn skip_to(&mut self, number: u32, out: &mut EventQueue) {
        let Some(newest) = self.frames.last() else {
            return;
        };
        let number = match newest.wire {
            FrameNumber::Long(_) => FrameNumber::Long(number),
            FrameNumber::Short(_) => {
                let [a, b, ..] = number.to_le_bytes();
                FrameNumber::Short(u16::from_le_bytes([a, b]))
            }
        };
        let end = sequence::nearest(newest.number, number);
        self.settle_before(end, out);
        if let Some(first) = self.frames.first()
            && !self.is_next(first)
        {
            self.pass_over(end, (first.wire, first.kind), out);
        }
        self.release(out);
    }

    /// Hands out every complete frame and gives up the rest.
    pub(crate) fn flush(&mut self, out: &mut EventQueue) {
        if let Some(newest) = self.frames.last() {
            self.settle_before(newest.number + 1, out);
        }
    }

    fn standing(&self, number: FrameNumber, ahead: u32) -> Position {
        let reference = self.settled.or_else(|| Some(self.frames.first()?.number));
        let Some(reference) = reference else {
            return Position::Open(sequence::first(number));
        };
        let unwrapped = sequence::nearest(reference, number);
        let distance = sequence::distance(sequence::low_bits(reference), number);
        if distance > ahead.into() || distance <= -BEHIND {
            Position::Far
        } else if self.settled.is_some_and(|settled| unwrapped <= settled) {
            Position::Over(unwrapped)
        } else {
            Position::Open(unwrapped)
        }
    }

    /// Whether a number that is far away follows on the last such one.
    fn is_confirmed(&self, number: FrameNumber) -> bool {
        self.suspect.is_some_and(|suspect| {
            (1..=BEHIND).contains(&sequence::distance(suspect.value(), number))
        })
    }

    /// The frame of that number, made if it is not there; `None` if making room has settled it.
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
                self.frames
                    .insert(at, PartialFrame::new(number, slice, table));
                at
            }
        };
        self.frames.get_mut(at)
    }

    /// Drops the incomplete frame that has gone longest without a slice. There is one: fewer frames
    /// than the limit are held back complete.
    fn evict(&mut self, out: &mut EventQueue) {
        let stalest = self
            .frames
            .iter()
            .enumerate()
            .filter(|(_, frame)| !frame.is_complete())
            .min_by_key(|(_, frame)| frame.touched)
            .map(|(at, _)| at);
        let Some(at) = stalest else { return };
        out.stats.evicted += 1;
        if at == 0 {
            // It is the oldest: what comes after it need not wait any more.
            if let Some(end) = self.frames.first().map(|frame| frame.number + 1) {
                self.settle_before(end, out);
                self.release(out);
            }
        } else {
            // Its number is passed over later, and reported then.
            let table = self.frames.remove(at).abandon();
            self.tables.push(table);
        }
    }

    /// Hands out what waits for nothing, and makes what waits too long wait no more.
    fn release(&mut self, out: &mut EventQueue) {
        loop {
            while self
                .frames
                .first()
                .is_some_and(|f| f.is_complete() && self.is_next(f))
            {
                self.settle_first(out);
            }
            let mut held = self.frames.iter().filter(|f| f.is_complete());
            let Some(oldest) = held.next().map(|frame| frame.number) else {
                return;
            };
            if held.count() < out.limits.reorder_window {
                return;
            }
            self.settle_before(oldest, out);
            self.settle_first(out);
        }
    }

    /// Whether nothing can be missing before this frame, the lowest there is.
    fn is_next(&self, frame: &PartialFrame) -> bool {
        match self.settled {
            Some(settled) => {
                // The number before is believed only where it is exactly the last one: a device that
                // does not fill it in must not make frames come out too early.
                frame.number == settled + 1
                    || frame.previous == Some(sequence::on_wire(settled, frame.wire))
            }
            // Nothing comes before a count's first number, 0 or 1. Any other first frame may have
            // overtaken the one before it.
            None => match frame.wire.value() {
                0 => true,
                1 => frame.previous.is_none_or(|previous| previous == 0),
                _ => false,
            },
        }
    }

    /// Settles all frames with numbers below `end`, and the numbers between them.
    fn settle_before(&mut self, end: u64, out: &mut EventQueue) {
        while self.frames.first().is_some_and(|frame| frame.number < end) {
            self.settle_first(out);
        }
    }

    /// Settles the lowest frame, and the numbers before it.
    fn settle_first(&mut self, out: &mut EventQueue) {
        if self.frames.is_empty() {
            return;
        }
        let frame = self.frames.remove(0);
        if !self.is_next(&frame) {
            self.pass_over(frame.number, (frame.wire, frame.kind), out);
        }
        let complete = frame.is_complete();
        self.advance_to(frame.number, complete);
        if complete {
            self.suspect = None;
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
        let (received, total) = frame.progress();
        let number = frame.wire.value();
        out.lost(Lost {
            stream: self.kind,
            first: number,
            last: number,
            received,
            total,
            undecodable: complete,
            next_is_key: self.next_is_key(),
        });
        self.tables.push(frame.abandon());
    }

    /// Gives up the numbers from the last settled one to `end`, of which no frame is there; `next` is
    /// the first frame that is.
    fn pass_over(&mut self, end: u64, next: (FrameNumber, MediaKind), out: &mut EventQueue) {
        let (like, kind) = next;
        let last = end - 1;
        let Some(settled) = self.settled else {
            // Nobody knows what came before the first frame that was seen.
            self.settled = Some(last);
            return;
        };
        let first = settled + 1;
        if first > last {
            return;
        }
        out.stats.missing += end - first;
        out.lost(Lost {
            stream: self.kind,
            first: sequence::on_wire(first, like),
            last: sequence::on_wire(last, like),
            received: 0,
            total: 0,
            undecodable: false,
            next_is_key: Some(kind == MediaKind::Key),
        });
        self.decodable = false;
        self.advance_to(last, false);
    }

    /// Whether the lowest frame that is there is a key frame.
    fn next_is_key(&self) -> Option<bool> {
        let next = self.frames.first()?;
        Some(next.kind == MediaKind::Key)
    }

    /// Moves on to `number`, which is settled now.
    fn advance_to(&mut self, number: u64, delivered: bool) {
        let by = number - self.settled.unwrap_or(number - 1);
        let moved = self.delivered.checked_shl(sequence::low_bits(by));
        self.delivered = moved.unwrap_or(0) | u64::from(delivered);
        self.settled = Some(number);
    }
}
