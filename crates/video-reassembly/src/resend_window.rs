//! The camera's side of resend mode: a window of slices for retransmission (docs/protocol.md,
//! section 17).

use alloc::collections::VecDeque;
use core::mem;

use bytes::Bytes;
use tutk_frame::{FrameInfo, SliceHeader};

/// How a [`Slicer`](crate::Slicer) groups slices, and which it keeps for retransmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendConfig {
    /// Slices of a group, k, at least 1. Groups contain slices of all kinds, in the order in which
    /// they are sent.
    pub group_size: u8,
    /// Parity packets of a group, m, which restore as many lost packets. At most 256 − k.
    pub parity: u8,
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

impl ResendConfig {
    /// The groups of a real camera: 20 slices and one parity packet (docs/protocol.md, section 17).
    /// The window of real cameras is not known; this one is 512 slices and 512 KiB.
    pub const OBSERVED: Self = Self {
        group_size: 20,
        parity: 1,
        window_slices: 512,
        window_bytes: 512 << 10,
    };
}

impl Default for ResendConfig {
    /// [`ResendConfig::OBSERVED`].
    fn default() -> Self {
        Self::OBSERVED
    }
}
