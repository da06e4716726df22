//! One endpoint of a DTLS connection.

mod incoming;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use tutk_time::Instant;
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::client::ClientHandshake;
use crate::config::{Config, Role};
use crate::engine::Engine;
use crate::error::{Error, Stage};
use crate::event::{Event, Output, Stats};
use crate::flight::Due;
use crate::pending_records::PendingRecords;
use crate::record::{ContentType, Epoch};
use crate::seed::Seed;
use crate::send_queue::MAX_QUEUED;
use crate::server::{ServerHandshake, ServerSecrets};

/// The timeout reported when no timer is running.
const IDLE: Duration = Duration::from_secs(3600);

/// One endpoint of a DTLS 1.2 connection (RFC 6347): a state machine without sockets or a clock.
///
/// After [`Connection::client`], [`handle_datagram`](Self::handle_datagram),
/// [`handle_timeout`](Self::handle_timeout), [`send`](Self::send) and [`close`](Self::close), call
/// [`poll_output`](Self::poll_output) until it returns [`Output::Timeout`]. Do this even if the
/// call failed: an alert for the peer may be queued. All errors end the connection, except those
/// documented as not fatal. [`Event::Closed`] is the last event of every connection.
///
/// This is the [contract of all state machines][contract] of the project, with two differences:
/// it returns its errors, and passes decrypted records to a closure, because they borrow the
/// datagram.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
///
/// # Dropped and fatal input
///
/// Records that are malformed, replayed, too old or not authentic are dropped and counted in
/// [`Stats`] (RFC 6347 section 4.1.2.7). So are handshake messages in the clear that do not parse
/// or are not expected, because an attacker may have sent them and the peer will retransmit its
/// own. If no valid message arrives before the handshake times out, the error describes the last
/// message dropped. Once keys are derived, handshake messages in the clear are ignored.
///
/// Two inputs in the clear end a handshake immediately:
///
/// - A message that parses but violates the protocol, where the RFCs require an alert: no common
///   version, suite or group, an extension that was not offered, an invalid public key. An attacker
///   who can forge it could also forge a valid message, with the same effect.
/// - A fatal alert, because a peer has no other way to refuse a handshake.
///
/// Neither can end an established connection. After the handshake, everything in the clear is
/// ignored. If the peer lost its state, create a new `Connection`.
pub struct Connection {
    engine: Engine,
    handshake: Handshake,
    pending: PendingRecords,
    /// `true` after the peer's ChangeCipherSpec. Before, records of epoch 1 are not opened.
    peer_changed_cipher: bool,
    /// Why the last handshake message in the clear was dropped, if no valid one followed.
    rejected: Option<Error>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake,
    Connected,
    Closed,
}

enum Handshake {
    Client(Box<ClientHandshake>),
    Server(Box<ServerHandshake>),
}

impl Connection {
    /// Creates a client (RFC 6347 section 4.2). Its ClientHello is the first output of
    /// [`poll_output`](Self::poll_output).
    ///
    /// `seed` must be 32 random bytes that are used for nothing else: all secrets are derived from
    /// it. Two connections with the same seed, configuration and input have the same output.
    ///
    /// # Errors
    ///
    /// Fails if the configuration is invalid or for a server, or if the provider lacks an
    /// algorithm.
    pub fn client(config: Arc<Config>, seed: [u8; 32], now: Instant) -> Result<Self, Error> {
        let Role::Client(credentials) = &config.role else {
            return Err(Error::WrongRole {
                expected: "client",
                got: "server",
            });
        };
        let credentials = credentials.clone();
        let mut engine = Engine::new(config, Seed::new(seed), now)?;
        let random = *engine.seed.derive(engine.provider, "client random", 0)?;
        let client = ClientHandshake::new(random, credentials);
        client.send_hello(&mut engine)?;
        Ok(Self::new(engine, Handshake::Client(Box::new(client))))
    }

