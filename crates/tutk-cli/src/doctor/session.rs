//! Attempts to open a session.

use std::sync::Arc;

use tutk_runtime::tutk_session::av_login::LoginLayout;
use tutk_runtime::tutk_session::dtls_psk::{self, AlertDescription, CipherSuite};
use tutk_runtime::tutk_session::{Dialect, Error, HandshakeOffer, Phase, hl_ioctl};

use super::observations::Fault;

/// The suite of current cameras, TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256.
pub(super) const ECDHE_PSK: &str = "0xCCAC";
/// The suite of old doorbells, TLS_PSK_WITH_AES_128_CBC_SHA256.
pub(super) const PLAIN_PSK: &str = "0x00AE";

/// The variants of the handshake: the suite, with and without extended master secret.
pub(super) const OFFERS: [(&str, HandshakeOffer); 4] = [
    (ECDHE_PSK, offer(ECDHE_SUITE, true)),
    (ECDHE_PSK, offer(ECDHE_SUITE, false)),
    (PLAIN_PSK, offer(PLAIN_SUITE, true)),
    (PLAIN_PSK, offer(PLAIN_SUITE, false)),
];

const ECDHE_SUITE: &[CipherSuite] = &[CipherSuite::EcdhePskChacha20Poly1305Sha256];
const PLAIN_SUITE: &[CipherSuite] = &[CipherSuite::PskAes128CbcSha256];

const fn offer(suites: &'static [CipherSuite], extended_master_secret: bool) -> HandshakeOffer {
    HandshakeOffer::new(suites, extended_master_secret)
}

/// The offset of the password in the login layout of the SDK (docs/protocol.md, section 11).
pub(super) const SDK_PASSWORD_AT: u16 = 281;

/// Returns the dialect with the login layout of the SDK.
pub(super) fn with_sdk_login(mut dialect: Arc<Dialect>) -> Arc<Dialect> {
    Arc::make_mut(&mut dialect).login = LoginLayout::AuthAt542;
    dialect
}

/// Returns the phase and the kind of a session's error.
pub(super) fn fault(error: &Error) -> (Phase, Fault) {
    let fault = match error {
        Error::Silent { .. } | Error::HandshakeUnanswered { .. } | Error::NoFrame { .. } => {
            Fault::Silent
        }
        Error::HandshakeUnfinished { .. } => Fault::WrongKey,
        Error::Dtls { source, .. } if source.hints_at_wrong_key() => Fault::WrongKey,
        Error::Dtls { source, .. } if refuses_suite(source) => Fault::SuiteRefused,
        Error::Dtls { .. } => Fault::Dtls,
        Error::Login(_) | Error::LoginRefused { .. } => Fault::LoginRefused,
        Error::Authentication(error) => challenge_fault(error),
        Error::ClosedByCamera { .. } => Fault::Closed,
        Error::Stalled { .. } => Fault::Stalled,
        _ => Fault::Local,
    };
    (error.phase(), fault)
}

fn challenge_fault(error: &hl_ioctl::Error) -> Fault {
    match error {
        hl_ioctl::Error::CameraUpdating => Fault::Updating,
        hl_ioctl::Error::CameraChecking => Fault::Checking,
        hl_ioctl::Error::CameraOff => Fault::SwitchedOff,
        hl_ioctl::Error::Refused { .. } => Fault::ResponseRefused,
        _ => Fault::Challenge,
    }
}

/// Returns `true` if the camera supports none of the offered suites (RFC 5246, section 7.2.2).
fn refuses_suite(error: &dtls_psk::Error) -> bool {
    use AlertDescription as A;
    matches!(
        error,
        dtls_psk::Error::PeerAlert {
            description: A::HANDSHAKE_FAILURE | A::INSUFFICIENT_SECURITY,
            ..
        }
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_have_a_phase_and_a_kind() {
        let waited = Duration::from_secs(1);
        let phase = Phase::Session;
        let authentication = Error::Authentication;
        for (error, expected) in [
            (Error::Silent { phase, waited }, (phase, Fault::Silent)),
            (
                Error::HandshakeUnfinished { waited },
                (Phase::Dtls, Fault::WrongKey),
            ),
            (
                Error::LoginRefused { status: 0x11 },
                (Phase::Login, Fault::LoginRefused),
            ),
            (
                authentication(hl_ioctl::Error::CameraOff),
                (Phase::Authentication, Fault::SwitchedOff),
            ),
            (
                authentication(hl_ioctl::Error::Magic { got: [0; 2] }),
                (Phase::Authentication, Fault::Challenge),
            ),
            (Error::ClosedByCamera { phase }, (phase, Fault::Closed)),
            (Error::Stalled { waited }, (Phase::Stream, Fault::Stalled)),
        ] {
            assert_eq!(fault(&error), expected, "{error}");
        }
    }
}
