//! Which sockets ask whom: a function of who is asked and of the interfaces there are.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tutk_session::{AuthKey, DISCOVERY_PORT, Target, Uid};

use crate::socket;

/// Whom discovery asks.
#[derive(Debug, Clone)]
pub enum Whom {
    /// Who is at this address: a camera, or whoever a broadcast address reaches by the system's routes.
    At(Target),
    /// Who is on any IPv4 network that this machine is in, by broadcast on each interface that is up, except
    /// loopback: to 255.255.255.255, and to the network's own broadcast address.
    Everywhere {
        /// The port; cameras listen at [`DISCOVERY_PORT`].
        port: u16,
        /// As [`Target::uid`]; all zeros asks any camera.
        uid: Uid,
        /// As [`Target::auth_key`].
        auth_key: Option<AuthKey>,
    },
}

/// An IPv4 address of an interface that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) address: Ipv4Addr,
    /// The broadcast address of its network, where it has one.
    pub(super) broadcast: Option<Ipv4Addr>,
}

/// Who is asked, and by which sockets.
#[derive(Debug)]
pub(super) struct Plan {
    /// What each socket is bound to.
    pub(super) sockets: Vec<SocketAddr>,
    pub(super) targets: Vec<Target>,
    /// For each target's address the sockets that send there, as places in `sockets`.
    pub(super) routes: BTreeMap<SocketAddr, Vec<usize>>,
}

impl Whom {
    /// Everybody, everywhere, at the usual port.
    #[must_use]
    pub fn everybody() -> Self {
        Self::Everywhere {
            port: DISCOVERY_PORT,
            uid: Uid::default(),
            auth_key: None,
        }
    }
}

impl From<Target> for Whom {
    fn from(target: Target) -> Self {
        Self::At(target)
    }
}

impl Interface {
    /// One that broadcasts go out on; `None` for one that is down, loopback, or not of IPv4.
    pub(super) fn new(interface: &if_addrs::Interface) -> Option<Self> {
        let if_addrs::IfAddr::V4(own) = &interface.addr else {
            return None;
        };
        if !interface.is_oper_up() || own.is_loopback() {
            return None;
        }
        // Linux need not have been told the broadcast address to know it; then it lists the interface's own.
        let told = (own.broadcast).filter(|&told| told != own.ip && !told.is_unspecified());
        let last = Ipv4Addr::from(u32::from(own.ip) | !u32::from(own.netmask));
        // Two addresses of a line, or one, have no network around them.
        let network = !interface.is_p2p && own.prefixlen <= 30;
        Some(Self {
            address: own.ip,
            broadcast: network.then(|| told.unwrap_or(last)),
        })
    }
}

impl Plan {
    pub(super) fn new(asked: impl IntoIterator<Item = Whom>, interfaces: &[Interface]) -> Self {
        let mut plan = Self {
            sockets: Vec::new(),
            targets: Vec::new(),
            routes: BTreeMap::new(),
        };
        for whom in asked {
            match whom {
                Whom::At(target) => {
                    let from = socket::any_for(target.address);
                    plan.ask(target, [from]);
                }
                Whom::Everywhere {
                    port,
                    uid,
                    auth_key,
                } => plan.ask_everywhere(port, uid, auth_key.as_ref(), interfaces),
            }
        }
        plan
    }

    fn ask_everywhere(
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
        // Where no interface is known, the system's routes have to do.
        let any = interfaces.is_empty();
        let any = any.then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
        let everybody = target(Ipv4Addr::BROADCAST);
        self.ask(everybody, interfaces.iter().map(own).chain(any));
        // Two interfaces may be in one network: that is asked by both, as one target.
        let mut networks = BTreeMap::<_, Vec<_>>::new();
        for interface in interfaces {
            if let Some(broadcast) = interface.broadcast
                && broadcast != Ipv4Addr::BROADCAST
            {
                networks.entry(broadcast).or_default().push(own(interface));
            }
        }
        for (broadcast, from) in networks {
            self.ask(target(broadcast), from);
        }
    }

    fn ask(&mut self, target: Target, from: impl IntoIterator<Item = SocketAddr>) {
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
    use std::net::Ipv6Addr;

    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};
    use proptest::prelude::*;

    use super::*;

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

    fn interface(address: [u8; 4], prefixlen: u8) -> Interface {
        Interface::new(&listed(address, prefixlen)).unwrap()
    }

    fn at(address: &str) -> Whom {
        Whom::At(Target {
            address: address.parse().unwrap(),
            uid: Uid::default(),
            auth_key: None,
        })
    }

    /// Who sends to whom, in words.
    fn words(plan: &Plan) -> Vec<String> {
        let mut words = Vec::new();
        for (to, sockets) in &plan.routes {
            for &place in sockets {
                words.push(format!("{} > {to}", plan.sockets[place]));
            }
        }
        words
    }

