//! What the steps have found, as plain data.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Serialize, Serializer};
use tutk_runtime::tutk_session::Phase;

use super::stream::StreamReport;
use crate::report::PhaseTime;

/// Everything that the steps have found. It contains no UID, key or password.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Observations {
    /// The vendor's model name, from the camera's address or as the camera reports it.
    pub(crate) model: Option<String>,
    /// Why the camera's key is weak.
    pub(crate) weak_key: Option<String>,
    /// The host of the camera's address, if it has one.
    pub(crate) host: Option<String>,
    /// Why the host name cannot be resolved.
    pub(crate) unresolved: Option<String>,
    /// The address that the host resolved to.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) route: Option<Route>,
    pub(crate) reach: Option<Reach>,
    /// The discovery requests, in order.
    pub(crate) queries: Vec<Query>,
    /// Other addresses at which the camera's UID answered. `None` if they were not searched.
    pub(crate) elsewhere: Option<Vec<SocketAddr>>,
    /// The attempts to open a session, in order.
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) stream: Option<StreamReport>,
    /// Why the examination is not complete.
    pub(crate) cut_short: Option<CutShort>,
}

/// Why an examination ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CutShort {
    /// A signal arrived.
    Interrupted,
    /// The budget is used up.
    OutOfTime,
}

/// How this machine reaches the camera's address.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Route {
    /// The own address from which datagrams to the camera are sent.
    pub(crate) local: Option<IpAddr>,
    /// The interface with that address.
    pub(crate) interface: Option<String>,
    /// The camera's address is in the interface's network.
    pub(crate) same_network: bool,
    /// The program runs in a container or virtual machine that usually has a network of its own.
    pub(crate) isolation: Option<&'static str>,
    /// Why there is no route.
    pub(crate) error: Option<String>,
}

/// What the camera's address answers outside the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Reach {
    pub(crate) udp: UdpReach,
    /// `None` if UDP had been answered already.
    pub(crate) tcp: Option<TcpReach>,
    /// The system's neighbour table. `None` if the system does not show it or the camera is in
    /// another network.
    pub(crate) neighbour: Option<Neighbour>,
}

/// The result of sending a discovery request from a connected UDP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UdpReach {
    /// A datagram came back.
    Answered,
    /// Nothing came back.
    Silent,
    /// ICMP "port unreachable": the host runs, and no program listens.
    Refused,
    /// The system reports that the host cannot be reached.
    Unreachable,
}

/// The result of opening a TCP connection to the camera's port, where cameras do not listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TcpReach {
    /// The host accepted or refused the connection, so it runs.
    Answered,
    /// Nothing came back.
    Silent,
    /// The system reports that the host cannot be reached.
    Unreachable,
}

/// An entry of the neighbour table (ARP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Neighbour {
    /// The device has the configured MAC address.
    OwnMac,
    /// The device has another MAC address, or none is configured.
    OtherMac,
    /// No device answers for the address.
    Missing,
}

/// The presence of a device at the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Present,
    Absent,
    Unknown,
}

impl Reach {
    pub(crate) fn host(&self) -> Host {
        match self {
            Self {
                udp: UdpReach::Answered | UdpReach::Refused,
                ..
            }
            | Self {
                tcp: Some(TcpReach::Answered),
                ..
            }
            | Self {
                neighbour: Some(Neighbour::OwnMac | Neighbour::OtherMac),
                ..
            } => Host::Present,
            Self {
                udp: UdpReach::Unreachable,
                ..
            }
            | Self {
                tcp: Some(TcpReach::Unreachable),
                ..
            }
            | Self {
                neighbour: Some(Neighbour::Missing),
                ..
            } => Host::Absent,
            _ => Host::Unknown,
        }
    }
}

/// A discovery request in all dialects, repeated, and everything that came back.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Query {
    pub(crate) kind: QueryKind,
    /// The own UDP port.
    pub(crate) port: Option<u16>,
    pub(crate) answers: Vec<QueryAnswer>,
    /// Datagrams that are not discovery answers, at most [`Query::MAX_STRAYS`].
    pub(crate) strays: Vec<Stray>,
    /// Why the request was not sent.
    pub(crate) error: Option<String>,
}

/// What a discovery request contains, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum QueryKind {
    /// The camera's UID and AuthKey, from a port that the system chooses.
    Own,
    /// The same from the port of `--local-port`.
    FixedPort,
    /// A UID of zeros, which asks any camera at the address.
    AnyUid,
    /// The camera's UID without an AuthKey.
    NoKey,
    /// The camera's UID, and the AuthKey that follows from the MAC in the neighbour table.
    NeighbourMac,
}

