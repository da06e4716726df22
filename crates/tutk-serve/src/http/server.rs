//! The HTTP server: sockets for `HttpApp`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::app::HttpApp;
use super::config::{HttpConfig, HttpLimits};
use super::io::WriteTimeout;
use super::state::AppState;
use crate::error::Error;
use crate::hub::{Hub, Registration, UrlScheme, UrlTarget};
use crate::listener::{Connection, Listener, Service, check_listen};
use crate::output::Output;

/// The schemes of the page's URL.
const HTTP: &str = "http";
pub(super) const HTTPS: &str = "https";

/// An extension of requests that arrived over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsTls;

/// The maximum number of headers of a request. Browsers send about twenty.
const MAX_HEADERS: usize = 100;

/// Serves the cameras of a hub at `http://HOST:PORT/`, or `https:` with [`HttpConfig::tls`].
/// Dropping it closes all connections.
#[derive(Debug)]
pub struct HttpServer {
    local: SocketAddr,
    app: HttpApp,
    listener: Listener,
    _registration: Registration,
}

struct HttpService {
    state: AppState,
    limits: HttpLimits,
    router: Router,
}

impl HttpServer {
    /// Listens, and serves clients until closed or dropped.
    ///
    /// # Errors
    /// [`Error::AnonymousAccess`] as documented for [`check_listen`]. [`Error::Io`] if the address
    /// is in use, or no socket can be created.
    pub async fn start(hub: Hub, mut config: HttpConfig) -> Result<Self, Error> {
        check_listen(config.listen, &config.accounts, config.allow_anonymous)?;
        let listener = TcpListener::bind(config.listen).await?;
        let local = listener.local_addr()?;
        config.listen = local;
        let tls = config.tls.take();
        let registration = hub.register(UrlScheme {
            scheme: if tls.is_some() { HTTPS } else { HTTP },
            address: local,
            target: UrlTarget::Index,
        });
        let app = HttpApp::new(hub, config);
        let state = app.state().clone();
        let service = HttpService {
            limits: state.limits,
            router: app.router(),
            state,
        };
        let connections = service.limits.connections;
        Ok(Self {
            local,
            app,
            listener: Listener::start(listener, tls, connections, Arc::new(service)),
            _registration: registration,
        })
    }

    /// Returns the address on which the server listens, with the actual port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Ends all streams, sends close frames to WebSockets, and stops.
    pub async fn close(mut self) {
        tokio::join!(self.listener.close(), self.app.stop());
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // WebSockets have tasks of their own.
        self.app.state().start_shutdown();
    }
}

impl Output for HttpServer {
    type Settings = HttpConfig;

    async fn start(hub: Hub, settings: HttpConfig) -> Result<Self, Error> {
        Self::start(hub, settings).await
    }

    fn local_addr(&self) -> SocketAddr {
        self.local
    }

    async fn close(self) {
        self.close().await;
    }
}

impl Service for HttpService {
    const PROTOCOL: &'static str = "HTTP";

    async fn serve(self: Arc<Self>, connection: Connection) {
        let Connection {
            stream, peer, slot, ..
        } = connection;
        self.state.counters.connections.inc();
        let limits = self.limits;
        let is_tls = stream.is_tls();
        let io = TokioIo::new(WriteTimeout::new(stream, limits.idle_time));
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(slot.clone());
            if is_tls {
                request.extensions_mut().insert(IsTls);
            }
            self.router.clone().oneshot(request)
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_headers(MAX_HEADERS)
            .max_buf_size(limits.header_bytes.max(8 << 10))
            .serve_connection(io, service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let mut shutdown = self.state.shutdown();
        let ended = tokio::select! {
            ended = &mut serving => ended,
            () = shutdown.started() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "HTTP connection lost");
        }
    }

    fn count_unauthenticated(&self) {
        self.state.counters.connections_unauthenticated.inc();
    }
}
