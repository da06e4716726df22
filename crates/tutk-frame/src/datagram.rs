//! Descrambled datagrams, classified by their command.

use crate::cc51::{self, Cc51Discovery, Cc51Header, Cc51Keepalive};
use crate::error::Error;
use crate::header::{IotcHeader, command};
use crate::setup::{
    Close, DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Keepalive, SessionAnswer,
    SessionRequest, SessionTrailer,
};
use crate::wrapper::{DataHeader, WrapperLayout};

/// The layouts of the IOTC datagrams of a dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IotcLayout {
    /// The layout of discovery packets.
    pub discovery: DiscoveryLayout,
    /// The last bytes of the session request.
    pub session: SessionTrailer,
    /// The data wrapper. With [`WrapperLayout::Cc51`] no IOTC command is data.
    pub wrapper: WrapperLayout,
}

impl IotcLayout {
    /// The layouts of `transcode`.
    pub const TRANSCODE: Self = Self {
        discovery: DiscoveryLayout::SessionAt56,
        session: SessionTrailer::UnixSeconds,
        wrapper: WrapperLayout::Iotc28,
    };

    /// The layouts of `summary`.
    pub const SUMMARY: Self = Self {
        discovery: DiscoveryLayout::SessionAt52,
        session: SessionTrailer::Crc32,
        wrapper: WrapperLayout::Iotc30,
    };
}

/// A datagram with an IOTC header (docs/protocol.md, sections 5 to 8).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Iotc<'a> {
    /// Command 0x0601.
    DiscoveryRequest(DiscoveryRequest),
    /// Command 0x0602.
    DiscoveryAnswer(DiscoveryAnswer),
    /// Command 0x0402.
    SessionRequest(SessionRequest),
    /// Command 0x0404.
    SessionAnswer(SessionAnswer),
    /// DTLS records.
    Data {
        /// The header. [`DataHeader::payload_range`] locates the payload.
        header: DataHeader,
        /// One or more DTLS records.
        payload: &'a [u8],
    },
    /// Commands 0x0428 and 0x0427.
    Keepalive(Keepalive),
    /// Command 0x0417.
    Close(Close),
    /// An unknown command with a valid header.
    Unknown {
        /// The command.
        command: u16,
    },
}

/// A datagram of the `cc51` dialect (docs/protocol.md, section 9). The caller must check its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cc51<'a> {
    /// Command 0x1002.
    Discovery(Cc51Discovery),
    /// Command 0x1502.
    Data {
        /// The header. [`DataHeader::payload_range`] locates the payload.
        header: DataHeader,
        /// One or more DTLS records.
        payload: &'a [u8],
        /// The tag over the first 28 bytes.
        tag: &'a [u8],
    },
    /// Command 0x1202.
    Keepalive(Cc51Keepalive),
    /// An unknown command with a valid header.
    Unknown {
        /// The command.
        command: u16,
    },
}

impl<'a> Iotc<'a> {
    /// Parses a datagram in the layouts of a dialect. The IOTC header is parsed once.
    ///
    /// # Errors
    /// The errors of the packet's own `parse`.
    pub fn parse(bytes: &'a [u8], layout: IotcLayout) -> Result<Self, Error> {
        let (header, body) = IotcHeader::parse(bytes)?;
        Ok(match header.command {
            command::DISCOVERY_REQUEST => {
                Self::DiscoveryRequest(DiscoveryRequest::from_body(body, layout.discovery)?)
            }
            command::DISCOVERY_ANSWER => {
                Self::DiscoveryAnswer(DiscoveryAnswer::from_body(body, layout.discovery)?)
            }
            command::SESSION_REQUEST => {
                Self::SessionRequest(SessionRequest::from_datagram(bytes, layout.session)?)
            }
            command::SESSION_ANSWER => Self::SessionAnswer(SessionAnswer::from_body(body)),
            command::KEEPALIVE | command::KEEPALIVE_ANSWER => {
                Self::Keepalive(Keepalive::from_body(&header, body)?)
            }
            command::CLOSE => Self::Close(Close::from_body(body)?),
            command => match layout.wrapper.direction(command) {
                Some(direction) if layout.wrapper != WrapperLayout::Cc51 => {
                    let header = DataHeader::from_iotc(&header, direction, body, layout.wrapper)?;
                    let payload = bytes.get(header.payload_range()).unwrap_or_default();
                    Self::Data { header, payload }
                }
                _ => Self::Unknown { command },
            },
        })
    }
}

impl<'a> Cc51<'a> {
    /// Parses a datagram. The cc51 header is parsed once.
    ///
    /// # Errors
    /// The errors of the packet's own `parse`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, body) = Cc51Header::parse(bytes)?;
        Ok(match header.command {
            cc51::command::DISCOVERY => Self::Discovery(Cc51Discovery::from_body(&header, body)?),
            cc51::command::KEEPALIVE => Self::Keepalive(Cc51Keepalive::from_body(&header, body)?),
            cc51::command::DATA => {
                let header = DataHeader::from_cc51(&header, body)?;
                Self::Data {
                    header,
                    payload: bytes.get(header.payload_range()).unwrap_or_default(),
                    tag: bytes.get(header.tag_range()).unwrap_or_default(),
                }
            }
            command => Self::Unknown { command },
        })
    }
}
