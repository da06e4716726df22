//! One end of a DTLS association.

mod incoming;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::client::ClientHandshake;
use crate::config::{Config, Role};
use crate::early::EarlyRecords;
use crate::engine::Engine;
use crate::error::{Error, Stage};
use crate::event::{Output, Stats};
use crate::flight::Due;
use crate::outbox::MAX_QUEUED;
use crate::record::{ContentType, Epoch};
use crate::server::{ServerHandshake, ServerSecrets};

/// How far ahead the instant lies that stands for "nothing is due".
const IDLE: Duration = Duration::from_secs(3600);

/// One end of a DTLS 1.2 association (RFC 6347): a state machine without sockets or a clock.
///
/// After [`Connection::client`], [`handle_datagram`](Self::handle_datagram),
/// [`handle_timeout`](Self::handle_timeout), [`send`](Self::send) and [`close`](Self::close), also when
/// they fail, call [`poll_output`](Self::poll_output) until it says [`Output::Timeout`]; other calls need
/// no poll. Errors end the connection, save those that say "harmless"; an alert for the peer may wait
/// in `poll_output` even then.
///
/// # What is dropped, what is fatal
///
/// Whatever does not authenticate, comes twice, comes too late or makes no sense as a record is dropped
/// and counted ([`Stats`]; RFC 6347 section 4.1.2.7). So is a handshake message in the clear that does not
/// parse or has no place where it comes: anybody may have sent it, and the peer sends its own again. If
/// nothing better comes before the handshake is given up, that is the error, with its alert. Once keys are
/// derived, no handshake message in the clear counts any more.
///
/// Two things in the clear end a handshake at once. One is a message that parses and breaks a rule of TLS,
/// for which the RFCs demand an alert: no common version, suite or group, an extension that nobody offered, a
/// public key that is none. Whoever can forge it could forge one that breaks none and still spoils the
/// keys. The other is a fatal alert, because a peer has no other way to refuse. Neither ever ends an
/// established connection, on either side: there only alerts under the keys count, and who fails as above
/// sends none. After the handshake nothing in the clear is looked at; a peer that lost its state must be
/// met by a new `Connection`.
pub struct Connection {
    engine: Engine,
    handshake: Handshake,
    early: EarlyRecords,
    /// Whether the peer's ChangeCipherSpec came: its records of epoch 1 count from there on.
    peer_changed_cipher: bool,
    /// What was wrong with the last message in the clear that was dropped, while no better copy came.
    rejected: Option<Error>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Connected,
    Over,
}

enum Handshake {
    Client(Box<ClientHandshake>),
    Server(Box<ServerHandshake>),
}

