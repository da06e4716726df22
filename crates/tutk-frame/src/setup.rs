//! Discovery, session set-up and keepalive of the `summary` and `transcode` dialects
//! (docs/protocol.md, section 7).

use core::net::{Ipv4Addr, SocketAddrV4};

use nom::number::complete::le_u32;

use crate::buffer::{Buffer, write_to_slice};
use crate::error::Error;
use crate::header::{IotcHeader, command, flags, mode};
use crate::ids::{AuthKey, SessionId, Uid};
use crate::read::{array, layout_after, skip};

const DISCOVERY_REQUEST: &str = "discovery request";
const DISCOVERY_ANSWER: &str = "discovery answer";
const SESSION_REQUEST: &str = "session request";
const KEEPALIVE: &str = "keepalive";
const CLOSE: &str = "close";

const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

/// The layout of discovery packets, named by the offset of the session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum DiscoveryLayout {
    /// The layout of `summary`.
    SessionAt52,
    /// The layout of `transcode`.
    SessionAt56,
}

/// The content of a session request at 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum SessionTrailer {
    /// CRC-32/ISO-HDLC over bytes 0..48. Used by `summary`. The kind of CRC is this project's
    /// choice.
    Crc32,
    /// The Unix time in seconds. Used by `transcode`.
    UnixSeconds,
}

/// The stage of a discovery request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Stage {
    /// 1: a question to all cameras, or to one address.
    Broadcast,
    /// 2: a confirmation to the address that answered.
    Direct,
}

/// A discovery request, 88 bytes, command 0x0601.
///
/// | in `SessionAt52` | in `SessionAt56` | size | content |
/// |---|---|---|---|
/// | 0 | 0 | 16 | IOTC header, mode 0x02, length 72, flags 0x0021 |
/// | 16 | 16 | 20 | UID |
/// | 36 | 36 | 12, 16 | zero |
/// | 48 | 52 | 4 | SDK version, `01 01 02 04`; never checked |
/// | 52 | 56 | 8 | session id |
/// | 60 | 64 | 4 | stage, 1 or 2 |
/// | 64 | 68 | 8, 6 | zero |
/// | 72 | 74 | 8 | AuthKey; in `transcode` with stage 1 only |
/// | 80 | 82 | 8, 6 | zero |
///
/// ```
/// use tutk_frame::{DiscoveryLayout, DiscoveryRequest, SessionId, Stage, Uid};
///
/// let request = DiscoveryRequest {
///     uid: Uid::default(), // any camera
///     version: DiscoveryRequest::SDK_VERSION,
///     session: SessionId(*b"8 random"),
///     stage: Stage::Broadcast,
///     auth_key: None,
/// };
/// let mut datagram = Vec::new();
/// request.write(DiscoveryLayout::SessionAt56, &mut datagram);
/// assert_eq!(DiscoveryRequest::parse(&datagram, DiscoveryLayout::SessionAt56)?, request);
/// # Ok::<(), tutk_frame::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryRequest {
    /// The UID of the camera, or zeros for any camera.
    pub uid: Uid,
    /// The SDK version, see [`DiscoveryRequest::SDK_VERSION`].
    pub version: [u8; 4],
    /// The session id that the client chose.
    pub session: SessionId,
    /// The stage.
    pub stage: Stage,
    /// The AuthKey. `None` stands for zeros.
    pub auth_key: Option<AuthKey>,
}

