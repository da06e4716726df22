//! The two UDP ports that all clients share: one for RTP, one for RTCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;
use tokio::sync::broadcast;

use crate::rtsp::{Channel, Ports};

/// The number of datagrams that are sent to a client without a pause. A key frame has hundreds, and
/// the receive buffer of a client has room for about ninety: 208 KiB by default on Linux.
pub(super) const BURST: u32 = 16;

/// The pause after a burst. A client still receives up to 20 MB per second.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// The number of queued RTCP reports. A connection that is slow to read them misses the oldest.
const REPORTS: usize = 64;

/// The maximum size of a report. Usual reports have less than a hundred bytes.
const MAX_REPORT: usize = 1_500;

/// The number of attempts to find a pair of ports.
const ATTEMPTS: usize = 64;

#[derive(Debug)]
pub(super) struct UdpPair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    pub(super) ports: Ports,
    /// Received reports, for all connections that use UDP.
    reports: broadcast::Sender<(SocketAddr, Bytes)>,
}

impl UdpPair {
    /// Binds two consecutive ports, the first of them even (RFC 3550 section 11).
    pub(super) async fn bind(ip: IpAddr) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        // Kept until a pair is found, so that the system does not choose the same port again.
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

    /// Subscribes to reports.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<(SocketAddr, Bytes)> {
        self.reports.subscribe()
    }

    /// Sends a datagram. A datagram that cannot be sent is lost.
    pub(super) async fn send(&self, to: SocketAddr, channel: Channel, payload: &[u8]) {
        let socket = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        if let Err(error) = socket.send_to(payload, to).await {
            tracing::trace!(%to, %error, "cannot send a datagram");
        }
    }

    /// Distributes received reports.
    pub(super) async fn receive(&self) {
        let mut report = [0; MAX_REPORT];
        loop {
            match self.rtcp.recv_from(&mut report).await {
                Ok((len, from)) => {
                    let report = report.get(..len).unwrap_or_default();
                    // Without a playing client there is no subscriber.
                    let _ = self.reports.send((from, Bytes::copy_from_slice(report)));
                }
                // For example an ICMP error caused by a client that has exited.
                Err(error) => tracing::trace!(%error, "cannot receive a report"),
            }
        }
    }
}
