//! Discovery without a session.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::task::Poll;
use std::time::Duration;

use tokio::net::UdpSocket;
use tutk_session::{Discoverer, DiscoveryPlan, DiscoveryScope, Found, Interface, Output, Transmit};

use crate::error::Error;
use crate::socket::{self, Inbox};

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
    found: impl FnMut(Found),
) -> Result<(), Error> {
    let scopes: Vec<DiscoveryScope> = scopes.into_iter().map(Into::into).collect();
    let everywhere = |scope: &DiscoveryScope| matches!(scope, DiscoveryScope::Everywhere { .. });
    let interfaces = if scopes.iter().any(everywhere) {
        interfaces()
    } else {
        Vec::new()
    };
    follow(DiscoveryPlan::new(scopes, &interfaces), time, found).await
}

async fn follow(
    plan: DiscoveryPlan,
    time: Duration,
    mut found: impl FnMut(Found),
) -> Result<(), Error> {
    if plan.targets.is_empty() {
        return Ok(());
    }
    let sockets = bind(&plan)?;
    let mut discoverer = Discoverer::new(plan.targets, &mut socket::rng()?, socket::now());
    let end = tokio::time::Instant::now() + time;
    let mut inbox = Inbox::new();
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => {
                    for &place in plan.routes.get(&datagram.to).into_iter().flatten() {
                        if let Some(Some(socket)) = sockets.get(place) {
                            let Transmit { to, payload } = datagram;
                            socket::send(socket, Transmit { to, payload }).await;
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
                    inbox.begin();
                    while let Some((from, datagram)) = inbox.next(socket) {
                        discoverer.handle_datagram(now, from, datagram);
                    }
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => discoverer.handle_timeout(socket::now()),
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}

/// Returns the interfaces for broadcasts.
fn interfaces() -> Vec<Interface> {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(listed) => listed.iter().filter_map(interface).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list the network interfaces");
            Vec::new()
        }
    };
    tracing::debug!(?interfaces, "broadcast");
    interfaces
}

/// Returns the interface for broadcasts; `None` for one that is down, loopback, or not IPv4.
fn interface(listed: &if_addrs::Interface) -> Option<Interface> {
    let if_addrs::IfAddr::V4(own) = &listed.addr else {
        return None;
    };
    if !listed.is_oper_up() || own.is_loopback() {
        return None;
    }
    // Some systems list the interface's own address here.
    let listed_broadcast = (own.broadcast).filter(|&at| at != own.ip && !at.is_unspecified());
    let last = Ipv4Addr::from(u32::from(own.ip) | !u32::from(own.netmask));
    let has_broadcast = !listed.is_p2p && own.prefixlen <= 30;
    Some(Interface {
        address: own.ip,
        broadcast: has_broadcast.then(|| listed_broadcast.unwrap_or(last)),
    })
}

/// Binds the plan's sockets. A socket that cannot be bound is left out, as long as there is another
/// one.
fn bind(plan: &DiscoveryPlan) -> Result<Vec<Option<UdpSocket>>, Error> {
    let mut failed = None;
    let mut sockets = Vec::with_capacity(plan.sockets.len());
    for &address in &plan.sockets {
        let socket = socket::bind(address);
        if let Err(error) = &socket {
            tracing::warn!(%address, %error, "cannot bind a discovery socket");
        }
        sockets.push(socket.map_err(|error| failed = Some(error)).ok());
    }
    match failed {
        Some(error) if sockets.iter().all(Option::is_none) => Err(error.into()),
        _ => Ok(sockets),
    }
}

/// Waits until a socket is readable. Cancel-safe.
async fn readable(sockets: &[Option<UdpSocket>]) {
    poll_fn(|cx| {
        // A socket with an error is ignored, so that this does not spin.
        let mut ready = |socket: &UdpSocket| socket.poll_recv_ready(cx).map(|ready| ready.is_ok());
        let any = (sockets.iter().flatten()).any(|socket| ready(socket) == Poll::Ready(true));
        if any { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddr};

    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    use tutk_session::{Codec, Credentials, Dialect, Target, Uid};
    use tutk_simulator::{Clip, ClipFrame, SimulatorConfig};

    use super::*;
    use crate::{Impairment, SimulatedCamera, simulate};

    fn credentials() -> Credentials {
        Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").unwrap()
    }

    fn camera(listen: &str) -> SimulatedCamera {
        let frame = ClipFrame {
            data: vec![0; 100].into(),
            key: true,
        };
        let clip = Clip::new([frame], Codec::H264, 10).unwrap();
        let config = SimulatorConfig::new(credentials(), clip);
        simulate(config, listen.parse().unwrap(), Impairment::default()).unwrap()
    }

    /// Collects cameras until there are `count`, and for one more second.
    async fn ask(plan: DiscoveryPlan, count: usize) -> Vec<Found> {
        let mut seen = Vec::new();
        let (all, mut complete) = tokio::sync::mpsc::unbounded_channel();
        let found = |found| {
            seen.push(found);
            if seen.len() == count {
                all.send(()).unwrap();
            }
        };
        let more = async {
            complete.recv().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        tokio::select! {
            result = follow(plan, Duration::from_secs(60), found) => panic!("not all were found: {result:?}"),
            () = more => {}
        }
        seen
    }

    /// Loopback takes the place of two networks.
    #[cfg(target_os = "linux")]
    #[tokio::test(start_paused = true)]
    async fn broadcast_on_each_interface_finds_a_camera_once() {
        let camera = camera("0.0.0.0:0");
        let interface = |last, broadcast: Option<[u8; 4]>| Interface {
            address: Ipv4Addr::new(127, 0, 0, last),
            broadcast: broadcast.map(Ipv4Addr::from),
        };
        let port = camera.local_addr().port();
        let own = Some([127, 255, 255, 255]);
        for interfaces in [
            // By 255.255.255.255 alone, by both addresses, and from two interfaces.
            &[interface(1, None)][..],
            &[interface(1, own)],
            &[interface(1, own), interface(2, own)],
            // An interface that was removed: 203.0.113.1 is not a local address.
            &[
                Interface {
                    address: Ipv4Addr::new(203, 0, 113, 1),
                    broadcast: None,
                },
                interface(1, None),
            ],
        ] {
            let everywhere = DiscoveryScope::Everywhere {
                port,
                uid: credentials().uid,
                auth_key: Some(credentials().auth_key),
            };
            let found = ask(
                DiscoveryPlan::new([everywhere], interfaces),
                Dialect::ALL.len(),
            )
            .await;
            assert_eq!(found.len(), Dialect::ALL.len(), "{found:?}");
            for dialect in Dialect::ALL {
                assert!(found.iter().any(|found| found.dialect == dialect));
            }
            for found in found {
                assert_eq!(found.address, SocketAddr::from(([127, 0, 0, 1], port)));
                assert_eq!(found.uid, credentials().uid);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn finds_cameras_of_both_families() {
        let cameras = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(camera);
        let addresses = cameras.each_ref().map(SimulatedCamera::local_addr);
        let asked = addresses.map(|address| {
            DiscoveryScope::At(Target {
                address,
                uid: Uid::default(),
                auth_key: None,
            })
        });
        // All dialects except cc51, which needs the camera's UID and AuthKey.
        let count = addresses.len() * (Dialect::ALL.len() - 1);
        let found = ask(DiscoveryPlan::new(asked, &[]), count).await;
        assert_eq!(found.len(), count, "{found:?}");
        for address in addresses {
            assert!(found.iter().any(|found| found.address == address));
        }
    }

    #[tokio::test]
    async fn fails_without_any_socket() {
        let gone = Interface {
            address: Ipv4Addr::new(203, 0, 113, 1),
            broadcast: None,
        };
        let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &[gone]);
        let result = follow(plan, Duration::ZERO, |_| {}).await;
        assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
    }

    fn listed(address: [u8; 4], prefixlen: u8) -> if_addrs::Interface {
        let netmask = u32::MAX.checked_shl(32 - u32::from(prefixlen));
        if_addrs::Interface {
            name: "eth0".to_owned(),
            addr: IfAddr::V4(Ifv4Addr {
                ip: address.into(),
                netmask: netmask.unwrap_or(0).into(),
                prefixlen,
                broadcast: None,
            }),
            index: Some(1),
            oper_status: IfOperStatus::Up,
            is_p2p: false,
            #[cfg(windows)]
            adapter_name: String::new(),
        }
    }

    #[test]
    fn uses_only_ipv4_interfaces_that_are_up() {
        let good = listed([192, 168, 1, 7], 24);
        assert!(super::interface(&good).is_some());
        assert_eq!(super::interface(&listed([127, 0, 0, 1], 8)), None);
        let mut down = good.clone();
        down.oper_status = IfOperStatus::Down;
        assert_eq!(super::interface(&down), None);
        let mut six = good;
        six.addr = IfAddr::V6(Ifv6Addr {
            ip: Ipv6Addr::LOCALHOST,
            netmask: Ipv6Addr::LOCALHOST,
            prefixlen: 128,
            broadcast: None,
        });
        assert_eq!(super::interface(&six), None);
    }

    #[test]
    fn network_has_a_broadcast_address_and_a_line_has_none() {
        let broadcast = |prefixlen| {
            super::interface(&listed([10, 1, 2, 3], prefixlen))
                .unwrap()
                .broadcast
        };
        assert_eq!(broadcast(24), Some([10, 1, 2, 255].into()));
        assert_eq!(broadcast(8), Some([10, 255, 255, 255].into()));
        assert_eq!(broadcast(29), Some([10, 1, 2, 7].into()));
        assert_eq!(broadcast(31), None);
        assert_eq!(broadcast(32), None);
        let mut told = listed([10, 1, 2, 3], 24);
        told.is_p2p = true;
        assert_eq!(super::interface(&told).unwrap().broadcast, None);
        // A broadcast address listed by the system is preferred.
        let mut told = listed([10, 1, 2, 3], 24);
        for (told_as, asked) in [([10, 1, 2, 0], 0), ([10, 1, 2, 3], 255), ([0; 4], 255)] {
            let IfAddr::V4(own) = &mut told.addr else {
                panic!("of IPv4");
            };
            own.broadcast = Some(told_as.into());
            let broadcast = super::interface(&told).unwrap().broadcast;
            assert_eq!(broadcast, Some([10, 1, 2, asked].into()));
        }
    }
}
