//! The datagrams of cc51 (docs/protocol.md, section "cc51").

use std::net::SocketAddr;

use tutk_frame::{Cc51, Cc51Discovery, Cc51Keepalive, Direction};

use super::message::{AssignedSession, BACKCHANNEL, DiscoveryQuery, Incoming, SessionQuery, Side};
use crate::output::Outbox;

/// The sequence numbers of the four discovery packets. The last two have the role of session
/// request and answer.
pub(super) const DISCOVERY_REQUEST: u16 = 0;
pub(super) const DISCOVERY_ANSWER: u16 = 1;
pub(super) const SESSION_REQUEST: u16 = 2;
pub(super) const SESSION_ANSWER: u16 = 3;

/// Parses a datagram. The direction field is ignored, because its value in real cameras' packets is
/// not verified; the sequence number or the DTLS record tells the direction.
pub(super) fn parse(side: &Side, datagram: &[u8]) -> Option<Incoming> {
    match Cc51::parse(datagram).ok()? {
        Cc51::Discovery(packet) => {
            if !side.verifies(datagram, Cc51Discovery::COVERED, &packet.tag) {
                return None;
            }
            let Cc51Discovery {
                session, ticket, ..
            } = packet;
            let uid = side.uid;
            match packet.sequence {
                DISCOVERY_REQUEST => {
                    Some(Incoming::DiscoveryRequest(DiscoveryQuery { uid, session }))
                }
                DISCOVERY_ANSWER => Some(Incoming::DiscoveryAnswer {
                    uid,
                    assigned: Some(AssignedSession { session, ticket }),
                }),
                SESSION_REQUEST => Some(Incoming::SessionRequest(SessionQuery {
                    uid,
                    session,
                    ticket: Some(ticket),
                })),
                SESSION_ANSWER => Some(Incoming::SessionAnswer {
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
            let reflected = is_reflected(side, header.channel, payload);
            if !side.verifies(datagram, covered, tag) || reflected {
                return None;
            }
            Some(Incoming::Data {
                session: header.session,
                channel: header.channel,
                records: header.payload_range(),
            })
        }
        Cc51::Keepalive(packet) => {
            if !side.verifies(datagram, Cc51Keepalive::COVERED, &packet.tag) {
                return None;
            }
            let session = packet.session;
            Some(match side.incoming {
                Direction::ToCamera => Incoming::KeepaliveAnswer { session },
                Direction::FromCamera => Incoming::Keepalive { body: session.0 },
            })
        }
        _ => None,
    }
}

/// Returns `true` if the first record is a plaintext handshake message that only this side sends.
///
/// A reflected one would abort the handshake. DTLS itself detects reflected encrypted records. On
/// the backchannel, the camera is the DTLS client.
fn is_reflected(side: &Side, channel: u8, records: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const CLIENT_KEY_EXCHANGE: u8 = 16;
    let Some(&[HANDSHAKE, _, _, 0, 0, _, _, _, _, _, _, _, _, message]) = records.first_chunk()
    else {
        return false;
    };
    let from_dtls_client = matches!(message, CLIENT_HELLO | CLIENT_KEY_EXCHANGE);
    let to_camera = from_dtls_client != (channel == BACKCHANNEL);
    to_camera != (side.incoming == Direction::ToCamera)
}

/// Queues the discovery packet with this sequence number.
pub(super) fn send_discovery<E>(
    side: &Side,
    sequence: u16,
    AssignedSession { session, ticket }: AssignedSession,
    to: SocketAddr,
    out: &mut Outbox<E>,
) {
    let packet = Cc51Discovery {
        direction: side.outgoing(),
        sequence,
        ticket,
        session,
        tag: Default::default(),
    };
    let mut datagram = out.buffer();
    packet.write(&mut datagram);
    side.tag(&mut datagram, Cc51Discovery::COVERED);
    out.transmit(to, datagram);
}
