//! Finding the camera and opening a socket.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use tutk_session::{Connect, DiscoveryPlan, Search, any_port_for};

use crate::discover::{Discovery, interfaces};
use crate::socket::Socket;

/// How long a look-up may take.
const LOOKUP: Duration = Duration::from_secs(5);

/// Returns a socket and the camera's address.
pub(crate) async fn connect(connect: Connect) -> io::Result<(Socket, SocketAddr)> {
    let ports = connect.local_ports.clone();
    let camera = match &connect.search {
        Some(search) => find(search, ports.clone()).await?,
        None => resolve(&connect).await?,
    };
    let socket = Socket::bind_to_free(any_port_for(camera), ports)?;
    tracing::debug!(local = ?socket.local_addr(), %camera, "socket opened");
    socket.warn_if_small();
    Ok((socket, camera))
}

/// Returns the address at which the camera answers to its UID.
async fn find(search: &Search, ports: RangeInclusive<u16>) -> io::Result<SocketAddr> {
    let mut plan = DiscoveryPlan::search(search, &interfaces());
    plan.local_ports = ports;
    let time = plan.time();
    let mut discovery = Discovery::start(plan, time).map_err(io::Error::other)?;
    let found = discovery.next().await.ok_or(io::ErrorKind::NotFound)?;
    Ok(SocketAddr::new(found.address.ip(), search.port))
}

/// Returns the camera's address. Resolves the host name, if there is one.
async fn resolve(connect: &Connect) -> io::Result<SocketAddr> {
    let Some(host) = &connect.host else {
        return Ok(connect.camera);
    };
    let lookup = tokio::net::lookup_host((host.as_str(), connect.camera.port()));
    let result = tokio::time::timeout(LOOKUP, lookup).await;
    let (resolved, reason) = match result.map_err(io::Error::from).flatten() {
        Ok(resolved) => (resolved.collect(), "it has no address".to_owned()),
        Err(error) => (Vec::new(), error.to_string()),
    };
    connect.choose(resolved).ok_or_else(|| {
        let message = format!("cannot resolve the host name {host:?}: {reason}");
        io::Error::new(io::ErrorKind::NotFound, message)
    })
}
