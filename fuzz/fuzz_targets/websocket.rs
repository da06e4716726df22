//! A WebSocket client of the HTTP server that sends valid, changed and arbitrary frames, reads
//! slowly or not at all, while the camera sends frames. Bytes go through memory instead of sockets,
//! and time passes only when nothing else happens.
//!
//! - The server sends valid frames only: unmasked, with JSON as text, and nothing after a close
//!   frame.
//! - A client that does not read cannot make the server read pings without end.
//! - The connection ends soon after the client is gone, and its viewer with it.
#![no_main]

#[allow(dead_code, reason = "the target `hub` uses all of it")]
mod feed;

use std::net::SocketAddr;
use std::time::Duration;

use arbitrary::Arbitrary;
use axum::Router;
use axum::extract::ConnectInfo;
use feed::Feed;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tutk_serve::{HttpApp, HttpConfig, Hub, KeptLimits};
use tutk_session::{Codec, MediaKind, SupervisorEvent};

/// The bytes that the connection holds in each direction.
const PIPE: usize = 4 << 10;

/// More than the connection, hyper and the WebSocket can buffer.
const MAX_UNREAD: usize = 128 << 10;

/// The time after which a reader or writer counts as blocked. It passes at once.
const BLOCKED: Duration = Duration::from_millis(1);

