//! What a client tells its owner.

use std::net::SocketAddr;
use std::time::Duration;

use hl_ioctl::ConnectResult;
use video_reassembly::{Frame, Lost};

use crate::client::TalkError;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::phase::{Phase, PhaseReport};

/// An event of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A phase is complete.
    Phase(PhaseReport),
    /// A camera answered, and this is the dialect that is spoken with it.
    Found {
        /// Where the answer came from.
        camera: SocketAddr,
        /// The dialect.
        dialect: &'static Dialect,
    },
    /// The camera let us in; this is its K10003.
    Authenticated(Box<ConnectResult>),
    /// A whole frame, in order within its stream.
    Frame(Frame),
    /// Frames that cannot be had any more.
    Lost(Lost),
    /// The camera answered a command.
    Answer(Answer),
    /// The camera did not answer a command in time.
    Unanswered {
        /// Code of the command.
        code: u16,
    },
    /// Sound to the camera: what came of [`Client::start_talk`](crate::Client::start_talk).
    Talk(TalkEvent),
    /// A line for a key log file, when the configuration asks for it (RFC 9850's format).
    KeyLog(String),
    /// The session is over. Nothing comes after this.
    Ended(Result<(), Error>),
}

/// What becomes of sound to the camera.
#[derive(Debug, Clone, PartialEq)]
pub enum TalkEvent {
    /// The camera has opened its channel and is let in: it listens from now on.
    Ready,
    /// It listens no more: it was told so, or it failed. Not told where the session ends with it.
    Ended(Result<(), TalkError>),
}

/// The camera's answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Code of the answer: the command's, plus one.
    pub code: u16,
    /// Payload of the answer, undecoded.
    pub payload: Vec<u8>,
}

/// What a session counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that came in, of any kind.
    pub datagrams: u64,
    /// Bytes of UDP payload that came in.
    pub bytes: u64,
    /// Datagrams from another address than the camera's: ignored.
    pub foreign: u64,
    /// Datagrams that are no packet of the dialect, or of another session: dropped.
    pub malformed: u64,
    /// Handshakes that failed over a packet that made no sense, and were begun anew.
    pub restarts: u64,
    /// AV packets, authentic but not understood: dropped.
    pub unknown: u64,
    /// DTLS records dropped: replayed, forged or out of place.
    pub records_dropped: u64,
    /// Datagrams that were not sent because the owner did not poll: over 4096 waited, and the
    /// oldest went.
    pub unsent: u64,
    /// What the reassembler counted.
    pub media: video_reassembly::Stats,
    /// What came in groups, in resend mode.
    pub groups: video_reassembly::ParityStats,
    /// What was missing and asked for again, in resend mode.
    pub tracker: video_reassembly::TrackerStats,
    /// Bytes of memory that frames in assembly, frames that wait for an older one, groups and the
    /// list of missing slices take now.
    pub held: usize,
    /// Round trip, smoothed: as the camera reports it with its probes and, in resend mode, as
    /// slices take that are asked for again.
    pub round_trip: Option<Duration>,
    /// UDP payload that came in the last whole second, bytes.
    pub receive_rate: u64,
}

/// Where a client stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In this phase.
    In(Phase),
    /// Over.
    Ended,
}
