//! The verdict: the cause, in words, and what to do.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use tutk_runtime::tutk_session::Phase;

use super::observations::CutShort;
use super::session::SDK_PASSWORD_AT;
use crate::failure::{Failure, Status};

/// Why a camera does not stream, or that it does.
///
/// docs/troubleshooting.md lists the verdicts by their [`name`](Self::name).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    Healthy,
    /// The camera streams, but only with the DTLS suite of old doorbells.
    OldSuite,
    /// The camera streams, but reports another MAC than the configured one.
    OtherMac,
    /// As [`OldSuite`](Self::OldSuite), but the configured model excludes that suite.
    OldSuiteOnly,
    UnknownHost {
        reason: String,
    },
    NoRoute {
        error: String,
    },
    NoDevice {
        address: SocketAddr,
    },
    Moved {
        from: SocketAddr,
        to: SocketAddr,
    },
    PortClosed {
        address: SocketAddr,
    },
    /// Answers come from another address than the one that was asked.
    Nat {
        asked: SocketAddr,
        from: SocketAddr,
    },
    /// Nothing arrives, and this program runs in a network of its own.
    Isolated {
        isolation: &'static str,
        local: Option<IpAddr>,
    },
    /// Only requests from the fixed port are answered.
    NeedsLocalPort {
        port: u16,
    },
    WrongUid,
    WrongMac,
    WrongEnr,
    /// The ENR or the MAC.
    WrongKeys,
    OtherProtocol {
        model: String,
    },
    SilentModel {
        model: String,
    },
    Asleep {
        model: String,
    },
    NoAnswer {
        address: SocketAddr,
        present: bool,
    },
    SlotBusy,
    HandshakeIgnored,
    HandshakeFailed {
        error: String,
    },
    LoginRefused,
    LoginIgnored,
    /// The camera accepts only the login with the layout of the SDK.
    LoginLayout,
    ResponseRefused,
    Updating,
    Checking,
    SwitchedOff,
    ChallengeFailed {
        error: String,
    },
    ClosedByCamera {
        phase: Phase,
    },
    NoPicture,
    StreamBroke,
    PacketLoss {
        percent: f64,
    },
    /// An error of this machine.
    Local {
        error: String,
    },
    /// The examination ended before anything was certain.
    Unknown {
        cut_short: Option<CutShort>,
    },
}

use Verdict as V;

const FETCH_KEYS: &str =
    "fetch the current keys with `tutk cloud login` and `tutk cloud cameras --write`";

