//! The datagrams of cc51 (wire.md section 6).

use std::net::SocketAddr;

use tutk_frame::{Cc51, Cc51Discovery, Cc51Keepalive, Direction, SessionId};

use super::{End, Incoming, Offer, Place, Question, Request};
use crate::channel::BACK;
use crate::output::Outbox;

/// The sequence numbers of the four packets of a cc51 discovery (wire.md section 6).
pub(super) const QUESTION: u16 = 0;
pub(super) const OFFER: u16 = 1;
pub(super) const REQUEST: u16 = 2;
pub(super) const GRANT: u16 = 3;

/// The direction is looked at nowhere: which value a real camera writes is not sure, and sequence
/// numbers, or what DTLS makes of a record, say the same.
pub(super) fn read(end: &End, datagram: &[u8]) -> Option<Incoming> {
    match Cc51::parse(datagram).ok()? {
        Cc51::Discovery(packet) => {
            if !end.verifies(datagram, Cc51Discovery::COVERED, &packet.tag) {
                return None;
            }
            let (uid, session) = (end.uid, packet.session);
            match packet.sequence {
                QUESTION => Some(Incoming::Question(Question { uid, session })),
                OFFER => {
                    let ticket = packet.ticket;
                    let place = Some(Place { session, ticket });
                    Some(Incoming::Offer(Offer { uid, place }))
                }
                REQUEST => Some(Incoming::Request(Request {
                    uid,
                    session,
                    ticket: Some(packet.ticket),
                })),
                GRANT => Some(Incoming::Grant {
                    session: Some(session),
                }),
                _ => None,
            }
        }
        Cc51::Data {
            header,
            payload,
            tag,
        } => {
            let covered = header.layout.header_len();
            let reflected = is_reflected(end, header.channel, payload);
            if !end.verifies(datagram, covered, tag) || reflected {
                return None;
            }
            Some(Incoming::Data {
                session: header.session,
                channel: header.channel,
                records: header.payload_range(),
            })
        }
        Cc51::Keepalive(packet) => {
            if !end.verifies(datagram, Cc51Keepalive::COVERED, &packet.tag) {
                return None;
            }
            let session = packet.session;
            Some(match end.incoming {
                Direction::ToCamera => Incoming::KeepaliveAnswer { session },
                Direction::FromCamera => Incoming::Keepalive { body: session.0 },
            })
        }
        _ => None,
    }
}

/// Whether these records are what this end sends, come back: a handshake message in the clear that
/// only the other role gets. It would end the handshake; the same of later records DTLS finds out
/// by itself.
///
/// Where the direction says which way a datagram went, nobody needs to look. On the back channel
/// the camera is the DTLS client.
fn is_reflected(end: &End, channel: u8, records: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const CLIENT_KEY_EXCHANGE: u8 = 16;
    let Some(&[HANDSHAKE, _, _, 0, 0, _, _, _, _, _, _, _, _, message]) = records.first_chunk()
    else {
        return false;
    };
    let from_dtls_client = matches!(message, CLIENT_HELLO | CLIENT_KEY_EXCHANGE);
    let to_camera = from_dtls_client != (channel == BACK);
    to_camera != (end.incoming == Direction::ToCamera)
}

/// Queues one of the four packets of a cc51 discovery.
pub(super) fn send_discovery<E>(
    end: &End,
    sequence: u16,
    ticket: u16,
    session: SessionId,
    to: SocketAddr,
    out: &mut Outbox<E>,
) {
    let packet = Cc51Discovery {
        direction: end.outgoing(),
        sequence,
        ticket,
        session,
        tag: Default::default(),
    };
    let mut datagram = out.buffer();
    packet.write(&mut datagram);
    end.tag(&mut datagram, Cc51Discovery::COVERED);
    out.transmit(to, datagram);
}
