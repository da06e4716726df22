//! Which client a datagram is for, when clients share a socket.

use core::net::SocketAddr;

use super::machine::{Client, State};
use crate::deviation::Tolerated;
use crate::dialect::Dialect;
use crate::wire::Incoming;

/// The bytes of a datagram that are enough to find its session. Obfuscation works on blocks of 16
/// bytes, and the packets of discovery and session are shorter than this.
const PREFIX: usize = 128;

/// How well a datagram matches a client. Greater values match better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Only the IP address matches.
    Address,
    /// The UID, the tag or the session id matches.
    Session,
}

impl Client {
    /// Returns `true` if a datagram from `from` may belong to this client. The datagram is not
    /// changed.
    ///
    /// This is for several clients on one socket. Cameras with different IP addresses are always
    /// told apart. Behind one IP address, the UID and the session id tell them apart. Where a
    /// camera names neither, the address is enough, so two clients can accept the same datagram.
    /// [`Endpoint`](crate::Endpoint) then prefers the better match.
    #[must_use]
    pub fn accepts(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        self.claim(from, datagram).is_some()
    }

    /// Returns how well a datagram matches; `None` if it is not for this client.
    pub(crate) fn claim(&self, from: SocketAddr, datagram: &[u8]) -> Option<Claim> {
        if !self.is_from_camera(from) {
            return None;
        }
        let dialect = match &self.state {
            State::Ended => return None,
            State::Discovering { .. } => {
                (self.config.dialects.iter()).find(|dialect| dialect.recognises(datagram))?
            }
            State::RequestingSession { dialect, .. } => dialect,
            State::Connected(connected) => &connected.wrapper.dialect,
        };
        let named = match self.peek(dialect, datagram)? {
            Incoming::DiscoveryAnswer { uid, verified, .. } if uid == self.side.uid() => verified,
            Incoming::SessionAnswer { session } => match session {
                Some(session) => session == self.session,
                None => false,
            },
            Incoming::Data { session, .. } => match &self.state {
                State::Connected(connected) if connected.wrapper.may_contain(session) => {
                    session == connected.wrapper.session()
                }
                _ => return None,
            },
            Incoming::Keepalive { body } => body == self.session.0,
            _ => return None,
        };
        Some(if named {
            Claim::Session
        } else {
            Claim::Address
        })
    }

    /// Parses the start of a copy of the datagram.
    fn peek(&self, dialect: &Dialect, datagram: &[u8]) -> Option<Incoming> {
        let mut copy = [0; PREFIX];
        let len = datagram.len().min(PREFIX);
        let prefix = copy.get_mut(..len)?;
        prefix.copy_from_slice(datagram.get(..len)?);
        dialect.open(&self.side, prefix, &mut Tolerated::default())
    }
}
