//! Discovery over real UDP sockets on loopback.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use testkit::runtime::{camera_config, clip};
use testkit::session::credentials;
use tutk_runtime::tutk_session::{
    Dialect, DiscoveredCamera, DiscoveryPlan, DiscoveryScope, Interface, Target, Uid,
};
use tutk_runtime::{Discovery, Error, SimulatedCamera, simulate};

fn listen(address: &str) -> SimulatedCamera {
    simulate(camera_config(&clip(10)), address.parse().unwrap()).unwrap()
}

/// An interface of the loopback network, or one that does not exist.
fn interface(address: [u8; 4], broadcast: Option<[u8; 4]>) -> Interface {
    Interface {
        address: address.into(),
        prefix_len: 8,
        broadcast: broadcast.map(Ipv4Addr::from),
    }
}

const REMOVED: [u8; 4] = [203, 0, 113, 1];

/// The cameras that are found in several rounds of requests.
async fn found_by(plan: DiscoveryPlan) -> Vec<DiscoveredCamera> {
    let mut seen = Vec::new();
    let mut discovery = Discovery::start(plan, Duration::from_secs(10)).unwrap();
    while let Some(found) = discovery.next().await {
        seen.push(found);
    }
    seen
}

/// Loopback takes the place of two networks.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn broadcast_on_each_interface_finds_a_camera_once() {
    let camera = listen("0.0.0.0:0");
    let port = camera.local_addr().port();
    let own = Some([127, 255, 255, 255]);
    for interfaces in [
        // By 255.255.255.255 alone, by both addresses, and from two interfaces.
        &[interface([127, 0, 0, 1], None)][..],
        &[interface([127, 0, 0, 1], own)],
        &[
            interface([127, 0, 0, 1], own),
            interface([127, 0, 0, 2], own),
        ],
        // One of two interfaces was removed.
        &[interface(REMOVED, None), interface([127, 0, 0, 1], None)],
    ] {
        let everywhere = DiscoveryScope::Everywhere {
            port,
            uid: credentials().uid,
            auth_key: Some(credentials().auth_key),
        };
        let found = found_by(DiscoveryPlan::new([everywhere], interfaces)).await;
        assert_eq!(found.len(), Dialect::ALL.len(), "{found:?}");
        for dialect in &Dialect::ALL {
            assert!(found.iter().any(|found| *found.dialect == *dialect));
        }
        for found in found {
            assert_eq!(found.address, SocketAddr::from(([127, 0, 0, 1], port)));
            assert_eq!(found.uid, credentials().uid);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn finds_cameras_of_both_families() {
    let cameras = ["127.0.0.1:0", "[::1]:0", "127.0.0.1:0"].map(listen);
    let addresses = cameras.each_ref().map(SimulatedCamera::local_addr);
    let mut seen = Vec::new();
    // A cc51 camera answers only to its own UID and AuthKey.
    let credentials = credentials();
    for (uid, auth_key, dialects) in [
        (Uid::default(), None, Dialect::ALL.len() - 1),
        (
            credentials.uid,
            Some(credentials.auth_key),
            Dialect::ALL.len(),
        ),
    ] {
        let targets = addresses.map(|address| {
            DiscoveryScope::At(Target {
                address,
                uid,
                auth_key: auth_key.clone(),
            })
        });
        seen = found_by(DiscoveryPlan::new(targets, &[])).await;
        assert_eq!(seen.len(), addresses.len() * dialects, "{seen:?}");
        for found in &seen {
            assert!(addresses.contains(&found.address));
            assert_eq!(found.uid, credentials.uid);
        }
    }
    assert!(
        Dialect::ALL
            .iter()
            .all(|dialect| seen.iter().any(|found| *found.dialect == *dialect))
    );
}

#[tokio::test]
async fn fails_without_any_socket() {
    let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &[interface(REMOVED, None)]);
    let result = Discovery::start(plan, Duration::ZERO);
    assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
}
