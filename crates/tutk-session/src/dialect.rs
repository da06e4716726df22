//! A dialect is data: what differs from firmware to firmware, as one constant each.

use std::fmt;
use std::time::Duration;

use av_login::{LoginLayout, Password};
use disco_cipher::xor::XorKey;
use hl_ioctl::{AckRule, ChallengeRule};
use tutk_frame::{DiscoveryLayout, IotcLayout, MediaLayout, SessionTrailer, WrapperLayout};

use crate::credentials::Credentials;

/// One way of speaking the protocol (wire.md section 1).
///
/// [`Client`](crate::Client) and the simulator read these fields and never ask which
/// dialect it is: a new firmware is a new constant.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dialect {
    /// The name by which people choose it.
    pub name: &'static str,
    /// What datagrams are, around DTLS.
    pub transport: Transport,
    /// How the DTLS pre-shared key is made.
    pub key: KeyRule,
    /// The version field of AV packets that are not media.
    pub control_version: u16,
    /// The version field of media packets.
    pub media_version: u16,
    /// How wide the counter of AV packets that are not media is.
    pub sequence: SequenceRule,
    /// Layout of the AV login.
    pub login: LoginLayout,
    /// Which password the AV login carries.
    pub password: PasswordRule,
    /// Whether the login asks for resend mode. The summary's table does; what its camera sends is
    /// plain all the same.
    pub asks_for_resend: bool,
    /// The payload of K10000.
    pub connect_request: &'static [u8],
    /// How a challenge is answered.
    pub challenge: ChallengeRule,
    /// Which acknowledgement of the challenge the camera wants before its answer.
    pub acknowledgement: AckRule,
    /// What stands at 32..36 of K10002.
    pub auth_id: AuthIdRule,
    /// When the heartbeat begins, and with which count.
    pub heartbeat: HeartbeatRule,
    /// Who keeps the line warm, and how.
    pub liveness: Liveness,
    /// Layout of media packets.
    pub media: MediaLayout,
}

/// What datagrams are, around DTLS: discovery, session, data wrapper and keepalives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Transport {
    /// Obfuscated datagrams with a 16-byte header (wire.md sections 2 to 5).
    Iotc(IotcTransport),
    /// Datagrams in the clear, each with a tag (wire.md section 6).
    Cc51,
}

/// The [`Transport`] of datagrams with an IOTC header.
#[derive(Debug, Clone)]
pub struct IotcTransport {
    /// How whole datagrams are obfuscated.
    pub cipher: Cipher,
    /// Where the fields of the 88-byte discovery request stand, what the last four bytes of the
    /// session request are, and what stands before the DTLS records of a datagram.
    pub layout: IotcLayout,
}

/// Obfuscation of datagrams (wire.md section 3).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Cipher {
    /// XOR with a repeating key.
    Xor(XorKey),
    /// TransCode; only the first 64 bytes when the header says so.
    TransCode,
}

/// The counter of AV packets that are not media, bytes 4 and on (wire.md section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SequenceRule {
    /// 16 bits, and two bytes that this project leaves zero.
    U16,
    /// 32 bits: the summary's "AV sequence".
    U32,
}

/// How the DTLS pre-shared key follows from the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRule {
    /// SHA-256(AuthKey ‖ ENR).
    AuthKeyAndEnr,
    /// SHA-256(ENR), zeroed from its first zero byte on.
    Enr,
}

/// Which password the AV login carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordRule {
    /// The same for every camera.
    Fixed(&'static str),
    /// The camera's ENR.
    Enr,
}

impl PasswordRule {
    /// Returns the password of the AV login.
    ///
    /// # Errors
    /// [`av_login::Error`] if the ENR cannot be a password.
    pub fn password(&self, credentials: &Credentials) -> Result<Password, av_login::Error> {
        match self {
            Self::Fixed(password) => Password::new(password.as_bytes()),
            Self::Enr => Password::new(credentials.enr.reveal()),
        }
    }
}

/// The four bytes behind the challenge's answer in K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthIdRule {
    /// The first four bytes of the UID.
    UidPrefix,
    /// Four random bytes.
    Random,
}

