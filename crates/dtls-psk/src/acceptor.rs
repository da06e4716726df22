//! The door of a server with many peers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::CryptoProvider;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::config::{Config, Role};
use crate::connection::Connection;
use crate::cookie::{self, Judged};
use crate::error::Error;
use crate::event::Output;
use crate::messages::Fragment;
use crate::record::{self, ContentType, Epoch, RecordId, Split, split};

/// Answers the first hellos of any number of clients, and keeps nothing of any of them until one has shown
/// with a cookie that it receives at its address (RFC 6347 section 4.2.1).
///
/// A server gives it every datagram that comes from an address without a [`Connection`]; its size is the
/// same after a million of them. Cookies are made with a secret that
/// [`rotate_secret`](Self::rotate_secret) changes.
///
/// How many connections to keep is for the server to say: whoever has addresses to receive at can open one
/// at each. One that does not finish its handshake ends by itself
/// ([`Config::with_max_retransmits`]).
///
/// A client that lost its state begins anew from the address of its old connection, in epoch 0, which that
/// connection no longer looks at ([`Stats::unexpected`](crate::Stats::unexpected)). A server that wants to
/// let it in gives such datagrams to the acceptor too, and lets the new connection take the place of the old
/// when it [is connected](Connection::is_connected), not before: till then anybody on the path could be
/// meant (RFC 6347 section 4.2.8).
///
/// ```
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # fn main() -> Result<(), dtls_psk::Error> {
/// use std::sync::Arc;
/// use std::time::Instant;
///
/// use dtls_psk::{Accept, Acceptor, Config, Connection, Output, Psk};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let mut rng = StdRng::seed_from_u64(1); // No generator for real use.
/// let now = Instant::now();
/// let psk = || Psk::new([7; 32]);
/// let config = Arc::new(Config::server(move |_: &[u8]| Some(psk())));
/// let mut acceptor = Acceptor::new(config, &mut rng)?;
/// let mut client = Connection::client(Arc::new(Config::client("me", psk())), &mut rng, now)?;
///
/// let Output::Transmit(hello) = client.poll_output() else { unreachable!() };
/// let mut hello = hello.to_vec();
/// let mut reply = match acceptor.handle_datagram(b"192.0.2.7:4433", &mut hello, &mut rng, now)? {
///     Accept::Reply(datagram) => datagram.to_vec(),
///     other => unreachable!("{other:?}"),
/// };
/// client.handle_datagram(now, &mut reply, |_| {})?;
/// let Output::Transmit(hello) = client.poll_output() else { unreachable!() };
/// let mut hello = hello.to_vec();
/// let accept = acceptor.handle_datagram(b"192.0.2.7:4433", &mut hello, &mut rng, now)?;
/// assert!(matches!(accept, Accept::Connection(_)));
/// # Ok(())
/// # }
/// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # fn main() {}
/// ```
pub struct Acceptor {
    config: Arc<Config>,
    provider: CryptoProvider,
    secret: Zeroizing<[u8; 32]>,
    /// The one before: cookies made with it hold until the next change.
    previous: Option<Zeroizing<[u8; 32]>>,
    /// The datagram that was lent out last, kept so that answering allocates no more than a hello's cookie.
    reply: Vec<u8>,
    stats: AcceptorStats,
}

/// What to do about a datagram (RFC 6347 section 4.2.1).
#[derive(Debug)]
pub enum Accept<'a> {
    /// Nothing: it is noise, or not for the beginning of a connection.
    Drop,
    /// Send this datagram to the peer, and forget the peer.
    Reply(&'a [u8]),
    /// The peer receives at its address: this is its connection, which has taken the datagram. Poll it, and
    /// give it all that comes from the peer from now on.
    Connection(Box<Connection>),
    /// The peer receives at its address and cannot be served. Send it `alert`, one datagram, and forget it.
    Refuse {
        /// The datagram that tells the peer.
        alert: &'a [u8],
        /// What is wrong with its hello.
        error: Error,
    },
}

/// What came to an [`Acceptor`] (RFC 6347 section 4.2.1), in datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcceptorStats {
    /// Datagrams given to `handle_datagram`.
    pub datagrams: u64,
    /// Those that were dropped.
    pub dropped: u64,
    /// Those that were answered with a HelloVerifyRequest.
    pub verify_requests: u64,
    /// Those that became a connection.
    pub accepted: u64,
    /// Those with a good cookie that were refused.
    pub refused: u64,
}

