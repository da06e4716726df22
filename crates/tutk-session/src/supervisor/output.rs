//! Outputs and events of a supervisor.

use alloc::string::String;
use core::net::SocketAddr;
use core::ops::RangeInclusive;

use tutk_time::Instant;

use super::outage::{ConnectionError, Disconnect, Outage};
use super::timeline::ContinuousFrame;
use crate::discovery_plan::Search;
use crate::event::Event;
use crate::output::Transmit;

/// What [`Supervisor::poll_output`](super::Supervisor::poll_output) returns.
///
/// Poll until `Timeout` after every call that takes `&mut self`.
#[derive(Debug)]
pub enum SupervisorOutput<'a> {
    /// Search for the camera or resolve the host name, if the request says so, and open a UDP
    /// socket. Then call
    /// [`handle_connected`](super::Supervisor::handle_connected) or
    /// [`handle_connect_failed`](super::Supervisor::handle_connect_failed).
    Connect(Connect),
    /// Send this datagram through the current socket.
    Transmit(Transmit<'a>),
    /// Close the socket, or stop the [`Connect`](Self::Connect) that is under way.
    CloseSocket,
    /// An event for the owner.
    Event(SupervisorEvent),
    /// Nothing to do before this instant. Then call `handle_timeout`, unless another input comes
    /// first.
    Timeout(Instant),
}

/// A request to open a socket.
#[derive(Debug, Clone)]
pub struct Connect {
    /// The host name to resolve: [`ReconnectPolicy::host`](super::ReconnectPolicy::host).
    pub host: Option<String>,
    /// The camera's address: the configured one or, with a host name, the last one that it resolved
    /// to. Its port is the port to use.
    pub camera: SocketAddr,
    /// The ports to bind the socket to: [`ClientConfig::local_ports`](crate::ClientConfig).
    pub local_ports: RangeInclusive<u16>,
    /// Search for the camera instead of resolving its name: see
    /// [`DiscoveryPlan::search`](crate::DiscoveryPlan::search). If it is not found, call
    /// [`handle_connect_failed`](super::Supervisor::handle_connect_failed) with
    /// [`DriverError::not_found`](super::DriverError::not_found).
    pub search: Option<Search>,
}

impl Connect {
    /// Chooses one of the addresses that the host name resolved to: the last known address, then
    /// IPv4, which most cameras use. If there are none, the name server may be unavailable, and the
    /// last known address is used. Returns `None` if that is unspecified.
    #[must_use]
    pub fn choose(&self, resolved: impl IntoIterator<Item = SocketAddr>) -> Option<SocketAddr> {
        let last = (!self.camera.ip().is_unspecified()).then_some(self.camera);
        let preference = |address: &SocketAddr| (Some(*address) != last, address.is_ipv6());
        resolved.into_iter().min_by_key(preference).or(last)
    }
}

/// An event of a [`Supervisor`](super::Supervisor).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SupervisorEvent {
    /// A session is needed and there is none: the first attempt starts.
    Connecting,
    /// The camera is searched for by its UID: see
    /// [`ReconnectPolicy::search`](super::ReconnectPolicy::search).
    Searching,
    /// The camera was found at another address than the known one, and has authenticated the
    /// client there. Comes after the session's [`Event::Authenticated`].
    Moved {
        /// The address so far; unspecified if none was known.
        from: SocketAddr,
        /// The new address.
        to: SocketAddr,
    },
    /// A frame, on the time line of all sessions.
    Frame(ContinuousFrame),
    /// Any other event of the current session, except its end.
    Session(Event),
    /// The session ended, or an attempt to connect failed. Commands that wait for an answer get
    /// none.
    Disconnected(Disconnect),
    /// The camera authenticated the client again after an outage. Comes after the session's
    /// [`Event::Authenticated`].
    Restored(Outage),
    /// This machine is too slow for the camera's data. Datagrams were dropped, and video continues
    /// with a key frame.
    Overloaded {
        /// The number of datagrams.
        datagrams: u64,
    },
    /// No further attempt is made until there is a new user or
    /// [`ReconnectPolicy::restart_after`](super::ReconnectPolicy::restart_after) has passed.
    GaveUp(ConnectionError),
    /// The session is closed because there are no users.
    Idle,
    /// The supervisor has ended: it was closed, or gave up for good. This is the last event.
    Ended(Result<(), ConnectionError>),
}

/// Why a command was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no session, or the camera has not authenticated the client yet.
    #[error("no session with the camera; wait until it is connected")]
    NotConnected,
    /// [`MAX_REQUESTS`](crate::MAX_REQUESTS) commands already wait for an answer, or the payload is
    /// longer than [`MAX_HL_PAYLOAD`](crate::MAX_HL_PAYLOAD).
    #[error("the command queue is full or the payload is too long; wait for answers, or send less")]
    NotAccepted,
    /// Another user has the audio channel to the camera.
    #[error("the audio channel to the camera is in use; wait until the other talker has finished")]
    TalkInUse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_last_address_then_ipv4() {
        let [old, new, six, none] = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "0.0.0.0:1"]
            .map(|text| text.parse().unwrap());
        let connect = |camera| Connect {
            host: None,
            camera,
            local_ports: 0..=0,
            search: None,
        };
        assert_eq!(connect(old).choose([six, new, old]), Some(old));
        assert_eq!(connect(old).choose([six, new]), Some(new));
        assert_eq!(connect(old).choose([six]), Some(six));
        assert_eq!(connect(old).choose([]), Some(old));
        assert_eq!(connect(none).choose([six, new]), Some(new));
        assert_eq!(connect(none).choose([]), None);
    }
}
