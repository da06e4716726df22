//! Datagrams as a dialect has them, and what they say whatever the dialect: the only place that knows one
//! transport from another.

use std::net::{SocketAddr, SocketAddrV4};
use std::ops::Range;
use std::sync::Arc;

use bytes::BufMut as _;
use disco_cipher::tag::Tagger;
use disco_cipher::{transcode, xor};
use tutk_frame::{
    AuthKey, Cc51, Cc51Discovery, Cc51Header, Cc51Keepalive, DataHeader, Direction,
    DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Iotc, IotcHeader, Keepalive, SessionAnswer,
    SessionId, SessionRequest, SessionStamp, SessionTrailer, Stage, Uid, WrapperLayout,
};

use crate::dialect::{Cipher, Dialect, IotcTransport, Transport};
use crate::output::Outbox;

/// The longest payload of an HL message, bytes, so that message, IOCTL header and DTLS stay within one
/// record of 1200 bytes (wire.md section 7).
pub const MAX_HL_PAYLOAD: usize = 1100;

/// The sequence numbers of the four packets of a cc51 discovery (wire.md section 6).
const QUESTION: u16 = 0;
const OFFER: u16 = 1;
const REQUEST: u16 = 2;
const GRANT: u16 = 3;

/// What a datagram says.
#[derive(Debug)]
pub(crate) enum Incoming {
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
pub(crate) struct Question {
    /// Whom it is for. Zeros: anybody.
    pub(crate) uid: Uid,
    /// What the client drew.
    pub(crate) session: SessionId,
}

/// The camera is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer {
    /// Which camera.
    pub(crate) uid: Uid,
    /// The session that it gives, where the dialect lets the camera choose.
    pub(crate) place: Option<Place>,
}

/// The session that a camera gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) session: SessionId,
    pub(crate) ticket: u16,
}

/// A client wants a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) uid: Uid,
    pub(crate) session: SessionId,
    /// What it was given, where the dialect has tickets.
    pub(crate) ticket: Option<u16>,
}

/// One end of the line: what it must know to read and to write datagrams.
#[derive(Debug)]
pub(crate) struct End {
    /// Which way the datagrams go that come here.
    incoming: Direction,
    uid: Uid,
    auth_key: Option<AuthKey>,
    /// Set up once, and only if both parts of its key are known.
    tagger: Option<Tagger>,
}