impl Connection {
    /// A client (RFC 6347 section 4.2); its ClientHello waits in [`poll_output`](Self::poll_output).
    ///
    /// Draws all that it needs from `rng` now. Only the ephemeral key is drawn later and by the provider
    /// ([`Config::with_provider`]).
    ///
    /// # Errors
    ///
    /// If the configuration is a server's or out of range, or the provider lacks something.
    pub fn client(
        config: Arc<Config>,
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Self, Error> {
        let Role::Client(credentials) = &config.role else {
            return Err(Error::WrongRole {
                expected: "client",
                got: "server",
            });
        };
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let client = ClientHandshake::new(random, credentials.clone());
        let mut engine = Engine::new(config, rng, now)?;
        client.send_hello(&mut engine)?;
        Ok(Self::new(engine, Handshake::Client(Box::new(client))))
    }

    /// A server that waits for a client. `peer_id` names the peer's address: a cookie made for one peer
    /// does not hold for another (RFC 6347 section 4.2.1). Where there are many peers, an
    /// [`Acceptor`](crate::Acceptor) makes them.
    ///
    /// Draws all that it needs from `rng` now, as [`Connection::client`] does.
    ///
    /// # Errors
    ///
    /// If the configuration is a client's or out of range, or the provider lacks something.
    pub fn server(
        config: Arc<Config>,
        peer_id: &[u8],
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Self, Error> {
        Self::server_with(config, peer_id, None, rng, now)
    }

    /// A server whose client's cookie was made with `cookie_secret`, if given.
    pub(crate) fn server_with(
        config: Arc<Config>,
        peer_id: &[u8],
        cookie_secret: Option<Zeroizing<[u8; 32]>>,
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Self, Error> {
        let Role::Server { lookup, hint } = &config.role else {
            return Err(Error::WrongRole {
                expected: "server",
                got: "client",
            });
        };
        let mut secrets = ServerSecrets::draw(&config, rng);
        if let Some(secret) = cookie_secret {
            secrets.cookie = secret;
        }
        let server =
            ServerHandshake::new(secrets, peer_id.to_vec(), Arc::clone(lookup), hint.clone());
        let engine = Engine::new(config, rng, now)?;
        Ok(Self::new(engine, Handshake::Server(Box::new(server))))
    }

    fn new(engine: Engine, handshake: Handshake) -> Self {
        Self {
            engine,
            handshake,
            early: EarlyRecords::default(),
            peer_changed_cipher: false,
            rejected: None,
            phase: Phase::Handshake,
        }
    }

    /// Takes one UDP payload, decrypting it in place. Every application-data record that authenticates is
    /// handed to `deliver`, in the order of the datagram; those that came before the peer's Finished and
    /// were kept come before it, in the order they were sent. Nothing is delivered before the peer's
    /// Finished is verified. Never allocates on an established connection.
    ///
    /// Poll afterwards. After the end of the connection datagrams are dropped.
    ///
    /// # Errors
    ///
    /// Only what ends the connection.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        mut deliver: impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        self.engine.now = self.engine.now.max(now);
        self.engine.stats.datagrams += 1;
        let result = self.handle_records(datagram, &mut deliver);
        self.settle(result)
    }

    /// Does what is due at `now`: sends a flight again, or gives the handshake up. Poll afterwards. Calling
    /// it early, or when nothing is due, does nothing.
    ///
    /// # Errors
    ///
    /// After the last retransmission: [`Error::HandshakeTimedOut`], or [`Error::Malformed`] or
    /// [`Error::UnexpectedMessage`] if the message that was awaited came, and only ever like that.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.engine.now = self.engine.now.max(now);
        let result = match self.engine.flight.check(self.engine.now) {
            Due::NotYet => Ok(()),
            Due::Retransmit => {
                self.engine.stats.flights_retransmitted += 1;
                self.engine.send_flight(true)
            }
            Due::GiveUp => Err(self.rejected.take().unwrap_or(Error::HandshakeTimedOut {
                stage: self.stage(),
                retransmits: self.engine.flight.retransmits(),
                undecryptable: self.engine.stats.undecryptable_finished,
            })),
        };
        self.settle(result)
    }

    /// Queues `data` as one record (RFC 6347 section 4.1) in a datagram of its own. Poll afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`], [`Error::Closed`], [`Error::QueueFull`], [`Error::TooLong`] over
    /// [`Connection::max_payload`]: harmless. [`Error::SequenceExhausted`] after nearly 2^48 records: then
    /// the connection is closed, with a close_notify.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.engine.outbox.is_full() {
            return Err(Error::QueueFull(MAX_QUEUED));
        }
        let mut datagram = self.engine.outbox.buffer();
        let sealed = self.seal(data, &mut datagram);
        match sealed {
            // Cannot be full: asked above.
            Ok(()) => _ = self.engine.outbox.push(datagram),
            Err(_) => self.engine.outbox.recycle(datagram),
        }
        sealed
    }

    /// Appends `plaintext` as one record to `out`, in which a wrapper's header may stand already. For those
    /// who send by themselves: no poll is needed after success, and once buffers have grown nothing is allocated. The
    /// record is one copy away from `out`, because a provider seals only a buffer of its own.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`]; `out` is then as before.
    pub fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self.phase {
            Phase::Handshake => return Err(Error::NotConnected(self.stage())),
            Phase::Over => return Err(Error::Closed),
            Phase::Connected => {}
        }
        let max = self.max_payload();
        if plaintext.len() > max {
            return Err(Error::TooLong {
                max,
                got: plaintext.len(),
            });
        }
        let data = ContentType::ApplicationData;
        let records = &mut self.engine.records;
        let sealed = records.append(Epoch::Protected, data, plaintext, out);
        if let Err(Error::SequenceExhausted(_)) = sealed {
            // The last number is kept for this.
            self.close();
        }
        sealed
    }

    /// Ends the connection and queues a close_notify (RFC 5246 section 7.2.1). Poll afterwards: what was
    /// queued before still goes out. A second call does nothing.
    pub fn close(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        if self.has_begun() {
            // Out of sequence numbers: then nothing can be said any more.
            let _ = self.engine.send_alert(Alert::CLOSE_NOTIFY);
        }
        self.end();
    }

    /// What to do next; see [`Connection`] for when to call it.
    pub fn poll_output(&mut self) -> Output<'_> {
        if self.engine.outbox.advance() {
            return Output::Transmit(self.engine.outbox.current());
        }
        if let Some(event) = self.engine.events.pop_front() {
            return Output::Event(event);
        }
        let now = self.engine.now;
        let deadline = self.engine.flight.deadline();
        Output::Timeout(deadline.or(now.checked_add(IDLE)).unwrap_or(now))
    }

    /// Whether data may flow.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Whether it is over: closed by either side, or failed.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Whether there is state for the peer: always on a client; on a server once a hello was accepted,
    /// with cookies one that brought a valid cookie. A server that has not begun may as well be dropped.
    pub fn has_begun(&self) -> bool {
        match &self.handshake {
            Handshake::Client(_) => true,
            Handshake::Server(server) => server.stage() != Stage::AwaitHello,
        }
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        match (self.phase, &self.handshake) {
            (Phase::Over, _) => Stage::Closed,
            (_, Handshake::Client(client)) => client.stage(),
            (_, Handshake::Server(server)) => server.stage(),
        }
    }

    /// Whether the two sides seem to hold different pre-shared keys: the peer's flight came and keys were
    /// derived, but no Finished verifies. Also true for the round trip that the Finished takes: ask when
    /// waiting has lasted. [`Stats::undecryptable_finished`] makes it certain, but many peers stay silent.
    pub fn suspects_wrong_key(&self) -> bool {
        self.stage() == Stage::AwaitFinished
    }

    /// The most that one record can carry within the MTU, in bytes; 2^14 at most (RFC 5246 section 6.2.1).
    /// Exact for CBC suites too, with the least padding. Before the keys are there the suite is not known,
    /// and nothing is taken off for it.
    pub fn max_payload(&self) -> usize {
        let engine = &self.engine;
        let max = engine
            .records
            .max_plaintext(Epoch::Protected, engine.config.mtu);
        // The smallest MTU has room for a record of every suite.
        max.unwrap_or(0)
    }

    /// What was received, sent again, and dropped so far.
    pub fn stats(&self) -> Stats {
        self.engine.stats
    }

    /// Ends the connection if `result` is an error, with an alert where one is due.
    fn settle(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            tracing::debug!(%error, stage = ?self.stage(), "DTLS connection failed");
            if let Some(description) = error.alert() {
                // The first error is the one to tell, even if the alert cannot be sent.
                let _ = self.engine.send_alert(Alert::fatal(description));
            }
            self.end();
        }
        result
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.engine.flight.begin();
        self.early.clear();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("stage", &self.stage())
            .field("stats", &self.engine.stats)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod matrix_tests;
