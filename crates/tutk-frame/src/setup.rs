//! Discovery, session set-up and keepalive of the `summary` and `transcode` dialects (wire.md
//! section 4, summary.md phases 1 and 2).

use core::net::{Ipv4Addr, SocketAddrV4};

use bytes::BufMut;
use nom::number::complete::le_u32;

use crate::Error;
use crate::header::{IotcHeader, command, flags, mode};
use crate::ids::{AuthKey, SessionId, Uid};
use crate::read::{array, layout, skip};

/// Where the fields of discovery packets stand: a field of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum DiscoveryLayout {
    /// As summary.md has it.
    SessionAt52,
    /// As production firmware has it (`transcode`).
    SessionAt56,
}

/// What a session request has at 48: a field of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum SessionTrailer {
    /// CRC-32/ISO-HDLC over bytes 0..48 (`summary`; the choice of the CRC is this project's).
    Crc32,
    /// Unix seconds (`transcode`).
    UnixSeconds,
}

/// The stage of a discovery request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Stage {
    /// 1: asks who is there, broadcast or unicast.
    Broadcast,
    /// 2: to the address that answered.
    Direct,
}

/// Discovery request, DISCO, 88 bytes, command 0x0601.
///
/// | summary | field | size | what |
/// |---|---|---|---|
/// | 0 | 0 | 16 | IOTC header, mode 0x02, length 72, flags 0x0021 |
/// | 16 | 16 | 20 | UID |
/// | 36 | 36 | 12, 16 | zero |
/// | 48 | 52 | 4 | SDK version, `01 01 02 04`; the summary's flags 0x01010204 |
/// | 52 | 56 | 8 | session id, the summary's RandomID |
/// | 60 | 64 | 4 | stage, 1 or 2 |
/// | 64 | 68 | 8, 6 | zero |
/// | 72 | 74 | 8 | AuthKey; in the field with stage 1 only |
/// | 80 | 82 | 8, 6 | zero |
///
/// The flags 0x01010204 are read as printed, byte by byte, since they are the version 4.2.1.1 that
/// the field has as the same bytes. They are kept, never checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryRequest {
    /// The UID asked for.
    pub uid: Uid,
    /// SDK version, see [`DiscoveryRequest::SDK_VERSION`].
    pub version: [u8; 4],
    /// The session id that the client drew.
    pub session: SessionId,
    /// The stage.
    pub stage: Stage,
    /// The AuthKey; `None` writes zeros, and zeros are `None`.
    pub auth_key: Option<AuthKey>,
}

/// Answer to a discovery request, command 0x0602, flags 0x0012.
///
/// | summary | field | size | what |
/// |---|---|---|---|
/// | 0 | 0 | 16 | IOTC header, mode 0x02 |
/// | 16 | 16 | 20 | UID |
/// | 36 | - | 4 | IPv4 address of the camera, as written |
/// | 40 | - | 2 | port of the camera, little-endian |
/// | 52 | 56 | 8 | session id of the request |
///
/// The rest is zero. Only the UID's place in the field is sure, and that the field's answer is
/// about 200 bytes; everything else is this project's choice: 88 bytes in the summary, with the
/// session id where the request has it, and 200 bytes in the field, likewise. Parsing takes any
/// length that holds the UID, and zeros as `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DiscoveryAnswer {
    /// The camera's UID.
    pub uid: Uid,
    /// The session id of the request. Do not rely on it: real cameras may have other bytes there.
    pub session: Option<SessionId>,
    /// The camera's address; in the summary's layout only, not written in the field's. The address
    /// that the answer came from counts.
    pub address: Option<SocketAddrV4>,
}

/// Session request, 52 bytes, command 0x0402.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 16 | IOTC header, mode 0x02, length 36, flags 0x0033 |
/// | 16 | 20 | UID |
/// | 36 | 8 | session id |
/// | 44 | 4 | zero |
/// | 48 | 4 | as [`SessionTrailer`] says |
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

/// What is in a session request at 48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum SessionStamp {
    /// The CRC of bytes 0..48: computed when written, checked when parsed.
    Crc32,
    /// Unix seconds.
    UnixSeconds(u32),
}

/// Answer to a session request, command 0x0404, flags 0x0033.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 16 | IOTC header |
/// | 16 | 20 | UID |
/// | 36 | 8 | session id |
/// | 44 | 8 | zero |
///
/// Only the command is sure; the body is this project's choice: 52 bytes, as the request. Parsing
/// takes any body, and gives what it is long enough for and what is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionAnswer {
    /// The camera's UID.
    pub uid: Option<Uid>,
    /// The session id of the request.
    pub session: Option<SessionId>,
}

