//! What a camera tells its owner.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec, MediaKind, SessionId};

use tutk_session::Dialect;
use tutk_session::Phase;

/// A client of a camera: where it is and the id of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// Where its datagrams come from.
    pub address: SocketAddr,
    /// What it drew or, in `cc51`, was given.
    pub session: SessionId,
}

/// What a camera tells its owner.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SimulatorEvent {
    /// Somebody asked for a session, and it was granted.
    Joined {
        /// Who.
        client: ClientId,
        /// In which dialect.
        dialect: &'static Dialect,
    },
    /// A client completed a phase and is in the next: [`Phase::Stream`] says that it was let in.
    Entered {
        /// Who.
        client: ClientId,
        /// The phase that it is in now.
        phase: Phase,
    },
    /// A client is gone.
    Left {
        /// Who.
        client: ClientId,
        /// Why.
        reason: LeaveReason,
        /// Packets of this client that were dropped.
        dropped: u64,
    },
    /// The camera has called a client back, and was let in: it listens.
    TalkBegan {
        /// To whom.
        client: ClientId,
    },
    /// A frame of sound came from a client, in the order of the network.
    Heard {
        /// From whom.
        client: ClientId,
        /// What.
        sound: Heard,
    },
    /// The camera listens to a client no more.
    TalkEnded {
        /// To whom.
        client: ClientId,
    },
    /// A slice, or parity, was put into a datagram.
    SliceSent(SliceSent),
    /// A line for a key log file (RFC 9850's format).
    KeyLog {
        /// Of whose session.
        client: ClientId,
        /// The line, without its end.
        line: String,
    },
}

/// Why a client is gone.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveReason {
    /// It said so.
    #[error("it closed the session")]
    Closed,
    /// It had all the frames that the camera gives.
    #[error("it has had all frames")]
    Finished,
    /// Its login or its answer to the challenge was wrong.
    #[error("it was refused")]
    Refused,
    /// Nothing came from it for [`SimulatorConfig::idle`](crate::SimulatorConfig::idle).
    #[error("it fell silent")]
    Silent,
    /// It had to make room for another.
    #[error("it made room for another")]
    Evicted,
    /// The camera closed.
    #[error("the camera closed")]
    CameraClosed,
    /// DTLS failed, most often because of another ENR.
    #[error("{0}")]
    Dtls(dtls_psk::Error),
}

/// A frame of sound that came from a client (wire.md section 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The frame's number.
    pub frame: u32,
    /// How it is encoded.
    pub codec: Codec,
    /// Rate, sample width and channels.
    pub flags: AudioFlags,
    /// Its time by the client, to the millisecond.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: Bytes,
}

/// A media packet that was sent: a slice or, in resend mode, the parity of some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceSent {
    /// To whom.
    pub client: ClientId,
    /// In which datagram of all that this camera sent, from 0.
    pub datagram: u64,
    /// Of which kind its frame is. Video and audio have their own frame numbers.
    pub kind: MediaKind,
    /// Frame number, as on the wire.
    pub frame: u32,
    /// Bytes of the frame; 0 where it is sent again.
    pub frame_bytes: u32,
    /// Whether it goes out for the first time.
    pub origin: SliceOrigin,
    /// Index of the slice, from 0.
    pub index: u16,
    /// Slices of the frame.
    pub slices: u16,
}

/// Why a media packet was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceOrigin {
    /// A slice, for the first time.
    First,
    /// A slice that the client had asked for.
    Resent,
    /// The parity of a group whose last slice was just sent; frame and index are that slice's.
    Parity,
}
