//! WebSockets (RFC 6455): the handshake, and one message after the other.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{
    CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha1::{Digest as _, Sha1};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::config::HttpLimits;
use super::problem::Problem;
use super::server::Connection;

/// What a server puts behind a client's key (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest reason that a close frame has room for (section 5.5).
const MAX_REASON: usize = 123;

/// How long a client has to answer a close frame.
const CLOSING: Duration = Duration::from_secs(1);

/// Close codes (section 7.4.1).
pub(super) const NORMAL: u16 = 1_000;
pub(super) const GOING_AWAY: u16 = 1_001;
pub(super) const UNSUPPORTED: u16 = 1_003;

/// A request for a WebSocket that was found good.
pub(super) struct Handshake {
    upgrade: OnUpgrade,
    limits: HttpLimits,
    connection: Option<Connection>,
}

/// An open WebSocket. One message at a time is written, and waited for: what a client does not take waits where it
/// comes from, and nowhere else.
pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    idle: Duration,
    /// When the client was heard last.
    heard: Instant,
    /// When it was asked whether it is there.
    asked: Option<Instant>,
    /// The connection counts as one as long as this is there.
    _connection: Option<Connection>,
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Said {
    Text(String),
    Binary(bytes::Bytes),
    /// It closed the connection, was silent for too long, or did what may not be done.
    Gone,
}

/// The client is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl Handshake {
    /// Looks at a request (section 4.2.1), and makes the answer to it (section 4.2.2).
    ///
    /// # Errors
    /// 426 for one that wants no WebSocket, or another version; 400 for one that is not well formed.
    pub(super) fn accept(
        request: &mut Request,
        limits: HttpLimits,
    ) -> Result<(Response, Self), Problem> {
        let headers = request.headers();
        let wanted = has(headers, &CONNECTION, "upgrade") && has(headers, &UPGRADE, "websocket");
        let version = headers.get(SEC_WEBSOCKET_VERSION);
        let version = version.is_some_and(|version| version == "13");
        if !wanted || !version || request.version() != Version::HTTP_11 {
            let error = "this is a WebSocket, version 13";
            let advice = "open it with a WebSocket client, as a browser's `new WebSocket(…)`";
            return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, error, advice)
                .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
                .with_header(UPGRADE, HeaderValue::from_static("websocket"))
                .with_header(CONNECTION, HeaderValue::from_static("upgrade")));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let Some(key) = key.filter(|key| is_key(key)) else {
            let error = "Sec-WebSocket-Key has to be 16 bytes in base64";
            let advice = "open it with a WebSocket client";
            return Err(Problem::new(StatusCode::BAD_REQUEST, error, advice));
        };
        let accept = accept(key);
        let connection = request.extensions().get::<Connection>().cloned();
        let response = (
            StatusCode::SWITCHING_PROTOCOLS,
            [
                (CONNECTION, "upgrade".to_owned()),
                (UPGRADE, "websocket".to_owned()),
                (SEC_WEBSOCKET_ACCEPT, accept),
            ],
        );
        let handshake = Self {
            upgrade: hyper::upgrade::on(request),
            limits,
            connection,
        };
        Ok((response.into_response(), handshake))
    }

    /// The connection, once the answer is sent.
    pub(super) async fn open(self) -> Option<Socket> {
        let upgraded = match self.upgrade.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => {
                tracing::debug!(%error, "no WebSocket came of it");
                return None;
            }
        };
        let most = Some(self.limits.message_bytes);
        // Nothing waits in a buffer: each message is written before the next is made.
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .write_buffer_size(0)
            .max_message_size(most)
            .max_frame_size(most);
        let stream = WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        Some(Socket {
            stream,
            idle: self.limits.idle_time,
            heard: Instant::now(),
            asked: None,
            _connection: self.connection,
        })
    }
}

impl Socket {
    /// Writes a message, and waits until the system has taken it. Not cancel-safe: what is given up is written before
    /// the next.
    pub(super) async fn send(&mut self, bytes: bytes::Bytes) -> Result<(), Gone> {
        self.write(Message::Binary(bytes)).await
    }

    /// Writes JSON as text.
    pub(super) async fn tell(&mut self, what: &impl Serialize) -> Result<(), Gone> {
        // Nothing here has keys that are no text.
        let text = serde_json::to_string(what).map_err(|_| Gone)?;
        self.write(Message::Text(text.into())).await
    }

    /// Says why it cannot go on, and ends.
    pub(super) async fn fail(mut self, problem: Problem) {
        #[derive(Serialize)]
        struct Told<'a> {
            r#type: &'static str,
            status: u16,
            #[serde(flatten)]
            body: &'a super::problem::Body,
        }
        let told = Told {
            r#type: "error",
            status: problem.status.as_u16(),
            body: &problem.body,
        };
        if self.tell(&told).await.is_ok() {
            self.close(problem.close_code(), &problem.body.error).await;
        }
    }

    /// Ends it, and waits a moment for the client to do so too.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let end = reason.floor_char_boundary(MAX_REASON);
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.get(..end).unwrap_or_default().into(),
        };
        let closing = async {
            if self.stream.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // Who does not answer is left.
        let _ = tokio::time::timeout(CLOSING, closing).await;
    }

    /// What the client says next. It is asked whether it is there when it was silent for long. Cancel-safe.
    pub(super) async fn next(&mut self) -> Said {
        loop {
            // Asked after half the time, and given up after all of it.
            let due = match self.asked {
                Some(asked) => asked + self.idle / 2,
                None => self.heard + self.idle / 2,
            };
            let message = tokio::select! {
                message = self.stream.next() => message,
                () = tokio::time::sleep_until(due) => {
                    if self.asked.is_some() {
                        tracing::debug!("a WebSocket client is there no more");
                        return Said::Gone;
                    }
                    self.asked = Some(Instant::now());
                    if self.write(Message::Ping(bytes::Bytes::new())).await.is_err() {
                        return Said::Gone;
                    }
                    continue;
                }
            };
            (self.heard, self.asked) = (Instant::now(), None);
            match message {
                Some(Ok(Message::Text(text))) => return Said::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(bytes))) => return Said::Binary(bytes),
                // What is answered is answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_))) | None => return Said::Gone,
                Some(Err(error)) => {
                    self.broken(&error).await;
                    return Said::Gone;
                }
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), Gone> {
        self.stream.send(message).await.map_err(|error| {
            tracing::debug!(%error, "a WebSocket broke off");
            Gone
        })
    }

    /// What is too long or not as it should be ends the connection with the code for it.
    async fn broken(&mut self, error: &tungstenite::Error) {
        let code = match error {
            tungstenite::Error::Capacity(_) => 1_009,
            tungstenite::Error::Protocol(_) => 1_002,
            tungstenite::Error::Utf8(_) => 1_007,
            _ => return,
        };
        tracing::debug!(%error, "a WebSocket client errs");
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        // Who has gone does not hear it.
        let _ = tokio::time::timeout(CLOSING, self.stream.close(Some(frame))).await;
    }
}

/// Whether a header that is a list has this in it.
fn has(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

fn accept(key: &[u8]) -> String {
    BASE64_STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn the_answer_to_a_key() {
        let key = b"dGhlIHNhbXBsZSBub25jZQ==";
        assert!(is_key(key));
        assert_eq!(accept(key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!is_key(b"dGhlIHNhbXBsZSBub25j") && !is_key(b"") && !is_key(b"?"));
    }
}
