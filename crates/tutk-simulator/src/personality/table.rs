//! The personalities with a name.

use alloc::borrow::Cow;
use core::time::Duration;

use av_login::Status;
use dtls_psk::{CipherSuite, DEFAULT_SUITES};
use hl_ioctl::ChallengeStatus;
use hl_ioctl::commands::{Bitrate, Resolution, Switch};

use super::{
    EarlyPackets, ExtendedMasterSecret, FrameNumbering, IoctlAnswers, Lengths, LoginNonce,
    Personality, Ports, ResendConfig, SessionIdRule, SliceSizes, SuiteMismatch, Tags,
    TimestampRule,
};

/// A personality with a name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamedPersonality {
    /// The name.
    pub name: &'static str,
    /// One line of help.
    pub description: &'static str,
    /// Makes the personality from a seed. Only `random` uses the seed.
    pub make: fn(seed: u64) -> Personality,
}

/// All personalities with a name.
#[rustfmt::skip] // A table: a line for each personality.
pub static PERSONALITIES: &[NamedPersonality] = &[
    named("strict", "the packets that docs/protocol.md prefers", |_| Personality::STRICT),
    named("go2rtc-view", "IOCTL answers in 0c 00 packets, a login answer without the client's random bytes", |_| Personality::GO2RTC_VIEW),
    named("channel-answers", "IOCTL answers in 00 10 packets, a buffer reset, unanswered pan and tilt", |_| Personality::CHANNEL_ANSWERS),
    named("message-ids", "IOCTL answers with ids, which are repeated until they are acknowledged; answers to the client's keepalives", |_| Personality::MESSAGE_IDS),
    named("shared-numbers", "audio and video share one frame counter", |_| Personality::SHARED_NUMBERS),
    named("shared-linked", "as shared-numbers; each frame names the previous one of its kind", |_| Personality::SHARED_LINKED),
    named("foreign-tags", "cc51 tags over whole datagrams, another session id, length fields that are too small", |_| Personality::FOREIGN_TAGS),
    named("foreign-sizes", "longer datagrams, slices with padding", |_| Personality::FOREIGN_SIZES),
    named("oversized", "length fields and slice sizes that are too large", |_| Personality::OVERSIZED),
    named("constant-seconds", "the seconds of timestamps never change", |_| Personality::CONSTANT_SECONDS),
    named("wrong-clock", "a clock that is ten years behind until K10092 sets it", |_| Personality::WRONG_CLOCK),
    named("moving-port", "discovery answers from a second port, sessions on a third one", |_| Personality::MOVING_PORT),
    named("slow-slot", "one client at a time; a client that vanished keeps its slot for 5 s", |_| Personality::SLOW_SLOT),
    named("early-dropped", "no answer to packets that are sent before their turn", |_| Personality::EARLY_DROPPED),
    named("early-refused", "no session for a client that sends packets before their turn", |_| Personality::EARLY_REFUSED),
    named("ems-silent", "no answer to a ClientHello with extended master secret", |_| Personality::EMS_SILENT),
    named("suite-silent", "DTLS suite 0x00AE only, no answer to a ClientHello without it", |_| Personality::SUITE_SILENT),
    named("hl-bc", "model HL_BC: resend mode, the video settings that one was seen to report", |_| Personality::HL_BC),
    named("db3", "model WYZEDB3: DTLS suite 0x00AE only", |_| Personality::DB3),
    named("base-station", "a battery camera behind a base station: needs its keys and a wake-up request", |_| Personality::BASE_STATION),
    named("deaf", "answers nothing, as HL_PAN3", |_| Personality::DEAF),
    named("random", "a combination of the others, chosen by --seed", Personality::random),
];

const fn named(
    name: &'static str,
    description: &'static str,
    make: fn(u64) -> Personality,
) -> NamedPersonality {
    NamedPersonality {
        name,
        description,
        make,
    }
}

impl Personality {
    /// The packets that docs/protocol.md prefers.
    pub const STRICT: Self = Self {
        model: None,
        resolution: Resolution::P1080,
        bitrate: Bitrate::HD,
        flips: Switch::Off,
        clock_offset: 0,
        answers: true,
        ports: Ports::One,
        lengths: Lengths::Exact,
        tags: Tags::Header,
        session_ids: SessionIdRule::Assigned,
        max_clients: 16,
        idle: Duration::from_secs(10),
        early_packets: EarlyPackets::Accepted,
        cookie_exchange: false,
        extended_master_secret: ExtendedMasterSecret::Accepted,
        suites: DEFAULT_SUITES,
        suite_mismatch: SuiteMismatch::Alert,
        login_nonce: LoginNonce::Echoed,
        login_status: Status::SUCCESS,
        needs_wake_up: false,
        status: ChallengeStatus::Enr,
        ioctl_answers: IoctlAnswers::Ioctl,
        buffer_reset: false,
        unanswered: &[],
        frame_numbers: FrameNumbering::PerStream,
        answers_keepalives: false,
        slice_sizes: SliceSizes::Exact,
        timestamps: TimestampRule::Unix,
        resend: Some(ResendConfig::OBSERVED),
    };

