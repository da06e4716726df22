//! Accepting connections on a socket shared by many clients.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use tutk_time::Instant;
use zeroize::Zeroizing;

use crate::config::{Config, Role};
use crate::connection::Connection;
use crate::cookie::{self, CookieCheck};
use crate::error::Error;
use crate::event::Output;
use crate::messages::Fragment;
use crate::record::{self, ContentType, Epoch, RecordId, Split, split};
use crate::seed::Seed;

/// The name of the cookie secrets that are derived from the seed.
const SECRET: &str = "cookie secret";

/// A stateless acceptor for a server socket that many clients share.
///
/// An `Acceptor` answers ClientHellos with HelloVerifyRequests and keeps no state for a client
/// until the client returns a valid cookie from its address (RFC 6347 section 4.2.1).
///
/// The server passes it each datagram from an address that has no [`Connection`]. Its memory use
/// does not depend on the number of datagrams. Call [`rotate_secret`](Self::rotate_secret) from
/// time to time to replace the cookie secret.
///
/// The server limits the number of connections: a client with many addresses can open one at each.
/// A connection whose handshake does not complete ends after [`Config::with_max_retransmits`]
/// retransmissions.
///
/// A client that lost its state starts a new handshake, in epoch 0, from the address of its old
/// connection. The old connection ignores these datagrams
/// ([`Stats::unexpected`](crate::Stats::unexpected)). To accept the client again, pass them to the
/// acceptor as well, and replace the old connection once the new one [is
/// connected](Connection::is_connected). Do not replace it earlier: until then an attacker on the
/// path could have sent the hello (RFC 6347 section 4.2.8).
///
/// ```
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # fn main() -> Result<(), dtls_psk::Error> {
/// use std::sync::Arc;
/// use tutk_time::Instant;
///
/// use dtls_psk::{Accept, Acceptor, Config, Connection, Output, Psk};
///
/// let seed = [1; 32]; // Use random bytes in production.
/// let now = Instant::ZERO;
/// let psk = || Psk::new([7; 32]);
/// let config = Arc::new(Config::server(move |_: &[u8]| Some(psk())));
/// let mut acceptor = Acceptor::new(config, seed)?;
/// let mut client = Connection::client(Arc::new(Config::client("me", psk())), [2; 32], now)?;
///
/// let Output::Transmit(hello) = client.poll_output() else { unreachable!() };
/// let mut hello = hello.to_vec();
/// let mut reply = match acceptor.handle_datagram(now, b"192.0.2.7:4433", &mut hello)? {
///     Accept::Reply(datagram) => datagram.to_vec(),
///     other => unreachable!("{other:?}"),
/// };
/// client.handle_datagram(now, &mut reply, |_| {})?;
/// let Output::Transmit(hello) = client.poll_output() else { unreachable!() };
/// let mut hello = hello.to_vec();
/// let accept = acceptor.handle_datagram(now, b"192.0.2.7:4433", &mut hello)?;
/// assert!(matches!(accept, Accept::Connection(_)));
/// # Ok(())
/// # }
/// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # fn main() {}
/// ```
pub struct Acceptor {
    config: Arc<Config>,
    seed: Seed,
    /// The number of the next connection.
    connections: u64,
    /// The number of the next cookie secret.
    secrets: u64,
    secret: Zeroizing<[u8; 32]>,
    /// The previous secret, valid until the next rotation.
    previous: Option<Zeroizing<[u8; 32]>>,
    /// The last reply. Reusing it limits allocation to the cookie of each hello.
    reply: Vec<u8>,
    stats: AcceptorStats,
}

/// The action for a datagram (RFC 6347 section 4.2.1).
#[derive(Debug)]
pub enum Accept<'a> {
    /// Drop the datagram: it does not start a connection.
    Drop,
    /// Send this datagram to the peer. No state is kept.
    Reply(&'a [u8]),
    /// The peer returned a valid cookie. The connection has already handled the datagram: poll it,
    /// and pass it all further datagrams from the peer.
    Connection(Box<Connection>),
    /// The peer returned a valid cookie, but its hello cannot be accepted. Send `alert` to the
    /// peer.
    Refuse {
        /// The datagram with the alert.
        alert: &'a [u8],
        /// The reason.
        error: Error,
    },
}

/// Datagram counters of an [`Acceptor`] (RFC 6347 section 4.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptorStats {
    /// Datagrams passed to `handle_datagram`.
    pub datagrams: u64,
    /// Datagrams dropped.
    pub dropped: u64,
    /// Datagrams answered with a HelloVerifyRequest.
    pub verify_requests: u64,
    /// Datagrams that created a connection.
    pub accepted: u64,
    /// Datagrams with a valid cookie that were refused.
    pub refused: u64,
}

