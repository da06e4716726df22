//! An HTTP and WebSocket client that sends exactly what a test specifies.

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

use crate::common::{self, loopback, with_timeout};

/// A simulated camera, a hub that serves it as `front`, and the HTTP server.
pub(crate) struct TestServer {
    pub(crate) camera: SimulatedCamera,
    pub(crate) hub: Hub,
    pub(crate) front: Camera,
    pub(crate) http: HttpServer,
}

/// A response, with the body as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, Vec<String>>,
    pub(crate) body: Vec<u8>,
}

/// A response whose body is being received.
pub(crate) struct StreamingResponse {
    response: Response,
    tcp: TcpStream,
    /// Received bytes that were not returned yet.
    unread: Vec<u8>,
}

/// A message that a WebSocket received.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum WebSocketMessage {
    Json(Value),
    Binary(Vec<u8>),
    Closed(u16, String),
    /// Closed without a close frame.
    Disconnected,
}

pub(crate) struct WebSocket(WebSocketStream<TcpStream>);

/// Returns a header for Basic authentication.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let credentials = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {credentials}\r\n")
}

impl TestServer {
    pub(crate) async fn start(config: SimulatorConfig) -> Self {
        Self::with(config, |_| {}, |_| {}).await
    }

    pub(crate) async fn with(
        config: SimulatorConfig,
        settings: impl FnOnce(&mut CameraSettings),
        http: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        Self::for_camera(common::start_camera(config), settings, http).await
    }

    pub(crate) async fn for_camera(
        camera: SimulatedCamera,
        settings: impl FnOnce(&mut CameraSettings),
        http: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let mut camera_settings = common::settings(&camera);
        settings(&mut camera_settings);
        let (hub, front) = common::hub_with_camera(camera_settings);
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

    /// Starts a server for a camera that does not answer. Returns the address that the camera is
    /// expected at.
    pub(crate) async fn without_camera() -> (Self, SocketAddr) {
        let config = common::camera_config(common::H264, common::FPS);
        let absent = common::start_camera(config.clone());
        let address = absent.local_addr();
        absent.close().await;
        let server = Self::with(config, |settings| settings.client.camera = address, |_| {}).await;
        (server, address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.http.local_addr()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        get(self.address(), path).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        let headers = "Content-Type: application/json\r\n";
        self.send("POST", path, headers, body).await
    }

    /// Each header must end with CR LF.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Response {
        self.open(method, path, headers, body)
            .await
            .read_all()
            .await
    }

    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> StreamingResponse {
        let host = self.address();
        let length = match body.len() {
            0 => String::new(),
            length => format!("Content-Length: {length}\r\n"),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}{length}\r\n{body}"
        );
        StreamingResponse::open(host, &request).await
    }

    pub(crate) async fn stream(&self, path: &str) -> StreamingResponse {
        let stream = self.open("GET", path, "", "").await;
        match stream.status {
            200 => stream,
            status => panic!("{status} {}", stream.read_all().await.text()),
        }
    }

    pub(crate) async fn websocket(&self, path: &str) -> WebSocket {
        match WebSocket::open(self.address(), path, "").await {
            Ok(socket) => socket,
            Err(response) => panic!("{} {}", response.status, response.text()),
        }
    }

    pub(crate) async fn close(self) {
        self.hub.close().await;
        self.http.close().await;
    }
}

/// Sends a GET request, and reads the whole response.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    StreamingResponse::open(address, &request)
        .await
        .read_all()
        .await
}

