//! The errors of sessions and of talk.

use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use dtls_psk::AlertDescription;

use crate::handshake_offer::HandshakeOffer;
use crate::phase::Phase;

/// The reason why a [`Client`](crate::Client) ended.
///
/// Invalid packets never end a session. They are dropped and counted in [`Stats`](crate::Stats).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer arrived in time.
    #[error("{phase}: no answer from the camera within {} s", seconds(waited))]
    Silent {
        /// The phase that waited.
        phase: Phase,
        /// How long.
        waited: Duration,
    },
    /// The camera's address is not known, and no camera answered to its UID.
    #[error("discovery: no camera with this UID answered on the local networks")]
    NotFound,
    /// The handshake started but did not finish. With a wrong key, cameras stop answering.
    #[error(
        "dtls: wrong ENR, or no answer from the camera (the handshake did not finish within {} s)",
        seconds(waited)
    )]
    HandshakeUnfinished {
        /// The time limit of the handshake.
        waited: Duration,
    },
    /// The camera did not answer any ClientHello.
    #[error(
        "dtls: no answer from the camera within {} s; offered {}",
        seconds(waited),
        list(tried)
    )]
    HandshakeUnanswered {
        /// How long the client waited.
        waited: Duration,
        /// What the client offered, in order.
        tried: Vec<HandshakeOffer>,
    },
    /// DTLS failed.
    #[error("{phase}: {source}")]
    Dtls {
        /// The phase in which it failed.
        phase: Phase,
        /// The error of DTLS.
        source: dtls_psk::Error,
    },
    /// The user or password does not fit into a login.
    #[error("login: {0}")]
    Login(#[source] av_login::Error),
    /// The camera answered the AV login with another status than success, and did not authenticate
    /// the client afterwards.
    #[error("login: the camera refused user or password (status {status:#04x})")]
    LoginRefused {
        /// The status of its answer; 0x10 is success.
        status: u8,
    },
    /// The client could not answer the challenge, or the camera refused the answer.
    #[error("authentication: {0}")]
    Authentication(#[source] hl_ioctl::Error),
    /// The camera closed the session.
    #[error("{phase}: the camera closed the session")]
    ClosedByCamera {
        /// The phase in which it was closed.
        phase: Phase,
    },
    /// The camera sends media packets, but they never made a whole frame.
    #[error(
        "stream: {packets} media packets from the camera within {} s, but no whole frame",
        seconds(waited)
    )]
    NoFrame {
        /// How long the client waited.
        waited: Duration,
        /// The slices, and the AV packets that cannot be parsed.
        packets: u64,
    },
    /// The camera stopped sending frames, or sends nothing at all.
    #[error("stream: no whole frame for {} s", seconds(waited))]
    Stalled {
        /// How long.
        waited: Duration,
    },
}

/// Why audio cannot be sent to the camera.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TalkError {
    /// [`TalkEvent::Ready`](crate::TalkEvent::Ready) has not come, or the channel is closed.
    #[error("the camera does not accept audio yet")]
    NotReady,
    /// The camera did not answer K10010 in time.
    #[error("the camera did not answer K10010 (return audio on)")]
    Unanswered,
    /// The camera answered K10010 with an error.
    #[error("the camera refused K10010 (return audio on): {0:#04x}")]
    Refused(u8),
    /// The camera did not open its channel, or did not log in on it.
    #[error(
        "the camera did not open its audio channel within {} s{}",
        seconds(waited),
        if *.two_way_audio { "" } else { "; its login says that it has no speaker" }
    )]
    NotOpened {
        /// The time limit.
        waited: Duration,
        /// The answer to the login says that the camera accepts audio.
        two_way_audio: bool,
    },
    /// The camera closed the channel.
    #[error("the camera closed its audio channel")]
    Closed,
    /// The frame does not fit into a packet. The channel stays open.
    #[error("a frame of {got} bytes does not fit into a packet, which holds {max}")]
    TooLong {
        /// The largest number of bytes.
        max: usize,
        /// The bytes of the frame.
        got: usize,
    },
    /// DTLS failed.
    #[error("audio channel: {0}")]
    Dtls(#[source] dtls_psk::Error),
}

