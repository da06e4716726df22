//! Resolving the camera's host name.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

/// How long a look-up may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A look-up, in a task of its own. Dropping it stops the task.
#[derive(Debug)]
pub(crate) struct Lookup(JoinHandle<io::Result<SocketAddr>>);

impl Lookup {
    /// Resolves `host`. `last` is the last known address and gives the port.
    pub(crate) fn new(host: String, last: SocketAddr) -> Self {
        Self(tokio::spawn(look_up(host, last)))
    }
}

impl Future for Lookup {
    type Output = io::Result<SocketAddr>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The task does not panic. It fails only when the runtime shuts down.
        let joined = Pin::new(&mut self.0).poll(cx);
        joined.map(|joined| joined.map_err(io::Error::other).flatten())
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look_up(host: String, last: SocketAddr) -> io::Result<SocketAddr> {
    let lookup = tokio::net::lookup_host((host.as_str(), last.port()));
    let found = tokio::time::timeout(TIMEOUT, lookup).await;
    let found = found.map_err(io::Error::from).flatten();
    match found.map(|found| choose(found.collect(), last)) {
        Ok(Some(address)) => Ok(address),
        // The name server may be away, and the camera's address is mostly the same.
        _ if !last.ip().is_unspecified() => Ok(last),
        Ok(None) => Err(not_found(&host, &"it has no address")),
        Err(error) => Err(not_found(&host, &error)),
    }
}

fn not_found(host: &str, why: &dyn fmt::Display) -> io::Error {
    let what = format!("cannot resolve the host name {host:?}: {why}");
    io::Error::new(io::ErrorKind::NotFound, what)
}

/// Prefers the last address, then IPv4, which most cameras use.
fn choose(mut found: Vec<SocketAddr>, last: SocketAddr) -> Option<SocketAddr> {
    if found.contains(&last) {
        return Some(last);
    }
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_last_address_then_ipv4() {
        let [old, new, six] =
            ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"].map(|text| text.parse().unwrap());
        assert_eq!(choose(vec![six, new, old], old), Some(old));
        assert_eq!(choose(vec![six, new], old), Some(new));
        assert_eq!(choose(vec![six], old), Some(six));
        assert_eq!(choose(vec![], old), None);
    }
}
