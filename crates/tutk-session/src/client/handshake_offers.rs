//! The DTLS cipher suite that the client offers (docs/protocol.md, section "DTLS").

use dtls_psk::CipherSuite;

use crate::models::Model;

const ECDHE_PSK: CipherSuite = CipherSuite::EcdhePskChacha20Poly1305Sha256;
const PLAIN_PSK: CipherSuite = CipherSuite::PskAes128CbcSha256;

/// The cipher suite of the next handshake. One at a time, because no camera is known to accept a
/// ClientHello with two.
///
/// There is a fallback only if the model is unknown or needs plain PSK. Otherwise, an attacker who
/// suppresses a ClientHello or forges an alert could remove forward secrecy.
#[derive(Debug, Clone, Copy)]
pub(super) struct SuiteOffer {
    current: CipherSuite,
    fallback: Option<CipherSuite>,
}

impl SuiteOffer {
    pub(super) fn for_model(model: Option<&str>) -> Self {
        let (current, fallback) = match model.map(Model::find) {
            None => (ECDHE_PSK, Some(PLAIN_PSK)),
            Some(Some(model)) if model.plain_psk => (PLAIN_PSK, Some(ECDHE_PSK)),
            Some(_) => (ECDHE_PSK, None),
        };
        Self { current, fallback }
    }

    pub(super) fn suites(&self) -> [CipherSuite; 1] {
        [self.current]
    }

    /// The ClientHello was refused or not answered. Switches to the other suite, if there is one.
    pub(super) fn hello_failed(&mut self) {
        if let Some(other) = &mut self.fallback {
            std::mem::swap(&mut self.current, other);
        }
    }
}
