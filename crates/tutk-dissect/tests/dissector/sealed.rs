//! A session with known keys, whose AV packets a test writes.

use std::time::Duration;

use dtls_psk::passive::{Handshake, Keys as RecordKeys, RecordHeader, Side};
use testkit::session::datagram::data;
use testkit::session::{camera_address, client_address};
use tutk_dissect::capture::Datagram;
use tutk_dissect::{Direction, Dissector, Keys, Packet};
use tutk_frame::{DataHeader, SessionId};
use tutk_session::Dialect;

const MASTER: [u8; 48] = [0x42; 48];

/// Writes the datagrams of a session.
pub(crate) struct Sealed {
    dialect: &'static Dialect,
    keys: RecordKeys,
    sequence: u64,
}

/// A datagram and its sender.
pub(crate) struct Sent {
    from: Direction,
    /// The port of the client.
    pub(crate) port: u16,
    bytes: Vec<u8>,
}

/// A ClientHello and a ServerHello with TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, without extensions,
/// as records. The randoms are 32 bytes of 1 and of 2.
fn hellos() -> [Vec<u8>; 2] {
    let message = |message: u8, body: &[u8]| {
        let len = u8::try_from(body.len()).unwrap();
        let header = [message, 0, 0, len, 0, 0, 0, 0, 0, 0, 0, len];
        record(22, 0, 0, &[&header, body].concat())
    };
    let client = [&[0xfe, 0xfd][..], &[1; 32], b"\0\0\0\x02\xcc\xab\x01\0"].concat();
    let server = [&[0xfe, 0xfd][..], &[2; 32], b"\0\xcc\xab\0"].concat();
    [message(1, &client), message(2, &server)]
}

fn record(content_type: u8, epoch: u8, sequence: u64, fragment: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd, 0, epoch];
    record.extend_from_slice(&sequence.to_be_bytes()[2..]);
    record.extend_from_slice(&u16::try_from(fragment.len()).unwrap().to_be_bytes());
    record.extend_from_slice(fragment);
    record
}

impl Sealed {
    pub(crate) fn new(dialect: &'static Dialect) -> Self {
        let mut handshake = Handshake::default();
        for (hello, sender) in hellos().iter().zip([Side::Client, Side::Server]) {
            handshake.handle_record(sender, &hello[RecordHeader::LEN..], |_, _| {});
        }
        Self {
            dialect,
            keys: RecordKeys::new(
                dtls_psk::crypto::default_provider(),
                handshake.parameters().unwrap(),
                &MASTER,
            )
            .unwrap(),
            sequence: 0,
        }
    }

    /// The key log of the session.
    pub(crate) fn key_log() -> Keys {
        let mut keys = Keys::new();
        let line = format!("CLIENT_RANDOM {} {}", "01".repeat(32), "42".repeat(48));
        assert_eq!(keys.add_key_log(line.as_bytes()).unwrap(), 1);
        keys
    }

    /// The hellos of a channel. The camera is the DTLS client on other channels than 0.
    pub(crate) fn hellos(&mut self, channel: u8) -> [Sent; 2] {
        let ends = match channel {
            0 => [Direction::ToCamera, Direction::FromCamera],
            _ => [Direction::FromCamera, Direction::ToCamera],
        };
        let [client, server] = hellos();
        let [from_client, from_server] = ends;
        [
            self.records(from_client, channel, &client),
            self.records(from_server, channel, &server),
        ]
    }

    /// An AV packet.
    pub(crate) fn av(&mut self, from: Direction, channel: u8, packet: &[u8]) -> Sent {
        self.content(23, from, channel, packet)
    }

    /// An encrypted record with this content type.
    pub(crate) fn content(
        &mut self,
        content_type: u8,
        from: Direction,
        channel: u8,
        content: &[u8],
    ) -> Sent {
        let sender = match (from == Direction::ToCamera) == (channel == 0) {
            true => Side::Client,
            false => Side::Server,
        };
        self.sequence += 1;
        let header = RecordHeader {
            content_type,
            version: 0xfefd,
            epoch: 1,
            sequence: self.sequence,
        };
        let mut fragment = Vec::new();
        self.keys
            .seal(sender, header, content, &mut fragment)
            .unwrap();
        let record = record(content_type, 1, self.sequence, &fragment);
        self.records(from, channel, &record)
    }

    /// DTLS records in a data datagram.
    pub(crate) fn records(&mut self, from: Direction, channel: u8, records: &[u8]) -> Sent {
        let header = DataHeader {
            layout: self.dialect.wrapper(),
            direction: match from {
                Direction::ToCamera => tutk_frame::Direction::ToCamera,
                Direction::FromCamera => tutk_frame::Direction::FromCamera,
            },
            channel,
            sequence: 1,
            session: SessionId(*b"identity"),
            payload_len: records.len().try_into().unwrap(),
        };
        Sent {
            from,
            port: client_address().port(),
            bytes: data(self.dialect, header, records),
        }
    }
}

impl Sent {
    pub(crate) fn datagram(&self) -> Datagram<'_> {
        let client = (client_address().ip(), self.port).into();
        let (source, destination) = match self.from {
            Direction::ToCamera => (client, camera_address()),
            Direction::FromCamera => (camera_address(), client),
        };
        Datagram {
            source,
            destination,
            payload: &self.bytes,
            missing: 0,
        }
    }

    pub(crate) fn dissect(&self, dissector: &mut Dissector) -> Packet {
        dissector
            .handle_datagram(1, Duration::ZERO, &self.datagram())
            .unwrap()
    }
}
