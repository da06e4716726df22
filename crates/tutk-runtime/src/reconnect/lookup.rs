//! Where a camera is that has a name.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;

/// How long a name server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A name that is being looked up, in a task of its own.
#[derive(Debug)]
pub(super) struct Lookup(JoinHandle<io::Result<SocketAddr>>);

impl Lookup {
    /// `last` is the address so far, and stays it if the name still has it.
    pub(super) fn new(host: &str, last: SocketAddr) -> Self {
        Self(tokio::spawn(look_up(host.to_owned(), last)))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        // It panics only when the runtime itself comes down.
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
    let found = tokio::time::timeout(PATIENCE, lookup).await;
    let found = found.map_err(io::Error::from).flatten();
    match found.map(|found| choose(found.collect(), last)) {
        Ok(Some(address)) => Ok(address),
        // Name servers come and go as well, and mostly nothing has changed.
        _ if !last.ip().is_unspecified() => Ok(last),
        Ok(None) => Err(unknown(&host, &"it has no address")),
        Err(error) => Err(unknown(&host, &error)),
    }
}

fn unknown(host: &str, why: &dyn fmt::Display) -> io::Error {
    let what = format!("host {host:?} was not found: {why}");
    io::Error::new(io::ErrorKind::NotFound, what)
}

/// The address that it had, or else an IPv4 one: cameras of this kind are there.
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
    fn what_it_was_stays_and_ipv4_comes_first() {
        let [old, new, six] =
            ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1"].map(|text| text.parse().unwrap());
        assert_eq!(choose(vec![six, new, old], old), Some(old));
        assert_eq!(choose(vec![six, new], old), Some(new));
        assert_eq!(choose(vec![six], old), Some(six));
        assert_eq!(choose(vec![], old), None);
    }
}
