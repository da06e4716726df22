//! The two UDP ports that all clients share: one for RTP, one for RTCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use quinn_udp::{Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::broadcast;

use crate::rtsp::{Channel, Ports};

/// The pause after [`MAX_DATAGRAMS`](crate::rtsp::MAX_DATAGRAMS). A client still receives up to
/// 20 MB per second.
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
    /// How several RTP packets are sent at once.
    sender: UdpSocketState,
    rtcp: UdpSocket,
    pub(super) ports: Ports,
    /// Received reports, for all connections that use UDP.
    reports: broadcast::Sender<(SocketAddr, Bytes)>,
}

impl UdpPair {
    /// Binds two consecutive ports, the first of them even (RFC 3550 section 11).
    pub(super) async fn bind(ip: IpAddr) -> io::Result<Self> {
        // It sets options, such as that routers must not fragment, on a socket that is not used.
        let probe = UdpSocket::bind((ip, 0)).await?;
        let sender = UdpSocketState::new((&probe).into())?;
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
                        sender,
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

    /// Sends datagrams of `payload_bytes`, of which the last one can be shorter. Datagrams that
    /// cannot be sent are lost.
    pub(super) async fn send(
        &self,
        to: SocketAddr,
        channel: Channel,
        payloads: &[u8],
        payload_bytes: usize,
    ) {
        let sent = match channel {
            Channel::Rtp => self.send_rtp(to, payloads, payload_bytes).await,
            Channel::Rtcp => self.rtcp.send_to(payloads, to).await.map(drop),
        };
        if let Err(error) = sent {
            tracing::trace!(%to, %error, "cannot send a datagram");
        }
    }

    /// Sends as many datagrams with one system call as the system allows.
    async fn send_rtp(&self, to: SocketAddr, payloads: &[u8], bytes: usize) -> io::Result<()> {
        let most = self.sender.max_gso_segments().max(1).saturating_mul(bytes);
        for contents in payloads.chunks(most.max(1)) {
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents,
                segment_size: Some(bytes),
                src_ip: None,
            };
            let send = || self.sender.try_send((&self.rtp).into(), &transmit);
            self.rtp.async_io(Interest::WRITABLE, send).await?;
        }
        Ok(())
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