/// The answer to a discovery request, command 0x0602, flags 0x0012.
///
/// | in `SessionAt52` | in `SessionAt56` | size | content |
/// |---|---|---|---|
/// | 0 | 0 | 16 | IOTC header, mode 0x02 |
/// | 16 | 16 | 20 | UID |
/// | 36 | - | 4 | IPv4 address of the camera |
/// | 40 | - | 2 | port of the camera, little-endian |
/// | 52 | 56 | 8 | session id of the request |
///
/// The rest is zero. Of the answers of real cameras only the place of the UID and the length of
/// about 200 bytes are known. The other fields and the lengths, 88 and 200 bytes, are this
/// project's choice. The parser accepts any length that includes the UID, and returns `None` for
/// zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DiscoveryAnswer {
    /// The camera's UID.
    pub uid: Uid,
    /// The session id of the request. Do not rely on it: real cameras may send other bytes.
    pub session: Option<SessionId>,
    /// The camera's address, in [`DiscoveryLayout::SessionAt52`] only. The source address of the
    /// answer takes precedence.
    pub address: Option<SocketAddrV4>,
}

/// A session request, 52 bytes, command 0x0402.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | IOTC header, mode 0x02, length 36, flags 0x0033 |
/// | 16 | 20 | UID |
/// | 36 | 8 | session id |
/// | 44 | 4 | zero |
/// | 48 | 4 | see [`SessionTrailer`] |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SessionRequest {
    /// The camera's UID.
    pub uid: Uid,
    /// The session id of discovery.
    pub session: SessionId,
    /// Bytes 48..52.
    pub stamp: SessionStamp,
}

/// Bytes 48..52 of a session request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum SessionStamp {
    /// The CRC of bytes 0..48. Computed by `write`, checked by `parse`.
    Crc32,
    /// The Unix time in seconds.
    UnixSeconds(u32),
}

/// The answer to a session request, command 0x0404, flags 0x0033.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | IOTC header |
/// | 16 | 20 | UID |
/// | 36 | 8 | session id |
/// | 44 | 8 | zero |
///
/// Of real cameras only the command is known. The body of 36 bytes is this project's choice. The
/// parser accepts any body, and returns `None` for a missing field or zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionAnswer {
    /// The camera's UID.
    pub uid: Option<Uid>,
    /// The session id of the request.
    pub session: Option<SessionId>,
}

/// A keepalive, 24 bytes: command 0x0428 from the camera, command 0x0427 from the client. Each side
/// answers the other's with its own command.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | IOTC header, mode 0x0a, length 8, flags 0x0012, from the client 0x0021 |
/// | 16 | 8 | body, the same in the answer |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Keepalive {
    /// `true` from the client: an answer, or the client's own.
    pub answer: bool,
    /// Bytes 16..24.
    pub body: [u8; 8],
}

/// The client closes the session, command 0x0417: 24 bytes.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | IOTC header, mode 0x0a, length 8, flags 0x0021 |
/// | 16 | 8 | session id (this project's choice) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Close {
    /// The session.
    pub session: SessionId,
}

impl SessionTrailer {
    /// Returns the stamp of a request that is sent at this Unix time.
    #[must_use]
    pub fn stamp(self, unix_seconds: u32) -> SessionStamp {
        match self {
            Self::Crc32 => SessionStamp::Crc32,
            Self::UnixSeconds => SessionStamp::UnixSeconds(unix_seconds),
        }
    }
}

impl DiscoveryLayout {
    /// Returns the number of zeros after the UID, after the stage, and at the end.
    fn gaps(self) -> [usize; 3] {
        match self {
            Self::SessionAt52 => [12, 8, 8],
            Self::SessionAt56 => [16, 6, 6],
        }
    }

    /// Returns the offset of the session id in the datagram.
    fn session_at(self) -> usize {
        match self {
            Self::SessionAt52 => 52,
            Self::SessionAt56 => 56,
        }
    }

    /// Returns the length of an answer.
    fn answer_len(self) -> u16 {
        match self {
            Self::SessionAt52 => 88,
            Self::SessionAt56 => 200,
        }
    }
}

impl DiscoveryRequest {
    /// The packet's length in bytes.
    pub const LEN: usize = 88;
    /// SDK version 4.2.1.1.
    pub const SDK_VERSION: [u8; 4] = [0x01, 0x01, 0x02, 0x04];