/// Keepalive from the camera, command 0x0428, and the answer to it, command 0x0427: 24 bytes.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 16 | IOTC header, mode 0x0a, length 8, flags 0x0012, or 0x0021 in the answer |
/// | 16 | 8 | body, the same in the answer |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Keepalive {
    /// Whether this is the answer.
    pub answer: bool,
    /// Bytes 16..24.
    pub body: [u8; 8],
}

/// Bytes of an answer with [`DiscoveryLayout::SessionAt56`].
const LONG_ANSWER_LEN: u16 = 200;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

impl DiscoveryLayout {
    /// Zeros after the UID, after the stage, and at the end.
    fn gaps(self) -> [usize; 3] {
        match self {
            Self::SessionAt52 => [12, 8, 8],
            Self::SessionAt56 => [16, 6, 6],
        }
    }

    /// Where the session id stands.
    fn session_at(self) -> usize {
        match self {
            Self::SessionAt52 => 52,
            Self::SessionAt56 => 56,
        }
    }
}

impl DiscoveryRequest {
    /// Bytes of the packet.
    pub const LEN: usize = 88;
    /// SDK version 4.2.1.1.
    pub const SDK_VERSION: [u8; 4] = [0x01, 0x01, 0x02, 0x04];

    /// Reads the datagram; bytes after 88 are passed over if the length field counts them.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 88 bytes, or at 4; [`Error::Magic`] at 0 and 8 (the
    /// command); [`Error::Field`] for a stage that is neither 1 nor 2 (at 60 or 64).
    pub fn parse(bytes: &[u8], fields: DiscoveryLayout) -> Result<Self, Error> {
        const WHAT: &str = "discovery request";
        let [after_uid, after_stage, _] = fields.gaps();
        let (_, rest) = IotcHeader::expect(WHAT, &[command::DISCOVERY_REQUEST], bytes)?;
        whole(WHAT, Self::LEN, bytes)?;
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
            layout(WHAT, Self::LEN - IotcHeader::LEN, rest, parser)?;
        let stage = match stage {
            1 => Stage::Broadcast,
            2 => Stage::Direct,
            other => {
                return Err(Error::Field {
                    what: WHAT,
                    field: "stage",
                    offset: fields.session_at() + SessionId::LEN,
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
    pub fn write(&self, fields: DiscoveryLayout, out: &mut impl BufMut) {
        let [after_uid, after_stage, end] = fields.gaps();
        IotcHeader::new(mode::SET_UP, 72, command::DISCOVERY_REQUEST, flags::CLIENT).write(out);
        out.put_slice(&self.uid.0);
        out.put_bytes(0, after_uid);
        out.put_slice(&self.version);
        out.put_slice(&self.session.0);
        out.put_u32_le(match self.stage {
            Stage::Broadcast => 1,
            Stage::Direct => 2,
        });
        out.put_bytes(0, after_stage);
        match &self.auth_key {
            Some(key) => out.put_slice(&key.0),
            None => out.put_bytes(0, AuthKey::LEN),
        }
        out.put_bytes(0, end);
    }
}

impl DiscoveryAnswer {
    /// Bytes of the shortest answer: header and UID.
    pub const MIN_LEN: usize = 36;

    /// Reads the datagram; see the type for what may be missing.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 36 bytes, or at 4; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8], fields: DiscoveryLayout) -> Result<Self, Error> {
        const WHAT: &str = "discovery answer";
        let (_, rest) = IotcHeader::expect(WHAT, &[command::DISCOVERY_ANSWER], bytes)?;
        whole(WHAT, Self::MIN_LEN, bytes)?;
        let (uid, _) = layout(WHAT, Uid::LEN, rest, array)?;
        let session = chunk_at(bytes, fields.session_at()).and_then(SessionId::present);
        let address = match fields {
            DiscoveryLayout::SessionAt52 => chunk_at(bytes, 36).and_then(|[a, b, c, d, p0, p1]| {
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

    /// Writes 88 bytes in the summary's layout, 200 in the field's.
    pub fn write(&self, fields: DiscoveryLayout, out: &mut impl BufMut) {
        let session = self.session.unwrap_or_default();
        let len = match fields {
            DiscoveryLayout::SessionAt52 => 88,
            DiscoveryLayout::SessionAt56 => LONG_ANSWER_LEN,
        };
        let body = len - 16;
        IotcHeader::new(mode::SET_UP, body, command::DISCOVERY_ANSWER, flags::CAMERA).write(out);
        out.put_slice(&self.uid.0);
        match fields {
            DiscoveryLayout::SessionAt52 => {
                match self.address {
                    Some(address) => {
                        out.put_slice(&address.ip().octets());
                        out.put_u16_le(address.port());
                    }
                    None => out.put_bytes(0, 6),
                }
                out.put_bytes(0, 10);
            }
            DiscoveryLayout::SessionAt56 => out.put_bytes(0, 20),
        }
        out.put_slice(&session.0);
        out.put_bytes(0, usize::from(len) - fields.session_at() - SessionId::LEN);
    }
}

impl SessionRequest {
    /// Bytes of the packet.
    pub const LEN: usize = 52;
    /// Bytes that the CRC covers.
    const COVERED: usize = 48;

    /// Reads the datagram; bytes after 52 are passed over if the length field counts them.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 52 bytes, or at 4; [`Error::Magic`] at 0 and 8;
    /// [`Error::Checksum`] at 48.
    pub fn parse(bytes: &[u8], trailer: SessionTrailer) -> Result<Self, Error> {
        const WHAT: &str = "session request";
        let (_, rest) = IotcHeader::expect(WHAT, &[command::SESSION_REQUEST], bytes)?;
        whole(WHAT, Self::LEN, bytes)?;
        let parser = (array, array, skip(4), le_u32);
        let ((uid, session, _, last), _) = layout(WHAT, Self::LEN - IotcHeader::LEN, rest, parser)?;
        let stamp = match trailer {
            SessionTrailer::UnixSeconds => SessionStamp::UnixSeconds(last),
            SessionTrailer::Crc32 => {
                let covered = bytes.get(..Self::COVERED).unwrap_or_default();
                let expected = CRC.checksum(covered);
                if last != expected {
                    return Err(Error::Checksum {
                        what: WHAT,
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
    pub fn write(&self, out: &mut impl BufMut) {
        let mut covered = [0; Self::COVERED];
        let mut head = &mut covered[..];
        IotcHeader::new(mode::SET_UP, 36, command::SESSION_REQUEST, flags::SESSION)
            .write(&mut head);
        head.put_slice(&self.uid.0);
        head.put_slice(&self.session.0);
        out.put_slice(&covered);
        out.put_u32_le(match self.stamp {
            SessionStamp::Crc32 => CRC.checksum(&covered),
            SessionStamp::UnixSeconds(seconds) => seconds,
        });
    }
}

impl SessionAnswer {
    /// Bytes that are written.
    pub const LEN: usize = 52;

    /// Reads the datagram; anything with the header and the command passes.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, or at 4; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        IotcHeader::expect("session answer", &[command::SESSION_ANSWER], bytes)?;
        let uid = chunk_at(bytes, 16).map(Uid);
        Ok(Self {
            uid: uid.filter(|uid| *uid != Uid::default()),
            session: chunk_at(bytes, 36).and_then(SessionId::present),
        })
    }

    /// Writes the 52 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        IotcHeader::new(mode::SET_UP, 36, command::SESSION_ANSWER, flags::SESSION).write(out);
        out.put_slice(&self.uid.unwrap_or_default().0);
        out.put_slice(&self.session.unwrap_or_default().0);
        out.put_bytes(0, 8);
    }
}

impl Keepalive {
    /// Bytes of the packet.
    pub const LEN: usize = 24;

    /// Reads the datagram; bytes after 24 are passed over if the length field counts them.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 24 bytes, or at 4; [`Error::Magic`] at 0 and 8.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "keepalive";
        let commands = [command::KEEPALIVE, command::KEEPALIVE_ANSWER];
        let (header, rest) = IotcHeader::expect(WHAT, &commands, bytes)?;
        whole(WHAT, Self::LEN, bytes)?;
        let (body, _) = layout(WHAT, Self::LEN - IotcHeader::LEN, rest, array)?;
        Ok(Self {
            answer: header.command == command::KEEPALIVE_ANSWER,
            body,
        })
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        let (command, flags) = if self.answer {
            (command::KEEPALIVE_ANSWER, flags::CLIENT)
        } else {
            (command::KEEPALIVE, flags::CAMERA)
        };
        IotcHeader::new(mode::SESSION, 8, command, flags).write(out);
        out.put_slice(&self.body);
    }

    /// The answer: the same body.
    #[must_use]
    pub fn acknowledge(self) -> Self {
        Self {
            answer: true,
            ..self
        }
    }
}

/// That a packet has as many bytes as its layout, counted from the datagram's start.
fn whole(what: &'static str, len: usize, bytes: &[u8]) -> Result<(), Error> {
    layout(what, len, bytes, skip(len)).map(|_| ())
}

/// `N` bytes at an offset, where the packet is long enough.
fn chunk_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// Without an AuthKey of zeros, which reads as none.
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

/// Without a session id or an address of zeros, which read as none.
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

/// Without a UID or a session id of zeros, which read as none.
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
