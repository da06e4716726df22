//! The client's handshake (RFC 5246 section 7.3, RFC 6347 section 4.2, RFC 5489 section 2).
//!
//! ```text
//! 1  ClientHello                   -->
//! 2                                <--  HelloVerifyRequest, if the server asks for a cookie
//! 3  ClientHello with the cookie   -->
//! 4                                <--  ServerHello, [ServerKeyExchange,] ServerHelloDone
//! 5  ClientKeyExchange,
//!    ChangeCipherSpec, Finished    -->
//! 6                                <--  ChangeCipherSpec, Finished
//! ```
//!
//! The server sends no ServerKeyExchange if there is neither an ephemeral key exchange nor an
//! identity hint (RFC 4279 section 2).

use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::cipher_suite::CipherSuite;
use crate::config::{Credentials, Psk, check_identity};
use crate::engine::Engine;
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::group::Group;
use crate::key_schedule::{Parameters, Protections, Side, VERIFY_DATA_LEN};
use crate::key_share::KeyShare;
use crate::messages::extensions::{
    EC_POINT_FORMATS, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, SUPPORTED_GROUPS,
};
use crate::messages::hello::{
    COMPRESSION_NULL, ClientHello, HelloVerifyRequest, Offer, ServerHello,
};
use crate::messages::key_exchange::{ClientKeyExchange, ServerKeyExchange};
use crate::messages::{Fragment, Message, handshake_type};
use crate::record::DTLS_1_2;
use crate::suites::KeyExchange;

/// The number of HelloVerifyRequests that a client answers. A server normally sends one. It sends a
/// second if it replaced its cookie secret in between.
const MAX_VERIFY_REQUESTS: u64 = 3;

/// The client side of a handshake.
pub(crate) struct ClientHandshake {
    random: [u8; 32],
    credentials: Credentials,
    cookie: Vec<u8>,
    state: State,
}

enum State {
    AwaitServerHello,
    AwaitServerKeyExchange(Parameters),
    AwaitServerHelloDone(Parameters, ServerParams),
    AwaitFinished {
        connected: Connected,
        /// The number of the ServerHelloDone. A retransmission means that flight 5 was lost.
        hello_done: u16,
        expected: [u8; VERIFY_DATA_LEN],
    },
    Done,
}

/// The content of the ServerKeyExchange; empty if there was none.
#[derive(Default)]
struct ServerParams {
    hint: Vec<u8>,
    share: Option<(Group, Vec<u8>)>,
}

/// The data of the flight 5 that was sent.
struct Sent {
    identity: Vec<u8>,
    /// The expected content of the server's Finished.
    expected: [u8; VERIFY_DATA_LEN],
}

