//! A client that sends what a test says, and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Deref;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{Camera, CameraSettings, HttpConfig, HttpServer, Hub};

use crate::common::{self, loopback, patient};

/// A camera, named `front`, and HTTP for it.
pub(crate) struct Served {
    pub(crate) camera: SimulatedCamera,
    pub(crate) hub: Hub,
    pub(crate) front: Camera,
    pub(crate) http: HttpServer,
}

/// An answer: its head, and its body as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: Vec<u8>,
}

/// An answer whose body is still on its way.
pub(crate) struct Stream {
    answer: Answer,
    tcp: TcpStream,
    /// What was received and not read yet.
    held: Vec<u8>,
}

/// What a WebSocket says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Json(Value),
    Binary(Vec<u8>),
    Closed(u16, String),
    /// Without a word.
    Gone,
}

pub(crate) struct Socket(WebSocketStream<TcpStream>);

/// The header of HTTP Basic.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let said = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {said}\r\n")
}

impl Served {
    pub(crate) async fn start(config: SimulatorConfig) -> Self {
        Self::with(config, |_| {}, |_| {}).await
    }

    pub(crate) async fn with(
        config: SimulatorConfig,
        settings: impl FnOnce(&mut CameraSettings),
        http: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        Self::of(common::served(config), settings, http).await
    }

    pub(crate) async fn of(
        camera: SimulatedCamera,
        settings: impl FnOnce(&mut CameraSettings),
        http: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let mut with = common::settings(&camera);
        settings(&mut with);
        let (hub, front) = common::hub(with);
        let mut config = HttpConfig::new(loopback());
        http(&mut config);
        let http = HttpServer::start(hub.clone(), config).await.unwrap();
        Self {
            camera,
            hub,
            front,
            http,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// An answer to a request, read to its end.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    /// JSON to a control.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let headers = "Content-Type: application/json\r\n";
        self.send("POST", path, headers, body).await
    }

    /// `headers` end in line ends.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.open(method, path, headers, body).await.all().await
    }

    pub(crate) async fn open(&self, method: &str, path: &str, headers: &str, body: &str) -> Stream {
        let host = self.address();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{length}\r\n{body}"
        );
        Stream::open(host, &request).await
    }

    pub(crate) async fn stream(&self, path: &str) -> Stream {
        let stream = self.open("GET", path, "", "").await;
        match stream.status {
            200 => stream,
            status => panic!("{status} {}", stream.all().await.text()),
        }
    }

    pub(crate) async fn socket(&self, path: &str) -> Socket {
        match Socket::open(self.address(), path, "").await {
            Ok(socket) => socket,
            Err(answer) => panic!("{} {}", answer.status, answer.text()),
        }
    }

    /// Ends it all.
    pub(crate) async fn close(self) {
        self.hub.close().await;
        self.http.close().await;
    }
}

