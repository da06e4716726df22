//! Viewers that come and go: RTSP over TCP and UDP, MP4 and MPEG-TS over HTTP, WebSockets, events,
//! snapshots, and viewers that do not read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Client, Response, Upgraded};
use retina::client::{
    Credentials, Demuxed, PlayOptions, Session, SessionOptions, SetupOptions, Transport,
};
use retina::codec::{CodecItem, FrameFormat};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::camera::Camera;
use crate::service::{PASSWORD, USER};
use crate::{LIMIT, Result, lock};

/// The longest time that a request may take. A stream of a camera that is down is refused earlier.
const REQUEST: Duration = Duration::from_secs(20);

/// The interval at which a viewer without frames checks its deadline.
const CHECK: Duration = Duration::from_millis(500);

/// The longest time without an event or a keep-alive comment, which is sent every 15 s.
const EVENTS: Duration = Duration::from_secs(30);

/// The time without reading after which the server closes a connection.
const IDLE: Duration = Duration::from_secs(30);

/// A kind of viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    RtspTcp,
    RtspUdp,
    Mp4,
    Ts,
    WebSocket,
    Events,
    Snapshot,
}

const KINDS: [Kind; 7] = [
    Kind::RtspTcp,
    Kind::RtspUdp,
    Kind::Mp4,
    Kind::Ts,
    Kind::WebSocket,
    Kind::Events,
    Kind::Snapshot,
];

/// What the viewers of one kind received.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub viewers: u64,
    /// Frames, events or snapshots.
    pub items: u64,
    /// Connections that the server closed or refused.
    pub ended: u64,
    /// The times to the first frame after the start of the viewer or of the camera.
    pub waits: Vec<Duration>,
}

/// The results of all viewers.
#[derive(Debug, Default)]
pub struct Totals {
    pub kinds: BTreeMap<Kind, Received>,
    pub problems: Vec<String>,
    /// Viewers that did not read, those of them that the run lasted long enough for, and those that
    /// the server closed.
    pub slow: [u64; 3],
}

/// What every viewer needs.
#[derive(Debug)]
pub struct Context {
    pub http: String,
    pub rtsp: String,
    pub client: Client,
    pub cameras: Vec<Arc<Camera>>,
    pub totals: Mutex<Totals>,
    pub until: Instant,
}

impl Kind {
    /// Returns the name for the table.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::RtspTcp => "RTSP over TCP",
            Self::RtspUdp => "RTSP over UDP",
            Self::Mp4 => "MP4 over HTTP",
            Self::Ts => "MPEG-TS over HTTP",
            Self::WebSocket => "MP4 over WebSocket",
            Self::Events => "server-sent events",
            Self::Snapshot => "snapshots",
        }
    }
}

/// An open stream.
enum Stream {
    Rtsp(Box<Demuxed>),
    Http(Response),
    WebSocket(Box<WebSocketStream<Upgraded>>),
}

impl Stream {
    /// Returns `Some` for a frame, or a part of a stream, and `None` at the end.
    async fn next(&mut self) -> Option<()> {
        match self {
            Self::Rtsp(session) => loop {
                if let CodecItem::VideoFrame(_) = session.next().await?.ok()? {
                    return Some(());
                }
            },
            Self::Http(response) => response.chunk().await.ok()?.map(|_| ()),
            Self::WebSocket(socket) => loop {
                match socket.next().await?.ok()? {
                    Message::Binary(_) => return Some(()),
                    Message::Close(_) => return None,
                    _ => {}
                }
            },
        }
    }
}

impl Context {
    fn add(&self, kind: Kind, change: impl FnOnce(&mut Received)) {
        change(lock(&self.totals).kinds.entry(kind).or_default());
    }

    fn problem(&self, text: String) {
        lock(&self.totals).problems.push(text);
    }

