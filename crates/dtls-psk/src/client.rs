//! The client's handshake (RFC 5246 section 7.3, RFC 6347 section 4.2, RFC 5489 section 2).
//!
//! ```text
//! 1  ClientHello                   -->
//! 2                                <--  HelloVerifyRequest, if the server asks for a cookie
//! 3  ClientHello with the cookie   -->
//! 4                                <--  ServerHello, ServerKeyExchange, ServerHelloDone
//! 5  ClientKeyExchange,
//!    ChangeCipherSpec, Finished    -->
//! 6                                <--  ChangeCipherSpec, Finished
//! ```

use subtle::ConstantTimeEq;

use crate::config::Psk;
use crate::engine::{Engine, complete_key_exchange};
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::key_schedule::{
    MasterSecret, PremasterSecret, Protections, Randoms, Side, VERIFY_DATA_LEN,
};
use crate::messages::extensions::{EXTENDED_MASTER_SECRET, GROUP_X25519, POINT_UNCOMPRESSED};
use crate::messages::hello::{COMPRESSION_NULL, ClientHello, HelloVerifyRequest, ServerHello};
use crate::messages::key_exchange::{EcdhePskClient, EcdhePskServer};
use crate::messages::{Fragment, Message, handshake_type};
use crate::record::DTLS_1_2;
use crate::suites::CipherSuite;

/// How many HelloVerifyRequests are answered. One is the rule; a server that changes its secret has
/// reason for a second.
const MAX_VERIFY_REQUESTS: u64 = 3;

/// A client's side of the handshake.
#[derive(Debug)]
pub(crate) struct ClientHandshake {
    random: [u8; 32],
    identity: Vec<u8>,
    psk: Psk,
    cookie: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    AwaitServerHello,
    AwaitServerKeyExchange(Negotiated),
    AwaitServerHelloDone(Negotiated, Vec<u8>),
    AwaitFinished {
        negotiated: Negotiated,
        /// The number of the ServerHelloDone: when it comes again, flight 5 was lost.
        hello_done: u16,
        expected: [u8; VERIFY_DATA_LEN],
    },
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Negotiated {
    randoms: Randoms,
    suite: CipherSuite,
    extended_master_secret: bool,
}

impl ClientHandshake {
    pub(crate) fn new(random: [u8; 32], identity: Vec<u8>, psk: Psk) -> Self {
        Self {
            random,
            identity,
            psk,
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

    /// Flights 1 and 3: the same hello, once without and once with the cookie.
    pub(crate) fn send_hello(&self, engine: &mut Engine) -> Result<(), Error> {
        engine.restart_transcript();
        engine.flight.begin();
        let body = ClientHello::write(
            &self.random,
            &self.cookie,
            engine.config.extended_master_secret,
        )?;
        engine.add_message(handshake_type::CLIENT_HELLO, body)?;
        engine.send_flight(true)
    }

    /// Flight 2. It does not go through the reassembly: a server without state sends every one with the
    /// same message number.
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
        // Not authenticated and easily spoiled: one that does not parse is noise, as it is anywhere
        // before both sides hold state.
        let Ok(request) = HelloVerifyRequest::parse(fragment.data) else {
            engine.stats.malformed += 1;
            return Ok(());
        };
        let next = engine.reassembly.next();
        if fragment.sequence < next && request.cookie == self.cookie {
            // The network's copy of the one that was answered.
            engine.stats.unexpected += 1;
            return Ok(());
        }
        engine.stats.verify_requests += 1;
        self.cookie = request.cookie.to_vec();
        engine
            .reassembly
            .restart_at(next.max(fragment.sequence.saturating_add(1)));
        self.send_hello(engine)
    }

    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::AwaitServerHello => {
                message.expect(handshake_type::SERVER_HELLO, "ServerHello")?;
                let negotiated = self.read_server_hello(engine, &message.body)?;
                engine.note(message)?;
                self.state = State::AwaitServerKeyExchange(negotiated);
            }
            State::AwaitServerKeyExchange(negotiated) => {
                message.expect(handshake_type::SERVER_KEY_EXCHANGE, "ServerKeyExchange")?;
                let params = EcdhePskServer::parse(&message.body)?;
                if params.group != GROUP_X25519 {
                    return Err(Error::Group {
                        what: "the server chose one other than X25519",
                    });
                }
                let public = params.public.to_vec();
                engine.note(message)?;
                self.state = State::AwaitServerHelloDone(negotiated, public);
            }
            State::AwaitServerHelloDone(negotiated, public) => {
                message.expect(handshake_type::SERVER_HELLO_DONE, "ServerHelloDone")?;
                if !message.body.is_empty() {
                    return Err(Error::Malformed {
                        message: "ServerHelloDone",
                        what: "nothing in it",
                    });
                }
                engine.note(message)?;
                let expected = self.send_finished(engine, &negotiated, &public)?;
                self.state = State::AwaitFinished {
                    negotiated,
                    hello_done: message.sequence,
                    expected,
                };
            }
            State::AwaitFinished {
                negotiated,
                expected,
                ..
            } => {
                message.expect(handshake_type::FINISHED, "Finished")?;
                if !bool::from(expected.as_slice().ct_eq(&message.body)) {
                    return Err(Error::FinishedMismatch);
                }
                engine.flight.disarm();
                engine.events.push_back(Event::Connected(Connected {
                    suite: negotiated.suite,
                    extended_master_secret: negotiated.extended_master_secret,
                    identity: self.identity.clone(),
                }));
            }
            State::Done => {
                return Err(Error::UnexpectedMessage {
                    expected: "nothing more",
                    got: message.handshake_type,
                });
            }
        }
        Ok(())
    }

