//! Datagrams that wait to be sent.

use std::collections::VecDeque;

/// How many datagrams may wait.
pub(crate) const MAX_QUEUED: usize = 256;
/// How many empty buffers are kept for the next datagrams.
const MAX_SPARE: usize = 16;

/// A bounded queue of datagrams that uses its buffers again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Vec<u8>>,
    /// The one that `poll_output` lent out last.
    current: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl Outbox {
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_QUEUED
    }

    /// An empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back without sending it.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Queues a datagram, or gives up on it: false.
    #[must_use]
    pub(crate) fn push(&mut self, datagram: Vec<u8>) -> bool {
        if datagram.is_empty() || self.is_full() {
            let empty = datagram.is_empty();
            self.recycle(datagram);
            return empty;
        }
        self.queue.push_back(datagram);
        true
    }

    /// The next datagram, if there is one.
    pub(crate) fn advance(&mut self) -> bool {
        let Some(next) = self.queue.pop_front() else {
            return false;
        };
        let sent = std::mem::replace(&mut self.current, next);
        self.recycle(sent);
        true
    }

    /// The datagram that [`Outbox::advance`] took.
    pub(crate) fn current(&self) -> &[u8] {
        &self.current
    }
}
