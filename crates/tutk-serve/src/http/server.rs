//! HTTP over sockets: what accepts connections, and ends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt as _;

use super::app::{App, HttpApp};
use super::config::HttpConfig;
use super::io::Patient;
use crate::error::Error;
use crate::hub::Hub;
use crate::listen::check_listen;

/// How long to wait when the system gives no connection: it has run out of something.
const RESPITE: Duration = Duration::from_millis(100);

/// Connections beyond the limit that are told so at a time; more are closed at once.
const REFUSALS: usize = 16;

/// How long one of those may take to say what it wants.
const REFUSAL: Duration = Duration::from_secs(1);

/// The most headers of a request. Browsers send some twenty.
const MAX_HEADERS: usize = 100;

/// The cameras of a hub at `http://HOST:PORT/`. It stops when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    local: SocketAddr,
    app: HttpApp,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Counts as one connection, as long as one of these is there.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    _permit: Arc<OwnedSemaphorePermit>,
}

impl HttpServer {
    /// Listens, and serves whoever comes, until closed or dropped.
    ///
    /// # Errors
    /// [`Error::Open`] as [`check_listen`] says; [`Error::Io`] if the port is in use, or the system gives no socket.
    pub async fn start(hub: Hub, mut config: HttpConfig) -> Result<Self, Error> {
        check_listen(config.listen, &config.accounts, config.allow_open)?;
        let listener = TcpListener::bind(config.listen).await?;
        let local = listener.local_addr()?;
        config.listen = local;
        let app = HttpApp::new(hub, config);
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(accept(listener, app.clone(), stopping));
        Ok(Self {
            local,
            app,
            stop,
            task,
        })
    }

    /// Where it listens; the port is a real one even if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Ends all streams, tells WebSockets so, and stops.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        self.app.stop().await;
        // It ends by itself, and does not panic.
        let _ = (&mut self.task).await;
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // Its connections are in a set that goes with it; WebSockets end by themselves.
        self.task.abort();
        self.app.app().stop_soon();
    }
}

async fn accept(listener: TcpListener, app: HttpApp, mut stopping: watch::Receiver<bool>) {
    let limits = app.app().limits;
    let connections = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let router = app.router();
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match Arc::clone(&connections).try_acquire_owned() {
                    Ok(permit) => {
                        app.app().counters.connected();
                        let connection = Connection { _permit: Arc::new(permit) };
                        let serving = serve(stream, peer, connection, router.clone(), app.app().clone());
                        clients.spawn(serving);
                    }
                    Err(_) => {
                        let refused = &app.app().counters.connections_refused;
                        refused.fetch_add(1, Ordering::Relaxed);
                        let most = limits.connections;
                        tracing::warn!(%peer, most, "too many HTTP connections: one was refused");
                        if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                            clients.spawn(refuse(stream, most, permit));
                        }
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "no HTTP connection could be accepted");
                    tokio::time::sleep(RESPITE).await;
                }
            },
            Some(ended) = clients.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an HTTP connection broke off");
                }
            }
            _ = stopping.changed() => break,
        }
    }
    drop(listener);
    let all = async { while clients.join_next().await.is_some() {} };
    if tokio::time::timeout(super::FAREWELL, all).await.is_err() {
        tracing::debug!("HTTP clients that took no last word were left");
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    connection: Connection,
    router: Router,
    app: App,
) {
    let limits = app.limits;
    // A frame is not to wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "an HTTP connection was given up");
        return;
    }
    let io = TokioIo::new(Patient::new(stream, limits.idle_time));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(connection.clone());
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_headers(MAX_HEADERS)
        .max_buf_size(limits.header_bytes.max(8 << 10))
        .serve_connection(io, service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let mut going = app.going();
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = going.stopped() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection was lost");
    }
}

/// Says that there are too many, to who asks for something.
async fn refuse(mut stream: TcpStream, most: usize, _permit: OwnedSemaphorePermit) {
    let body = format!(
        "{{\"error\":\"{most} connections are open already, and more are not served\",\"advice\":\"close some, or raise the limit of connections\",\"allowed\":[]}}"
    );
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\nRetry-After: 10\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let refusing = async {
        let mut seen = Vec::new();
        // Closed with something unread, the client might never see the answer.
        while seen.len() < 8 << 10 && !seen.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut seen).await? == 0 {
                break;
            }
        }
        stream.write_all((head + &body).as_bytes()).await?;
        stream.shutdown().await
    };
    // Who is gone does not hear it.
    let _ = tokio::time::timeout(REFUSAL, refusing).await;
}