/// An answer to a discovery request.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QueryAnswer {
    pub(crate) from: SocketAddr,
    /// It comes from the address that was asked, perhaps from another port.
    pub(crate) same_address: bool,
    /// It contains the camera's UID.
    pub(crate) own_uid: bool,
    pub(crate) dialect: Cow<'static, str>,
    pub(crate) ms: f64,
}

/// A datagram that is not a discovery answer of any dialect.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stray {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: usize,
    /// The first bytes in hex, at most 8. More could contain a part of a UID.
    pub(crate) begins: String,
}

impl Query {
    /// The largest number of strays that are kept.
    pub(crate) const MAX_STRAYS: usize = 16;

    /// Returns the answers from the address that was asked, with the camera's UID.
    pub(crate) fn own(&self) -> impl Iterator<Item = &QueryAnswer> {
        let own = |answer: &&QueryAnswer| answer.same_address && answer.own_uid;
        self.answers.iter().filter(own)
    }
}

/// An attempt to open a session.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attempt {
    pub(crate) kind: AttemptKind,
    pub(crate) dialect: Option<Cow<'static, str>>,
    /// The completed phases.
    pub(crate) phases: Vec<PhaseTime>,
    /// The last completed phase.
    #[serde(serialize_with = "phase_name")]
    pub(crate) reached: Option<Phase>,
    /// Why it ended, unless it did all that was wanted.
    pub(crate) fault: Option<Fault>,
    /// The phase of the fault.
    #[serde(serialize_with = "phase_name")]
    pub(crate) failed_in: Option<Phase>,
    /// The fault in words.
    pub(crate) error: Option<String>,
}

/// What is special in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AttemptKind {
    /// Nothing: as every other command connects.
    Usual,
    /// As [`Usual`](Self::Usual), once more after a pause.
    AfterPause,
    /// Discovery without an AuthKey, to test the ENR alone.
    NoKey,
    /// One DTLS suite, with or without extended master secret. Ends after the handshake.
    Handshake {
        suite: &'static str,
        extended_master_secret: bool,
    },
    /// The login layout of the SDK, with the password at another offset. Ends after the login.
    SdkLogin,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// No answer.
    Silent,
    /// The handshake stopped where one with a wrong key stops.
    WrongKey,
    /// The camera supports none of the offered DTLS suites.
    SuiteRefused,
    /// Another error of DTLS.
    Dtls,
    /// The camera refused user or password.
    LoginRefused,
    /// The camera refused the answer to its challenge.
    ResponseRefused,
    /// The camera is updating its firmware.
    Updating,
    /// The camera is checking the ENR.
    Checking,
    /// The camera is switched off.
    SwitchedOff,
    /// Another error of the challenge.
    Challenge,
    /// The camera closed the session.
    Closed,
    /// The frames stopped.
    Stalled,
    /// An error of this machine.
    Local,
    /// The time of the step was over.
    OutOfTime,
}

impl Attempt {
    pub(crate) fn new(kind: AttemptKind) -> Self {
        Self {
            kind,
            dialect: None,
            phases: Vec::new(),
            reached: None,
            fault: None,
            failed_in: None,
            error: None,
        }
    }

    /// Returns `true` if the phase is complete.
    pub(crate) fn completed(&self, phase: Phase) -> bool {
        self.reached >= Some(phase)
    }

    /// Returns `true` if it failed in this phase with this fault.
    pub(crate) fn failed(&self, phase: Phase, fault: Fault) -> bool {
        (self.failed_in, self.fault) == (Some(phase), Some(fault))
    }
}

impl Observations {
    /// Returns the attempt that connected as other commands do and came furthest.
    pub(crate) fn best_attempt(&self) -> Option<&Attempt> {
        let usual = |attempt: &&Attempt| {
            matches!(attempt.kind, AttemptKind::Usual | AttemptKind::AfterPause)
        };
        self.attempts
            .iter()
            .filter(usual)
            .max_by_key(|attempt| attempt.reached)
    }

    /// Returns the answers to requests of this kind.
    pub(crate) fn answers(&self, kind: QueryKind) -> impl Iterator<Item = &QueryAnswer> {
        self.queries
            .iter()
            .filter(move |query| query.kind == kind)
            .flat_map(|query| &query.answers)
    }

    /// Returns `true` if the camera answered a request of this kind from its own address.
    pub(crate) fn answered(&self, kind: QueryKind) -> bool {
        self.answers(kind)
            .any(|answer| answer.same_address && answer.own_uid)
    }
}

#[expect(clippy::ref_option, reason = "serde's signature")]
fn phase_name<S: Serializer>(phase: &Option<Phase>, serializer: S) -> Result<S::Ok, S::Error> {
    phase.map(Phase::name).serialize(serializer)
}