impl Acceptor {
    /// Creates an acceptor for connections with `config`.
    ///
    /// `seed` must be 32 random bytes. The seeds of all connections are derived from it, and so are
    /// the cookie secrets, except that of [`Config::with_cookie_secret`].
    ///
    /// Without a [cookie exchange](Config::with_cookie_exchange) each hello creates a connection.
    /// In either case a hello must arrive in one datagram: fragments are not kept.
    ///
    /// # Errors
    ///
    /// The errors of [`Connection::server`].
    pub fn new(config: Arc<Config>, seed: [u8; 32]) -> Result<Self, Error> {
        let Role::Server { .. } = &config.role else {
            return Err(Error::WrongRole {
                expected: "server",
                got: "client",
            });
        };
        config.check()?;
        let seed = Seed::new(seed);
        let secret = match &config.cookie_secret {
            Some(secret) => secret.clone(),
            None => seed.derive(config.provider, SECRET, 0)?,
        };
        Ok(Self {
            config,
            seed,
            connections: 0,
            secrets: 1,
            secret,
            previous: None,
            reply: Vec::new(),
            stats: AcceptorStats::default(),
        })
    }

    /// Handles one UDP payload from a peer without a connection.
    ///
    /// `peer_id` identifies the peer's address: a cookie is valid only for the `peer_id` it was
    /// created for.
    ///
    /// # Errors
    ///
    /// Fails only if the crypto provider fails.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        peer_id: &[u8],
        datagram: &mut [u8],
    ) -> Result<Accept<'_>, Error> {
        self.stats.datagrams += 1;
        self.reply.clear();
        let secret = match self.decide(peer_id, datagram)? {
            Decision::Drop => {
                self.stats.dropped += 1;
                return Ok(Accept::Drop);
            }
            Decision::Reply => {
                self.stats.verify_requests += 1;
                return Ok(Accept::Reply(&self.reply));
            }
            Decision::Accept(secret) => secret,
        };
        let config = Arc::clone(&self.config);
        let seed = self
            .seed
            .derive(config.provider, "connection", self.connections)?;
        self.connections += 1;
        let mut connection = Connection::server_with(config, peer_id, secret, *seed, now)?;
        // Data cannot arrive before the handshake.
        match connection.handle_datagram(now, datagram, |_| {}) {
            Ok(()) => {
                self.stats.accepted += 1;
                Ok(Accept::Connection(Box::new(connection)))
            }
            Err(error) => {
                self.stats.refused += 1;
                if let Output::Transmit(alert) = connection.poll_output() {
                    self.reply.extend_from_slice(alert);
                }
                Ok(Accept::Refuse {
                    alert: &self.reply,
                    error,
                })
            }
        }
    }

    /// Replaces the cookie secret. Cookies created with the old secret stay valid until the next
    /// call.
    ///
    /// Call it every few minutes, so that an attacker cannot collect cookies over a long time and
    /// use them all at once (RFC 6347 section 4.2.1).
    ///
    /// # Errors
    ///
    /// Fails only if the crypto provider fails. The secret is then not replaced.
    pub fn rotate_secret(&mut self) -> Result<(), Error> {
        let new = self
            .seed
            .derive(self.config.provider, SECRET, self.secrets)?;
        self.secrets += 1;
        self.previous = Some(core::mem::replace(&mut self.secret, new));
        Ok(())
    }

    /// Returns the datagram counters.
    pub fn stats(&self) -> AcceptorStats {
        self.stats
    }

    /// Decides on the first message of a datagram, and writes the reply if there is one.
    fn decide(&mut self, peer_id: &[u8], datagram: &mut [u8]) -> Result<Decision, Error> {
        let Split::Record(id, content, _) = split(datagram) else {
            return Ok(Decision::Drop);
        };
        if !matches!(
            id,
            RecordId {
                content_type: ContentType::Handshake,
                epoch: Epoch::Plain,
                ..
            }
        ) {
            return Ok(Decision::Drop);
        }
        let Some((fragment, _)) = Fragment::split(content) else {
            return Ok(Decision::Drop);
        };
        if !cookie::is_first_hello(&fragment) {
            return Ok(Decision::Drop);
        }
        if !self.config.cookie_exchange {
            return Ok(if cookie::whole_hello(&fragment).is_some() {
                Decision::Accept(None)
            } else {
                Decision::Drop
            });
        }
        let secrets = [Some(&self.secret), self.previous.as_ref()];
        let secrets = secrets.into_iter().flatten();
        match cookie::check(
            self.config.provider,
            secrets,
            peer_id,
            id.sequence,
            &fragment,
        )? {
            CookieCheck::Malformed => Ok(Decision::Drop),
            CookieCheck::Verified(secret) => Ok(Decision::Accept(Some(secret.clone()))),
            CookieCheck::Unverified { record, content } => {
                record::append_plain(record, &content, &mut self.reply)?;
                Ok(Decision::Reply)
            }
        }
    }
}

enum Decision {
    Drop,
    Reply,
    /// Contains the secret of the cookie, or `None` without a cookie exchange.
    Accept(Option<Zeroizing<[u8; 32]>>),
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