    async fn open(&self, kind: Kind, name: &str) -> Result<Stream> {
        let http = |path: &str| self.get(format!("{}{name}/{path}", self.http));
        match kind {
            Kind::RtspTcp => self.rtsp(name, Transport::Tcp(Default::default())).await,
            Kind::RtspUdp => self.rtsp(name, Transport::Udp(Default::default())).await,
            Kind::Ts => Ok(Stream::Http(http("stream.ts").await?)),
            Kind::Events => {
                let events = self.get(format!("{}api/events", self.http)).await?;
                Ok(Stream::Http(events))
            }
            Kind::Mp4 | Kind::Snapshot => Ok(Stream::Http(http("stream.mp4").await?)),
            Kind::WebSocket => self.web_socket(name).await,
        }
    }

    async fn get(&self, url: String) -> Result<Response> {
        let request = self.client.get(url).basic_auth(USER, Some(PASSWORD));
        Ok(request.send().await?.error_for_status()?)
    }

    async fn rtsp(&self, name: &str, transport: Transport) -> Result<Stream> {
        let url = format!("{}{name}", self.rtsp).parse()?;
        let credentials = Credentials {
            username: USER.into(),
            password: PASSWORD.into(),
        };
        let options = SessionOptions::default().creds(Some(credentials));
        let mut session = Session::describe(url, options).await?;
        for stream in 0..session.streams().len() {
            let setup = SetupOptions::default().transport(transport.clone());
            let setup = setup.frame_format(FrameFormat::SIMPLE);
            session.setup(stream, setup).await?;
        }
        let session = session.play(PlayOptions::default()).await?;
        Ok(Stream::Rtsp(Box::new(session.demuxed()?)))
    }

    async fn web_socket(&self, name: &str) -> Result<Stream> {
        let request = self.client.get(format!("{}{name}/live", self.http));
        let request = request
            .basic_auth(USER, Some(PASSWORD))
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let upgraded = request.send().await?.error_for_status()?.upgrade().await?;
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        Ok(Stream::WebSocket(Box::new(socket)))
    }
}

/// Starts viewers one after the other, until the end of the run.
pub async fn come_and_go(context: Arc<Context>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    while Instant::now() < context.until {
        let (Some(kind), Some(camera)) = (KINDS.choose(&mut rng), context.cameras.choose(&mut rng))
        else {
            return;
        };
        // There is no decoder of H.265.
        if *kind == Kind::Snapshot && camera.model.h265 {
            continue;
        }
        let stay = rng.random_range(Duration::from_secs(2)..Duration::from_secs(40));
        let until = (Instant::now() + stay).min(context.until);
        context.add(*kind, |received| received.viewers += 1);
        match kind {
            Kind::Snapshot => snapshot(&context, camera).await,
            Kind::Events => events(&context, until).await,
            _ => watch(&context, *kind, camera, until).await,
        }
        sleep(rng.random_range(Duration::from_millis(50)..Duration::from_secs(2))).await;
    }
}

/// Watches a camera, and opens the stream again when it ends.
async fn watch(context: &Context, kind: Kind, camera: &Camera, until: Instant) {
    let name = camera.model.name;
    let begun = Instant::now();
    let mut last: Option<Instant> = None;
    let mut late = false;
    // Since when frames are due.
    let due = |last: Option<Instant>| {
        let (since, _) = camera.available_since()?;
        Some(since.max(last.unwrap_or(begun)))
    };
    let mut check = |last| {
        if let Some(due) = due(last)
            && due.elapsed() > LIMIT
            && !late
        {
            late = true;
            let (text, limit) = (kind.text(), LIMIT.as_secs());
            context.problem(format!("{text} of {name}: no frame for {limit} s"));
        }
    };
    while Instant::now() < until {
        let mut stream = match timeout(REQUEST, context.open(kind, name)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => {
                context.add(kind, |received| received.ended += 1);
                check(last);
                sleep(CHECK).await;
                continue;
            }
        };
        while Instant::now() < until {
            match timeout(CHECK, stream.next()).await {
                Ok(Some(())) => {
                    let is_first = match (last, camera.available_since()) {
                        (None, _) => true,
                        (Some(last), Some((since, _))) => last < since,
                        (Some(_), None) => false,
                    };
                    let wait = due(last).filter(|_| is_first).map(|due| due.elapsed());
                    last = Some(Instant::now());
                    context.add(kind, |received| {
                        received.items += 1;
                        received.waits.extend(wait);
                    });
                }
                Ok(None) => {
                    context.add(kind, |received| received.ended += 1);
                    break;
                }
                Err(_) => check(last),
            }
        }
    }
}

