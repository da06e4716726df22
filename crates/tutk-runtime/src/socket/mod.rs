//! The UDP socket, and the clocks: what the core is not allowed to touch.

mod buffer;
mod inbox;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Instant, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tutk_session::{Epoch, Transmit};

pub use self::buffer::{ReceiveBuffer, SocketStats};
pub(crate) use self::inbox::{Inbox, count_drops};

/// A socket bound to `address`, with a large receive buffer and leave to broadcast.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    bind_with(address, buffer::ASKED)
}

fn bind_with(address: SocketAddr, bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    buffer::ask(&socket, bytes);
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