    /// Whether the server may send its ChangeCipherSpec now: once flight 5 is out.
    pub(crate) fn expects_change_cipher_spec(&self) -> bool {
        matches!(self.state, State::AwaitFinished { .. })
    }

    /// Whether `fragment` ends the server's flight once more, so that flight 5 must have been lost.
    pub(crate) fn is_repeat(&self, fragment: &Fragment<'_>) -> bool {
        matches!(self.state, State::AwaitFinished { hello_done, .. }
            if fragment.handshake_type == handshake_type::SERVER_HELLO_DONE
                && fragment.sequence == hello_done)
    }

    fn read_server_hello(&self, engine: &Engine, body: &[u8]) -> Result<Negotiated, Error> {
        const MESSAGE: &str = "ServerHello";
        let hello = ServerHello::parse(body)?;
        if hello.version != DTLS_1_2 {
            return Err(Error::Version { got: hello.version });
        }
        let suite = CipherSuite::from_id(hello.suite).ok_or(Error::CipherSuite {
            what: "the server chose one that was not offered",
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
        if extensions.extended_master_secret && !engine.config.extended_master_secret {
            return Err(Error::UnsolicitedExtension(EXTENDED_MASTER_SECRET));
        }
        if extensions
            .point_formats
            .is_some_and(|formats| !formats.contains(&POINT_UNCOMPRESSED))
        {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "ec_point_formats",
            });
        }
        // RFC 5746 section 3.4: empty, or missing on a server that does not know it, which is as well
        // here, where nothing is ever renegotiated.
        if extensions
            .renegotiation_info
            .is_some_and(|info| !info.is_empty())
        {
            return Err(Error::Renegotiation);
        }
        Ok(Negotiated {
            randoms: Randoms {
                client: self.random,
                server: *hello.random,
            },
            suite,
            extended_master_secret: extensions.extended_master_secret,
        })
    }

    /// Flight 5. Gives what the server's Finished must be.
    fn send_finished(
        &self,
        engine: &mut Engine,
        negotiated: &Negotiated,
        public: &[u8],
    ) -> Result<[u8; VERIFY_DATA_LEN], Error> {
        engine.flight.begin();
        let exchange = engine.start_key_exchange()?;
        let body = EcdhePskClient {
            identity: &self.identity,
            public: exchange.pub_key(),
        }
        .write()?;
        engine.add_message(handshake_type::CLIENT_KEY_EXCHANGE, body)?;

        let shared = complete_key_exchange(exchange, public, "ServerKeyExchange")?;
        let premaster = PremasterSecret::new(&shared, &self.psk)?;
        let session_hash = negotiated
            .extended_master_secret
            .then(|| engine.transcript.hash());
        let master = MasterSecret::derive(
            &engine.provider,
            &premaster,
            &negotiated.randoms,
            session_hash,
        )?;
        if engine.config.key_log {
            engine
                .events
                .push_back(Event::KeyLog(master.key_log(&self.random)));
        }
        let Protections { write, read } = master.protections(
            &engine.provider,
            negotiated.suite,
            &negotiated.randoms,
            Side::Client,
        )?;
        engine.add_change_cipher_spec();
        engine.records.install_write(write);
        engine.records.install_read(read);
        let finished =
            master.verify_data(&engine.provider, Side::Client, engine.transcript.hash())?;
        engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
        engine.send_flight(true)?;
        master.verify_data(&engine.provider, Side::Server, engine.transcript.hash())
    }
}