/// Requests a picture. A camera that is down has none.
async fn snapshot(context: &Context, camera: &Camera) {
    let name = camera.model.name;
    match timeout(REQUEST, picture(context, name)).await {
        Ok(Ok(true)) => context.add(Kind::Snapshot, |received| received.items += 1),
        Ok(Ok(false)) => context.problem(format!("{name}: a snapshot is not complete")),
        Ok(Err(_)) => context.add(Kind::Snapshot, |received| received.ended += 1),
        Err(_) => context.problem(format!("{name}: no answer to a request for a snapshot")),
    }
}

/// Returns `true` for a complete JPEG file.
async fn picture(context: &Context, name: &str) -> Result<bool> {
    let url = format!("{}{name}/snapshot.jpg", context.http);
    let picture = context.get(url).await?.bytes().await?;
    Ok(picture.ends_with(&[0xff, 0xd9]))
}

async fn events(context: &Context, until: Instant) {
    let mut stream = match timeout(REQUEST, context.open(Kind::Events, "")).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return context.problem(format!("events: {error}")),
        Err(_) => return context.problem("events: no answer".to_owned()),
    };
    let mut last = Instant::now();
    while Instant::now() < until {
        match timeout(CHECK, stream.next()).await {
            Ok(Some(())) => {
                last = Instant::now();
                context.add(Kind::Events, |received| received.items += 1);
            }
            Ok(None) => return context.problem("events: the stream ended".to_owned()),
            Err(_) if last.elapsed() > EVENTS => {
                return context.problem(format!("events: nothing for {} s", EVENTS.as_secs()));
            }
            Err(_) => {}
        }
    }
}

/// Requests a stream and reads nothing. The server closes the connection. Before the end of a short
/// run, it is closed here.
pub async fn read_nothing(context: Arc<Context>, camera: Arc<Camera>) {
    lock(&context.totals).slow[0] += 1;
    let closed = ignore_stream(&context, &camera);
    let left = context.until.saturating_duration_since(Instant::now());
    let Ok(result) = timeout(left, closed).await else {
        return;
    };
    lock(&context.totals).slow[1] += 1;
    match result {
        Ok(true) => lock(&context.totals).slow[2] += 1,
        Ok(false) => context.problem("a viewer that does not read is not closed".to_owned()),
        Err(error) => context.problem(format!("a viewer that does not read: {error}")),
    }
}

/// Returns `true` if the server closes a connection on which nothing is read.
async fn ignore_stream(context: &Context, camera: &Camera) -> Result<bool> {
    let host = context.http.trim_start_matches("http://");
    let host = host.trim_end_matches('/');
    let socket = TcpSocket::new_v4()?;
    // The server soon cannot write.
    socket.set_recv_buffer_size(4 << 10)?;
    let mut stream = socket.connect(host.parse()?).await?;
    let request = context
        .client
        .get(format!("{}{}/stream.mp4", context.http, camera.model.name))
        .basic_auth(USER, Some(PASSWORD))
        .build()?;
    let authorization = request.headers().get("authorization");
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let head = format!(
        "GET /{}/stream.mp4 HTTP/1.1\r\nHost: {host}\r\nAuthorization: {}\r\n\r\n",
        camera.model.name,
        authorization.unwrap_or_default(),
    );
    stream.write_all(head.as_bytes()).await?;
    // The buffers of the kernel take the stream for about a minute.
    sleep(IDLE * 5).await;
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    Ok(read.is_ok())
}
