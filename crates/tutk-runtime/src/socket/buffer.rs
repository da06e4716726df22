//! The receive buffer: how much was asked for, and how much the system gave.

use std::sync::Once;

use socket2::{SockRef, Socket};
use tokio::net::UdpSocket;

/// What is asked of the system for a socket's receive buffer, bytes.
///
/// A key frame at 2K is hundreds of datagrams that come at once.
pub(super) const ASKED: usize = 4 << 20;

/// With less than this, bytes, a key frame that comes while the machine is busy may not fit.
const SMALL: usize = 1 << 20;

/// Below this, bytes, there is no use in asking on.
const LEAST: usize = 64 << 10;

/// The kernel doubles what it is asked for, to have room for what it notes beside each datagram,
/// and tells the doubled number (socket(7)).
const DOUBLED: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

/// Which setting bounds it.
const BOUND_BY: &str = if cfg!(target_os = "linux") {
    "net.core.rmem_max"
} else {
    "the system's limit on socket buffers"
};

/// A socket's receive buffer, where datagrams wait until they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveBuffer {
    /// What was asked for, bytes.
    pub asked: usize,
    /// What the system gave, bytes in the measure of [`asked`](Self::asked); 0 if it does not tell.
    /// On Linux it gives no more than `net.core.rmem_max`.
    pub given: usize,
}

/// What is known of a session's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Its receive buffer.
    pub receive_buffer: ReceiveBuffer,
    /// Datagrams that the kernel dropped, nearly always because the buffer was full; those since
    /// the newest datagram that came are not counted yet. `None` where the system does not tell,
    /// which is anywhere but on Linux.
    pub kernel_drops: Option<u64>,
}

/// Asks for a buffer of so many bytes. Linux gives what it may; others refuse what is too much, and
/// are asked for less.
pub(super) fn ask(socket: &Socket, bytes: usize) {
    let mut size = bytes;
    while let Err(error) = socket.set_recv_buffer_size(size) {
        if size <= LEAST {
            tracing::debug!(%error, "the system refused a larger receive buffer");
            return;
        }
        size /= 2;
    }
}

impl ReceiveBuffer {
    /// What a socket made by [`bind`](super::bind) got.
    pub(crate) fn of(socket: &UdpSocket) -> Self {
        let told = SockRef::from(socket).recv_buffer_size();
        Self {
            asked: ASKED,
            given: told.unwrap_or(0) / DOUBLED,
        }
    }

    /// Whether the system gave less than it was asked for.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.given < self.asked
    }

    /// Says that it is small, the first time in this process.
    pub(crate) fn warn_if_small(&self) {
        static SAID: Once = Once::new();
        if self.is_small() {
            let Self { asked, given } = self;
            SAID.call_once(|| {
                tracing::warn!(
                    asked,
                    given,
                    "the receive buffer is small, and pictures may be lost: raise {BOUND_BY}"
                );
            });
        }
    }

    fn is_small(&self) -> bool {
        self.given < self.asked.min(SMALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket;

    #[test]
    fn small_is_less_than_was_asked_for_and_than_a_mebibyte() {
        let of = |asked, given| ReceiveBuffer { asked, given };
        for (buffer, short, small) in [
            (of(ASKED, ASKED), false, false),
            (of(ASKED, ASKED - 1), true, false),
            (of(ASKED, SMALL), true, false),
            (of(ASKED, SMALL - 1), true, true),
            (of(ASKED, 0), true, true),
            (of(2048, 2048), false, false),
        ] {
            assert_eq!((buffer.is_short(), buffer.is_small()), (short, small));
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn linux_gives_what_it_may_and_no_more() {
        let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let most: usize = most.trim().parse().unwrap();
        let socket = socket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let buffer = ReceiveBuffer::of(&socket);
        assert_eq!(buffer.asked, ASKED);
        assert_eq!(buffer.given, most.min(ASKED));
    }
}