    /// Parses the datagram. Bytes after 88 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 88 bytes; [`Error::Magic`] at 0 and 8;
    /// [`Error::Field`] for a stage that is neither 1 nor 2 (at 60 or 64).
    pub fn parse(bytes: &[u8], layout: DiscoveryLayout) -> Result<Self, Error> {
        let commands = [command::DISCOVERY_REQUEST];
        let (_, body) = IotcHeader::expect(DISCOVERY_REQUEST, &commands, bytes)?;
        Self::from_body(body, layout)
    }

    /// Parses the bytes after the IOTC header.
    pub(crate) fn from_body(body: &[u8], layout: DiscoveryLayout) -> Result<Self, Error> {
        let [after_uid, after_stage, _] = layout.gaps();
        let parser = (
            array,
            skip(after_uid),
            array,
            array,
            le_u32,
            skip(after_stage),
            array,
        );
        let ((uid, _, version, session, stage, _, key), _) =
            layout_after(IotcHeader::LEN, DISCOVERY_REQUEST, Self::LEN, body, parser)?;
        let stage = match stage {
            1 => Stage::Broadcast,
            2 => Stage::Direct,
            other => {
                return Err(Error::Field {
                    what: DISCOVERY_REQUEST,
                    field: "stage",
                    offset: layout.session_at() + SessionId::LEN,
                    value: other.into(),
                });
            }
        };
        Ok(Self {
            uid: Uid(uid),
            version,
            session: SessionId(session),
            stage,
            auth_key: (key != [0; AuthKey::LEN]).then_some(AuthKey(key)),
        })
    }

    /// Writes the 88 bytes.
    pub fn write(&self, layout: DiscoveryLayout, out: &mut impl Buffer) {
        let [after_uid, after_stage, end] = layout.gaps();
        IotcHeader::new(mode::SET_UP, 72, command::DISCOVERY_REQUEST, flags::CLIENT).write(out);
        out.put_slice(&self.uid.0);
        out.put_zeros(after_uid);
        out.put_slice(&self.version);
        out.put_slice(&self.session.0);
        out.put_u32_le(match self.stage {
            Stage::Broadcast => 1,
            Stage::Direct => 2,
        });
        out.put_zeros(after_stage);
        match &self.auth_key {
            Some(key) => out.put_slice(&key.0),
            None => out.put_zeros(AuthKey::LEN),
        }
        out.put_zeros(end);
    }
}

impl DiscoveryAnswer {
    /// The length in bytes of the shortest answer: header and UID.
    pub const MIN_LEN: usize = 36;

    /// Parses the datagram.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 36 bytes; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8], layout: DiscoveryLayout) -> Result<Self, Error> {
        let commands = [command::DISCOVERY_ANSWER];
        let (_, body) = IotcHeader::expect(DISCOVERY_ANSWER, &commands, bytes)?;
        Self::from_body(body, layout)
    }

    /// Parses the bytes after the IOTC header.
    pub(crate) fn from_body(body: &[u8], layout: DiscoveryLayout) -> Result<Self, Error> {
        let (uid, _) = layout_after(
            IotcHeader::LEN,
            DISCOVERY_ANSWER,
            Self::MIN_LEN,
            body,
            array,
        )?;
        let session = chunk_at(body, layout.session_at()).and_then(SessionId::present);
        let address = match layout {
            DiscoveryLayout::SessionAt52 => chunk_at(body, 36).and_then(|[a, b, c, d, p0, p1]| {
                let port = u16::from_le_bytes([p0, p1]);
                let ip = Ipv4Addr::new(a, b, c, d);
                (!ip.is_unspecified()).then_some(SocketAddrV4::new(ip, port))
            }),
            DiscoveryLayout::SessionAt56 => None,
        };
        Ok(Self {
            uid: Uid(uid),
            session,
            address,
        })
    }

    /// Writes 88 bytes in [`DiscoveryLayout::SessionAt52`], 200 in
    /// [`DiscoveryLayout::SessionAt56`].
    pub fn write(&self, layout: DiscoveryLayout, out: &mut impl Buffer) {
        let session = self.session.unwrap_or_default();
        let len = layout.answer_len();
        IotcHeader::new(
            mode::SET_UP,
            len - 16,
            command::DISCOVERY_ANSWER,
            flags::CAMERA,
        )
        .write(out);
        out.put_slice(&self.uid.0);
        match (layout, self.address) {
            (DiscoveryLayout::SessionAt52, Some(address)) => {
                out.put_slice(&address.ip().octets());
                out.put_u16_le(address.port());
                out.put_zeros(10);
            }
            (DiscoveryLayout::SessionAt52, None) => out.put_zeros(16),
            (DiscoveryLayout::SessionAt56, _) => out.put_zeros(20),
        }
        out.put_slice(&session.0);
        out.put_zeros(usize::from(len) - layout.session_at() - SessionId::LEN);
    }
}

