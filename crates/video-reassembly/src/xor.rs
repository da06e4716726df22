//! The parity code of a group with one parity packet, for both sides.

use alloc::vec::Vec;

/// The exclusive or of bodies, each padded with zeros to the longest.
///
/// Of a group's k bodies it is their parity; of k − 1 of them and the parity it is the one that is
/// missing. Not verified on hardware, see [`Parity`](tutk_frame::Parity): if cameras do otherwise, it is
/// here that this must change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Xor {
    bytes: Vec<u8>,
}

impl Xor {
    /// Forgets the bodies, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Adds a part of a body that begins at that offset.
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

    /// Bytes of memory that it takes.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// As many bytes as the longest body has.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_one_of_several_is_recovered_from_the_others() {
        let bodies: [&[u8]; 4] = [b"abc", b"", b"defghij", b"k"];
        let mut parity = Xor::default();
        for body in bodies {
            let (head, tail) = body.split_at(body.len() / 2);
            parity.add(0, head);
            parity.add(head.len(), tail);
        }
        assert_eq!(parity.bytes().len(), 7);
        for lost in bodies {
            let mut rest = parity.clone();
            for body in bodies.iter().filter(|body| **body != lost) {
                rest.add(0, body);
            }
            let (body, padding) = rest.bytes().split_at(lost.len());
            assert_eq!(body, lost);
            assert!(padding.iter().all(|&byte| byte == 0));
        }
        parity.clear();
        assert_eq!(parity.bytes(), b"");
    }
}
