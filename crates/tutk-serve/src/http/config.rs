//! Settings and limits of the HTTP server.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::Semaphore;

use crate::accounts::Accounts;
use crate::tls::TlsConfig;

/// The settings of an [`HttpServer`](super::HttpServer). Create them with [`HttpConfig::new`], then
/// change fields as needed.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpConfig {
    /// The address to listen on. With port 0 the system chooses a port: see
    /// [`HttpServer::local_addr`](super::HttpServer::local_addr).
    pub listen: SocketAddr,
    /// The accounts that may watch and control.
    pub accounts: Accounts,
    /// Allow anonymous access on an address that other machines can reach: see
    /// [`check_listen`](crate::check_listen).
    pub allow_anonymous: bool,
    /// Host names of this server, in addition to IP addresses and `localhost`. Without accounts,
    /// requests with another host name are refused. This protects against DNS rebinding.
    pub names: Vec<String>,
    /// Proxies whose `X-Forwarded-For` header names the real client. Wrong passwords are counted
    /// for that address.
    pub trusted_proxies: Vec<IpNet>,
    /// Accept passwords and login cookies over plain HTTP from other machines, where other hosts
    /// on the network can read them. Off by default: then they need [`tls`](Self::tls), the
    /// loopback interface, or a trusted proxy that sends `X-Forwarded-Proto: https`.
    pub allow_plain_auth: bool,
    /// Serve HTTPS instead of HTTP.
    pub tls: Option<TlsConfig>,
    /// Limits on what clients can use.
    pub limits: HttpLimits,
}

/// Limits on what clients can use, and timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// The maximum number of authenticated connections. Further ones get status 503. Without
    /// accounts, a connection counts as authenticated after its first valid request. There are up
    /// to [`MAX_UNAUTHENTICATED`](crate::MAX_UNAUTHENTICATED) others, each for up to
    /// [`AUTHENTICATION_TIME`](crate::AUTHENTICATION_TIME).
    pub connections: usize,
    /// The maximum number of streams (`stream.mp4`, `stream.ts` and `live`) of all cameras
    /// together. Further streams get status 503.
    pub viewers: usize,
    /// The maximum size in bytes of a request's URL and headers, without separators. Larger
    /// requests get status 431.
    pub header_bytes: usize,
    /// The maximum size in bytes of a request body. Larger bodies get status 413.
    pub body_bytes: usize,
    /// The maximum size in bytes of a WebSocket message from a client. A larger message closes the
    /// WebSocket with code 1009.
    pub message_bytes: usize,
    /// The timeout for the head of a request, and the maximum pause before it. After that the
    /// connection is closed.
    pub header_time: Duration,
    /// The timeout for a request body. After that the request gets status 408.
    pub body_time: Duration,
    /// How long a client may read nothing, and how long a WebSocket client may leave a ping
    /// unanswered. After that the connection is closed.
    pub idle_time: Duration,
}

impl HttpConfig {
    /// Allows anonymous access from this machine only.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            accounts: Accounts::none(),
            allow_anonymous: false,
            names: Vec::new(),
            trusted_proxies: Vec::new(),
            allow_plain_auth: false,
            tls: None,
            limits: HttpLimits::default(),
        }
    }
}

impl HttpLimits {
    /// Reduces values that semaphores and clocks cannot represent. Such limits are never reached.
    pub(super) fn clamped(self) -> Self {
        const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        Self {
            connections: self.connections.min(Semaphore::MAX_PERMITS),
            viewers: self.viewers.min(Semaphore::MAX_PERMITS),
            header_time: self.header_time.min(THIRTY_YEARS),
            body_time: self.body_time.min(THIRTY_YEARS),
            idle_time: self.idle_time.min(THIRTY_YEARS),
            ..self
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 256,
            viewers: 64,
            header_bytes: 32 << 10,
            body_bytes: 64 << 10,
            message_bytes: 64 << 10,
            header_time: Duration::from_secs(20),
            body_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(30),
        }
    }
}
