//! The TLS 1.2 key schedule (RFC 5246 sections 5, 6.3 and 8.1, RFC 4279, RFC 5489, RFC 7627).

use dimpl::crypto::prf_hkdf::prf_tls12;
use dimpl::crypto::{Buf, CryptoProvider, HashAlgorithm};
use zeroize::{Zeroize, Zeroizing};

use crate::config::{Psk, check_psk};
use crate::error::Error;
use crate::protection::{DirectionKeys, Protection};
use crate::suites::CipherSuite;

/// The length of verify_data in a Finished, in bytes (RFC 5246 section 7.4.9).
pub(crate) const VERIFY_DATA_LEN: usize = 12;
/// The length of a master secret in bytes (RFC 5246 section 8.1).
pub(crate) const MASTER_SECRET_LEN: usize = 48;
/// The length of the longest PRF hash, SHA-384, in bytes.
const MAX_HASH_LEN: usize = 48;

/// A `Buf` that is zeroed on drop. It must not grow, because that would leave a copy behind.
struct SecretBuf(Buf);

impl SecretBuf {
    fn with_capacity(capacity: usize) -> Self {
        let mut buf = Buf::new();
        buf.resize(capacity, 0);
        buf.clear();
        Self(buf)
    }
}

impl Drop for SecretBuf {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

/// Computes the TLS 1.2 PRF (RFC 5246 section 5).
fn prf<const N: usize>(
    provider: &CryptoProvider,
    hash: HashAlgorithm,
    secret: &[u8],
    label: &'static str,
    seed: &[u8],
) -> Result<Zeroizing<[u8; N]>, Error> {
    let mut out = SecretBuf::with_capacity(N);
    let mut scratch = SecretBuf::with_capacity(MAX_HASH_LEN + label.len() + seed.len());
    prf_tls12(
        provider.hmac_provider,
        secret,
        label,
        seed,
        &mut out.0,
        N,
        &mut scratch.0,
        hash,
    )?;
    let mut result = Zeroizing::new([0; N]);
    for (to, from) in result.iter_mut().zip(out.0.iter()) {
        *to = *from;
    }
    Ok(result)
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

/// The randoms of both hellos.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Randoms {
    pub(crate) client: [u8; 32],
    pub(crate) server: [u8; 32],
}

impl Randoms {
    fn joined(first: &[u8; 32], second: &[u8; 32]) -> [u8; 64] {
        let mut joined = [0; 64];
        for (to, from) in joined.iter_mut().zip(first.iter().chain(second)) {
            *to = *from;
        }
        joined
    }
}

/// The side that a Finished or key belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Both directions of epoch 1, as seen by one side.
pub(crate) struct Protections {
    pub(crate) write: Box<dyn Protection>,
    pub(crate) read: Box<dyn Protection>,
}

/// The parameters negotiated by the hellos.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Negotiated {
    pub(crate) randoms: Randoms,
    pub(crate) suite: CipherSuite,
    pub(crate) encrypt_then_mac: bool,
    pub(crate) extended_master_secret: bool,
}

/// The master secret, 48 bytes. It is zeroed on drop.
pub(crate) struct MasterSecret {
    secret: Zeroizing<[u8; MASTER_SECRET_LEN]>,
    hash: HashAlgorithm,
}

impl MasterSecret {
    /// Derives the secret: the extended one (RFC 7627 section 4) or the original one (RFC 5246
    /// section 8.1). `session_hash` is the hash of the transcript up to the ClientKeyExchange.
    pub(crate) fn derive(
        provider: &CryptoProvider,
        negotiated: &Negotiated,
        premaster: &PremasterSecret,
        session_hash: &[u8],
    ) -> Result<Self, Error> {
        let Randoms { client, server } = &negotiated.randoms;
        let joined = Randoms::joined(client, server);
        let (label, seed) = if negotiated.extended_master_secret {
            ("extended master secret", session_hash)
        } else {
            ("master secret", &joined[..])
        };
        let hash = negotiated.suite.suite().hash;
        let secret = prf(provider, hash, &premaster.0, label, seed)?;
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
        provider: &CryptoProvider,
        side: Side,
        transcript: &[u8],
    ) -> Result<[u8; VERIFY_DATA_LEN], Error> {
        let label = match side {
            Side::Client => "client finished",
            Side::Server => "server finished",
        };
        let secret = self.secret.as_slice();
        Ok(*prf(provider, self.hash, secret, label, transcript)?)
    }

    /// Derives the record protection of both directions for `side`.
    pub(crate) fn protections(
        &self,
        provider: &CryptoProvider,
        negotiated: &Negotiated,
        iv_key: &[u8; 32],
        side: Side,
    ) -> Result<Protections, Error> {
        // Enough for every suite: two SHA-384 MAC keys, two 256-bit keys and two IVs.
        const MAX_KEY_BLOCK: usize = 2 * (48 + 32 + 12);
        let block: Zeroizing<[u8; MAX_KEY_BLOCK]> = prf(
            provider,
            self.hash,
            self.secret.as_slice(),
            "key expansion",
            &Randoms::joined(&negotiated.randoms.server, &negotiated.randoms.client),
        )?;
        // RFC 5246 section 6.3: client MAC, server MAC, client key, server key, client IV, server
        // IV.
        let cipher = negotiated.suite.suite().cipher;
        let lengths = cipher.key_lengths;
        let mut rest = block.as_slice();
        let mut cut = |len: usize| {
            let (part, tail) = rest
                .split_at_checked(len)
                .ok_or(Error::ProviderLacks("key block"))?;
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
                    encrypt_then_mac: negotiated.encrypt_then_mac,
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
        use std::fmt::Write;
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
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::test_vectors::hex;

    fn provider() -> CryptoProvider {
        crate::Config::client("x", Psk::new("x")).provider.unwrap()
    }

    /// A known answer for the TLS 1.2 PRF with SHA-256, from the TLS working group's mailing list.
    #[test]
    fn prf_sha256_matches_known_answer() {
        let secret = hex("9bbe436ba940f017b17652849a71db35");
        let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
        let expected = hex(
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
             6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
             4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
             87347b66",
        );
        let sha256 = HashAlgorithm::SHA256;
        let out = prf::<100>(&provider(), sha256, &secret, "test label", &seed).unwrap();
        assert_eq!(out.as_slice(), expected);
    }

    /// A known answer with SHA-384, from the same list.
    #[test]
    fn prf_sha384_matches_known_answer() {
        let secret = hex("b80b733d6ceefcdc71566ea48e5567df");
        let seed = hex("cd665cf6a8447dd6ff8b27555edb7465");
        let expected = hex(
            "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd
             e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd
             8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425
             9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6
             91c8f3a26854308d5eaa3be85e0990703d73e56f",
        );
        let sha384 = HashAlgorithm::SHA384;
        let out = prf::<148>(&provider(), sha384, &secret, "test label", &seed).unwrap();
        assert_eq!(out.as_slice(), expected);
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
