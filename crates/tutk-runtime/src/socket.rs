//! The UDP socket, and the clocks: what the core is not allowed to touch.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tutk_session::{Epoch, Transmit};

/// What is asked of the system for a socket's receive buffer, bytes.
///
/// A key frame at 2K is hundreds of datagrams that come at once. The system may give less (on Linux
/// `net.core.rmem_max`); see [`receive_buffer`].
const RECEIVE_BUFFER: usize = 4 << 20;

/// Room for the longest datagram that UDP can carry, so that none is cut short unseen.
const DATAGRAM: usize = 65_536;

/// How many datagrams are taken from the socket before timers and commands are looked at again.
const BATCH: usize = 64;

/// A socket bound to `address`, with a large receive buffer and leave to broadcast.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the system refused a larger receive buffer");
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// The address to bind for packets to `peer`.
pub(crate) fn any_for(peer: SocketAddr) -> SocketAddr {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, 0)
}

/// Now, by tokio's clock, which a test can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Both clocks, now.
pub(crate) fn epoch() -> Epoch {
    Epoch {
        instant: now(),
        // A clock before 1970 tells nothing: then time begins there.
        unix: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    }
}

/// A generator seeded by the system.
pub(crate) fn rng() -> io::Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)
}

/// Sends one datagram. What cannot be sent is lost, as on any network, and repeated by the core.
pub(crate) async fn send(socket: &UdpSocket, datagram: Transmit<'_>) {
    if let Err(error) = socket.send_to(datagram.payload, datagram.to).await {
        tracing::debug!(to = %datagram.to, %error, "datagram not sent");
    }
}

/// Takes datagrams from a socket, many for each time it wakes up.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    left: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; DATAGRAM],
            left: 0,
        }
    }

    /// Waits until there is something to take with [`Self::next`]. Cancel-safe.
    pub(crate) async fn receive(&mut self, socket: &UdpSocket) {
        while let Err(error) = socket.readable().await {
            // Not known to happen. If it does, the session's deadlines end it; this must not spin.
            tracing::debug!(%error, "socket not readable");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.begin();
    }

    /// Begins to take from a socket that has something.
    pub(crate) fn begin(&mut self) {
        self.left = BATCH;
    }

    /// The next datagram that is there without waiting.
    pub(crate) fn next(&mut self, socket: &UdpSocket) -> Option<(SocketAddr, &mut [u8])> {
        self.left = self.left.checked_sub(1)?;
        match socket.try_recv_from(&mut self.buffer) {
            Ok((len, from)) => Some((from, self.buffer.get_mut(..len)?)),
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    // An ICMP error of a datagram sent before: the camera's silence tells the same.
                    tracing::debug!(%error, "receive");
                }
                None
            }
        }
    }
}
