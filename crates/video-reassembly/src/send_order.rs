//! The order in which the camera sent the slices of both streams.
//!
//! The slice counter counts the slices of all kinds. So the counters between two frames of a stream
//! show if a frame of this stream was sent between them. Frame numbers alone do not, because
//! audio and video may share one count (docs/protocol.md, section 15). Audio may be sent between
//! the slices of a video frame.

use alloc::vec;
use alloc::vec::Vec;

use crate::{Slice, StreamKind};

/// The number of slices to remember. Fewer are sent between two audio frames, and between the
/// first slices of two video frames unless a key frame has more than about a megabyte.
const SLICES: u16 = 1024;

/// The largest distance of two counters. A larger one is a jump: the camera restarted the count, if
/// a second counter confirms it.
const MAX_SPREAD: u16 = 0x4000;

/// How far a second counter may be ahead of a counter out of range, and confirm a jump.
const MAX_MISORDER: u16 = 64;

/// The number of times in a row that the numbers of neighbours of different streams must be
/// consecutive before the streams are considered to share one count. With separate counts, this
/// happens by chance, but not repeatedly.
const EVIDENCE: u8 = 4;

/// The number of lost frames whose stream is remembered.
const LOST: u16 = 256;

/// The newest slices of both streams.
#[derive(Debug)]
pub(crate) struct SendOrder {
    /// By the counter modulo [`SLICES`]. Empty until the first slice with a counter arrives.
    slices: Vec<Option<SentSlice>>,
    newest: u16,
    /// A slice whose counter is out of range. A second counter close to it confirms a jump.
    jump_candidate: Option<SentSlice>,
    evidence: u8,
    /// The last settled number of video and of audio.
    settled: [Option<u32>; 2],
    /// Lost frames and the streams that report them, by the number modulo [`LOST`]. Empty until a
    /// frame is lost.
    lost: Vec<Option<(u32, StreamKind)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SentSlice {
    stream: StreamKind,
    /// The number of the frame.
    number: u32,
    index: u16,
    /// The number of slices of the frame.
    count: u16,
    counter: u16,
}

impl SendOrder {
    pub(crate) fn new() -> Self {
        Self {
            slices: Vec::new(),
            newest: 0,
            jump_candidate: None,
            evidence: 0,
            settled: [None; 2],
            lost: Vec::new(),
        }
    }

    /// Records that all frames of `stream` up to `number` are delivered or given up.
    pub(crate) fn settled(&mut self, stream: StreamKind, number: u32) {
        let [video, audio] = &mut self.settled;
        match stream {
            StreamKind::Video => *video = Some(number),
            StreamKind::Audio => *audio = Some(number),
        }
    }

    /// The camera restarted the count of frames. The same numbers may follow again.
    pub(crate) fn numbers_restarted(&mut self) {
        self.settled = [None; 2];
        self.lost.clear();
    }

    /// Records a slice, if the layout has slice counters.
    pub(crate) fn received(&mut self, slice: &Slice<'_>) {
        let (Some(counter), Ok(index), Ok(count)) = (
            slice.counter,
            u16::try_from(slice.index),
            u16::try_from(slice.count),
        ) else {
            return;
        };
        let slice = SentSlice {
            stream: StreamKind::of(slice.kind),
            number: slice.number.value(),
            index,
            count,
            counter,
        };
        if self.slices.is_empty() {
            self.slices.resize(SLICES.into(), None);
            self.newest = counter;
        }
        let ahead = counter.wrapping_sub(self.newest);
        if (MAX_SPREAD..=MAX_SPREAD.wrapping_neg()).contains(&ahead) {
            let candidate = self.jump_candidate.replace(slice);
            let Some(candidate) = candidate.filter(|candidate| candidate.is_confirmed_by(counter))
            else {
                return;
            };
            self.slices.fill(None);
            self.newest = counter;
            self.record(candidate);
        } else if ahead < MAX_SPREAD {
            self.newest = counter;
        }
        self.jump_candidate = None;
        if self.newest.wrapping_sub(counter) < SLICES {
            self.record(slice);
        }
    }

    /// Records a slice that is less than [`SLICES`] behind the newest one.
    fn record(&mut self, slice: SentSlice) {
        let Some(place) = self.slices.get_mut(usize::from(slice.counter % SLICES)) else {
            return;
        };
        if place.replace(slice) != Some(slice) && slice.index == 0 {
            self.compare_numbers(&slice);
        }
    }

