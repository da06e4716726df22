//! The parity code of a group with one parity packet, used by both sides.

use alloc::vec::Vec;

/// The XOR of slice bodies, each padded with zeros to the longest.
///
/// The XOR of a group's bodies is its parity. The XOR of the parity and all bodies but one is the
/// missing body. The code is not verified on hardware, see [`Parity`](tutk_frame::Parity).
#[derive(Debug, Clone, Default)]
pub(crate) struct Xor {
    bytes: Vec<u8>,
}

impl Xor {
    /// Clears the value and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds the part of a body at `offset`.
    pub(crate) fn add(&mut self, offset: usize, part: &[u8]) {
        let end = offset + part.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let to = self.bytes.get_mut(offset..end).unwrap_or_default();
        for (to, from) in to.iter_mut().zip(part) {
            *to ^= from;
        }
    }

    pub(crate) fn memory_usage(&self) -> usize {
        self.bytes.capacity()
    }

    /// Returns as many bytes as the longest body has.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
