//! The server's handshake; the flights are drawn in `client.rs`.

use dimpl::crypto::ActiveKeyExchange;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::{Config, MAX_IDENTITY, Psk, PskLookup, check_psk};
use crate::cookie::{self, Judged};
use crate::engine::{Engine, complete_key_exchange};
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::group::Group;
use crate::key_schedule::{
    MasterSecret, PremasterSecret, ProtectionChoice, Protections, Randoms, Side,
};
use crate::messages::extensions::{POINT_UNCOMPRESSED, numbers};
use crate::messages::hello::{COMPRESSION_NULL, Choice, ClientHello, ServerHello};
use crate::messages::key_exchange::{ClientKeyExchange, ServerKeyExchange, Share};
use crate::messages::{Fragment, Message, handshake_type};
use crate::protection::Protection;
use crate::record::DTLS_1_2;
use crate::suites::CipherSuite;

/// A server's side of the handshake.
pub(crate) struct ServerHandshake {
    secrets: ServerSecrets,
    peer_id: Vec<u8>,
    lookup: std::sync::Arc<dyn PskLookup>,
    hint: Vec<u8>,
    state: State,
}

/// What a server draws at the beginning.
pub(crate) struct ServerSecrets {
    pub(crate) random: [u8; 32],
    pub(crate) cookie: Zeroizing<[u8; 32]>,
    /// The key of identities that there are not (RFC 4279 section 2).
    pub(crate) decoy: Psk,
}

impl ServerSecrets {
    pub(crate) fn draw(config: &Config, rng: &mut dyn CryptoRng) -> Self {
        let mut random = [0; 32];
        rng.fill_bytes(&mut random);
        let mut decoy = Zeroizing::new([0; 32]);
        rng.fill_bytes(decoy.as_mut_slice());
        let mut cookie = Zeroizing::new([0; 32]);
        rng.fill_bytes(cookie.as_mut_slice());
        Self {
            random,
            cookie: config.cookie_secret.clone().unwrap_or(cookie),
            decoy: Psk::new(decoy.as_slice()),
        }
    }
}

enum State {
    AwaitHello,
    AwaitKeyExchange(Negotiated, Option<Box<dyn ActiveKeyExchange>>),
    AwaitFinished {
        negotiated: Negotiated,
        master: MasterSecret,
        /// Installed when this side's ChangeCipherSpec goes out: until then its alerts are in the clear.
        write: Box<dyn Protection>,
        identity: Vec<u8>,
    },
    Done {
        /// The number of the client's Finished: when it comes again, flight 6 was lost.
        finished: u16,
    },
    Failed,
}

#[derive(Clone, Copy)]
struct Negotiated {
    randoms: Randoms,
    suite: CipherSuite,
    /// If the suite has an ephemeral exchange.
    group: Option<Group>,
    encrypt_then_mac: bool,
    extended_master_secret: bool,
    /// The number of the ClientHello: when it comes again, flight 4 was lost.
    hello: u16,
}

