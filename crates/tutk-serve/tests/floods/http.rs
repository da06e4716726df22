//! The socket of the HTTP server, with its WebSockets.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt as _;
use tutk_runtime::tutk_session::Codec;
use tutk_serve::http::KEPT_EVENTS;
use tutk_serve::{HttpConfig, HttpLimits, HttpServer, Hub, MAX_UNAUTHENTICATED, RecordingState};

use crate::client::{StreamingResponse, TestServer, basic};
use crate::common::{
    FPS, H264, camera_config, connect_from_address, connect_with_small_buffer, loopback, tone_audio,
};
use crate::memory::{Alone, Memory};
use crate::{Attack, CONNECTIONS, MORE_THAN_ALL_BUFFERS, STATE_BYTES, many_connections, write};

/// The longest message of a WebSocket, and the longest body.
const MESSAGE: usize = 64 << 10;

/// The largest response that the server writes for these requests.
const RESPONSE: usize = 64 << 10;

fn get(path: &str, host: SocketAddr) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn post(host: SocketAddr) -> String {
    format!(
        "POST /api/cameras/front/controls/night-vision HTTP/1.1\r\nHost: {host}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
}

#[tokio::test(start_paused = true)]
async fn http_requests_and_unread_responses_are_bounded() {
    let _alone = Alone::wait();
    let (server, _) = TestServer::without_camera().await;
    let host = server.address();
    let head = HttpLimits::default().header_bytes;
    // The first response of each kind initializes caches.
    server.get("/metrics").await;
    server.get("/").await;
    for (name, first, then, limit) in [
        (
            "a head without an end",
            format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: "),
            "x".repeat(1_000),
            head,
        ),
        (
            "responses that are not read",
            String::new(),
            get("/metrics", host).repeat(20),
            head + RESPONSE,
        ),
        (
            "large responses that are not read",
            String::new(),
            get("/", host).repeat(20),
            head + RESPONSE,
        ),
        (
            "a body without an end",
            post(host),
            format!("3e8\r\n{}\r\n", " ".repeat(1_000)),
            head + MESSAGE,
        ),
        (
            "a chunk extension without an end",
            post(host) + "1;",
            "x".repeat(1_000),
            head + MESSAGE,
        ),
        (
            "trailers without an end",
            post(host) + "2\r\n{}\r\n0\r\n",
            "X: y\r\n".repeat(100),
            head + MESSAGE,
        ),
    ] {
        let attack = Attack {
            name,
            first: first.into_bytes(),
            then: then.into_bytes(),
            most: MORE_THAN_ALL_BUFFERS,
            limit,
        };
        let accepted = attack.run(host).await;
        assert!(
            accepted < MORE_THAN_ALL_BUFFERS,
            "{name}: the server reads on"
        );
    }
    server.close().await;
}

/// Returns a frame of a client (RFC 6455 section 5.2) with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[tokio::test(start_paused = true)]
async fn websocket_messages_and_pongs_are_bounded() {
    const CONTINUED: u8 = 0x02;
    const CONTINUATION: u8 = 0x00;
    const PING: u8 = 0x89;
    let _alone = Alone::wait();
    let (server, _) = TestServer::without_camera().await;
    let host = server.address();
    let handshake = format!(
        "GET /front/live HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let part = [b'x'; 125];
    let mut huge = vec![0x82, 0x80 | 127];
    huge.extend((1_u64 << 40).to_be_bytes());
    huge.extend([0; 4]);
    for (name, first, then, ends) in [
        ("a frame of 2^40 bytes", huge, vec![0; 1_000], true),
        (
            "a message without an end",
            frame(CONTINUED, &part),
            frame(CONTINUATION, &part).repeat(8),
            true,
        ),
        // It needs no memory.
        (
            "empty parts of a message without an end",
            frame(CONTINUED, &part),
            frame(CONTINUATION, &[]).repeat(100),
            false,
        ),
        (
            "pings whose pongs are not read",
            Vec::new(),
            frame(PING, &part).repeat(8),
            true,
        ),
    ] {
        let most = match ends {
            true => MORE_THAN_ALL_BUFFERS,
            false => 1 << 20,
        };
        let attack = Attack {
            name,
            first: [handshake.as_bytes(), &first].concat(),
            then,
            most,
            limit: HttpLimits::default().header_bytes + MESSAGE,
        };
        let accepted = attack.run(host).await;
        assert!(!ends || accepted < most, "{name}: the server reads on");
    }
    server.close().await;
}

/// The camera plays in real time, and the clock is paused.
#[tokio::test(start_paused = true)]
async fn audio_for_the_backchannel_is_bounded() {
    const QUEUE: usize = 4;
    let _alone = Alone::wait();
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let server = TestServer::start(config).await;
    let mut socket = server.websocket("/front/talk").await;
    assert_eq!(socket.json().await["type"], "ready");
    socket.text("{\"type\":\"begin\",\"rate\":8000}").await;
    // The largest message.
    let mut message = vec![0x82, 0x80 | 127];
    message.extend((MESSAGE as u64).to_be_bytes());
    message.extend([0; 4 + MESSAGE]);
    let mut memory = Memory::start();
    let sent = write(socket.tcp(), &message, MORE_THAN_ALL_BUFFERS, &mut memory).await;
    assert!(
        sent > QUEUE * MESSAGE && sent < MORE_THAN_ALL_BUFFERS,
        "{sent}"
    );
    // The queue, and a message that is received and one that is converted.
    memory.assert_at_most((QUEUE + 2) * 2 * MESSAGE + STATE_BYTES, "audio");
    drop(socket);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn http_connections_of_strangers_are_bounded() {
    let _alone = Alone::wait();
    let (server, _) = TestServer::without_camera().await;
    let head = HttpLimits::default().header_bytes;
    let half = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(head / 2));
    let limit = MAX_UNAUTHENTICATED * (2 * head + STATE_BYTES);
    many_connections(server.address(), half.as_bytes(), limit).await;
    server.close().await;
}

/// Clients of `/api/events` that read nothing share one queue.
#[tokio::test(start_paused = true)]
async fn events_that_are_not_read_are_bounded() {
    const EVENTS: usize = 20_000;
    const REASON: usize = 2_000;
    let _alone = Alone::wait();
    let (server, _) = TestServer::without_camera().await;
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let tcp = connect_with_small_buffer(server.address()).await;
        let request = get("/api/events", server.address());
        clients.push(StreamingResponse::over(tcp, &request).await);
    }
    let mut memory = Memory::start();
    for at in 0..EVENTS {
        let reason = format!("{at:0REASON$}");
        server.front.set_recording(RecordingState::Failed(reason));
        // Changes are reported one by one.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        memory.sample();
    }
    let limit = 2 * KEPT_EVENTS * REASON + CONNECTIONS * (RESPONSE + STATE_BYTES);
    memory.assert_at_most(limit, "events");
    drop(clients);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_passwords_from_many_addresses_are_bounded() {
    const ADDRESSES: u16 = 3_000;
    /// Twice the size of a table with 1,024 addresses.
    const LIMIT: usize = 2 * 1_024 * 512;
    let _alone = Alone::wait();
    let hub = Hub::new();
    let mut config = HttpConfig::new(loopback());
    config.accounts.add("anna", "secret").unwrap();
    let server = HttpServer::start(hub.clone(), config).await.unwrap();
    let host = server.local_addr();
    let mut memory = Memory::start();
    for address in 0..ADDRESSES {
        let [high, low] = (address + 10).to_be_bytes();
        let mut tcp = connect_from_address([127, 1, high, low], host).await;
        let name = format!("{address:0100}");
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{}\r\n",
            basic(&name, "wrong")
        );
        tcp.write_all(request.as_bytes()).await.unwrap();
        let response = StreamingResponse::read(tcp).await;
        assert_eq!(response.status, 401);
        memory.sample();
    }
    memory.assert_at_most(LIMIT + STATE_BYTES, "wrong passwords");
    server.close().await;
    hub.close().await;
}
