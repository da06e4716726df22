//! One client: connects the RTSP state machine to sockets, the clock, and a subscription of the
//! hub.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::sync::{broadcast, watch};
use tokio::time::Sleep;

use super::context::Context;
use super::udp::PAUSE;
use crate::admission::ConnectionSlot;
use crate::clock::now;
use crate::error::Error;
use crate::hub::{Lease, LiveFrame, StreamDescription, Viewer, ViewerEvent};
use crate::listener::{self, SHUTDOWN_TIMEOUT, Service};
use crate::log_limit::log_limited;
use crate::rtsp::{
    Connection, ConnectionConfig, DescriptionError, Event, MAX_DATAGRAMS, Output, Unwritten,
};
use crate::stream::Stream;

/// The size of the read buffer in bytes.
const READ: usize = 4 << 10;

/// The number of slices that are written at once: 32 packets.
const MAX_SLICES: usize = 64;

type Description = Result<Arc<StreamDescription>, DescriptionError>;

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

struct Client {
    stream: Stream,
    peer: SocketAddr,
    context: Arc<Context>,
    shutdown: watch::Receiver<bool>,
    slot: ConnectionSlot,
    connection: Connection,
    /// The last [`Output::Write`] is not completely written and flushed.
    writing: bool,
    describing: Option<Pending<Description>>,
    checking: Option<Pending<bool>>,
    /// Keeps the camera connected from the first `DESCRIBE` until the connection ends.
    lease: Option<Lease>,
    viewer: Option<Viewer>,
    reports: Option<broadcast::Receiver<(SocketAddr, Bytes)>>,
    /// Fires at the deadline of the state machine or earlier, so that it is not reset for each
    /// frame, which moves the deadline.
    timer: Pin<Box<Sleep>>,
}

/// The next input of the state machine.
enum Input {
    Read(io::Result<usize>),
    Written(io::Result<()>),
    Description(Description),
    Password(bool),
    Viewer(Option<ViewerEvent>),
    Report(SocketAddr, Bytes),
    Timeout,
    Shutdown,
}

impl Service for Context {
    const PROTOCOL: &'static str = "RTSP";

    async fn serve(self: Arc<Self>, connection: listener::Connection) {
        let peer = connection.peer;
        match Client::new(connection, self) {
            Ok(client) => client.run().await,
            Err(error) => log_limited!(warn, %peer, %error, "cannot serve an RTSP connection"),
        }
    }
}

