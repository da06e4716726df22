//! The keys of the captured connections.

use std::collections::BTreeMap;

use dtls_psk::Psk;
use dtls_psk::crypto::CryptoProvider;
use tutk_session::{Credentials, KeyRule};
use zeroize::Zeroizing;

use crate::capture::{Block, CaptureReader};
use crate::error::Error;

/// The largest number of connections whose keys are kept. Further lines of key logs are ignored.
pub const MAX_CONNECTIONS: usize = 16_384;

/// The largest number of pre-shared keys.
pub const MAX_PSKS: usize = 64;

/// The label of a master secret in a key log.
const CLIENT_RANDOM: &str = "CLIENT_RANDOM";

/// What decrypts the DTLS of captured sessions: master secrets from key logs, and pre-shared keys.
///
/// The pre-shared key decrypts plain PSK suites only (the backchannel, and WYZEDB3). The main
/// channel of other cameras has an ephemeral key exchange, whose master secret is known only from a
/// key log.
#[derive(Clone)]
pub struct Keys {
    provider: &'static dyn CryptoProvider,
    /// Master secrets by the random of the ClientHello.
    masters: BTreeMap<[u8; 32], Zeroizing<[u8; 48]>>,
    psks: Vec<Psk>,
    /// `true` to repeat passwords and AuthKeys in the fields of packets.
    pub show_secrets: bool,
}

impl Keys {
    /// No keys, and the default [provider](dtls_psk::crypto) of the cryptography.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it exists only with a default provider"
    )]
    pub fn new() -> Self {
        Self::new_with(dtls_psk::crypto::default_provider())
    }

    /// No keys, and a cryptography provider.
    #[must_use]
    pub fn new_with(provider: &'static dyn CryptoProvider) -> Self {
        Self {
            provider,
            masters: BTreeMap::new(),
            psks: Vec::new(),
            show_secrets: false,
        }
    }

    pub(crate) fn provider(&self) -> &'static dyn CryptoProvider {
        self.provider
    }

    /// Adds the master secrets of a key log in SSLKEYLOGFILE format (RFC 9850). Comments and lines
    /// with other labels are ignored. Returns the number of master secrets in the log.
    ///
    /// # Errors
    /// [`Error::KeyLog`] if a line with the label `CLIENT_RANDOM` is malformed. The lines before it
    /// are added.
    pub fn add_key_log(&mut self, log: &[u8]) -> Result<usize, Error> {
        let mut found = 0;
        for (index, line) in log.split(|byte| *byte == b'\n').enumerate() {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_ascii_whitespace();
            if words.next() != Some(CLIENT_RANDOM) {
                continue;
            }
            let random = words.next().and_then(from_hex::<32>);
            let secret = words.next().and_then(from_hex::<48>);
            let (Some(random), Some(secret)) = (random, secret) else {
                return Err(Error::KeyLog { line: index + 1 });
            };
            found += 1;
            if self.masters.len() < MAX_CONNECTIONS {
                self.masters.insert(random, Zeroizing::new(secret));
            }
        }
        Ok(found)
    }

    /// Adds the key logs in a capture. Returns the number of master secrets in them.
    ///
    /// # Errors
    /// The errors of [`CaptureReader::next_block`]. A malformed key log is ignored.
    pub fn add_capture(&mut self, capture: &mut CaptureReader<'_>) -> Result<usize, Error> {
        let mut found = 0;
        while let Some(block) = capture.next_block()? {
            if let Block::KeyLog(log) = block {
                found += self.add_key_log(log).unwrap_or(0);
            }
        }
        Ok(found)
    }

    /// Adds the pre-shared keys of a camera.
    pub fn add_credentials(&mut self, credentials: &Credentials) {
        for rule in [KeyRule::Enr, KeyRule::AuthKeyAndEnr] {
            self.add_psk(credentials.psk(rule));
        }
    }

    /// Adds a pre-shared key. At most [`MAX_PSKS`] are kept.
    pub fn add_psk(&mut self, psk: Psk) {
        if self.psks.len() < MAX_PSKS {
            self.psks.push(psk);
        }
    }

    /// Returns the master secret of a connection.
    pub(crate) fn master(&self, client_random: &[u8; 32]) -> Option<&[u8; 48]> {
        Some(&**self.masters.get(client_random)?)
    }

    pub(crate) fn psks(&self) -> &[Psk] {
        &self.psks
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("masters", &self.masters.len())
            .field("psks", &self.psks.len())
            .finish_non_exhaustive()
    }
}

/// Returns the bytes that exactly these hexadecimal digits stand for.
pub(crate) fn from_hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let (pairs, _) = digits.as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |c: &u8| char::from(*c).to_digit(16);
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(random: u8, secret: u8) -> String {
        let [random, secret] = [format!("{random:02x}"), format!("{secret:02x}")];
        format!("CLIENT_RANDOM {} {}", random.repeat(32), secret.repeat(48))
    }

    #[test]
    fn key_log_lines_are_found_between_others() {
        let mut keys = Keys::new();
        let log = format!(
            "# comment\r\n\n{}\r\nOTHER 00 11\n{}",
            line(1, 2),
            line(3, 4)
        );
        assert_eq!(keys.add_key_log(log.as_bytes()).unwrap(), 2);
        assert_eq!(keys.master(&[1; 32]), Some(&[2; 48]));
        assert_eq!(keys.master(&[3; 32]), Some(&[4; 48]));
        assert_eq!(keys.master(&[2; 32]), None);
        assert!(!format!("{keys:?}").contains("02"));
    }

    #[test]
    fn malformed_key_log_line_is_named_but_not_quoted() {
        let log = format!("{}\nCLIENT_RANDOM 12 34\n", line(1, 2));
        let error = Keys::new().add_key_log(log.as_bytes()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2") && !text.contains("34 "), "{text}");
        let digits = format!("CLIENT_RANDOM {} {}", "zz".repeat(32), "00".repeat(48));
        assert!(Keys::new().add_key_log(digits.as_bytes()).is_err());
    }
}
