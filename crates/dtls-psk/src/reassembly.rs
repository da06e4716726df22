//! Handshake messages from fragments in any order (RFC 6347 section 4.2.3).

use std::collections::VecDeque;

use crate::config::MAX_HANDSHAKE_MESSAGE;
use crate::messages::{Fragment, Message};

/// How many messages, from the next one on, are put together at a time. The longest flight of a PSK suite
/// has three.
pub(crate) const MAX_MESSAGES: usize = 8;

/// What became of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// It is held, or was held already.
    Held,
    /// It belongs to a message that was handed out before.
    Old,
    /// It is held, in place of what was held of another message of that number.
    Replaced,
    /// It is over a limit, or does not agree with a message that is held whole.
    Refused,
}

/// Puts messages together and hands them out by number.
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
    /// One bit a byte of `body`: fragments may overlap in any way.
    have: Vec<u8>,
    missing: usize,
}

impl Reassembler {
    /// Drops all and goes on with message `next`.
    pub(crate) fn restart_at(&mut self, next: u16) {
        self.next = next;
        self.slots.clear();
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Awaits the message that was handed out last once more.
    pub(crate) fn reopen(&mut self) {
        self.next = self.next.saturating_sub(1);
        self.slots.push_front(None);
    }

    /// Drops all that is held of the next message and of those after it, and says of how many.
    pub(crate) fn clear(&mut self) -> u64 {
        let held = self.slots.drain(..).flatten().count();
        u64::try_from(held).unwrap_or(u64::MAX)
    }

    /// Holds a fragment. Most are in the clear, where the first to come may be anybody's: one that does not
    /// agree with an unfinished message begins it anew, and so does a whole one, so that what was forged
    /// once stands in the way of the real one no longer than until that is sent again.
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

    /// The next message, once it is whole.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.slots
            .front()?
            .as_ref()
            .filter(|partial| partial.missing == 0)?;
        let next = self.next.checked_add(1)?;
        let partial = self.slots.pop_front()??;
        let sequence = std::mem::replace(&mut self.next, next);
        Some(Message {
            handshake_type: partial.handshake_type,
            sequence,
            body: partial.body,
        })
    }
}

impl Partial {
    /// Nothing yet of the message that `fragment` is of.
    fn new(fragment: &Fragment<'_>) -> Self {
        Self {
            handshake_type: fragment.handshake_type,
            body: vec![0; fragment.length],
            have: vec![0; fragment.length.div_ceil(8)],
            missing: fragment.length,
        }
    }

    /// Takes the bytes that are not held yet: what came first stays.
    fn fill(&mut self, offset: usize, data: &[u8]) {
        for (at, byte) in (offset..).zip(data) {
            let (Some(to), Some(have)) = (self.body.get_mut(at), self.have.get_mut(at / 8)) else {
                return;
            };
            let bit = 1 << (at % 8);
            if *have & bit == 0 {
                *have |= bit;
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
    fn messages_come_out_by_number() {
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
    fn limits_and_conflicts() {
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
        // A message that is whole stays, whatever else claims its number.
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
        // One that is not gives way.
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
    fn a_whole_message_takes_nothing_from_the_pieces_before_it() {
        let mut reassembler = Reassembler::default();
        reassembler.insert(&fragment(0, 3, 0, b"??"));
        reassembler.insert(&fragment(0, 3, 0, b"abc"));
        assert_eq!(reassembler.pop().unwrap().body, b"abc");
    }

    #[test]
    fn a_message_that_was_no_good_is_awaited_once_more() {
        let mut reassembler = Reassembler::default();
        reassembler.insert(&fragment(0, 1, 0, b"?"));
        reassembler.insert(&fragment(1, 1, 0, b"b"));
        assert_eq!(reassembler.pop().unwrap().body, b"?");
        reassembler.reopen();
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
        fn any_cut_in_any_order_gives_the_message(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..40), 0..60),
            order in any::<u64>(),
        ) {
            // Random pieces that may overlap, then every byte once so that nothing is missing.
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