impl Acceptor {
    /// A door for connections with `config`. Cookies are made with the secret of
    /// [`Config::with_cookie_secret`], or with one drawn from `rng`.
    ///
    /// Without a [cookie exchange](Config::with_cookie_exchange) every hello becomes a connection at once.
    /// A hello must come whole either way: no fragment is kept.
    ///
    /// # Errors
    ///
    /// As [`Connection::server`].
    pub fn new(config: Arc<Config>, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        let Role::Server { .. } = &config.role else {
            return Err(Error::WrongRole {
                expected: "server",
                got: "client",
            });
        };
        let provider = config.ready()?;
        let secret = config.cookie_secret.clone().unwrap_or_else(|| draw(rng));
        Ok(Self {
            config,
            provider,
            secret,
            previous: None,
            reply: Vec::new(),
            stats: AcceptorStats::default(),
        })
    }

    /// Takes one UDP payload from a peer without a connection. `peer_id` names the peer's address: a cookie
    /// made for one does not hold for another. A connection that comes of it draws from `rng` what
    /// [`Connection::server`] does.
    ///
    /// # Errors
    ///
    /// If the provider fails; nothing that a peer sends is an error here.
    pub fn handle_datagram(
        &mut self,
        peer_id: &[u8],
        datagram: &mut [u8],
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Accept<'_>, Error> {
        self.stats.datagrams += 1;
        self.reply.clear();
        let secret = match self.judge(peer_id, datagram)? {
            Verdict::Drop => {
                self.stats.dropped += 1;
                return Ok(Accept::Drop);
            }
            Verdict::Verify => {
                self.stats.verify_requests += 1;
                return Ok(Accept::Reply(&self.reply));
            }
            Verdict::Accept(secret) => secret,
        };
        let config = Arc::clone(&self.config);
        let mut connection = Connection::server_with(config, peer_id, secret, rng, now)?;
        // No data can come before the handshake.
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

    /// Draws a new secret. Cookies made with the old one hold until the next call: call it at intervals of
    /// minutes, so that cookies gathered over time do not make a flood one day (RFC 6347 section 4.2.1).
    pub fn rotate_secret(&mut self, rng: &mut dyn CryptoRng) {
        let old = std::mem::replace(&mut self.secret, draw(rng));
        self.previous = Some(old);
    }

    /// What came so far, and what became of it.
    pub fn stats(&self) -> AcceptorStats {
        self.stats
    }

    /// Looks at the first message of a datagram, and writes the reply if one is due.
    fn judge(&mut self, peer_id: &[u8], datagram: &mut [u8]) -> Result<Verdict, Error> {
        let Split::Record(id, content, _) = split(datagram) else {
            return Ok(Verdict::Drop);
        };
        if !matches!(
            id,
            RecordId {
                content_type: ContentType::Handshake,
                epoch: Epoch::Plain,
                ..
            }
        ) {
            return Ok(Verdict::Drop);
        }
        let Some((fragment, _)) = Fragment::split(content) else {
            return Ok(Verdict::Drop);
        };
        if !cookie::is_first_hello(&fragment) {
            return Ok(Verdict::Drop);
        }
        if !self.config.cookie_exchange {
            return Ok(if cookie::whole_hello(&fragment).is_some() {
                Verdict::Accept(None)
            } else {
                Verdict::Drop
            });
        }
        let secrets = [Some(&self.secret), self.previous.as_ref()];
        let secrets = secrets.into_iter().flatten();
        match cookie::judge(&self.provider, secrets, peer_id, id.sequence, &fragment)? {
            Judged::Malformed => Ok(Verdict::Drop),
            Judged::Verified(secret) => Ok(Verdict::Accept(Some(secret.clone()))),
            Judged::Unverified { record, content } => {
                record::append_plain(record, &content, &mut self.reply)?;
                Ok(Verdict::Verify)
            }
        }
    }
}

enum Verdict {
    Drop,
    Verify,
    /// With the secret that the cookie was made with, if there was to be one.
    Accept(Option<Zeroizing<[u8; 32]>>),
}

fn draw(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill_bytes(secret.as_mut_slice());
    secret
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