    /// Creates a server that waits for one client.
    ///
    /// `peer_id` identifies the client's address: a cookie is valid only for the `peer_id` it was
    /// created for (RFC 6347 section 4.2.1). A server with many clients uses an
    /// [`Acceptor`](crate::Acceptor).
    ///
    /// `seed` must be 32 random bytes that are used for nothing else, as in [`Connection::client`].
    ///
    /// # Errors
    ///
    /// Fails if the configuration is invalid or for a client, or if the provider lacks an
    /// algorithm.
    pub fn server(
        config: Arc<Config>,
        peer_id: &[u8],
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, Error> {
        Self::server_with(config, peer_id, None, seed, now)
    }

    /// Creates a server whose client's cookie was created with `cookie_secret`, if given.
    pub(crate) fn server_with(
        config: Arc<Config>,
        peer_id: &[u8],
        cookie_secret: Option<Zeroizing<[u8; 32]>>,
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, Error> {
        let Role::Server { lookup, hint } = &config.role else {
            return Err(Error::WrongRole {
                expected: "server",
                got: "client",
            });
        };
        let (lookup, hint) = (Arc::clone(lookup), hint.clone());
        let engine = Engine::new(config, Seed::new(seed), now)?;
        let secrets = ServerSecrets::new(&engine.config, &engine.seed, cookie_secret)?;
        let server = ServerHandshake::new(secrets, peer_id.to_vec(), lookup, hint);
        Ok(Self::new(engine, Handshake::Server(Box::new(server))))
    }

    fn new(engine: Engine, handshake: Handshake) -> Self {
        Self {
            engine,
            handshake,
            pending: PendingRecords::default(),
            peer_changed_cipher: false,
            rejected: None,
            phase: Phase::Handshake,
        }
    }

    /// Handles one UDP payload, which is decrypted in place. Poll afterwards.
    ///
    /// Each authentic application-data record is passed to `deliver`, in the order of the datagram.
    /// Records that arrived before the peer's Finished are kept and passed to `deliver` after it,
    /// in the order of their sequence numbers. On an established connection this does not allocate.
    /// Once the connection is closed, datagrams are dropped.
    ///
    /// # Errors
    ///
    /// Returns the errors that end the connection.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        mut deliver: impl FnMut(&mut [u8]),
    ) -> Result<(), Error> {
        self.engine.now = self.engine.now.max(now);
        self.engine.stats.datagrams += 1;
        let result = self.handle_records(datagram, &mut deliver);
        self.close_on_error(result)
    }

    /// Handles a timeout: retransmits a flight, or fails the handshake. Poll afterwards. If no
    /// timer has expired at `now`, this has no effect.
    ///
    /// # Errors
    ///
    /// After the last retransmission, returns [`Error::HandshakeTimedOut`]. If the expected message
    /// arrived only in an invalid form, returns [`Error::Malformed`] or
    /// [`Error::UnexpectedMessage`].
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
        self.close_on_error(result)
    }

    /// Queues `data` as one record in its own datagram (RFC 6347 section 4.1). Poll afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::NotConnected`], [`Error::Closed`], [`Error::QueueFull`], and [`Error::TooLong`] for
    /// more than [`Connection::max_payload`] bytes are not fatal. [`Error::SequenceExhausted`]
    /// occurs after nearly 2^48 records and closes the connection with a close_notify.
    pub fn send(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.engine.send_queue.is_full() {
            return Err(Error::QueueFull(MAX_QUEUED));
        }
        let mut datagram = self.engine.send_queue.buffer();
        let sealed = self.seal(data, &mut datagram);
        match sealed {
            // Cannot fail: `is_full` was checked above.
            Ok(()) => _ = self.engine.send_queue.push(datagram),
            Err(_) => self.engine.send_queue.recycle(datagram),
        }
        sealed
    }

    /// Appends `plaintext` as one record to `out`, after any bytes that are already in it.
    ///
    /// This is an alternative to [`Connection::send`] for callers that send datagrams themselves.
    /// After success there is no need to poll. Once the buffers have grown, it does not allocate.
    /// With the provider `AWS_LC_RS` the record is copied once, because dimpl seals only its own
    /// buffer type.
    ///
    /// # Errors
    ///
    /// The errors of [`Connection::send`]. On error `out` is unchanged.
    pub fn seal(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        match self.phase {
            Phase::Handshake if !self.can_send() => return Err(Error::NotConnected(self.stage())),
            Phase::Closed => return Err(Error::Closed),
            Phase::Handshake | Phase::Connected => {}
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
            // The last number is reserved for the close_notify.
            self.close();
        }
        sealed
    }

