//! A man in the middle that knows the key. It terminates DTLS on both sides, so it can change and
//! forge AV packets that are authentic.

use std::collections::VecDeque;
use std::sync::Arc;

use disco_cipher::tag::Tagger;
use tutk_session::dtls_psk::{Config, Connection, Output};
use tutk_session::psk::IDENTITY;
use tutk_session::tutk_frame::{DataHeader, Direction, Iotc, SessionId, WrapperLayout};
use tutk_session::{Credentials, Dialect, Transport};
use tutk_time::Instant;

use super::{Side, provider};

pub struct Mitm {
    dialect: &'static Dialect,
    /// The side whose packets are changed.
    target: Side,
    session: Option<SessionId>,
    facing_client: Leg,
    facing_camera: Leg,
    /// The changes to the next packets for the target.
    pub changes: VecDeque<Change>,
    /// `true` if a packet was changed or forged.
    pub forged: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Change {
    None,
    Flip(u16, u8),
    Truncate(u16),
}

struct Leg {
    dtls: Connection,
    sequence: u16,
    /// Packets that wait for the end of the handshake.
    pending: Vec<Vec<u8>>,
    /// Datagrams to the side that this leg faces.
    sent: VecDeque<Vec<u8>>,
}

impl Mitm {
    pub fn new(
        dialect: &'static Dialect,
        target: Side,
        credentials: &Credentials,
        now: Instant,
    ) -> Self {
        let psk = credentials.psk(dialect.key);
        let client = Config::client_with(provider::CLIENT, IDENTITY, psk.clone());
        let server = Config::server_with(provider::SERVER, move |_: &[u8]| Some(psk.clone()));
        let leg = |dtls| Leg {
            dtls,
            sequence: 0,
            pending: Vec::new(),
            sent: VecDeque::new(),
        };
        Self {
            dialect,
            target,
            session: None,
            facing_client: leg(
                Connection::server(Arc::new(server), b"mitm", [3; 32], now).expect("a server")
            ),
            facing_camera: leg(
                Connection::client(Arc::new(client), [4; 32], now).expect("a client")
            ),
            changes: VecDeque::new(),
            forged: false,
        }
    }

    /// Handles a datagram from `from`. [`Self::take_sent`] returns the datagrams to forward.
    pub fn handle(&mut self, now: Instant, from: Side, datagram: &[u8]) {
        let mut plain = datagram.to_vec();
        self.dialect.descramble(&mut plain);
        let header = match data_header(self.dialect, &plain) {
            Some(header) if header.channel == 0 => header,
            // The backchannel has its own DTLS connection and is forwarded unchanged.
            _ => {
                self.leg(from.other()).sent.push_back(datagram.to_vec());
                return;
            }
        };
        self.session.get_or_insert(header.session);
        let records = &mut plain[header.payload_range()];
        let mut packets = Vec::new();
        let deliver = |packet: &mut [u8]| packets.push(packet.to_vec());
        // A failed connection forwards nothing, like a broken network.
        let _ = self.leg(from).dtls.handle_datagram(now, records, deliver);
        for mut packet in packets {
            if from.other() == self.target
                && let Some(change) = self.changes.pop_front()
            {
                self.forged |= change.apply(&mut packet);
            }
            self.leg(from.other()).pending.push(packet);
        }
        self.flush();
    }

    /// Sends a forged packet to the target if its DTLS handshake is complete.
    pub fn forge(&mut self, packet: &[u8]) {
        let target = self.target;
        if self.leg(target).dtls.is_connected() {
            self.forged = true;
            self.leg(target).pending.push(packet.to_vec());
            self.flush();
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for side in [Side::Client, Side::Simulator] {
            let _ = self.leg(side).dtls.handle_timeout(now);
        }
        self.flush();
    }

    pub fn take_sent(&mut self, to: Side) -> VecDeque<Vec<u8>> {
        std::mem::take(&mut self.leg(to).sent)
    }

    fn leg(&mut self, facing: Side) -> &mut Leg {
        match facing {
            Side::Client => &mut self.facing_client,
            Side::Simulator => &mut self.facing_camera,
        }
    }

    fn flush(&mut self) {
        // The session id is known after the first datagram of the client.
        let Some(session) = self.session else { return };
        let dialect = self.dialect;
        for side in [Side::Client, Side::Simulator] {
            let leg = self.leg(side);
            loop {
                match leg.dtls.poll_output() {
                    Output::Transmit(records) => {
                        let wrapped = wrap(dialect, side, session, 0, leg.sequence, records);
                        leg.sequence = leg.sequence.wrapping_add(1);
                        leg.sent.push_back(wrapped);
                    }
                    Output::Event(_) => {}
                    Output::Timeout(_) => break,
                }
            }
            if leg.dtls.is_connected() {
                for packet in std::mem::take(&mut leg.pending) {
                    let mut records = Vec::new();
                    if leg.dtls.seal(&packet, &mut records).is_ok() {
                        let wrapped = wrap(dialect, side, session, 0, leg.sequence, &records);
                        leg.sequence = leg.sequence.wrapping_add(1);
                        leg.sent.push_back(wrapped);
                    }
                }
            }
        }
    }
}

impl Change {
    /// Applies the change. Returns `true` if the packet differs from before.
    fn apply(self, packet: &mut Vec<u8>) -> bool {
        let before = packet.len();
        match self {
            Self::None => false,
            Self::Flip(at, bits) => {
                if let Some(byte) = packet.get_mut(usize::from(at) % before.max(1)) {
                    *byte ^= bits;
                }
                bits != 0
            }
            Self::Truncate(at) => {
                packet.truncate(usize::from(at));
                packet.len() < before
            }
        }
    }
}

/// Wraps DTLS records in a data datagram to this side.
pub fn wrap(
    dialect: &Dialect,
    to: Side,
    session: SessionId,
    channel: u8,
    sequence: u16,
    records: &[u8],
) -> Vec<u8> {
    let header = DataHeader {
        layout: dialect.wrapper(),
        direction: match to {
            Side::Client => Direction::FromCamera,
            Side::Simulator => Direction::ToCamera,
        },
        channel,
        sequence,
        session,
        payload_len: records.len().try_into().expect("short records"),
    };
    let mut datagram = Vec::new();
    header.write(&mut datagram);
    datagram.extend_from_slice(records);
    datagram.resize(datagram.len() + dialect.wrapper().tag_len(), 0);
    scramble(dialect, &mut datagram);
    datagram
}

/// Scrambles a datagram, or writes the tag at the end of a data datagram of cc51.
pub fn scramble(dialect: &Dialect, datagram: &mut [u8]) {
    dialect.scramble(datagram);
    let wrapper = dialect.wrapper();
    if wrapper == WrapperLayout::Cc51 {
        let credentials = super::credentials();
        let tagger = Tagger::new(&credentials.uid.0, &credentials.auth_key.0);
        let covered = datagram.get(..wrapper.header_len());
        let tag = covered.map(|covered| tagger.tag(covered));
        if let (Some(tag), Some(place)) = (tag, datagram.last_chunk_mut()) {
            *place = tag;
        }
    }
}

fn data_header(dialect: &Dialect, datagram: &[u8]) -> Option<DataHeader> {
    match &dialect.transport {
        Transport::Iotc(iotc) => match Iotc::parse(datagram, iotc.layout) {
            Ok(Iotc::Data { header, .. }) => Some(header),
            _ => None,
        },
        _ => DataHeader::parse(datagram, dialect.wrapper()).ok(),
    }
}
