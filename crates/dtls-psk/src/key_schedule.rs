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

    /// The answers of NIST's CAVP (TLS 1.2, SHA-256) for the labels of the key schedule, as in
    /// OpenSSL's test data.
    #[test]
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    fn secrets_and_keys_are_those_of_nist() {
        use crate::crypto::all_providers;
        use crate::test_vectors::hex;

        let array = |text| <[u8; 32]>::try_from(hex(text)).unwrap();
        let parameters = Parameters {
            client_random: array(
                "36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd0364cae8c",
            ),
            server_random: array(
                "f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce",
            ),
            suite: CipherSuite::EcdhePskChacha20Poly1305Sha256,
            encrypt_then_mac: false,
            extended_master_secret: false,
        };
        let premaster = PremasterSecret(Zeroizing::new(hex(
            "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bca
             db386b411fd4fe4313a604fce6c17fbc",
        )));
        let master = "202c88c00f84a17a20027079604787461176455539e705be730890602c289a50
             01e34eeb3a043e5d52a65e66125188bf";
        for provider in all_providers() {
            let derived = MasterSecret::derive(provider, &parameters, &premaster, &[]).unwrap();
            assert_eq!(derived.secret.to_vec(), hex(master), "{provider:?}");
            let seed = hex(
                "ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868
                 62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616",
            );
            let known = hex(
                "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531
                 016a2530c51a3a0f7e1d6590d0f0566b2f387f8d11fd4f731cdd572d2eae927f
                 6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068bf9a6679485d966f
                 1ad6f68b43495b10a683755ea2b858d70ccac7ec8b053c6bd41ca299d4e51928",
            );
            let mut block = alloc::vec![0; known.len()];
            prf(
                provider,
                Hash::Sha256,
                &hex(master),
                "key expansion",
                &seed,
                &mut block,
            )
            .unwrap();
            assert_eq!(block, known, "{provider:?}");
        }
    }

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
