//! Which DTLS suite is offered (wire.md section 7).

use dtls_psk::{AlertDescription, CipherSuite};

use crate::models::Model;

/// What nearly all cameras take.
const ECDHE: CipherSuite = CipherSuite::EcdhePskChacha20Poly1305Sha256;
/// What WYZEDB3 takes.
const PLAIN: CipherSuite = CipherSuite::PskAes128CbcSha256;

/// The suite that the next handshake offers. One at a time: a ClientHello with two is none that a
/// camera is known to take.
///
/// Only where the model is not known, or known to need it, is there a second one to fall back to:
/// whoever can keep a hello from the camera, or forge an alert, must not be able to take forward
/// secrecy from a session with any other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suites {
    offered: CipherSuite,
    fallback: Option<CipherSuite>,
}

impl Suites {
    pub(super) fn for_model(model: Option<&str>) -> Self {
        let (offered, fallback) = match model.map(Model::find) {
            None => (ECDHE, Some(PLAIN)),
            Some(Some(model)) if model.plain_psk => (PLAIN, Some(ECDHE)),
            Some(_) => (ECDHE, None),
        };
        Self { offered, fallback }
    }

    pub(super) fn offered(&self) -> [CipherSuite; 1] {
        [self.offered]
    }

    /// The hello was refused, or there was no answer to it: the other suite's turn, if there is
    /// one.
    pub(super) fn hello_failed(&mut self) {
        if let Some(other) = &mut self.fallback {
            std::mem::swap(&mut self.offered, other);
        }
    }
}

/// Whether this is how a peer says that it knows none of the suites that it was offered (RFC 5246
/// section 7.2.2).
pub(crate) fn refuses_suite(error: &dtls_psk::Error) -> bool {
    use AlertDescription as A;
    matches!(
        error,
        dtls_psk::Error::PeerAlert {
            description: A::HANDSHAKE_FAILURE | A::INSUFFICIENT_SECURITY,
            ..
        }
    )
}
