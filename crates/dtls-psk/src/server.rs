//! The server's handshake. `client.rs` shows the flights.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cipher_suite::CipherSuite;
use crate::config::{Config, MAX_IDENTITY, Psk, PskLookup, check_psk};
use crate::cookie::{self, CookieCheck};
use crate::engine::Engine;
use crate::error::{Error, Stage};
use crate::event::{Connected, Event};
use crate::group::Group;
use crate::key_schedule::{MasterSecret, Parameters, Protections, Side};
use crate::key_share::KeyShare;
use crate::messages::extensions::numbers;
use crate::messages::hello::{COMPRESSION_NULL, Choice, ClientHello, ServerHello};
use crate::messages::key_exchange::{ClientKeyExchange, ServerKeyExchange, Share};
use crate::messages::{Fragment, Message, handshake_type};
use crate::protection::Protection;
use crate::record::DTLS_1_2;
use crate::seed::Seed;

/// The server side of a handshake.
pub(crate) struct ServerHandshake {
    secrets: ServerSecrets,
    peer_id: Vec<u8>,
    lookup: Arc<dyn PskLookup>,
    hint: Vec<u8>,
    state: State,
}

/// The random values of a server.
pub(crate) struct ServerSecrets {
    pub(crate) random: [u8; 32],
    pub(crate) cookie: Zeroizing<[u8; 32]>,
    /// The key for unknown identities (RFC 4279 section 2).
    pub(crate) decoy: Psk,
}

impl ServerSecrets {
    /// `cookie` is the secret of the client's cookie, if an acceptor has checked it.
    pub(crate) fn new(
        config: &Config,
        seed: &Seed,
        cookie: Option<Zeroizing<[u8; 32]>>,
    ) -> Result<Self, Error> {
        let derive = |name| seed.derive(config.provider, name, 0);
        Ok(Self {
            random: *derive("server random")?,
            cookie: match cookie.or_else(|| config.cookie_secret.clone()) {
                Some(secret) => secret,
                None => derive("cookie secret")?,
            },
            decoy: Psk::new(derive("decoy key")?.as_slice()),
        })
    }
}

enum State {
    AwaitHello,
    AwaitKeyExchange(Accepted, Option<KeyShare>),
    AwaitFinished {
        accepted: Accepted,
        master: MasterSecret,
        /// Used from this side's ChangeCipherSpec on. Until then its alerts are in the clear.
        write: Box<dyn Protection>,
        identity: Vec<u8>,
    },
    Done {
        /// The number of the client's Finished. A retransmission means that flight 6 was lost.
        finished: u16,
    },
    Failed,
}

/// A ClientHello that was accepted.
#[derive(Clone, Copy)]
struct Accepted {
    negotiated: Parameters,
    /// The group of the ephemeral key exchange, if the suite has one.
    group: Option<Group>,
    /// The number of the ClientHello. A retransmission means that flight 4 was lost.
    hello: u16,
}