/// When the client's heartbeat (type 0x09) begins.
///
/// The two readings agree on the wire where it counts: the heartbeat between K10001 and K10002
/// carries at least count 2. The summary saw counts 2 and AV sequences 0, 1, 2 for K10000,
/// heartbeat and K10002, so in its dialect nothing is sent before the challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartbeatRule {
    /// With the login's answer, counting from 1.
    AfterLogin,
    /// With the first IOCTL from the camera, counting from 2; bytes 18..20, where others repeat the
    /// count, stay zero.
    AfterChallenge,
}

/// Who keeps the line warm beside the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// The client sends the 20-byte status packet (0x0b) unasked.
    Status {
        /// Time from one to the next.
        every: Duration,
    },
    /// The camera sends link probes (0x0a) inside DTLS and keepalives (0x0428, or 0x1202) outside;
    /// the client answers both.
    Probes {
        /// Time from one to the next. Not known of real cameras: this project's choice.
        every: Duration,
    },
}

impl Dialect {
    /// As summary.md has it, with this project's choices where it leaves something open
    /// (docs/protocol.md marks them).
    pub const SUMMARY: Self = Self {
        name: "summary",
        transport: Transport::Iotc(IotcTransport {
            cipher: Cipher::Xor(XorKey::SDK),
            layout: IotcLayout {
                discovery: DiscoveryLayout::SessionAt52,
                session: SessionTrailer::Crc32,
                wrapper: WrapperLayout::Iotc30,
            },
        }),
        key: KeyRule::AuthKeyAndEnr,
        control_version: 0x000b,
        media_version: 0x000b,
        sequence: SequenceRule::U32,
        login: LoginLayout::AuthAt550,
        password: PasswordRule::Fixed("888888"),
        asks_for_resend: true,
        connect_request: b"",
        challenge: ChallengeRule::Encrypt,
        acknowledgement: AckRule::Second,
        auth_id: AuthIdRule::UidPrefix,
        heartbeat: HeartbeatRule::AfterChallenge,
        liveness: Liveness::Status {
            every: Duration::from_secs(1),
        },
        media: MediaLayout::Fragment,
    };

    /// Cam v2, v3, Doorbell v2, and Cam v4 up to firmware 4.52.9.4188.
    pub const TRANSCODE: Self = Self {
        name: "transcode",
        transport: Transport::Iotc(IotcTransport {
            cipher: Cipher::TransCode,
            layout: IotcLayout {
                discovery: DiscoveryLayout::SessionAt56,
                session: SessionTrailer::UnixSeconds,
                wrapper: WrapperLayout::Iotc28,
            },
        }),
        key: KeyRule::Enr,
        control_version: 0x000c,
        media_version: 0x000b,
        sequence: SequenceRule::U16,
        login: LoginLayout::AuthAt540,
        password: PasswordRule::Enr,
        asks_for_resend: false,
        connect_request: hl_ioctl::commands::AUDIO_ENCODER_LIST,
        challenge: ChallengeRule::Decrypt,
        acknowledgement: AckRule::Any,
        auth_id: AuthIdRule::Random,
        heartbeat: HeartbeatRule::AfterLogin,
        liveness: Liveness::Probes {
            every: Duration::from_secs(1),
        },
        media: MediaLayout::Slice,
    };

    /// Cam v4 from firmware 4.52.9.5332: another transport, and inside DTLS as
    /// [`TRANSCODE`](Self::TRANSCODE).
    pub const CC51: Self = Self {
        name: "cc51",
        transport: Transport::Cc51,
        ..Self::TRANSCODE
    };

    /// Every dialect there is.
    pub const ALL: [&'static Self; 3] = [&Self::TRANSCODE, &Self::CC51, &Self::SUMMARY];

    /// The dialects that a client asks in when it was not told which one: those that real cameras
    /// speak.
    pub const DETECTED: [&'static Self; 2] = [&Self::TRANSCODE, &Self::CC51];

    /// What stands around the DTLS records of a datagram.
    #[must_use]
    pub fn wrapper(&self) -> WrapperLayout {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.layout.wrapper,
            Transport::Cc51 => WrapperLayout::Cc51,
        }
    }

    /// The dialect of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name == name)
    }
}

impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Dialect {}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
