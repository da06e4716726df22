//! The sessions that a camera gives, before it keeps anything of a client.

use std::net::{IpAddr, SocketAddr};

use disco_cipher::tag::{TAG_LEN, Tagger};
use tutk_frame::SessionId;

use tutk_session::internal::Place;

/// Bytes of address and port, as they are hashed.
const ADDRESS_LEN: usize = 18;

/// Makes session ids and tickets (wire.md section 6).
///
/// A question is a small packet in anybody's name, so nothing is kept of it: session id and ticket
/// are HMACs of where it came from, and can be told again when the client comes back with them. The
/// session id is another than the client's, so that a client that goes on with its own has no
/// ticket for it. How real cameras draw theirs is not known.
#[derive(Debug)]
pub(crate) struct Tickets(Tagger);

impl Tickets {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self(Tagger::new(secret, b""))
    }

    /// The session for a client that asks from there, in that name.
    pub(crate) fn place(&self, client: SocketAddr, name: SessionId) -> Place {
        let [a, b, c, d, e, f, g, h, ..] = self.mac(0, client, name);
        let session = SessionId([a, b, c, d, e, f, g, h]);
        Place {
            session,
            ticket: self.ticket(client, session),
        }
    }

    /// The ticket that goes with a session. Never 0, which stands for none.
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
    fn a_ticket_is_for_one_address_and_one_session() {
        let tickets = Tickets::new(&[7; 32]);
        let here: SocketAddr = "192.0.2.2:50000".parse().unwrap();
        let name = SessionId(*b"its name");
        let Place { session, ticket } = tickets.place(here, name);
        assert_ne!(session, name);
        assert_ne!(ticket, 0);
        assert_eq!(tickets.ticket(here, session), ticket);
        assert_eq!(tickets.place(here, name), Place { session, ticket });
        assert_ne!(tickets.ticket(here, name), ticket);
        for elsewhere in ["192.0.2.2:50001", "192.0.2.3:50000"] {
            assert_ne!(tickets.ticket(elsewhere.parse().unwrap(), session), ticket);
        }
        assert_ne!(Tickets::new(&[8; 32]).ticket(here, session), ticket);
    }
}
