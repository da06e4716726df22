//! The contents of datagrams, independent of the dialect, and the keys to read and write them.

use core::ops::Range;

use disco_cipher::tag::Tagger;
use tutk_frame::{AuthKey, Direction, SessionId, Uid};

/// The channel of video, audio and commands.
pub const MAIN_CHANNEL: u8 = 0;

/// The channel of audio to the camera (docs/protocol.md, section "Backchannel").
pub const BACKCHANNEL: u8 = 1;

/// The contents of a received datagram.
#[derive(Debug)]
pub enum Incoming {
    DiscoveryRequest(DiscoveryQuery),
    /// Stage 2 of discovery, which is not answered.
    DiscoveryStage2 {
        uid: Uid,
    },
    DiscoveryAnswer {
        /// The camera that answered.
        uid: Uid,
        /// The session that the camera assigned, in dialects in which it does.
        assigned: Option<AssignedSession>,
        /// `false` if the answer has a tag that does not match.
        verified: bool,
    },
    SessionRequest(SessionQuery),
    SessionAnswer {
        /// The granted session, in dialects that name it.
        session: Option<SessionId>,
    },
    /// DTLS records.
    Data {
        session: SessionId,
        channel: u8,
        /// The range of the records in the datagram.
        records: Range<usize>,
    },
    /// A keepalive from the camera.
    Keepalive {
        body: [u8; 8],
    },
    /// A keepalive from the client, or its answer.
    KeepaliveAnswer {
        session: SessionId,
    },
    /// The client closes the session.
    Close {
        session: SessionId,
    },
}

/// A client's discovery request.
#[derive(Debug, Clone, Copy)]
pub struct DiscoveryQuery {
    /// The camera that is searched; all zeros for any camera.
    pub uid: Uid,
    /// The session id that the client drew.
    pub session: SessionId,
    /// `false` if the request contains another AuthKey than the camera's.
    pub key_matches: bool,
}

/// A client's session request.
#[derive(Debug, Clone, Copy)]
pub struct SessionQuery {
    pub uid: Uid,
    pub session: SessionId,
    /// The ticket that the camera assigned, in dialects with tickets.
    pub ticket: Option<u16>,
}

/// A session with the ticket that the camera assigned to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssignedSession {
    pub session: SessionId,
    /// Ignored in dialects without tickets.
    pub ticket: u16,
}

/// One side of a session: the identity and key with which it reads and writes datagrams.
#[derive(Debug)]
pub struct Side {
    /// The direction of received datagrams.
    pub(super) incoming: Direction,
    pub(super) uid: Uid,
    pub(super) auth_key: Option<AuthKey>,
    /// `None` unless both parts of its key are known.
    tagger: Option<Tagger>,
}

impl Side {
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

    pub(super) fn outgoing(&self) -> Direction {
        match self.incoming {
            Direction::ToCamera => Direction::FromCamera,
            Direction::FromCamera => Direction::ToCamera,
        }
    }

    /// Returns `true` if tags can be computed.
    pub(super) fn has_tag_key(&self) -> bool {
        self.tagger.is_some()
    }

    /// Returns `true` if unverified datagrams are accepted. A camera's tags may be computed in
    /// another way, and DTLS authenticates what matters. A client's tags prove that it knows the
    /// AuthKey.
    pub(super) fn accepts_any_tag(&self) -> bool {
        self.incoming == Direction::FromCamera
    }

    /// Returns `true` if `tag` matches the first `covered` bytes. Without a key, no tag matches.
    pub(super) fn verifies(&self, datagram: &[u8], covered: usize, tag: &[u8]) -> bool {
        match (&self.tagger, datagram.get(..covered)) {
            (Some(tagger), Some(covered)) => tagger.verify(covered, tag),
            _ => false,
        }
    }

    /// Writes the tag of the first `covered` bytes to the end of the datagram.
    pub(super) fn tag(&self, datagram: &mut [u8], covered: usize) {
        let Some(tagger) = &self.tagger else { return };
        let tag = datagram.get(..covered).map(|covered| tagger.tag(covered));
        if let (Some(tag), Some(end)) = (tag, datagram.last_chunk_mut()) {
            *end = tag;
        }
    }
}
