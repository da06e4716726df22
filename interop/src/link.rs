//! The UDP socket of one side.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The interval at which a wait checks whether the other side failed.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// The content type of alerts.
const ALERT: u8 = 21;
/// The buffer size, larger than every datagram of a peer.
const CAPACITY: usize = 4096;

/// A loopback socket connected to one address.
pub(crate) struct Link {
    socket: UdpSocket,
    buffer: Vec<u8>,
    /// Set if the other side of the cell failed. This side then stops.
    abandoned: Arc<AtomicBool>,
    /// `true` after a protected alert. Detects the answer to a close_notify, which the closed
    /// connection no longer decrypts.
    pub(crate) protected_alert_received: bool,
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

    /// Waits for a client. Its first datagram stays in the socket.
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
                Err(e) if is_no_datagram(&e) => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        Err("timed out waiting for a client".into())
    }

    fn new(socket: UdpSocket, abandoned: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            buffer: vec![0; CAPACITY],
            abandoned,
            protected_alert_received: false,
        }
    }

    pub(crate) fn peer(&self) -> String {
        let address = self.socket.peer_addr();
        address.map(|a| a.to_string()).unwrap_or_default()
    }

    /// Sends a datagram. A failure counts as a lost datagram.
    pub(crate) fn send(&self, datagram: &[u8]) {
        let _ = self.socket.send(datagram);
    }

    /// Returns the next datagram before `end`, if there is one.
    pub(crate) fn receive(&mut self, end: Instant) -> Result<Option<&mut [u8]>, String> {
        self.set_timeout(end)?;
        match self.socket.recv(&mut self.buffer) {
            Ok(len) => {
                let datagram = self.buffer.get_mut(..len).unwrap_or_default();
                // Content type, version, epoch.
                if let [ALERT, _, _, high, low, ..] = datagram {
                    self.protected_alert_received |= (*high, *low) != (0, 0);
                }
                Ok(Some(datagram))
            }
            Err(e) if is_no_datagram(&e) => Ok(None),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Sets the timeout to `end`, or to the interval for checking the other side.
    fn set_timeout(&self, end: Instant) -> Result<(), String> {
        if self.abandoned.load(Ordering::Relaxed) {
            return Err("stopped because the other side failed".into());
        }
        let wait = end.saturating_duration_since(Instant::now());
        let wait = wait.clamp(Duration::from_micros(100), CHECK_INTERVAL);
        let set = self.socket.set_read_timeout(Some(wait));
        set.map_err(|e| e.to_string())
    }
}

/// Returns `true` if an error means that no datagram arrived. A refused connection means that an
/// earlier datagram reached a closed port.
pub(crate) fn is_no_datagram(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}