impl ClientHandshake {
    pub(crate) fn new(random: [u8; 32], credentials: Credentials) -> Self {
        Self {
            random,
            credentials,
            cookie: Vec::new(),
            state: State::AwaitServerHello,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.state {
            State::AwaitServerHello => Stage::AwaitHello,
            State::AwaitServerKeyExchange(_) | State::AwaitServerHelloDone(..) => {
                Stage::AwaitKeyExchange
            }
            State::AwaitFinished { .. } => Stage::AwaitFinished,
            State::Done => Stage::Connected,
        }
    }

    /// Sends flight 1 or 3: the same hello without or with a cookie.
    pub(crate) fn send_hello(&self, engine: &mut Engine) -> Result<(), Error> {
        engine.reset_transcript();
        engine.flight.start();
        let config = &engine.config;
        let body = ClientHello::write(&Offer {
            random: &self.random,
            cookie: &self.cookie,
            suites: &config.suites,
            groups: &config.groups,
            encrypt_then_mac: config.encrypt_then_mac && config.uses_cbc(),
            extended_master_secret: config.extended_master_secret,
        })?;
        engine.add_message(handshake_type::CLIENT_HELLO, body)?;
        engine.send_flight(true)
    }

    /// Handles flight 2.
    ///
    /// A HelloVerifyRequest bypasses reassembly, because a stateless server may send all of them
    /// with the same message number.
    pub(crate) fn handle_verify_request(
        &mut self,
        engine: &mut Engine,
        fragment: &Fragment<'_>,
    ) -> Result<(), Error> {
        if !matches!(self.state, State::AwaitServerHello)
            || !fragment.is_whole()
            || engine.stats.verify_requests >= MAX_VERIFY_REQUESTS
        {
            engine.stats.unexpected += 1;
            return Ok(());
        }
        // It is not authenticated: one that does not parse is dropped.
        let Ok(request) = HelloVerifyRequest::parse(fragment.data) else {
            engine.stats.malformed += 1;
            return Ok(());
        };
        let answered_before = fragment.sequence < engine.reassembly.next();
        // A HelloVerifyRequest has the message number of its hello, or 0.
        let ahead = fragment.sequence >= engine.next_message;
        let repeated = request.cookie == self.cookie || engine.flight.retransmits() == 0;
        if ahead || (answered_before && repeated) {
            // This is a duplicate, or the server's answer to a retransmitted hello, with another
            // cookie. The server may already have accepted the hello with the first cookie, and
            // both sides must use the same hello. If that hello had to be retransmitted, its cookie
            // may have expired, so the new one is used.
            engine.stats.unexpected += 1;
            return Ok(());
        }
        engine.stats.verify_requests += 1;
        self.cookie = request.cookie.to_vec();
        // A stateless server gives its ServerHello the number of the hello it answers. The expected
        // number therefore follows from this request, not from the number of requests.
        let number = fragment.sequence.saturating_add(1);
        engine.next_message = number;
        engine.reassembly.restart_at(number);
        self.send_hello(engine)
    }

    /// Checks that `message` is expected in this state and parses. Fails with
    /// [`Error::UnexpectedMessage`] or [`Error::Malformed`]. [`Self::handle_message`] checks the
    /// content.
    pub(crate) fn check(&self, message: &Message) -> Result<(), Error> {
        match &self.state {
            State::AwaitServerHello => {
                message.expect(handshake_type::SERVER_HELLO, "ServerHello")?;
                ServerHello::parse(&message.body).map(drop)
            }
            State::AwaitServerKeyExchange(negotiated) => {
                let kind = negotiated.suite.suite().key_exchange;
                if message.handshake_type == handshake_type::SERVER_HELLO_DONE
                    && kind == KeyExchange::Psk
                {
                    return check_hello_done(message);
                }
                message.expect(handshake_type::SERVER_KEY_EXCHANGE, "ServerKeyExchange")?;
                ServerKeyExchange::parse(&message.body, kind).map(drop)
            }
            State::AwaitServerHelloDone(..) => check_hello_done(message),
            State::AwaitFinished { .. } => message.expect(handshake_type::FINISHED, "Finished"),
            State::Done => Err(Error::UnexpectedMessage {
                expected: "no further message",
                got: message.handshake_type,
            }),
        }
    }

    /// Handles a message that passed [`Self::check`]. Errors are fatal.
    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match core::mem::replace(&mut self.state, State::Done) {
            State::AwaitServerHello => {
                let negotiated = self.read_server_hello(engine, &message.body)?;
                engine.transcript.add(message)?;
                self.state = State::AwaitServerKeyExchange(negotiated);
            }
            State::AwaitServerKeyExchange(negotiated) => {
                let kind = negotiated.suite.suite().key_exchange;
                let done = message.handshake_type == handshake_type::SERVER_HELLO_DONE;
                if done && kind == KeyExchange::Psk {
                    let params = ServerParams::default();
                    self.state = self.finish(engine, message, &negotiated, params)?;
                } else {
                    let params = read_server_params(engine, kind, &message.body)?;
                    engine.transcript.add(message)?;
                    self.state = State::AwaitServerHelloDone(negotiated, params);
                }
            }
            State::AwaitServerHelloDone(negotiated, params) => {
                self.state = self.finish(engine, message, &negotiated, params)?;
            }
            State::AwaitFinished {
                connected,
                expected,
                ..
            } => {
                if !bool::from(expected.as_slice().ct_eq(&message.body)) {
                    return Err(Error::FinishedMismatch);
                }
                engine.flight.disarm();
                engine.reset_transcript();
                engine.events.push_back(Event::Connected(connected));
            }
            State::Done => {}
        }
        Ok(())
    }

    /// Returns `true` if flight 5 was sent with a suite that has forward secrecy.
    pub(crate) fn has_forward_secret_keys(&self) -> bool {
        matches!(&self.state, State::AwaitFinished { connected, .. }
            if connected.suite.has_forward_secrecy())
    }

    /// Returns `true` if the server's ChangeCipherSpec is expected: after flight 5 was sent.
    pub(crate) fn expects_change_cipher_spec(&self) -> bool {
        matches!(self.state, State::AwaitFinished { .. })
    }

    /// Returns `true` if `fragment` repeats the end of flight 4, which means that flight 5 was
    /// lost.
    pub(crate) fn is_retransmission(&self, fragment: &Fragment<'_>) -> bool {
        matches!(self.state, State::AwaitFinished { hello_done, .. }
            if fragment.handshake_type == handshake_type::SERVER_HELLO_DONE
                && fragment.sequence == hello_done)
    }

