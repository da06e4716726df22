//! The TCP accept loop that all servers share.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::accounts::Accounts;
use crate::admission::{Admission, ConnectionSlot};
use crate::error::Error;
use crate::log_limit::log_limited;
use crate::stream::Stream;
use crate::tls::TlsConfig;

/// How long clients have to read their last bytes when a server shuts down.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after `accept` fails, for example because all file descriptors are in use.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A protocol that is served over TCP connections.
pub(crate) trait Service: Send + Sync + 'static {
    /// The name of the protocol, for the log.
    const PROTOCOL: &'static str;

    /// Serves one connection until either side closes it, or [`Connection::shutdown`] changes.
    /// Admits it once the client has authenticated.
    fn serve(self: Arc<Self>, connection: Connection) -> impl Future<Output = ()> + Send;

    /// Counts a connection that was closed because it was not authenticated.
    fn count_unauthenticated(&self) {}
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: ConnectionSlot,
    /// Changes when the server shuts down.
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// A running accept loop. Dropping it closes all connections.
#[derive(Debug)]
pub(crate) struct Listener {
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Checks that a server may listen on an address.
///
/// An address that other machines can reach needs accounts, unless `allow_anonymous` is set.
/// [`HttpServer`](crate::HttpServer) calls this itself. Call it before starting an
/// [`RtspServer`](crate::RtspServer).
///
/// ```
/// use tutk_serve::{Accounts, check_listen};
///
/// let accounts = Accounts::none();
/// assert!(check_listen("127.0.0.1:8554".parse()?, &accounts, false).is_ok());
/// assert!(check_listen("0.0.0.0:8554".parse()?, &accounts, false).is_err());
/// assert!(check_listen("0.0.0.0:8554".parse()?, &accounts, true).is_ok());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
///
/// # Errors
/// [`Error::AnonymousAccess`].
pub fn check_listen(
    listen: SocketAddr,
    accounts: &Accounts,
    allow_anonymous: bool,
) -> Result<(), Error> {
    let loopback = listen.ip().to_canonical().is_loopback();
    if loopback || allow_anonymous || !accounts.allows_anonymous() {
        return Ok(());
    }
    Err(Error::AnonymousAccess(listen))
}

impl Listener {
    /// Starts to accept connections. At most `max_connections` can be authenticated at the same
    /// time. The limits apply to TLS handshakes, too.
    pub(crate) fn start<S: Service>(
        listener: TcpListener,
        tls: Option<TlsConfig>,
        max_connections: usize,
        service: Arc<S>,
    ) -> Self {
        let (shutdown, receiver) = watch::channel(false);
        let task = tokio::spawn(accept(listener, tls, max_connections, service, receiver));
        Self { shutdown, task }
    }

    /// Stops accepting, and waits until all connections are closed or [`SHUTDOWN_TIMEOUT`] has
    /// passed.
    pub(crate) async fn close(&mut self) {
        self.shutdown.send_replace(true);
        // The task does not panic.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The task owns the connections.
        self.task.abort();
    }
}

async fn accept<S: Service>(
    listener: TcpListener,
    tls: Option<TlsConfig>,
    max_connections: usize,
    service: Arc<S>,
    mut shutdown: watch::Receiver<bool>,
) {
    let admission = Admission::new(max_connections);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer, socket) = tokio::select! {
            (accepted, socket) = accepted(&listener, &admission) => match accepted {
                Ok((stream, peer)) => (stream, peer, socket),
                Err(error) => {
                    log_limited!(warn, %error, protocol = S::PROTOCOL, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    log_limited!(error, %error, protocol = S::PROTOCOL, "a connection task failed");
                }
                continue;
            }
            _ = shutdown.changed() => break,
        };
        // Frames are sent at once, even if they do not fill a packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, protocol = S::PROTOCOL, "connection lost");
            continue;
        }
        let (slot, evicted) = admission.register(peer.ip(), socket);
        if let Some(address) = evicted {
            log_limited!(warn, %address, protocol = S::PROTOCOL, "too many connections without authentication: closed the oldest");
        }
        let (serving, shutdown, tls) = (slot.clone(), shutdown.clone(), tls.clone());
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let serve = async {
                let stream = match &tls {
                    None => Stream::Plain(stream),
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => Stream::Tls(Box::new(stream)),
                        Err(error) => {
                            tracing::debug!(%peer, %error, protocol = S::PROTOCOL, "TLS failed");
                            return;
                        }
                    },
                };
                let connection = Connection {
                    stream,
                    peer,
                    slot: serving,
                    shutdown,
                };
                Arc::clone(&service).serve(connection).await;
            };
            tokio::select! {
                () = serve => {}
                () = slot.expired() => {
                    service.count_unauthenticated();
                    tracing::debug!(%peer, protocol = S::PROTOCOL, "connection closed: the client has not authenticated");
                }
            }
        });
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await.is_err() {
        tracing::debug!(protocol = S::PROTOCOL, "some clients did not close in time");
    }
}

/// Accepts a connection once there is room for its socket. Cancel-safe.
async fn accepted(
    listener: &TcpListener,
    admission: &Admission,
) -> (io::Result<(TcpStream, SocketAddr)>, OwnedSemaphorePermit) {
    let socket = admission.socket().await;
    (listener.accept().await, socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_need_no_accounts() {
        let mut some = Accounts::none();
        some.add("anna", "secret").unwrap();
        for (address, loopback) in [
            ("127.0.0.1:80", true),
            ("127.9.9.9:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("192.168.1.2:80", false),
            ("[::ffff:192.168.1.2]:80", false),
            ("[fe80::1]:80", false),
        ] {
            let listen = address.parse().unwrap();
            let none = Accounts::none();
            let allowed = check_listen(listen, &none, false).is_ok();
            assert_eq!(allowed, loopback, "{address}");
            assert!(check_listen(listen, &none, true).is_ok());
            assert!(check_listen(listen, &some, false).is_ok());
        }
        let error = check_listen(([0, 0, 0, 0], 80).into(), &Accounts::none(), false);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("0.0.0.0:80") && text.contains("add an account"),
            "{text}"
        );
    }
}
