//! Network interfaces, and the hosts of their networks.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

/// The longest prefix whose hosts are all asked. Of larger networks, only a part is asked.
const SWEEP_PREFIX: u8 = 24;

/// The largest number of networks whose hosts are asked. A machine with containers has many.
const MAX_SWEPT: usize = 4;

/// An IPv4 address of a network interface that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The interface's own address.
    pub address: Ipv4Addr,
    /// The number of leading bits that the addresses of its network share.
    pub prefix_len: u8,
    /// The broadcast address of its network; `None` for a point-to-point line.
    pub broadcast: Option<Ipv4Addr>,
}

impl Interface {
    /// The loopback network.
    pub const LOOPBACK: Self = Self {
        address: Ipv4Addr::LOCALHOST,
        prefix_len: 8,
        broadcast: Some(Ipv4Addr::new(127, 255, 255, 255)),
    };

    /// An interface by the length of its network prefix and the broadcast address that the system
    /// lists for it. The listed address is ignored if it is unspecified or the interface's own.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix_len: u8, listed: Option<Ipv4Addr>) -> Self {
        let listed = listed.filter(|&listed| listed != address && !listed.is_unspecified());
        let last = Ipv4Addr::from(u32::from(address) | host_bits(prefix_len));
        Self {
            address,
            prefix_len,
            broadcast: (prefix_len <= 30).then(|| listed.unwrap_or(last)),
        }
    }
}

/// Returns the hosts of the interfaces' networks, each with the interface's own address. Of a
/// network larger than a /24, these are the hosts of the /24 networks that contain the interface
/// or `known`. The network of `known` comes first.
pub(crate) fn sweep(interfaces: &[Interface], known: Option<IpAddr>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
    let known = match known {
        Some(IpAddr::V4(known)) => Some(known),
        _ => None,
    };
    let contains = |network: u32, prefix_len: u8, address: Ipv4Addr| {
        u32::from(address) & !host_bits(prefix_len) == network & !host_bits(prefix_len)
    };
    let mut networks: Vec<(u32, u8, Ipv4Addr)> = Vec::new();
    for interface in interfaces.iter().filter(|own| own.broadcast.is_some()) {
        let own = interface.address;
        let prefix_len = interface.prefix_len.max(SWEEP_PREFIX);
        let near = |&known: &Ipv4Addr| contains(own.into(), interface.prefix_len, known);
        for address in known.filter(near).into_iter().chain([own]) {
            let network = u32::from(address) & !host_bits(prefix_len);
            if !networks.iter().any(|&(known, ..)| known == network) {
                networks.push((network, prefix_len, own));
            }
        }
    }
    networks.sort_by_key(|&(network, prefix_len, _)| {
        !known.is_some_and(|known| contains(network, prefix_len, known))
    });
    let hosts = |(network, prefix_len, own): (u32, u8, Ipv4Addr)| {
        let hosts = 1..host_bits(prefix_len);
        hosts.map(move |host| (Ipv4Addr::from(network | host), own))
    };
    let swept = networks.into_iter().take(MAX_SWEPT);
    swept.flat_map(hosts).collect()
}

/// Returns a mask of the bits after the prefix.
fn host_bits(prefix_len: u8) -> u32 {
    u32::MAX.checked_shr(prefix_len.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    fn interface(address: [u8; 4], prefix_len: u8) -> Interface {
        Interface::new(address.into(), prefix_len, None)
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

    /// The first and the last host of each network, with their number.
    fn swept(interfaces: &[Interface], known: Option<[u8; 4]>) -> Vec<String> {
        let hosts = sweep(interfaces, known.map(IpAddr::from));
        let networks = hosts.chunk_by(|(a, _), (b, _)| u32::from(*a) + 1 == u32::from(*b));
        networks
            .map(|network| {
                let (Some((first, own)), Some((last, _))) = (network.first(), network.last())
                else {
                    unreachable!("a chunk is not empty");
                };
                format!("{own}: {first}-{last}, {}", network.len())
            })
            .collect()
    }

    #[test]
    fn sweep_covers_small_networks_and_a_part_of_large_ones() {
        let interfaces = [
            interface([192, 168, 1, 7], 24),
            interface([192, 168, 1, 8], 24),
            interface([10, 1, 2, 3], 8),
            interface([172, 16, 0, 9], 29),
            interface([100, 64, 0, 1], 32),
        ];
        let small = "172.16.0.9: 172.16.0.9-172.16.0.14, 6";
        let own = "10.1.2.3: 10.1.2.1-10.1.2.254, 254";
        let home = "192.168.1.7: 192.168.1.1-192.168.1.254, 254";
        assert_eq!(swept(&interfaces, None), [home, own, small]);
        // The network of the known address comes first.
        assert_eq!(
            swept(&interfaces, Some([10, 9, 9, 200])),
            ["10.1.2.3: 10.9.9.1-10.9.9.254, 254", home, own, small]
        );
        assert_eq!(
            swept(&interfaces, Some([203, 0, 113, 1])),
            [home, own, small]
        );
        assert!(swept(&[], None).is_empty());
        let many: Vec<_> = (0..100)
            .map(|net| interface([172, 17, net, 1], 24))
            .collect();
        assert_eq!(swept(&many, None).len(), MAX_SWEPT);
    }
}
