//! Events and counters of a client.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use hl_ioctl::{CAMERA_VERSION, Command, ConnectResult, HlMessage};
use video_reassembly::{Frame, Lost};

use crate::deviation::{Deviation, Tolerated};
use crate::dialect::Dialect;
use crate::error::{Error, TalkError};
use crate::phase::{Phase, PhaseReport};

/// An event of a [`Client`](crate::Client).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A phase has completed.
    Phase(PhaseReport),
    /// A camera answered in this dialect.
    Found {
        /// The source address of the answer.
        camera: SocketAddr,
        /// The dialect.
        dialect: Arc<Dialect>,
    },
    /// The camera has authenticated the client; contains its K10003.
    Authenticated(Box<ConnectResult>),
    /// A complete frame, in order within its stream.
    Frame(Frame),
    /// Frames that are lost.
    Lost(Lost),
    /// The camera answered a command, or acknowledged one that cameras do not answer. Then the
    /// payload is empty.
    Answer(Answer),
    /// The camera did not answer a command in time.
    Unanswered {
        /// The command.
        id: RequestId,
        /// Code of the command.
        code: u16,
    },
    /// The camera deviated from docs/protocol.md for the first time in this way, and the client
    /// accepted it. [`Stats::tolerated`] counts all.
    Tolerated(Deviation),
    /// The result of [`Client::start_talk`](crate::Client::start_talk).
    Talk(TalkEvent),
    /// A line for a key log file (RFC 9850), if the configuration enables it.
    KeyLog(String),
    /// The session has ended. This is the last event.
    Ended(Result<(), Error>),
}

/// An event of talk, the audio channel to the camera.
#[derive(Debug, Clone, PartialEq)]
pub enum TalkEvent {
    /// The camera has opened the channel and logged in. It accepts audio from now on.
    Ready,
    /// The channel was closed or has failed. Omitted if the session ends at the same time.
    Ended(Result<(), TalkError>),
}

/// The number of a command, unique among the commands of a client or supervisor. The event that
/// answers the command has it.
///
/// ```
/// use tutk_session::hl_ioctl::commands::{GetNightVision, NightVision};
/// use tutk_session::{Event, RequestId};
///
/// // `asked` is the result of `client.command(now, &GetNightVision)`.
/// fn night_vision(asked: RequestId, event: &Event) -> Option<NightVision> {
///     match event {
///         Event::Answer(answer) if answer.id == asked => answer.decode::<GetNightVision>().ok(),
///         _ => None,
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

impl RequestId {
    pub(crate) const FIRST: Self = Self(0);

    /// Returns this id, and moves on to the next one.
    pub(crate) fn take(&mut self) -> Self {
        core::mem::replace(self, Self(self.0.wrapping_add(1)))
    }
}

/// The camera's answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The command.
    pub id: RequestId,
    /// The code of the answer: the command's code plus one.
    pub code: u16,
    /// The payload of the answer, not decoded.
    pub payload: Vec<u8>,
}

impl Answer {
    /// Decodes the answer to a command of type `C`.
    ///
    /// # Errors
    /// [`hl_ioctl::Error::Code`] for the answer to another command, and the errors of
    /// [`Command::decode_answer`].
    pub fn decode<C: Command>(&self) -> Result<C::Answer, hl_ioctl::Error> {
        // Cameras do not answer these commands, but acknowledge them.
        let is_acknowledgement = self.payload.is_empty() && hl_ioctl::UNANSWERED.contains(&C::CODE);
        C::answer_from_message(&HlMessage {
            version: CAMERA_VERSION,
            code: self.code,
            payload: match is_acknowledgement {
                true => &DONE,
                false => &self.payload,
            },
        })
    }
}

/// The payload of the answer "done".
const DONE: [u8; 1] = [1];

/// The counters of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Received datagrams.
    pub datagrams: u64,
    /// Received bytes of UDP payload.
    pub bytes: u64,
    /// Ignored datagrams from an address other than the camera's.
    pub foreign: u64,
    /// What the client accepted although it is not as in docs/protocol.md.
    pub tolerated: Tolerated,
    /// Dropped datagrams that are not a packet of the dialect or belong to another session.
    pub malformed: u64,
    /// Keepalives outside DTLS. They are answered, but not authenticated, and do not show that the
    /// camera is alive.
    pub keepalives: u64,
    /// Handshakes that were restarted after an invalid packet.
    pub restarts: u64,
    /// Dropped AV packets that are authentic but cannot be parsed.
    pub unknown: u64,
    /// Dropped DTLS records: replayed, forged or unexpected.
    pub records_dropped: u64,
    /// DTLS records that arrived after one with a higher sequence number.
    pub records_reordered: u64,
    /// Datagrams to send that were dropped because more than 4096 were queued.
    pub unsent: u64,
    /// The counters of the reassembler.
    pub media: video_reassembly::Stats,
    /// The counters of grouped media, in resend mode.
    pub groups: video_reassembly::ParityStats,
    /// The counters of retransmission requests, in resend mode.
    pub tracker: video_reassembly::TrackerStats,
    /// The bytes of incomplete and waiting frames, groups and the list of missing slices.
    pub memory_usage: usize,
    /// The smoothed round-trip time, from the camera's probes and, in resend mode, from
    /// retransmitted slices.
    pub round_trip: Option<Duration>,
    /// The received bytes of UDP payload in the last whole second.
    pub receive_rate: u64,
}

/// The status of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The current phase.
    In(Phase),
    /// The session has ended.
    Ended,
}
