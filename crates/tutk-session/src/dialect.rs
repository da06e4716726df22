//! Dialects: the differences between firmware versions, as data.

use alloc::borrow::Cow;
use core::fmt;
use core::time::Duration;

use av_login::LoginLayout;
use disco_cipher::xor::XorKey;
use hl_ioctl::{AckRule, ChallengeRule};
use tutk_frame::{IotcLayout, MediaAckLayout, MediaLayout, WrapperLayout};

/// A dialect of the protocol (docs/protocol.md, section "Dialects").
///
/// [`Client`](crate::Client) and the simulator read these fields and never ask which dialect it is.
/// A dialect is shared as `Arc<Dialect>`. To make one, change a copy of a constant:
///
/// ```
/// use std::sync::Arc;
/// use tutk_session::{Dialect, PasswordRule};
///
/// let mut dialect = Dialect::TRANSCODE;
/// dialect.name = "fixed password".into();
/// dialect.password = PasswordRule::Fixed("888888".into());
/// let dialects = vec![Arc::new(dialect)]; // for `ClientConfig::dialects`, for example
/// # assert_eq!(dialects[0].media, Dialect::TRANSCODE.media);
/// ```
///
/// Of several dialects in a list, the first one whose [transport](Self::transport) has the header
/// of a received datagram is used. Dialects with the same transport cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dialect {
    /// The name for users.
    pub name: Cow<'static, str>,
    /// The transport of DTLS records.
    pub transport: Transport,
    /// The derivation of the DTLS pre-shared key.
    pub key: KeyRule,
    /// The version field of AV packets that are not media.
    pub control_version: u16,
    /// The version field of media packets.
    pub media_version: u16,
    /// The width of the counter of AV packets that are not media.
    pub sequence: SequenceRule,
    /// The layout of the AV login.
    pub login: LoginLayout,
    /// The password of the AV login.
    pub password: PasswordRule,
    /// The login always requests resend mode. The camera of `summary` sends plain media anyway.
    pub always_requests_resend: bool,
    /// The payload of K10000.
    pub connect_request: Cow<'static, [u8]>,
    /// The computation of the challenge's answer.
    pub challenge: ChallengeRule,
    /// The acknowledgement that the camera requires before the answer to the challenge.
    pub acknowledgement: AckRule,
    /// The contents of bytes 32..36 of K10002.
    pub auth_id: AuthIdRule,
    /// The start of the heartbeat.
    pub heartbeat: HeartbeatRule,
    /// The keep-alives.
    pub liveness: Liveness,
    /// The interval of the client's own keepalives outside DTLS, if it sends any.
    pub client_keepalive: Option<Duration>,
    /// How often the client sends the packet that closes a session (0x0417).
    pub close_packets: u8,
    /// The acknowledgement of a channel message has all of its 36 bytes instead of 24.
    pub long_channel_ack: bool,
    /// The layout of media packets.
    pub media: MediaLayout,
    /// The layout of acknowledgements in resend mode.
    pub media_ack: MediaAckLayout,
}

/// The transport of DTLS records: discovery, session, data wrapper and keepalives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// Obfuscated datagrams with a 16-byte header (docs/protocol.md, section "The IOTC header").
    Iotc(IotcTransport),
    /// Plain datagrams with a tag (docs/protocol.md, section "cc51").
    Cc51,
}

/// The [`Transport`] of datagrams with an IOTC header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IotcTransport {
    /// The obfuscation of datagrams.
    pub cipher: Cipher,
    /// The layouts of discovery requests, session requests and the data wrapper.
    pub layout: IotcLayout,
}

/// The obfuscation of datagrams (docs/protocol.md, section "Obfuscation").
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cipher {
    /// XOR with a repeating key.
    Xor(XorKey),
    /// TransCode, of the first 64 bytes only if the header says so.
    TransCode,
}

/// The counter of AV packets that are not media (docs/protocol.md, section "One grammar").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SequenceRule {
    /// 16 bits, and two bytes that this project leaves zero.
    U16,
    /// 32 bits, the AV sequence of `summary`.
    U32,
}

/// The derivation of the DTLS pre-shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRule {
    /// SHA-256(AuthKey ‖ ENR).
    AuthKeyAndEnr,
    /// SHA-256(ENR), zeroed from its first zero byte on.
    Enr,
}

/// The password of the AV login.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordRule {
    /// The same for every camera.
    Fixed(Cow<'static, str>),
    /// The camera's ENR.
    Enr,
}