/// Longer than any timeout of the server.
const LONG: Duration = Duration::from_secs(300);

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    path: Path,
    /// The camera sends video before the client connects.
    has_video: bool,
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Path {
    Live,
    LiveWithCameraAudio,
    Talk,
}

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Frame(Frame<'a>),
    /// Text in the form of a command of `/NAME/talk`.
    Command(Command),
    /// A message in several frames, with a ping in between.
    Fragments(u8, &'a [u8]),
    /// Pings of this size.
    Pings(u8),
    Close(Option<u16>, &'a [u8]),
    Bytes(&'a [u8]),
    Read(u16),
    Seconds(u8),
    /// A group of pictures of the camera.
    Group(u8),
    Audio(u8),
    CameraIdle,
}

#[derive(Debug, Arbitrary)]
enum Command {
    Begin(u32),
    End,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
struct Frame<'a> {
    fin: bool,
    /// The lower three bits.
    reserved: u8,
    /// The lower four bits.
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// Another length than the payload's.
    length: Option<u64>,
    payload: &'a [u8],
}

struct Server {
    runtime: Runtime,
    hub: Hub,
    router: Router,
}

thread_local! {
    static SERVER: Server = Server::new();
}

fuzz_target!(|input: Input<'_>| SERVER.with(|server| server.run(input)));

impl Server {
    fn new() -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let hub = Hub::new();
        let config = HttpConfig::new(([127, 0, 0, 1], 80).into());
        let context = runtime.enter();
        let router = HttpApp::new(hub.clone(), config).router();
        drop(context);
        Self {
            runtime,
            hub,
            router,
        }
    }

    fn run(&self, input: Input<'_>) {
        let kept = KeptLimits {
            bytes: 64 << 10,
            frames: 64,
        };
        let mut feed = Feed::new(&self.hub, kept);
        if input.has_video {
            group(&mut feed, 2);
        }
        self.runtime.block_on(async {
            let (client, stream) = duplex(PIPE);
            let connection = tokio::spawn(serve(self.router.clone(), stream));
            let mut client = Client::connect(client, input.path, input.has_video).await;
            for step in input.steps {
                client.step(step, &mut feed).await;
            }
            drop(client);
            let ended = timeout(LONG, connection).await;
            ended.expect("the connection ends").expect("no panic");
            // A frame shows that the client is gone.
            group(&mut feed, 0);
            sleep(LONG).await;
        });
        // Without a viewer, only the newest group of pictures is kept.
        group(&mut feed, 0);
        assert_eq!(feed.alive.frames(), 1, "a viewer without a client");
        drop(feed);
        let removed = self.runtime.block_on(self.hub.remove(feed::NAME));
        assert!(removed);
    }
}

/// Serves a connection as `HttpServer` does, until it ends or is upgraded.
async fn serve(router: Router, stream: DuplexStream) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // The client may end the connection at any time.
    let _ = serving.await;
}

fn group(feed: &mut Feed, deltas: u8) {
    let (codec, later) = (Some(Codec::H264), Duration::from_millis(50));
    feed.frame(MediaKind::Key, codec, later, 200, false);
    for _ in 0..deltas {
        feed.frame(MediaKind::Delta, codec, later, 20, false);
    }
}

/// The client's end of the connection.
struct Client {
    stream: DuplexStream,
    received: Received,
    /// The bytes of pings that were accepted since the client has read.
    unread: usize,
    /// The client has sent only pings, and the camera sends video. Otherwise the server may close
    /// the WebSocket, and then reads and drops everything for a second.
    stays_open: bool,
}

impl Client {
    async fn connect(mut stream: DuplexStream, path: Path, has_video: bool) -> Self {
        let path = match path {
            Path::Live => "live",
            Path::LiveWithCameraAudio => "live?sound=camera",
            Path::Talk => "talk",
        };
        let request = format!(
            "GET /{}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            feed::NAME
        );
        let written = stream.write_all(request.as_bytes()).await;
        written.expect("an open connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = timeout(LONG, stream.read_u8()).await;
            head.push(byte.expect("a response").expect("a whole response"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        Self {
            stream,
            received: Received::default(),
            unread: 0,
            stays_open: has_video,
        }
    }

    async fn step(&mut self, step: Step<'_>, feed: &mut Feed) {
        self.stays_open &= matches!(step, Step::Pings(_) | Step::Read(_) | Step::Group(_));
        match step {
            Step::Frame(frame) => {
                self.write(&frame.encode()).await;
            }
            Step::Command(command) => {
                let text = match command {
                    Command::Begin(rate) => format!("{{\"type\":\"begin\",\"rate\":{rate}}}"),
                    Command::End => "{\"type\":\"end\"}".to_owned(),
                };
                self.write(&Frame::whole(1, text.as_bytes()).encode()).await;
            }
            Step::Fragments(count, payload) => {
                let mut frame = Frame::whole(2, payload);
                for number in 0..=count {
                    frame.fin = number == count;
                    self.write(&frame.encode()).await;
                    frame.opcode = 0;
                    if number % 16 == 0 {
                        self.write(&Frame::whole(9, b"ping").encode()).await;
                    }
                }
            }
            Step::Pings(len) => self.flood(len).await,
            Step::Close(code, reason) => {
                let code = code.map(u16::to_be_bytes);
                let code = code.as_ref().map_or(&[][..], |code| code);
                let payload = [code, &reason[..reason.len().min(123)]].concat();
                self.write(&Frame::whole(8, &payload).encode()).await;
            }
            Step::Bytes(bytes) => {
                self.write(bytes).await;
            }
            Step::Read(most) => self.read(most.into()).await,
            Step::Seconds(seconds) => sleep(Duration::from_secs(seconds.into())).await,
            Step::Group(deltas) => group(feed, deltas % 16),
            Step::Audio(frames) => {
                for _ in 0..frames % 16 {
                    let later = Duration::from_millis(20);
                    feed.frame(MediaKind::Audio, Some(Codec::Pcma), later, 160, false);
                }
            }
            Step::CameraIdle => feed.event(SupervisorEvent::Idle),
        }
    }

    /// Sends pings with payloads of this size until the server reads no more.
    async fn flood(&mut self, len: u8) {
        let payload = [0x5a; 125];
        let ping = Frame::whole(9, &payload[..usize::from(len % 126)]).encode();
        for _ in 0..2 * MAX_UNREAD / ping.len() {
            let accepted = self.write(&ping).await;
            self.unread += accepted;
            if accepted < ping.len() {
                break;
            }
        }
        let limited = self.unread <= MAX_UNREAD || !self.stays_open;
        assert!(limited, "{} bytes of pings", self.unread);
    }

    /// Writes until the server reads no more, and returns the number of accepted bytes.
    async fn write(&mut self, mut bytes: &[u8]) -> usize {
        let mut accepted = 0;
        while !bytes.is_empty() {
            let Ok(Ok(written)) = timeout(BLOCKED, self.stream.write(bytes)).await else {
                break;
            };
            bytes = &bytes[written..];
            accepted += written;
        }
        accepted
    }

    /// Reads up to `most` bytes that are there.
    async fn read(&mut self, most: usize) {
        self.unread = 0;
        let mut buffer = vec![0; most];
        let mut read = 0;
        while read < most {
            match timeout(BLOCKED, self.stream.read(&mut buffer[read..])).await {
                Ok(Ok(more)) if more > 0 => read += more,
                _ => break,
            }
        }
        self.received.add(&buffer[..read]);
    }
}

impl<'a> Frame<'a> {
    /// A valid frame.
    fn whole(opcode: u8, payload: &'a [u8]) -> Self {
        Self {
            fin: true,
            reserved: 0,
            opcode,
            mask: Some([1, 2, 3, 4]),
            length: None,
            payload,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let first = u8::from(self.fin) << 7 | (self.reserved & 7) << 4 | self.opcode & 15;
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut out = vec![first];
        match self.length.unwrap_or(self.payload.len() as u64) {
            length @ ..126 => out.push(masked | length as u8),
            length @ ..0x1_0000 => {
                out.push(masked | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(masked | 127);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        out.extend_from_slice(self.mask.as_ref().map_or(&[][..], |mask| mask));
        let payload = self.payload.iter().zip(mask.iter().cycle());
        out.extend(payload.map(|(byte, mask)| byte ^ mask));
        out
    }
}

/// What the server has sent after the handshake.
#[derive(Default)]
struct Received {
    bytes: Vec<u8>,
    closed: bool,
}

impl Received {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(length) = self.check_frame() {
            self.bytes.drain(..length);
        }
    }

    /// Checks the first frame and returns its length, if it is complete.
    fn check_frame(&mut self) -> Option<usize> {
        let (&[first, second], rest) = self.bytes.split_first_chunk()?;
        let (length, rest) = match second {
            126 => {
                let (length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk()?;
                let length = u64::from_be_bytes(*length);
                (usize::try_from(length).expect("a short frame"), rest)
            }
            length => {
                assert!(length < 126, "a masked frame");
                (usize::from(length), rest)
            }
        };
        let payload = rest.get(..length)?;
        assert!(!self.closed, "a frame after the close frame");
        assert_eq!(first & 0xf0, 0x80, "a fragment or a reserved bit");
        match first & 15 {
            1 => {
                let json: Result<serde_json::Value, _> = serde_json::from_slice(payload);
                assert!(json.is_ok_and(|json| json["type"].is_string()));
            }
            2 => {}
            8 => {
                self.closed = true;
                if let Some((code, reason)) = payload.split_first_chunk() {
                    let code = u16::from_be_bytes(*code);
                    // RFC 6455 section 7.4. The server repeats the code of the client.
                    let valid = matches!(code, 1_000..=1_003 | 1_007..=1_014 | 3_000..=4_999);
                    assert!(valid, "close code {code}");
                    assert!(std::str::from_utf8(reason).is_ok());
                }
            }
            9 | 10 => assert!(length <= 125),
            opcode => panic!("opcode {opcode}"),
        }
        Some(self.bytes.len() - rest.len() + length)
    }
}
