//! Datagrams as a dialect has them, and what they say whatever the dialect: the only place that
//! knows one transport from another.
#![allow(missing_docs, reason = "internal: tutk-simulator shares it")]

mod cc51;
mod wrapper;

use std::net::{SocketAddr, SocketAddrV4};
use std::ops::Range;

use disco_cipher::tag::Tagger;
use disco_cipher::{transcode, xor};
use tutk_frame::{
    AuthKey, Cc51Header, Direction, DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Iotc,
    IotcHeader, Keepalive, SessionAnswer, SessionId, SessionRequest, SessionStamp, SessionTrailer,
    Stage, Uid,
};

pub use self::wrapper::Wrapper;
use crate::dialect::{Cipher, Dialect, IotcTransport, Transport};
use crate::output::Outbox;

/// The longest payload of an HL message, bytes, so that message, IOCTL header and DTLS stay within
/// one record of 1200 bytes (wire.md section 7).
pub const MAX_HL_PAYLOAD: usize = 1100;

/// What a datagram says.
#[derive(Debug)]
pub enum Incoming {
    /// A client asks who is there.
    Question(Question),
    /// A client says that it has found the camera; nothing is answered.
    Notice { uid: Uid },
    /// The camera says that it is there.
    Offer(Offer),
    /// A client asks for a session.
    Request(Request),
    /// The camera grants the session: this one, where the dialect says which.
    Grant { session: Option<SessionId> },
    /// DTLS records.
    Data {
        session: SessionId,
        channel: u8,
        /// Where in the datagram they are.
        records: Range<usize>,
    },
    /// The camera asks whether the client is there.
    Keepalive { body: [u8; 8] },
    /// The client is there.
    KeepaliveAnswer { session: SessionId },
}

/// Who is there?
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Whom it is for. Zeros: anybody.
    pub uid: Uid,
    /// What the client drew.
    pub session: SessionId,
}

/// The camera is there.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// Which camera.
    pub uid: Uid,
    /// The session that it gives, where the dialect lets the camera choose.
    pub place: Option<Place>,
}

/// The session that a camera gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub session: SessionId,
    pub ticket: u16,
}

/// A client wants a session.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    pub uid: Uid,
    pub session: SessionId,
    /// What it was given, where the dialect has tickets.
    pub ticket: Option<u16>,
}

/// One end of the line: what it must know to read and to write datagrams.
#[derive(Debug)]
pub struct End {
    /// Which way the datagrams go that come here.
    incoming: Direction,
    uid: Uid,
    auth_key: Option<AuthKey>,
    /// Set up once, and only if both parts of its key are known.
    tagger: Option<Tagger>,
}

impl End {
    pub fn new(incoming: Direction, uid: Uid, auth_key: Option<AuthKey>) -> Self {
        let tagger = match &auth_key {
            Some(AuthKey(key)) if uid != Uid::default() => Some(Tagger::new(&uid.0, key)),
            _ => None,
        };
        Self {
            incoming,
            uid,
            auth_key,
            tagger,
        }
    }

    pub fn uid(&self) -> Uid {
        self.uid
    }

    fn outgoing(&self) -> Direction {
        match self.incoming {
            Direction::ToCamera => Direction::FromCamera,
            Direction::FromCamera => Direction::ToCamera,
        }
    }

    /// Whether the tag over the first bytes of a datagram is right. Without a key none is.
    fn verifies(&self, datagram: &[u8], covered: usize, tag: &[u8]) -> bool {
        match (&self.tagger, datagram.get(..covered)) {
            (Some(tagger), Some(covered)) => tagger.verify(covered, tag),
            _ => false,
        }
    }

    /// Puts the tag over the first bytes of a datagram at its end, where it has place for it.
    fn tag(&self, datagram: &mut [u8], covered: usize) {
        let Some(tagger) = &self.tagger else { return };
        let tag = datagram.get(..covered).map(|covered| tagger.tag(covered));
        if let (Some(tag), Some(place)) = (tag, datagram.last_chunk_mut()) {
            *place = tag;
        }
    }
}

impl Dialect {
    /// Whether that end has what this dialect needs to be spoken.
    pub fn is_spoken_by(&self, end: &End) -> bool {
        match &self.transport {
            Transport::Iotc(_) => true,
            Transport::Cc51 => end.tagger.is_some(),
        }
    }

