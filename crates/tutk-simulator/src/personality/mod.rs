//! How simulated cameras differ from each other, as data.

mod random;
mod table;

use alloc::borrow::Cow;
use core::time::Duration;

use av_login::Status;
use dtls_psk::CipherSuite;
use hl_ioctl::ChallengeStatus;
use hl_ioctl::commands::{Bitrate, Resolution, Switch};
use tutk_session::models::Model;
pub use video_reassembly::{FrameNumbering, ResendConfig};

pub use self::table::{NamedPersonality, PERSONALITIES};

/// What a simulated camera does differently from other cameras of its dialect.
///
/// Real cameras are known or suspected to differ in these ways (docs/protocol.md, sections 5 to
/// 19). The simulator reads the fields. It never asks which personality it has. [`PERSONALITIES`]
/// lists those with a name; any other combination is possible:
///
/// ```
/// use tutk_simulator::{IoctlAnswers, Personality, Ports};
///
/// let mut personality = Personality::STRICT;
/// personality.ioctl_answers = IoctlAnswers::Grouped;
/// personality.ports = Ports::Three;
/// # assert_ne!(personality, Personality::STRICT);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Personality {
    /// The vendor's model name, for K10003. It selects between two codes of some commands, and the
    /// messages with a user that the camera answers.
    pub model: Option<Cow<'static, str>>,
    /// The resolution until a command changes it.
    pub resolution: Resolution,
    /// The bitrate until a command changes it.
    pub bitrate: Bitrate,
    /// Both flips until a command changes them.
    pub flips: Switch,
    /// The seconds that the camera's clock is ahead until K10092 sets it.
    pub clock_offset: i64,
    /// `false` if no datagram is answered.
    pub answers: bool,
    /// The UDP ports that datagrams leave from.
    pub ports: Ports,
    /// The end of datagrams, and the length field in their header.
    pub lengths: Lengths,
    /// The bytes that the tag of a `cc51` datagram covers.
    pub tags: Tags,
    /// The session id in `cc51` datagrams after discovery.
    pub session_ids: SessionIdRule,
    /// The largest number of clients, at least 1. One more replaces a client that has not completed
    /// its handshake; if there is none, the new client gets no answer.
    pub max_clients: usize,
    /// The session of a client ends when nothing arrived from it for this time.
    pub idle: Duration,
    /// The handling of packets that a client sends before their turn.
    pub early_packets: EarlyPackets,
    /// `true` to answer a ClientHello with a HelloVerifyRequest.
    pub cookie_exchange: bool,
    /// The handling of the extended master secret (RFC 7627).
    pub extended_master_secret: ExtendedMasterSecret,
    /// The accepted DTLS suites.
    pub suites: &'static [CipherSuite],
    /// The handling of a ClientHello without an accepted suite.
    pub suite_mismatch: SuiteMismatch,
    /// The four random bytes in the login answer.
    pub login_nonce: LoginNonce,
    /// The status byte of the answer to a correct login.
    pub login_status: Status,
    /// `true` if K10000 is answered only if it contains the wake-up request of a base station.
    pub needs_wake_up: bool,
    /// The status of the challenge (docs/protocol.md, section 14). 6 needs an ENR of 32 characters;
    /// 2, 4 and 5 refuse.
    pub status: ChallengeStatus,
    /// The packets that contain the camera's HL messages.
    pub ioctl_answers: IoctlAnswers,
    /// `true` if the camera sends a buffer reset before its first frame.
    pub buffer_reset: bool,
    /// Codes of commands that have their effect but are not answered.
    pub unanswered: &'static [u16],
    /// The numbers of video and audio frames.
    pub frame_numbers: FrameNumbering,
    /// `true` to answer each 0x0427 of a client with 0x0428. Only dialects with an IOTC header have
    /// these packets (docs/protocol.md, section 7).
    pub answers_keepalives: bool,
    /// The size field of slices.
    pub slice_sizes: SliceSizes,
    /// The timestamps of frames.
    pub timestamps: TimestampRule,
    /// The groups of media for clients that request resend mode (docs/protocol.md, section 17).
    /// With `None`, the camera does not support it: they get plain media, as all other clients do.
    pub resend: Option<ResendConfig>,
}

