//! Finds out if a datagram belongs to the protocol, and removes its obfuscation.

use disco_cipher::transcode;
use disco_cipher::xor::{self, XorKey};
use tutk_frame::header::command;
use tutk_frame::{Cc51Header, IotcHeader};
use tutk_session::{DISCOVERY_PORT, Dialect};

/// The obfuscation of a datagram (docs/protocol.md, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Obfuscation {
    /// No obfuscation, and a cc51 header.
    Cc51,
    TransCode,
    Xor,
    /// No obfuscation, and an IOTC header. No dialect is known to send it.
    Plain,
}

impl Obfuscation {
    /// Finds the obfuscation of a datagram and removes it. Two bytes identify the protocol. Unless
    /// the datagram is `expected`, its command must be known as well.
    pub(crate) fn remove(datagram: &mut [u8], expected: bool) -> Option<Self> {
        if datagram.get(..2)? == Cc51Header::MAGIC {
            return Some(Self::Cc51);
        }
        let header = *datagram.first_chunk::<{ IotcHeader::LEN }>()?;
        let found = [Self::TransCode, Self::Xor, Self::Plain]
            .into_iter()
            .find(|obfuscation| {
                let mut header = header;
                match obfuscation {
                    Self::TransCode => transcode::descramble_block(&mut header),
                    Self::Xor => xor::apply(&XorKey::SDK, &mut header),
                    Self::Plain | Self::Cc51 => {}
                }
                IotcHeader::parse(&header)
                    .is_ok_and(|(header, _)| expected || command::ALL.contains(&header.command))
            })?;
        match found {
            Self::TransCode => transcode::descramble_datagram(datagram),
            Self::Xor => xor::apply(&XorKey::SDK, datagram),
            Self::Plain | Self::Cc51 => {}
        }
        Some(found)
    }

    /// Returns `true` if a datagram between these ports is expected to be of the protocol.
    pub(crate) fn is_expected([source, destination]: [u16; 2]) -> bool {
        source == DISCOVERY_PORT || destination == DISCOVERY_PORT
    }

    /// Returns the dialect that has this obfuscation.
    pub(crate) fn dialect(self) -> Option<&'static Dialect> {
        match self {
            Self::Cc51 => Some(&Dialect::CC51),
            Self::TransCode => Some(&Dialect::TRANSCODE),
            Self::Xor => Some(&Dialect::SUMMARY),
            Self::Plain => None,
        }
    }

    /// Returns the name of the dialect.
    pub(crate) fn name(self) -> &'static str {
        self.dialect().map_or("plain", |dialect| dialect.name)
    }
}
