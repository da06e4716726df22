//! How this machine reaches the camera's address.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use tokio::net::UdpSocket;

use super::observations::Route;

/// Finds the own address and interface. Nothing is sent.
pub(super) async fn find(camera: SocketAddr) -> Route {
    let mut route = Route {
        isolation: isolation(),
        ..Route::default()
    };
    match local_address(camera).await {
        Ok(local) => {
            route.local = Some(local);
            for interface in if_addrs::get_if_addrs().unwrap_or_default() {
                if interface.ip() == local {
                    route.same_network = contains(&interface.addr, camera.ip());
                    route.interface = Some(interface.name);
                    break;
                }
            }
            route.same_network |= local.is_loopback() && camera.ip().is_loopback();
        }
        Err(error) => route.error = Some(error.to_string()),
    }
    route
}

/// Asks the system's routing table.
async fn local_address(camera: SocketAddr) -> std::io::Result<IpAddr> {
    let socket = UdpSocket::bind(tutk_runtime::tutk_session::any_port_for(camera)).await?;
    socket.connect(camera).await?;
    Ok(socket.local_addr()?.ip())
}

fn contains(network: &if_addrs::IfAddr, address: IpAddr) -> bool {
    match (network, address) {
        (if_addrs::IfAddr::V4(own), IpAddr::V4(address)) => {
            let mask = u32::from(own.netmask);
            u32::from(own.ip) & mask == u32::from(address) & mask
        }
        (if_addrs::IfAddr::V6(own), IpAddr::V6(address)) => {
            let mask = u128::from(own.netmask);
            u128::from(own.ip) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

/// Returns the kind of container or virtual machine, if there is one that usually has a network of
/// its own.
fn isolation() -> Option<&'static str> {
    // Docker and Podman create these files; systemd-nspawn and LXC set the variable.
    let container = ["/.dockerenv", "/run/.containerenv"]
        .iter()
        .any(|path| Path::new(path).exists())
        || std::env::var_os("container").is_some()
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if container {
        return Some("container");
    }
    std::env::var_os("WSL_DISTRO_NAME").map(|_| "WSL machine")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn loopback_is_one_network() {
        let route = find("127.0.0.9:32761".parse().unwrap()).await;
        assert!(route.same_network && route.error.is_none(), "{route:?}");
        assert!(route.local.is_some_and(|local| local.is_loopback()));
    }

    #[test]
    fn networks_contain_their_hosts() {
        let network = if_addrs::IfAddr::V4(if_addrs::Ifv4Addr {
            ip: [192, 0, 2, 7].into(),
            netmask: [255, 255, 255, 0].into(),
            prefixlen: 24,
            broadcast: None,
        });
        for (address, inside) in [
            ("192.0.2.200", true),
            ("192.0.3.7", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(contains(&network, address.parse().unwrap()), inside);
        }
    }
}