impl Verdict {
    /// Returns the name for programs.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            V::Healthy => "healthy",
            V::OldSuite => "old-suite",
            V::OtherMac => "other-mac",
            V::OldSuiteOnly => "old-suite-only",
            V::UnknownHost { .. } => "unknown-host",
            V::NoRoute { .. } => "no-route",
            V::NoDevice { .. } => "no-device",
            V::Moved { .. } => "moved",
            V::PortClosed { .. } => "port-closed",
            V::Nat { .. } => "nat",
            V::Isolated { .. } => "isolated",
            V::NeedsLocalPort { .. } => "needs-local-port",
            V::WrongUid => "wrong-uid",
            V::WrongMac => "wrong-mac",
            V::WrongEnr => "wrong-enr",
            V::WrongKeys => "wrong-keys",
            V::OtherProtocol { .. } => "other-protocol",
            V::SilentModel { .. } => "silent-model",
            V::Asleep { .. } => "asleep",
            V::NoAnswer { .. } => "no-answer",
            V::SlotBusy => "slot-busy",
            V::HandshakeIgnored => "handshake-ignored",
            V::HandshakeFailed { .. } => "handshake-failed",
            V::LoginRefused => "login-refused",
            V::LoginIgnored => "login-ignored",
            V::LoginLayout => "login-layout",
            V::ResponseRefused => "response-refused",
            V::Updating => "updating",
            V::Checking => "checking",
            V::SwitchedOff => "switched-off",
            V::ChallengeFailed { .. } => "challenge-failed",
            V::ClosedByCamera { .. } => "closed-by-camera",
            V::NoPicture => "no-picture",
            V::StreamBroke => "stream-broke",
            V::PacketLoss { .. } => "packet-loss",
            V::Local { .. } => "local-error",
            V::Unknown { .. } => "unknown",
        }
    }

    pub(crate) fn status(&self) -> Status {
        match self {
            V::Healthy | V::OldSuite | V::OtherMac => Status::Done,
            V::UnknownHost { .. }
            | V::NoRoute { .. }
            | V::NoDevice { .. }
            | V::Moved { .. }
            | V::PortClosed { .. }
            | V::Nat { .. }
            | V::Isolated { .. }
            | V::NeedsLocalPort { .. }
            | V::OtherProtocol { .. }
            | V::SilentModel { .. }
            | V::Asleep { .. }
            | V::NoAnswer { .. }
            | V::HandshakeIgnored
            | V::LoginIgnored => Status::Silent,
            V::OldSuiteOnly
            | V::WrongUid
            | V::WrongMac
            | V::WrongEnr
            | V::WrongKeys
            | V::SlotBusy
            | V::HandshakeFailed { .. }
            | V::LoginRefused
            | V::LoginLayout
            | V::ResponseRefused
            | V::Updating
            | V::Checking
            | V::SwitchedOff
            | V::ChallengeFailed { .. } => Status::Refused,
            V::ClosedByCamera { phase } if *phase < Phase::Stream => Status::Refused,
            V::ClosedByCamera { .. } | V::NoPicture | V::StreamBroke | V::PacketLoss { .. } => {
                Status::BrokeOff
            }
            V::Local { .. } | V::Unknown { .. } => Status::Other,
        }
    }

    /// Returns the step of the cause, as in the lines of the steps.
    pub(crate) fn phase(&self) -> &'static str {
        match self {
            V::UnknownHost { .. } => "address",
            V::NoRoute { .. } | V::NoDevice { .. } | V::PortClosed { .. } => "network",
            V::Moved { .. }
            | V::Nat { .. }
            | V::Isolated { .. }
            | V::NeedsLocalPort { .. }
            | V::WrongUid
            | V::WrongMac
            | V::WrongKeys
            | V::OtherProtocol { .. }
            | V::SilentModel { .. }
            | V::Asleep { .. }
            | V::NoAnswer { .. } => Phase::Discovery.name(),
            V::SlotBusy => Phase::Session.name(),
            V::WrongEnr | V::OldSuiteOnly | V::HandshakeIgnored | V::HandshakeFailed { .. } => {
                Phase::Dtls.name()
            }
            V::LoginRefused | V::LoginIgnored | V::LoginLayout => Phase::Login.name(),
            V::ResponseRefused
            | V::Updating
            | V::Checking
            | V::SwitchedOff
            | V::ChallengeFailed { .. } => Phase::Authentication.name(),
            V::ClosedByCamera { phase } => phase.name(),
            V::Healthy
            | V::OldSuite
            | V::OtherMac
            | V::NoPicture
            | V::StreamBroke
            | V::PacketLoss { .. } => Phase::Stream.name(),
            V::Local { .. } | V::Unknown { .. } => "start",
        }
    }

    /// Returns the cause, for people who do not know the protocol.
    pub(crate) fn cause(&self) -> String {
        match self {
            V::Healthy => "the camera works: it streams, and the network is good".to_owned(),
            V::OldSuite => "the camera works, but encrypts only as old doorbells do (DTLS suite \
                 0x00AE, without forward secrecy)"
                .to_owned(),
            V::OtherMac => {
                "the camera works, but its MAC address is not the configured one: newer \
                 firmware does not answer with a wrong MAC"
                    .to_owned()
            }
            V::OldSuiteOnly => "the camera encrypts only as old doorbells do (DTLS suite 0x00AE), \
                 and the configured model excludes that"
                .to_owned(),
            V::UnknownHost { reason } => format!("the host was not found: {reason}"),
            V::NoRoute { error } => {
                format!("this machine has no route to the camera's network: {error}")
            }
            V::NoDevice { address } => format!(
                "no device has the address {}: the camera is off, out of range of the Wi-Fi, or \
                 has another address",
                address.ip()
            ),
            V::Moved { from, to } => format!(
                "the camera is at {}, not at {}: its address has changed",
                to.ip(),
                from.ip()
            ),
            V::PortClosed { address } => format!(
                "a device has the address {}, but nothing listens on UDP port {}: it is another \
                 device, or the camera is starting",
                address.ip(),
                address.port()
            ),
            V::Nat { asked, from } => format!(
                "answers to requests to {} arrive from {}: a NAT, for example of a container \
                 network, is between this program and the camera",
                asked.ip(),
                from.ip()
            ),
            V::Isolated { isolation, local } => {
                let local = local.map(|local| format!(" ({local})")).unwrap_or_default();
                format!(
                    "no answer arrives, and this program runs in a {isolation} with a network of \
                     its own{local}: its NAT probably drops the camera's answers"
                )
            }
            V::NeedsLocalPort { port } => format!(
                "the camera's answers arrive only at the fixed UDP port {port}: a firewall or NAT \
                 drops those to other ports"
            ),
            V::WrongUid => "a camera at this address answers with another UID".to_owned(),
            V::WrongMac => {
                "the camera is there and the ENR is right, but the MAC or AuthKey is wrong"
                    .to_owned()
            }
            V::WrongEnr => "the camera answers discovery but not the encrypted handshake (DTLS): \
                 the ENR is wrong, probably from before the camera was set up again"
                .to_owned(),
            V::WrongKeys => "the camera is there, but ignores requests with this key: the ENR or \
                 the MAC is wrong"
                .to_owned(),
            V::OtherProtocol { model } => {
                format!("cameras of the model {model} do not speak this protocol")
            }
            V::SilentModel { model } => format!(
                "the camera does not answer: with current firmware, the model {model} does not \
                 speak this protocol on the local network"
            ),
            V::Asleep { model } => format!(
                "the camera does not answer: the model {model} runs on a battery and does not \
                 answer while it sleeps"
            ),
            V::NoAnswer {
                address,
                present: true,
            } => format!(
                "a device has the address {}, but does not answer this UID: the UID, ENR or MAC \
                 is wrong, or the model does not speak this protocol",
                address.ip()
            ),
            V::NoAnswer { address, .. } => format!(
                "nothing answers at {}: the camera is off, has another address, or a firewall \
                 drops its answers",
                address.ip()
            ),
            V::SlotBusy => "the camera answers discovery but opens no session: other viewers use \
                 all of its sessions, or it has not yet freed one that broke off"
                .to_owned(),
            V::HandshakeIgnored => "the camera opens a session but does not answer the encrypted \
                 handshake (DTLS) in any form that this program knows"
                .to_owned(),
            V::HandshakeFailed { error } => {
                format!("the encrypted handshake (DTLS) failed: {error}")
            }
            V::LoginRefused => "the camera refuses the login: the ENR is wrong".to_owned(),
            V::LoginIgnored => "the camera does not answer the login".to_owned(),
            V::LoginLayout => format!(
                "the camera accepts only a login with the password at byte {SDK_PASSWORD_AT}: \
                 this firmware is not supported yet"
            ),
            V::ResponseRefused => {
                "the camera refuses the answer to its challenge: the ENR or user ID is wrong"
                    .to_owned()
            }
            V::Updating => "the camera is updating its firmware".to_owned(),
            V::Checking => "the camera is still checking the ENR with the vendor".to_owned(),
            V::SwitchedOff => "the camera is switched off in the vendor's app".to_owned(),
            V::ChallengeFailed { error } => format!("the challenge failed: {error}"),
            V::ClosedByCamera { phase } => {
                format!("the camera closed the session in the phase {phase}")
            }
            V::NoPicture => {
                "the camera accepts the client but sends no key frame, so there is no picture"
                    .to_owned()
            }
            V::StreamBroke => "the stream began and then stopped".to_owned(),
            V::PacketLoss { percent } => {
                format!("the camera streams, but the network loses {percent:.0} % of its packets")
            }
            V::Local { error } => format!("this machine reports an error: {error}"),
            V::Unknown {
                cut_short: Some(CutShort::Interrupted),
            } => "interrupted before the cause was certain".to_owned(),
            V::Unknown { .. } => "the time was over before the cause was certain".to_owned(),
        }
    }

    /// Returns what to do.
    pub(crate) fn advice(&self) -> Cow<'static, str> {
        let fixed = match self {
            V::Healthy => "nothing to do",
            V::OldSuite => "set model=WYZEDB3 in the camera's address to connect faster",
            V::OldSuiteOnly => "correct or remove `model` in the camera's address",
            V::UnknownHost { .. } => "check the name, or give the camera's IP address",
            V::NoRoute { .. } => "connect this machine to the camera's network",
            V::NoDevice { .. } => {
                "switch the camera on, and look up its address in the vendor's app or in the router"
            }
            V::Moved { to, .. } => {
                let to = to.ip();
                return format!(
                    "set the host in the camera's address to {to}, and reserve it in the router"
                )
                .into();
            }
            V::PortClosed { .. } => {
                "look up the camera's address in the vendor's app, or try again in a minute"
            }
            V::Nat { .. } | V::Isolated { .. } => {
                "give the container the host's network (`network_mode: host`), or run tutk on the host"
            }
            V::NeedsLocalPort { port } => {
                return format!("use --local-port {port}, and allow that port in the firewall")
                    .into();
            }
            V::WrongUid => {
                "correct `uid`: `tutk discover` lists the cameras that answer, `tutk cloud cameras` those of your account"
            }
            V::WrongMac | V::OtherMac => {
                "correct `mac`, which the vendor's app shows under Device Info, or fetch it with `tutk cloud cameras --write`"
            }
            V::WrongEnr | V::WrongKeys | V::LoginRefused => FETCH_KEYS,
            V::ResponseRefused => {
                "fetch the keys with `tutk cloud cameras --write`; cameras behind a base station need its keys, too"
            }
            V::OtherProtocol { .. } => "use the vendor's app for this camera",
            V::SilentModel { .. } => {
                "no setting helps; older firmware of the model answers, and reports of others that do are welcome"
            }
            V::Asleep { .. } => "wake the camera in the vendor's app, and try at once",
            V::NoAnswer { present: true, .. } => {
                "compare UID, ENR and MAC with `tutk cloud cameras`, and set `model` to learn if it is supported"
            }
            V::NoAnswer { .. } => {
                "check that the camera is on and in this network, and allow UDP from it in the firewall"
            }
            V::SlotBusy => {
                "close other apps and programs that show this camera, wait a minute, and try again"
            }
            V::HandshakeIgnored | V::LoginIgnored | V::LoginLayout => {
                "restart the camera; if that does not help, open an issue with the report"
            }
            V::HandshakeFailed { .. } | V::ChallengeFailed { .. } => {
                "try again; if it fails again, open an issue with the report"
            }
            V::Updating | V::Checking => "wait some minutes, and try again",
            V::SwitchedOff => "switch the camera on in the vendor's app",
            V::ClosedByCamera { .. } => {
                "too many viewers, or the camera restarted: close other apps, and try again"
            }
            V::NoPicture => {
                "restart the camera; if that does not help, open an issue with the report"
            }
            V::StreamBroke => "check the camera's power and Wi-Fi, and try again",
            V::PacketLoss { .. } => {
                "move the camera or the access point closer, choose another Wi-Fi channel, or connect this machine by cable"
            }
            V::Local { .. } => {
                "if a port is in use, choose another with --local-port; otherwise try again with -v for details"
            }
            V::Unknown { .. } => "run the command again, with a longer --budget",
        };
        fixed.into()
    }

    /// Returns the verdict as the failure of the command; `None` if the camera works.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let status = self.status();
        (status != Status::Done)
            .then(|| Failure::new(status, self.phase(), self.cause(), self.advice()))
    }
}