impl SessionRequest {
    /// The packet's length in bytes.
    pub const LEN: usize = 52;
    /// The number of bytes that the CRC covers.
    const COVERED: usize = 48;

    /// Parses the datagram. Bytes after 52 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 52 bytes; [`Error::Magic`] at 0 and 8;
    /// [`Error::Checksum`] at 48.
    pub fn parse(bytes: &[u8], trailer: SessionTrailer) -> Result<Self, Error> {
        IotcHeader::expect(SESSION_REQUEST, &[command::SESSION_REQUEST], bytes)?;
        Self::from_datagram(bytes, trailer)
    }

    /// Parses a datagram whose IOTC header is already parsed. The CRC covers the header.
    pub(crate) fn from_datagram(bytes: &[u8], trailer: SessionTrailer) -> Result<Self, Error> {
        let body = bytes.get(IotcHeader::LEN..).unwrap_or_default();
        let parser = (array, array, skip(4), le_u32);
        let ((uid, session, _, last), _) =
            layout_after(IotcHeader::LEN, SESSION_REQUEST, Self::LEN, body, parser)?;
        let stamp = match trailer {
            SessionTrailer::UnixSeconds => SessionStamp::UnixSeconds(last),
            SessionTrailer::Crc32 => {
                let covered = bytes.get(..Self::COVERED).unwrap_or_default();
                let expected = CRC.checksum(covered);
                if last != expected {
                    return Err(Error::Checksum {
                        what: SESSION_REQUEST,
                        offset: Self::COVERED,
                        expected,
                        actual: last,
                    });
                }
                SessionStamp::Crc32
            }
        };
        Ok(Self {
            uid: Uid(uid),
            session: SessionId(session),
            stamp,
        })
    }

    /// Writes the 52 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        let mut covered = [0; Self::COVERED];
        // The rest of the bytes are zero.
        let _ = write_to_slice(&mut covered, |out| {
            IotcHeader::new(mode::SET_UP, 36, command::SESSION_REQUEST, flags::SESSION).write(out);
            out.put_slice(&self.uid.0);
            out.put_slice(&self.session.0);
        });
        out.put_slice(&covered);
        out.put_u32_le(match self.stamp {
            SessionStamp::Crc32 => CRC.checksum(&covered),
            SessionStamp::UnixSeconds(seconds) => seconds,
        });
    }
}

impl SessionAnswer {
    /// The number of bytes that are written.
    pub const LEN: usize = 52;

    /// Parses the datagram. Any body is accepted.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, or at 4; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let commands = [command::SESSION_ANSWER];
        let (_, body) = IotcHeader::expect("session answer", &commands, bytes)?;
        Ok(Self::from_body(body))
    }

    /// Parses the bytes after the IOTC header.
    pub(crate) fn from_body(body: &[u8]) -> Self {
        let uid = chunk_at(body, 16).map(Uid);
        Self {
            uid: uid.filter(|uid| *uid != Uid::default()),
            session: chunk_at(body, 36).and_then(SessionId::present),
        }
    }

    /// Writes the 52 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        IotcHeader::new(mode::SET_UP, 36, command::SESSION_ANSWER, flags::SESSION).write(out);
        out.put_slice(&self.uid.unwrap_or_default().0);
        out.put_slice(&self.session.unwrap_or_default().0);
        out.put_zeros(8);
    }
}