    /// Whether the datagram, as it came, begins as one of this dialect does. Leaves it as it is.
    ///
    /// The length counts as well as the magic: noise has two bytes right often enough.
    pub fn recognises(&self, datagram: &[u8]) -> bool {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.recognises(datagram),
            Transport::Cc51 => Cc51Header::parse_datagram(datagram).is_ok(),
        }
    }

    /// Takes the obfuscation off, in place.
    pub fn reveal(&self, datagram: &mut [u8]) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.reveal(datagram),
            Transport::Cc51 => {}
        }
    }

    /// Reads a datagram without its obfuscation. `None` for what is not understood, is for the
    /// other end, or has a wrong tag.
    pub fn read(&self, end: &End, datagram: &[u8]) -> Option<Incoming> {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.read(end, datagram),
            Transport::Cc51 => cc51::read(end, datagram),
        }
    }

    /// Takes the obfuscation off, in place, and reads what is inside.
    pub fn open(&self, end: &End, datagram: &mut [u8]) -> Option<Incoming> {
        self.reveal(datagram);
        self.read(end, datagram)
    }

    /// Queues the question who is there, for `uid` or for anybody.
    pub fn ask<E>(&self, end: &End, session: SessionId, to: SocketAddr, out: &mut Outbox<E>) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.ask(end, session, Stage::Broadcast, to, out),
            Transport::Cc51 => cc51::send_discovery(end, cc51::QUESTION, 0, session, to, out),
        }
    }

    /// Queues the answer to that question.
    pub fn offer<E>(
        &self,
        end: &End,
        question: &Question,
        place: Place,
        listens: Option<SocketAddrV4>,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match &self.transport {
            Transport::Iotc(iotc) => {
                let answer = DiscoveryAnswer {
                    uid: end.uid,
                    session: Some(question.session),
                    address: listens,
                };
                iotc.send(to, out, |out| answer.write(iotc.layout.discovery, out));
            }
            Transport::Cc51 => {
                cc51::send_discovery(end, cc51::OFFER, place.ticket, place.session, to, out)
            }
        }
    }

    /// Queues what asks for a session. `ticket` is the one of the camera's offer; without one, a
    /// dialect that has tickets asks for an offer first.
    pub fn request<E>(
        &self,
        end: &End,
        session: SessionId,
        ticket: Option<u16>,
        unix_seconds: u32,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match (&self.transport, ticket) {
            (Transport::Iotc(iotc), _) => {
                // Stage 2 is not answered, so it goes along with what is.
                iotc.ask(end, session, Stage::Direct, to, out);
                let request = SessionRequest {
                    uid: end.uid,
                    session,
                    stamp: match iotc.layout.session {
                        SessionTrailer::Crc32 => SessionStamp::Crc32,
                        SessionTrailer::UnixSeconds => SessionStamp::UnixSeconds(unix_seconds),
                    },
                };
                iotc.send(to, out, |out| request.write(out));
            }
            (Transport::Cc51, Some(ticket)) => {
                cc51::send_discovery(end, cc51::REQUEST, ticket, session, to, out);
            }
            (Transport::Cc51, None) => self.ask(end, session, to, out),
        }
    }

    /// Queues the answer that grants a session.
    pub fn grant<E>(&self, end: &End, request: &Request, to: SocketAddr, out: &mut Outbox<E>) {
        match &self.transport {
            Transport::Iotc(iotc) => {
                let answer = SessionAnswer {
                    uid: Some(request.uid),
                    session: Some(request.session),
                };
                iotc.send(to, out, |out| answer.write(out));
            }
            Transport::Cc51 => {
                let ticket = request.ticket.unwrap_or_default();
                cc51::send_discovery(end, cc51::GRANT, ticket, request.session, to, out);
            }
        }
    }
}

impl IotcTransport {
    fn recognises(&self, datagram: &[u8]) -> bool {
        let Some(&(mut head)) = datagram.first_chunk::<{ IotcHeader::LEN }>() else {
            return false;
        };
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, &mut head),
            Cipher::TransCode => transcode::descramble_block(&mut head),
        }
        let after = datagram.len().saturating_sub(IotcHeader::LEN);
        IotcHeader::parse(&head).is_ok_and(|(header, _)| usize::from(header.length) == after)
    }

    fn reveal(&self, datagram: &mut [u8]) {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::descramble_datagram(datagram),
        }
    }

    /// Puts the obfuscation on, in place.
    fn hide(&self, datagram: &mut [u8]) {
        match &self.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::scramble_datagram(datagram),
        }
    }

    fn read(&self, end: &End, datagram: &[u8]) -> Option<Incoming> {
        let incoming = match Iotc::parse(datagram, self.layout).ok()? {
            Iotc::DiscoveryRequest(request) => match request.stage {
                Stage::Broadcast => Incoming::Question(Question {
                    uid: request.uid,
                    session: request.session,
                }),
                Stage::Direct => Incoming::Notice { uid: request.uid },
            },
            // What follows the UID in a real camera's answer is not known.
            Iotc::DiscoveryAnswer(answer) => Incoming::Offer(Offer {
                uid: answer.uid,
                place: None,
            }),
            Iotc::SessionRequest(request) => Incoming::Request(Request {
                uid: request.uid,
                session: request.session,
                ticket: None,
            }),
            // Its body is not known.
            Iotc::SessionAnswer(_) => Incoming::Grant { session: None },
            Iotc::Data { header, .. } if header.direction == end.incoming => Incoming::Data {
                session: header.session,
                channel: header.channel,
                records: header.payload_range(),
            },
            Iotc::Keepalive(Keepalive { answer: true, body }) => Incoming::KeepaliveAnswer {
                session: SessionId(body),
            },
            Iotc::Keepalive(Keepalive { body, .. }) => Incoming::Keepalive { body },
            _ => return None,
        };
        Some(incoming)
    }

    fn ask<E>(
        &self,
        end: &End,
        session: SessionId,
        stage: Stage,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        // The summary's table has the AuthKey in both stages, the field only in the first.
        let with_key =
            stage == Stage::Broadcast || self.layout.discovery == DiscoveryLayout::SessionAt52;
        let request = DiscoveryRequest {
            uid: end.uid,
            version: DiscoveryRequest::SDK_VERSION,
            session,
            stage,
            auth_key: end.auth_key.clone().filter(|_| with_key),
        };
        self.send(to, out, |out| request.write(self.layout.discovery, out));
    }

    /// Queues a datagram that `write` fills.
    fn send<E>(&self, to: SocketAddr, out: &mut Outbox<E>, write: impl FnOnce(&mut Vec<u8>)) {
        let mut datagram = out.buffer();
        write(&mut datagram);
        self.hide(&mut datagram);
        out.transmit(to, datagram);
    }
}
