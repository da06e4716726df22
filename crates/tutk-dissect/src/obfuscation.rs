//! Finds out if a datagram belongs to the protocol, and removes its obfuscation.

use std::sync::Arc;

use tutk_frame::header::command;
use tutk_frame::{Cc51Header, IotcHeader, IotcLayout};
use tutk_session::{DISCOVERY_PORT, Dialect, Transport};

/// The obfuscation of a datagram (docs/protocol.md, section 6).
#[derive(Debug, Clone)]
pub(crate) enum Obfuscation {
    /// That of a dialect, which may be none.
    Of(Arc<Dialect>),
    /// No obfuscation, and an IOTC header. No dialect is known to send it.
    Plain,
}

impl Obfuscation {
    /// Finds the obfuscation of a datagram and removes it. Two bytes identify the protocol. Unless
    /// the datagram is `expected`, its command must be known as well.
    pub(crate) fn remove(
        dialects: &[Arc<Dialect>],
        datagram: &mut [u8],
        expected: bool,
    ) -> Option<Self> {
        let is_cc51 = datagram.get(..2)? == Cc51Header::MAGIC;
        let is_header = |header: &[u8]| {
            IotcHeader::parse(header)
                .is_ok_and(|(header, _)| expected || command::ALL.contains(&header.command))
        };
        let header = datagram.first_chunk::<{ IotcHeader::LEN }>().copied();
        let dialect = dialects.iter().find(|dialect| match &dialect.transport {
            Transport::Iotc(_) => {
                !is_cc51
                    && header.is_some_and(|mut header| {
                        dialect.descramble(&mut header);
                        is_header(&header)
                    })
            }
            Transport::Cc51 => is_cc51,
            _ => false,
        });
        match dialect {
            Some(dialect) => {
                dialect.descramble(datagram);
                Some(Self::Of(Arc::clone(dialect)))
            }
            None => is_header(&header?).then_some(Self::Plain),
        }
    }

    /// Returns `true` if a datagram between these ports is expected to be of the protocol.
    pub(crate) fn is_expected([source, destination]: [u16; 2]) -> bool {
        source == DISCOVERY_PORT || destination == DISCOVERY_PORT
    }

    /// Returns the dialect that has this obfuscation.
    pub(crate) fn dialect(&self) -> Option<&Arc<Dialect>> {
        match self {
            Self::Of(dialect) => Some(dialect),
            Self::Plain => None,
        }
    }

    /// Returns the layouts of a datagram with an IOTC header, or `None` for a cc51 header.
    pub(crate) fn iotc_layout(&self) -> Option<IotcLayout> {
        match self.dialect().map(|dialect| &dialect.transport) {
            Some(Transport::Iotc(iotc)) => Some(iotc.layout),
            Some(_) => None,
            None => Some(IotcLayout::TRANSCODE),
        }
    }
}