    fn read_server_hello(&self, engine: &Engine, body: &[u8]) -> Result<Parameters, Error> {
        const MESSAGE: &str = "ServerHello";
        let hello = ServerHello::parse(body)?;
        if hello.version != DTLS_1_2 {
            return Err(Error::Version { got: hello.version });
        }
        let suite = CipherSuite::from_id(hello.suite)
            .filter(|suite| engine.config.suites.contains(suite))
            .ok_or(Error::CipherSuite {
                what: "the server selected one that was not offered",
            })?;
        if hello.compression != COMPRESSION_NULL {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "compression method",
            });
        }
        let extensions = &hello.extensions;
        if let Some(other) = extensions.first_other {
            return Err(Error::UnsolicitedExtension(other));
        }
        if !engine.config.uses_groups() {
            if extensions.groups.is_some() {
                return Err(Error::UnsolicitedExtension(SUPPORTED_GROUPS));
            }
            if extensions.point_formats.is_some() {
                return Err(Error::UnsolicitedExtension(EC_POINT_FORMATS));
            }
        }
        if extensions.extended_master_secret && !engine.config.extended_master_secret {
            return Err(Error::UnsolicitedExtension(EXTENDED_MASTER_SECRET));
        }
        let offered_encrypt_then_mac = engine.config.encrypt_then_mac && engine.config.uses_cbc();
        if extensions.encrypt_then_mac && !offered_encrypt_then_mac {
            return Err(Error::UnsolicitedExtension(ENCRYPT_THEN_MAC));
        }
        if extensions.encrypt_then_mac && !suite.is_cbc() {
            return Err(Error::EncryptThenMac(suite.name()));
        }
        extensions.check(MESSAGE)?;
        Ok(Parameters {
            client_random: self.random,
            server_random: *hello.random,
            suite,
            encrypt_then_mac: extensions.encrypt_then_mac,
            extended_master_secret: extensions.extended_master_secret,
        })
    }

    /// Completes flight 4 and sends flight 5.
    fn finish(
        &self,
        engine: &mut Engine,
        hello_done: &Message,
        negotiated: &Parameters,
        params: ServerParams,
    ) -> Result<State, Error> {
        engine.transcript.add(hello_done)?;
        let Sent { identity, expected } = self.send_finished(engine, negotiated, &params)?;
        Ok(State::AwaitFinished {
            connected: Connected {
                suite: negotiated.suite,
                group: params.share.map(|(group, _)| group),
                extended_master_secret: negotiated.extended_master_secret,
                encrypt_then_mac: negotiated.encrypt_then_mac,
                identity,
                identity_hint: params.hint,
            },
            hello_done: hello_done.sequence,
            expected,
        })
    }

    /// Sends flight 5.
    fn send_finished(
        &self,
        engine: &mut Engine,
        negotiated: &Parameters,
        params: &ServerParams,
    ) -> Result<Sent, Error> {
        engine.flight.start();
        let (identity, psk) = self.select_identity(&params.hint)?;
        let (own, shared) = match &params.share {
            Some((group, public)) => {
                let own = engine.key_share(*group)?;
                let shared = own.agree(public, "ServerKeyExchange")?;
                (Some(own), Some(shared))
            }
            None => (None, None),
        };
        let body = ClientKeyExchange {
            identity: &identity,
            public: own.as_ref().map(KeyShare::public),
        }
        .write()?;
        engine.add_message(handshake_type::CLIENT_KEY_EXCHANGE, body)?;
        let (master, Protections { write, read }) =
            engine.derive_keys(Side::Client, negotiated, shared.as_deref(), &psk)?;
        let hash = negotiated.suite.suite().hash;
        engine.add_change_cipher_spec();
        engine.records.install_write(write);
        engine.records.install_read(read);
        let transcript = engine.transcript_hash(hash)?;
        let finished = master.verify_data(engine.provider, Side::Client, &transcript)?;
        engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
        engine.send_flight(true)?;
        let transcript = engine.transcript_hash(hash)?;
        let expected = master.verify_data(engine.provider, Side::Server, &transcript)?;
        Ok(Sent { identity, expected })
    }

    fn select_identity(&self, hint: &[u8]) -> Result<(Vec<u8>, Psk), Error> {
        match &self.credentials {
            Credentials::Known { identity, psk } => Ok((identity.clone(), psk.clone())),
            Credentials::ByHint(select) => {
                let (identity, psk) = select.select(hint).ok_or(Error::NoIdentity(hint.len()))?;
                check_identity(&identity, &psk)?;
                Ok((identity, psk))
            }
        }
    }
}

fn check_hello_done(message: &Message) -> Result<(), Error> {
    message.expect(handshake_type::SERVER_HELLO_DONE, "ServerHelloDone")?;
    if message.body.is_empty() {
        Ok(())
    } else {
        Err(Error::Malformed {
            message: "ServerHelloDone",
            what: "an empty body",
        })
    }
}

fn read_server_params(
    engine: &Engine,
    kind: KeyExchange,
    body: &[u8],
) -> Result<ServerParams, Error> {
    let message = ServerKeyExchange::parse(body, kind)?;
    let share = match message.share {
        Some(share) => {
            let group = Group::from_id(share.group)
                .filter(|group| engine.config.groups.contains(group))
                .ok_or(Error::Group {
                    what: "the server selected one that was not offered",
                })?;
            Some((group, share.public.to_vec()))
        }
        None => None,
    };
    Ok(ServerParams {
        hint: message.hint.to_vec(),
        share,
    })
}
