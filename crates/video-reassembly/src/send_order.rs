//! The order in which the camera sent the frames of both streams.
//!
//! The slice counter counts the slices of all kinds. So the counters between two frames of a stream
//! tell whether a frame of this stream was sent between them. Frame numbers alone do not, because
//! audio and video may share one count (docs/protocol.md, section 15).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{Slice, StreamKind};

/// The number of frames to remember. Fewer are sent between two frames of a stream.
const FRAMES: usize = 64;

/// The largest distance of two counters. A larger one means that the camera restarted the count.
const MAX_SPREAD: u16 = 0x4000;

/// The number of times in a row that the numbers of neighbours of different streams must be
/// consecutive before the streams are considered to share one count. With separate counts, this
/// happens by chance, but not repeatedly.
const EVIDENCE: u8 = 4;

/// The newest frames of both streams, in the order of their slice counters.
#[derive(Debug)]
pub(crate) struct SendOrder {
    frames: VecDeque<SentFrame>,
    evidence: u8,
}

#[derive(Debug, Clone, Copy)]
struct SentFrame {
    stream: StreamKind,
    number: u32,
    /// The counter of the first slice.
    first: u16,
    /// The number of slices.
    count: u16,
}

impl SendOrder {
    pub(crate) fn new() -> Self {
        Self {
            frames: VecDeque::with_capacity(FRAMES),
            evidence: 0,
        }
    }

    /// Records the frame of a slice, if the layout has slice counters.
    pub(crate) fn received(&mut self, slice: &Slice<'_>) {
        let (Some(counter), Ok(index), Ok(count)) = (
            slice.counter,
            u16::try_from(slice.index),
            u16::try_from(slice.count),
        ) else {
            return;
        };
        let frame = SentFrame {
            stream: StreamKind::of(slice.kind),
            number: slice.number.value(),
            first: counter.wrapping_sub(index),
            count,
        };
        let mut at = self.frames.len();
        let mut before = None;
        while let Some(&other) = at.checked_sub(1).and_then(|at| self.frames.get(at)) {
            let ahead = frame.first.wrapping_sub(other.first);
            if ahead == 0 {
                // Most slices belong to the newest frame.
                return;
            }
            if ahead < MAX_SPREAD {
                before = Some(other);
                break;
            }
            if ahead <= MAX_SPREAD.wrapping_neg() {
                self.frames.clear();
                at = 0;
                break;
            }
            at -= 1;
        }
        if let Some(before) = before
            && before.end() == frame.first
            && before.stream != frame.stream
        {
            let is_consecutive = before.number.wrapping_add(1) == frame.number;
            self.evidence = match is_consecutive {
                true => EVIDENCE.min(self.evidence + 1),
                false => 0,
            };
        }
        if self.frames.len() >= FRAMES {
            self.frames.pop_front();
            at = at.saturating_sub(1);
        }
        self.frames.insert(at, frame);
    }

    /// Returns `true` if no frame of `stream` was sent between frame `last` and frame `number`. If
    /// `last` is `None`, returns `true` if none was sent before frame `number`.
    pub(crate) fn follows(&self, stream: StreamKind, last: Option<u32>, number: u32) -> bool {
        let Some(frame) = self.find(stream, number) else {
            return false;
        };
        let mut start = frame.first;
        for frame in self.frames.iter().rev() {
            // The count begins at 0.
            if last.is_none() && start == 0 {
                return true;
            }
            if frame.end() != start {
                continue;
            }
            if frame.stream == stream {
                return last == Some(frame.number);
            }
            start = frame.first;
        }
        last.is_none() && start == 0
    }

    /// Returns the ranges of numbers from `first` to `last` that lost frames of `stream` had, each
    /// with its length. Frame `next` is the first one after them. Returns `None` if the streams do
    /// not share their numbers, so that all of them are lost.
    ///
    /// The other stream's frames have some of the numbers. If a frame of the other stream was lost as well, its number cannot be
    /// told from that of this stream. An audio frame is one slice, so a lost number is audio if as
    /// many numbers are lost as slices, and video otherwise.
    ///
    /// Allocates, because losses are rare.
    pub(crate) fn lost_numbers(
        &self,
        stream: StreamKind,
        first: u32,
        last: u32,
        next: u32,
    ) -> Option<Vec<(u32, u32, u64)>> {
        if self.evidence < EVIDENCE {
            return None;
        }
        let distance = last.wrapping_sub(first);
        let numbers = || (0..=distance).map(|at| first.wrapping_add(at));
        let owner = |number| {
            let mut frames = self.frames.iter().rev();
            Some(frames.find(|frame| frame.number == number)?.stream)
        };
        let unknown = numbers().filter(|&number| owner(number).is_none()).count();
        let slices = self.lost_slices(stream, first.wrapping_sub(1), next);
        let is_lost = |number| match (owner(number), slices) {
            (Some(owner), _) => owner == stream,
            (None, None) => true,
            (None, Some(slices)) => (slices == unknown) == (stream == StreamKind::Audio),
        };
        let mut ranges: Vec<(u32, u32, u64)> = Vec::new();
        for number in numbers().filter(|&number| is_lost(number)) {
            match ranges.last_mut() {
                Some((_, end, count)) if end.wrapping_add(1) == number => {
                    *end = number;
                    *count += 1;
                }
                _ => ranges.push((number, number, 1)),
            }
        }
        Some(ranges)
    }

    /// Returns the number of slices between frame `last` and frame `next` that belong to no known
    /// frame. `None` if one of the two is not known.
    fn lost_slices(&self, stream: StreamKind, last: u32, next: u32) -> Option<usize> {
        let start = self.find(stream, last)?.end();
        let end = self.find(stream, next)?.first;
        let between = end.wrapping_sub(start);
        let known = self.frames.iter().filter_map(|frame| {
            let is_between = frame.first.wrapping_sub(start) < between;
            is_between.then_some(usize::from(frame.count))
        });
        usize::from(between).checked_sub(known.sum())
    }

    fn find(&self, stream: StreamKind, number: u32) -> Option<&SentFrame> {
        let mut frames = self.frames.iter().rev();
        frames.find(|frame| frame.stream == stream && frame.number == number)
    }
}

impl SentFrame {
    /// Returns the counter after the last slice.
    fn end(&self) -> u16 {
        self.first.wrapping_add(self.count)
    }
}
