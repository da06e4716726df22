//! The TLS 1.2 key schedule (RFC 5246 sections 5, 6.3 and 8.1, RFC 4279, RFC 5489, RFC 7627).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use crate::cipher_suite::CipherSuite;
use crate::config::{Psk, check_psk};
use crate::crypto::{CryptoError, CryptoProvider, Hash, MAX_HASH_LEN};
use crate::error::Error;
use crate::protection::{DirectionKeys, Protection};

/// The length of verify_data in a Finished, in bytes (RFC 5246 section 7.4.9).
pub(crate) const VERIFY_DATA_LEN: usize = 12;
/// The length of a master secret in bytes (RFC 5246 section 8.1).
pub(crate) const MASTER_SECRET_LEN: usize = 48;

/// Writes the TLS 1.2 PRF to `out` (RFC 5246 section 5).
pub(crate) fn prf(
    provider: &dyn CryptoProvider,
    hash: Hash,
    secret: &[u8],
    label: &str,
    seed: &[u8],
    out: &mut [u8],
) -> Result<(), CryptoError> {
    let len = hash.output_len();
    let label = label.as_bytes();
    let mut buffers = Zeroizing::new([[0; MAX_HASH_LEN]; 2]);
    let [a, block] = &mut *buffers;
    let a = a.get_mut(..len).ok_or(CryptoError)?;
    let block = block.get_mut(..len).ok_or(CryptoError)?;
    // A(1) = HMAC(secret, label ‖ seed), and then A(n + 1) = HMAC(secret, A(n)).
    provider.hmac(hash, secret, &[label, seed], a)?;
    for chunk in out.chunks_mut(len) {
        provider.hmac(hash, secret, &[a, label, seed], block)?;
        for (to, from) in chunk.iter_mut().zip(&*block) {
            *to = *from;
        }
        provider.hmac(hash, secret, &[a], block)?;
        a.copy_from_slice(block);
    }
    Ok(())
}

/// The premaster secret: u16 length ‖ other secret ‖ u16 length ‖ PSK (RFC 4279 section 2).
///
/// The other secret is the result of the ephemeral key exchange (RFC 5489 section 2), or as many
/// zeros as the PSK has bytes.
pub(crate) struct PremasterSecret(Zeroizing<Vec<u8>>);

impl PremasterSecret {
    pub(crate) fn new(shared: Option<&[u8]>, psk: &Psk) -> Result<Self, Error> {
        check_psk(psk)?;
        let psk = psk.reveal();
        let zeros;
        let other = match shared {
            Some(shared) => shared,
            None => {
                zeros = vec![0; psk.len()];
                &zeros
            }
        };
        let mut secret = Zeroizing::new(Vec::with_capacity(4 + other.len() + psk.len()));
        for part in [other, psk] {
            let len = u16::try_from(part.len()).map_err(|_| Error::TooLong {
                max: usize::from(u16::MAX),
                got: part.len(),
            })?;
            secret.extend_from_slice(&len.to_be_bytes());
            secret.extend_from_slice(part);
        }
        Ok(Self(secret))
    }
}

/// One side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The DTLS client.
    Client,
    /// The DTLS server.
    Server,
}

/// Both directions of epoch 1, as seen by one side.
pub(crate) struct Protections {
    pub(crate) write: Box<dyn Protection>,
    pub(crate) read: Box<dyn Protection>,
}

/// What the hellos negotiate. Together with the master secret, the keys depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// The random of the ClientHello, which names the connection in a key log.
    pub client_random: [u8; 32],
    /// The random of the ServerHello.
    pub server_random: [u8; 32],
    /// The negotiated suite.
    pub suite: CipherSuite,
    /// `true` if encrypt-then-MAC is negotiated (RFC 7366).
    pub encrypt_then_mac: bool,
    /// `true` if the extended master secret is negotiated (RFC 7627).
    pub extended_master_secret: bool,
}

fn joined(first: &[u8; 32], second: &[u8; 32]) -> [u8; 64] {
    let mut joined = [0; 64];
    for (to, from) in joined.iter_mut().zip(first.iter().chain(second)) {
        *to = *from;
    }
    joined
}

/// The error if HMAC fails.
const FAILED: Error = Error::Crypto("deriving keys");

/// The master secret, 48 bytes. It is zeroed on drop.
pub(crate) struct MasterSecret {
    secret: Zeroizing<[u8; MASTER_SECRET_LEN]>,
    hash: Hash,
}

