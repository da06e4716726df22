//! Reassembly of handshake messages from fragments in any order (RFC 6347 section 4.2.3).

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use crate::config::MAX_HANDSHAKE_MESSAGE;
use crate::messages::{Fragment, Message};

/// The number of messages that are reassembled at a time, starting with the next one. The longest
/// flight of a PSK suite has three.
pub(crate) const MAX_MESSAGES: usize = 8;

/// The result of inserting a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// The fragment is buffered, or was already.
    Held,
    /// The fragment belongs to a message that was already returned.
    Old,
    /// The fragment is buffered and replaced a conflicting message with the same number.
    Replaced,
    /// The fragment exceeds a limit, or conflicts with a complete message.
    Refused,
}

/// Reassembles messages and returns them in order.
#[derive(Debug, Default)]
pub(crate) struct Reassembler {
    next: u16,
    /// The messages `next`, `next + 1`, …
    slots: VecDeque<Option<Partial>>,
}

#[derive(Debug)]
struct Partial {
    handshake_type: u8,
    body: Vec<u8>,
    /// One bit per byte of `body`, because fragments may overlap in any way.
    received: Vec<u8>,
    missing: usize,
}

impl Reassembler {
    /// Drops everything and expects message `next`.
    pub(crate) fn restart_at(&mut self, next: u16) {
        self.next = next;
        self.slots.clear();
    }

    /// Returns the number of the next message.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Expects the message that was returned last once more.
    pub(crate) fn expect_again(&mut self) {
        self.next = self.next.saturating_sub(1);
        self.slots.push_front(None);
    }

    /// Drops all buffered messages and returns their number.
    pub(crate) fn clear(&mut self) -> u64 {
        let held = self.slots.drain(..).flatten().count();
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// Inserts a fragment.
    ///
    /// Most fragments are not authenticated, and the first one may be forged. A fragment that
    /// conflicts with an incomplete message therefore replaces it, and a whole message replaces
    /// fragments. A forged fragment thus blocks the real message only until its retransmission.
    pub(crate) fn insert(&mut self, fragment: &Fragment<'_>) -> Inserted {
        let Some(ahead) = fragment.sequence.checked_sub(self.next) else {
            return Inserted::Old;
        };
        let ahead = usize::from(ahead);
        if ahead >= MAX_MESSAGES || fragment.length > MAX_HANDSHAKE_MESSAGE {
            return Inserted::Refused;
        }
        if self.slots.len() <= ahead {
            self.slots.resize_with(ahead + 1, || None);
        }
        let Some(slot) = self.slots.get_mut(ahead) else {
            return Inserted::Refused;
        };
        let partial = slot.get_or_insert_with(|| Partial::new(fragment));
        let agrees = partial.handshake_type == fragment.handshake_type
            && partial.body.len() == fragment.length;
        let inserted = match (agrees, partial.missing) {
            (true, 0) => return Inserted::Held,
            (false, 0) => return Inserted::Refused,
            (true, _) => Inserted::Held,
            (false, _) => Inserted::Replaced,
        };
        if !agrees || fragment.is_whole() {
            *partial = Partial::new(fragment);
        }
        partial.fill(fragment.offset, fragment.data);
        inserted
    }

    /// Removes and returns the next message if it is complete.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.slots
            .front()?
            .as_ref()
            .filter(|partial| partial.missing == 0)?;
        let next = self.next.checked_add(1)?;
        let partial = self.slots.pop_front()??;
        let sequence = core::mem::replace(&mut self.next, next);
        Some(Message {
            handshake_type: partial.handshake_type,
            sequence,
            body: partial.body,
        })
    }
}

impl Partial {
    /// Creates an empty buffer for the message of `fragment`.
    fn new(fragment: &Fragment<'_>) -> Self {
        Self {
            handshake_type: fragment.handshake_type,
            body: vec![0; fragment.length],
            received: vec![0; fragment.length.div_ceil(8)],
            missing: fragment.length,
        }
    }

