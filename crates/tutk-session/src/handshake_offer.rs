//! What a ClientHello offers.

use core::fmt;

use dtls_psk::CipherSuite;

/// What a ClientHello offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeOffer {
    /// The cipher suites in order of preference.
    pub suites: &'static [CipherSuite],
    /// The extended master secret (RFC 7627).
    pub extended_master_secret: bool,
}

impl HandshakeOffer {
    /// An offer of `suites`, the preferred one first.
    #[must_use]
    pub const fn new(suites: &'static [CipherSuite], extended_master_secret: bool) -> Self {
        Self {
            suites,
            extended_master_secret,
        }
    }
}

impl fmt::Display for HandshakeOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, suite) in self.suites.iter().enumerate() {
            let separator = if at == 0 { "" } else { " or " };
            write!(f, "{separator}{:#06x}", suite.id())?;
        }
        match self.extended_master_secret {
            true => f.write_str(" with extended master secret"),
            false => Ok(()),
        }
    }
}
