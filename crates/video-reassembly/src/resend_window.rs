//! The camera's side of resend mode: groups with parity, and a window of slices that can be sent again
//! (wire.md section 12).

use alloc::collections::VecDeque;
use core::mem;

use bytes::{BufMut, Bytes};
use tutk_frame::{FrameInfo, GroupHeader, Parity, SliceHeader};

use crate::xor::Xor;

/// How a [`Slicer`](crate::Slicer) groups slices, and how many it keeps to send them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendConfig {
    /// Slices of a group_size: group, at least 1. A group never has slices of two frames: the last one of a frame has
    /// those that are left.
    pub group_size: u8,
    /// Whether each group has a parity packet.
    pub parity: bool,
    /// Slices that are kept, the newest, at most 16,384.
    pub window_slices: u16,
    /// Payload bytes of the slices that are kept. They are kept in their frames: as long as one slice of
    /// a frame is, all of the frame's memory is.
    pub window_bytes: usize,
}

/// What a [`Slicer`](crate::Slicer) wrote, and was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlicerStats {
    /// Slices written for the first time.
    pub slices: u64,
    /// Parity packets written.
    pub parity: u64,
    /// Slices written again.
    pub resent: u64,
    /// Slices that were asked for and are not kept: sent too long ago, acknowledged, or never.
    pub unavailable: u64,
}

/// What [`Slicer::write_repair`](crate::Slicer::write_repair) has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repair {
    /// The parity packet of a group.
    Parity,
    /// A slice that was asked for, with this header.
    Slice(SliceHeader),
}

/// A slice as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) header: SliceHeader,
    pub(crate) payload: Bytes,
    /// On the last slice.
    pub(crate) info: Option<FrameInfo>,
}

/// The slices that can be sent again, without a gap in their counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResendWindow {
    kept: VecDeque<(Sent, bool)>,
    bytes: usize,
    /// Counters of slices that are to be sent again, each once: its slice's flag is set.
    wanted: VecDeque<u16>,
}

/// A group that is being sent.
#[derive(Debug, Clone)]
pub(crate) struct OpenGroup {
    header: GroupHeader,
    xor: Xor,
}

impl ResendWindow {
    pub(crate) fn push(&mut self, sent: Sent, config: &ResendConfig) {
        self.bytes += sent.payload.len();
        self.kept.push_back((sent, false));
        while self.kept.len() > usize::from(config.window_slices.min(0x4000))
            || self.bytes > config.window_bytes
        {
            self.forget_oldest();
        }
    }

    /// Forgets slices before `base`, and remembers which are missing. Returns how many of them are not
    /// kept.
    pub(crate) fn request(&mut self, base: u16, missing: impl IntoIterator<Item = u16>) -> u64 {
        // A base that is neither within what is kept nor just behind it says nothing.
        let settled = self.distance_to(base).unwrap_or(0);
        if settled <= self.kept.len() {
            for _ in 0..settled {
                self.forget_oldest();
            }
        }
        let mut unknown = 0;
        for counter in missing {
            match self.index_of(counter).and_then(|at| self.kept.get_mut(at)) {
                Some((_, is_wanted)) => {
                    if !mem::replace(is_wanted, true) {
                        self.wanted.push_back(counter);
                    }
                }
                None => unknown += 1,
            }
        }
        unknown
    }

    /// The next slice that is to be sent again.
    pub(crate) fn next(&mut self) -> Option<Sent> {
        let counter = self.wanted.pop_front()?;
        let at = self.index_of(counter)?;
        let (sent, is_wanted) = self.kept.get_mut(at)?;
        *is_wanted = false;
        Some(sent.clone())
    }

    fn index_of(&self, counter: u16) -> Option<usize> {
        let index = self.distance_to(counter)?;
        (index < self.kept.len()).then_some(index)
    }

    /// How far the counter is from the oldest that is kept.
    fn distance_to(&self, counter: u16) -> Option<usize> {
        let (oldest, _) = self.kept.front()?;
        Some(counter.wrapping_sub(oldest.header.counter).into())
    }

    fn forget_oldest(&mut self) {
        if let Some((sent, is_wanted)) = self.kept.pop_front() {
            self.bytes -= sent.payload.len();
            if is_wanted {
                self.wanted
                    .retain(|&counter| counter != sent.header.counter);
            }
        }
    }
}

impl OpenGroup {
    /// A group of the next slices of a frame, of which so many are left.
    pub(crate) fn new(number: u16, left: u16, config: &ResendConfig) -> Self {
        let k = u8::try_from(left).unwrap_or(u8::MAX).min(config.group_size);
        Self {
            header: GroupHeader {
                group: number,
                index: 0,
                k: k.max(1),
                m: config.parity.into(),
            },
            xor: Xor::default(),
        }
    }

    /// The group header of the next packet.
    pub(crate) fn header(&self) -> GroupHeader {
        self.header
    }

    /// A slice of the group is sent. Returns whether that was the last one.
    pub(crate) fn add(&mut self, sent: &Sent) -> bool {
        if self.header.m > 0 {
            let mut head = [0; SliceHeader::LEN];
            sent.header.write(&mut head.as_mut_slice());
            self.xor.add(0, &head);
            self.xor.add(head.len(), &sent.payload);
            if let Some(info) = sent.info {
                let mut tail = [0; FrameInfo::LEN];
                info.write(&mut tail.as_mut_slice());
                let len = usize::from(info.len());
                let tail = tail.get(..len).unwrap_or_default();
                self.xor.add(head.len() + sent.payload.len(), tail);
            }
        }
        self.header.index += 1;
        self.header.index == self.header.k
    }

    /// Writes the body of the parity packet, whose group header is [`header`](Self::header) when all slices
    /// were added.
    pub(crate) fn write_parity(&self, out: &mut impl BufMut) {
        let data = self.xor.bytes();
        Parity { data }.write(out);
    }
}

impl Default for ResendConfig {
    /// ParityDecoder of 8 slices with parity, 512 slices and 512 KiB kept.
    fn default() -> Self {
        Self {
            group_size: 8,
            parity: true,
            window_slices: 512,
            window_bytes: 512 << 10,
        }
    }
}
