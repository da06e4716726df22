//! How HTTP is served, and what is the most of everything.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::accounts::Accounts;

/// How HTTP is served. Made by [`HttpConfig::new`]; the fields may be changed after.
#[derive(Debug)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Where connections are accepted. With port 0 the system chooses one: see
    /// [`HttpServer::local_addr`](super::HttpServer::local_addr).
    pub listen: SocketAddr,
    /// Who may watch and control.
    pub accounts: Accounts,
    /// Whether it may be open to everybody on an address that others than this machine reach: see
    /// [`check_listen`](crate::check_listen).
    pub allow_open: bool,
    /// Host names that this server is called by, beside IP addresses and `localhost`. Without accounts, requests
    /// that call it otherwise are refused: a page elsewhere could have its own name lead here (DNS rebinding).
    pub names: Vec<String>,
    /// The port of RTSP on the same host, where it is served too: its addresses are listed with the cameras.
    pub rtsp_port: Option<u16>,
    /// The most of everything.
    pub limits: HttpLimits,
}

/// What clients can make grow, or how long they may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Connections at a time. One more is answered with 503, and closed.
    pub connections: usize,
    /// Streams at a time (`stream.mp4`, `stream.ts` and `live`), of all cameras together. One more is answered with
    /// 503.
    pub viewers: usize,
    /// Bytes of a request's address and headers, without what stands between them. More are answered with 431.
    pub header_bytes: usize,
    /// Bytes of a request's body. More are answered with 413.
    pub body_bytes: usize,
    /// Bytes of a WebSocket message from a client. More end the connection, with code 1009.
    pub message_bytes: usize,
    /// How long a request's head may take, and the pause before it. Then the connection is closed.
    pub header_time: Duration,
    /// How long a request's body may take. Then it is answered with 408.
    pub body_time: Duration,
    /// How long a client may take nothing of what is written to it, and how long a WebSocket client may be silent
    /// that is asked whether it is there. Then the connection is closed.
    pub idle_time: Duration,
}

impl HttpConfig {
    /// For everybody on this machine, and nobody else before there are accounts.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            accounts: Accounts::none(),
            allow_open: false,
            names: Vec::new(),
            rtsp_port: None,
            limits: HttpLimits::default(),
        }
    }
}

impl HttpLimits {
    /// What would be more than semaphores and clocks take is the most that they do: none of it is ever reached.
    pub(super) fn within_reach(self) -> Self {
        /// Thirty years.
        const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        Self {
            connections: self.connections.min(Semaphore::MAX_PERMITS),
            viewers: self.viewers.min(Semaphore::MAX_PERMITS),
            header_time: self.header_time.min(FOR_EVER),
            body_time: self.body_time.min(FOR_EVER),
            idle_time: self.idle_time.min(FOR_EVER),
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
