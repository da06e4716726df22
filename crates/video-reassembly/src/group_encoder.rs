//! The camera's side of grouped media: group headers and parity (docs/protocol.md, section 17).

use alloc::vec;
use alloc::vec::Vec;
use core::mem;

use tutk_frame::{FrameInfo, GroupHeader, Parity, SliceHeader, write_to_slice};

use crate::reed_solomon::{factor, multiply_add};
use crate::resend_window::{ResendConfig, Sent};

/// Puts the slices of all kinds into groups of k, in the order in which they are sent, and computes
/// m parity packets for each group.
#[derive(Debug, Clone)]
pub(crate) struct GroupEncoder {
    /// The header of the next slice.
    next: GroupHeader,
    /// The parity packets of the open group.
    rows: Vec<Row>,
    /// The parity packets of the last complete group. Those from the index in `due` on are not
    /// written.
    complete: Vec<Row>,
    /// The header of the next parity packet.
    due: Option<GroupHeader>,
}

/// A parity packet.
#[derive(Debug, Clone)]
struct Row {
    /// The factor of each slice.
    factors: Vec<u8>,
    /// The sum of the slices so far, as long as the longest body.
    sum: Vec<u8>,
}

impl GroupEncoder {
    pub(crate) fn new(config: &ResendConfig) -> Self {
        let k = config.group_size.max(1);
        // Each packet has its own point of 256. With k = 1 and m = 255, there are 256.
        let m = config.parity.min((u8::MAX - k).saturating_add(1));
        let rows: Vec<Row> = (0..m)
            .map(|parity| Row {
                factors: (0..k)
                    .map(|index| factor(0..k, index, k.saturating_add(parity)))
                    .collect(),
                sum: vec![],
            })
            .collect();
        Self {
            next: GroupHeader {
                group: 0,
                index: 0,
                k,
                m: m.into(),
            },
            complete: rows.clone(),
            rows,
            due: None,
        }
    }

    /// Returns the header of the next slice.
    pub(crate) fn header(&self) -> GroupHeader {
        self.next
    }

    /// Adds the slice that was sent with [`header`](Self::header). If it completes its group and
    /// parity of the previous group is not written, that parity is dropped.
    pub(crate) fn add(&mut self, sent: &Sent) {
        // Both buffers are as long as the longest content.
        let mut head = [0; SliceHeader::LEN];
        let head = write_to_slice(&mut head, |out| sent.header.write(out)).unwrap_or_default();
        let mut tail = [0; FrameInfo::LEN];
        let tail = write_to_slice(&mut tail, |out| {
            if let Some(info) = sent.info {
                info.write(out);
            }
        })
        .unwrap_or_default();
        for row in &mut self.rows {
            row.add(self.next.index, [&*head, &sent.payload, &*tail]);
        }
        self.next.index += 1;
        if self.next.index < self.next.k {
            return;
        }
        mem::swap(&mut self.rows, &mut self.complete);
        for row in &mut self.rows {
            row.sum.clear();
        }
        self.due = (self.next.m > 0).then_some(self.next);
        self.next.index = 0;
        self.next.group = self.next.group.wrapping_add(1);
    }

    /// Returns the header of the next parity packet, if there is one, and its body.
    pub(crate) fn take_parity(&mut self) -> Option<(GroupHeader, Parity<'_>)> {
        let header = self.due?;
        let at = header.index - header.k;
        self.due = (u32::from(at) + 1 < header.m).then_some(GroupHeader {
            index: header.index.saturating_add(1),
            ..header
        });
        let row = self.complete.get(usize::from(at))?;
        Some((header, Parity::new(&row.sum)))
    }
}

impl Row {
    /// Adds the parts of the body of slice `index`.
    fn add(&mut self, index: u8, parts: [&[u8]; 3]) {
        let Some(&factor) = self.factors.get(usize::from(index)) else {
            return;
        };
        let mut at = 0;
        for part in parts {
            let end = at + part.len();
            if self.sum.len() < end {
                self.sum.resize(end, 0);
            }
            let sum = self.sum.get_mut(at..end).unwrap_or_default();
            multiply_add(sum, factor, part);
            at = end;
        }
    }
}