impl ServerHandshake {
    pub(crate) fn new(
        secrets: ServerSecrets,
        peer_id: Vec<u8>,
        lookup: std::sync::Arc<dyn PskLookup>,
        hint: Vec<u8>,
    ) -> Self {
        Self {
            secrets,
            peer_id,
            lookup,
            hint,
            state: State::AwaitHello,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.state {
            State::AwaitHello => Stage::AwaitHello,
            State::AwaitKeyExchange(..) => Stage::AwaitKeyExchange,
            State::AwaitFinished { .. } => Stage::AwaitFinished,
            State::Done { .. } => Stage::Connected,
            State::Failed => Stage::Closed,
        }
    }

    /// Flights 1 and 3, before there is any state. `record` is the sequence number that the hello came in.
    pub(crate) fn handle_hello(
        &mut self,
        engine: &mut Engine,
        record: u64,
        fragment: &Fragment<'_>,
    ) -> Result<(), Error> {
        if !cookie::is_first_hello(fragment) {
            engine.stats.unexpected += 1;
            return Ok(());
        }
        if !engine.config.cookie_exchange {
            if fragment.is_whole() {
                engine.reassembly.restart_at(fragment.sequence);
            }
            engine.insert(fragment);
            return match engine.reassembly.pop() {
                // As with cookies: noise, and nothing was begun.
                Some(message)
                    if matches!(
                        ClientHello::parse(&message.body),
                        Err(Error::Malformed { .. })
                    ) =>
                {
                    engine.stats.messages_rejected += 1;
                    engine.reassembly.reopen();
                    Ok(())
                }
                Some(message) => self.accept(engine, record, &message),
                None => Ok(()),
            };
        }
        let judged = cookie::judge(
            &engine.provider,
            [&self.secrets.cookie],
            &self.peer_id,
            record,
            fragment,
        )?;
        match judged {
            Judged::Verified(_) => {
                engine
                    .reassembly
                    .restart_at(fragment.sequence.wrapping_add(1));
                let message = Message {
                    handshake_type: fragment.handshake_type,
                    sequence: fragment.sequence,
                    body: fragment.data.to_vec(),
                };
                self.accept(engine, record, &message)
            }
            Judged::Unverified { record, content } => {
                engine.stats.verify_requests += 1;
                engine.send_plain(record, &content)
            }
            Judged::Malformed => {
                engine.stats.malformed += 1;
                Ok(())
            }
        }
    }

    /// Takes a hello, and sends flight 4.
    fn accept(&mut self, engine: &mut Engine, record: u64, message: &Message) -> Result<(), Error> {
        const MESSAGE: &str = "ClientHello";
        self.state = State::Failed;
        // Message and record numbers go on from the client's (RFC 6347 section 4.2.1).
        engine.next_message = message.sequence;
        engine.records.start_plain_at(record);
        let hello = ClientHello::parse(&message.body)?;
        // Versions count down. A client that also speaks 1.3 says so in supported_versions, which is
        // unknown here and passed over; an older one cannot be served.
        if !(0xfe00..=DTLS_1_2).contains(&hello.version) {
            return Err(Error::Version { got: hello.version });
        }
        if !hello.compressions.contains(&COMPRESSION_NULL) {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "compression methods: null is missing",
            });
        }
        let extensions = &hello.extensions;
        let (suite, group) = choose(&engine.config, &hello)?;
        if extensions
            .point_formats
            .is_some_and(|formats| !formats.contains(&POINT_UNCOMPRESSED))
        {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "ec_point_formats",
            });
        }
        if extensions
            .renegotiation_info
            .is_some_and(|info| !info.is_empty())
        {
            return Err(Error::Renegotiation);
        }
        let negotiated = Negotiated {
            randoms: Randoms {
                client: *hello.random,
                server: self.secrets.random,
            },
            suite,
            group,
            // RFC 7366 section 3: not with a suite that has no use for it.
            encrypt_then_mac: extensions.encrypt_then_mac
                && engine.config.encrypt_then_mac
                && suite.is_cbc(),
            extended_master_secret: extensions.extended_master_secret
                && engine.config.extended_master_secret,
            hello: message.sequence,
        };
        let choice = Choice {
            random: &self.secrets.random,
            suite,
            encrypt_then_mac: negotiated.encrypt_then_mac,
            extended_master_secret: negotiated.extended_master_secret,
        };
        let answer = ServerHello::write(&choice, &hello)?;

        engine.forget_transcript();
        engine
            .transcript
            .choose(&engine.provider, suite.suite().hash);
        engine.note(message)?;
        engine.flight.begin();
        engine.add_message(handshake_type::SERVER_HELLO, answer)?;
        let exchange = match group {
            Some(group) => Some(engine.start_key_exchange(group)?),
            None => None,
        };
        let params = ServerKeyExchange {
            hint: &self.hint,
            share: group.zip(exchange.as_ref()).map(|(group, exchange)| Share {
                group: group.id(),
                public: exchange.pub_key(),
            }),
        };
        if params.share.is_some() || !self.hint.is_empty() {
            engine.add_message(handshake_type::SERVER_KEY_EXCHANGE, params.write()?)?;
        }
        engine.add_message(handshake_type::SERVER_HELLO_DONE, Vec::new())?;
        engine.send_flight(true)?;
        self.state = State::AwaitKeyExchange(negotiated, exchange);
        Ok(())
    }

    /// Whether `message` has its place here and parses: fails with [`Error::UnexpectedMessage`] or
    /// [`Error::Malformed`] if not. What it says is judged by [`Self::handle_message`].
    pub(crate) fn check(&self, message: &Message) -> Result<(), Error> {
        match &self.state {
            State::AwaitKeyExchange(negotiated, _) => {
                message.expect(handshake_type::CLIENT_KEY_EXCHANGE, "ClientKeyExchange")?;
                let kind = negotiated.suite.suite().key_exchange;
                ClientKeyExchange::parse(&message.body, kind).map(drop)
            }
            State::AwaitFinished { .. } => message.expect(handshake_type::FINISHED, "Finished"),
            State::AwaitHello | State::Done { .. } | State::Failed => {
                Err(Error::UnexpectedMessage {
                    expected: "nothing more",
                    got: message.handshake_type,
                })
            }
        }
    }

    /// Takes a message that [`Self::check`] has passed. Every failure is for good.
    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::AwaitKeyExchange(negotiated, exchange) => {
                engine.note(message)?;
                self.state = self.derive_keys(engine, negotiated, exchange, &message.body)?;
            }
            State::AwaitFinished {
                negotiated,
                master,
                write,
                identity,
            } => {
                let hash = engine.transcript.hash()?;
                let expected = master.verify_data(&engine.provider, Side::Client, &hash)?;
                if !bool::from(expected.as_slice().ct_eq(&message.body)) {
                    return Err(Error::FinishedMismatch);
                }
                engine.note(message)?;
                engine.flight.begin();
                engine.add_change_cipher_spec();
                engine.records.install_write(write);
                let hash = engine.transcript.hash()?;
                let finished = master.verify_data(&engine.provider, Side::Server, &hash)?;
                engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
                // The last flight has no timer: it is sent again when the client repeats its own.
                engine.send_flight(false)?;
                engine.events.push_back(Event::Connected(Connected {
                    suite: negotiated.suite,
                    group: negotiated.group,
                    extended_master_secret: negotiated.extended_master_secret,
                    encrypt_then_mac: negotiated.encrypt_then_mac,
                    identity,
                    identity_hint: self.hint.clone(),
                }));
                engine.forget_transcript();
                self.state = State::Done {
                    finished: message.sequence,
                };
            }
            State::AwaitHello | State::Done { .. } | State::Failed => {}
        }
        Ok(())
    }

    /// Whether the client may send its ChangeCipherSpec now. It may overtake the ClientKeyExchange.
    pub(crate) fn expects_change_cipher_spec(&self) -> bool {
        matches!(
            self.state,
            State::AwaitKeyExchange(..) | State::AwaitFinished { .. }
        )
    }

    /// Whether `fragment` ends the client's last flight once more, so that the answer must have been lost.
    pub(crate) fn is_repeat(&self, fragment: &Fragment<'_>) -> bool {
        match &self.state {
            State::AwaitKeyExchange(negotiated, _) => {
                fragment.handshake_type == handshake_type::CLIENT_HELLO
                    && fragment.sequence == negotiated.hello
                    && fragment.offset == 0
            }
            State::Done { finished } => {
                fragment.handshake_type == handshake_type::FINISHED
                    && fragment.sequence == *finished
                    && fragment.is_whole()
            }
            _ => false,
        }
    }

    fn derive_keys(
        &self,
        engine: &mut Engine,
        negotiated: Negotiated,
        exchange: Option<Box<dyn ActiveKeyExchange>>,
        body: &[u8],
    ) -> Result<State, Error> {
        const MESSAGE: &str = "ClientKeyExchange";
        let suite = negotiated.suite.suite();
        let client = ClientKeyExchange::parse(body, suite.key_exchange)?;
        if client.identity.len() > MAX_IDENTITY {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "PSK identity: too long",
            });
        }
        // An identity that there is not, and a key that cannot be one, look like a wrong key from outside.
        let psk = self
            .lookup
            .psk(client.identity)
            .filter(|psk| check_psk(psk).is_ok())
            .unwrap_or_else(|| self.secrets.decoy.clone());
        let shared = match (exchange, negotiated.group, client.public) {
            (Some(exchange), Some(group), Some(public)) => {
                Some(complete_key_exchange(exchange, group, public, MESSAGE)?)
            }
            _ => None,
        };
        let shared = shared
            .as_ref()
            .map(|shared: &Zeroizing<_>| shared.as_slice());
        let premaster = PremasterSecret::new(shared, &psk)?;
        let session_hash = engine.transcript.hash()?;
        let master = MasterSecret::derive(
            &engine.provider,
            suite.hash,
            &premaster,
            &negotiated.randoms,
            negotiated
                .extended_master_secret
                .then_some(session_hash.as_slice()),
        )?;
        if engine.config.key_log {
            engine
                .events
                .push_back(Event::KeyLog(master.key_log(&negotiated.randoms.client)));
        }
        let Protections { write, read } = master.protections(
            &engine.provider,
            ProtectionChoice {
                suite: negotiated.suite,
                encrypt_then_mac: negotiated.encrypt_then_mac,
                iv_key: &engine.iv_key,
            },
            &negotiated.randoms,
            Side::Server,
        )?;
        engine.records.install_read(read);
        Ok(State::AwaitFinished {
            negotiated,
            master,
            write,
            identity: client.identity.to_vec(),
        })
    }
}

/// The first suite of this side's that the client offers, and the first group of this side's that it offers.
/// A suite with an ephemeral exchange is passed over where there is no common group (RFC 8422 section 5.1).
fn choose(config: &Config, hello: &ClientHello<'_>) -> Result<(CipherSuite, Option<Group>), Error> {
    let group = config.groups.iter().copied().find(|group| {
        // A client that does not say which groups it knows takes any (RFC 8422 section 4).
        hello
            .extensions
            .groups
            .is_none_or(|groups| numbers(groups).any(|id| id == group.id()))
    });
    let mut error = Error::CipherSuite {
        what: "the client offers none that is known here",
    };
    for suite in &config.suites {
        if !numbers(hello.suites).any(|id| id == suite.id()) {
            continue;
        }
        if !suite.has_forward_secrecy() {
            return Ok((*suite, None));
        }
        if group.is_some() {
            return Ok((*suite, group));
        }
        error = Error::Group {
            what: "the client offers none that is known here",
        };
    }
    Err(error)
}
