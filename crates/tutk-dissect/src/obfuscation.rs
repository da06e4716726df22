//! Finds out if a datagram belongs to the protocol, and removes its obfuscation.

use tutk_frame::header::command;
use tutk_frame::{Cc51Header, IotcHeader, IotcLayout};
use tutk_session::{DISCOVERY_PORT, Dialect, Transport};

/// The obfuscation of a datagram (docs/protocol.md, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Obfuscation {
    /// That of a dialect, which may be none.
    Of(&'static Dialect),
    /// No obfuscation, and an IOTC header. No dialect is known to send it.
    Plain,
}

impl Obfuscation {
    /// Finds the obfuscation of a datagram and removes it. Two bytes identify the protocol. Unless
    /// the datagram is `expected`, its command must be known as well.
    pub(crate) fn remove(datagram: &mut [u8], expected: bool) -> Option<Self> {
        if datagram.get(..2)? == Cc51Header::MAGIC {
            return Some(Self::Of(&Dialect::CC51));
        }
        let header = *datagram.first_chunk::<{ IotcHeader::LEN }>()?;
        let is_header = |header: &[u8]| {
            IotcHeader::parse(header)
                .is_ok_and(|(header, _)| expected || command::ALL.contains(&header.command))
        };
        let dialect = Dialect::ALL.into_iter().find(|dialect| {
            let mut header = header;
            dialect.descramble(&mut header);
            matches!(dialect.transport, Transport::Iotc(_)) && is_header(&header)
        });
        match dialect {
            Some(dialect) => {
                dialect.descramble(datagram);
                Some(Self::Of(dialect))
            }
            None => is_header(&header).then_some(Self::Plain),
        }
    }

    /// Returns `true` if a datagram between these ports is expected to be of the protocol.
    pub(crate) fn is_expected([source, destination]: [u16; 2]) -> bool {
        source == DISCOVERY_PORT || destination == DISCOVERY_PORT
    }

    /// Returns the dialect that has this obfuscation.
    pub(crate) fn dialect(self) -> Option<&'static Dialect> {
        match self {
            Self::Of(dialect) => Some(dialect),
            Self::Plain => None,
        }
    }

    /// Returns the layouts of a datagram with an IOTC header, or `None` for a cc51 header.
    pub(crate) fn iotc_layout(self) -> Option<IotcLayout> {
        match &self.dialect().unwrap_or(&Dialect::TRANSCODE).transport {
            Transport::Iotc(iotc) => Some(iotc.layout),
            _ => None,
        }
    }

    /// Returns the name of the dialect.
    pub(crate) fn name(self) -> &'static str {
        self.dialect().map_or("plain", |dialect| dialect.name)
    }
}
