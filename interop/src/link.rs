//! One side's UDP socket.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a wait looks whether the other side has failed.
const GLANCE: Duration = Duration::from_millis(100);
/// The content type of alerts.
const ALERT: u8 = 21;
/// Room for the largest datagram that a peer sends.
const CAPACITY: usize = 4096;

/// A socket on loopback that talks to one address.
pub(crate) struct Link {
    socket: UdpSocket,
    buffer: Vec<u8>,
    /// Set once the other side of the cell has failed: then nothing is waited for.
    abandoned: Arc<AtomicBool>,
    /// Whether an alert under keys came. For a close_notify that comes after one's own: the connection is
    /// over by then and does not open it.
    pub(crate) protected_alert_came: bool,
}

pub(crate) fn bind() -> io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
}

impl Link {
    pub(crate) fn to(server: SocketAddr, abandoned: Arc<AtomicBool>) -> io::Result<Self> {
        let socket = bind()?;
        socket.connect(server)?;
        Ok(Self::new(socket, abandoned))
    }

    /// Waits for a client, whose first datagram is then the first to be received.
    pub(crate) fn from_client(
        socket: UdpSocket,
        abandoned: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        let link = Self::new(socket, abandoned);
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            link.set_timeout(end)?;
            match link.socket.peek_from(&mut [0; 1]) {
                Ok((_, client)) => {
                    let connected = link.socket.connect(client);
                    return connected.map(|()| link).map_err(|e| e.to_string());
                }
                Err(e) if is_nothing(&e) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        Err("no client came".into())
    }

    fn new(socket: UdpSocket, abandoned: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            buffer: vec![0; CAPACITY],
            abandoned,
            protected_alert_came: false,
        }
    }

    pub(crate) fn peer(&self) -> String {
        let address = self.socket.peer_addr();
        address.map(|a| a.to_string()).unwrap_or_default()
    }

    /// Sends a datagram. One that cannot be sent is as lost as any other.
    pub(crate) fn send(&self, datagram: &[u8]) {
        let _ = self.socket.send(datagram);
    }

    /// The next datagram, if one comes before `end`.
    pub(crate) fn receive(&mut self, end: Instant) -> Result<Option<&mut [u8]>, String> {
        self.set_timeout(end)?;
        match self.socket.recv(&mut self.buffer) {
            Ok(len) => {
                let datagram = self.buffer.get_mut(..len).unwrap_or_default();
                // Content type, version, epoch.
                if let [ALERT, _, _, high, low, ..] = datagram {
                    self.protected_alert_came |= (*high, *low) != (0, 0);
                }
                Ok(Some(datagram))
            }
            Err(e) if is_nothing(&e) => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Until `end`, and not longer than it takes to be worth a look elsewhere.
    fn set_timeout(&self, end: Instant) -> Result<(), String> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err("given up, as the other side failed".into());
        }
        let wait = end.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_micros(100), GLANCE);
        let set = self.socket.set_read_timeout(Some(wait));
        set.map_err(|e| e.to_string())
    }
}

/// Whether an error says that nothing came. A refusal is an answer to a datagram sent to somebody who
/// has gone: nothing came either.
pub(crate) fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}
