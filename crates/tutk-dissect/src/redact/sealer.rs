//! Encrypts redacted records with other keys.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dtls_psk::crypto::CryptoProvider;
use dtls_psk::passive::{Keys, Parameters, RecordHeader, Side};

use super::fakes::Fakes;
use crate::packet::to_hex;

/// The largest number of connections. Records of further ones are zeroed.
const MAX_CONNECTIONS: usize = 1024;

/// The keys of the copy's connections, by the random of the ClientHello.
pub(super) struct Sealers {
    provider: &'static dyn CryptoProvider,
    connections: BTreeMap<[u8; 32], (Parameters, Keys)>,
    key_log: String,
}

impl Sealers {
    pub(super) fn new(provider: &'static dyn CryptoProvider) -> Self {
        Self {
            provider,
            connections: BTreeMap::new(),
            key_log: String::new(),
        }
    }

    /// Encrypts a record. Returns `None` if that is not possible.
    pub(super) fn seal(
        &mut self,
        fakes: &Fakes,
        parameters: &Parameters,
        sender: Side,
        header: RecordHeader,
        plaintext: &[u8],
    ) -> Option<Vec<u8>> {
        let keys = self.keys(fakes, parameters)?;
        let mut fragment = Vec::new();
        keys.seal(sender, header, plaintext, &mut fragment).ok()?;
        Some(fragment)
    }

    fn keys(&mut self, fakes: &Fakes, parameters: &Parameters) -> Option<&mut Keys> {
        let random = parameters.client_random;
        let known = self.connections.get(&random).map(|(of, _)| of);
        if known != Some(parameters) {
            if known.is_none() && self.connections.len() >= MAX_CONNECTIONS {
                return None;
            }
            // Any master secret works, because no reader repeats the key exchange.
            let master: [u8; 48] = fakes.bytes(b"master secret", &random);
            let keys = Keys::new(self.provider, parameters, &master).ok()?;
            if known.is_none() {
                let line = (to_hex(&random), to_hex(&master));
                // Writing to a string cannot fail.
                let _ = writeln!(self.key_log, "CLIENT_RANDOM {} {}", line.0, line.1);
            }
            self.connections.insert(random, (*parameters, keys));
        }
        self.connections.get_mut(&random).map(|(_, keys)| keys)
    }

    pub(super) fn key_log(&self) -> &str {
        &self.key_log
    }
}