    /// Compares the number of a frame, of which `slice` is the first slice, with the number of the
    /// frame that began before it.
    fn compare_numbers(&mut self, slice: &SentSlice) {
        let mut expected = slice.counter;
        let mut slices = self.backward(slice.counter.wrapping_sub(1));
        let before = slices.find(|before| {
            expected = expected.wrapping_sub(1);
            before.index == 0 || before.counter != expected
        });
        drop(slices);
        let Some(before) = before.filter(|before| before.counter == expected) else {
            return;
        };
        if before.stream != slice.stream {
            self.evidence = match before.number.wrapping_add(1) == slice.number {
                true => EVIDENCE.min(self.evidence + 1),
                false => 0,
            };
        }
    }

    /// Returns `true` if no frame of `stream` was sent between frame `last` and frame `number`. If
    /// `last` is `None`, returns `true` if none was sent before frame `number`.
    pub(crate) fn follows(&self, stream: StreamKind, last: Option<u32>, number: u32) -> bool {
        let mut slices = self.backward(self.newest);
        let Some(mut next) = slices.find(|slice| slice.is_of(stream, number)) else {
            return false;
        };
        let mut is_complete = true;
        for slice in slices {
            if slice.is_of(stream, number) {
                // What is missing between slices of one frame is no frame of its stream.
                is_complete = true;
            } else {
                is_complete = is_complete && {
                    let (missing, own) = self.gap(slice, next);
                    missing == 0 || missing == own
                };
                if slice.stream == stream {
                    return is_complete && last == Some(slice.number);
                }
            }
            next = slice;
        }
        // The count of slices begins at 0.
        is_complete && last.is_none() && next.counter == next.index
    }

    /// Returns the ranges of numbers from `first` to `last` that lost frames of `stream` had, each
    /// with its length. Frame `next` is the first one after them. Returns `None` if the streams do
    /// not share their numbers, so that all of them are lost.
    ///
    /// The other stream's frames have some of the numbers. If a frame of the other stream was lost
    /// as well, its number cannot be told from that of this stream. An audio frame is one slice, so
    /// a lost number is audio if as many numbers are lost as slices, and video otherwise. The first
    /// stream that settles a number decides, so that one stream reports it. It is not left to
    /// a stream that has settled it already.
    ///
    /// Allocates, because losses are rare.
    pub(crate) fn lost_numbers(
        &mut self,
        stream: StreamKind,
        first: u32,
        last: u32,
        next: u32,
    ) -> Option<Vec<(u32, u32, u64)>> {
        if self.evidence < EVIDENCE {
            return None;
        }
        let distance = last.wrapping_sub(first);
        let mut owners = vec![None; usize::try_from(distance).ok()?.checked_add(1)?];
        for slice in self.backward(self.newest) {
            let at = usize::try_from(slice.number.wrapping_sub(first));
            let owner = at.ok().and_then(|at| owners.get_mut(at));
            if let Some(owner @ None) = owner {
                *owner = Some(slice.stream);
            }
        }
        let unknown = owners.iter().filter(|owner| owner.is_none()).count();
        let slices = self.lost_slices(stream, first.wrapping_sub(1), next);
        let likely = match slices {
            None => stream,
            Some(slices) if slices == unknown => StreamKind::Audio,
            Some(_) => StreamKind::Video,
        };
        let mut ranges = Vec::new();
        for (number, owner) in (0..=distance).map(|at| first.wrapping_add(at)).zip(owners) {
            let reporter = self.reporter(number).or(owner).unwrap_or_else(|| {
                let reporter = match self.is_settled(likely, number) {
                    true => stream,
                    false => likely,
                };
                self.remember(number, reporter);
                reporter
            });
            if reporter == stream {
                extend(&mut ranges, number);
            }
        }
        Some(ranges)
    }

    /// Returns the ranges of numbers from `first` to `last` that the other stream has left to
    /// `stream`, each with its length, although the camera skipped them in this stream.
    ///
    /// Allocates only if there are any.
    pub(crate) fn left_numbers(
        &self,
        stream: StreamKind,
        first: u32,
        last: u32,
    ) -> Vec<(u32, u32, u64)> {
        let mut ranges = Vec::new();
        if !self.lost.is_empty() {
            let numbers = (0..=last.wrapping_sub(first)).map(|at| first.wrapping_add(at));
            let left = numbers.filter(|&number| self.reporter(number) == Some(stream));
            left.for_each(|number| extend(&mut ranges, number));
        }
        ranges
    }

