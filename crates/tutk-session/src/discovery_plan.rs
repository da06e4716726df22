//! Where discovery sends its requests, and from which sockets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tutk_frame::{AuthKey, Uid};

use crate::url::DISCOVERY_PORT;

/// A destination of discovery.
#[derive(Debug, Clone)]
pub struct Target {
    /// A camera, or a broadcast address.
    pub address: SocketAddr,
    /// The camera's UID, or all zeros for any camera. It is not known whether real cameras answer
    /// zeros; the simulated camera does.
    pub uid: Uid,
    /// The camera's AuthKey, if known. In `cc51`, UID and AuthKey are required.
    pub auth_key: Option<AuthKey>,
}

/// The cameras that discovery looks for.
#[derive(Debug, Clone)]
pub enum DiscoveryScope {
    /// One address: a camera, or a broadcast address that the system routes.
    At(Target),
    /// Every IPv4 network of this machine, except loopback. A request goes out on each interface
    /// that is up, to 255.255.255.255 and to the network's own broadcast address.
    Everywhere {
        /// The port. Cameras listen on [`DISCOVERY_PORT`].
        port: u16,
        /// The UID, as in [`Target::uid`]. All zeros for any camera.
        uid: Uid,
        /// The AuthKey, as in [`Target::auth_key`].
        auth_key: Option<AuthKey>,
    },
}

/// An IPv4 address of a network interface that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The interface's own address.
    pub address: Ipv4Addr,
    /// The broadcast address of its network; `None` for a point-to-point line.
    pub broadcast: Option<Ipv4Addr>,
}

/// The targets of a discovery, and the sockets that reach them.
#[derive(Debug)]
pub struct DiscoveryPlan {
    /// The address to bind each socket to.
    pub sockets: Vec<SocketAddr>,
    /// The targets, for [`Discoverer::new`](crate::Discoverer::new).
    pub targets: Vec<Target>,
    /// For each target's address, the sockets to send from, as indices of `sockets`.
    pub routes: BTreeMap<SocketAddr, Vec<usize>>,
}

impl Interface {
    /// An interface by the length of its network prefix and the broadcast address that the system
    /// lists for it. The listed address is ignored if it is unspecified or the interface's own.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix_len: u8, listed: Option<Ipv4Addr>) -> Self {
        let listed = listed.filter(|&listed| listed != address && !listed.is_unspecified());
        let host_bits = u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0);
        let last = Ipv4Addr::from(u32::from(address) | host_bits);
        Self {
            address,
            broadcast: (prefix_len <= 30).then(|| listed.unwrap_or(last)),
        }
    }
}

impl DiscoveryScope {
    /// Any camera in every network, on the usual port.
    #[must_use]
    pub fn everywhere() -> Self {
        Self::Everywhere {
            port: DISCOVERY_PORT,
            uid: Uid::default(),
            auth_key: None,
        }
    }
}

/// Returns the address to bind for datagrams to `peer`: any address of its family, and any port.
#[must_use]
pub fn any_port_for(peer: SocketAddr) -> SocketAddr {
    let any = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, 0)
}

impl From<Target> for DiscoveryScope {
    fn from(target: Target) -> Self {
        Self::At(target)
    }
}

impl DiscoveryPlan {
    /// Plans a discovery on a machine with these interfaces.
    #[must_use]
    pub fn new(scopes: impl IntoIterator<Item = DiscoveryScope>, interfaces: &[Interface]) -> Self {
        let mut plan = Self {
            sockets: Vec::new(),
            targets: Vec::new(),
            routes: BTreeMap::new(),
        };
        for scope in scopes {
            match scope {
                DiscoveryScope::At(target) => {
                    let any = any_port_for(target.address);
                    plan.add(target, [any]);
                }
                DiscoveryScope::Everywhere {
                    port,
                    uid,
                    auth_key,
                } => plan.add_everywhere(port, uid, auth_key.as_ref(), interfaces),
            }
        }
        plan
    }

    fn add_everywhere(
        &mut self,
        port: u16,
        uid: Uid,
        auth_key: Option<&AuthKey>,
        interfaces: &[Interface],
    ) {
        let target = |address: Ipv4Addr| Target {
            address: (address, port).into(),
            uid,
            auth_key: auth_key.cloned(),
        };
        let own = |interface: &Interface| SocketAddr::from((interface.address, 0));
        // Without known interfaces, the system's routes decide.
        let any = interfaces.is_empty();
        let any = any.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let broadcast = target(Ipv4Addr::BROADCAST);
        self.add(broadcast, interfaces.iter().map(own).chain(any));
        // Two interfaces of the same network share a target.
        let mut networks = BTreeMap::<_, Vec<_>>::new();
        for interface in interfaces {
            if let Some(broadcast) = interface.broadcast
                && broadcast != Ipv4Addr::BROADCAST
            {
                networks.entry(broadcast).or_default().push(own(interface));
            }
        }
        for (broadcast, from) in networks {
            self.add(target(broadcast), from);
        }
    }

