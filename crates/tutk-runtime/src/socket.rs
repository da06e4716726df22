//! UDP sockets, clocks and randomness.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Mutex, Once, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

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
const BATCH: usize = 16;

/// The number of datagrams that are dropped at once. A receive buffer holds fewer, and a flood must
/// not occupy the thread.
const MAX_DISCARDED: usize = RECEIVE_BUFFER / 256;

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

    /// Passes the datagrams that have arrived to `handle`, at most [`BATCH`] of them. Returns
    /// `true` if there may be more.
    pub(crate) fn receive(&self, mut handle: impl FnMut(Instant, SocketAddr, &mut [u8])) -> bool {
        let now = now();
        self.receive_each(BATCH, |from, datagram| handle(now, from, datagram)) == BATCH
    }

    /// Drops the datagrams that have arrived. Returns their number.
    pub(crate) fn discard(&self) -> u64 {
        self.receive_each(MAX_DISCARDED, |_, _| {}) as u64
    }

    /// Passes datagrams to `handle`, at most `max`. Returns their number. The sockets of a thread
    /// share a buffer, so that receiving does not allocate.
    fn receive_each(&self, max: usize, mut handle: impl FnMut(SocketAddr, &mut [u8])) -> usize {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM]);
        }
        BUFFER.with_borrow_mut(|buffer| {
            for received in 0..max {
                match self.0.try_recv_from(buffer) {
                    Ok((len, from)) => handle(from, buffer.get_mut(..len).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return received,
                    // An ICMP error for an earlier datagram. The session's timeouts handle it.
                    Err(error) => {
                        tracing::debug!(%error, "cannot receive");
                        return received;
                    }
                }
            }
            max
        })
    }

    /// Sends a datagram. If that fails, it is lost as on any network, and the core retransmits.
    pub(crate) async fn send(&self, Transmit { to, payload, .. }: Transmit<'_>) {
        if let Err(error) = self.0.send_to(payload, to).await {
            tracing::debug!(%to, %error, "cannot send");
        }
    }

    /// Returns the socket of tokio.
    #[cfg(feature = "simulator")]
    pub(crate) fn inner(&self) -> &UdpSocket {
        &self.0
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
    /// The socket must be bound to an unspecified address. The number is up to [`DROPS_AGE`] old.
    pub(crate) fn kernel_drops(&self) -> Option<u64> {
        let local = self.local_addr().ok()?;
        let mut tables = DROPS.lock().unwrap_or_else(PoisonError::into_inner);
        let [ipv4, ipv6] = &mut *tables;
        let table = if local.is_ipv4() { ipv4 } else { ipv6 };
        let port = local.port();
        let is_known =
            |(read, drops): &Drops| read.elapsed() < DROPS_AGE && drops.contains_key(&port);
        if !table.as_ref().is_some_and(is_known) {
            *table = Some((std::time::Instant::now(), read_drops(local.is_ipv4())?));
        }
        table.as_ref()?.1.get(&port).copied()
    }
}

/// How long the kernel's table of sockets is used. Reading it for each of many cameras would take
/// longer the more cameras there are.
const DROPS_AGE: Duration = Duration::from_millis(500);

/// The number of dropped datagrams, by the port of the socket, and when it was read.
type Drops = (std::time::Instant, BTreeMap<u16, u64>);

/// The kernel's tables of IPv4 and IPv6 sockets.
static DROPS: Mutex<[Option<Drops>; 2]> = Mutex::new([None, None]);

/// Reads the numbers of dropped datagrams of all sockets that are bound to an unspecified address.
/// The second column is the address, the last one the number (proc_net_udp(5)).
fn read_drops(is_ipv4: bool) -> Option<BTreeMap<u16, u64>> {
    let (table, unspecified) = match is_ipv4 {
        true => ("/proc/self/net/udp", format!("{:08}", 0)),
        false => ("/proc/self/net/udp6", format!("{:032}", 0)),
    };
    let table = std::fs::read_to_string(table).ok()?;
    let sockets = table.lines().filter_map(|line| {
        let mut columns = line.split_ascii_whitespace();
        let (address, port) = columns.nth(1)?.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let drops = columns.next_back()?.parse().ok()?;
        (address == unspecified).then_some((port, drops))
    });
    Some(sockets.collect())
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
