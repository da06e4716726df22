//! The data wrapper around DTLS records, and keepalives.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use tutk_frame::{
    Cc51Keepalive, Close, DataHeader, Keepalive, SessionId, WrapperLayout, write_to_slice,
};

use super::message::{AssignedSession, Side};
use crate::dialect::{Dialect, Transport};
use crate::output::Outbox;

/// Sends the data packets and keepalives of one session (docs/protocol.md, section "The data
/// wrapper"). All channels share one counter of packets; this is the project's choice.
#[derive(Debug)]
pub struct Wrapper {
    pub dialect: Arc<Dialect>,
    pub remote: SocketAddr,
    side: Arc<Side>,
    assigned: AssignedSession,
    /// The number of data packets.
    sequence: u16,
    /// The number of keepalives.
    keepalives: u32,
}

impl Wrapper {
    pub fn new(
        dialect: Arc<Dialect>,
        side: Arc<Side>,
        assigned: AssignedSession,
        remote: SocketAddr,
    ) -> Self {
        Self {
            dialect,
            remote,
            side,
            assigned,
            sequence: 0,
            keepalives: 0,
        }
    }

    pub fn session(&self) -> SessionId {
        self.assigned.session
    }

    /// Queues one datagram with the records that `write` appends.
    pub fn send<E, F>(
        &mut self,
        channel: u8,
        out: &mut Outbox<E>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), F>,
    ) -> Result<(), F> {
        let layout = self.dialect.wrapper();
        let mut datagram = out.buffer();
        let header_len = layout.header_len();
        datagram.resize(header_len, 0);
        if let Err(error) = write(&mut datagram) {
            out.recycle(datagram);
            return Err(error);
        }
        // The header contains the length of the records, so it is written last.
        let records = datagram.len().saturating_sub(header_len);
        let header = DataHeader {
            layout,
            direction: self.side.outgoing(),
            channel,
            sequence: match layout {
                WrapperLayout::Cc51 => self.assigned.ticket,
                _ => self.sequence,
            },
            session: self.assigned.session,
            payload_len: u16::try_from(records).unwrap_or(u16::MAX),
        };
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(start) = datagram.get_mut(..header_len) {
            let written = write_to_slice(start, |out| header.write(out));
            debug_assert_eq!(written.map(|written| written.len()), Ok(header_len));
        }
        match &self.dialect.transport {
            Transport::Iotc(iotc) => iotc.scramble(&mut datagram),
            Transport::Cc51 => {
                datagram.resize(datagram.len() + layout.tag_len(), 0);
                self.side.tag(&mut datagram, header_len);
            }
        }
        out.transmit(self.remote, datagram);
        Ok(())
    }

    /// Queues a keepalive from the camera.
    pub fn send_keepalive<E>(&mut self, out: &mut Outbox<E>) {
        match &self.dialect.transport {
            Transport::Iotc(iotc) => {
                let keepalive = Keepalive {
                    answer: false,
                    body: self.assigned.session.0,
                };
                iotc.send(self.remote, out, |out| keepalive.write(out));
            }
            // Answers have even counters. Odd counters here are this project's choice.
            Transport::Cc51 => {
                let counter = self.keepalives.wrapping_mul(2).wrapping_add(1);
                self.send_cc51_keepalive(counter, self.remote, out);
            }
        }
        self.keepalives = self.keepalives.wrapping_add(1);
    }

    /// Returns `true` if data with this session id may belong to the session. Cameras assign the id
    /// in `cc51` and may use another one later. In other dialects, the client assigns it.
    pub fn may_contain(&self, session: SessionId) -> bool {
        session == self.assigned.session || matches!(self.dialect.transport, Transport::Cc51)
    }

    /// Queues the client's own keepalive, in dialects that have one.
    pub fn send_client_keepalive<E>(&mut self, out: &mut Outbox<E>) {
        if let Transport::Iotc(iotc) = &self.dialect.transport {
            let keepalive = Keepalive {
                answer: true,
                body: self.assigned.session.0,
            };
            iotc.send(self.remote, out, |out| keepalive.write(out));
        }
    }

    /// Queues the camera's answer to the client's own keepalive, in dialects that have one.
    pub fn answer_client_keepalive<E>(&self, out: &mut Outbox<E>) {
        if let Transport::Iotc(iotc) = &self.dialect.transport {
            let answer = Keepalive {
                answer: false,
                body: self.assigned.session.0,
            };
            iotc.send(self.remote, out, |out| answer.write(out));
        }
    }

    /// Queues the packets that close the session, so that the camera frees it at once.
    pub fn send_close<E>(&self, out: &mut Outbox<E>) {
        if let Transport::Iotc(iotc) = &self.dialect.transport {
            let close = Close {
                session: self.assigned.session,
            };
            for _ in 0..self.dialect.close_packets {
                iotc.send(self.remote, out, |out| close.write(out));
            }
        }
    }

    /// Queues the client's answer to a keepalive, to the address that the keepalive came from.
    pub fn answer_keepalive<E>(&mut self, body: [u8; 8], to: SocketAddr, out: &mut Outbox<E>) {
        self.keepalives = self.keepalives.wrapping_add(1);
        match &self.dialect.transport {
            Transport::Iotc(iotc) => {
                let answer = Keepalive { answer: true, body };
                iotc.send(to, out, |out| answer.write(out));
            }
            Transport::Cc51 => {
                self.send_cc51_keepalive(self.keepalives.wrapping_mul(2), to, out);
            }
        }
    }

    fn send_cc51_keepalive<E>(&self, counter: u32, to: SocketAddr, out: &mut Outbox<E>) {
        let keepalive = Cc51Keepalive {
            direction: self.side.outgoing(),
            sequence: 0,
            ticket: 0,
            counter,
            session: self.assigned.session,
            tag: Default::default(),
        };
        let mut datagram = out.buffer();
        keepalive.write(&mut datagram);
        self.side.tag(&mut datagram, Cc51Keepalive::COVERED);
        out.transmit(to, datagram);
    }
}
