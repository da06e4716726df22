//! Datagrams of all dialects. Only this module distinguishes the transports.
#![allow(missing_docs, reason = "internal: tutk-simulator shares it")]

mod cc51;
mod iotc;
mod message;
mod wrapper;

use core::net::{SocketAddr, SocketAddrV4};

use tutk_frame::{
    Cc51Header, DiscoveryAnswer, SessionAnswer, SessionId, SessionRequest, Stage, cc51 as packets,
};

pub use self::cc51::DISCOVERY_ANSWER as CC51_DISCOVERY_ANSWER;
pub use self::message::{
    AssignedSession, BACKCHANNEL, DiscoveryQuery, Incoming, MAIN_CHANNEL, SessionQuery, Side,
};
pub use self::wrapper::Wrapper;
use crate::deviation::Tolerated;
use crate::dialect::{Dialect, Transport};
use crate::output::Outbox;

/// The largest payload of an HL message, in bytes. The message, its IOCTL header and DTLS then fit
/// into one record of 1200 bytes (docs/protocol.md, section "DTLS").
pub const MAX_HL_PAYLOAD: usize = 1100;

impl Dialect {
    /// Returns `true` if `side` has the keys that this dialect needs.
    pub fn supports(&self, side: &Side) -> bool {
        match &self.transport {
            Transport::Iotc(_) => true,
            Transport::Cc51 => side.has_tag_key(),
        }
    }

    /// Returns `true` if the camera assigns a session and a ticket in its discovery answer. In
    /// other dialects, the client draws the session id.
    pub fn has_tickets(&self) -> bool {
        matches!(self.transport, Transport::Cc51)
    }

    /// Returns `true` if the datagram, as received, has a header of this dialect, with a known
    /// command, because random data often matches the two bytes of the magic.
    pub fn recognises(&self, datagram: &[u8]) -> bool {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.recognises(datagram),
            Transport::Cc51 => Cc51Header::parse(datagram)
                .is_ok_and(|(header, _)| packets::command::ALL.contains(&header.command)),
        }
    }

    /// Removes the obfuscation in place.
    pub fn descramble(&self, datagram: &mut [u8]) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.descramble(datagram),
            Transport::Cc51 => {}
        }
    }

    /// Applies the obfuscation in place.
    pub fn scramble(&self, datagram: &mut [u8]) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.scramble(datagram),
            Transport::Cc51 => {}
        }
    }

    /// Parses a descrambled datagram. Returns `None` if it cannot be used or is meant for the other
    /// side. Deviations are recorded.
    pub fn parse(
        &self,
        side: &Side,
        datagram: &[u8],
        tolerated: &mut Tolerated,
    ) -> Option<Incoming> {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.parse(side, datagram, tolerated),
            Transport::Cc51 => cc51::parse(side, datagram, tolerated),
        }
    }

    /// Parses a descrambled datagram that must be as docs/protocol.md has it.
    pub fn parse_exact(&self, side: &Side, datagram: &[u8]) -> Option<Incoming> {
        let mut tolerated = Tolerated::default();
        let incoming = self.parse(side, datagram, &mut tolerated);
        incoming.filter(|_| tolerated.is_empty())
    }

    /// Removes the obfuscation in place, and parses the datagram.
    pub fn open(
        &self,
        side: &Side,
        datagram: &mut [u8],
        tolerated: &mut Tolerated,
    ) -> Option<Incoming> {
        self.descramble(datagram);
        self.parse(side, datagram, tolerated)
    }

    /// Queues a discovery request for the UID of `side`.
    pub fn send_discovery_request<E>(
        &self,
        side: &Side,
        session: SessionId,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match &self.transport {
            Transport::Iotc(iotc) => {
                iotc.send_discovery_request(side, session, Stage::Broadcast, to, out);
            }
            Transport::Cc51 => {
                let unassigned = AssignedSession { session, ticket: 0 };
                cc51::send_discovery(side, cc51::DISCOVERY_REQUEST, unassigned, to, out);
            }
        }
    }

    /// Queues the answer to a discovery request. `address` is where the camera receives datagrams.
    pub fn send_discovery_answer<E>(
        &self,
        side: &Side,
        query: &DiscoveryQuery,
        assigned: AssignedSession,
        address: Option<SocketAddrV4>,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match &self.transport {
            Transport::Iotc(iotc) => {
                let answer = DiscoveryAnswer {
                    uid: side.uid,
                    session: Some(query.session),
                    address,
                };
                iotc.send(to, out, |out| answer.write(iotc.layout.discovery, out));
            }
            Transport::Cc51 => {
                cc51::send_discovery(side, cc51::DISCOVERY_ANSWER, assigned, to, out);
            }
        }
    }

    /// Queues a session request. In a dialect with tickets, `ticket` is the one from the discovery
    /// answer; without one, a discovery request is queued instead.
    pub fn send_session_request<E>(
        &self,
        side: &Side,
        session: SessionId,
        ticket: Option<u16>,
        unix_seconds: u32,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match (&self.transport, ticket) {
            (Transport::Iotc(iotc), _) => {
                // Stage 2 is not answered, so it is repeated with the session request.
                iotc.send_discovery_request(side, session, Stage::Direct, to, out);
                let request = SessionRequest {
                    uid: side.uid,
                    session,
                    stamp: iotc.layout.session.stamp(unix_seconds),
                };
                iotc.send(to, out, |out| request.write(out));
            }
            (Transport::Cc51, Some(ticket)) => {
                let assigned = AssignedSession { session, ticket };
                cc51::send_discovery(side, cc51::SESSION_REQUEST, assigned, to, out);
            }
            (Transport::Cc51, None) => self.send_discovery_request(side, session, to, out),
        }
    }

    /// Queues the answer that grants a session.
    pub fn send_session_answer<E>(
        &self,
        side: &Side,
        query: &SessionQuery,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match &self.transport {
            Transport::Iotc(iotc) => {
                let answer = SessionAnswer {
                    uid: Some(query.uid),
                    session: Some(query.session),
                };
                iotc.send(to, out, |out| answer.write(out));
            }
            Transport::Cc51 => {
                let granted = AssignedSession {
                    session: query.session,
                    ticket: query.ticket.unwrap_or_default(),
                };
                cc51::send_discovery(side, cc51::SESSION_ANSWER, granted, to, out);
            }
        }
    }
}
