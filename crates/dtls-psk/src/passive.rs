//! Decryption of a recorded connection by an observer.
//!
//! [`Handshake`] collects what the keys depend on from the messages in the clear. [`Keys`] opens
//! the records of both directions. With an ECDHE suite the master secret must be known, for example
//! from a key log ([`Config::with_key_log`](crate::Config::with_key_log)). With a plain PSK suite
//! the pre-shared key is sufficient.
//!
//! Nothing here is part of a connection. Finished messages are not verified, and replays are not
//! detected.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use crate::cipher_suite::CipherSuite;
use crate::config::Psk;
use crate::crypto::{CryptoError, CryptoProvider};
use crate::error::Error;
use crate::key_schedule::{MASTER_SECRET_LEN, MasterSecret, PremasterSecret};
pub use crate::key_schedule::{Parameters, Side};
use crate::messages::extensions::numbers;
use crate::messages::hello::{ClientHello, ServerHello};
use crate::messages::{Fragment, Message, handshake_type};
use crate::protection::Protection;
use crate::reassembly::Reassembler;
pub use crate::record::RecordHeader;
use crate::transcript::{Transcript, TranscriptHash};

/// The number of handshake messages that are reassembled at a time. The oldest one is dropped when
/// another begins.
const MAX_PARTIAL: usize = 16;

/// The keys of a connection, for both directions.
pub struct Keys {
    client: Box<dyn Protection>,
    server: Box<dyn Protection>,
}

/// The messages of a handshake that were seen so far. They can arrive in any order, in fragments,
/// and repeatedly. Another ClientHello begins another handshake.
#[derive(Debug, Default)]
pub struct Handshake {
    partial: VecDeque<(Side, u16, Reassembler)>,
    client_hello: Option<Message>,
    /// ServerHello, ServerKeyExchange, ServerHelloDone and ClientKeyExchange.
    others: [Option<Message>; 4],
    client_random: Option<[u8; 32]>,
    parameters: Option<Parameters>,
}

/// The messages after the ClientHello that the extended master secret covers, in their order.
const OTHERS: [u8; 4] = [
    handshake_type::SERVER_HELLO,
    handshake_type::SERVER_KEY_EXCHANGE,
    handshake_type::SERVER_HELLO_DONE,
    handshake_type::CLIENT_KEY_EXCHANGE,
];

impl Keys {
    /// Derives the keys from a master secret.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the crypto provider fails.
    pub fn new(
        provider: &dyn CryptoProvider,
        parameters: &Parameters,
        master_secret: &[u8; MASTER_SECRET_LEN],
    ) -> Result<Self, Error> {
        let master = MasterSecret::known(master_secret, parameters.suite);
        Self::derive(provider, parameters, &master)
    }

    /// Derives the keys of a connection with a plain PSK suite. The handshake must be complete up
    /// to the ClientKeyExchange if the extended master secret is negotiated.
    ///
    /// Returns `None` if the hellos are not known, a message is missing, or the suite has an
    /// ephemeral key exchange.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the crypto provider fails.
    pub fn from_psk(
        provider: &dyn CryptoProvider,
        handshake: &Handshake,
        psk: &Psk,
    ) -> Result<Option<Self>, Error> {
        let Some(parameters) = &handshake.parameters else {
            return Ok(None);
        };
        if parameters.suite.has_forward_secrecy() {
            return Ok(None);
        }
        let session_hash = match parameters.extended_master_secret {
            false => TranscriptHash::new(),
            true => match handshake.session_hash(provider, parameters.suite)? {
                Some(hash) => hash,
                None => return Ok(None),
            },
        };
        let premaster = PremasterSecret::new(None, psk)?;
        let master = MasterSecret::derive(provider, parameters, &premaster, &session_hash)?;
        Self::derive(provider, parameters, &master).map(Some)
    }

    fn derive(
        provider: &dyn CryptoProvider,
        parameters: &Parameters,
        master: &MasterSecret,
    ) -> Result<Self, Error> {
        // Explicit IVs need not be unpredictable here, because no attacker chooses the plaintext.
        let protections = master.protections(provider, parameters, &[0; 32], Side::Client)?;
        Ok(Self {
            client: protections.write,
            server: protections.read,
        })
    }

    /// Opens a protected record in place. Returns its plaintext, or `None` if it is not authentic.
    /// `fragment` is then overwritten with arbitrary bytes.
    pub fn open<'a>(
        &mut self,
        sender: Side,
        header: RecordHeader,
        fragment: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        self.of(sender).open(header.protected()?, fragment)
    }

    /// Seals a record as its sender would, and appends the fragment to `out`. A tool that makes a
    /// redacted copy of a capture needs this.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the header is not of a protected record; errors of the crypto
    /// provider.
    pub fn seal(
        &mut self,
        sender: Side,
        header: RecordHeader,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let id = header.protected().ok_or(Error::OutOfRange {
            what: "epoch of a protected record",
            min: 1,
            max: 1,
            got: usize::from(header.epoch),
        })?;
        self.of(sender)
            .seal(id, plaintext, out)
            .map_err(|CryptoError| Error::Crypto("sealing a record"))
    }

    fn of(&mut self, sender: Side) -> &mut dyn Protection {
        match sender {
            Side::Client => self.client.as_mut(),
            Side::Server => self.server.as_mut(),
        }
    }
}

