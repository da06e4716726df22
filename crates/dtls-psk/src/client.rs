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
//! A ServerKeyExchange is left out where it would say nothing: without an ephemeral exchange or a hint
//! (RFC 4279 section 2).

use subtle::ConstantTimeEq;

use zeroize::Zeroizing;

use crate::config::{Credentials, Psk, check_identity};
use crate::engine::{Engine, complete_key_exchange};
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::group::Group;
use crate::key_schedule::{
    MasterSecret, PremasterSecret, ProtectionChoice, Protections, Randoms, Side, VERIFY_DATA_LEN,
};
use crate::messages::extensions::{
    EC_POINT_FORMATS, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, POINT_UNCOMPRESSED,
    SUPPORTED_GROUPS,
};
use crate::messages::hello::{
    COMPRESSION_NULL, ClientHello, HelloVerifyRequest, Offer, ServerHello,
};
use crate::messages::key_exchange::{ClientKeyExchange, ServerKeyExchange};
use crate::messages::{Fragment, Message, handshake_type};
use crate::record::DTLS_1_2;
use crate::suites::{CipherSuite, KeyExchange};

/// How many HelloVerifyRequests are answered. One is the rule; a server that changes its secret has
/// reason for a second.
const MAX_VERIFY_REQUESTS: u64 = 3;

/// A client's side of the handshake.
pub(crate) struct ClientHandshake {
    random: [u8; 32],
    credentials: Credentials,
    cookie: Vec<u8>,
    state: State,
}

enum State {
    AwaitServerHello,
    AwaitServerKeyExchange(Negotiated),
    AwaitServerHelloDone(Negotiated, ServerParams),
    AwaitFinished {
        connected: Connected,
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
    encrypt_then_mac: bool,
    extended_master_secret: bool,
}

/// What a ServerKeyExchange said; nothing if there was none.
#[derive(Default)]
struct ServerParams {
    hint: Vec<u8>,
    share: Option<(Group, Vec<u8>)>,
}

/// Flight 5, sent.
struct Sent {
    identity: Vec<u8>,
    /// What the server's Finished must be.
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

    /// Flights 1 and 3: the same hello, once without and once with the cookie.
    pub(crate) fn send_hello(&self, engine: &mut Engine) -> Result<(), Error> {
        engine.forget_transcript();
        engine.flight.begin();
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
        let answered_before = fragment.sequence < engine.reassembly.next();
        // A request has the number of the hello that it answers, or 0.
        let early = fragment.sequence >= engine.next_message;
        let repeated = request.cookie == self.cookie || engine.flight.retransmits() == 0;
        if early || (answered_before && repeated) {
            // The network's copy of the one that was answered; or, where cookies change with time, what
            // came of an earlier hello's copy. The server may have taken the hello with the first cookie by
            // now, and one hello is all that both sides can agree on. A hello without an answer is another
            // matter: its cookie may be good no more.
            engine.stats.unexpected += 1;
            return Ok(());
        }
        engine.stats.verify_requests += 1;
        self.cookie = request.cookie.to_vec();
        // A server without state numbers its ServerHello as the hello it answers: the count begins with the
        // request, not with how many of them came.
        let number = fragment.sequence.saturating_add(1);
        engine.next_message = number;
        engine.reassembly.restart_at(number);
        self.send_hello(engine)
    }

    /// Whether `message` has its place here and parses: fails with [`Error::UnexpectedMessage`] or
    /// [`Error::Malformed`] if not. What it says is judged by [`Self::handle_message`].
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
                expected: "nothing more",
                got: message.handshake_type,
            }),
        }
    }

    /// Takes a message that [`Self::check`] has passed. Every failure is for good.
    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::AwaitServerHello => {
                let negotiated = self.read_server_hello(engine, &message.body)?;
                let hash = negotiated.suite.suite().hash;
                engine.transcript.choose(&engine.provider, hash);
                engine.note(message)?;
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
                    engine.note(message)?;
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
                engine.forget_transcript();
                engine.events.push_back(Event::Connected(connected));
            }
            State::Done => {}
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
        let suite = CipherSuite::from_id(hello.suite)
            .filter(|suite| engine.config.suites.contains(suite))
            .ok_or(Error::CipherSuite {
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
            encrypt_then_mac: extensions.encrypt_then_mac,
            extended_master_secret: extensions.extended_master_secret,
        })
    }

    /// The end of flight 4: sends flight 5.
    fn finish(
        &self,
        engine: &mut Engine,
        hello_done: &Message,
        negotiated: &Negotiated,
        params: ServerParams,
    ) -> Result<State, Error> {
        engine.note(hello_done)?;
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

    /// Flight 5.
    fn send_finished(
        &self,
        engine: &mut Engine,
        negotiated: &Negotiated,
        params: &ServerParams,
    ) -> Result<Sent, Error> {
        engine.flight.begin();
        let (identity, psk) = self.choose_identity(&params.hint)?;
        let exchange = match &params.share {
            Some((group, _)) => Some(engine.start_key_exchange(*group)?),
            None => None,
        };
        let body = ClientKeyExchange {
            identity: &identity,
            public: exchange.as_ref().map(|exchange| exchange.pub_key()),
        }
        .write()?;
        engine.add_message(handshake_type::CLIENT_KEY_EXCHANGE, body)?;

        let shared = match (exchange, &params.share) {
            (Some(exchange), Some((group, public))) => Some(complete_key_exchange(
                exchange,
                *group,
                public,
                "ServerKeyExchange",
            )?),
            _ => None,
        };
        let shared = shared
            .as_ref()
            .map(|shared: &Zeroizing<_>| shared.as_slice());
        let premaster = PremasterSecret::new(shared, &psk)?;
        let session_hash = engine.transcript.hash()?;
        let master = MasterSecret::derive(
            &engine.provider,
            negotiated.suite.suite().hash,
            &premaster,
            &negotiated.randoms,
            negotiated
                .extended_master_secret
                .then_some(session_hash.as_slice()),
        )?;
        if engine.config.key_log {
            engine
                .events
                .push_back(Event::KeyLog(master.key_log(&self.random)));
        }
        let Protections { write, read } = master.protections(
            &engine.provider,
            ProtectionChoice {
                suite: negotiated.suite,
                encrypt_then_mac: negotiated.encrypt_then_mac,
                iv_key: &engine.iv_key,
            },
            &negotiated.randoms,
            Side::Client,
        )?;
        engine.add_change_cipher_spec();
        engine.records.install_write(write);
        engine.records.install_read(read);
        let hash = engine.transcript.hash()?;
        let finished = master.verify_data(&engine.provider, Side::Client, &hash)?;
        engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
        engine.send_flight(true)?;
        let hash = engine.transcript.hash()?;
        let expected = master.verify_data(&engine.provider, Side::Server, &hash)?;
        Ok(Sent { identity, expected })
    }

    fn choose_identity(&self, hint: &[u8]) -> Result<(Vec<u8>, Psk), Error> {
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
            what: "nothing in it",
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
                    what: "the server chose one that was not offered",
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
