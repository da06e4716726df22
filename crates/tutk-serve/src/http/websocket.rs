//! WebSockets (RFC 6455) on top of axum's, with a keep-alive and JSON messages.

use std::pin::Pin;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::SinkExt as _;
use serde::Serialize;
use tokio::time::{Instant, Sleep, sleep};
use tungstenite::Error as WsError;
use utoipa::ToSchema;

use super::problem::{Body, Problem};
use super::state::AppState;
use super::stop::Stopped;
use crate::admission::ConnectionSlot;

/// The maximum length of a close reason (RFC 6455 section 5.5).
const MAX_REASON: usize = 123;

/// The maximum number of bytes that wait to be written. A message contains one frame of at most
/// 2 MiB by default. A larger message closes the WebSocket.
const MAX_WRITE_BYTES: usize = 16 << 20;

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Close codes (RFC 6455 section 7.4.1).
pub(super) const NORMAL: u16 = 1_000;
const GOING_AWAY: u16 = 1_001;
const PROTOCOL_ERROR: u16 = 1_002;
pub(super) const UNSUPPORTED: u16 = 1_003;
const INVALID_TEXT: u16 = 1_007;
const TOO_LARGE: u16 = 1_009;

/// The description of the response to a handshake.
pub(super) const SWITCHING: &str =
    "A WebSocket. See the description of this operation for its messages.";

/// The text message before the server closes a WebSocket with an error.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorMessage<'a> {
    /// `error`.
    r#type: &'static str,
    /// The corresponding HTTP status.
    status: u16,
    #[serde(flatten)]
    body: &'a Body,
}

/// Extracts a WebSocket handshake from a request.
pub(super) struct Upgrade {
    upgrade: WebSocketUpgrade,
    idle: Duration,
    slot: Option<ConnectionSlot>,
}

/// An open WebSocket. Messages are written one at a time, without a queue.
pub(super) struct Socket {
    socket: WebSocket,
    idle: Duration,
    /// When the client sent something last.
    received: Instant,
    /// When a ping was sent that is not answered yet.
    pinged: Option<Instant>,
    /// The library has a pong to write. Nothing is read before it is written, because the library
    /// would queue a pong for each further ping.
    owes_pong: bool,
    /// Kept between calls of [`next`](Self::next), which are cancelled by each frame.
    timer: Pin<Box<Sleep>>,
    _slot: Option<ConnectionSlot>,
}

/// A message from the client.
#[derive(Debug)]
pub(super) enum Incoming {
    Text(String),
    Binary(Bytes),
    /// The client closed the connection, timed out, or violated the protocol.
    Closed,
}

/// The client closed the connection.
#[derive(Debug)]
pub(super) struct Disconnected;

impl FromRequestParts<AppState> for Upgrade {
    type Rejection = Problem;

    /// Fails with 426 without a handshake of version 13, and with 400 without a valid key.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        let upgrade = upgrade.map_err(|rejection| rejected(&rejection))?;
        let key = parts.headers.get(SEC_WEBSOCKET_KEY);
        let key = key.and_then(|key| BASE64_STANDARD.decode(key).ok());
        if key.is_none_or(|key| key.len() != 16) {
            return Err(invalid_key());
        }
        let max = state.limits.message_bytes;
        Ok(Self {
            upgrade: upgrade
                .read_buffer_size(16 << 10)
                .write_buffer_size(0)
                .max_write_buffer_size(MAX_WRITE_BYTES)
                .max_message_size(max)
                .max_frame_size(max),
            idle: state.limits.idle_time,
            slot: parts.extensions.get::<ConnectionSlot>().cloned(),
        })
    }
}

fn invalid_key() -> Problem {
    let error = "Sec-WebSocket-Key is not 16 bytes in base64";
    Problem::new(StatusCode::BAD_REQUEST, error, "use a WebSocket client")
}

fn rejected(rejection: &WebSocketUpgradeRejection) -> Problem {
    let advice = "use a WebSocket client, for example a browser's `new WebSocket(…)`";
    if let WebSocketUpgradeRejection::WebSocketKeyHeaderMissing(_) = rejection {
        return invalid_key();
    }
    let error = "this URL needs a WebSocket handshake of version 13";
    Problem::new(StatusCode::UPGRADE_REQUIRED, error, advice)
        .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
        .with_header(UPGRADE, HeaderValue::from_static("websocket"))
        .with_header(CONNECTION, HeaderValue::from_static("upgrade"))
}

