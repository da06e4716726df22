//! One client's connection: it joins the state machine with sockets, the clock, and a viewer of the hub.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};

use super::Context;
use super::udp::{BURST, PAUSE};
use crate::error::Error;
use crate::hub::{Lease, LiveFrame, StreamDescription, Viewer, ViewerEvent};
use crate::rtsp::{Connection, ConnectionConfig, Event, Output, Undescribed};

/// Bytes that are read at once.
const READ: usize = 4 << 10;

/// What a camera shows, as soon as that is known.
type Describing = Pin<Box<dyn Future<Output = Result<Arc<StreamDescription>, Undescribed>> + Send>>;

pub(super) struct Client {
    stream: TcpStream,
    peer: SocketAddr,
    context: Arc<Context>,
    stopping: watch::Receiver<bool>,
    connection: Connection,
    /// What goes to the client, as far as it is not written yet.
    writing: Bytes,
    describing: Option<Describing>,
    /// The camera stays up from the first question on until the connection ends.
    lease: Option<Lease>,
    viewer: Option<Viewer>,
    reports: Option<broadcast::Receiver<(SocketAddr, Bytes)>>,
}

/// What there is to be done next.
enum Next {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Described(Result<Arc<StreamDescription>, Undescribed>),
    Viewed(Option<ViewerEvent>),
    Report(SocketAddr, Bytes),
    Timeout,
    Stop,
}