    /// Copies the bytes that are missing. Earlier bytes are not overwritten.
    fn fill(&mut self, offset: usize, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            let (Some(to), Some(received)) = (self.body.get_mut(at), self.received.get_mut(at / 8))
            else {
                return;
            };
            let bit = 1 << (at % 8);
            if *received & bit == 0 {
                *received |= bit;
                *to = *byte;
                self.missing -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fragment(sequence: u16, length: usize, offset: usize, data: &[u8]) -> Fragment<'_> {
        Fragment {
            handshake_type: 1,
            length,
            sequence,
            offset,
            data,
        }
    }

    #[test]
    fn messages_are_returned_in_order() {
        let mut reassembler = Reassembler::default();
        assert_eq!(
            reassembler.insert(&fragment(1, 2, 0, b"xy")),
            Inserted::Held
        );
        assert_eq!(reassembler.pop(), None);
        assert_eq!(reassembler.insert(&fragment(0, 0, 0, b"")), Inserted::Held);
        assert_eq!(reassembler.pop().unwrap().body, b"");
        assert_eq!(reassembler.pop().unwrap().body, b"xy");
        assert_eq!(reassembler.pop(), None);
        assert_eq!(reassembler.insert(&fragment(1, 2, 0, b"xy")), Inserted::Old);
    }

    #[test]
    fn limits_apply_and_conflicts_replace_incomplete_messages() {
        let mut reassembler = Reassembler::default();
        let far = u16::try_from(MAX_MESSAGES).unwrap();
        assert_eq!(
            reassembler.insert(&fragment(far, 1, 0, b"x")),
            Inserted::Refused
        );
        assert_eq!(
            reassembler.insert(&fragment(0, MAX_HANDSHAKE_MESSAGE + 1, 0, b"x")),
            Inserted::Refused
        );
        // A complete message is not replaced.
        assert_eq!(
            reassembler.insert(&fragment(1, 2, 0, b"xy")),
            Inserted::Held
        );
        assert_eq!(
            reassembler.insert(&fragment(1, 3, 0, b"abc")),
            Inserted::Refused
        );
        assert_eq!(
            reassembler.insert(&fragment(1, 2, 0, b"ab")),
            Inserted::Held
        );
        // An incomplete message is.
        assert_eq!(reassembler.insert(&fragment(0, 4, 0, b"x")), Inserted::Held);
        assert_eq!(
            reassembler.insert(&fragment(0, 2, 0, b"y")),
            Inserted::Replaced
        );
        let other_type = Fragment {
            handshake_type: 2,
            ..fragment(0, 2, 0, b"z")
        };
        assert_eq!(reassembler.insert(&other_type), Inserted::Replaced);
        assert_eq!(
            reassembler.insert(&fragment(0, 2, 1, b"b")),
            Inserted::Replaced
        );
        assert_eq!(reassembler.insert(&fragment(0, 2, 0, b"a")), Inserted::Held);
        assert_eq!(reassembler.pop().unwrap().body, b"ab");
        assert_eq!(reassembler.pop().unwrap().body, b"xy");
    }

    #[test]
    fn whole_message_replaces_earlier_fragments() {
        let mut reassembler = Reassembler::default();
        reassembler.insert(&fragment(0, 3, 0, b"??"));
        reassembler.insert(&fragment(0, 3, 0, b"abc"));
        assert_eq!(reassembler.pop().unwrap().body, b"abc");
    }

    #[test]
    fn rejected_message_can_be_received_again() {
        let mut reassembler = Reassembler::default();
        reassembler.insert(&fragment(0, 1, 0, b"?"));
        reassembler.insert(&fragment(1, 1, 0, b"b"));
        assert_eq!(reassembler.pop().unwrap().body, b"?");
        reassembler.expect_again();
        assert_eq!(reassembler.pop(), None);
        assert_eq!(reassembler.insert(&fragment(0, 1, 0, b"a")), Inserted::Held);
        assert_eq!(reassembler.pop().unwrap().body, b"a");
        assert_eq!(reassembler.clear(), 1);
        assert_eq!((reassembler.pop(), reassembler.next()), (None, 1));
        assert_eq!(reassembler.insert(&fragment(1, 1, 0, b"c")), Inserted::Held);
        assert_eq!(reassembler.pop().unwrap().body, b"c");
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_give_the_message(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..40), 0..60),
            order in any::<u64>(),
        ) {
            // Random fragments that may overlap, then every byte once so that the message is
            // complete.
            let mut pieces: Vec<(usize, usize)> = cuts
                .iter()
                .map(|(start, len)| {
                    let start = start.index(body.len());
                    (start, (start + len).min(body.len()))
                })
                .collect();
            pieces.extend((0..body.len()).map(|at| (at, at + 1)));
            let n = pieces.len();
            let mut state = order;
            for i in (1..n).rev() {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces.swap(i, (state >> 33) as usize % (i + 1));
            }
            let mut reassembler = Reassembler::default();
            for (start, end) in pieces {
                reassembler.insert(&fragment(0, body.len(), start, &body[start..end]));
            }
            prop_assert_eq!(reassembler.pop().unwrap().body, body);
        }
    }
}