    /// What go2rtc accepts without a check. No real camera is known to do all of it.
    pub const GO2RTC_VIEW: Self = Self {
        extended_master_secret: ExtendedMasterSecret::Ignored,
        cookie_exchange: true,
        login_nonce: LoginNonce::Zero,
        login_status: Status(0x00),
        ioctl_answers: IoctlAnswers::Grouped,
        slice_sizes: SliceSizes::WithoutInfo,
        ..Self::STRICT
    };

    /// HL messages in channel messages.
    pub const CHANNEL_ANSWERS: Self = Self {
        ioctl_answers: IoctlAnswers::Channel,
        buffer_reset: true,
        unanswered: &[11000, 11004],
        ..Self::STRICT
    };

    /// HL messages with ids. The client's keepalives are answered.
    pub const MESSAGE_IDS: Self = Self {
        ioctl_answers: IoctlAnswers::Numbered,
        answers_keepalives: true,
        ..Self::STRICT
    };

    /// One counter for the frames of both kinds. The previous number is one less.
    pub const SHARED_NUMBERS: Self = Self {
        frame_numbers: FrameNumbering::Shared,
        ..Self::STRICT
    };

    /// One counter for the frames of both kinds. The previous number is that of the same kind.
    pub const SHARED_LINKED: Self = Self {
        frame_numbers: FrameNumbering::SharedLinked,
        ..Self::STRICT
    };

    /// Other tags and session ids, and bytes after the end.
    pub const FOREIGN_TAGS: Self = Self {
        lengths: Lengths::TooSmall,
        tags: Tags::WholeDatagram,
        session_ids: SessionIdRule::Other,
        ..Self::STRICT
    };

    /// Longer datagrams and slices.
    pub const FOREIGN_SIZES: Self = Self {
        lengths: Lengths::Extended,
        slice_sizes: SliceSizes::Padded,
        ..Self::STRICT
    };

    /// Length fields that are too large.
    pub const OVERSIZED: Self = Self {
        lengths: Lengths::TooLarge,
        slice_sizes: SliceSizes::TooLarge,
        ..Self::STRICT
    };

    /// Timestamps of which only the microseconds count.
    pub const CONSTANT_SECONDS: Self = Self {
        timestamps: TimestampRule::ConstantSeconds,
        ..Self::STRICT
    };

    /// The clock of a camera without access to the internet.
    pub const WRONG_CLOCK: Self = Self {
        clock_offset: -10 * 365 * 86_400,
        ..Self::STRICT
    };

    /// Three ports.
    pub const MOVING_PORT: Self = Self {
        ports: Ports::Three,
        ..Self::STRICT
    };

    /// One client, whose slot is occupied until it was silent for 5 s.
    pub const SLOW_SLOT: Self = Self {
        max_clients: 1,
        idle: Duration::from_secs(5),
        ..Self::STRICT
    };

    /// No answer to early packets.
    pub const EARLY_DROPPED: Self = Self {
        early_packets: EarlyPackets::Dropped,
        ..Self::STRICT
    };

    /// No session after early packets.
    pub const EARLY_REFUSED: Self = Self {
        early_packets: EarlyPackets::Refused,
        ..Self::STRICT
    };

    /// No answer to the extended master secret.
    pub const EMS_SILENT: Self = Self {
        extended_master_secret: ExtendedMasterSecret::Unanswered,
        ..Self::STRICT
    };

    /// One suite, and no answer to a ClientHello without it.
    pub const SUITE_SILENT: Self = Self {
        suites: &[CipherSuite::PskAes128CbcSha256],
        suite_mismatch: SuiteMismatch::Unanswered,
        ..Self::STRICT
    };

    /// The Bulb Cam, with the video settings that one was seen to report in K10051
    /// (docs/protocol.md, section 18).
    pub const HL_BC: Self = Self {
        model: Some(Cow::Borrowed("HL_BC")),
        resolution: Resolution::TwoKAlternate,
        bitrate: Bitrate::MAX,
        flips: Switch::On,
        extended_master_secret: ExtendedMasterSecret::Ignored,
        ..Self::STRICT
    };

    /// The first video doorbell.
    pub const DB3: Self = Self {
        model: Some(Cow::Borrowed("WYZEDB3")),
        extended_master_secret: ExtendedMasterSecret::Ignored,
        suites: &[CipherSuite::PskAes128CbcSha256],
        ..Self::STRICT
    };

    /// A battery camera behind a base station, whose keys the
    /// [`Credentials`](tutk_session::Credentials) must contain.
    pub const BASE_STATION: Self = Self {
        model: Some(Cow::Borrowed("WVOD1")),
        needs_wake_up: true,
        extended_master_secret: ExtendedMasterSecret::Ignored,
        resend: None,
        ..Self::STRICT
    };

    /// Answers nothing.
    pub const DEAF: Self = Self {
        answers: false,
        ..Self::STRICT
    };

    /// Returns the personality with this name. Only `random` uses the seed.
    #[must_use]
    pub fn by_name(name: &str, seed: u64) -> Option<Self> {
        let named = PERSONALITIES.iter().find(|named| named.name == name)?;
        Some((named.make)(seed))
    }
}