impl Stream {
    pub(crate) async fn open(address: SocketAddr, request: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), request).await
    }

    pub(crate) async fn over(mut tcp: TcpStream, request: &str) -> Self {
        // Nothing waits for the system's own timers: tests' clocks do not stop for them.
        tcp.set_nodelay(true).unwrap();
        // One that is refused may be so before all was sent.
        let _ = tcp.write_all(request.as_bytes()).await;
        Self::read(tcp).await
    }

    /// The head of an answer.
    pub(crate) async fn read(tcp: TcpStream) -> Self {
        let mut stream = Self {
            answer: Answer::default(),
            tcp,
            held: Vec::new(),
        };
        let end = loop {
            let found = stream.held.windows(4).position(|four| four == b"\r\n\r\n");
            if let Some(found) = found {
                break found;
            }
            if !stream.more().await {
                return stream;
            }
        };
        let rest = stream.held.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut stream.held, rest)).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        stream.answer.status = status.parse().unwrap();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name = name.to_ascii_lowercase();
            let values = stream.answer.headers.entry(name).or_default();
            values.push(value.to_owned());
        }
        stream
    }

    /// Whether more came.
    async fn more(&mut self) -> bool {
        let read = patient(self.tcp.read_buf(&mut self.held)).await;
        matches!(read, Ok(1..))
    }

    /// The next part of the body; `None` at its proper end.
    pub(crate) async fn part(&mut self) -> Option<Vec<u8>> {
        if self.answer.header("transfer-encoding") != Some("chunked") {
            while self.more().await {}
            return Some(std::mem::take(&mut self.held)).filter(|held| !held.is_empty());
        }
        let line = loop {
            let found = self.held.windows(2).position(|two| two == b"\r\n");
            match found {
                Some(found) => break found,
                None => assert!(self.more().await, "it was cut off"),
            }
        };
        let size = std::str::from_utf8(&self.held[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        while self.held.len() < line + 4 + size {
            assert!(self.more().await, "it was cut off");
        }
        let part = self.held[line + 2..line + 2 + size].to_vec();
        self.held.drain(..line + 4 + size);
        (size > 0).then_some(part)
    }

    /// Parts until there are so many bytes, at least.
    pub(crate) async fn bytes(&mut self, least: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < least {
            bytes.extend(self.part().await.unwrap());
        }
        bytes
    }

    pub(crate) async fn all(mut self) -> Answer {
        if self.answer.status == 0 {
            return self.answer;
        }
        while let Some(part) = self.part().await {
            self.answer.body.extend(part);
        }
        self.answer
    }
}

impl Deref for Stream {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.first().map(String::as_str)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What is wrong, after a look at the rest.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        assert!(json["allowed"].is_array(), "{json}");
        assert!(!json["advice"].as_str().unwrap().is_empty(), "{json}");
        json["error"].as_str().unwrap().to_owned()
    }

    pub(crate) fn allowed(&self) -> Vec<String> {
        serde_json::from_value(self.json()["allowed"].clone()).unwrap()
    }
}

impl Socket {
    /// `headers` end in line ends. The answer, if it is no WebSocket.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<Self, Answer> {
        let tcp = TcpStream::connect(address).await.unwrap();
        Self::over(tcp, address, path, headers).await
    }

    /// One that stalls soon if it takes nothing.
    pub(crate) async fn narrow(address: SocketAddr, path: &str) -> Self {
        let opened = Self::over(common::narrow(address).await, address, path, "").await;
        opened.ok().unwrap()
    }

    async fn over(
        tcp: TcpStream,
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<Self, Answer> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        let stream = Stream::over(tcp, &request).await;
        if stream.status != 101 {
            return Err(stream.all().await);
        }
        assert_eq!(
            stream.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        let Stream { tcp, held, .. } = stream;
        let stream = WebSocketStream::from_partially_read(tcp, held, Role::Client, None).await;
        Ok(Self(stream))
    }

    pub(crate) async fn next(&mut self) -> Said {
        loop {
            match patient(self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return Said::Json(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Binary(bytes))) => return Said::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    // The answer to it.
                    let _ = self.0.flush().await;
                    return Said::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Said::Gone,
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        match self.next().await {
            Said::Json(json) => json,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.message(Message::text(text)).await;
    }

    pub(crate) async fn binary(&mut self, bytes: Vec<u8>) {
        self.message(Message::binary(bytes)).await;
    }

    async fn message(&mut self, message: Message) {
        // Who is gone is found out by what comes.
        let _ = patient(self.0.send(message)).await;
    }

    /// The error that it ends with, and the close code.
    pub(crate) async fn failure(&mut self) -> (Value, u16) {
        loop {
            match self.next().await {
                Said::Json(json) if json["type"] == "error" => {
                    let Said::Closed(code, reason) = self.next().await else {
                        panic!("no close frame");
                    };
                    assert!(json["error"].as_str().unwrap().starts_with(&reason));
                    assert_eq!(json["status"], code - 4_000);
                    return (json, code);
                }
                Said::Json(_) | Said::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
