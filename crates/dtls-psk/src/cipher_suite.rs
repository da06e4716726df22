//! The names of the cipher suites. Their parameters are in `suites`.

/// A supported cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CipherSuite {
    /// TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, 0xCCAC (RFC 7905, RFC 5489).
    EcdhePskChacha20Poly1305Sha256,
    /// TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, 0xCCAB (RFC 7905, RFC 4279). No forward secrecy.
    PskChacha20Poly1305Sha256,
    /// TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384, 0xC038 (RFC 5489). Its handshake uses SHA-384.
    EcdhePskAes256CbcSha384,
    /// TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256, 0xC037 (RFC 5489).
    EcdhePskAes128CbcSha256,
    /// TLS_PSK_WITH_AES_128_CCM_8, 0xC0A8 (RFC 6655), as used by CoAP. No forward secrecy. The tag
    /// has 64 bits: a forgery takes 2^63 records on average.
    PskAes128Ccm8,
    /// TLS_PSK_WITH_AES_128_CBC_SHA256, 0x00AE (RFC 5487). No forward secrecy.
    PskAes128CbcSha256,
}

impl CipherSuite {
    /// All supported suites: first those with forward secrecy, and AEADs before CBC.
    pub const ALL: &'static [CipherSuite] = &[
        CipherSuite::EcdhePskChacha20Poly1305Sha256,
        CipherSuite::EcdhePskAes256CbcSha384,
        CipherSuite::EcdhePskAes128CbcSha256,
        CipherSuite::PskChacha20Poly1305Sha256,
        CipherSuite::PskAes128Ccm8,
        CipherSuite::PskAes128CbcSha256,
    ];
}
