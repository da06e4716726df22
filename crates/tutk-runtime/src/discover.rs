//! Discovery without a session.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tutk_session::{DiscoveredCamera, Discoverer, DiscoveryPlan, Interface, Output};

use crate::error::Error;
use crate::socket::{self, Socket};

/// A search for cameras.
///
/// Interfaces that are added or removed meanwhile are not noticed.
///
/// ```no_run
/// use std::time::Duration;
/// use tutk_runtime::tutk_session::{DiscoveryPlan, DiscoveryScope};
/// use tutk_runtime::{Discovery, interfaces};
///
/// # async fn find() -> Result<(), tutk_runtime::Error> {
/// let plan = DiscoveryPlan::new([DiscoveryScope::everywhere()], &interfaces());
/// let mut discovery = Discovery::start(plan, Duration::from_secs(2))?;
/// while let Some(camera) = discovery.next().await {
///     println!("{} at {}", camera.uid, camera.address);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Discovery {
    plan: DiscoveryPlan,
    discoverer: Discoverer,
    /// A socket that cannot be bound is left out, as long as there is another one.
    sockets: Vec<io::Result<Socket>>,
    end: Instant,
}

impl Discovery {
    /// Looks for the cameras of `plan` for `time`.
    ///
    /// # Errors
    /// [`Error::Io`] if no socket can be opened or there is no randomness.
    pub fn start(plan: DiscoveryPlan, time: Duration) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for &address in &plan.sockets {
            let warn = |error: &io::Error| tracing::warn!(%address, %error, "cannot bind a socket");
            let bound = Socket::bind_to_free(address, plan.local_ports.clone());
            sockets.push(bound.inspect_err(warn));
        }
        if sockets.iter().all(Result::is_err)
            && let Some(failed) = sockets.pop()
        {
            failed?;
        }
        Ok(Self {
            discoverer: Discoverer::new(&plan, socket::seed()?, socket::now()),
            plan,
            sockets,
            end: Instant::now() + time,
        })
    }

    /// Returns the next camera that answers, once per address and dialect; `None` when the time is
    /// over. Cancel-safe.
    pub async fn next(&mut self) -> Option<DiscoveredCamera> {
        while !self.sockets.is_empty() {
            let deadline = loop {
                match self.discoverer.poll_output() {
                    Output::Transmit(datagram) => {
                        for &index in self.plan.routes.get(&datagram.to).into_iter().flatten() {
                            if let Some(Ok(socket)) = self.sockets.get(index) {
                                socket.send(datagram).await;
                            }
                        }
                    }
                    Output::Event(found) => return Some(found),
                    Output::Timeout(deadline) => break deadline,
                }
            };
            tokio::select! {
                () = socket::readable(self.sockets.iter().flatten()) => {
                    for socket in self.sockets.iter().flatten() {
                        socket.receive(|now, from, datagram| {
                            self.discoverer.handle_datagram(now, from, datagram);
                        });
                    }
                }
                () = tokio::time::sleep_until(socket::to_tokio(deadline)) => {
                    self.discoverer.handle_timeout(socket::now());
                }
                () = tokio::time::sleep_until(self.end) => return None,
            }
        }
        None
    }
}

/// Returns this machine's interfaces for broadcasts: those that are up, have an IPv4 address and
/// are not loopback.
#[must_use]
pub fn interfaces() -> Vec<Interface> {
    let listed = if_addrs::get_if_addrs();
    let listed = listed
        .inspect_err(|error| tracing::warn!(%error, "cannot list the network interfaces"))
        .unwrap_or_default();
    let mut interfaces = Vec::new();
    for listed in listed.iter().filter(|listed| listed.is_oper_up()) {
        if let if_addrs::IfAddr::V4(own) = &listed.addr
            && !own.is_loopback()
        {
            let prefix_len = if listed.is_p2p { 32 } else { own.prefixlen };
            interfaces.push(Interface::new(own.ip, prefix_len, own.broadcast));
        }
    }
    tracing::debug!(?interfaces, "broadcast");
    interfaces
}
