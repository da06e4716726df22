//! Datagrams in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

pub(crate) use self::receive::count_drops;
use self::receive::{Notes, receive};

/// Room for the longest datagram that UDP can carry, so that none is cut short unseen.
const DATAGRAM: usize = 65_536;

/// How many datagrams are taken from the socket before timers and commands are looked at again.
const BATCH: usize = 64;

/// Takes datagrams from a socket, many for each time it wakes up, into one buffer: nothing is
/// allocated for each.
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    notes: Notes,
    left: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; DATAGRAM],
            notes: Notes::new(),
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
        // The kernel's note is a sum, so one for each batch is enough. To take it costs a third of
        // a datagram.
        let first = self.left == BATCH;
        self.left = self.left.checked_sub(1)?;
        let received = if first {
            receive(socket, &mut self.buffer, &mut self.notes)
        } else {
            socket.try_recv_from(&mut self.buffer)
        };
        match received {
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

    /// Datagrams that the kernel dropped, if it was asked to [count](count_drops) them. It counts
    /// for each socket, so this makes sense only where datagrams are taken from one.
    pub(crate) fn kernel_drops(&self) -> u64 {
        self.notes.dropped()
    }
}

/// Linux: the kernel notes beside a datagram how many it had dropped before it (`SO_RXQ_OVFL`,
/// socket(7)).
#[cfg(target_os = "linux")]
mod receive {
    use std::io::{self, IoSliceMut};
    use std::net::SocketAddr;
    use std::os::fd::AsRawFd as _;

    use nix::sys::socket::sockopt::RxqOvfl;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};
    use tokio::io::Interest;
    use tokio::net::UdpSocket;

    /// What came beside the datagrams.
    pub(super) struct Notes {
        /// Room for one such note.
        room: Vec<u8>,
        /// The kernel's count, which wraps.
        told: u32,
        dropped: u64,
    }

    impl Notes {
        pub(super) fn new() -> Self {
            Self {
                room: nix::cmsg_space!(u32),
                told: 0,
                dropped: 0,
            }
        }

        pub(super) fn dropped(&self) -> u64 {
            self.dropped
        }
    }

    /// Has the kernel note what it drops. Whether it will.
    pub(crate) fn count_drops(socket: &UdpSocket) -> bool {
        setsockopt(socket, RxqOvfl, &1).is_ok()
    }

    /// As [`UdpSocket::try_recv_from`], and takes the note.
    pub(super) fn receive(
        socket: &UdpSocket,
        buffer: &mut [u8],
        notes: &mut Notes,
    ) -> io::Result<(usize, SocketAddr)> {
        socket.try_io(Interest::READABLE, || {
            let mut slices = [IoSliceMut::new(buffer)];
            let Notes {
                room,
                told,
                dropped,
            } = notes;
            let message = recvmsg::<SockaddrStorage>(
                socket.as_raw_fd(),
                &mut slices,
                Some(room),
                MsgFlags::empty(),
            )?;
            // Nothing is noted as long as nothing was dropped. Only what was not asked for would
            // not fit.
            for note in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(count) = note {
                    *dropped += u64::from(count.wrapping_sub(*told));
                    *told = count;
                }
            }
            let from = message.address.as_ref().and_then(address);
            let from = from.ok_or(io::ErrorKind::InvalidData)?;
            Ok((message.bytes, from))
        })
    }

    fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
        let four = from.as_sockaddr_in().map(|from| SocketAddr::from(*from));
        four.or_else(|| from.as_sockaddr_in6().map(|from| SocketAddr::from(*from)))
    }
}

/// Elsewhere the system does not tell what it drops.
#[cfg(not(target_os = "linux"))]
mod receive {
    use std::io;
    use std::net::SocketAddr;

    use tokio::net::UdpSocket;

    pub(super) struct Notes;

    impl Notes {
        pub(super) fn new() -> Self {
            Self
        }

        pub(super) fn dropped(&self) -> u64 {
            0
        }
    }

    pub(crate) fn count_drops(_: &UdpSocket) -> bool {
        false
    }

    pub(super) fn receive(
        socket: &UdpSocket,
        buffer: &mut [u8],
        _: &mut Notes,
    ) -> io::Result<(usize, SocketAddr)> {
        socket.try_recv_from(buffer)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::socket::{bind, bind_with};

    const SENT: u64 = 500;

    /// Each datagram says which it is.
    async fn send(sender: &UdpSocket, to: SocketAddr, number: u64) {
        let mut datagram = [0; 1100];
        datagram[..8].copy_from_slice(&number.to_le_bytes());
        sender.send_to(&datagram, to).await.unwrap();
    }

    /// What is there without waiting.
    fn drain(inbox: &mut Inbox, socket: &UdpSocket, from: SocketAddr) -> Vec<u64> {
        let mut numbers = Vec::new();
        inbox.begin();
        while let Some((sender, datagram)) = inbox.next(socket) {
            assert_eq!((sender, datagram.len()), (from, 1100));
            numbers.push(u64::from_le_bytes(datagram[..8].try_into().unwrap()));
        }
        numbers
    }

    #[tokio::test]
    async fn what_does_not_fit_is_counted() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let loopback = loopback.parse().unwrap();
            let socket = bind_with(loopback, 4096).unwrap();
            assert!(count_drops(&socket));
            let (to, sender) = (socket.local_addr().unwrap(), bind(loopback).unwrap());
            let from = sender.local_addr().unwrap();
            let mut inbox = Inbox::new();
            let mut number = 0;
            for round in 1..=3 {
                let before = inbox.kernel_drops();
                for _ in 0..SENT {
                    send(&sender, to, number).await;
                    number += 1;
                }
                inbox.receive(&socket).await;
                let mut came = drain(&mut inbox, &socket, from);
                assert_eq!(inbox.kernel_drops(), before, "noted before it was dropped");
                // The next one brings the note; it may be late, and dropped itself.
                while inbox.kernel_drops() == before {
                    send(&sender, to, number).await;
                    number += 1;
                    inbox.receive(&socket).await;
                    came.extend(drain(&mut inbox, &socket, from));
                }
                assert!(came.is_sorted(), "round {round}");
                let missing = number - before - came.len() as u64;
                assert!(inbox.kernel_drops() <= before + missing);
            }
        }
    }
}
