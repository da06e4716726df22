//! UDP sockets, clocks and randomness.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Once;
use std::task::Poll;
use std::time::SystemTime;

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::net::UdpSocket;
use tutk_session::{Epoch, Instant, Transmit};

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

/// A UDP socket. Every datagram of this crate passes through [`send`](Self::send) or
/// [`receive`](Self::receive).
#[derive(Debug)]
pub(crate) struct Socket(UdpSocket);

impl Socket {
    /// Binds a socket that has a large receive buffer and may send broadcasts.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = socket2::Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_broadcast(true)?;
        // Linux grants what it can. Other systems refuse a size that is too large.
        let mut sizes = (0..7).map(|halvings| RECEIVE_BUFFER >> halvings);
        if !sizes.any(|size| socket.set_recv_buffer_size(size).is_ok()) {
            tracing::debug!("the system does not allow a larger receive buffer");
        }
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// Binds a socket to the first free port of `ports`.
    pub(crate) fn bind_to_free(
        mut address: SocketAddr,
        ports: RangeInclusive<u16>,
    ) -> io::Result<Self> {
        let (first, last) = (*ports.start(), *ports.end());
        for port in ports {
            address.set_port(port);
            match Self::bind(address) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                bound => return bound,
            }
        }
        let message = match first == last {
            true => format!("the local UDP port {first} is in use"),
            false => format!("the local UDP ports {first}-{last} are in use"),
        };
        Err(io::Error::new(io::ErrorKind::AddrInUse, message))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Passes the datagrams that have arrived to `handle`, at most [`BATCH`] of them. They share
    /// `buffer`, so that receiving does not allocate.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        mut handle: impl FnMut(Instant, SocketAddr, &mut [u8]),
    ) {
        let now = now();
        for _ in 0..BATCH {
            match self.0.try_recv_from(buffer) {
                Ok((len, from)) => handle(now, from, buffer.get_mut(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error for an earlier datagram. The session's timeouts handle it.
                Err(error) => return tracing::debug!(%error, "cannot receive"),
            }
        }
    }

    /// Sends a datagram. If that fails, it is lost as on any network, and the core retransmits.
    pub(crate) async fn send(&self, Transmit { to, payload, .. }: Transmit<'_>) {
        if let Err(error) = self.0.send_to(payload, to).await {
            tracing::debug!(%to, %error, "cannot send");
        }
    }

    /// Logs a warning if the receive buffer is small, once per process.
    pub(crate) fn warn_if_small(&self) {
        static WARNED: Once = Once::new();
        let granted = SockRef::from(&self.0).recv_buffer_size().unwrap_or(0) / BUFFER_UNIT;
        if granted < SMALL_BUFFER {
            let setting = match cfg!(target_os = "linux") {
                true => "net.core.rmem_max",
                false => "the system's limit for socket buffers",
            };
            WARNED.call_once(|| {
                tracing::warn!(
                    requested = RECEIVE_BUFFER,
                    granted,
                    "the receive buffer is small and frames may be lost; increase {setting}"
                );
            });
        }
    }

    /// Returns the number of datagrams that the kernel dropped, nearly always because the receive
    /// buffer was full. `None` if the system does not report it: only Linux does.
    ///
    /// Finds the socket, which must be bound to an unspecified address, by its port in the kernel's
    /// table of UDP sockets. The last column is the number (proc_net_udp(5)).
    pub(crate) fn kernel_drops(&self) -> Option<u64> {
        let local = self.local_addr().ok()?;
        let (table, digits) = match local.is_ipv4() {
            true => ("/proc/self/net/udp", 8),
            false => ("/proc/self/net/udp6", 32),
        };
        let address = format!(" {:0digits$}:{:04X} ", 0, local.port());
        let table = std::fs::read_to_string(table).ok()?;
        let line = table.lines().find(|line| line.contains(&address))?;
        line.split_ascii_whitespace().next_back()?.parse().ok()
    }
}

/// Waits until one of the sockets has a datagram; without sockets, forever. Cancel-safe.
pub(crate) async fn readable<'a>(sockets: impl IntoIterator<Item = &'a Socket> + Clone) {
    poll_fn(|cx| {
        // A socket with an error is ignored, so that this does not spin.
        let mut ready = (sockets.clone().into_iter()).map(|socket| socket.0.poll_recv_ready(cx));
        match ready.any(|ready| matches!(ready, Poll::Ready(Ok(())))) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// The current time of tokio's clock, which a test can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// Converts an instant to one of tokio's clock.
pub(crate) fn to_tokio(instant: Instant) -> tokio::time::Instant {
    std::time::Instant::from(instant).into()
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
pub(crate) fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