    /// Returns the stream that reports a lost frame, if that was decided.
    fn reporter(&self, number: u32) -> Option<StreamKind> {
        let place = self.lost.get(lost_index(number)).copied().flatten();
        let (_, stream) = place.filter(|(known, _)| *known == number)?;
        Some(stream)
    }

    fn remember(&mut self, number: u32, reporter: StreamKind) {
        if self.lost.is_empty() {
            self.lost.resize(LOST.into(), None);
        }
        if let Some(place) = self.lost.get_mut(lost_index(number)) {
            *place = Some((number, reporter));
        }
    }

    /// Returns `true` if frame `number` of a stream can no longer be reported. This includes a
    /// stream without any frame yet, which does not report earlier ones.
    fn is_settled(&self, stream: StreamKind, number: u32) -> bool {
        let [video, audio] = self.settled;
        let settled = match stream {
            StreamKind::Video => video,
            StreamKind::Audio => audio,
        };
        settled.is_none_or(|settled| settled.wrapping_sub(number).cast_signed() >= 0)
    }

    /// Returns the number of slices between frame `last` and frame `next` that belong to no known
    /// frame. `None` if one of the two is not known.
    fn lost_slices(&self, stream: StreamKind, last: u32, next: u32) -> Option<usize> {
        let mut slices = self.backward(self.newest);
        let mut after = slices.find(|slice| slice.is_of(stream, next))?;
        let mut lost = 0;
        for slice in slices {
            if slice.is_of(stream, next) {
                lost = 0;
            } else {
                let (missing, own) = self.gap(slice, after);
                lost += usize::from(missing.saturating_sub(own));
                if slice.is_of(stream, last) {
                    return Some(lost);
                }
            }
            after = slice;
        }
        None
    }

    /// Returns the number of slices between two known ones, all of which are missing, and the
    /// number that the frames of the two have there.
    ///
    /// If both numbers are equal, no other frame has slices there, unless as many slices of a frame
    /// will follow later as were lost of others.
    fn gap(&self, before: SentSlice, after: SentSlice) -> (u16, u16) {
        let missing = after.counter.wrapping_sub(before.counter).wrapping_sub(1);
        if missing == 0 {
            return (0, 0);
        }
        if after.is_of(before.stream, before.number) {
            return (
                missing,
                after.index.wrapping_sub(before.index).wrapping_sub(1),
            );
        }
        // The frames are interleaved if one of them continues beyond the other.
        let later = self.backward(self.newest);
        let mut later = later.take_while(|slice| slice.counter != after.counter);
        let end = match later.any(|slice| slice.is_of(before.stream, before.number)) {
            true => 0,
            false => before.count.wrapping_sub(before.index).wrapping_sub(1),
        };
        let mut earlier = self.backward(before.counter);
        let start = match earlier.any(|slice| slice.is_of(after.stream, after.number)) {
            true => 0,
            false => after.index,
        };
        (missing, end.wrapping_add(start))
    }

    /// Returns the known slices from `counter` on, in descending order.
    fn backward(&self, counter: u16) -> impl Iterator<Item = SentSlice> + '_ {
        (0..SLICES).filter_map(move |back| {
            let counter = counter.wrapping_sub(back);
            let slice = *self.slices.get(usize::from(counter % SLICES))?;
            slice.filter(|slice| slice.counter == counter)
        })
    }
}

/// Appends a number to ranges of numbers with their lengths.
fn extend(ranges: &mut Vec<(u32, u32, u64)>, number: u32) {
    match ranges.last_mut() {
        Some((_, end, count)) if end.wrapping_add(1) == number => {
            *end = number;
            *count += 1;
        }
        _ => ranges.push((number, number, 1)),
    }
}

fn lost_index(number: u32) -> usize {
    let [a, b, ..] = number.to_le_bytes();
    usize::from(u16::from_le_bytes([a, b]) % LOST)
}

impl SentSlice {
    /// Returns `true` if a slice with this counter confirms that this one is no error.
    fn is_confirmed_by(&self, counter: u16) -> bool {
        (1..=MAX_MISORDER).contains(&counter.wrapping_sub(self.counter))
    }

    fn is_of(&self, stream: StreamKind, number: u32) -> bool {
        self.stream == stream && self.number == number
    }
}