impl Client {
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        context: Arc<Context>,
        stopping: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?.ip().to_canonical();
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(io::Error::other)?;
        let mut config = ConnectionConfig::new(peer, local);
        config.udp = context.udp.as_ref().map(|pair| pair.ports);
        config.accounts = Arc::clone(&context.accounts);
        config.timeout = context.timeout;
        Ok(Self {
            connection: Connection::new(config, Box::new(rng), now()),
            stream,
            peer,
            context,
            stopping,
            writing: Bytes::new(),
            describing: None,
            lease: None,
            viewer: None,
            reports: None,
        })
    }

    /// Until either side ends it.
    pub(super) async fn run(mut self) {
        let peer = self.peer;
        tracing::debug!(%peer, "RTSP connection");
        let mut input = BytesMut::with_capacity(READ);
        match self.serve(&mut input).await {
            Ok(()) => tracing::debug!(%peer, "RTSP connection closed"),
            Err(error) => tracing::debug!(%peer, %error, "RTSP connection lost"),
        }
        if self.viewer.is_some() {
            tracing::info!(%peer, "RTSP viewer left");
        }
    }

    async fn serve(&mut self, input: &mut BytesMut) -> io::Result<()> {
        loop {
            let Some(deadline) = self.drain().await else {
                return self.farewell().await;
            };
            match self.next(input, deadline).await {
                Next::Read(read) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    let before = self.connection.wrong_passwords();
                    self.connection.handle_bytes(now(), input);
                    input.clear();
                    for _ in before..self.connection.wrong_passwords() {
                        let peer = self.peer;
                        self.context.failures.failed(Some(peer.ip()));
                        tracing::warn!(%peer, "a wrong name or password");
                    }
                }
                Next::Written(written) => {
                    self.writing.advance(written?);
                    if self.writing.is_empty() {
                        self.connection.handle_written(now());
                    }
                }
                Next::Described(described) => {
                    self.describing = None;
                    self.connection.handle_description(now(), described);
                }
                Next::Viewed(Some(ViewerEvent::Frame(frame))) => self.frame(&frame),
                Next::Viewed(Some(_)) => {}
                Next::Viewed(None) => self.connection.handle_end(now()),
                Next::Report(from, report) => {
                    self.connection.handle_rtcp(now(), from, &report);
                }
                Next::Timeout => self.connection.handle_timeout(now()),
                Next::Stop => self.connection.handle_end(now()),
            }
        }
    }

    /// Waits for whatever comes first.
    async fn next(&mut self, input: &mut BytesMut, deadline: Instant) -> Next {
        let (mut reader, mut writer) = self.stream.split();
        let writes = !self.writing.is_empty();
        let reads = self.connection.wants_input();
        let views = self.connection.wants_frames();
        tokio::select! {
            written = writer.write(&self.writing), if writes => Next::Written(written),
            read = reader.read_buf(input), if reads => Next::Read(read),
            described = described(self.describing.as_mut()) => Next::Described(described),
            viewed = viewed(self.viewer.as_mut()), if views => Next::Viewed(viewed),
            (from, report) = reported(&mut self.reports) => Next::Report(from, report),
            () = tokio::time::sleep_until(deadline.into()) => Next::Timeout,
            // It changes once; an error says that the server is gone.
            _ = self.stopping.changed() => Next::Stop,
        }
    }

    /// Does all that the connection wants; `None` when it is over.
    async fn drain(&mut self) -> Option<Instant> {
        let mut burst = 0;
        loop {
            let event = match self.connection.poll_output() {
                Output::Timeout(deadline) => return Some(deadline),
                Output::Write(bytes) => {
                    self.writing = bytes;
                    continue;
                }
                Output::Datagram {
                    to,
                    channel,
                    payload,
                } => {
                    if let Some(pair) = &self.context.udp {
                        pair.send(to, channel, payload).await;
                    }
                    burst += 1;
                    if burst % BURST == 0 {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
                Output::Event(event) => event,
            };
            match event {
                Event::Describe { camera } => self.describe(&camera),
                Event::SoundLeftOut { camera, error } => {
                    if self.context.first_time_silent(&camera) {
                        tracing::warn!(camera, %error, "no sound over RTSP");
                    }
                }
                Event::Play { camera } => self.play(&camera),
                Event::Stop => self.viewer = None,
                Event::Ended(end) => {
                    tracing::debug!(peer = %self.peer, %end, "RTSP connection ends");
                    return None;
                }
            }
        }
    }

    fn describe(&mut self, name: &str) {
        let camera = self.context.hub.camera(name);
        self.lease = camera.as_ref().map(|camera| camera.lease());
        self.describing = Some(Box::pin(async move {
            let camera = camera.ok_or(Undescribed::Unknown)?;
            camera.description().await.map_err(|error| {
                tracing::info!(camera = camera.name(), %error, "nothing to describe");
                match error {
                    Error::Closed => Undescribed::Unknown,
                    _ => Undescribed::Unavailable,
                }
            })
        }));
    }

    fn play(&mut self, name: &str) {
        let peer = self.peer;
        // It may be served no more since it was described.
        self.viewer =
            (self.context.hub.camera(name)).map(|camera| camera.watch(format!("rtsp {peer}")));
        let first = self.viewer.as_ref().and_then(Viewer::next_timestamp);
        if self.connection.uses_udp() {
            self.reports = self.context.udp.as_ref().map(|pair| pair.listen());
        }
        tracing::info!(%peer, camera = name, udp = self.connection.uses_udp(), "RTSP viewer");
        self.connection.handle_playing(now(), first);
    }

    fn frame(&mut self, frame: &LiveFrame) {
        if let Err(error) = self.connection.handle_frame(now(), frame) {
            tracing::warn!(peer = %self.peer, %error, "a frame was left out, and others may be");
        }
    }

    /// Writes what is left, if the client takes it.
    async fn farewell(&mut self) -> io::Result<()> {
        let rest = async {
            loop {
                self.stream.write_all(&self.writing).await?;
                self.connection.handle_written(now());
                let Output::Write(bytes) = self.connection.poll_output() else {
                    return self.stream.shutdown().await;
                };
                self.writing = bytes;
            }
        };
        match tokio::time::timeout(super::FAREWELL, rest).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// By tokio's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn described(
    describing: Option<&mut Describing>,
) -> Result<Arc<StreamDescription>, Undescribed> {
    match describing {
        Some(describing) => describing.await,
        None => std::future::pending().await,
    }
}

/// What the viewer is told. Without one, the camera is served no more.
async fn viewed(viewer: Option<&mut Viewer>) -> Option<ViewerEvent> {
    match viewer {
        Some(viewer) => viewer.next_event().await,
        None => None,
    }
}

async fn reported(
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