impl Keepalive {
    /// The packet's length in bytes.
    pub const LEN: usize = 24;

    /// Parses the datagram. Bytes after 24 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 24 bytes; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let commands = [command::KEEPALIVE, command::KEEPALIVE_ANSWER];
        let (header, body) = IotcHeader::expect(KEEPALIVE, &commands, bytes)?;
        Self::from_body(&header, body)
    }

    /// Parses the bytes after the IOTC header.
    pub(crate) fn from_body(header: &IotcHeader, body: &[u8]) -> Result<Self, Error> {
        let (body, _) = layout_after(IotcHeader::LEN, KEEPALIVE, Self::LEN, body, array)?;
        Ok(Self {
            answer: header.command == command::KEEPALIVE_ANSWER,
            body,
        })
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        let (command, flags) = if self.answer {
            (command::KEEPALIVE_ANSWER, flags::CLIENT)
        } else {
            (command::KEEPALIVE, flags::CAMERA)
        };
        IotcHeader::new(mode::SESSION, 8, command, flags).write(out);
        out.put_slice(&self.body);
    }

    /// Returns the answer, which has the same body.
    #[must_use]
    pub fn acknowledge(self) -> Self {
        Self {
            answer: true,
            ..self
        }
    }
}

impl Close {
    /// The packet's length in bytes.
    pub const LEN: usize = 24;

    /// Parses the datagram. Bytes after 24 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 24 bytes; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (_, body) = IotcHeader::expect(CLOSE, &[command::CLOSE], bytes)?;
        Self::from_body(body)
    }

    /// Parses the bytes after the IOTC header.
    pub(crate) fn from_body(body: &[u8]) -> Result<Self, Error> {
        let (session, _) = layout_after(IotcHeader::LEN, CLOSE, Self::LEN, body, array)?;
        let session = SessionId(session);
        Ok(Self { session })
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        IotcHeader::new(mode::SESSION, 8, command::CLOSE, flags::CLIENT).write(out);
        out.put_slice(&self.session.0);
    }
}

/// Returns `N` bytes at an offset in the datagram, or `None` if the datagram ends before. `body`
/// are the bytes after the IOTC header.
fn chunk_at<const N: usize>(body: &[u8], offset: usize) -> Option<[u8; N]> {
    let at = offset.checked_sub(IotcHeader::LEN)?;
    body.get(at..)?.first_chunk().copied()
}

/// Generates no AuthKey of zeros, which parses as `None`.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DiscoveryRequest {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let key: Option<AuthKey> = u.arbitrary()?;
        Ok(Self {
            uid: u.arbitrary()?,
            version: u.arbitrary()?,
            session: u.arbitrary()?,
            stage: u.arbitrary()?,
            auth_key: key.filter(|key| key.0 != [0; AuthKey::LEN]),
        })
    }
}

/// Generates no session id or address of zeros, which parse as `None`.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DiscoveryAnswer {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let ip = Ipv4Addr::from(u.arbitrary::<[u8; 4]>()?);
        let port = u.arbitrary()?;
        Ok(Self {
            uid: u.arbitrary()?,
            session: SessionId::present(u.arbitrary()?),
            address: (!ip.is_unspecified()).then_some(SocketAddrV4::new(ip, port)),
        })
    }
}

/// Generates no UID or session id of zeros, which parse as `None`.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SessionAnswer {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let uid: Option<Uid> = u.arbitrary()?;
        Ok(Self {
            uid: uid.filter(|uid| *uid != Uid::default()),
            session: SessionId::present(u.arbitrary()?),
        })
    }
}
