//! Where discovery sends its requests, and from which sockets.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;

use tutk_frame::{AuthKey, Uid};

use crate::dialect::Dialect;
use crate::interface::{Interface, sweep};
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

/// A camera to search for by its UID.
#[derive(Debug, Clone)]
pub struct Search {
    /// The camera's UID.
    pub uid: Uid,
    /// The camera's AuthKey.
    pub auth_key: AuthKey,
    /// The dialects to ask in.
    pub dialects: Vec<Arc<Dialect>>,
    /// The address at which the camera did not answer.
    pub known: Option<IpAddr>,
    /// The camera's port for discovery.
    pub port: u16,
    /// Ask every host of the networks, after the broadcasts.
    pub sweep: bool,
}

/// The targets of a discovery, and the sockets that reach them.
#[derive(Debug)]
pub struct DiscoveryPlan {
    /// The address to bind each socket to.
    pub sockets: Vec<SocketAddr>,
    /// The ports to bind the sockets to; by default any port (0).
    pub local_ports: RangeInclusive<u16>,
    /// The dialects to ask in; by default [`Dialect::ALL`].
    pub dialects: Vec<Arc<Dialect>>,
    /// The targets that are asked in every round.
    pub targets: Vec<Target>,
    /// The targets that are asked once each, one after the other: the hosts of networks that may
    /// filter broadcasts. The [`targets`](Self::targets) contain the same cameras.
    pub sweep: Vec<Target>,
    /// For each target's address, the sockets to send from, as indices of `sockets`.
    pub routes: BTreeMap<SocketAddr, Vec<usize>>,
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
            local_ports: 0..=0,
            dialects: Dialect::ALL.map(Arc::new).into(),
            targets: Vec::new(),
            sweep: Vec::new(),
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

    /// Plans the search for one camera whose address is not known, on a machine with these
    /// interfaces.
    ///
    /// A camera on loopback is a simulated one, and is searched for on loopback only.
    #[must_use]
    pub fn search(search: &Search, interfaces: &[Interface]) -> Self {
        let interfaces = match search.known {
            Some(known) if known.is_loopback() => &[Interface::LOOPBACK],
            _ => interfaces,
        };
        let everywhere = DiscoveryScope::Everywhere {
            port: search.port,
            uid: search.uid,
            auth_key: Some(search.auth_key.clone()),
        };
        let mut plan = Self::new([everywhere], interfaces);
        plan.dialects.clone_from(&search.dialects);
        if search.sweep {
            plan.add_sweep(interfaces, search.known);
        }
        plan
    }

    /// Adds the hosts of the interfaces' /24 networks, first those of the network of `known`. Each
    /// is asked for the cameras of the targets.
    pub fn add_sweep(&mut self, interfaces: &[Interface], known: Option<IpAddr>) {
        let cameras: BTreeMap<_, _> = (self.targets.iter())
            .filter(|target| target.uid != Uid::default())
            .map(|target| ((target.uid, target.address.port()), target.clone()))
            .collect();
        for (host, from) in sweep(interfaces, known) {
            for camera in cameras.values() {
                let address = (host, camera.address.port()).into();
                self.route(address, [(from, 0).into()]);
                self.sweep.push(Target {
                    address,
                    ..camera.clone()
                });
            }
        }
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
        self.route(target.address, from);
        self.targets.push(target);
    }

    fn route(&mut self, to: SocketAddr, from: impl IntoIterator<Item = SocketAddr>) {
        let route = self.routes.entry(to).or_default();
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
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::string::ToString;
    use alloc::vec;
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

    fn search(known: Option<&str>, sweep: bool) -> Search {
        Search {
            uid: Uid(*b"HSBJYB5HSETGCDWD111A"),
            auth_key: AuthKey(*b"qZwi9FaB"),
            dialects: Dialect::DETECTED.map(Arc::new).into(),
            known: known.map(|known| known.parse().unwrap()),
            port: DISCOVERY_PORT,
            sweep,
        }
    }

    #[test]
    fn search_asks_by_broadcast_and_then_every_host() {
        let interfaces = [interface([192, 168, 1, 7], 24), interface([10, 0, 0, 7], 8)];
        let broadcast = DiscoveryPlan::search(&search(None, false), &interfaces);
        assert_eq!((broadcast.targets.len(), broadcast.sweep.len()), (3, 0));
        let plan = DiscoveryPlan::search(&search(Some("192.168.1.9"), true), &interfaces);
        assert_eq!(plan.targets.len(), 3);
        assert_eq!(plan.sweep.len(), 2 * 254);
        for target in &plan.sweep {
            assert_eq!(target.uid, search(None, true).uid);
            let IpAddr::V4(host) = target.address.ip() else {
                panic!("{target:?}");
            };
            let [place] = plan.routes[&target.address][..] else {
                panic!("{target:?}");
            };
            let own = plan.sockets[place].ip();
            assert_eq!(
                own,
                IpAddr::from(interfaces[usize::from(host.octets()[0] == 10)].address)
            );
        }
    }

    #[test]
    fn camera_on_loopback_is_searched_on_loopback_only() {
        let interfaces = [interface([192, 168, 1, 7], 24)];
        let plan = DiscoveryPlan::search(&search(Some("127.0.0.9"), true), &interfaces);
        let targets = plan.targets.iter().chain(&plan.sweep);
        let others = targets.filter(|target| !target.address.ip().is_loopback());
        let others: Vec<_> = others.map(|target| target.address.to_string()).collect();
        assert_eq!(others, ["255.255.255.255:32761"]);
        assert_eq!(plan.sockets, ["127.0.0.1:0".parse().unwrap()]);
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
