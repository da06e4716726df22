//! The queue of datagrams to send.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The maximum number of queued datagrams.
pub(crate) const MAX_QUEUED: usize = 256;
/// The maximum number of empty buffers kept for reuse.
const MAX_SPARE: usize = 16;

/// A bounded queue of datagrams that reuses its buffers.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    queue: VecDeque<Vec<u8>>,
    /// The datagram that `poll_output` returned last.
    current: Vec<u8>,
    spare: Vec<Vec<u8>>,
}

impl SendQueue {
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_QUEUED
    }

    /// Returns an empty buffer.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Keeps a buffer for reuse, without sending it.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < MAX_SPARE {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Queues a datagram. Returns `false` if the queue is full and the datagram was dropped.
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

    /// Moves to the next datagram. Returns `false` if there is none.
    pub(crate) fn advance(&mut self) -> bool {
        let Some(next) = self.queue.pop_front() else {
            return false;
        };
        let sent = core::mem::replace(&mut self.current, next);
        self.recycle(sent);
        true
    }

    /// Returns the datagram that [`SendQueue::advance`] moved to.
    pub(crate) fn current(&self) -> &[u8] {
        &self.current
    }
}