impl Client {
    fn new(connection: listener::Connection, context: Arc<Context>) -> io::Result<Self> {
        let listener::Connection {
            stream,
            peer,
            slot,
            shutdown,
        } = connection;
        let local = stream.local_addr()?.ip().to_canonical();
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)?;
        let mut config = ConnectionConfig::new(peer, local);
        config.udp = context.udp.as_ref().map(|pair| pair.ports);
        config.accounts = Arc::clone(&context.accounts);
        config.timeout = context.timeout;
        let local_peer = peer.ip().to_canonical().is_loopback();
        config.allow_plain_passwords = stream.is_tls() || local_peer || context.allow_plain_auth;
        Ok(Self {
            connection: Connection::new(config, Box::new(rng), now()),
            stream,
            peer,
            context,
            shutdown,
            slot,
            writing: false,
            describing: None,
            checking: None,
            lease: None,
            viewer: None,
            reports: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        })
    }

    /// Serves the client until either side closes the connection.
    async fn run(mut self) {
        let peer = self.peer;
        tracing::debug!(%peer, "RTSP connection");
        let mut input = BytesMut::with_capacity(READ);
        match self.serve(&mut input).await {
            Ok(()) => tracing::debug!(%peer, "RTSP connection closed"),
            Err(error) => tracing::debug!(%peer, %error, "RTSP connection lost"),
        }
        if self.viewer.is_some() {
            log_limited!(info, %peer, "RTSP viewer disconnected");
        }
    }

    async fn serve(&mut self, input: &mut BytesMut) -> io::Result<()> {
        loop {
            let mut deadline = self.drain().await;
            // Usually the socket has room. Waiting for it and everything else takes longer.
            while self.writing
                && deadline.is_some()
                && let Poll::Ready(written) = self.try_write().await
            {
                written?;
                self.writing = false;
                self.connection.handle_written(now());
                deadline = self.drain().await;
            }
            let Some(deadline) = deadline else {
                return self.flush().await;
            };
            match self.next(input, deadline).await {
                Input::Read(read) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    self.connection.handle_bytes(now(), input);
                    input.clear();
                }
                Input::Written(written) => {
                    written?;
                    self.writing = false;
                    self.connection.handle_written(now());
                }
                Input::Password(is_right) => {
                    self.checking = None;
                    self.connection.handle_password(now(), is_right);
                }
                Input::Description(described) => {
                    self.describing = None;
                    self.connection.handle_description(now(), described);
                }
                Input::Viewer(Some(ViewerEvent::Frame(frame))) => self.frame(&frame),
                Input::Viewer(Some(_)) => {}
                Input::Viewer(None) => self.connection.close(now()),
                Input::Report(from, report) => {
                    self.connection.handle_rtcp(now(), from, &report);
                }
                Input::Timeout => self.connection.handle_timeout(now()),
                Input::Shutdown => self.connection.close(now()),
            }
            if self.connection.is_authenticated() && self.slot.admit().is_err() {
                let peer = self.peer;
                log_limited!(warn, %peer, "connection closed: too many RTSP connections");
                return Ok(());
            }
        }
    }

    /// Writes without waiting.
    async fn try_write(&mut self) -> Poll<io::Result<()>> {
        poll_fn(|context| {
            let written = poll_write(&mut self.stream, context, self.connection.unwritten());
            Poll::Ready(written)
        })
        .await
    }

    /// Waits for the next input.
    async fn next(&mut self, input: &mut BytesMut, deadline: Instant) -> Input {
        let reads = self.connection.wants_input();
        let views = self.connection.wants_frames();
        let deadline = tokio::time::Instant::from_std(deadline);
        if self.timer.is_elapsed() || deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        tokio::select! {
            moved = transfer(&mut self.stream, self.connection.unwritten(), self.writing, reads.then_some(input)) => moved,
            described = pending(self.describing.as_mut()) => Input::Description(described),
            is_right = pending(self.checking.as_mut()) => Input::Password(is_right),
            event = viewer_event(self.viewer.as_mut()), if views => Input::Viewer(event),
            (from, report) = next_report(&mut self.reports) => Input::Report(from, report),
            () = self.timer.as_mut() => Input::Timeout,
            // It changes once. An error means that the server was dropped.
            _ = self.shutdown.changed() => Input::Shutdown,
        }
    }

    /// Carries out all outputs of the state machine. Returns `None` when the connection has ended.
    async fn drain(&mut self) -> Option<Instant> {
        let mut burst = 0;
        loop {
            let event = match self.connection.poll_output() {
                Output::Timeout(deadline) => return Some(deadline),
                Output::Write(_) => {
                    self.writing = true;
                    continue;
                }
                Output::Datagrams {
                    to,
                    channel,
                    payloads,
                    payload_bytes,
                } => {
                    burst += payloads.len().div_ceil(payload_bytes);
                    if let Some(pair) = &self.context.udp {
                        pair.send(to, channel, payloads, payload_bytes).await;
                    }
                    if burst >= MAX_DATAGRAMS {
                        burst = 0;
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
                Output::Event(event) => event,
            };
            match event {
                Event::Describe { camera } => self.describe(&camera),
                Event::CheckPassword(check) => {
                    let checked = check.run();
                    self.checking = Some(Box::pin(async { checked.await.is_ok() }));
                }
                Event::WrongPassword => {
                    log_limited!(warn, peer = %self.peer, "wrong name or password");
                }
                Event::AudioOmitted { camera, error } => {
                    if self.context.first_without_audio(&camera) {
                        log_limited!(warn, camera, %error, "RTP cannot carry the audio of this camera");
                    }
                }
                Event::Play { camera } => self.play(&camera),
                Event::Stop => self.viewer = None,
                Event::Ended(end) => {
                    tracing::debug!(peer = %self.peer, %end, "closing RTSP connection");
                    return None;
                }
            }
        }
    }

    fn describe(&mut self, name: &str) {
        let camera = self.context.hub.camera(name);
        self.lease = camera.as_ref().map(|camera| camera.lease());
        self.describing = Some(Box::pin(async move {
            let camera = camera.ok_or(DescriptionError::UnknownCamera)?;
            camera.description().await.map_err(|error| {
                log_limited!(info, camera = camera.name(), %error, "cannot describe the camera");
                match error {
                    Error::Closed => DescriptionError::UnknownCamera,
                    _ => DescriptionError::Unavailable,
                }
            })
        }));
    }

    fn play(&mut self, name: &str) {
        let peer = self.peer;
        // The camera may have been removed since it was described.
        self.viewer =
            (self.context.hub.camera(name)).map(|camera| camera.watch(format!("rtsp {peer}")));
        let first = self.viewer.as_ref().and_then(Viewer::next_timestamp);
        if self.connection.uses_udp() {
            self.reports = self.context.udp.as_ref().map(|pair| pair.subscribe());
        }
        log_limited!(info, %peer, camera = name, udp = self.connection.uses_udp(), "RTSP viewer");
        self.connection.handle_playing(now(), first);
    }

    fn frame(&mut self, frame: &LiveFrame) {
        if let Err(error) = self.connection.handle_frame(now(), frame) {
            log_limited!(warn, peer = %self.peer, %error, "frame omitted; further ones are not logged");
        }
    }

    /// Writes the remaining bytes, if the client reads them in time.
    async fn flush(&mut self) -> io::Result<()> {
        let rest = async {
            loop {
                (self.stream)
                    .write_all_buf(self.connection.unwritten())
                    .await?;
                self.stream.flush().await?;
                self.connection.handle_written(now());
                let Output::Write(_) = self.connection.poll_output() else {
                    return self.stream.shutdown().await;
                };
            }
        };
        match tokio::time::timeout(SHUTDOWN_TIMEOUT, rest).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Writes if there is something to write, and reads into `input` if there is one.
async fn transfer(
    stream: &mut Stream,
    unwritten: &mut Unwritten,
    writing: bool,
    mut input: Option<&mut BytesMut>,
) -> Input {
    poll_fn(|context| {
        if writing && let Poll::Ready(written) = poll_write(stream, context, unwritten) {
            return Poll::Ready(Input::Written(written));
        }
        match &mut input {
            Some(input) => pin!(stream.read_buf(input)).poll(context).map(Input::Read),
            None => Poll::Pending,
        }
    })
    .await
}

/// Writes all bytes and flushes them. Payloads are written from where all viewers share them.
fn poll_write(
    stream: &mut Stream,
    context: &mut std::task::Context<'_>,
    unwritten: &mut Unwritten,
) -> Poll<io::Result<()>> {
    while unwritten.has_remaining() {
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let used = unwritten.chunks_vectored(&mut slices);
        let slices = slices.get(..used).unwrap_or_default();
        match ready!(Pin::new(&mut *stream).poll_write_vectored(context, slices))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => unwritten.advance(written),
        }
    }
    Pin::new(stream).poll_flush(context)
}

/// Waits for a future, or forever if there is none.
async fn pending<T>(future: Option<&mut Pending<T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Returns the next event. Without a viewer, the camera was removed.
async fn viewer_event(viewer: Option<&mut Viewer>) -> Option<ViewerEvent> {
    match viewer {
        Some(viewer) => viewer.next_event().await,
        None => None,
    }
}

async fn next_report(
    reports: &mut Option<broadcast::Receiver<(SocketAddr, Bytes)>>,
) -> (SocketAddr, Bytes) {
    loop {
        let Some(receiver) = reports else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(report) => return report,
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => *reports = None,
        }
    }
}