/// The UDP ports of a simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ports {
    /// All datagrams leave from the port of discovery.
    One,
    /// Discovery answers leave from a second port, and all other datagrams from a third one.
    Three,
}

impl Ports {
    /// Returns the number of ports. [`Transmit::port`](tutk_session::Transmit::port) is smaller.
    #[must_use]
    pub fn count(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// The end of datagrams, and the length field in their header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lengths {
    /// The length field counts all bytes of the datagram.
    Exact,
    /// Bytes follow that the length field does not count.
    TooSmall,
    /// The length field counts bytes that do not exist.
    TooLarge,
    /// Datagrams without DTLS records are longer than usual. The length field counts all bytes.
    Extended,
}

/// The bytes that the tag of a `cc51` datagram covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tags {
    /// The header (docs/protocol.md, section 9).
    Header,
    /// All bytes before the tag.
    WholeDatagram,
}

/// The session id in `cc51` datagrams after discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionIdRule {
    /// The id that the camera assigned in discovery.
    Assigned,
    /// Another one.
    Other,
}

/// The handling of packets that a client sends before their turn: a session request beside
/// discovery, and data before the camera's Finished (docs/protocol.md, section "Fast connect").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EarlyPackets {
    /// They are handled as any other packets.
    Accepted,
    /// They are dropped.
    Dropped,
    /// The camera does not grant a session that was requested early, and closes a session in which
    /// it receives early data.
    Refused,
}

/// The handling of the extended master secret (RFC 7627).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExtendedMasterSecret {
    /// Negotiated if the client offers it.
    Accepted,
    /// Never negotiated.
    Ignored,
    /// A ClientHello that offers it is not answered.
    Unanswered,
}

/// The handling of a ClientHello without an accepted suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SuiteMismatch {
    /// A fatal alert ends the handshake.
    Alert,
    /// It is not answered.
    Unanswered,
}

/// The four random bytes in the login answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginNonce {
    /// Those of the login.
    Echoed,
    /// Zeros.
    Zero,
}

/// The packets that contain the camera's HL messages (docs/protocol.md, section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IoctlAnswers {
    /// `00 70`, with the HL message at 32.
    Ioctl,
    /// As [`Ioctl`](Self::Ioctl), with a message id. A message is repeated until `00 71`
    /// acknowledges it.
    Numbered,
    /// `0c 00` with k = 0, with the HL message at 40.
    Grouped,
    /// `00 10`, with the HL message at 36.
    Channel,
}

/// The size field of slices outside groups (docs/protocol.md, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SliceSizes {
    /// All bytes of the payload, including the frame info.
    Exact,
    /// The bytes of the payload without the frame info.
    WithoutInfo,
    /// More bytes than the packet has.
    TooLarge,
    /// The bytes of the payload, and further bytes follow.
    Padded,
}

/// The seconds in the frame info of a simulated camera's frames (docs/protocol.md, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampRule {
    /// Seconds since 1970 by the camera's clock. They jump when K10092 sets the clock.
    Unix,
    /// The same number in all frames, as some firmware has it. Only the microseconds advance, and
    /// wrap.
    ConstantSeconds,
}

impl Personality {
    /// Returns this personality with a model name, and the DTLS suites of that model.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<Cow<'static, str>>) -> Self {
        let model = model.into();
        if Model::find(&model).is_some_and(|model| model.plain_psk) {
            self.suites = &[CipherSuite::PskAes128CbcSha256];
        }
        self.model = Some(model);
        self
    }
}

impl Default for Personality {
    fn default() -> Self {
        Self::STRICT
    }
}
