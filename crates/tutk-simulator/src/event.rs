//! The events of a simulated camera.

use alloc::string::String;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec, MediaKind, SessionId};
use tutk_session::{Dialect, Phase};

/// A client of a simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// The source address of its datagrams.
    pub address: SocketAddr,
    /// The id of its session: chosen by the client or, in `cc51`, by the camera.
    pub session: SessionId,
}

/// An event of a [`Simulator`](crate::Simulator).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SimulatorEvent {
    /// A client requested a session and got it.
    Joined {
        /// The client.
        client: ClientId,
        /// Its dialect.
        dialect: Arc<Dialect>,
    },
    /// A client has completed a phase and is in the next one. In [`Phase::Stream`] it is
    /// authenticated.
    Entered {
        /// The client.
        client: ClientId,
        /// The phase that it is in now.
        phase: Phase,
    },
    /// The session of a client has ended.
    Left {
        /// The client.
        client: ClientId,
        /// The reason.
        reason: LeaveReason,
        /// The number of dropped packets of this client.
        dropped: u64,
    },
    /// The camera has opened the backchannel to a client, and receives audio.
    TalkStarted {
        /// The client.
        client: ClientId,
    },
    /// An audio frame arrived from a client, in the order of the network.
    AudioReceived {
        /// The client.
        client: ClientId,
        /// The frame.
        frame: ReceivedAudio,
    },
    /// The camera has closed the backchannel to a client.
    TalkEnded {
        /// The client.
        client: ClientId,
    },
    /// A slice or parity was put into a datagram.
    SliceSent(SliceSent),
    /// A line for a key log file (RFC 9850).
    KeyLog {
        /// The client of the session.
        client: ClientId,
        /// The line without a line feed.
        line: String,
    },
}

/// Why the session of a client has ended.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveReason {
    /// The client closed it.
    #[error("the client closed the session")]
    Closed,
    /// The client has received all [`SimulatorConfig::frames`](crate::SimulatorConfig::frames).
    #[error("all frames are sent")]
    Finished,
    /// The login or the response to the challenge was wrong.
    #[error("the client was refused")]
    Refused,
    /// The client sent data before its turn, and the camera has
    /// [`EarlyPackets::Refused`](crate::EarlyPackets::Refused).
    #[error("the client sent data before its turn")]
    Early,
    /// Nothing arrived from the client for
    /// [`Personality::idle`](crate::Personality::idle).
    #[error("the client was silent")]
    Silent,
    /// Another client needed the slot.
    #[error("the client was replaced by another")]
    Evicted,
    /// The camera was closed.
    #[error("the camera was closed")]
    CameraClosed,
    /// DTLS failed, usually because the client has another ENR.
    #[error("{0}")]
    Dtls(#[source] dtls_psk::Error),
}

/// An audio frame from a client (docs/protocol.md, section 16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAudio {
    /// The number of the frame.
    pub frame: u32,
    /// The codec.
    pub codec: Codec,
    /// Sample rate, sample width and channels.
    pub flags: AudioFlags,
    /// The client's timestamp, in milliseconds.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: Bytes,
}

/// A media packet that was sent: a slice or, in resend mode, parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceSent {
    /// The client.
    pub client: ClientId,
    /// The number of the datagram among all that this camera sent, from 0.
    pub datagram: u64,
    /// The kind of the frame. Video and audio have separate frame numbers.
    pub kind: MediaKind,
    /// The frame number in the packet.
    pub frame: u32,
    /// The length of the frame in bytes; 0 for a retransmission.
    pub frame_bytes: u32,
    /// Why the packet was sent.
    pub origin: SliceOrigin,
    /// The index of the slice, from 0.
    pub index: u16,
    /// The number of slices of the frame.
    pub slices: u16,
}

/// Why a media packet was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceOrigin {
    /// The first transmission of a slice.
    First,
    /// A retransmission that the client requested.
    Resent,
    /// The parity of a group. Frame and index are those of the group's last slice.
    Parity,
}
