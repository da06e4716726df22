//! The camera's side of resend mode: groups with parity, and a window of slices for retransmission
//! (docs/protocol.md, section 17).

use alloc::collections::VecDeque;
use core::mem;

use bytes::{BufMut, Bytes};
use tutk_frame::{FrameInfo, GroupHeader, Parity, SliceHeader};

use crate::xor::Xor;

/// How a [`Slicer`](crate::Slicer) groups slices, and which it keeps for retransmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendConfig {
    /// Slices of a group, at least 1. The last group of a frame has fewer, because a group has
    /// slices of one frame only.
    pub group_size: u8,
    /// Adds a parity packet to each group.
    pub parity: bool,
    /// Slices in the window, at most 16,384.
    pub window_slices: u16,
    /// Payload bytes of the slices in the window. The window shares the memory of whole frames: a
    /// frame is kept as long as any of its slices is.
    pub window_bytes: usize,
}

/// The counters of a [`Slicer`](crate::Slicer).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlicerStats {
    /// Slices written for the first time.
    pub slices: u64,
    /// Parity packets written.
    pub parity: u64,
    /// Retransmissions written.
    pub resent: u64,
    /// Requests for a slice that is not in the window.
    pub unavailable: u64,
}

/// A packet written by [`Slicer::write_repair`](crate::Slicer::write_repair).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The parity packet of a group.
    Parity,
    /// The retransmission of a slice.
    Slice(SliceHeader),
}

/// A slice that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) header: SliceHeader,
    pub(crate) payload: Bytes,
    /// The frame info of the last slice.
    pub(crate) info: Option<FrameInfo>,
}

/// The slices available for retransmission, with consecutive counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResendWindow {
    /// Each slice, with a flag if it is in `requested`.
    sent: VecDeque<(Sent, bool)>,
    bytes: usize,
    requested: VecDeque<u16>,
}

/// A group in transmission.
#[derive(Debug, Clone)]
pub(crate) struct OpenGroup {
    header: GroupHeader,
    xor: Xor,
}

impl ResendWindow {
    pub(crate) fn push(&mut self, sent: Sent, config: &ResendConfig) {
        self.bytes += sent.payload.len();
        self.sent.push_back((sent, false));
        let limit = usize::from(config.window_slices.min(0x4000));
        while self.sent.len() > limit || self.bytes > config.window_bytes {
            self.drop_oldest();
        }
    }

    /// Drops the slices before `base` and queues the missing ones. Returns the number of missing
    /// slices that are not in the window.
    pub(crate) fn request(&mut self, base: u16, missing: impl IntoIterator<Item = u16>) -> u64 {
        // A base outside the window is ignored.
        let acknowledged = self.distance_to(base).unwrap_or(0);
        if acknowledged <= self.sent.len() {
            for _ in 0..acknowledged {
                self.drop_oldest();
            }
        }
        let mut unavailable = 0;
        for counter in missing {
            match self.get_mut(counter) {
                Some((_, is_requested)) => {
                    if !mem::replace(is_requested, true) {
                        self.requested.push_back(counter);
                    }
                }
                None => unavailable += 1,
            }
        }
        unavailable
    }

    /// Returns the next requested slice.
    pub(crate) fn next(&mut self) -> Option<Sent> {
        let counter = self.requested.pop_front()?;
        let (sent, is_requested) = self.get_mut(counter)?;
        *is_requested = false;
        Some(sent.clone())
    }

    fn get_mut(&mut self, counter: u16) -> Option<&mut (Sent, bool)> {
        let index = self.distance_to(counter)?;
        self.sent.get_mut(index)
    }

    /// Returns how far the counter is ahead of the oldest slice.
    fn distance_to(&self, counter: u16) -> Option<usize> {
        let (oldest, _) = self.sent.front()?;
        Some(counter.wrapping_sub(oldest.header.counter).into())
    }

    fn drop_oldest(&mut self) {
        if let Some((sent, is_requested)) = self.sent.pop_front() {
            self.bytes -= sent.payload.len();
            if is_requested {
                self.requested
                    .retain(|&counter| counter != sent.header.counter);
            }
        }
    }
}

impl OpenGroup {
    /// Creates a group for the next slices of a frame with `remaining` slices to send.
    pub(crate) fn new(number: u16, remaining: u16, config: &ResendConfig) -> Self {
        let k = u8::try_from(remaining).unwrap_or(u8::MAX);
        Self {
            header: GroupHeader {
                group: number,
                index: 0,
                k: k.min(config.group_size).max(1),
                m: config.parity.into(),
            },
            xor: Xor::default(),
        }
    }

    /// Returns the group header of the next packet.
    pub(crate) fn header(&self) -> GroupHeader {
        self.header
    }

    /// Adds a slice. Returns `true` if it is the last one of the group.
    pub(crate) fn add(&mut self, sent: &Sent) -> bool {
        if self.header.m > 0 {
            let mut head = [0; SliceHeader::LEN];
            sent.header.write(&mut head.as_mut_slice());
            self.xor.add(0, &head);
            self.xor.add(head.len(), &sent.payload);
            if let Some(info) = sent.info {
                let mut tail = [0; FrameInfo::LEN];
                info.write(&mut tail.as_mut_slice());
                let tail = tail.get(..info.len().into()).unwrap_or_default();
                self.xor.add(head.len() + sent.payload.len(), tail);
            }
        }
        self.header.index += 1;
        self.header.index == self.header.k
    }

    /// Writes the body of the parity packet after the last slice.
    pub(crate) fn write_parity(&self, out: &mut impl BufMut) {
        let data = self.xor.bytes();
        Parity { data }.write(out);
    }
}

impl Default for ResendConfig {
    /// Groups of 8 slices with parity, and a window of 512 slices and 512 KiB.
    fn default() -> Self {
        Self {
            group_size: 8,
            parity: true,
            window_slices: 512,
            window_bytes: 512 << 10,
        }
    }
}