impl Handshake {
    /// Handles the content of a handshake record of epoch 0. Passes the type and body of each
    /// message that it completes to `complete`, also if the message was seen before.
    pub fn handle_record(
        &mut self,
        sender: Side,
        content: &[u8],
        mut complete: impl FnMut(u8, &[u8]),
    ) {
        let mut rest = content;
        while let Some((fragment, tail)) = Fragment::split(rest) {
            rest = tail;
            if let Some(message) = self.reassemble(sender, &fragment) {
                complete(message.handshake_type, &message.body);
                self.handle_message(message);
            }
        }
    }

    /// Returns the parameters of the connection if both hellos were seen.
    #[must_use]
    pub fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// Returns the random of the ClientHello.
    #[must_use]
    pub fn client_random(&self) -> Option<&[u8; 32]> {
        self.client_random.as_ref()
    }

    /// Returns `true` if the newest ClientHello offers the extended master secret, and `None` if
    /// there was no valid one.
    #[must_use]
    pub fn offers_extended_master_secret(&self) -> Option<bool> {
        Some(self.client_hello()?.extensions.extended_master_secret)
    }

    /// Returns `true` if the newest ClientHello offers one of these suites, and `None` if there was
    /// no valid one.
    #[must_use]
    pub fn offers_any_suite(&self, suites: &[CipherSuite]) -> Option<bool> {
        let mut offered = numbers(self.client_hello()?.suites);
        Some(offered.any(|id| suites.iter().any(|suite| suite.id() == id)))
    }

    fn client_hello(&self) -> Option<ClientHello<'_>> {
        ClientHello::parse(&self.client_hello.as_ref()?.body).ok()
    }

    fn reassemble(&mut self, sender: Side, fragment: &Fragment<'_>) -> Option<Message> {
        let number = fragment.sequence;
        let known =
            |(of, sequence, _): &(Side, u16, Reassembler)| (*of, *sequence) == (sender, number);
        let index = match self.partial.iter().position(known) {
            Some(index) => index,
            None => {
                if self.partial.len() >= MAX_PARTIAL {
                    self.partial.pop_front();
                }
                let mut reassembler = Reassembler::default();
                reassembler.restart_at(number);
                self.partial.push_back((sender, number, reassembler));
                self.partial.len() - 1
            }
        };
        let (_, _, reassembler) = self.partial.get_mut(index)?;
        reassembler.insert(fragment);
        let message = reassembler.pop()?;
        self.partial.remove(index);
        Some(message)
    }

    fn handle_message(&mut self, message: Message) {
        match message.handshake_type {
            handshake_type::CLIENT_HELLO => {
                let Ok(ClientHello { random, .. }) = ClientHello::parse(&message.body) else {
                    return;
                };
                let random = *random;
                if self.client_random.is_some_and(|known| known != random) {
                    *self = Self {
                        partial: core::mem::take(&mut self.partial),
                        ..Self::default()
                    };
                }
                self.client_random = Some(random);
                // The hash covers the hello with the cookie, which has the higher number.
                let known = self.client_hello.as_ref();
                if known.is_none_or(|known| known.sequence <= message.sequence) {
                    self.client_hello = Some(message);
                }
            }
            _ => self.keep(message),
        }
        self.parameters = self.find_parameters();
    }

    fn find_parameters(&self) -> Option<Parameters> {
        let [Some(server_hello), ..] = &self.others else {
            return None;
        };
        let hello = ServerHello::parse(&server_hello.body).ok()?;
        let suite = CipherSuite::from_id(hello.suite)?;
        Some(Parameters {
            client_random: self.client_random?,
            server_random: *hello.random,
            suite,
            // A CBC suite only: others ignore the extension (RFC 7366 section 3).
            encrypt_then_mac: hello.extensions.encrypt_then_mac && suite.is_cbc(),
            extended_master_secret: hello.extensions.extended_master_secret,
        })
    }

    fn keep(&mut self, message: Message) {
        let slot = OTHERS.iter().position(|of| *of == message.handshake_type);
        if let Some(slot) = slot.and_then(|slot| self.others.get_mut(slot)) {
            *slot = Some(message);
        }
    }

    /// Returns the hash that the extended master secret depends on (RFC 7627 section 3), or `None`
    /// if a message is missing. Only the ServerKeyExchange is optional.
    fn session_hash(
        &self,
        provider: &dyn CryptoProvider,
        suite: CipherSuite,
    ) -> Result<Option<TranscriptHash>, Error> {
        let mut transcript = Transcript::default();
        let messages = core::iter::once(&self.client_hello).chain(&self.others);
        for (message, optional) in messages.zip([false, false, true, false, false]) {
            match message {
                Some(message) => transcript.add(message)?,
                None if optional => {}
                None => return Ok(None),
            }
        }
        transcript.hash(provider, suite.suite().hash).map(Some)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}
