//! Addresses of UDP sockets.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::error::Failure;

/// An IP address and a port.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Address {
    /// The bytes of the IP address in network order: 4 of IPv4, followed by zeros, or 16 of IPv6.
    pub ip: [u8; 16],
    /// The scope of a link-local IPv6 address, otherwise 0.
    pub scope_id: u32,
    /// The port in the byte order of the machine.
    pub port: u16,
    /// The IP version, 4 or 6.
    pub version: u8,
}

impl Address {
    pub(crate) const NONE: Self = Self {
        ip: [0; 16],
        scope_id: 0,
        port: 0,
        version: 4,
    };

    pub(crate) fn to_socket(self, name: &str) -> Result<SocketAddr, Failure> {
        let [a, b, c, d, ..] = self.ip;
        match self.version {
            4 => Ok(SocketAddr::from(([a, b, c, d], self.port))),
            6 => Ok(SocketAddrV6::new(self.ip.into(), self.port, 0, self.scope_id).into()),
            _ => Err(Failure::argument(name, "the IP version is neither 4 nor 6")),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let mut ip = [0; 16];
        let (version, scope_id) = match address {
            SocketAddr::V4(v4) => {
                for (to, from) in ip.iter_mut().zip(v4.ip().octets()) {
                    *to = from;
                }
                (4, 0)
            }
            SocketAddr::V6(v6) => {
                ip = v6.ip().octets();
                (6, v6.scope_id())
            }
        };
        Self {
            ip,
            scope_id,
            port: address.port(),
            version,
        }
    }
}

/// Parses an address without a name: `192.0.2.7:32761` or `[2001:db8::7]:32761`.
pub(crate) fn parse(text: &str, name: &str) -> Result<SocketAddr, Failure> {
    text.parse()
        .map_err(|_| Failure::argument(name, "expected an IP address with a port"))
}

/// Returns the literal IP address of a host.
pub(crate) fn literal(host: Option<&str>) -> Result<IpAddr, Failure> {
    let ip = host.and_then(|host| host.parse().ok());
    ip.ok_or_else(|| {
        let what = "it is null, and the host of the URL is not an IP address";
        Failure::argument("camera", what)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_conversion() {
        for text in ["192.0.2.7:32761", "[2001:db8::7]:1", "[fe80::1%3]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::from(address).to_socket("a").unwrap(), address);
        }
        let version = Address {
            version: 5,
            ..Address::NONE
        };
        assert!(version.to_socket("a").is_err());
    }
}
