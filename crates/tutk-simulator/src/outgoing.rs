//! Changes datagrams on their way out: ports, tags, session ids and length fields.

use alloc::sync::Arc;
use alloc::vec::Vec;

use disco_cipher::tag::Tagger;
use tutk_frame::cc51::{TAG_LEN, command as cc51};
use tutk_frame::header::command as iotc;
use tutk_frame::{Cc51Discovery, Cc51Header, Cc51Keepalive, IotcHeader, WrapperLayout};
use tutk_session::internal::CC51_DISCOVERY_ANSWER;
use tutk_session::{Dialect, Transport};

use crate::config::SimulatorConfig;
use crate::personality::{Lengths, Ports, SessionIdRule, Tags};

/// Bytes that follow a datagram and that its length field does not count.
const UNCOUNTED: [u8; 3] = [0xa5; 3];

/// Bytes by which a datagram is longer than usual.
const EXTENSION: [u8; 8] = [0; 8];

/// Bytes that the length field counts and that do not exist.
const MISSING: usize = 8;

/// The session id of [`SessionIdRule::Other`].
const OTHER_SESSION: [u8; 8] = *b"not ours";

/// Changes the datagrams that the codecs wrote, which are strict.
#[derive(Debug)]
pub(crate) struct Outgoing {
    dialects: Vec<Arc<Dialect>>,
    ports: Ports,
    lengths: Lengths,
    tags: Tags,
    session_ids: SessionIdRule,
    tagger: Tagger,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contents {
    DiscoveryAnswer,
    Data,
    Other,
}

impl Outgoing {
    /// `None` if the personality changes no datagram.
    pub(crate) fn new(config: &SimulatorConfig) -> Option<Self> {
        let personality = &config.personality;
        let outgoing = Self {
            dialects: config.dialects.clone(),
            ports: personality.ports,
            lengths: personality.lengths,
            tags: personality.tags,
            session_ids: personality.session_ids,
            tagger: Tagger::new(&config.credentials.uid.0, &config.credentials.auth_key.0),
        };
        let is_strict = outgoing.ports == Ports::One
            && outgoing.lengths == Lengths::Exact
            && outgoing.tags == Tags::Header
            && outgoing.session_ids == SessionIdRule::Assigned;
        (!is_strict).then_some(outgoing)
    }

    /// Changes a datagram, and returns the port that it leaves from.
    pub(crate) fn change(&self, datagram: &mut Vec<u8>) -> u8 {
        let mut dialects = self.dialects.iter();
        let Some(dialect) = dialects.find(|dialect| dialect.recognises(datagram)) else {
            return 0;
        };
        dialect.descramble(datagram);
        let contents = match dialect.transport {
            Transport::Cc51 => self.change_cc51(datagram),
            _ => self.change_iotc(datagram),
        };
        dialect.scramble(datagram);
        match (self.ports, contents) {
            (Ports::One, _) => 0,
            (Ports::Three, Contents::DiscoveryAnswer) => 1,
            (Ports::Three, _) => 2,
        }
    }

    fn change_iotc(&self, datagram: &mut Vec<u8>) -> Contents {
        let contents = match u16_at(datagram, 8) {
            iotc::DISCOVERY_ANSWER => Contents::DiscoveryAnswer,
            iotc::DATA_FROM_CAMERA => Contents::Data,
            _ => Contents::Other,
        };
        self.change_end(contents, 4, IotcHeader::LEN, datagram);
        contents
    }

    fn change_cc51(&self, datagram: &mut Vec<u8>) -> Contents {
        let (contents, session, covered) = match (u16_at(datagram, 4), u16_at(datagram, 12)) {
            (cc51::DISCOVERY, CC51_DISCOVERY_ANSWER) => {
                (Contents::DiscoveryAnswer, None, Cc51Discovery::COVERED)
            }
            (cc51::DISCOVERY, _) => (Contents::Other, None, Cc51Discovery::COVERED),
            (cc51::KEEPALIVE, _) => {
                // The counter precedes the session id.
                (
                    Contents::Other,
                    Some(Cc51Header::LEN + 4),
                    Cc51Keepalive::COVERED,
                )
            }
            _ => {
                let covered = WrapperLayout::Cc51.header_len();
                (Contents::Data, Some(Cc51Header::LEN), covered)
            }
        };
        if let Some(at) = session
            && self.session_ids == SessionIdRule::Other
        {
            put(datagram, at, &OTHER_SESSION);
        }
        let end = datagram.len().saturating_sub(TAG_LEN);
        let covered = match self.tags {
            Tags::Header => covered,
            Tags::WholeDatagram => end,
        };
        let tag = self.tagger.tag(datagram.get(..covered).unwrap_or_default());
        put(datagram, end, &tag);
        self.change_end(contents, 6, Cc51Header::UNCOUNTED, datagram);
        contents
    }

