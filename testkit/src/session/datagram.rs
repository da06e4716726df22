//! Scrambled and tagged datagrams.

use disco_cipher::tag::Tagger;
use tutk_session::tutk_frame::cc51::{self, TAG_LEN};
use tutk_session::tutk_frame::{
    Cc51, Cc51Discovery, Cc51Keepalive, DataHeader, Direction, Iotc, IotcLayout, Keepalive,
    SessionId, WrapperLayout,
};
use tutk_session::{Dialect, Transport};

use super::credentials;

/// Applies a dialect's obfuscation. In `cc51`, writes the tag to the last 20 bytes.
pub fn scramble(dialect: &Dialect, datagram: &mut [u8]) {
    dialect.scramble(datagram);
    if dialect.wrapper() == WrapperLayout::Cc51 {
        let is_discovery = datagram.get(4..6) == Some(&cc51::command::DISCOVERY.to_le_bytes());
        let covered = match is_discovery {
            true => Cc51Discovery::COVERED,
            false => Cc51Keepalive::COVERED,
        };
        if datagram.len() >= covered + TAG_LEN {
            let tag = tagger().tag(&datagram[..covered]);
            *datagram.last_chunk_mut().unwrap() = tag;
        }
    }
}

/// Removes a dialect's obfuscation. In `cc51`, checks the tag.
pub fn descramble(dialect: &Dialect, datagram: &mut [u8]) {
    dialect.descramble(datagram);
    if dialect.wrapper() == WrapperLayout::Cc51 {
        let tagged = datagram.to_vec();
        scramble(dialect, datagram);
        assert_eq!(datagram, tagged, "wrong tag");
    }
}

/// Computes the tags of the test camera.
pub fn tagger() -> Tagger {
    Tagger::new(&credentials().uid.0, &credentials().auth_key.0)
}

/// The layout of a dialect with an IOTC header.
pub fn iotc_layout(dialect: &Dialect) -> Option<IotcLayout> {
    match &dialect.transport {
        Transport::Iotc(iotc) => Some(iotc.layout),
        _ => None,
    }
}

/// The dialects with an IOTC header.
pub fn iotc_dialects() -> impl Iterator<Item = (&'static Dialect, IotcLayout)> {
    let with_layout = |dialect| Some((dialect, iotc_layout(dialect)?));
    Dialect::ALL.iter().filter_map(with_layout)
}

/// The DTLS records of a descrambled datagram, if it has any.
pub fn records(dialect: &Dialect, plain: &[u8]) -> Option<Vec<u8>> {
    let payload = match iotc_layout(dialect) {
        Some(layout) => match Iotc::parse(plain, layout).unwrap() {
            Iotc::Data { payload, .. } => Some(payload),
            _ => None,
        },
        None => match Cc51::parse(plain).unwrap() {
            Cc51::Data { payload, .. } => Some(payload),
            _ => None,
        },
    };
    payload.map(<[u8]>::to_vec)
}

/// A scrambled data datagram.
pub fn data(dialect: &Dialect, header: DataHeader, records: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    header.write(&mut datagram);
    datagram.extend_from_slice(records);
    datagram.resize(datagram.len() + dialect.wrapper().tag_len(), 0);
    scramble(dialect, &mut datagram);
    datagram
}

/// A keepalive or its answer, not scrambled. `direction` is the sender's.
pub fn keepalive(
    dialect: &Dialect,
    direction: Direction,
    session: SessionId,
    counter: u32,
) -> Vec<u8> {
    let mut datagram = Vec::new();
    match iotc_layout(dialect) {
        Some(_) => Keepalive {
            answer: direction == Direction::ToCamera,
            body: session.0,
        }
        .write(&mut datagram),
        None => Cc51Keepalive {
            direction,
            sequence: 0,
            ticket: 0,
            counter,
            session,
            tag: [0; TAG_LEN],
        }
        .write(&mut datagram),
    }
    datagram
}

/// One of the four discovery packets of `cc51`, without its tag.
pub fn cc51_discovery(sequence: u16, ticket: u16, session: SessionId) -> Cc51Discovery {
    Cc51Discovery {
        direction: match sequence % 2 {
            0 => Direction::ToCamera,
            _ => Direction::FromCamera,
        },
        sequence,
        ticket,
        session,
        tag: [0; TAG_LEN],
    }
}