impl Upgrade {
    /// Returns the handshake's response, and runs `serve` in a task once it is sent.
    pub(super) fn start<F, S>(self, serve: S) -> Response
    where
        F: Future<Output = ()> + Send + 'static,
        S: FnOnce(Socket) -> F + Send + 'static,
    {
        let (idle, slot) = (self.idle, self.slot);
        self.upgrade.on_upgrade(move |socket| {
            serve(Socket {
                socket,
                idle,
                received: Instant::now(),
                pinged: None,
                owes_pong: false,
                timer: Box::pin(sleep(idle / 2)),
                _slot: slot,
            })
        })
    }
}

impl Socket {
    /// Sends a binary message, and waits until the system has accepted it. Not cancel-safe: a
    /// cancelled message is sent before the next one.
    pub(super) async fn send(&mut self, bytes: Bytes) -> Result<(), Disconnected> {
        self.write(Message::Binary(bytes)).await
    }

    /// Sends JSON as a text message.
    pub(super) async fn send_json(&mut self, json: &impl Serialize) -> Result<(), Disconnected> {
        // Serialization cannot fail: all map keys are strings.
        let text = serde_json::to_string(json).map_err(|_| Disconnected)?;
        self.write(Message::Text(text.into())).await
    }

    /// Sends an error message and closes the WebSocket.
    pub(super) async fn fail(mut self, problem: Problem) {
        let message = ErrorMessage {
            r#type: "error",
            status: problem.status.as_u16(),
            body: &problem.body,
        };
        if self.send_json(&message).await.is_ok() {
            self.close(problem.close_code(), &problem.body.error).await;
        }
    }

    /// Closes the WebSocket because it must end.
    pub(super) async fn stop(self, stopped: Stopped) {
        match stopped {
            Stopped::Shutdown => self.close(GOING_AWAY, "the server is shutting down").await,
            Stopped::LoggedOut => self.fail(stopped.into()).await,
        }
    }

    /// Sends a close frame, and waits a moment for the client's.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let closing = async {
            if self.send_close(code, reason).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        };
        // A client that does not answer is disconnected.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }

    /// Returns the next message. A client that is silent for long is sent a ping. Cancel-safe.
    pub(super) async fn next(&mut self) -> Incoming {
        loop {
            // A ping is sent after half of the idle time, and may take the other half.
            let due = self.pinged.unwrap_or(self.received) + self.idle / 2;
            if self.timer.deadline() != due {
                self.timer.as_mut().reset(due);
            }
            let message = tokio::select! {
                message = receive(&mut self.socket, &mut self.owes_pong) => message,
                () = self.timer.as_mut() => {
                    if self.pinged.is_some() {
                        tracing::debug!("WebSocket client timed out");
                        return Incoming::Closed;
                    }
                    self.pinged = Some(Instant::now());
                    if self.write(Message::Ping(Bytes::new())).await.is_err() {
                        return Incoming::Closed;
                    }
                    continue;
                }
            };
            (self.received, self.pinged) = (Instant::now(), None);
            match message {
                Some(Ok(Message::Text(text))) => return Incoming::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => return Incoming::Binary(bytes),
                // The library answers pings.
                Some(Ok(Message::Ping(_))) => self.owes_pong = true,
                Some(Ok(Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Incoming::Closed,
                Some(Err(error)) => {
                    self.close_after_error(error).await;
                    return Incoming::Closed;
                }
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), Disconnected> {
        self.socket.send(message).await.map_err(|error| {
            tracing::debug!(%error, "WebSocket connection lost");
            Disconnected
        })
    }

    async fn send_close(&mut self, code: u16, reason: &str) -> Result<(), Disconnected> {
        let end = (0..=MAX_REASON).rfind(|&end| reason.is_char_boundary(end));
        let reason = reason.get(..end.unwrap_or(0)).unwrap_or_default();
        self.write(Message::Close(Some(CloseFrame {
            code,
            reason: reason.into(),
        })))
        .await
    }

    /// Closes the WebSocket with the code for a violation of the protocol.
    async fn close_after_error(&mut self, error: axum::Error) {
        let error = error.into_inner();
        let code = match error.downcast_ref::<WsError>() {
            Some(WsError::Capacity(_)) => TOO_LARGE,
            Some(WsError::Protocol(_)) => PROTOCOL_ERROR,
            Some(WsError::Utf8(_)) => INVALID_TEXT,
            _ => return,
        };
        tracing::debug!(%error, "invalid WebSocket message");
        // The client may already be gone.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.send_close(code, "")).await;
    }
}

/// Writes the pong that is owed, then returns the next message. Cancel-safe.
async fn receive(
    socket: &mut WebSocket,
    owes_pong: &mut bool,
) -> Option<Result<Message, axum::Error>> {
    if *owes_pong {
        if let Err(error) = socket.flush().await {
            return Some(Err(error));
        }
        *owes_pong = false;
    }
    socket.recv().await
}
