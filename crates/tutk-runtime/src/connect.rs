//! Resolving the camera's host name and opening a socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tutk_session::{Connect, any_port_for};

use crate::socket::Socket;

/// How long a look-up may take.
const LOOKUP: Duration = Duration::from_secs(5);

/// Returns a socket and the camera's address.
pub(crate) async fn connect(connect: Connect) -> io::Result<(Socket, SocketAddr)> {
    let camera = resolve(&connect).await?;
    let socket = Socket::bind(any_port_for(camera))?;
    socket.warn_if_small();
    Ok((socket, camera))
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