impl End {
    pub(crate) fn new(incoming: Direction, uid: Uid, auth_key: Option<AuthKey>) -> Self {
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

    pub(crate) fn uid(&self) -> Uid {
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
    pub(crate) fn is_spoken_by(&self, end: &End) -> bool {
        match &self.transport {
            Transport::Iotc(_) => true,
            Transport::Cc51 => end.tagger.is_some(),
        }
    }

    /// Whether the datagram, as it came, begins as one of this dialect does. Leaves it as it is.
    ///
    /// The length counts as well as the magic: noise has two bytes right often enough.
    pub(crate) fn recognises(&self, datagram: &[u8]) -> bool {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.recognises(datagram),
            Transport::Cc51 => Cc51Header::parse_datagram(datagram).is_ok(),
        }
    }

    /// Takes the obfuscation off, in place.
    pub(crate) fn reveal(&self, datagram: &mut [u8]) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.reveal(datagram),
            Transport::Cc51 => {}
        }
    }

    /// Reads a datagram without its obfuscation. `None` for what is not understood, is for the other end, or
    /// has a wrong tag.
    pub(crate) fn read(&self, end: &End, datagram: &[u8]) -> Option<Incoming> {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.read(end, datagram),
            Transport::Cc51 => read_cc51(end, datagram),
        }
    }

    /// Takes the obfuscation off, in place, and reads what is inside.
    pub(crate) fn open(&self, end: &End, datagram: &mut [u8]) -> Option<Incoming> {
        self.reveal(datagram);
        self.read(end, datagram)
    }

    /// Queues the question who is there, for `uid` or for anybody.
    pub(crate) fn ask<E>(
        &self,
        end: &End,
        session: SessionId,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.ask(end, session, Stage::Broadcast, to, out),
            Transport::Cc51 => send_discovery(end, QUESTION, 0, session, to, out),
        }
    }

    /// Queues the answer to that question.
    pub(crate) fn offer<E>(
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
            Transport::Cc51 => send_discovery(end, OFFER, place.ticket, place.session, to, out),
        }
    }

    /// Queues what asks for a session. `ticket` is the one of the camera's offer; without one, a dialect that
    /// has tickets asks for an offer first.
    pub(crate) fn request<E>(
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
                send_discovery(end, REQUEST, ticket, session, to, out);
            }
            (Transport::Cc51, None) => self.ask(end, session, to, out),
        }
    }

    /// Queues the answer that grants a session.
    pub(crate) fn grant<E>(
        &self,
        end: &End,
        request: &Request,
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
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
                send_discovery(end, GRANT, ticket, request.session, to, out);
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
            stage == Stage::Broadcast || self.layout.discovery == DiscoveryLayout::Summary;
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

/// The direction is looked at nowhere: which value a real camera writes is not sure, and sequence numbers, or
/// what DTLS makes of a record, say the same.
fn read_cc51(end: &End, datagram: &[u8]) -> Option<Incoming> {
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
            if !end.verifies(datagram, covered, tag) || is_reflected(end, payload) {
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

/// Whether these records are what this end sends, come back: a handshake message in the clear that only the
/// other role gets. It would end the handshake; the same of later records DTLS finds out by itself.
///
/// Where the direction says which way a datagram went, nobody needs to look.
fn is_reflected(end: &End, records: &[u8]) -> bool {
    const HANDSHAKE: u8 = 22;
    const CLIENT_HELLO: u8 = 1;
    const CLIENT_KEY_EXCHANGE: u8 = 16;
    let Some(&[HANDSHAKE, _, _, 0, 0, _, _, _, _, _, _, _, _, message]) = records.first_chunk()
    else {
        return false;
    };
    let to_camera = matches!(message, CLIENT_HELLO | CLIENT_KEY_EXCHANGE);
    to_camera != (end.incoming == Direction::ToCamera)
}

/// Queues one of the four packets of a cc51 discovery.
fn send_discovery<E>(
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

/// The data wrapper of one session: what stands around its DTLS records (wire.md sections 5 and 6), and its
/// keepalives.
#[derive(Debug)]
pub(crate) struct Wrapper {
    pub(crate) dialect: &'static Dialect,
    pub(crate) remote: SocketAddr,
    end: Arc<End>,
    place: Place,
    /// Counts data packets.
    sequence: u16,
    /// Counts keepalives.
    keepalives: u32,
}

impl Wrapper {
    /// The ticket of `place` is not looked at where the dialect has none.
    pub(crate) fn new(
        dialect: &'static Dialect,
        end: Arc<End>,
        place: Place,
        remote: SocketAddr,
    ) -> Self {
        Self {
            dialect,
            remote,
            end,
            place,
            sequence: 0,
            keepalives: 0,
        }
    }

    pub(crate) fn session(&self) -> SessionId {
        self.place.session
    }

    /// Queues one data datagram, whose records `fill` appends.
    pub(crate) fn send<E, F>(
        &mut self,
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
            channel: 0,
            sequence: match layout {
                WrapperLayout::Cc51 => self.place.ticket,
                WrapperLayout::Summary30 | WrapperLayout::Field28 => self.sequence,
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
    pub(crate) fn send_keepalive<E>(&mut self, out: &mut Outbox<E>) {
        match &self.dialect.transport {
            Transport::Iotc(iotc) => {
                let keepalive = Keepalive {
                    answer: false,
                    body: self.place.session.0,
                };
                iotc.send(self.remote, out, |out| keepalive.write(out));
            }
            // The answers have even counters: what a camera's have is not known, and odd is this project's
            // choice.
            Transport::Cc51 => {
                let counter = self.keepalives.wrapping_mul(2).wrapping_add(1);
                self.send_cc51_keepalive(counter, self.remote, out);
            }
        }
        self.keepalives = self.keepalives.wrapping_add(1);
    }

    /// Queues the client's answer to a keepalive with that body, back to where it came from.
    pub(crate) fn answer_keepalive<E>(
        &mut self,
        body: [u8; 8],
        to: SocketAddr,
        out: &mut Outbox<E>,
    ) {
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