/// Returns the duration in seconds, to a tenth.
fn seconds(duration: &Duration) -> f32 {
    let tenths = duration.as_millis().saturating_add(50) / 100;
    f32::from(u16::try_from(tenths).unwrap_or(u16::MAX)) / 10.0
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The camera was not found or does not answer.
    Silent,
    /// The camera refused: UID, ENR or key are wrong, or it cannot serve now.
    Refused,
    /// The stream was interrupted.
    Interrupted,
}

impl Error {
    /// Returns the phase in which the session failed.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::Silent { phase, .. }
            | Self::Dtls { phase, .. }
            | Self::ClosedByCamera { phase } => *phase,
            Self::HandshakeUnfinished { .. } | Self::HandshakeUnanswered { .. } => Phase::Dtls,
            Self::NotFound => Phase::Discovery,
            Self::Login(_) | Self::LoginRefused { .. } => Phase::Login,
            Self::Authentication(_) => Phase::Authentication,
            Self::Stalled { .. } | Self::NoFrame { .. } => Phase::Stream,
        }
    }

    /// Returns the kind of the failure.
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Silent { .. } | Self::NotFound | Self::HandshakeUnanswered { .. } => {
                Failure::Silent
            }
            Self::Stalled { .. } | Self::NoFrame { .. } => Failure::Interrupted,
            Self::Dtls { phase, .. } | Self::ClosedByCamera { phase }
                if *phase == Phase::Stream =>
            {
                Failure::Interrupted
            }
            Self::HandshakeUnfinished { .. }
            | Self::Dtls { .. }
            | Self::ClosedByCamera { .. }
            | Self::Login(_)
            | Self::LoginRefused { .. }
            | Self::Authentication(_) => Failure::Refused,
        }
    }

    /// Returns what the user can do, as one line.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Silent {
                phase: Phase::Discovery,
                ..
            }
            | Self::NotFound => {
                "check the address, UID, ENR and MAC or AuthKey, and that the camera is on and no firewall is between: a camera does not answer a wrong UID, and may not answer wrong keys; HL_PAN3 and HL_CFL2 with current firmware answer no client but the vendor's"
            }
            Self::Silent { .. } => "the camera stopped answering: try again, or restart it",
            Self::HandshakeUnanswered { .. } => {
                "the camera grants a session but no DTLS handshake: restart it, and set `model`; if that does not help, report its model and firmware"
            }
            Self::Dtls { source, .. } if refuses_suite(source) => {
                "the camera does not support the DTLS suite: set `model`, or correct it (WYZEDB3 needs a suite of its own), or run `tutk doctor`"
            }
            Self::HandshakeUnfinished { .. } | Self::Dtls { .. } => {
                "check the ENR and the MAC or AuthKey: they change when the camera is set up again"
            }
            Self::Login(_) | Self::LoginRefused { .. } => "check the ENR and the dialect",
            Self::Authentication(hl_ioctl::Error::WrongEnr) => {
                "the ENR is from before the camera was set up again, or another camera's: get the current one"
            }
            Self::Authentication(_) => {
                "check the ENR; if the camera is updating or switched off, wait and try again"
            }
            Self::ClosedByCamera { .. } => {
                "too many viewers, or the camera restarted: close other apps and try again"
            }
            Self::Stalled { .. } => "check the camera's Wi-Fi",
            Self::NoFrame { .. } => {
                "most packets are lost, or the camera is faulty: check its Wi-Fi, or restart it"
            }
        }
    }
}

fn list(tried: &[HandshakeOffer]) -> String {
    let texts: Vec<String> = tried.iter().map(ToString::to_string).collect();
    texts.join(", then ")
}

/// Returns `true` if the peer supports none of the offered cipher suites (RFC 5246, section 7.2.2).
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

#[cfg(test)]
mod tests {
    use core::error::Error as _;

    use super::*;

    #[test]
    fn wrapped_errors_are_sources() {
        let login = av_login::Error::ZeroInText {
            field: "user",
            at: 0,
        };
        let dtls = dtls_psk::Error::TooLong { max: 1, got: 2 };
        let authentication = Error::Authentication(hl_ioctl::Error::WrongEnr);
        assert!(
            authentication
                .source()
                .is_some_and(<dyn core::error::Error>::is::<hl_ioctl::Error>)
        );
        assert!(Error::Login(login).source().is_some());
        assert!(TalkError::Dtls(dtls).source().is_some());
    }
}