    #[test]
    fn only_ipv4_that_is_up_and_not_loopback() {
        let good = listed([192, 168, 1, 7], 24);
        assert!(Interface::new(&good).is_some());
        assert_eq!(Interface::new(&listed([127, 0, 0, 1], 8)), None);
        let mut down = good.clone();
        down.oper_status = IfOperStatus::Down;
        assert_eq!(Interface::new(&down), None);
        let mut six = good;
        six.addr = IfAddr::V6(Ifv6Addr {
            ip: Ipv6Addr::LOCALHOST,
            netmask: Ipv6Addr::LOCALHOST,
            prefixlen: 128,
            broadcast: None,
        });
        assert_eq!(Interface::new(&six), None);
    }

    #[test]
    fn a_network_has_a_broadcast_address_and_a_line_has_none() {
        let broadcast = |prefixlen| interface([10, 1, 2, 3], prefixlen).broadcast;
        assert_eq!(broadcast(24), Some([10, 1, 2, 255].into()));
        assert_eq!(broadcast(8), Some([10, 255, 255, 255].into()));
        assert_eq!(broadcast(29), Some([10, 1, 2, 7].into()));
        assert_eq!(broadcast(31), None);
        assert_eq!(broadcast(32), None);
        let mut told = listed([10, 1, 2, 3], 24);
        told.is_p2p = true;
        assert_eq!(Interface::new(&told).unwrap().broadcast, None);
        // What the system was told goes before what can be reckoned, if it is anything.
        let mut told = listed([10, 1, 2, 3], 24);
        for (told_as, asked) in [([10, 1, 2, 0], 0), ([10, 1, 2, 3], 255), ([0; 4], 255)] {
            let IfAddr::V4(own) = &mut told.addr else {
                panic!("of IPv4");
            };
            own.broadcast = Some(told_as.into());
            let broadcast = Interface::new(&told).unwrap().broadcast;
            assert_eq!(broadcast, Some([10, 1, 2, asked].into()));
        }
    }

    #[test]
    fn everybody_is_asked_on_each_interface_twice() {
        let interfaces = [
            interface([192, 168, 1, 7], 24),
            interface([10, 0, 0, 7], 8),
            interface([10, 9, 9, 9], 32),
        ];
        let plan = Plan::new([Whom::everybody()], &interfaces);
        assert_eq!(
            words(&plan),
            [
                "10.0.0.7:0 > 10.255.255.255:32761",
                "192.168.1.7:0 > 192.168.1.255:32761",
                "192.168.1.7:0 > 255.255.255.255:32761",
                "10.0.0.7:0 > 255.255.255.255:32761",
                "10.9.9.9:0 > 255.255.255.255:32761",
            ]
        );
        // Three addresses, and not one for each socket: a target is asked once a round.
        assert_eq!(plan.targets.len(), 3);
    }

    #[test]
    fn two_interfaces_in_one_network_both_ask() {
        let interfaces = [
            interface([192, 168, 1, 7], 24),
            interface([192, 168, 1, 8], 24),
        ];
        let plan = Plan::new([Whom::everybody()], &interfaces);
        assert_eq!(plan.targets.len(), 2);
        assert_eq!(
            words(&plan),
            [
                "192.168.1.7:0 > 192.168.1.255:32761",
                "192.168.1.8:0 > 192.168.1.255:32761",
                "192.168.1.7:0 > 255.255.255.255:32761",
                "192.168.1.8:0 > 255.255.255.255:32761",
            ]
        );
    }

    #[test]
    fn without_interfaces_the_routes_decide() {
        let plan = Plan::new([Whom::everybody()], &[]);
        assert_eq!(words(&plan), ["0.0.0.0:0 > 255.255.255.255:32761"]);
    }

    #[test]
    fn both_families_and_everybody_at_once() {
        let asked = [
            at("192.0.2.1:32761"),
            at("[2001:db8::1]:32761"),
            Whom::everybody(),
            at("192.0.2.2:1000"),
            at("[2001:db8::2]:32761"),
        ];
        let plan = Plan::new(asked, &[interface([192, 168, 1, 7], 24)]);
        assert_eq!(
            words(&plan),
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
    fn one_address_may_be_asked_for_several_cameras() {
        let plan = Plan::new([at("192.0.2.1:32761"), at("192.0.2.1:32761")], &[]);
        assert_eq!(plan.targets.len(), 2);
        assert_eq!(words(&plan), ["0.0.0.0:0 > 192.0.2.1:32761"]);
    }

    proptest! {
        /// Each target has a way, each way has sockets, each socket is of its family and of use.
        #[test]
        fn every_target_has_a_way(
            interfaces in prop::collection::vec((any::<[u8; 4]>(), 0..=32_u8), 0..6),
            asked in prop::collection::vec(
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
                .filter_map(|(address, prefixlen)| Interface::new(&listed(address, prefixlen)))
                .collect();
            let asked = asked.into_iter().map(|address| match address {
                None => Whom::everybody(),
                Some(address) => at(&address.to_string()),
            });
            let plan = Plan::new(asked, &interfaces);
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
