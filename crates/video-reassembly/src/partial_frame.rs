//! A frame in reassembly.
//!
//! All slices of a frame but the last have the same size, the stride. Slice i is copied to offset i
//! · stride at once, in any order of arrival. If the last slice arrives first, or the sizes differ,
//! a slice goes to a second buffer, and the frame is copied once more when it is complete.

use alloc::vec::Vec;

use bytes::Bytes;
use tutk_frame::{FrameInfo, MediaKind};

use crate::{FrameMetadata, FrameNumber, Limits, Origin, Slice, Stats};

/// A frame with at least one slice.
#[derive(Debug)]
pub(crate) struct PartialFrame {
    /// The unwrapped frame number.
    pub(crate) number: u64,
    pub(crate) wire: FrameNumber,
    pub(crate) kind: MediaKind,
    pub(crate) previous: Option<u32>,
    pub(crate) metadata: Option<FrameMetadata>,
    pub(crate) info: Option<FrameInfo>,
    /// The slice counter of the first slice, if it was received.
    pub(crate) first_counter: Option<u16>,
    /// The stream's tick at the last slice.
    pub(crate) touched: u64,
    pub(crate) count: u32,
    pub(crate) received: u32,
    /// Payload bytes received.
    bytes: usize,
    /// The size of a slice that is not the last.
    stride: Option<usize>,
    data: Vec<u8>,
    /// Payload whose offset in `data` is unknown or does not match the stride.
    overflow: Vec<u8>,
    locations: Vec<SliceLocation>,
    /// Indices of slices that were recovered and not received.
    recovered: Vec<usize>,
    /// Set when a recovered slice proved wrong. Then further recovered slices are rejected, and
    /// received ones go to `overflow`, because the stride may be wrong.
    recovery_failed: bool,
}

/// Where a slice's payload is stored. Small, because a frame has one for each announced slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceLocation {
    Missing,
    Data(Span),
    Overflow(Span),
}

/// A range of bytes. [`Limits::frame_bytes`] fits into 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

/// The result of storing a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreOutcome {
    Stored,
    Duplicate,
    Inconsistent,
    OverLimit,
    /// A recovered slice contradicts received data.
    RecoveryRejected,
}

/// Returns the memory in bytes that a table occupies.
pub(crate) fn table_bytes(table: &Vec<SliceLocation>) -> usize {
    table.capacity() * size_of::<SliceLocation>()
}

impl PartialFrame {
    /// Creates an empty frame as `slice` describes it, and reuses the memory of `locations`.
    pub(crate) fn new(number: u64, slice: &Slice<'_>, mut locations: Vec<SliceLocation>) -> Self {
        locations.clear();
        let count = usize::try_from(slice.count).unwrap_or(usize::MAX);
        locations.resize(count, SliceLocation::Missing);
        Self {
            number,
            wire: slice.number,
            kind: slice.kind,
            previous: slice.previous,
            metadata: slice.metadata,
            info: None,
            first_counter: None,
            touched: 0,
            count: slice.count,
            received: 0,
            bytes: 0,
            stride: None,
            data: Vec::new(),
            overflow: Vec::new(),
            locations,
            recovered: Vec::new(),
            recovery_failed: false,
        }
    }

