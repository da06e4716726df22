//! The bytes of a connection that are not written yet.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};

/// Bytes for the connection: responses, and interleaved packets. The payloads of packets are shared
/// by all viewers and not copied.
///
/// Write [`chunks_vectored`](Buf::chunks_vectored), and [advance](Buf::advance) it.
#[derive(Debug, Default)]
pub struct Unwritten {
    /// Responses and the headers of packets. The buffer is reused.
    own: BytesMut,
    /// The payloads, and the number of bytes of `own` before each of them.
    payloads: VecDeque<(usize, Bytes)>,
    /// The number of bytes of `own` before the last payload.
    before: usize,
    /// The number of bytes of the payloads.
    shared: usize,
}

impl Unwritten {
    /// Returns the buffer that responses are appended to.
    pub(super) fn own(&mut self) -> &mut BytesMut {
        &mut self.own
    }

    /// The number of bytes of responses and headers.
    pub(super) fn own_len(&self) -> usize {
        self.own.len()
    }

    /// Appends bytes that are not copied.
    pub(super) fn push_shared(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.shared += bytes.len();
        self.payloads
            .push_back((self.own.len() - self.before, bytes));
        self.before = self.own.len();
    }
}

impl Buf for Unwritten {
    fn remaining(&self) -> usize {
        self.own.len() + self.shared
    }

    fn chunk(&self) -> &[u8] {
        match self.payloads.front() {
            Some((0, payload)) => payload,
            Some((before, _)) => self.own.get(..*before).unwrap_or_default(),
            None => &self.own,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut own = &self.own[..];
        let payloads = self.payloads.iter().flat_map(|(before, payload)| {
            let (header, rest) = own.split_at_checked(*before).unwrap_or((own, &[]));
            own = rest;
            [header, payload]
        });
        let mut used = 0;
        let chunks = payloads.filter(|chunk| !chunk.is_empty());
        for (slice, chunk) in slices.iter_mut().zip(chunks) {
            *slice = IoSlice::new(chunk);
            used += 1;
        }
        let rest = self.own.get(self.before..).unwrap_or_default();
        if let Some(slice) = slices.get_mut(used).filter(|_| !rest.is_empty()) {
            *slice = IoSlice::new(rest);
            used += 1;
        }
        used
    }

    fn advance(&mut self, mut count: usize) {
        while let Some((before, payload)) = self.payloads.front_mut() {
            let header = count.min(*before);
            self.own.advance(header);
            *before -= header;
            self.before -= header;
            count -= header;
            let shared = count.min(payload.len());
            payload.advance(shared);
            self.shared -= shared;
            count -= shared;
            if !payload.is_empty() {
                return;
            }
            self.payloads.pop_front();
        }
        self.own.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is appended, and however much is written at once, the bytes and their order are
        /// kept.
        #[test]
        fn bytes_leave_in_order(
            parts in prop::collection::vec((any::<bool>(), 0..40_usize), 0..20),
            steps in prop::collection::vec((1..60_usize, 1..8_usize), 1..60),
        ) {
            let mut unwritten = Unwritten::default();
            let mut expected = Vec::new();
            for (number, (shared, len)) in (0..).zip(parts) {
                let bytes = vec![number; len];
                expected.extend_from_slice(&bytes);
                match shared {
                    true => unwritten.push_shared(bytes.into()),
                    false => unwritten.own().put_slice(&bytes),
                }
            }
            let mut written = Vec::new();
            for (step, slices) in steps {
                prop_assert_eq!(unwritten.remaining(), expected.len() - written.len());
                let mut chunks = [IoSlice::new(&[]); 8];
                let used = unwritten.chunks_vectored(&mut chunks[..slices]);
                prop_assert_eq!(used == 0, unwritten.remaining() == 0);
                let chunk = unwritten.chunk();
                prop_assert!(chunks[0].starts_with(chunk) && chunk.is_empty() == (used == 0));
                let chunks: Vec<u8> = chunks[..used].iter().flat_map(|chunk| &chunk[..]).copied().collect();
                let step = step.min(chunks.len());
                written.extend_from_slice(&chunks[..step]);
                unwritten.advance(step);
            }
            written.put(&mut unwritten);
            prop_assert_eq!(written, expected);
            prop_assert_eq!(unwritten.remaining(), 0);
        }
    }
}
