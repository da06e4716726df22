//! The datagrams of cc51 (docs/protocol.md, section "cc51").

use core::net::SocketAddr;

use tutk_frame::{Cc51, Cc51Discovery, Cc51Header, Cc51Keepalive, Direction};

use super::message::{AssignedSession, BACKCHANNEL, DiscoveryQuery, Incoming, SessionQuery, Side};
use crate::deviation::{Deviation, Tolerated};
use crate::output::Outbox;

/// The sequence numbers of the four discovery packets. The last two have the role of session
/// request and answer.
pub(super) const DISCOVERY_REQUEST: u16 = 0;
pub const DISCOVERY_ANSWER: u16 = 1;
pub(super) const SESSION_REQUEST: u16 = 2;
pub(super) const SESSION_ANSWER: u16 = 3;

/// Parses a datagram. The direction field is ignored, because its value in real cameras' packets is
/// not verified; the sequence number or the DTLS record tells the direction.
///
/// A client accepts tags that do not match, except in a discovery answer without a key: the tag is
/// all that identifies the camera.
pub(super) fn parse(side: &Side, datagram: &[u8], tolerated: &mut Tolerated) -> Option<Incoming> {
    let mut check = |covered, tag: &[u8]| {
        let verified = side.verifies(datagram, covered, tag);
        if !verified {
            tolerated.record(Deviation::Tag);
        }
        if !Cc51Header::has_exact_length(datagram) {
            tolerated.record(Deviation::DatagramLength);
        }
        (verified || side.accepts_any_tag()).then_some(verified)
    };
    match Cc51::parse(datagram).ok()? {
        Cc51::Discovery(packet) => {
            let verified = check(Cc51Discovery::COVERED, &packet.tag)?;
            let Cc51Discovery {
                session, ticket, ..
            } = packet;
            let uid = side.uid;
            match packet.sequence {
                DISCOVERY_REQUEST => Some(Incoming::DiscoveryRequest(DiscoveryQuery {
                    uid,
                    session,
                    key_matches: true,
                })),
                DISCOVERY_ANSWER => Some(Incoming::DiscoveryAnswer {
                    uid,
                    assigned: Some(AssignedSession { session, ticket }),
                    verified,
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
            if is_reflected(side, header.channel, payload) {
                return None;
            }
            check(header.layout.header_len(), tag)?;
            Some(Incoming::Data {
                session: header.session,
                channel: header.channel,
                records: header.payload_range(),
            })
        }
        Cc51::Keepalive(packet) => {
            check(Cc51Keepalive::COVERED, &packet.tag)?;
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