    /// Changes the end of a datagram, and its length field at `field`, which does not count the
    /// first `uncounted` bytes.
    fn change_end(
        &self,
        contents: Contents,
        field: usize,
        uncounted: usize,
        datagram: &mut Vec<u8>,
    ) {
        let end = match (self.lengths, contents) {
            (Lengths::Exact, _) | (Lengths::Extended, Contents::Data) => return,
            (Lengths::TooLarge, _) => datagram.len() + MISSING,
            (Lengths::TooSmall, _) => {
                let end = datagram.len();
                datagram.extend_from_slice(&UNCOUNTED);
                end
            }
            (Lengths::Extended, _) => {
                datagram.extend_from_slice(&EXTENSION);
                datagram.len()
            }
        };
        let length = u16::try_from(end.saturating_sub(uncounted)).unwrap_or(u16::MAX);
        put(datagram, field, &length.to_le_bytes());
    }
}

fn u16_at(datagram: &[u8], at: usize) -> u16 {
    let bytes = datagram.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |&bytes| u16::from_le_bytes(bytes))
}

fn put(datagram: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(to) = datagram.get_mut(at..at.saturating_add(bytes.len())) {
        to.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use testkit::session::credentials;
    use tutk_frame::{Codec, Direction, Keepalive, SessionId};

    use super::*;
    use crate::personality::Personality;
    use crate::{Clip, ClipFrame};

    fn config() -> SimulatorConfig {
        let data = b"a frame".as_slice().into();
        let clip = Clip::new([ClipFrame { data, key: true }], Codec::H264, 20);
        SimulatorConfig::new(credentials(), clip.unwrap())
    }

    fn outgoing(change: impl FnOnce(&mut Personality)) -> Outgoing {
        let mut config = config();
        change(&mut config.personality);
        Outgoing::new(&config).unwrap()
    }

    /// A tagged `cc51` discovery packet with this sequence number.
    fn discovery(outgoing: &Outgoing, sequence: u16) -> Vec<u8> {
        let mut datagram = Vec::new();
        let packet = Cc51Discovery {
            direction: Direction::FromCamera,
            sequence,
            ticket: 1,
            session: SessionId([3; 8]),
            tag: [0; TAG_LEN],
        };
        packet.write(&mut datagram);
        let tag = outgoing.tagger.tag(&datagram[..Cc51Discovery::COVERED]);
        put(&mut datagram, Cc51Discovery::COVERED, &tag);
        datagram
    }

    /// A keepalive of `cc51`, without its tag.
    fn keepalive() -> Vec<u8> {
        let mut datagram = Vec::new();
        let packet = Cc51Keepalive {
            direction: Direction::FromCamera,
            sequence: 0,
            ticket: 0,
            counter: 1,
            session: SessionId([3; 8]),
            tag: [0; TAG_LEN],
        };
        packet.write(&mut datagram);
        datagram
    }

    #[test]
    fn strict_camera_changes_nothing() {
        assert!(Outgoing::new(&config()).is_none());
    }

    #[test]
    fn discovery_answers_and_sessions_leave_from_other_ports() {
        let outgoing = outgoing(|personality| personality.ports = Ports::Three);
        for (sequence, port) in [(1, 1), (3, 2)] {
            let mut datagram = discovery(&outgoing, sequence);
            let before = datagram.clone();
            assert_eq!(outgoing.change(&mut datagram), port);
            assert_eq!(datagram, before);
        }
        assert_eq!(outgoing.change(&mut keepalive()), 2);
    }

    #[test]
    fn tag_covers_the_whole_datagram() {
        let outgoing = outgoing(|personality| {
            personality.tags = Tags::WholeDatagram;
            personality.session_ids = SessionIdRule::Other;
        });
        let mut datagram = keepalive();
        outgoing.change(&mut datagram);
        assert_eq!(datagram[20..28], OTHER_SESSION);
        let (covered, tag) = datagram.split_at(datagram.len() - TAG_LEN);
        assert!(outgoing.tagger.verify(covered, tag));
    }

    #[test]
    fn length_field_and_length_differ_as_configured() {
        for (lengths, counted, len) in [
            (Lengths::TooSmall, 8, 27),
            (Lengths::TooLarge, 16, 24),
            (Lengths::Extended, 16, 32),
        ] {
            let outgoing = outgoing(|personality| personality.lengths = lengths);
            let dialect = &Dialect::TRANSCODE;
            let mut datagram = Vec::new();
            let packet = Keepalive {
                answer: false,
                body: [5; 8],
            };
            packet.write(&mut datagram);
            dialect.scramble(&mut datagram);
            assert_eq!(outgoing.change(&mut datagram), 0);
            dialect.descramble(&mut datagram);
            assert_eq!(u16_at(&datagram, 4), counted, "{lengths:?}");
            assert_eq!(datagram.len(), len, "{lengths:?}");
            assert_eq!(datagram[16..24], [5; 8], "{lengths:?}");
        }
    }
}
