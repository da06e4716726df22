//! The output of a state machine, and its queue.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use tutk_time::Instant;

/// What [`Client::poll_output`](crate::Client::poll_output) and
/// the simulator's `poll_output` return.
///
/// Poll until `Timeout`, after every call that took `&mut self`.
#[derive(Debug)]
pub enum Output<'a, E> {
    /// Send this datagram.
    Transmit(Transmit<'a>),
    /// An event for the owner.
    Event(E),
    /// Nothing to do before this instant. Then call `handle_timeout`, unless another input comes
    /// first.
    Timeout(Instant),
}

/// A UDP datagram to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// The destination.
    pub to: SocketAddr,
    /// The UDP payload, at most [`MAX_DATAGRAM`] bytes.
    pub payload: &'a [u8],
    /// The port that the datagram leaves from, as an index: 0 for a client, which has one. A
    /// simulated camera can have several.
    pub port: u8,
}

/// The largest UDP payload that is sent, in bytes.
///
/// The wrapper and DTLS records of at most 1200 bytes (docs/protocol.md, section "DTLS").
pub const MAX_DATAGRAM: usize = 1280;

/// The largest number of queued datagrams. Owners that poll after each input stay far below. The
/// limit protects owners that pass many datagrams before they poll. Beyond it, the oldest is
/// dropped.
const MAX_QUEUED: usize = 4096;

/// The queue of datagrams and events.
#[derive(Debug)]
pub struct Outbox<E> {
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Datagrams dropped because of [`MAX_QUEUED`].
    overflowed: u64,
    /// Sent buffers, reused so that steady traffic does not allocate.
    spare: Vec<Vec<u8>>,
    /// The buffer that the caller of `poll` borrows.
    current: Vec<u8>,
    events: VecDeque<E>,
    queued: u64,
}

/// The number of sent buffers to keep for reuse.
const SPARE_BUFFERS: usize = 64;

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Self {
            datagrams: VecDeque::new(),
            overflowed: 0,
            spare: Vec::new(),
            current: Vec::new(),
            events: VecDeque::new(),
            queued: 0,
        }
    }
}

#[allow(missing_docs, reason = "internal: tutk-simulator shares it")]
impl<E> Outbox<E> {
    /// Returns an empty buffer for a datagram. Pass it to [`Self::transmit`].
    pub fn buffer(&mut self) -> Vec<u8> {
        self.spare
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(MAX_DATAGRAM))
    }

    pub fn transmit(&mut self, to: SocketAddr, datagram: Vec<u8>) {
        if self.datagrams.len() >= MAX_QUEUED
            && let Some((_, oldest)) = self.datagrams.pop_front()
        {
            self.overflowed += 1;
            self.recycle(oldest);
        }
        self.datagrams.push_back((to, datagram));
        self.queued += 1;
    }

    /// Returns an unused buffer to the pool.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS && buffer.capacity() > 0 {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// Frees the unused buffers: connecting needs more of them at once than streaming.
    pub(crate) fn free_unused(&mut self) {
        self.spare = Vec::new();
    }

    /// Returns the number of datagrams dropped because the owner did not poll.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Returns the number of datagrams queued so far.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    pub fn event(&mut self, event: E) {
        self.events.push_back(event);
    }

    pub(crate) fn has_datagram(&self) -> bool {
        !self.datagrams.is_empty()
    }

    pub(crate) fn poll_datagram(&mut self) -> Option<Transmit<'_>> {
        let (to, datagram) = self.datagrams.pop_front()?;
        let sent = core::mem::replace(&mut self.current, datagram);
        self.recycle(sent);
        Some(Transmit {
            to,
            payload: &self.current,
            port: 0,
        })
    }

    pub(crate) fn poll_event(&mut self) -> Option<E> {
        self.events.pop_front()
    }

    /// Returns the next datagram or event; `None` if there is neither.
    pub fn poll(&mut self) -> Option<Output<'_, E>> {
        if self.has_datagram() {
            return self.poll_datagram().map(Output::Transmit);
        }
        self.poll_event().map(Output::Event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_queue_drops_the_oldest_datagram() {
        let to = SocketAddr::from(([192, 0, 2, 1], 1));
        let mut outbox = Outbox::<()>::default();
        for number in 0..MAX_QUEUED + 2 {
            let mut datagram = outbox.buffer();
            datagram.extend_from_slice(&number.to_le_bytes());
            outbox.transmit(to, datagram);
        }
        assert_eq!(outbox.overflowed(), 2);
        assert_eq!(outbox.queued(), MAX_QUEUED as u64 + 2);
        let Some(Output::Transmit(first)) = outbox.poll() else {
            panic!("no datagram");
        };
        assert_eq!(first.payload, 2_usize.to_le_bytes());
        let mut polled = 1;
        while outbox.poll().is_some() {
            polled += 1;
        }
        assert_eq!(polled, MAX_QUEUED);
    }
}
