//! HL messages with an id, which the client acknowledges (docs/protocol.md, section 13).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use tutk_frame::{AvStamp, IoctlMessage};
use tutk_time::Instant;

/// The interval at which a message is repeated. It is not known if real cameras repeat messages.
const REPEAT_INTERVAL: Duration = Duration::from_millis(500);

/// The largest number of times that a message is sent.
const MAX_SENT: u8 = 4;

/// The largest number of messages that wait for an acknowledgement. The oldest one is dropped when
/// another is sent.
const MAX_MESSAGES: usize = 32;

/// The id of the first message, which a real camera was seen to use. The order of its ids is not
/// known.
const FIRST_ID: u32 = 0x2fa0_2576;

/// Sends HL messages with ids, and repeats those that are not acknowledged.
#[derive(Debug)]
pub(crate) struct NumberedMessages {
    next_id: u32,
    /// In the order in which they were sent last, so that the first one is due first.
    unacknowledged: VecDeque<Message>,
}

#[derive(Debug)]
struct Message {
    id: u32,
    hl: Vec<u8>,
    /// How often it was sent.
    sent: u8,
    repeat_at: Instant,
}

impl Default for NumberedMessages {
    fn default() -> Self {
        Self {
            next_id: FIRST_ID,
            unacknowledged: VecDeque::new(),
        }
    }
}

impl NumberedMessages {
    /// Writes a message that was not sent before.
    pub(crate) fn send(&mut self, now: Instant, stamp: AvStamp, hl: Vec<u8>, out: &mut Vec<u8>) {
        let id = self.next_id;
        // 0 is no id.
        self.next_id = id.checked_add(1).unwrap_or(1);
        let message = Message {
            id,
            hl,
            sent: 0,
            repeat_at: now,
        };
        self.write(now, stamp, message, out);
    }

    /// Writes a message again, if one is due.
    pub(crate) fn repeat(
        &mut self,
        now: Instant,
        stamp: impl FnOnce() -> AvStamp,
        out: &mut Vec<u8>,
    ) {
        if self.deadline().is_some_and(|at| at <= now)
            && let Some(message) = self.unacknowledged.pop_front()
        {
            self.write(now, stamp(), message, out);
        }
    }

    /// The client has acknowledged a message.
    pub(crate) fn acknowledged(&mut self, id: u32) {
        self.unacknowledged.retain(|message| message.id != id);
    }

    /// Returns when [`repeat`](Self::repeat) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unacknowledged.front().map(|next| next.repeat_at)
    }

    fn write(&mut self, now: Instant, stamp: AvStamp, mut message: Message, out: &mut Vec<u8>) {
        let Message { id, ref hl, .. } = message;
        IoctlMessage { stamp, id, hl }.write(out);
        message.sent += 1;
        message.repeat_at = now + REPEAT_INTERVAL;
        if message.sent < MAX_SENT {
            if self.unacknowledged.len() >= MAX_MESSAGES {
                self.unacknowledged.pop_front();
            }
            self.unacknowledged.push_back(message);
        }
    }
}
