//! Session ids and tickets that need no state per client.

use core::net::{IpAddr, SocketAddr};

use disco_cipher::tag::{TAG_LEN, Tagger};
use tutk_frame::SessionId;
use tutk_session::internal::AssignedSession;

/// The length of the hashed address and port in bytes.
const ADDRESS_LEN: usize = 18;

/// Makes session ids and tickets (docs/protocol.md, section 9).
///
/// A discovery request may have a forged source address, so it creates no state. Session id and
/// ticket are HMACs of the source address, and are computed again when the client returns them. The
/// session id differs from the client's, so that a client that continues with its own has no valid
/// ticket. How real cameras choose theirs is not known.
#[derive(Debug)]
pub(crate) struct SessionIds(Tagger);

impl SessionIds {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(Tagger::new(secret, b""))
    }

    /// Returns the session for a client that asks with the session id `asked`.
    pub(crate) fn assign(&self, client: SocketAddr, asked: SessionId) -> AssignedSession {
        let [a, b, c, d, e, f, g, h, ..] = self.mac(0, client, asked);
        let session = SessionId([a, b, c, d, e, f, g, h]);
        AssignedSession {
            session,
            ticket: self.ticket(client, session),
        }
    }

    /// Returns the ticket of a session. It is never 0, which means no ticket.
    pub(crate) fn ticket(&self, client: SocketAddr, session: SessionId) -> u16 {
        let [low, high, ..] = self.mac(1, client, session);
        u16::from_le_bytes([low, high]).max(1)
    }

    fn mac(&self, purpose: u8, client: SocketAddr, id: SessionId) -> [u8; TAG_LEN] {
        let ip = match client.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut input = [0; 1 + ADDRESS_LEN + SessionId::LEN];
        let parts = [purpose]
            .into_iter()
            .chain(ip.octets())
            .chain(client.port().to_le_bytes())
            .chain(id.0);
        for (to, from) in input.iter_mut().zip(parts) {
            *to = from;
        }
        self.0.tag(&input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_depends_on_address_session_and_secret() {
        let ids = SessionIds::new(&[7; 32]);
        let here: SocketAddr = "192.0.2.2:50000".parse().unwrap();
        let asked = SessionId(*b"asked id");
        let AssignedSession { session, ticket } = ids.assign(here, asked);
        assert_ne!(session, asked);
        assert_ne!(ticket, 0);
        assert_eq!(ids.ticket(here, session), ticket);
        assert_eq!(ids.assign(here, asked), AssignedSession { session, ticket });
        assert_ne!(ids.ticket(here, asked), ticket);
        for elsewhere in ["192.0.2.2:50001", "192.0.2.3:50000"] {
            assert_ne!(ids.ticket(elsewhere.parse().unwrap(), session), ticket);
        }
        assert_ne!(SessionIds::new(&[8; 32]).ticket(here, session), ticket);
    }
}
