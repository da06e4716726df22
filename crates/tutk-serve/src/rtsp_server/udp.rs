//! The two UDP ports that all clients share: RTP goes from the one, RTCP comes and goes at the other.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::broadcast;

use crate::rtsp::{Channel, Ports};

/// So many datagrams go to a client without a pause. A key frame has hundreds, and receivers have small buffers:
/// 208 KiB by default on Linux, which is about ninety.
pub(super) const BURST: u32 = 16;

/// The pause after that: so a client gets up to 20 MB a second, far more than a camera sends.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// Reports that wait for a client that is slow to read them. It misses the oldest, which does no harm.
const REPORTS: usize = 64;

/// The longest report that is read. They have less than a hundred bytes.
const MAX_REPORT: usize = 1_500;

/// How often a pair of ports is looked for.
const ATTEMPTS: usize = 64;

#[derive(Debug)]
pub(super) struct UdpPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    pub(super) ports: Ports,
    /// What came, for all whose packets go by UDP.
    reports: broadcast::Sender<(SocketAddr, Bytes)>,
}

impl UdpPair {
    /// Takes two ports that follow each other, the first of them even (RFC 3550 section 11).
    pub(super) async fn bind(ip: IpAddr) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        // Held until a pair is found, so that the system does not give the same port again.
        let mut odd = Vec::new();
        for _ in 0..ATTEMPTS {
            let first = UdpSocket::bind((ip, 0)).await?;
            let port = first.local_addr()?.port();
            if port % 2 == 1 {
                odd.push(first);
                continue;
            }
            match UdpSocket::bind((ip, port + 1)).await {
                Ok(second) => {
                    return Ok(Self {
                        rtp: first,
                        rtcp: second,
                        ports: Ports {
                            rtp: port,
                            rtcp: port + 1,
                        },
                        reports: broadcast::Sender::new(REPORTS),
                    });
                }
                Err(error) => {
                    last = error;
                    odd.push(first);
                }
            }
        }
        Err(last)
    }

    /// To hear of reports.
    pub(super) fn listen(&self) -> broadcast::Receiver<(SocketAddr, Bytes)> {
        self.reports.subscribe()
    }

    /// Sends a datagram. One that cannot be sent is lost, as it could be on the way.
    pub(super) async fn send(&self, to: SocketAddr, channel: Channel, payload: &[u8]) {
        let socket = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        if let Err(error) = socket.send_to(payload, to).await {
            tracing::trace!(%to, %error, "a datagram was not sent");
        }
    }
}

/// Hands on one report, if there are ports for them. Cancel-safe.
pub(super) async fn receive(pair: Option<&UdpPair>) {
    let Some(pair) = pair else {
        return std::future::pending().await;
    };
    let mut report = [0; MAX_REPORT];
    match pair.rtcp.recv_from(&mut report).await {
        Ok((len, from)) => {
            let report = report.get(..len).unwrap_or_default();
            // Nobody listens where nobody plays.
            let _ = pair.reports.send((from, Bytes::copy_from_slice(report)));
        }
        // What a client that is gone answers to its datagrams.
        Err(error) => tracing::trace!(%error, "no report"),
    }
}