impl MasterSecret {
    /// Derives the secret: the extended one (RFC 7627 section 4) or the original one (RFC 5246
    /// section 8.1). `session_hash` is the hash of the transcript up to the ClientKeyExchange.
    pub(crate) fn derive(
        provider: &dyn CryptoProvider,
        parameters: &Parameters,
        premaster: &PremasterSecret,
        session_hash: &[u8],
    ) -> Result<Self, Error> {
        let joined = joined(&parameters.client_random, &parameters.server_random);
        let (label, seed) = if parameters.extended_master_secret {
            ("extended master secret", session_hash)
        } else {
            ("master secret", &joined[..])
        };
        let hash = parameters.suite.suite().hash;
        let mut secret = Zeroizing::new([0; MASTER_SECRET_LEN]);
        prf(
            provider,
            hash,
            &premaster.0,
            label,
            seed,
            secret.as_mut_slice(),
        )
        .map_err(|CryptoError| FAILED)?;
        Ok(Self { secret, hash })
    }

    /// Wraps a secret that is already derived.
    pub(crate) fn known(secret: &[u8; MASTER_SECRET_LEN], suite: CipherSuite) -> Self {
        Self {
            secret: Zeroizing::new(*secret),
            hash: suite.suite().hash,
        }
    }

    /// Returns the content of `side`'s Finished (RFC 5246 section 7.4.9).
    pub(crate) fn verify_data(
        &self,
        provider: &dyn CryptoProvider,
        side: Side,
        transcript: &[u8],
    ) -> Result<[u8; VERIFY_DATA_LEN], Error> {
        let label = match side {
            Side::Client => "client finished",
            Side::Server => "server finished",
        };
        let secret = self.secret.as_slice();
        let mut data = [0; VERIFY_DATA_LEN];
        prf(provider, self.hash, secret, label, transcript, &mut data)
            .map_err(|CryptoError| FAILED)?;
        Ok(data)
    }

    /// Derives the record protection of both directions for `side`.
    pub(crate) fn protections(
        &self,
        provider: &dyn CryptoProvider,
        parameters: &Parameters,
        iv_key: &[u8; 32],
        side: Side,
    ) -> Result<Protections, Error> {
        // Enough for every suite: two SHA-384 MAC keys, two 256-bit keys and two IVs.
        const MAX_KEY_BLOCK: usize = 2 * (48 + 32 + 12);
        let mut block = Zeroizing::new([0; MAX_KEY_BLOCK]);
        prf(
            provider,
            self.hash,
            self.secret.as_slice(),
            "key expansion",
            &joined(&parameters.server_random, &parameters.client_random),
            block.as_mut_slice(),
        )
        .map_err(|CryptoError| FAILED)?;
        // RFC 5246 section 6.3: client MAC, server MAC, client key, server key, client IV, server
        // IV.
        let cipher = parameters.suite.suite().cipher;
        let lengths = cipher.key_lengths;
        let mut rest = block.as_slice();
        let mut cut = |len: usize| {
            let (part, tail) = rest.split_at_checked(len).ok_or(FAILED)?;
            rest = tail;
            Ok::<_, Error>(part)
        };
        let (client_mac, server_mac) = (cut(lengths.mac)?, cut(lengths.mac)?);
        let (client_key, server_key) = (cut(lengths.key)?, cut(lengths.key)?);
        let (client_iv, server_iv) = (cut(lengths.iv)?, cut(lengths.iv)?);
        let protection = |mac, key, iv| {
            cipher.protection(
                provider,
                DirectionKeys {
                    mac,
                    key,
                    iv,
                    encrypt_then_mac: parameters.encrypt_then_mac,
                    iv_key,
                },
            )
        };
        let client = protection(client_mac, client_key, client_iv)?;
        let server = protection(server_mac, server_key, server_iv)?;
        let (write, read) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        Ok(Protections { write, read })
    }

    /// Returns the line for the NSS key log.
    pub(crate) fn key_log(&self, client_random: &[u8; 32]) -> String {
        use core::fmt::Write;
        let mut line = String::with_capacity(14 + 64 + 1 + 96);
        line.push_str("CLIENT_RANDOM ");
        for byte in client_random {
            let _ = write!(line, "{byte:02x}");
        }
        line.push(' ');
        for byte in self.secret.iter() {
            let _ = write!(line, "{byte:02x}");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn premaster_secret_has_both_parts_with_lengths() {
        let secret =
            PremasterSecret::new(Some(&[0xaa, 0xbb, 0xcc]), &Psk::new([0x11, 0x22])).unwrap();
        assert_eq!(
            secret.0.as_slice(),
            [0, 3, 0xaa, 0xbb, 0xcc, 0, 2, 0x11, 0x22]
        );
        let secret = PremasterSecret::new(None, &Psk::new([0x11, 0x22])).unwrap();
        assert_eq!(secret.0.as_slice(), [0, 2, 0, 0, 0, 2, 0x11, 0x22]);
        assert!(PremasterSecret::new(Some(&[]), &Psk::new([])).is_err());
    }
}
