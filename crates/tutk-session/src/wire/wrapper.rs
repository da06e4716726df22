//! What stands around DTLS records, and keepalives.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BufMut as _;
use tutk_frame::{Cc51Keepalive, DataHeader, Keepalive, SessionId, WrapperLayout};

use super::{End, Place};
use crate::dialect::{Dialect, Transport};
use crate::output::Outbox;

/// The data wrapper of one session: what stands around the DTLS records of its channels (wire.md
/// sections 5 and 6), and its keepalives. That the channels share one count of packets is this
/// project's choice.
#[derive(Debug)]
pub struct Wrapper {
    pub dialect: &'static Dialect,
    pub remote: SocketAddr,
    end: Arc<End>,
    place: Place,
    /// Counts data packets.
    sequence: u16,
    /// Counts keepalives.
    keepalives: u32,
}

impl Wrapper {
    /// The ticket of `place` is not looked at where the dialect has none.
    pub fn new(dialect: &'static Dialect, end: Arc<End>, place: Place, remote: SocketAddr) -> Self {
        Self {
            dialect,
            remote,
            end,
            place,
            sequence: 0,
            keepalives: 0,
        }
    }

    pub fn session(&self) -> SessionId {
        self.place.session
    }

    /// Queues one data datagram, whose records `fill` appends.
    pub fn send<E, F>(
        &mut self,
        channel: u8,
        out: &mut Outbox<E>,
        fill: impl FnOnce(&mut Vec<u8>) -> Result<(), F>,
    ) -> Result<(), F> {
        let layout = self.dialect.wrapper();
        let mut datagram = out.buffer();
        let header_len = layout.header_len();
        datagram.resize(header_len, 0);
        if let Err(error) = fill(&mut datagram) {
            out.recycle(datagram);
            return Err(error);
        }
        // The header says how long the records are, which is known only now.
        let records = datagram.len().saturating_sub(header_len);
        let header = DataHeader {
            layout,
            direction: self.end.outgoing(),
            channel,
            sequence: match layout {
                WrapperLayout::Cc51 => self.place.ticket,
                WrapperLayout::Iotc30 | WrapperLayout::Iotc28 => self.sequence,
            },
            session: self.place.session,
            payload_len: u16::try_from(records).unwrap_or(u16::MAX),
        };
        self.sequence = self.sequence.wrapping_add(1);
        if let Some(mut place) = datagram.get_mut(..header_len) {
            debug_assert_eq!(place.remaining_mut(), header_len);
            header.write(&mut place);
        }
        match &self.dialect.transport {
            Transport::Iotc(iotc) => iotc.hide(&mut datagram),
            Transport::Cc51 => {
                datagram.resize(datagram.len() + layout.tag_len(), 0);
                self.end.tag(&mut datagram, header_len);
            }
        }
        out.transmit(self.remote, datagram);
        Ok(())
    }

    /// Queues a keepalive of the camera.
    pub fn send_keepalive<E>(&mut self, out: &mut Outbox<E>) {
        match &self.dialect.transport {
            Transport::Iotc(iotc) => {
                let keepalive = Keepalive {
                    answer: false,
                    body: self.place.session.0,
                };
                iotc.send(self.remote, out, |out| keepalive.write(out));
            }
            // The answers have even counters: what a camera's have is not known, and odd is this
            // project's choice.
            Transport::Cc51 => {
                let counter = self.keepalives.wrapping_mul(2).wrapping_add(1);
                self.send_cc51_keepalive(counter, self.remote, out);
            }
        }
        self.keepalives = self.keepalives.wrapping_add(1);
    }

    /// Queues the client's answer to a keepalive with that body, back to where it came from.
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

    /// Sequence and ticket are not said to be anything but zero (wire.md section 6).
    fn send_cc51_keepalive<E>(&self, counter: u32, to: SocketAddr, out: &mut Outbox<E>) {
        let keepalive = Cc51Keepalive {
            direction: self.end.outgoing(),
            sequence: 0,
            ticket: 0,
            counter,
            session: self.place.session,
            tag: Default::default(),
        };
        let mut datagram = out.buffer();
        keepalive.write(&mut datagram);
        self.end.tag(&mut datagram, Cc51Keepalive::COVERED);
        out.transmit(to, datagram);
    }
}