    /// Closes the connection, queues a close_notify (RFC 5246 section 7.2.1) and emits
    /// [`Event::Closed`]. Poll afterwards: queued datagrams are still sent. A second call has no
    /// effect.
    pub fn close(&mut self) {
        if self.phase == Phase::Closed {
            return;
        }
        if self.has_started() {
            // Without a sequence number there is no alert.
            let _ = self.engine.send_alert(Alert::CLOSE_NOTIFY);
        }
        self.end();
    }

    /// Returns the next output. See [`Connection`] for when to call it.
    pub fn poll_output(&mut self) -> Output<'_> {
        if self.engine.send_queue.advance() {
            return Output::Transmit(self.engine.send_queue.current());
        }
        if let Some(event) = self.engine.events.pop_front() {
            return Output::Event(event);
        }
        let now = self.engine.now;
        let deadline = self.engine.flight.deadline();
        Output::Timeout(deadline.unwrap_or(now + IDLE))
    }

    /// Returns `true` if the connection is established.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Returns `true` if data can be sent: if the connection is established, or if the Finished is
    /// sent and [false start](Config::with_false_start) applies.
    pub fn can_send(&self) -> bool {
        match (self.phase, &self.handshake) {
            (Phase::Handshake, Handshake::Client(client)) => {
                self.engine.config.false_start && client.has_forward_secret_keys()
            }
            (phase, _) => phase == Phase::Connected,
        }
    }

    /// Returns `true` if the connection was closed by either side or by an error.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Returns `true` if there is state for the peer: always on a client, and on a server once it
    /// accepted a hello, with a valid cookie if cookies are on. A server that has not started can
    /// be dropped without loss.
    pub fn has_started(&self) -> bool {
        match &self.handshake {
            Handshake::Client(_) => true,
            Handshake::Server(server) => server.stage() != Stage::AwaitHello,
        }
    }

    /// Returns the progress of the handshake.
    pub fn stage(&self) -> Stage {
        match (self.phase, &self.handshake) {
            (Phase::Closed, _) => Stage::Closed,
            (_, Handshake::Client(client)) => client.stage(),
            (_, Handshake::Server(server)) => server.stage(),
        }
    }

    /// Returns `true` if the two sides may have different pre-shared keys: keys are derived, but
    /// the peer's Finished is not verified.
    ///
    /// This is also `true` during the round trip of a successful handshake, so check it after a
    /// delay. [`Stats::undecryptable_finished`] is a certain sign, but many peers do not send such
    /// records.
    pub fn suspects_wrong_key(&self) -> bool {
        self.stage() == Stage::AwaitFinished
    }

    /// Returns the maximum payload of one record within the MTU, in bytes; at most 2^14 (RFC 5246
    /// section 6.2.1).
    ///
    /// It is exact for CBC suites too. Before keys are derived, the overhead of the suite is
    /// unknown and not subtracted.
    pub fn max_payload(&self) -> usize {
        let engine = &self.engine;
        let max = engine
            .records
            .max_plaintext(Epoch::Protected, engine.config.mtu);
        // The smallest MTU has room for a record of every suite.
        max.unwrap_or(0)
    }

    /// Returns the counters.
    pub fn stats(&self) -> Stats {
        self.engine.stats
    }

    /// Closes the connection if `result` is an error, and sends an alert if the error has one.
    fn close_on_error(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            tracing::debug!(%error, stage = ?self.stage(), "DTLS connection failed");
            if let Some(description) = error.alert() {
                // If the alert cannot be sent, the first error is still the one to report.
                let _ = self.engine.send_alert(Alert::fatal(description));
            }
            self.end();
        }
        result
    }

    fn end(&mut self) {
        if self.phase != Phase::Closed {
            self.engine.events.push_back(Event::Closed);
        }
        self.phase = Phase::Closed;
        self.engine.flight.start();
        self.pending.clear();
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
