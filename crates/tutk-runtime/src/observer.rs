//! Observers of the datagrams of a session, for captures.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tutk_session::any_port_for;

use crate::socket::{self, Socket};

/// A datagram of a session, as it is on the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedDatagram<'a> {
    /// The time since 1970.
    pub time: Duration,
    /// The sender.
    pub source: SocketAddr,
    /// The receiver.
    pub destination: SocketAddr,
    /// The bytes.
    pub payload: &'a [u8],
}

/// An observer of the sessions of one camera. It runs in the task that receives packets, so its
/// methods must not block.
pub trait Observer: Debug + Send + Sync {
    /// Called with each datagram that is received or sent.
    fn datagram(&self, datagram: &ObservedDatagram<'_>);

    /// Called with each line of the key log. There are lines only with
    /// [`ClientConfig::key_log`](tutk_session::ClientConfig::key_log).
    fn key_log(&self, line: &str);
}

/// The observer of a driver, if it has one, and the address of its current socket.
#[derive(Debug)]
pub(crate) struct Tap {
    observer: Option<Arc<dyn Observer>>,
    local: Option<SocketAddr>,
}

impl Tap {
    pub(crate) fn new(observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            observer,
            local: None,
        }
    }

    /// A socket for datagrams to `camera` was opened.
    pub(crate) fn opened(&mut self, socket: &Socket, camera: SocketAddr) {
        if self.observer.is_some() {
            self.local = local_address(socket, camera).ok();
        }
    }

    pub(crate) fn received(&self, source: SocketAddr, payload: &[u8]) {
        self.observe(|local| (source, local), payload);
    }

    pub(crate) fn sent(&self, destination: SocketAddr, payload: &[u8]) {
        self.observe(|local| (local, destination), payload);
    }

    pub(crate) fn key_log(&self, line: &str) {
        if let Some(observer) = &self.observer {
            observer.key_log(line);
        }
    }

    fn observe(&self, ends: impl FnOnce(SocketAddr) -> (SocketAddr, SocketAddr), payload: &[u8]) {
        let Some((observer, local)) = self.observer.as_ref().zip(self.local) else {
            return;
        };
        let (source, destination) = ends(local);
        observer.datagram(&ObservedDatagram {
            time: socket::epoch().unix,
            source,
            destination,
            payload,
        });
    }
}

/// Returns the address from which datagrams to `camera` are sent. The socket itself is bound to an
/// unspecified one.
fn local_address(socket: &Socket, camera: SocketAddr) -> io::Result<SocketAddr> {
    // Connecting a UDP socket selects the route and sends nothing.
    let route = UdpSocket::bind(any_port_for(camera))?;
    route.connect(camera)?;
    Ok(SocketAddr::new(
        route.local_addr()?.ip(),
        socket.local_addr()?.port(),
    ))
}
