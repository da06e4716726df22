//! Datagrams that leave together.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use quinn_udp::UdpSocketState;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tutk_session::Transmit;

use crate::socket::{MAX_DATAGRAM, Socket};

/// Datagrams of one size for one address, of which the last one can be shorter. The system sends
/// them with one call if it can, because a call costs more than the encryption of a datagram.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The address, and the index of the socket.
    to: Option<(SocketAddr, u8)>,
    /// The size of each datagram except the last one.
    datagram_bytes: usize,
    bytes: Vec<u8>,
    /// The last datagram is shorter.
    complete: bool,
}

impl Batch {
    /// Returns `true` if a datagram can be added.
    pub(crate) fn fits(&self, datagram: &Transmit<'_>) -> bool {
        let Some(to) = self.to else { return true };
        let bytes = self.bytes.len() + datagram.payload.len();
        to == (datagram.to, datagram.port)
            && !self.complete
            && datagram.payload.len() <= self.datagram_bytes
            && bytes < MAX_DATAGRAM - 64
            && bytes.div_ceil(self.datagram_bytes.max(1)) <= most()
    }

    /// Adds a datagram that [fits](Self::fits).
    pub(crate) fn push(&mut self, datagram: &Transmit<'_>) {
        if self.to.is_none() {
            self.to = Some((datagram.to, datagram.port));
            self.datagram_bytes = datagram.payload.len();
        }
        self.bytes.extend_from_slice(datagram.payload);
        self.complete = datagram.payload.len() < self.datagram_bytes;
    }

    /// Sends the datagrams. If that fails, they are lost as on any network.
    pub(crate) async fn send(&mut self, sockets: &[Socket]) {
        let Some((to, port)) = self.to.take() else {
            return;
        };
        if let Some(socket) = sockets.get(usize::from(port))
            && let Err(error) = send(socket.inner(), to, &self.bytes, self.datagram_bytes).await
        {
            tracing::debug!(%to, %error, "cannot send");
        }
        self.bytes.clear();
        self.complete = false;
    }
}

async fn send(
    socket: &UdpSocket,
    to: SocketAddr,
    contents: &[u8],
    datagram_bytes: usize,
) -> io::Result<()> {
    let several = sender().filter(|_| contents.len() > datagram_bytes);
    let Some(sender) = several else {
        return socket.send_to(contents, to).await.map(drop);
    };
    let transmit = quinn_udp::Transmit {
        destination: to,
        ecn: None,
        contents,
        segment_size: Some(datagram_bytes),
        src_ip: None,
    };
    let send = || sender.try_send(socket.into(), &transmit);
    socket.async_io(Interest::WRITABLE, send).await
}

/// The most datagrams of one call.
fn most() -> usize {
    sender().map_or(1, |sender| sender.max_gso_segments().max(1))
}

/// What the system can do. `None` if that is unknown.
fn sender() -> Option<&'static UdpSocketState> {
    static SENDER: OnceLock<Option<UdpSocketState>> = OnceLock::new();
    let probe = || {
        // It sets options on a socket that is not used.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").ok()?;
        UdpSocketState::new((&socket).into()).ok()
    };
    SENDER.get_or_init(probe).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn datagrams_arrive_one_by_one() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let sockets = [Socket::bind(loopback).unwrap()];
        let receiver = UdpSocket::bind(loopback).await.unwrap();
        let to = receiver.local_addr().unwrap();
        let mut batch = Batch::default();
        let sizes = [100, 100, 100, 60, 100, 200, 10];
        for (number, size) in (0..).zip(sizes) {
            let datagram = Transmit {
                to,
                payload: &vec![number; size],
                port: 0,
            };
            if !batch.fits(&datagram) {
                batch.send(&sockets).await;
            }
            batch.push(&datagram);
        }
        batch.send(&sockets).await;
        batch.send(&sockets).await;
        for (number, size) in (0_u8..).zip(sizes) {
            let mut buffer = [0; 300];
            let len = receiver.recv(&mut buffer).await.unwrap();
            assert_eq!((len, buffer[0]), (size, number));
        }
    }
}
