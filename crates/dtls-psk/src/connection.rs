//! One end of a DTLS association.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use crate::alert::{Alert, AlertDescription, AlertLevel};
use crate::client::ClientHandshake;
use crate::config::{Config, Role};
use crate::early::EarlyRecords;
use crate::engine::Engine;
use crate::error::{Error, Stage};
use crate::event::{Event, Output, Stats};
use crate::flight::Due;
use crate::messages::{Fragment, Message, handshake_type};
use crate::outbox::MAX_QUEUED;
use crate::record::{ContentType, Epoch, NotOpened, RecordId, Split, split};
use crate::server::{ServerHandshake, ServerSecrets};

/// How far ahead the instant lies that stands for "nothing is due".
const IDLE: Duration = Duration::from_secs(3600);

/// One end of a DTLS 1.2 association: a state machine without sockets or a clock.
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
/// and counted ([`Stats`]). Handshake messages in the clear are believed as far as TLS goes: one that
/// does not parse or breaks a rule ends the handshake. Fatal alerts in the clear end a handshake (a peer
/// has no other way to refuse), never an established connection: there only alerts under the keys count.
/// After the handshake nothing in the clear is looked at; a peer that lost its state must be met by a new
/// `Connection`.
pub struct Connection {
    engine: Engine,
    handshake: Handshake,
    early: EarlyRecords,
    /// Whether the peer's ChangeCipherSpec came: its records of epoch 1 count from there on.
    peer_changed_cipher: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Connected,
    Over,
}

enum Handshake {
    Client(ClientHandshake),
    // Much larger than the other; there is one of either a connection.
    Server(Box<ServerHandshake>),
}

