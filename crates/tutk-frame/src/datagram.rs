//! A datagram, descrambled, as what it is.

use crate::Error;
use crate::cc51::{self, Cc51Discovery, Cc51Header, Cc51Keepalive};
use crate::header::{IotcHeader, command};
use crate::setup::{
    DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Keepalive, SessionAnswer, SessionRequest,
    SessionTrailer,
};
use crate::wrapper::{DataHeader, WrapperLayout};

/// The layouts of a dialect's IOTC datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IotcLayout {
    /// Discovery packets.
    pub discovery: DiscoveryLayout,
    /// The session request's last bytes.
    pub session: SessionTrailer,
    /// The data wrapper. With [`WrapperLayout::Cc51`] no IOTC command is data.
    pub wrapper: WrapperLayout,
}

/// A datagram with an IOTC header (wire.md section 2).
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
        /// The header; [`DataHeader::payload_range`] says where the payload is.
        header: DataHeader,
        /// One or more DTLS records.
        payload: &'a [u8],
    },
    /// Commands 0x0428 and 0x0427.
    Keepalive(Keepalive),
    /// Another command, with a header that is right.
    Unknown {
        /// The command.
        command: u16,
    },
}

/// A datagram of the `cc51` dialect (wire.md section 6). Its tag is the caller's to check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cc51<'a> {
    /// Command 0x1002.
    Discovery(Cc51Discovery),
    /// Command 0x1502.
    Data {
        /// The header; [`DataHeader::payload_range`] says where the payload is.
        header: DataHeader,
        /// One or more DTLS records.
        payload: &'a [u8],
        /// The tag over the first 28 bytes.
        tag: &'a [u8],
    },
    /// Command 0x1202.
    Keepalive(Cc51Keepalive),
    /// Another command, with a header that is right.
    Unknown {
        /// The command.
        command: u16,
    },
}

impl<'a> Iotc<'a> {
    /// Reads a datagram by the layouts of a dialect.
    ///
    /// # Errors
    /// Those of the packet's own `parse`.
    pub fn parse(bytes: &'a [u8], layout: IotcLayout) -> Result<Self, Error> {
        let (header, _) = IotcHeader::parse_datagram(bytes)?;
        let packet = match header.command {
            command::DISCOVERY_REQUEST => {
                Self::DiscoveryRequest(DiscoveryRequest::parse(bytes, layout.discovery)?)
            }
            command::DISCOVERY_ANSWER => {
                Self::DiscoveryAnswer(DiscoveryAnswer::parse(bytes, layout.discovery)?)
            }
            command::SESSION_REQUEST => {
                Self::SessionRequest(SessionRequest::parse(bytes, layout.session)?)
            }
            command::SESSION_ANSWER => Self::SessionAnswer(SessionAnswer::parse(bytes)?),
            command::KEEPALIVE | command::KEEPALIVE_ANSWER => {
                Self::Keepalive(Keepalive::parse(bytes)?)
            }
            command if layout.wrapper.is_iotc_data(command) => {
                let header = DataHeader::parse(bytes, layout.wrapper)?;
                let payload = bytes.get(header.payload_range()).unwrap_or_default();
                Self::Data { header, payload }
            }
            command => Self::Unknown { command },
        };
        Ok(packet)
    }
}

impl<'a> Cc51<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// Those of the packet's own `parse`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, _) = Cc51Header::parse_datagram(bytes)?;
        let packet = match header.command {
            cc51::command::DISCOVERY => Self::Discovery(Cc51Discovery::parse(bytes)?),
            cc51::command::KEEPALIVE => Self::Keepalive(Cc51Keepalive::parse(bytes)?),
            cc51::command::DATA => {
                let header = DataHeader::parse(bytes, WrapperLayout::Cc51)?;
                Self::Data {
                    header,
                    payload: bytes.get(header.payload_range()).unwrap_or_default(),
                    tag: bytes.get(header.tag_range()).unwrap_or_default(),
                }
            }
            command => Self::Unknown { command },
        };
        Ok(packet)
    }
}