    pub(crate) fn store(
        &mut self,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> StoreOutcome {
        let Ok(index) = usize::try_from(slice.index) else {
            return StoreOutcome::Inconsistent;
        };
        let outcome = match slice.origin {
            Origin::Recovered => self.store_recovered(index, slice, limits, stats),
            Origin::Sent | Origin::Resent => self.store_received(index, slice, limits, stats),
        };
        if self.is_complete() && !self.recovered.is_empty() && !self.size_matches() {
            // Any of the recovered slices can be the wrong one.
            for index in core::mem::take(&mut self.recovered) {
                self.discard_recovered(index, stats);
            }
        }
        outcome
    }

    fn store_received(
        &mut self,
        index: usize,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> StoreOutcome {
        if !self.is_consistent_with(slice) {
            if u32::try_from(self.recovered.len()) != Ok(self.received) {
                return StoreOutcome::Inconsistent;
            }
            // All slices so far were recovered. The received slice replaces them.
            stats.recovered_dropped += u64::from(self.received);
            let empty = Self::new(self.number, slice, core::mem::take(&mut self.locations));
            *self = Self {
                touched: self.touched,
                recovery_failed: self.recovery_failed || self.received > 0,
                ..empty
            };
        }
        if let Some(at) = self.recovered.iter().position(|&other| other == index) {
            self.recovered.swap_remove(at);
            if self.payload(index) == slice.payload {
                self.read_info(index, slice, stats);
                return StoreOutcome::Duplicate;
            }
            self.discard_recovered(index, stats);
        }
        self.insert(index, slice, limits, stats)
    }

    fn store_recovered(
        &mut self,
        index: usize,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> StoreOutcome {
        // Without the frame info, the frame's size cannot be checked.
        let is_last = index + 1 == self.locations.len();
        let has_info = FrameInfo::parse(slice.info).is_ok();
        if self.recovery_failed || !self.is_consistent_with(slice) || is_last != has_info {
            return StoreOutcome::RecoveryRejected;
        }
        match self.insert(index, slice, limits, stats) {
            StoreOutcome::Stored => {
                self.recovered.push(index);
                StoreOutcome::Stored
            }
            StoreOutcome::Duplicate => StoreOutcome::Duplicate,
            _ => StoreOutcome::RecoveryRejected,
        }
    }

    fn is_consistent_with(&self, slice: &Slice<'_>) -> bool {
        slice.count == self.count && slice.kind == self.kind && slice.metadata == self.metadata
    }

    fn insert(
        &mut self,
        index: usize,
        slice: &Slice<'_>,
        limits: &Limits,
        stats: &mut Stats,
    ) -> StoreOutcome {
        match self.locations.get(index) {
            Some(SliceLocation::Missing) => {}
            Some(_) => return StoreOutcome::Duplicate,
            None => return StoreOutcome::Inconsistent,
        }
        if self.bytes + slice.payload.len() > limits.frame_bytes {
            return StoreOutcome::OverLimit;
        }
        let location = self.copy(index, slice.payload, limits.frame_bytes);
        if let Some(entry) = self.locations.get_mut(index) {
            *entry = location;
        }
        if index == 0 {
            self.first_counter = slice.counter;
        }
        self.bytes += slice.payload.len();
        self.received += 1;
        self.read_info(index, slice, stats);
        StoreOutcome::Stored
    }

    /// Parses the frame info of the last slice.
    fn read_info(&mut self, index: usize, slice: &Slice<'_>, stats: &mut Stats) {
        if index + 1 == self.locations.len() {
            self.info = FrameInfo::parse(slice.info).ok();
            stats.invalid_info += u64::from(self.info.is_none() && !slice.info.is_empty());
        }
    }

    fn discard_recovered(&mut self, index: usize, stats: &mut Stats) {
        stats.recovered_dropped += 1;
        self.bytes -= self.payload(index).len();
        self.received -= 1;
        if let Some(entry) = self.locations.get_mut(index) {
            *entry = SliceLocation::Missing;
        }
        if index + 1 == self.locations.len() {
            self.info = None;
        }
        self.recovery_failed = true;
    }

    /// Returns `false` if the frame info or the header announces another size than was received.
    pub(crate) fn size_matches(&self) -> bool {
        let announced = match self.info {
            Some(info) => info.frame_bytes(),
            None => self.metadata.map(|metadata| metadata.frame_bytes),
        };
        announced.is_none_or(|announced| usize::try_from(announced) == Ok(self.bytes))
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.received == self.count
    }

    pub(crate) fn memory_usage(&self) -> usize {
        self.data.capacity() + self.overflow.capacity() + table_bytes(&self.locations)
    }

    /// Returns the bytes of a complete frame, and its table for reuse.
    pub(crate) fn finish(self) -> (Bytes, Vec<SliceLocation>) {
        debug_assert!(self.is_complete());
        let mut end = 0;
        let is_contiguous = self.locations.iter().all(|location| match *location {
            SliceLocation::Data(span) if span.start() == end => {
                end = span.end();
                true
            }
            _ => false,
        });
        let data = if is_contiguous {
            let mut data = self.data;
            data.truncate(end);
            data
        } else {
            let mut gathered = Vec::with_capacity(self.bytes);
            for index in 0..self.locations.len() {
                gathered.extend_from_slice(self.payload(index));
            }
            gathered
        };
        // Shrinking in place saves the allocation in which `Bytes` keeps a spare capacity.
        (Bytes::from(data.into_boxed_slice()), self.locations)
    }

    /// Returns the table of a frame that is given up, for reuse.
    pub(crate) fn into_table(self) -> Vec<SliceLocation> {
        self.locations
    }

    /// Returns the payload of a slice, empty if it is missing.
    fn payload(&self, index: usize) -> &[u8] {
        let payload = match self.locations.get(index) {
            Some(&SliceLocation::Data(span)) => self.data.get(span.start()..span.end()),
            Some(&SliceLocation::Overflow(span)) => self.overflow.get(span.start()..span.end()),
            Some(SliceLocation::Missing) | None => None,
        };
        payload.unwrap_or_default()
    }

    /// Copies a slice's payload into the frame.
    fn copy(&mut self, index: usize, payload: &[u8], limit: usize) -> SliceLocation {
        let offset = self.offset_of(index, payload.len());
        offset
            .and_then(|start| self.copy_to(start, payload, limit))
            .unwrap_or_else(|| {
                let start = self.overflow.len();
                self.overflow.extend_from_slice(payload);
                SliceLocation::Overflow(Span::new(start, payload.len()))
            })
    }

    /// Copies payload to `data[start..]`. Returns `None` if it would end beyond `limit`.
    fn copy_to(&mut self, start: usize, payload: &[u8], limit: usize) -> Option<SliceLocation> {
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

    /// Returns the offset of a slice of `len` bytes, `None` if it is unknown or `len` exceeds the
    /// stride.
    fn offset_of(&mut self, index: usize, len: usize) -> Option<usize> {
        if self.recovery_failed {
            return None;
        }
        if index + 1 < self.locations.len() {
            let stride = *self.stride.get_or_insert(len);
            return index.checked_mul(stride).filter(|_| len <= stride);
        }
        let Some(before) = index.checked_sub(1) else {
            return Some(0);
        };
        // The last slice can have any size, as no slice follows. The slice before it can be shorter
        // than the stride.
        match self.locations.get(before) {
            Some(&SliceLocation::Data(span)) => Some(span.end()),
            _ => index.checked_mul(self.stride?),
        }
    }

    /// Returns the capacity to reserve when a slice of `len` bytes is the first one in `data`.
    fn expected_bytes(&self, len: usize, limit: usize) -> usize {
        match self.metadata {
            Some(metadata) => usize::try_from(metadata.frame_bytes).unwrap_or(limit),
            None => (self.locations.len()).saturating_mul(self.stride.unwrap_or(len)),
        }
        .min(limit)
    }
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

    fn assemble(payloads: &[&[u8]], order: &[usize]) -> PartialFrame {
        let count = u32::try_from(payloads.len()).unwrap();
        let mut frame = PartialFrame::new(1, &slice(0, count, b""), vec![]);
        for &index in order {
            assert!(!frame.is_complete());
            let slice = slice(u32::try_from(index).unwrap(), count, payloads[index]);
            let outcome = frame.store(&slice, &Limits::default(), &mut Stats::default());
            assert_eq!(outcome, StoreOutcome::Stored);
        }
        assert!(frame.is_complete());
        frame
    }

    #[test]
    fn assembles_slices_of_any_size_in_any_order() {
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
        for payloads in frames {
            for order in orders {
                let (data, _) = assemble(&payloads, &order).finish();
                assert_eq!(data, payloads.concat(), "{payloads:?} in order {order:?}");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri moves memory that is shrunk")]
    fn copies_slices_of_regular_size_once() {
        let cases: [([&[u8]; 4], [usize; 4]); 2] = [
            ([b"abcd", b"efgh", b"ij", b"klmn"], [0, 1, 2, 3]),
            ([b"abcd", b"efgh", b"ijkl", b"m"], [2, 0, 3, 1]),
        ];
        for (payloads, order) in cases {
            let frame = assemble(&payloads, &order);
            assert!(frame.overflow.is_empty());
            let at = frame.data.as_ptr();
            assert_eq!(frame.finish().0.as_ptr(), at);
        }
    }

    #[test]
    fn limits_the_bytes_of_both_buffers() {
        let limits = Limits {
            frame_bytes: 10,
            ..Limits::default()
        };
        let mut stats = Stats::default();
        let mut frame = PartialFrame::new(1, &slice(0, 9, b""), vec![]);
        let mut store = |index, payload: &[u8]| {
            let outcome = frame.store(&slice(index, 9, payload), &limits, &mut stats);
            (outcome, frame.data.capacity() + frame.overflow.len())
        };
        assert_eq!(store(0, b"abcd"), (StoreOutcome::Stored, 10));
        // Offset 28 is over the limit.
        assert_eq!(store(7, b"efgh"), (StoreOutcome::Stored, 14));
        assert_eq!(store(1, b"ijk"), (StoreOutcome::OverLimit, 14));
        assert_eq!(store(1, b"ij"), (StoreOutcome::Stored, 14));
        assert_eq!(store(2, b"k"), (StoreOutcome::OverLimit, 14));
    }
}