impl StreamingResponse {
    pub(crate) async fn open(address: SocketAddr, request: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), request).await
    }

    pub(crate) async fn over(mut tcp: TcpStream, request: &str) -> Self {
        // A timer of the kernel would let a paused clock jump ahead.
        tcp.set_nodelay(true).unwrap();
        // The server may refuse the request before it has read all of it.
        let _ = tcp.write_all(request.as_bytes()).await;
        Self::read(tcp).await
    }

    /// Reads the head of a response. The status is 0 if the connection is closed before its end.
    pub(crate) async fn read(tcp: TcpStream) -> Self {
        let mut stream = Self {
            response: Response::default(),
            tcp,
            unread: Vec::new(),
        };
        let end = loop {
            let found = stream
                .unread
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            if let Some(found) = found {
                break found;
            }
            if !stream.receive().await {
                return stream;
            }
        };
        let rest = stream.unread.split_off(end + 4);
        let head = String::from_utf8(std::mem::replace(&mut stream.unread, rest)).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        stream.response.status = status.parse().unwrap();
        for line in lines.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name = name.to_ascii_lowercase();
            let values = stream.response.headers.entry(name).or_default();
            values.push(value.to_owned());
        }
        stream
    }

    /// Returns `false` at the end of the connection.
    async fn receive(&mut self) -> bool {
        let read = with_timeout(self.tcp.read_buf(&mut self.unread)).await;
        matches!(read, Ok(1..))
    }

    /// Returns the next chunk of the body, or `None` at its end. A body without chunks is one
    /// chunk.
    pub(crate) async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        if self.response.header("transfer-encoding") != Some("chunked") {
            while self.receive().await {}
            return Some(std::mem::take(&mut self.unread)).filter(|unread| !unread.is_empty());
        }
        let line = loop {
            let found = self.unread.windows(2).position(|window| window == b"\r\n");
            match found {
                Some(found) => break found,
                None => assert!(self.receive().await, "the body is incomplete"),
            }
        };
        let size = std::str::from_utf8(&self.unread[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        while self.unread.len() < line + 4 + size {
            assert!(self.receive().await, "the body is incomplete");
        }
        let chunk = self.unread[line + 2..line + 2 + size].to_vec();
        self.unread.drain(..line + 4 + size);
        (size > 0).then_some(chunk)
    }

    /// Reads at least this many bytes of the body, in whole chunks.
    pub(crate) async fn read_at_least(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend(self.next_chunk().await.unwrap());
        }
        bytes
    }

    pub(crate) async fn read_all(mut self) -> Response {
        if self.response.status == 0 {
            return self.response;
        }
        while let Some(chunk) = self.next_chunk().await {
            self.response.body.extend(chunk);
        }
        self.response
    }
}

impl Deref for StreamingResponse {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.response
    }
}

impl Response {
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

    /// Checks the format of an error response, and returns the error.
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

impl WebSocket {
    /// Each header must end with CR LF. Returns the response if the server refuses the upgrade.
    pub(crate) async fn open(
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<Self, Response> {
        let tcp = TcpStream::connect(address).await.unwrap();
        Self::over(tcp, address, path, headers).await
    }

    /// Connects with a small receive buffer: the server soon cannot write.
    pub(crate) async fn connect_with_small_buffer(address: SocketAddr, path: &str) -> Self {
        let opened = Self::over(
            common::connect_with_small_buffer(address).await,
            address,
            path,
            "",
        )
        .await;
        opened.ok().unwrap()
    }

    async fn over(
        tcp: TcpStream,
        address: SocketAddr,
        path: &str,
        headers: &str,
    ) -> Result<Self, Response> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        let stream = StreamingResponse::over(tcp, &request).await;
        if stream.status != 101 {
            return Err(stream.read_all().await);
        }
        assert_eq!(
            stream.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        let StreamingResponse { tcp, unread, .. } = stream;
        let stream = WebSocketStream::from_partially_read(tcp, unread, Role::Client, None).await;
        Ok(Self(stream))
    }

    pub(crate) async fn next(&mut self) -> WebSocketMessage {
        loop {
            match with_timeout(self.0.next()).await {
                Some(Ok(Message::Text(text))) => {
                    return WebSocketMessage::Json(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Binary(bytes))) => {
                    return WebSocketMessage::Binary(bytes.to_vec());
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Sends the close frame in response.
                    let _ = self.0.flush().await;
                    return WebSocketMessage::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return WebSocketMessage::Disconnected;
                }
                Some(Ok(_)) => {}
            }
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        match self.next().await {
            WebSocketMessage::Json(json) => json,
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
        // A closed connection is detected by `next`.
        let _ = with_timeout(self.0.send(message)).await;
    }

    /// Returns the connection, to write anything.
    #[allow(dead_code, reason = "only floods use it")]
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.0.get_ref()
    }

    /// Sends pings of 125 bytes, `count` of them in one write. Returns the number of bytes.
    pub(crate) async fn ping(&mut self, count: usize) -> std::io::Result<usize> {
        let mut frame = vec![0x89, 0x80 | 125, 0, 0, 0, 0];
        frame.extend([b'x'; 125]);
        let frames = frame.repeat(count);
        self.0.get_mut().write_all(&frames).await?;
        Ok(frames.len())
    }

    /// Waits for this many pongs.
    pub(crate) async fn count_pongs(&mut self, count: usize) -> usize {
        let mut pongs = 0;
        while pongs < count
            && let Some(Ok(message)) = with_timeout(self.0.next()).await
        {
            pongs += usize::from(message.is_pong());
        }
        pongs
    }

    /// Waits for an error message. Returns it with the close code that follows.
    pub(crate) async fn failure(&mut self) -> (Value, u16) {
        loop {
            match self.next().await {
                WebSocketMessage::Json(json) if json["type"] == "error" => {
                    let WebSocketMessage::Closed(code, reason) = self.next().await else {
                        panic!("no close frame");
                    };
                    assert!(json["error"].as_str().unwrap().starts_with(&reason));
                    assert_eq!(json["status"], code - 4_000);
                    return (json, code);
                }
                WebSocketMessage::Json(_) | WebSocketMessage::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
