//! The server's handshake; the flights are drawn in `client.rs`.

use dimpl::crypto::ActiveKeyExchange;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::{MAX_IDENTITY, Psk, PskLookup, check_psk};
use crate::cookie;
use crate::engine::{Engine, complete_key_exchange};
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::key_schedule::{MasterSecret, PremasterSecret, Protections, Randoms, Side};
use crate::messages::extensions::{GROUP_X25519, POINT_UNCOMPRESSED, numbers};
use crate::messages::hello::{COMPRESSION_NULL, ClientHello, HelloVerifyRequest, ServerHello};
use crate::messages::key_exchange::{EcdhePskClient, EcdhePskServer};
use crate::messages::{Fragment, Message, handshake_header, handshake_type};
use crate::record::{ContentType, DTLS_1_2, Epoch, RecordId};
use crate::suites::{CipherSuite, Protection, SUITES};

/// A hello with a higher message number is noise: a client counts one for every HelloVerifyRequest.
const MAX_HELLO_SEQUENCE: u16 = 32;

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

enum State {
    AwaitHello,
    AwaitKeyExchange(Negotiated, Box<dyn ActiveKeyExchange>),
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
    ///
    /// With cookies a hello must come whole, in one record: to put fragments together is to keep state
    /// for whoever sends them (RFC 6347 section 4.2.1). Nothing here is an error before the cookie is
    /// valid: anybody can send anything from any address.
    pub(crate) fn handle_hello(
        &mut self,
        engine: &mut Engine,
        record: u64,
        fragment: &Fragment<'_>,
    ) -> Result<(), Error> {
        if fragment.handshake_type != handshake_type::CLIENT_HELLO
            || fragment.sequence > MAX_HELLO_SEQUENCE
        {
            engine.stats.unexpected += 1;
            return Ok(());
        }
        if !engine.config.cookie_exchange {
            if fragment.is_whole() {
                engine.reassembly.restart_at(fragment.sequence);
            }
            engine.insert(fragment);
            return match engine.reassembly.pop() {
                Some(message) => self.accept(engine, record, &message),
                None => Ok(()),
            };
        }
        let hello = match ClientHello::parse(fragment.data) {
            Ok(hello) if fragment.is_whole() => hello,
            _ => {
                engine.stats.malformed += 1;
                return Ok(());
            }
        };
        let provider = &engine.provider;
        if cookie::verify(provider, &self.secrets.cookie, &self.peer_id, &hello)? {
            engine
                .reassembly
                .restart_at(fragment.sequence.wrapping_add(1));
            let message = Message {
                handshake_type: fragment.handshake_type,
                sequence: fragment.sequence,
                body: fragment.data.to_vec(),
            };
            return self.accept(engine, record, &message);
        }
        let cookie = cookie::make(provider, &self.secrets.cookie, &self.peer_id, &hello)?;
        let body = HelloVerifyRequest::write(&cookie)?;
        let header = handshake_header(
            handshake_type::HELLO_VERIFY_REQUEST,
            body.len(),
            fragment.sequence,
            0,
            body.len(),
        )?;
        engine.stats.verify_requests += 1;
        // The client's own record number: the only one to be had without state (RFC 6347 section 4.2.1).
        let id = RecordId {
            content_type: ContentType::Handshake,
            version: DTLS_1_2,
            epoch: Epoch::Plain,
            sequence: record,
        };
        engine.send_plain(id, &[&header[..], &body].concat())
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
        let suite = SUITES
            .iter()
            .copied()
            .find(|suite| numbers(hello.suites).any(|id| id == suite.id()))
            .ok_or(Error::CipherSuite {
                what: "the client offers none that is known here",
            })?;
        if !hello.compressions.contains(&COMPRESSION_NULL) {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "compression methods: null is missing",
            });
        }
        let extensions = &hello.extensions;
        // RFC 8422 section 4: a client that does not say which groups it knows takes any.
        if extensions
            .groups
            .is_some_and(|groups| !numbers(groups).any(|group| group == GROUP_X25519))
        {
            return Err(Error::Group {
                what: "the client does not offer X25519",
            });
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
        if extensions
            .renegotiation_info
            .is_some_and(|info| !info.is_empty())
        {
            return Err(Error::Renegotiation);
        }
        let extended_master_secret =
            extensions.extended_master_secret && engine.config.extended_master_secret;
        let negotiated = Negotiated {
            randoms: Randoms {
                client: *hello.random,
                server: self.secrets.random,
            },
            suite,
            extended_master_secret,
            hello: message.sequence,
        };
        let answer = ServerHello::write(
            &self.secrets.random,
            suite.id(),
            &hello,
            extended_master_secret,
        )?;

        engine.restart_transcript();
        engine.note(message)?;
        engine.flight.begin();
        let exchange = engine.start_key_exchange()?;
        engine.add_message(handshake_type::SERVER_HELLO, answer)?;
        let params = EcdhePskServer::write(&self.hint, exchange.pub_key())?;
        engine.add_message(handshake_type::SERVER_KEY_EXCHANGE, params)?;
        engine.add_message(handshake_type::SERVER_HELLO_DONE, Vec::new())?;
        engine.send_flight(true)?;
        self.state = State::AwaitKeyExchange(negotiated, exchange);
        Ok(())
    }

    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::AwaitKeyExchange(negotiated, exchange) => {
                message.expect(handshake_type::CLIENT_KEY_EXCHANGE, "ClientKeyExchange")?;
                engine.note(message)?;
                self.state = self.derive_keys(engine, negotiated, exchange, &message.body)?;
            }
            State::AwaitFinished {
                negotiated,
                master,
                write,
                identity,
            } => {
                message.expect(handshake_type::FINISHED, "Finished")?;
                let expected =
                    master.verify_data(&engine.provider, Side::Client, engine.transcript.hash())?;
                if !bool::from(expected.as_slice().ct_eq(&message.body)) {
                    return Err(Error::FinishedMismatch);
                }
                engine.note(message)?;
                engine.flight.begin();
                engine.add_change_cipher_spec();
                engine.records.install_write(write);
                let finished =
                    master.verify_data(&engine.provider, Side::Server, engine.transcript.hash())?;
                engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
                // The last flight has no timer: it is sent again when the client repeats its own.
                engine.send_flight(false)?;
                engine.events.push_back(Event::Connected(Connected {
                    suite: negotiated.suite,
                    extended_master_secret: negotiated.extended_master_secret,
                    identity,
                }));
                self.state = State::Done {
                    finished: message.sequence,
                };
            }
            State::AwaitHello | State::Done { .. } | State::Failed => {
                return Err(Error::UnexpectedMessage {
                    expected: "nothing more",
                    got: message.handshake_type,
                });
            }
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
        exchange: Box<dyn ActiveKeyExchange>,
        body: &[u8],
    ) -> Result<State, Error> {
        const MESSAGE: &str = "ClientKeyExchange";
        let client = EcdhePskClient::parse(body)?;
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
        let shared = complete_key_exchange(exchange, client.public, MESSAGE)?;
        let premaster = PremasterSecret::new(&shared, &psk)?;
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
                .push_back(Event::KeyLog(master.key_log(&negotiated.randoms.client)));
        }
        let Protections { write, read } = master.protections(
            &engine.provider,
            negotiated.suite,
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
