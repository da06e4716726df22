//! UDP sockets, clocks and randomness.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Once;
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tutk_session::{Epoch, Transmit};

/// The size in bytes that is requested for a socket's receive buffer. A key frame at 2K arrives as
/// hundreds of datagrams at once.
pub const RECEIVE_BUFFER: usize = 4 << 20;

/// In a smaller receive buffer, in bytes, a key frame may not fit while the machine is busy.
const SMALL_BUFFER: usize = 1 << 20;

/// Linux doubles the requested size to have room for its own data, and returns the doubled size
/// (socket(7)).
const BUFFER_UNIT: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

/// The longest UDP datagram in bytes.
pub(crate) const MAX_DATAGRAM: usize = 65_536;

/// The number of datagrams that are received before timers and commands are served again.
const BATCH: usize = 64;

/// The properties of a session's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// The size of the receive buffer in bytes, or 0 if it is not known. [`RECEIVE_BUFFER`] was
    /// requested. Linux grants at most `net.core.rmem_max`.
    pub receive_buffer: usize,
    /// The number of datagrams that the kernel dropped, nearly always because the receive buffer
    /// was full. `None` if the system does not report it: only Linux does.
    pub kernel_drops: Option<u64>,
}

/// Binds a socket that has a large receive buffer and may send broadcasts.
pub(crate) fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    // Linux grants what it can. Other systems refuse a size that is too large.
    let mut sizes = (0..7).map(|halvings| RECEIVE_BUFFER >> halvings);
    if !sizes.any(|size| socket.set_recv_buffer_size(size).is_ok()) {
        tracing::debug!("the system does not allow a larger receive buffer");
    }
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Returns the address to bind for datagrams to `peer`.
pub(crate) fn any_for(peer: SocketAddr) -> SocketAddr {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, 0)
}

/// Waits until the socket has a datagram. Cancel-safe.
pub(crate) async fn readable(socket: &UdpSocket) {
    while let Err(error) = socket.readable().await {
        // Not known to happen. If it does, the session times out; this must not spin.
        tracing::debug!(%error, "socket not readable");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Passes the datagrams that have arrived to `handle`, at most [`BATCH`] of them. They share
/// `buffer`, so that receiving does not allocate.
pub(crate) fn receive(
    socket: &UdpSocket,
    buffer: &mut [u8],
    mut handle: impl FnMut(SocketAddr, &mut [u8]),
) {
    for _ in 0..BATCH {
        match socket.try_recv_from(buffer) {
            Ok((len, from)) => handle(from, buffer.get_mut(..len).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // An ICMP error for an earlier datagram. The session's timeouts handle it.
            Err(error) => return tracing::debug!(%error, "cannot receive"),
        }
    }
}

/// Sends a datagram. If that fails, it is lost as on any network, and the core retransmits.
pub(crate) async fn send(socket: &UdpSocket, datagram: Transmit<'_>) {
    if let Err(error) = socket.send_to(datagram.payload, datagram.to).await {
        tracing::debug!(to = %datagram.to, %error, "cannot send");
    }
}

/// Returns the properties of a socket that is bound to an unspecified address.
pub(crate) fn stats(socket: &UdpSocket) -> SocketStats {
    let size = SockRef::from(socket).recv_buffer_size();
    SocketStats {
        receive_buffer: size.unwrap_or(0) / BUFFER_UNIT,
        kernel_drops: kernel_drops(socket),
    }
}

/// Logs a warning if the receive buffer is small, once per process.
pub(crate) fn warn_if_small(SocketStats { receive_buffer, .. }: SocketStats) {
    static WARNED: Once = Once::new();
    if receive_buffer < SMALL_BUFFER {
        let setting = match cfg!(target_os = "linux") {
            true => "net.core.rmem_max",
            false => "the system's limit for socket buffers",
        };
        WARNED.call_once(|| {
            tracing::warn!(
                requested = RECEIVE_BUFFER,
                granted = receive_buffer,
                "the receive buffer is small and frames may be lost; increase {setting}"
            );
        });
    }
}

/// Finds the socket by its port in the kernel's table of UDP sockets. The last column is the number
/// of dropped datagrams (proc_net_udp(5)).
fn kernel_drops(socket: &UdpSocket) -> Option<u64> {
    let local = socket.local_addr().ok()?;
    let table = match local.is_ipv4() {
        true => "/proc/self/net/udp",
        false => "/proc/self/net/udp6",
    };
    let table = std::fs::read_to_string(table).ok()?;
    let port = format!(":{:04X}", local.port());
    table.lines().find_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let address = columns.nth(1)?;
        let found = address.trim_start_matches('0') == port;
        found.then(|| columns.last()?.parse().ok()).flatten()
    })
}

/// The current time of tokio's clock, which a test can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The current time of both clocks.
pub(crate) fn epoch() -> Epoch {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Epoch {
        instant: now(),
        unix: since_1970.unwrap_or_default(),
    }
}

/// A generator seeded by the system.
pub(crate) fn rng() -> io::Result<StdRng> {
    StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)
}
