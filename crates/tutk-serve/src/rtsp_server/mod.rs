//! RTSP over sockets: what accepts connections, and ends them.

mod client;
mod udp;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::udp::UdpPair;
use crate::accounts::Accounts;
use crate::error::Error;
use crate::failures::Failures;
use crate::hub::Hub;
use crate::rtsp::SESSION_TIMEOUT;

/// The most connections at a time, by default. One more is closed at once.
pub const MAX_CONNECTIONS: usize = 256;

/// How long connections have to take a last word when the server ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long to wait when the system gives no connection: it has run out of something.
const RESPITE: Duration = Duration::from_millis(100);

/// How RTSP is served. Made by [`RtspConfig::new`]; the fields may be changed after.
#[derive(Debug)]
#[non_exhaustive]
pub struct RtspConfig {
    /// Where connections are accepted. With port 0 the system chooses one: see [`RtspServer::local_addr`].
    pub listen: SocketAddr,
    /// Whether packets may go in datagrams of their own, too.
    pub udp: bool,
    /// Who may watch.
    pub accounts: Accounts,
    /// How long a client may be silent: [`SESSION_TIMEOUT`].
    pub timeout: Duration,
    /// [`MAX_CONNECTIONS`].
    pub max_connections: usize,
}

impl RtspConfig {
    /// For everybody, over TCP and UDP.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            udp: true,
            accounts: Accounts::none(),
            timeout: SESSION_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
        }
    }
}

/// The cameras of a hub at `rtsp://HOST:PORT/NAME`. It stops when this is dropped.
///
/// After [`MAX_FAILURES`](crate::MAX_FAILURES) wrong passwords from one address, connections from there are closed at once for
/// the rest of [`FAILURE_TIME`](crate::FAILURE_TIME); those that there are stay.
#[derive(Debug)]
pub struct RtspServer {
    local: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What all connections have in common.
#[derive(Debug)]
struct Context {
    hub: Hub,
    accounts: Arc<Accounts>,
    udp: Option<UdpPair>,
    timeout: Duration,
    failures: Failures,
    /// Cameras of which it was said that their sound is left out.
    silent: Mutex<BTreeSet<String>>,
}

impl RtspServer {
    /// Listens, and serves whoever comes, until closed or dropped.
    ///
    /// # Errors
    /// [`Error::Io`] if the port is in use, or the system gives no sockets.
    pub async fn start(hub: Hub, config: RtspConfig) -> Result<Self, Error> {
        let listener = TcpListener::bind(config.listen).await?;
        let local = listener.local_addr()?;
        let udp = match config.udp {
            true => Some(UdpPair::bind(local.ip()).await?),
            false => None,
        };
        let context = Arc::new(Context {
            hub,
            accounts: Arc::new(config.accounts),
            udp,
            timeout: config.timeout,
            failures: Failures::default(),
            silent: Mutex::default(),
        });
        let (stop, stopping) = watch::channel(false);
        let most = config.max_connections;
        let task = tokio::spawn(accept(listener, context, most, stopping));
        Ok(Self { local, stop, task })
    }

    /// Where it listens; the port is a real one even if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Tells all clients that there is no more to come, and stops.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        // It ends by itself, and does not panic.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        // Its connections are in a set that goes with it.
        self.task.abort();
    }
}

impl Context {
    /// Whether it is the first time that this is said of the camera.
    fn first_time_silent(&self, camera: &str) -> bool {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        // Only names of cameras that there are come here.
        silent.insert(camera.to_owned())
    }
}

async fn accept(
    listener: TcpListener,
    context: Arc<Context>,
    most: usize,
    mut stopping: watch::Receiver<bool>,
) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((_, peer)) if context.failures.barred(Some(peer.ip())).is_some() => {
                    tracing::debug!(%peer, "an RTSP connection was closed: too many wrong passwords came from there");
                }
                Ok((stream, peer)) if clients.len() < most => {
                    begin(&mut clients, stream, peer, &context, &stopping);
                }
                Ok((_, peer)) => tracing::warn!(%peer, most, "too many RTSP connections: one was closed"),
                Err(error) => {
                    tracing::warn!(%error, "no RTSP connection could be accepted");
                    tokio::time::sleep(RESPITE).await;
                }
            },
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an RTSP connection broke off");
                }
            }
            () = udp::receive(context.udp.as_ref()) => {}
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    let all = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, all).await.is_err() {
        tracing::debug!("RTSP clients that took no last word were left");
    }
}

fn begin(
    clients: &mut JoinSet<()>,
    stream: TcpStream,
    peer: SocketAddr,
    context: &Arc<Context>,
    stopping: &watch::Receiver<bool>,
) {
    match client::Client::new(stream, peer, Arc::clone(context), stopping.clone()) {
        Ok(client) => {
            clients.spawn(client.run());
        }
        Err(error) => tracing::warn!(%peer, %error, "an RTSP connection was given up"),
    }
}
