//! Datagrams between a client and a camera, and a session with known keys, whose AV packets an
//! input contains.

use std::time::Duration;

use dtls_psk::crypto::default_provider;
use dtls_psk::passive::{Handshake, Keys as RecordKeys, RecordHeader, Side};
use tutk_dissect::Keys;
use tutk_dissect::capture::Datagram;
use tutk_session::Dialect;
use tutk_session::tutk_frame::{Cc51Discovery, DataHeader, Direction, SessionId, WrapperLayout};

const CLIENT: ([u8; 4], u16) = ([192, 168, 1, 2], 50_000);
const CAMERA: ([u8; 4], u16) = ([192, 168, 1, 7], 32_761);
const MASTER: [u8; 48] = [0x42; 48];
const SESSION: SessionId = SessionId(*b"identity");

/// The content types of DTLS records.
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A payload and its sender.
pub struct Sent {
    pub to_camera: bool,
    pub payload: Vec<u8>,
}

impl Sent {
    /// Returns the datagram with this payload.
    pub fn datagram(&self) -> Datagram<'_> {
        let (source, destination) = match self.to_camera {
            true => (CLIENT, CAMERA),
            false => (CAMERA, CLIENT),
        };
        Datagram {
            source: source.into(),
            destination: destination.into(),
            payload: &self.payload,
            missing: 0,
        }
    }
}

/// Returns the time of the datagram with this number.
pub fn time(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// Splits the input into parts of at most 2000 bytes.
pub fn parts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_le_bytes(*length)) % 2000;
        let (part, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        Some(part)
    })
}

/// A session whose master secret is known.
pub struct Session {
    dialect: &'static Dialect,
    keys: RecordKeys,
    /// The sequence number of the newest record.
    sequence: u64,
}

impl Session {
    /// Starts a session in a dialect, by number. Returns the datagrams before its first AV packet.
    pub fn new(dialect: u8) -> (Self, Vec<Sent>) {
        let hellos = hellos();
        let mut handshake = Handshake::default();
        for (hello, sender) in hellos.iter().zip([Side::Client, Side::Server]) {
            handshake.handle_record(sender, &hello[RecordHeader::LEN..], |_, _| {});
        }
        let parameters = handshake.parameters().expect("both hellos");
        let session = Self {
            dialect: &Dialect::ALL[usize::from(dialect) % Dialect::ALL.len()],
            keys: RecordKeys::new(default_provider(), parameters, &MASTER).expect("keys"),
            sequence: 0,
        };
        let mut sent = Vec::new();
        if session.dialect.wrapper() == WrapperLayout::Cc51 {
            // Its other packets do not tell the direction.
            let mut payload = Vec::new();
            let discovery = Cc51Discovery {
                direction: Direction::ToCamera,
                sequence: 0,
                ticket: 0,
                session: SESSION,
                tag: Default::default(),
            };
            discovery.write(&mut payload);
            let to_camera = true;
            sent.push(Sent { to_camera, payload });
        }
        let [client_hello, server_hello] = &hellos;
        for channel in [0, 1] {
            let to_camera = channel == 0;
            sent.push(session.wrap(to_camera, channel, client_hello));
            sent.push(session.wrap(!to_camera, channel, server_hello));
        }
        (session, sent)
    }

    /// Returns the keys of all these sessions.
    pub fn known_keys() -> Keys {
        let mut keys = Keys::new();
        let log = format!("CLIENT_RANDOM {} {}", "01".repeat(32), "42".repeat(48));
        keys.add_key_log(log.as_bytes()).expect("a valid line");
        keys
    }

    /// Encrypts an AV packet. The first byte of a part tells the sender and the channel.
    pub fn seal(&mut self, part: &[u8]) -> Option<Sent> {
        let (head, packet) = part.split_first()?;
        let (to_camera, channel) = (head & 1 == 0, head >> 1 & 1);
        // On the backchannel, the camera is the DTLS client.
        let sender = match to_camera == (channel == 0) {
            true => Side::Client,
            false => Side::Server,
        };
        self.sequence += 1;
        let header = RecordHeader {
            content_type: APPLICATION_DATA,
            version: 0xfefd,
            epoch: 1,
            sequence: self.sequence,
        };
        let mut fragment = Vec::new();
        self.keys.seal(sender, header, packet, &mut fragment).ok()?;
        let record = record(APPLICATION_DATA, 1, self.sequence, &fragment);
        Some(self.wrap(to_camera, channel, &record))
    }

    fn wrap(&self, to_camera: bool, channel: u8, records: &[u8]) -> Sent {
        let layout = self.dialect.wrapper();
        let header = DataHeader {
            layout,
            direction: match to_camera {
                true => Direction::ToCamera,
                false => Direction::FromCamera,
            },
            channel,
            sequence: 0,
            session: SESSION,
            payload_len: records.len().try_into().expect("short records"),
        };
        let mut payload = Vec::new();
        header.write(&mut payload);
        payload.extend_from_slice(records);
        payload.resize(payload.len() + layout.tag_len(), 0);
        self.dialect.scramble(&mut payload);
        Sent { to_camera, payload }
    }
}

/// A ClientHello and a ServerHello with TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, without extensions,
/// as records. The randoms are 32 bytes of 1 and of 2.
fn hellos() -> [Vec<u8>; 2] {
    let message = |message: u8, body: &[u8]| {
        let len = u8::try_from(body.len()).expect("a short hello");
        let header = [message, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len];
        record(HANDSHAKE, 0, 0, &[&header, body].concat())
    };
    let client = [&[0xfe, 0xfd][..], &[1; 32], b"\0\0\0\x02\xcc\xab\x01\0"].concat();
    let server = [&[0xfe, 0xfd][..], &[2; 32], b"\0\xcc\xab\0"].concat();
    [message(1, &client), message(2, &server)]
}

fn record(content_type: u8, epoch: u8, sequence: u64, fragment: &[u8]) -> Vec<u8> {
    let len = u16::try_from(fragment.len()).expect("a short fragment");
    let mut record = vec![content_type, 0xfe, 0xfd, 0, epoch];
    record.extend_from_slice(&sequence.to_be_bytes()[2..]);
    record.extend_from_slice(&len.to_be_bytes());
    record.extend_from_slice(fragment);
    record
}
