//! The RTSP server: sockets for `rtsp::Connection`.

mod client;
mod context;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::context::Context;
use self::udp::UdpPair;
use crate::accounts::Accounts;
use crate::error::Error;
use crate::hub::{Hub, Registration, UrlScheme, UrlTarget};
use crate::listener::Listener;
use crate::output::Output;
use crate::rtsp::SESSION_TIMEOUT;
use crate::tls::TlsConfig;

/// The scheme of RTSP URLs.
pub(crate) const SCHEME: &str = "rtsp";

/// The scheme of RTSP URLs over TLS.
pub(crate) const TLS_SCHEME: &str = "rtsps";

/// The default maximum number of authenticated connections. Further ones are closed.
pub const MAX_CONNECTIONS: usize = 256;

/// The settings of an [`RtspServer`]. Create them with [`RtspConfig::new`], then change fields as
/// needed.
#[derive(Debug)]
#[non_exhaustive]
pub struct RtspConfig {
    /// The address to listen on. With port 0 the system chooses a port: see
    /// [`RtspServer::local_addr`].
    pub listen: SocketAddr,
    /// Offer RTP over UDP in addition to RTP in the RTSP connection.
    pub udp: bool,
    /// The accounts that may watch.
    pub accounts: Accounts,
    /// Accept the password itself (`Basic`) over plain TCP from other machines, where other hosts
    /// on the network can read it. Off by default: then they need [`tls`](Self::tls), or `Digest`,
    /// which needs accounts with plain passwords.
    pub allow_plain_auth: bool,
    /// Serve `rtsps:` instead of `rtsp:`. RTP over UDP is not offered then, because it would not be
    /// encrypted.
    pub tls: Option<TlsConfig>,
    /// How long a client may be silent, by default [`SESSION_TIMEOUT`].
    pub timeout: Duration,
    /// The maximum number of authenticated connections, by default [`MAX_CONNECTIONS`]. Without
    /// accounts, a connection counts as authenticated after its first request other than `OPTIONS`.
    /// There are up to [`MAX_UNAUTHENTICATED`](crate::MAX_UNAUTHENTICATED) others, each for up to
    /// [`AUTHENTICATION_TIME`](crate::AUTHENTICATION_TIME).
    pub max_connections: usize,
}

impl RtspConfig {
    /// Allows anonymous access over TCP and UDP.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            udp: true,
            accounts: Accounts::none(),
            allow_plain_auth: false,
            tls: None,
            timeout: SESSION_TIMEOUT,
            max_connections: MAX_CONNECTIONS,
        }
    }
}

/// Serves the cameras of a hub at `rtsp://HOST:PORT/NAME`. Dropping it closes all connections.
///
/// Wrong passwords are limited as documented for [`Accounts`].
#[derive(Debug)]
pub struct RtspServer {
    local: SocketAddr,
    listener: Listener,
    /// Receives RTCP. Aborted when dropped.
    _receiver: JoinSet<()>,
    _registration: Registration,
}

impl RtspServer {
    /// Listens, and serves clients until closed or dropped.
    ///
    /// # Errors
    /// [`Error::Io`] if the address is in use, or no socket can be created.
    pub async fn start(hub: Hub, config: RtspConfig) -> Result<Self, Error> {
        let listener = TcpListener::bind(config.listen).await?;
        let local = listener.local_addr()?;
        let udp = match config.udp && config.tls.is_none() {
            true => Some(Arc::new(UdpPair::bind(local.ip()).await?)),
            false => None,
        };
        let registration = hub.register(UrlScheme {
            scheme: match config.tls {
                Some(_) => TLS_SCHEME,
                None => SCHEME,
            },
            address: local,
            target: UrlTarget::Camera,
        });
        let mut receiver = JoinSet::new();
        if let Some(udp) = udp.clone() {
            receiver.spawn(async move { udp.receive().await });
        }
        let context = Context::new(
            hub,
            config.accounts,
            config.allow_plain_auth,
            udp,
            config.timeout,
        );
        let (max, context) = (config.max_connections, Arc::new(context));
        Ok(Self {
            local,
            listener: Listener::start(listener, config.tls, max, context),
            _receiver: receiver,
            _registration: registration,
        })
    }

    /// Returns the address on which the server listens, with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Sends RTCP goodbyes to all clients, closes their connections, and stops.
    pub async fn close(mut self) {
        self.listener.close().await;
    }
}

impl Output for RtspServer {
    type Settings = RtspConfig;

    async fn start(hub: Hub, settings: RtspConfig) -> Result<Self, Error> {
        Self::start(hub, settings).await
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn close(self) {
        self.close().await;
    }
}