impl Connection {
    /// A client; its ClientHello waits in [`poll_output`](Self::poll_output).
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
        Ok(Self::new(engine, Handshake::Client(client)))
    }

    /// A server that waits for a client. `peer_id` names the peer's address: a cookie made for one peer
    /// does not hold for another.
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
        let Role::Server { lookup, hint } = &config.role else {
            return Err(Error::WrongRole {
                expected: "server",
                got: "client",
            });
        };
        let secrets = ServerSecrets::draw(&config, rng);
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
    /// [`Error::HandshakeTimedOut`] after the last retransmission.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.engine.now = self.engine.now.max(now);
        let result = match self.engine.flight.check(self.engine.now) {
            Due::NotYet => Ok(()),
            Due::Retransmit => {
                self.engine.stats.flights_retransmitted += 1;
                self.engine.send_flight(true)
            }
            Due::GiveUp => Err(Error::HandshakeTimedOut {
                stage: self.stage(),
                retransmits: self.engine.flight.retransmits(),
                undecryptable: self.engine.stats.undecryptable_finished,
            }),
        };
        self.settle(result)
    }

    /// Queues `data` as one record in a datagram of its own. Poll afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`], [`Error::Closed`], [`Error::QueueFull`], [`Error::TooLong`] over
    /// [`Connection::max_payload`]: harmless. [`Error::SequenceExhausted`] after 2^48 records.
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
    /// who send by themselves: no poll is needed, and once buffers have grown nothing is allocated. The
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
        self.engine.records.append(
            Epoch::Protected,
            ContentType::ApplicationData,
            plaintext,
            out,
        )
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

    /// The most that one record can carry within the MTU, in bytes.
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

    fn handle_records(
        &mut self,
        datagram: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let mut rest = datagram;
        while !rest.is_empty() {
            if self.phase == Phase::Over {
                self.engine.stats.unexpected += 1;
                return Ok(());
            }
            rest = match split(rest) {
                Split::Record(id, fragment, rest) => {
                    match id.epoch {
                        Epoch::Plain => self.handle_plain(id, fragment)?,
                        Epoch::Protected => self.handle_protected(id, fragment, deliver)?,
                    }
                    self.handle_early(deliver)?;
                    rest
                }
                Split::Foreign(rest) => {
                    self.engine.stats.unexpected += 1;
                    rest
                }
                Split::Garbage => {
                    self.engine.stats.malformed += 1;
                    return Ok(());
                }
            };
        }
        Ok(())
    }

    /// A record of epoch 0: anybody may have sent it.
    fn handle_plain(&mut self, id: RecordId, content: &[u8]) -> Result<(), Error> {
        match id.content_type {
            _ if self.phase == Phase::Connected => {
                if id.content_type == ContentType::Alert {
                    self.engine.stats.alerts_ignored += 1;
                } else {
                    self.engine.stats.unexpected += 1;
                }
                Ok(())
            }
            ContentType::Handshake => self.handle_fragments(id, content),
            ContentType::ChangeCipherSpec => {
                if content == [1] && self.expects_change_cipher_spec() {
                    self.peer_changed_cipher = true;
                } else {
                    self.engine.stats.unexpected += 1;
                }
                Ok(())
            }
            ContentType::Alert => self.handle_alert(content, false),
            ContentType::ApplicationData => {
                self.engine.stats.unexpected += 1;
                Ok(())
            }
        }
    }

    /// A record of epoch 1: opened if it can be, kept if that may come, else dropped.
    fn handle_protected(
        &mut self,
        id: RecordId,
        fragment: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let data = id.content_type == ContentType::ApplicationData;
        if self.phase == Phase::Connected || (self.can_open() && !data) {
            return self.open(id, fragment, deliver);
        }
        if self.expects_change_cipher_spec() {
            self.engine.stats.early_kept += 1;
            self.engine.stats.early_dropped += self.early.keep(id, fragment);
        } else {
            self.engine.stats.unexpected += 1;
        }
        Ok(())
    }

    /// Opens what was kept and has become readable.
    fn handle_early(&mut self, deliver: &mut impl FnMut(&mut [u8])) -> Result<(), Error> {
        while self.phase != Phase::Over && self.can_open() {
            let Some(mut record) = self.early.take(self.phase == Phase::Connected) else {
                break;
            };
            self.open(record.id, &mut record.fragment, deliver)?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        id: RecordId,
        fragment: &mut [u8],
        deliver: &mut impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        let stats = &mut self.engine.stats;
        let plaintext = match self.engine.records.open(id, fragment) {
            Ok(plaintext) => plaintext,
            Err(NotOpened::Replayed) => {
                stats.replayed += 1;
                return Ok(());
            }
            Err(NotOpened::NotAuthentic) => {
                stats.undecryptable += 1;
                if self.phase == Phase::Handshake && id.content_type == ContentType::Handshake {
                    stats.undecryptable_finished += 1;
                }
                return Ok(());
            }
        };
        match id.content_type {
            ContentType::ApplicationData => {
                stats.delivered += 1;
                deliver(plaintext);
                Ok(())
            }
            ContentType::Handshake => self.handle_fragments(id, plaintext),
            ContentType::Alert => self.handle_alert(plaintext, true),
            ContentType::ChangeCipherSpec => {
                stats.unexpected += 1;
                Ok(())
            }
        }
    }

    /// The fragments in one record, of which there may be several.
    fn handle_fragments(&mut self, id: RecordId, content: &[u8]) -> Result<(), Error> {
        let mut rest = content;
        while !rest.is_empty() {
            let Some((fragment, tail)) = Fragment::split(rest) else {
                self.engine.stats.malformed += 1;
                return Ok(());
            };
            match self.phase {
                Phase::Handshake => self.handle_fragment(id, &fragment)?,
                Phase::Connected => self.handle_late_fragment(id.epoch, &fragment)?,
                Phase::Over => return Ok(()),
            }
            rest = tail;
        }
        Ok(())
    }

    fn handle_fragment(&mut self, id: RecordId, fragment: &Fragment<'_>) -> Result<(), Error> {
        let engine = &mut self.engine;
        match &mut self.handshake {
            Handshake::Client(client) => match fragment.handshake_type {
                handshake_type::HELLO_VERIFY_REQUEST if id.epoch == Epoch::Plain => {
                    return client.handle_verify_request(engine, fragment);
                }
                // To be ignored while a handshake goes on, and no part of it (RFC 5246 section 7.4.1.1).
                handshake_type::HELLO_REQUEST => {
                    engine.stats.unexpected += 1;
                    return Ok(());
                }
                _ => {}
            },
            Handshake::Server(server) if server.stage() == Stage::AwaitHello => {
                return server.handle_hello(engine, id.sequence, fragment);
            }
            Handshake::Server(_) => {}
        }
        // A Finished counts only under the keys, and nothing else does there.
        let finished = fragment.handshake_type == handshake_type::FINISHED;
        if finished != (id.epoch == Epoch::Protected) {
            engine.stats.unexpected += 1;
            return Ok(());
        }
        if engine.insert(fragment) {
            return if self.is_repeat(fragment) {
                self.engine.answer_again(false)
            } else {
                Ok(())
            };
        }
        // What is held beyond the Finished came in the clear, from anybody: it must not end a connection.
        while self.phase == Phase::Handshake
            && let Some(message) = self.engine.reassembly.pop()
        {
            self.handle_message(&message)?;
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &Message) -> Result<(), Error> {
        let engine = &mut self.engine;
        match &mut self.handshake {
            Handshake::Client(client) => client.handle_message(engine, message)?,
            Handshake::Server(server) => server.handle_message(engine, message)?,
        }
        if self.stage() == Stage::Connected {
            self.phase = Phase::Connected;
        }
        Ok(())
    }

    /// A handshake message under the keys after the handshake: the client's Finished once more, or an
    /// attempt at a second handshake, which is refused (RFC 5246 section 7.2.2).
    fn handle_late_fragment(&mut self, epoch: Epoch, fragment: &Fragment<'_>) -> Result<(), Error> {
        if epoch == Epoch::Protected && self.is_repeat(fragment) {
            return self.engine.answer_again(true);
        }
        let attempt = match self.handshake {
            Handshake::Client(_) => handshake_type::HELLO_REQUEST,
            Handshake::Server(_) => handshake_type::CLIENT_HELLO,
        };
        if epoch == Epoch::Protected && fragment.handshake_type == attempt && fragment.offset == 0 {
            self.engine.stats.renegotiations_refused += 1;
            return self.engine.send_alert(Alert::NO_RENEGOTIATION);
        }
        self.engine.stats.unexpected += 1;
        Ok(())
    }

    fn handle_alert(&mut self, content: &[u8], authenticated: bool) -> Result<(), Error> {
        let Some(alert) = Alert::parse(content) else {
            self.engine.stats.malformed += 1;
            return Ok(());
        };
        let closes = alert.description == AlertDescription::CLOSE_NOTIFY;
        if closes && self.phase == Phase::Connected {
            // RFC 5246 section 7.2.1: the other side closes at once, and says so.
            self.engine.send_alert(Alert::CLOSE_NOTIFY)?;
            self.end();
            self.engine.events.push_back(Event::Closed);
            return Ok(());
        }
        if (closes || alert.level == AlertLevel::Fatal) && self.has_begun() {
            return Err(Error::PeerAlert {
                level: alert.level,
                description: alert.description,
                authenticated,
            });
        }
        self.engine.stats.alerts_ignored += 1;
        Ok(())
    }

    fn can_open(&self) -> bool {
        self.peer_changed_cipher && self.engine.records.can_open()
    }

    fn expects_change_cipher_spec(&self) -> bool {
        match &self.handshake {
            Handshake::Client(client) => client.expects_change_cipher_spec(),
            Handshake::Server(server) => server.expects_change_cipher_spec(),
        }
    }

    fn is_repeat(&self, fragment: &Fragment<'_>) -> bool {
        match &self.handshake {
            Handshake::Client(client) => client.is_repeat(fragment),
            Handshake::Server(server) => server.is_repeat(fragment),
        }
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
#[path = "connection_tests.rs"]
mod tests;
