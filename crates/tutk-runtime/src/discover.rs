//! Discovery without a session.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UdpSocket;
use tutk_session::{
    DiscoveredCamera, Discoverer, DiscoveryPlan, DiscoveryScope, Interface, Output,
};

use crate::error::Error;
use crate::socket;

/// Looks for cameras in each scope for `time`, and calls `found` for each camera that answers, once
/// per address and dialect.
///
/// Interfaces that are added or removed meanwhile are not noticed.
///
/// # Errors
/// [`Error::Io`] if no socket can be opened or there is no randomness.
pub async fn discover<S: Into<DiscoveryScope>>(
    scopes: impl IntoIterator<Item = S>,
    time: Duration,
    found: impl FnMut(DiscoveredCamera),
) -> Result<(), Error> {
    let scopes = scopes.into_iter().map(Into::into);
    discover_by_plan(DiscoveryPlan::new(scopes, &interfaces()), time, found).await
}

/// As [`discover`], with a plan that chooses the interfaces.
///
/// # Errors
/// As [`discover`].
pub async fn discover_by_plan(
    plan: DiscoveryPlan,
    time: Duration,
    mut found: impl FnMut(DiscoveredCamera),
) -> Result<(), Error> {
    if plan.targets.is_empty() {
        return Ok(());
    }
    let bind = |&address: &SocketAddr| {
        let warn = |error: &io::Error| tracing::warn!(%address, %error, "cannot bind a socket");
        socket::bind(address).inspect_err(warn)
    };
    // A socket that cannot be bound is left out, as long as there is another one.
    let mut sockets: Vec<_> = plan.sockets.iter().map(bind).collect();
    if sockets.iter().all(Result::is_err)
        && let Some(failed) = sockets.pop()
    {
        failed?;
    }
    let mut discoverer = Discoverer::new(plan.targets, &mut socket::rng()?, socket::now());
    let end = tokio::time::Instant::now() + time;
    let mut buffer = vec![0; socket::MAX_DATAGRAM];
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => {
                    for &index in plan.routes.get(&datagram.to).into_iter().flatten() {
                        if let Some(Ok(socket)) = sockets.get(index) {
                            socket::send(socket, datagram).await;
                        }
                    }
                }
                Output::Event(event) => found(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            () = readable(&sockets) => {
                let now = socket::now();
                for socket in sockets.iter().flatten() {
                    socket::receive(socket, &mut buffer, |from, datagram| {
                        discoverer.handle_datagram(now, from, datagram);
                    });
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => discoverer.handle_timeout(socket::now()),
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}

/// Returns the interfaces for broadcasts.
fn interfaces() -> Vec<Interface> {
    let listed = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    let interfaces = listed.iter().filter_map(interface).collect();
    tracing::debug!(?interfaces, "broadcast");
    interfaces
}

/// Returns the interface for broadcasts; `None` for one that is down, loopback, or not IPv4.
fn interface(listed: &if_addrs::Interface) -> Option<Interface> {
    let if_addrs::IfAddr::V4(own) = &listed.addr else {
        return None;
    };
    let prefix_len = if listed.is_p2p { 32 } else { own.prefixlen };
    let interface = Interface::new(own.ip, prefix_len, own.broadcast);
    (listed.is_oper_up() && !own.is_loopback()).then_some(interface)
}

/// Waits until a socket is readable. Cancel-safe.
async fn readable(sockets: &[io::Result<UdpSocket>]) {
    poll_fn(|cx| {
        // A socket with an error is ignored, so that this does not spin.
        let ready = |socket: &UdpSocket| socket.poll_recv_ready(cx).map(|ready| ready.is_ok());
        let mut sockets = sockets.iter().flatten().map(ready);
        match sockets.any(|ready| ready == Poll::Ready(true)) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    #[test]
    fn uses_only_ipv4_interfaces_that_are_up() {
        let broadcast = |address: &str, oper_status, is_p2p| {
            let addr = match address.parse().unwrap() {
                IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr {
                    ip,
                    netmask: [255, 255, 255, 0].into(),
                    prefixlen: 24,
                    broadcast: None,
                }),
                IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr {
                    ip,
                    netmask: ip,
                    prefixlen: 128,
                    broadcast: None,
                }),
            };
            let listed = if_addrs::Interface {
                name: "eth0".to_owned(),
                addr,
                index: Some(1),
                oper_status,
                is_p2p,
                #[cfg(windows)]
                adapter_name: String::new(),
            };
            interface(&listed).map(|interface| interface.broadcast)
        };
        let last = Some([192, 168, 1, 255].into());
        assert_eq!(
            broadcast("192.168.1.7", IfOperStatus::Up, false),
            Some(last)
        );
        assert_eq!(broadcast("192.168.1.7", IfOperStatus::Up, true), Some(None));
        assert_eq!(broadcast("192.168.1.7", IfOperStatus::Down, false), None);
        assert_eq!(broadcast("127.0.0.1", IfOperStatus::Up, false), None);
        assert_eq!(broadcast("2001:db8::1", IfOperStatus::Up, false), None);
    }
}
