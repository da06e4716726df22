//! One frame in assembly: where each slice's bytes go.
//!
//! The slices of a frame have one size, all but the last, so slice i belongs at i times that size
//! and is copied there at once, in whatever order slices come. Nothing relies on it: the place of
//! every slice is written down, what does not fit its place is set aside, and a frame with holes or
//! strays is copied a second time at the end. That costs only frames whose last slice came first,
//! or whose sender does not keep one size.

use alloc::vec::Vec;

use bytes::Bytes;
use tutk_frame::{FrameInfo, MediaKind};

use crate::{FrameMetadata, FrameNumber, Limits, Origin, Slice, Stats};

/// A frame of which at least one slice came.
#[derive(Debug)]
pub(crate) struct PartialFrame {
    pub(crate) number: u64,
    pub(crate) wire: FrameNumber,
    pub(crate) kind: MediaKind,
    pub(crate) previous: Option<u32>,
    pub(crate) metadata: Option<FrameMetadata>,
    pub(crate) info: Option<FrameInfo>,
    /// The slice counter of the first slice, once that is there.
    pub(crate) counter: Option<u16>,
    /// When a slice came last, in slices of the stream.
    pub(crate) touched: u64,
    count: u32,
    have: u32,
    /// Payload bytes that came.
    bytes: usize,
    /// The size of a slice that is not the last.
    stride: Option<usize>,
    data: Vec<u8>,
    /// Payload whose place in `data` is not known, or does not fit it.
    aside: Vec<u8>,
    places: Vec<SliceLocation>,
    /// Indices of the slices that were recovered and did not come themselves.
    recovered: Vec<usize>,
    /// Whether a recovered slice of this frame proved wrong: then no other is taken, and what comes
    /// goes aside, as the places that the wrong one has led to are not to be relied on.
    misled: bool,
}

/// Where the bytes of a slice are. It is small, as there is one for each slice that a frame says it has,
/// whether it comes or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceLocation {
    Missing,
    Data(Span),
    Aside(Span),
}

/// A range of a frame's bytes: [`Limits::frame_bytes`] is never more than 32 bits can count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    fn new(start: usize, len: usize) -> Self {
        Self {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u32::try_from(len).unwrap_or(u32::MAX),
        }
    }

    fn start(self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    fn end(self) -> usize {
        self.start()
            .saturating_add(usize::try_from(self.len).unwrap_or(usize::MAX))
    }
}

/// What became of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    Duplicate,
    Inconsistent,
    OverLimit,
    /// A recovered slice that does not fit what came.
    Unusable,
}

/// Bytes of memory that a table takes.
pub(crate) fn table_bytes(table: &Vec<SliceLocation>) -> usize {
    table.capacity() * size_of::<SliceLocation>()
}

impl PartialFrame {
    /// An empty frame as `slice` describes it. `places` is a table to use again.
    pub(crate) fn new(number: u64, slice: &Slice<'_>, mut places: Vec<SliceLocation>) -> Self {
        places.clear();
        let count = usize::try_from(slice.count).unwrap_or(usize::MAX);
        places.resize(count, SliceLocation::Missing);
        Self {
            number,
            wire: slice.number,
            kind: slice.kind,
            previous: slice.previous,
            metadata: slice.metadata,
            info: None,
            counter: None,
            touched: 0,
            count: slice.count,
            have: 0,
            bytes: 0,
            stride: None,
            data: Vec::new(),
            aside: Vec::new(),
            places,
            recovered: Vec::new(),
            misled: false,
        }
    }