    fn add(&mut self, target: Target, from: impl IntoIterator<Item = SocketAddr>) {
        let route = self.routes.entry(target.address).or_default();
        for address in from {
            let known = self.sockets.iter().position(|&socket| socket == address);
            let place = known.unwrap_or_else(|| {
                self.sockets.push(address);
                self.sockets.len() - 1
            });
            if !route.contains(&place) {
                route.push(place);
            }
        }
        self.targets.push(target);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn interface(address: [u8; 4], prefix_len: u8) -> Interface {
        Interface::new(address.into(), prefix_len, None)
    }

    fn at(address: &str) -> DiscoveryScope {
        DiscoveryScope::At(Target {
            address: address.parse().unwrap(),
            uid: Uid::default(),
            auth_key: None,
        })
    }

    /// Each route as text.
    fn routes(plan: &DiscoveryPlan) -> Vec<String> {
        let mut routes = Vec::new();
        for (to, sockets) in &plan.routes {
            for &place in sockets {
                routes.push(format!("{} > {to}", plan.sockets[place]));
            }
        }
        routes
    }

    #[test]
    fn network_has_a_broadcast_address_and_a_line_has_none() {
        let broadcast = |prefix_len| interface([10, 1, 2, 3], prefix_len).broadcast;
        assert_eq!(broadcast(8), Some([10, 255, 255, 255].into()));
        assert_eq!(broadcast(24), Some([10, 1, 2, 255].into()));
        assert_eq!(broadcast(29), Some([10, 1, 2, 7].into()));
        assert_eq!(broadcast(31), None);
        assert_eq!(broadcast(32), None);
        for (listed, expected) in [([10, 1, 2, 0], 0), ([10, 1, 2, 3], 255), ([0; 4], 255)] {
            let interface = Interface::new([10, 1, 2, 3].into(), 24, Some(listed.into()));
            assert_eq!(interface.broadcast, Some([10, 1, 2, expected].into()));
        }
    }

    #[test]
    fn sends_two_broadcasts_on_each_interface() {
        let interfaces = [
            interface([192, 168, 1, 7], 24),
            interface([10, 0, 0, 7], 8),
            interface([10, 9, 9, 9], 32),
        ];
        let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &interfaces);
        assert_eq!(
            routes(&plan),
            [
                "10.0.0.7:0 > 10.255.255.255:32761",
                "192.168.1.7:0 > 192.168.1.255:32761",
                "192.168.1.7:0 > 255.255.255.255:32761",
                "10.0.0.7:0 > 255.255.255.255:32761",
                "10.9.9.9:0 > 255.255.255.255:32761",
            ]
        );
        // One target per address, not per socket.
        assert_eq!(plan.targets.len(), 3);
    }

    #[test]
    fn two_interfaces_of_one_network_share_a_target() {
        let interfaces = [
            interface([192, 168, 1, 7], 24),
            interface([192, 168, 1, 8], 24),
        ];
        let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &interfaces);
        assert_eq!(plan.targets.len(), 2);
        assert_eq!(
            routes(&plan),
            [
                "192.168.1.7:0 > 192.168.1.255:32761",
                "192.168.1.8:0 > 192.168.1.255:32761",
                "192.168.1.7:0 > 255.255.255.255:32761",
                "192.168.1.8:0 > 255.255.255.255:32761",
            ]
        );
    }

    #[test]
    fn uses_the_systems_routes_without_interfaces() {
        let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &[]);
        assert_eq!(routes(&plan), ["0.0.0.0:0 > 255.255.255.255:32761"]);
    }

    #[test]
    fn combines_both_families_and_broadcast() {
        let scopes = [
            at("192.0.2.1:32761"),
            at("[2001:db8::1]:32761"),
            DiscoveryScope::everywhere(),
            at("192.0.2.2:1000"),
            at("[2001:db8::2]:32761"),
        ];
        let plan = DiscoveryPlan::new(scopes, &[interface([192, 168, 1, 7], 24)]);
        assert_eq!(
            routes(&plan),
            [
                "0.0.0.0:0 > 192.0.2.1:32761",
                "0.0.0.0:0 > 192.0.2.2:1000",
                "192.168.1.7:0 > 192.168.1.255:32761",
                "192.168.1.7:0 > 255.255.255.255:32761",
                "[::]:0 > [2001:db8::1]:32761",
                "[::]:0 > [2001:db8::2]:32761",
            ]
        );
        assert_eq!(plan.sockets.len(), 3);
    }

    #[test]
    fn one_address_may_have_several_targets() {
        let plan = DiscoveryPlan::new([at("192.0.2.1:32761"), at("192.0.2.1:32761")], &[]);
        assert_eq!(plan.targets.len(), 2);
        assert_eq!(routes(&plan), ["0.0.0.0:0 > 192.0.2.1:32761"]);
    }

    proptest! {
        /// Each target has a route, each route has sockets of its family, and each socket is used.
        #[test]
        fn every_target_has_a_route(
            interfaces in prop::collection::vec((any::<[u8; 4]>(), 0..=32_u8), 0..6),
            scopes in prop::collection::vec(
                prop_oneof![
                    any::<[u8; 4]>().prop_map(|ip| Some(SocketAddr::from((ip, 1)))),
                    any::<[u8; 16]>().prop_map(|ip| Some(SocketAddr::from((ip, 1)))),
                    Just(None),
                ],
                0..6,
            ),
        ) {
            let interfaces: Vec<_> = interfaces
                .into_iter()
                .map(|(address, prefixlen)| interface(address, prefixlen))
                .collect();
            let scopes = scopes.into_iter().map(|address| match address {
                None => DiscoveryScope::everywhere(),
                Some(address) => at(&address.to_string()),
            });
            let plan = DiscoveryPlan::new(scopes, &interfaces);
            let mut used = vec![false; plan.sockets.len()];
            for target in &plan.targets {
                let route = &plan.routes[&target.address];
                prop_assert!(!route.is_empty());
                for &place in route {
                    prop_assert_eq!(plan.sockets[place].is_ipv4(), target.address.is_ipv4());
                    used[place] = true;
                }
            }
            prop_assert!(used.into_iter().all(|used| used));
        }
    }
}
