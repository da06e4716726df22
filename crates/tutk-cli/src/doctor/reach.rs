//! What an address answers outside the protocol, as far as that needs no privileges.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;
use tutk_runtime::tutk_session::{Mac, Output, Target, any_port_for};

use super::neighbours::{self, Entry};
use super::observations::{Neighbour, Reach, TcpReach, UdpReach};
use super::query::{MAX_DATAGRAM, discoverer};
use super::recorder::Recorder;

/// Sends discovery requests from a connected UDP socket, which receives ICMP errors, then tries a
/// TCP connection. Also returns the MAC address in the neighbour table.
pub(super) async fn test(
    target: Target,
    own_mac: Option<Mac>,
    recorder: Option<&Recorder>,
    limit: Duration,
) -> (Reach, Option<Mac>) {
    let address = target.address;
    let udp = udp(target, recorder, limit / 2).await;
    let tcp = match udp {
        UdpReach::Answered => None,
        _ => Some(tcp(address, limit / 2).await),
    };
    let entry = match address.ip().to_canonical() {
        IpAddr::V4(ip) => neighbours::find(ip),
        IpAddr::V6(_) => None,
    };
    let neighbour = entry.map(|entry| match entry {
        Entry::Known(mac) if Some(mac) == own_mac => Neighbour::OwnMac,
        Entry::Known(_) => Neighbour::OtherMac,
        Entry::Missing => Neighbour::Missing,
    });
    let mac = match entry {
        Some(Entry::Known(mac)) => Some(mac),
        Some(Entry::Missing) | None => None,
    };
    let reach = Reach {
        udp,
        tcp,
        neighbour,
    };
    (reach, mac)
}

async fn udp(target: Target, recorder: Option<&Recorder>, limit: Duration) -> UdpReach {
    let answered = tokio::time::timeout(limit, first_datagram(target, recorder)).await;
    match answered {
        Ok(Ok(())) => UdpReach::Answered,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => UdpReach::Refused,
        Ok(Err(error)) if is_unreachable(&error) => UdpReach::Unreachable,
        Ok(Err(_)) | Err(_) => UdpReach::Silent,
    }
}

/// Returns when a datagram has arrived.
async fn first_datagram(target: Target, recorder: Option<&Recorder>) -> io::Result<()> {
    let socket = UdpSocket::bind(any_port_for(target.address)).await?;
    socket.connect(target.address).await?;
    let (local, remote) = (socket.local_addr()?, target.address);
    let mut discoverer = discoverer(target)?;
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => {
                    if let Some(recorder) = recorder {
                        recorder.add(local, remote, datagram.payload);
                    }
                    socket.send(datagram.payload).await?;
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            received = socket.recv(&mut buffer) => {
                let received = buffer.get(..received?).unwrap_or_default();
                if let Some(recorder) = recorder {
                    recorder.add(remote, local, received);
                }
                return Ok(());
            }
            () = tokio::time::sleep_until(std::time::Instant::from(deadline).into()) => {
                discoverer.handle_timeout(Instant::now().into_std().into());
            }
        }
    }
}

/// Cameras do not listen on this TCP port, so a running one refuses the connection.
async fn tcp(address: SocketAddr, limit: Duration) -> TcpReach {
    match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(_)) => TcpReach::Answered,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => TcpReach::Answered,
        Ok(Err(error)) if is_unreachable(&error) => TcpReach::Unreachable,
        Ok(Err(_)) | Err(_) => TcpReach::Silent,
    }
}

fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use tutk_runtime::tutk_session::Uid;

    use super::*;

    async fn test_address(address: SocketAddr) -> Reach {
        let target = Target {
            address,
            uid: Uid::default(),
            auth_key: None,
        };
        test(target, None, None, Duration::from_secs(1)).await.0
    }

    #[tokio::test]
    async fn closed_port_shows_that_the_host_runs() {
        let free = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let reach = test_address(address).await;
        assert_eq!(reach.udp, UdpReach::Refused);
        assert_eq!(reach.tcp, Some(TcpReach::Answered));
    }

    #[tokio::test]
    async fn silent_port_is_told_apart() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let reach = test_address(silent.local_addr().unwrap()).await;
        assert_eq!(reach.udp, UdpReach::Silent);
        assert_eq!(reach.tcp, Some(TcpReach::Answered));
    }
}