    pub(crate) fn store(
        &mut self,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> Stored {
        let stored = match slice.origin {
            Origin::Recovered => self.store_recovered(slice, limits, stats),
            Origin::Sent | Origin::Resent => self.store_sent(slice, limits, stats),
        };
        if self.is_complete() && !self.recovered.is_empty() && !self.is_as_long_as_said() {
            // It cannot be told which of them is wrong.
            for index in core::mem::take(&mut self.recovered) {
                self.take_back(index);
                stats.recovered_dropped += 1;
            }
        }
        stored
    }

    fn store_sent(&mut self, slice: &Slice<'_>, limits: &Limits, stats: &mut Stats) -> Stored {
        if !self.agrees_with(slice) {
            if u32::try_from(self.recovered.len()) != Ok(self.have) {
                return Stored::Inconsistent;
            }
            // Whatever is there was recovered: this slice has come and counts for more.
            stats.recovered_dropped += u64::from(self.have);
            let anew = Self::new(self.number, slice, core::mem::take(&mut self.places));
            *self = Self {
                touched: self.touched,
                misled: self.misled || self.have > 0,
                ..anew
            };
        }
        let Ok(index) = usize::try_from(slice.index) else {
            return Stored::Inconsistent;
        };
        if let Some(at) = self.recovered.iter().position(|&other| other == index) {
            self.recovered.swap_remove(at);
            if self.payload(index) == slice.payload {
                self.read_info(index, slice, stats);
                return Stored::Duplicate;
            }
            self.take_back(index);
            stats.recovered_dropped += 1;
        }
        self.insert(index, slice, limits, stats)
    }

    fn store_recovered(&mut self, slice: &Slice<'_>, limits: &Limits, stats: &mut Stats) -> Stored {
        let Ok(index) = usize::try_from(slice.index) else {
            return Stored::Unusable;
        };
        // Where the frame info is missing there is nothing to hold the frame to.
        let is_last = index + 1 == self.places.len();
        let has_info = FrameInfo::parse(slice.info).is_ok();
        if self.misled || !self.agrees_with(slice) || is_last != has_info {
            return Stored::Unusable;
        }
        match self.insert(index, slice, limits, stats) {
            Stored::Yes => {
                self.recovered.push(index);
                Stored::Yes
            }
            Stored::Duplicate => Stored::Duplicate,
            _ => Stored::Unusable,
        }
    }

    /// Whether the slice says the same of the frame as the first one.
    fn agrees_with(&self, slice: &Slice<'_>) -> bool {
        slice.count == self.count && slice.kind == self.kind && slice.metadata == self.metadata
    }

    fn insert(
        &mut self,
        index: usize,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> Stored {
        match self.places.get(index) {
            Some(SliceLocation::Missing) => {}
            Some(_) => return Stored::Duplicate,
            None => return Stored::Inconsistent,
        }
        if self.bytes + slice.payload.len() > limits.frame_bytes {
            return Stored::OverLimit;
        }
        let place = self.keep(index, slice.payload, limits.frame_bytes);
        if let Some(entry) = self.places.get_mut(index) {
            *entry = place;
        }
        if index == 0 {
            self.counter = slice.counter;
        }
        self.bytes += slice.payload.len();
        self.have += 1;
        self.read_info(index, slice, stats);
        Stored::Yes
    }

    /// Reads the frame info, if that slice is the last one.
    fn read_info(&mut self, index: usize, slice: &Slice<'_>, stats: &mut Stats) {
        if index + 1 == self.places.len() {
            self.info = FrameInfo::parse(slice.info).ok();
            stats.invalid_info += u64::from(self.info.is_none() && !slice.info.is_empty());
        }
    }

    /// Forgets a recovered slice that proved wrong.
    fn take_back(&mut self, index: usize) {
        self.bytes -= self.payload(index).len();
        self.have -= 1;
        if let Some(entry) = self.places.get_mut(index) {
            *entry = SliceLocation::Missing;
        }
        if index + 1 == self.places.len() {
            self.info = None;
        }
        self.misled = true;
    }

    /// Whether the frame info or the header says no other size than that of what came.
    pub(crate) fn is_as_long_as_said(&self) -> bool {
        let said = match (self.info, self.metadata) {
            (Some(info), _) => info.frame_bytes(),
            (None, metadata) => metadata.map(|metadata| metadata.frame_bytes),
        };
        said.is_none_or(|said| usize::try_from(said) == Ok(self.bytes))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.have == self.count
    }

    /// Bytes of memory that it takes.
    pub(crate) fn memory_usage(&self) -> usize {
        self.data.capacity() + self.aside.capacity() + table_bytes(&self.places)
    }

    /// Slices that came, and slices there are.
    pub(crate) fn progress(&self) -> (u32, u32) {
        (self.have, self.count)
    }

    /// The frame's bytes, and the table to use again. Call it on a complete frame.
    pub(crate) fn finish(self) -> (Bytes, Vec<SliceLocation>) {
        debug_assert!(self.is_complete());
        let mut end = 0;
        let in_one_piece = self.places.iter().all(|place| match *place {
            SliceLocation::Data(span) if span.start() == end => {
                end = span.end();
                true
            }
            _ => false,
        });
        let data = if in_one_piece {
            let mut data = self.data;
            data.truncate(end);
            data
        } else {
            let mut gathered = Vec::with_capacity(self.bytes);
            for index in 0..self.places.len() {
                gathered.extend_from_slice(self.payload(index));
            }
            gathered
        };
        // What the last slice left of its room is given back, which leaves the bytes where they are:
        // `Bytes` would need an allocation of its own to remember how much room there was.
        (Bytes::from(data.into_boxed_slice()), self.places)
    }

    /// The bytes of a slice that is there, none of one that is missing.
    fn payload(&self, index: usize) -> &[u8] {
        let piece = match self.places.get(index) {
            Some(&SliceLocation::Data(span)) => self.data.get(span.start()..span.end()),
            Some(&SliceLocation::Aside(span)) => self.aside.get(span.start()..span.end()),
            Some(SliceLocation::Missing) | None => None,
        };
        piece.unwrap_or_default()
    }

    /// The table to use again, of a frame that is given up.
    pub(crate) fn abandon(self) -> Vec<SliceLocation> {
        self.places
    }

    /// Copies a slice's bytes to where they belong, or aside.
    fn keep(&mut self, index: usize, payload: &[u8], limit: usize) -> SliceLocation {
        let place = self.place_of(index, payload.len());
        place
            .and_then(|start| self.put(start, payload, limit))
            .unwrap_or_else(|| {
                let start = self.aside.len();
                self.aside.extend_from_slice(payload);
                SliceLocation::Aside(Span::new(start, payload.len()))
            })
    }

    /// Copies a slice's bytes to that place. `None` if they would end beyond `limit` there.
    fn put(&mut self, start: usize, payload: &[u8], limit: usize) -> Option<SliceLocation> {
        let len = payload.len();
        let end = start.checked_add(len).filter(|&end| end <= limit)?;
        if self.data.capacity() == 0 {
            self.data.reserve_exact(self.expected_bytes(len, limit));
        }
        if self.data.len() < start {
            self.data.resize(start, 0);
        }
        if self.data.len() == start {
            self.data.extend_from_slice(payload);
        } else {
            if self.data.len() < end {
                self.data.resize(end, 0);
            }
            self.data.get_mut(start..end)?.copy_from_slice(payload);
        }
        Some(SliceLocation::Data(Span::new(start, len)))
    }

    /// Where a slice of `len` bytes begins, `None` if that is not known or it does not fit there.
    fn place_of(&mut self, index: usize, len: usize) -> Option<usize> {
        if self.misled {
            return None;
        }
        if index + 1 < self.places.len() {
            let stride = *self.stride.get_or_insert(len);
            return if len <= stride {
                index.checked_mul(stride)
            } else {
                None
            };
        }
        let Some(before) = index.checked_sub(1) else {
            return Some(0);
        };
        // The last slice is as long as it likes. It follows the one before it, which may be shorter
        // than the others, and nothing comes after it that it could overwrite.
        match self.places.get(before) {
            Some(&SliceLocation::Data(span)) => Some(span.end()),
            _ => index.checked_mul(self.stride?),
        }
    }

    /// How much to reserve when the first slice in its place is one of `len` bytes.
    fn expected_bytes(&self, len: usize, limit: usize) -> usize {
        match self.metadata {
            Some(metadata) => usize::try_from(metadata.frame_bytes).unwrap_or(limit),
            None => self.places.len().saturating_mul(self.stride.unwrap_or(len)),
        }
        .min(limit)
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    fn slice(index: u32, count: u32, payload: &[u8]) -> Slice<'_> {
        Slice {
            kind: MediaKind::Key,
            origin: Origin::Sent,
            counter: None,
            number: FrameNumber::Long(1),
            previous: None,
            index,
            count,
            payload,
            info: &[],
            metadata: None,
        }
    }

    fn assemble(pieces: &[&[u8]], order: &[usize]) -> PartialFrame {
        let count = u32::try_from(pieces.len()).unwrap();
        let mut frame = PartialFrame::new(1, &slice(0, count, b""), vec![]);
        for &index in order {
            assert!(!frame.is_complete());
            let number = u32::try_from(index).unwrap();
            let stored = frame.store(
                &slice(number, count, pieces[index]),
                &Limits::default(),
                &mut Stats::default(),
            );
            assert_eq!(stored, Stored::Yes);
        }
        assert!(frame.is_complete());
        frame
    }

    #[test]
    fn any_order_of_any_sizes_makes_the_same_frame() {
        let orders: [[usize; 4]; 6] = [
            [0, 1, 2, 3],
            [3, 2, 1, 0],
            [3, 0, 1, 2],
            [2, 0, 3, 1],
            [1, 3, 0, 2],
            [0, 2, 1, 3],
        ];
        let frames: [[&[u8]; 4]; 7] = [
            [b"abcd", b"efgh", b"ijkl", b"m"],
            [b"abcd", b"efgh", b"ij", b"klmn"],
            [b"a", b"bcd", b"efgh", b"ijklm"],
            [b"abcd", b"", b"efgh", b""],
            [b"", b"", b"", b"abc"],
            [b"abcdef", b"g", b"hijklm", b"nopqrstuvw"],
            [b"ab", b"cd", b"ef", b"ghijklmn"],
        ];
        for pieces in frames {
            for order in orders {
                let (data, _) = assemble(&pieces, &order).finish();
                assert_eq!(data, pieces.concat(), "{pieces:?} in order {order:?}");
            }
        }
    }

    #[test]
    fn what_comes_in_order_is_copied_once() {
        let frame = assemble(&[b"abcd", b"efgh", b"ij", b"klmn"], &[0, 1, 2, 3]);
        assert!(frame.aside.is_empty());
        let at = frame.data.as_ptr();
        assert_eq!(frame.finish().0.as_ptr(), at);
    }

    #[test]
    fn regular_slices_out_of_order_are_copied_once_too() {
        let frame = assemble(&[b"abcd", b"efgh", b"ijkl", b"m"], &[2, 0, 3, 1]);
        assert!(frame.aside.is_empty());
        let at = frame.data.as_ptr();
        assert_eq!(frame.finish().0.as_ptr(), at);
    }

    #[test]
    fn a_frame_has_no_more_bytes_than_the_limit_wherever_they_go() {
        let limits = Limits {
            frame_bytes: 10,
            ..Limits::default()
        };
        let mut stats = Stats::default();
        let mut frame = PartialFrame::new(1, &slice(0, 9, b""), vec![]);
        let mut store = |index, payload: &[u8]| {
            let stored = frame.store(&slice(index, 9, payload), &limits, &mut stats);
            (stored, frame.data.capacity() + frame.aside.len())
        };
        assert_eq!(store(0, b"abcd"), (Stored::Yes, 10));
        // Its place would be at 28: it is kept elsewhere.
        assert_eq!(store(7, b"efgh"), (Stored::Yes, 14));
        assert_eq!(store(1, b"ijk"), (Stored::OverLimit, 14));
        assert_eq!(store(1, b"ij"), (Stored::Yes, 14));
        assert_eq!(store(2, b"k"), (Stored::OverLimit, 14));
    }
}