impl ServerHandshake {
    pub(crate) fn new(
        secrets: ServerSecrets,
        peer_id: Vec<u8>,
        lookup: Arc<dyn PskLookup>,
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

    /// Handles flights 1 and 3. `record` is the sequence number of the hello's record.
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
                // Dropped, as with cookies: the handshake has not started.
                Some(message)
                    if matches!(
                        ClientHello::parse(&message.body),
                        Err(Error::Malformed { .. })
                    ) =>
                {
                    engine.stats.messages_rejected += 1;
                    engine.reassembly.expect_again();
                    Ok(())
                }
                Some(message) => self.accept(engine, record, &message),
                None => Ok(()),
            };
        }
        let checked = cookie::check(
            engine.provider,
            [&self.secrets.cookie],
            &self.peer_id,
            record,
            fragment,
        )?;
        match checked {
            CookieCheck::Verified(_) => {
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
            CookieCheck::Unverified { record, content } => {
                engine.stats.verify_requests += 1;
                engine.send_plain(record, &content)
            }
            CookieCheck::Malformed => {
                engine.stats.malformed += 1;
                Ok(())
            }
        }
    }

    /// Accepts a hello and sends flight 4.
    fn accept(&mut self, engine: &mut Engine, record: u64, message: &Message) -> Result<(), Error> {
        const MESSAGE: &str = "ClientHello";
        self.state = State::Failed;
        // Message and record numbers continue from the client's (RFC 6347 section 4.2.1).
        engine.next_message = message.sequence;
        engine.records.set_next_plain(record);
        let hello = ClientHello::parse(&message.body)?;
        // Version numbers decrease. A client that also supports 1.3 offers it in
        // supported_versions, which is ignored. Older versions are not supported.
        if !(0xfe00..=DTLS_1_2).contains(&hello.version) {
            return Err(Error::Version { got: hello.version });
        }
        if !hello.compressions.contains(&COMPRESSION_NULL) {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "compression methods (null is missing)",
            });
        }
        let extensions = &hello.extensions;
        let (suite, group) = select(&engine.config, &hello)?;
        extensions.check(MESSAGE)?;
        let negotiated = Parameters {
            client_random: *hello.random,
            server_random: self.secrets.random,
            suite,
            // Only for a CBC suite (RFC 7366 section 3).
            encrypt_then_mac: extensions.encrypt_then_mac
                && engine.config.encrypt_then_mac
                && suite.is_cbc(),
            extended_master_secret: extensions.extended_master_secret
                && engine.config.extended_master_secret,
        };
        let choice = Choice {
            random: &self.secrets.random,
            suite,
            encrypt_then_mac: negotiated.encrypt_then_mac,
            extended_master_secret: negotiated.extended_master_secret,
        };
        let answer = ServerHello::write(&choice, &hello)?;

        engine.reset_transcript();
        engine.transcript.add(message)?;
        engine.flight.start();
        engine.add_message(handshake_type::SERVER_HELLO, answer)?;
        let exchange = match group {
            Some(group) => Some(engine.key_share(group)?),
            None => None,
        };
        let params = ServerKeyExchange {
            hint: &self.hint,
            share: group.zip(exchange.as_ref()).map(|(group, exchange)| Share {
                group: group.id(),
                public: exchange.public(),
            }),
        };
        if params.share.is_some() || !self.hint.is_empty() {
            engine.add_message(handshake_type::SERVER_KEY_EXCHANGE, params.write()?)?;
        }
        engine.add_message(handshake_type::SERVER_HELLO_DONE, Vec::new())?;
        engine.send_flight(true)?;
        let accepted = Accepted {
            negotiated,
            group,
            hello: message.sequence,
        };
        self.state = State::AwaitKeyExchange(accepted, exchange);
        Ok(())
    }

    /// Checks that `message` is expected in this state and parses. Fails with
    /// [`Error::UnexpectedMessage`] or [`Error::Malformed`]. [`Self::handle_message`] checks the
    /// content.
    pub(crate) fn check(&self, message: &Message) -> Result<(), Error> {
        match &self.state {
            State::AwaitKeyExchange(accepted, _) => {
                message.expect(handshake_type::CLIENT_KEY_EXCHANGE, "ClientKeyExchange")?;
                let kind = accepted.negotiated.suite.suite().key_exchange;
                ClientKeyExchange::parse(&message.body, kind).map(drop)
            }
            State::AwaitFinished { .. } => message.expect(handshake_type::FINISHED, "Finished"),
            State::AwaitHello | State::Done { .. } | State::Failed => {
                Err(Error::UnexpectedMessage {
                    expected: "no further message",
                    got: message.handshake_type,
                })
            }
        }
    }

    /// Handles a message that passed [`Self::check`]. Errors are fatal.
    pub(crate) fn handle_message(
        &mut self,
        engine: &mut Engine,
        message: &Message,
    ) -> Result<(), Error> {
        match core::mem::replace(&mut self.state, State::Failed) {
            State::AwaitKeyExchange(accepted, exchange) => {
                engine.transcript.add(message)?;
                self.state = self.derive_keys(engine, accepted, exchange, &message.body)?;
            }
            State::AwaitFinished {
                accepted: Accepted {
                    negotiated, group, ..
                },
                master,
                write,
                identity,
            } => {
                let hash = negotiated.suite.suite().hash;
                let transcript = engine.transcript_hash(hash)?;
                let expected = master.verify_data(engine.provider, Side::Client, &transcript)?;
                if !bool::from(expected.as_slice().ct_eq(&message.body)) {
                    return Err(Error::FinishedMismatch);
                }
                engine.transcript.add(message)?;
                engine.flight.start();
                engine.add_change_cipher_spec();
                engine.records.install_write(write);
                let transcript = engine.transcript_hash(hash)?;
                let finished = master.verify_data(engine.provider, Side::Server, &transcript)?;
                engine.add_message(handshake_type::FINISHED, finished.to_vec())?;
                // The last flight has no timer. It is retransmitted if the client retransmits its
                // own.
                engine.send_flight(false)?;
                engine.events.push_back(Event::Connected(Connected {
                    suite: negotiated.suite,
                    group,
                    extended_master_secret: negotiated.extended_master_secret,
                    encrypt_then_mac: negotiated.encrypt_then_mac,
                    identity,
                    identity_hint: self.hint.clone(),
                }));
                engine.reset_transcript();
                self.state = State::Done {
                    finished: message.sequence,
                };
            }
            State::AwaitHello | State::Done { .. } | State::Failed => {}
        }
        Ok(())
    }

    /// Returns `true` if the client's ChangeCipherSpec is expected. It may overtake the
    /// ClientKeyExchange.
    pub(crate) fn expects_change_cipher_spec(&self) -> bool {
        matches!(
            self.state,
            State::AwaitKeyExchange(..) | State::AwaitFinished { .. }
        )
    }

    /// Returns `true` if `fragment` repeats the client's last flight, which means that the answer
    /// was lost.
    pub(crate) fn is_retransmission(&self, fragment: &Fragment<'_>) -> bool {
        match &self.state {
            State::AwaitKeyExchange(accepted, _) => {
                fragment.handshake_type == handshake_type::CLIENT_HELLO
                    && fragment.sequence == accepted.hello
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
        accepted: Accepted,
        exchange: Option<KeyShare>,
        body: &[u8],
    ) -> Result<State, Error> {
        const MESSAGE: &str = "ClientKeyExchange";
        let suite = accepted.negotiated.suite.suite();
        let client = ClientKeyExchange::parse(body, suite.key_exchange)?;
        if client.identity.len() > MAX_IDENTITY {
            return Err(Error::IllegalParameter {
                message: MESSAGE,
                what: "PSK identity length",
            });
        }
        // An unknown identity or an invalid key must look like a wrong key to the client.
        let psk = self
            .lookup
            .psk(client.identity)
            .filter(|psk| check_psk(psk).is_ok())
            .unwrap_or_else(|| self.secrets.decoy.clone());
        let shared = match (exchange, client.public) {
            (Some(exchange), Some(public)) => Some(exchange.agree(public, MESSAGE)?),
            _ => None,
        };
        let parameters = &accepted.negotiated;
        let (master, Protections { write, read }) =
            engine.derive_keys(Side::Server, parameters, shared.as_deref(), &psk)?;
        engine.records.install_read(read);
        Ok(State::AwaitFinished {
            accepted,
            master,
            write,
            identity: client.identity.to_vec(),
        })
    }
}

/// Selects the first configured suite and the first configured group that the client offers.
///
/// Without a common group, suites with an ephemeral key exchange are skipped (RFC 8422 section
/// 5.1).
fn select(config: &Config, hello: &ClientHello<'_>) -> Result<(CipherSuite, Option<Group>), Error> {
    let group = config.groups.iter().copied().find(|group| {
        // A client that sends no list of groups accepts any (RFC 8422 section 4).
        hello
            .extensions
            .groups
            .is_none_or(|groups| numbers(groups).any(|id| id == group.id()))
    });
    let mut error = Error::CipherSuite {
        what: "the client offers none that is configured",
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
            what: "the client offers none that is configured",
        };
    }
    Err(error)
}