/// The four bytes after the answer to the challenge in K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthIdRule {
    /// The first four bytes of the UID.
    UidPrefix,
    /// Four random bytes.
    Random,
}

/// The start of the client's heartbeat (type 0x09).
///
/// With both rules, the heartbeat between K10001 and K10002 acknowledges at least 2 commands
/// (docs/protocol.md, section "Heartbeat").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartbeatRule {
    /// After the login answer.
    AfterLogin,
    /// With the first IOCTL from the camera. Bytes 18..20, the number of heartbeats, are zero.
    AfterChallenge,
}

/// Keep-alives besides the heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Liveness {
    /// The client sends the 20-byte status packet (0x0b) at an interval.
    Status {
        /// The interval.
        interval: Duration,
    },
    /// The camera sends link probes (0x0a) inside DTLS and keepalives (0x0428, or 0x1202) outside;
    /// the client answers both.
    Probes {
        /// The interval. That of real cameras is not known; this is the project's choice.
        interval: Duration,
    },
}

impl Dialect {
    /// A dialect of the simulated camera. No real camera is known to speak it.
    pub const SUMMARY: Self = Self {
        name: Cow::Borrowed("summary"),
        transport: Transport::Iotc(IotcTransport {
            cipher: Cipher::Xor(XorKey::SDK),
            layout: IotcLayout::SUMMARY,
        }),
        key: KeyRule::AuthKeyAndEnr,
        control_version: 0x000b,
        media_version: 0x000b,
        sequence: SequenceRule::U32,
        login: LoginLayout::AuthAt550,
        password: PasswordRule::Fixed(Cow::Borrowed("888888")),
        always_requests_resend: true,
        connect_request: Cow::Borrowed(b""),
        challenge: ChallengeRule::Encrypt,
        acknowledgement: AckRule::Second,
        auth_id: AuthIdRule::UidPrefix,
        heartbeat: HeartbeatRule::AfterChallenge,
        liveness: Liveness::Status {
            interval: Duration::from_secs(1),
        },
        client_keepalive: None,
        close_packets: 0,
        long_channel_ack: true,
        media: MediaLayout::Fragment,
        media_ack: MediaAckLayout::LIKELY,
    };

    /// Cam v2, v3, Doorbell v2, and Cam v4 up to firmware 4.52.9.4188.
    pub const TRANSCODE: Self = Self {
        name: Cow::Borrowed("transcode"),
        transport: Transport::Iotc(IotcTransport {
            cipher: Cipher::TransCode,
            layout: IotcLayout::TRANSCODE,
        }),
        key: KeyRule::Enr,
        control_version: 0x000c,
        media_version: 0x000b,
        sequence: SequenceRule::U16,
        login: LoginLayout::AuthAt540,
        password: PasswordRule::Enr,
        always_requests_resend: false,
        connect_request: Cow::Borrowed(hl_ioctl::commands::AUDIO_ENCODER_LIST),
        challenge: ChallengeRule::Decrypt,
        acknowledgement: AckRule::Any,
        auth_id: AuthIdRule::Random,
        heartbeat: HeartbeatRule::AfterLogin,
        liveness: Liveness::Probes {
            interval: Duration::from_secs(1),
        },
        client_keepalive: Some(Duration::from_secs(2)),
        close_packets: 3,
        long_channel_ack: false,
        media: MediaLayout::Slice,
        media_ack: MediaAckLayout::LIKELY,
    };

    /// Cam v4 from firmware 4.52.9.5332: another transport, and inside DTLS as
    /// [`TRANSCODE`](Self::TRANSCODE).
    pub const CC51: Self = Self {
        name: Cow::Borrowed("cc51"),
        transport: Transport::Cc51,
        client_keepalive: None,
        close_packets: 0,
        ..Self::TRANSCODE
    };

    /// The dialects of this crate.
    pub const ALL: [Self; 3] = [Self::TRANSCODE, Self::CC51, Self::SUMMARY];

    /// Those of [`ALL`](Self::ALL) that real cameras speak.
    pub const DETECTED: [Self; 2] = [Self::TRANSCODE, Self::CC51];

    /// Returns the layout of the wrapper around DTLS records.
    #[must_use]
    pub fn wrapper(&self) -> WrapperLayout {
        match &self.transport {
            Transport::Iotc(iotc) => iotc.layout.wrapper,
            Transport::Cc51 => WrapperLayout::Cc51,
        }
    }

    /// Returns the dialect of [`ALL`](Self::ALL) with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name == name)
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
