//! The cipher suites: one static [`Suite`] each.

use core::fmt;

use crate::cipher_suite::CipherSuite;
use crate::crypto::Hash;
use crate::protection::BulkCipher;
use crate::protection::aead::{AES_128_CCM_8, CHACHA20_POLY1305};
use crate::protection::cbc::{AES_128_CBC_SHA256, AES_256_CBC_SHA384};

impl CipherSuite {
    /// Returns the number in the IANA registry.
    pub fn id(self) -> u16 {
        self.suite().id
    }

    /// Returns the name in the IANA registry.
    pub fn name(self) -> &'static str {
        self.suite().name
    }

    /// Returns the suite with this registry number, if it is supported.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.id() == id)
    }

    /// Returns `true` if the suite has an ephemeral key exchange (RFC 5489). Recorded sessions then
    /// stay confidential even if the pre-shared key leaks later.
    pub fn has_forward_secrecy(self) -> bool {
        self.suite().key_exchange == KeyExchange::EcdhePsk
    }

    /// Returns `true` if records are protected by CBC encryption and a MAC. These suites support
    /// [encrypt-then-MAC](crate::Config::with_encrypt_then_mac).
    pub fn is_cbc(self) -> bool {
        self.suite().cipher.is_cbc()
    }

    pub(crate) fn suite(self) -> &'static Suite {
        match self {
            Self::EcdhePskChacha20Poly1305Sha256 => &ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
            Self::PskChacha20Poly1305Sha256 => &PSK_WITH_CHACHA20_POLY1305_SHA256,
            Self::EcdhePskAes256CbcSha384 => &ECDHE_PSK_WITH_AES_256_CBC_SHA384,
            Self::EcdhePskAes128CbcSha256 => &ECDHE_PSK_WITH_AES_128_CBC_SHA256,
            Self::PskAes128Ccm8 => &PSK_WITH_AES_128_CCM_8,
            Self::PskAes128CbcSha256 => &PSK_WITH_AES_128_CBC_SHA256,
        }
    }
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The source of the premaster secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyExchange {
    /// Only the pre-shared key (RFC 4279 section 2).
    Psk,
    /// The pre-shared key and an ephemeral key exchange (RFC 5489 section 2).
    EcdhePsk,
}

/// The parameters of a cipher suite.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The number in the IANA registry.
    id: u16,
    /// The name in the IANA registry.
    name: &'static str,
    pub(crate) key_exchange: KeyExchange,
    /// The hash of the PRF and of the transcript (RFC 5246 section 5).
    pub(crate) hash: Hash,
    /// The protection of the records.
    pub(crate) cipher: &'static BulkCipher,
}

/// RFC 7905 section 3, RFC 5489 section 2.
static ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: Suite = Suite {
    id: 0xccac,
    name: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    key_exchange: KeyExchange::EcdhePsk,
    hash: Hash::Sha256,
    cipher: &CHACHA20_POLY1305,
};

/// RFC 5489 section 3.2.
static ECDHE_PSK_WITH_AES_256_CBC_SHA384: Suite = Suite {
    id: 0xc038,
    name: "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384",
    key_exchange: KeyExchange::EcdhePsk,
    hash: Hash::Sha384,
    cipher: &AES_256_CBC_SHA384,
};

/// RFC 5489 section 3.2.
static ECDHE_PSK_WITH_AES_128_CBC_SHA256: Suite = Suite {
    id: 0xc037,
    name: "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256",
    key_exchange: KeyExchange::EcdhePsk,
    hash: Hash::Sha256,
    cipher: &AES_128_CBC_SHA256,
};

/// RFC 7905 section 3, RFC 4279 section 2.
static PSK_WITH_CHACHA20_POLY1305_SHA256: Suite = Suite {
    id: 0xccab,
    name: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
    key_exchange: KeyExchange::Psk,
    hash: Hash::Sha256,
    cipher: &CHACHA20_POLY1305,
};

/// RFC 6655 section 4, RFC 4279 section 2.
static PSK_WITH_AES_128_CCM_8: Suite = Suite {
    id: 0xc0a8,
    name: "TLS_PSK_WITH_AES_128_CCM_8",
    key_exchange: KeyExchange::Psk,
    hash: Hash::Sha256,
    cipher: &AES_128_CCM_8,
};

/// RFC 5487 section 3.1, RFC 4279 section 2.
static PSK_WITH_AES_128_CBC_SHA256: Suite = Suite {
    id: 0x00ae,
    name: "TLS_PSK_WITH_AES_128_CBC_SHA256",
    key_exchange: KeyExchange::Psk,
    hash: Hash::Sha256,
    cipher: &AES_128_CBC_SHA256,
};

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn ids_and_names_are_those_of_the_iana_registry() {
        let known = [
            (0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"),
            (0xc038, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384"),
            (0xc037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"),
            (0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"),
            (0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8"),
            (0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256"),
        ];
        assert_eq!(known.len(), CipherSuite::ALL.len());
        for (suite, (id, name)) in CipherSuite::ALL.iter().zip(known) {
            assert_eq!((suite.id(), suite.name()), (id, name));
            assert_eq!(CipherSuite::from_id(id), Some(*suite));
            assert_eq!(suite.to_string(), name);
            assert_eq!(suite.has_forward_secrecy(), name.contains("ECDHE"));
            assert_eq!(suite.is_cbc(), name.contains("CBC"));
            assert_eq!(suite.suite().hash == Hash::Sha384, name.ends_with("SHA384"));
        }
        assert_eq!(CipherSuite::from_id(0xc02b), None);
    }
}
