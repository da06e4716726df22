//! Secrets appear neither in responses nor in the log.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "the tests of HTTP use more of it")]
mod client;
mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use client::{TestServer, WebSocket, WebSocketMessage, basic};
use common::{ENR, FPS, H264, MAC, UID, camera_config, tone_audio};
use tracing::Level;
use tutk_runtime::tutk_session::Codec;

const PASSWORD: &str = "correct horse battery";

/// Captures the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log is global to the process, so that this must be the only test.
#[tokio::test(start_paused = true)]
async fn secrets_do_not_leak() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // All tasks run on this thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let accounts = |http: &mut tutk_serve::HttpConfig| {
        http.accounts.add("anna", PASSWORD).unwrap();
    };
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let mut server = TestServer::with(config.clone(), |_| {}, accounts).await;
    let _rtsp = common::register_rtsp(&server.hub);
    let response = server.send("GET", "/", &basic("anna", PASSWORD), "").await;
    let cookie = response.header("set-cookie").unwrap().to_owned();
    let (pair, _) = cookie.split_once(';').unwrap();
    let (_, token) = pair.split_once('=').unwrap();
    let cookie = format!("Cookie: {pair}\r\n");
    let wrong = "not the right one";
    let refused = server.send("GET", "/", &basic("anna", wrong), "").await;
    let forged = token.replace(&token[..1], "x");
    let header = format!("Cookie: tutk-{}={forged}\r\n", server.address().port());
    let forgery = server.send("GET", "/", &header, "").await;
    assert_eq!((refused.status, forgery.status), (401, 401));

    // Every operation, and errors.
    let mut live = WebSocket::open(server.address(), "/front/live", &cookie)
        .await
        .ok()
        .unwrap();
    let mut responses = String::new();
    loop {
        match live.next().await {
            WebSocketMessage::Json(json) => responses.push_str(&json.to_string()),
            WebSocketMessage::Binary(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let mut talk = WebSocket::open(server.address(), "/front/talk", &cookie)
        .await
        .ok()
        .unwrap();
    let ready = talk.json().await;
    talk.text("nonsense").await;
    let (error, _) = talk.failure().await;
    responses.push_str(&format!("{ready} {error}"));
    let json = format!("Content-Type: application/json\r\n{cookie}");
    let controls = "/api/cameras/front/controls";
    for (path, body) in [
        ("night-vision", "{\"value\":\"auto\"}"),
        ("night-vision", "{\"value\":\"dim\"}"),
        ("format-sd-card", "{}"),
        ("sprinkler", "{"),
    ] {
        let response = server
            .send("POST", &format!("{controls}/{path}"), &json, body)
            .await;
        responses.push_str(&response.text());
    }
    for path in [
        "/",
        "/app.js",
        "/openapi.json",
        "/metrics",
        "/api/cameras",
        "/api/cameras/front",
        "/api/cameras/back",
        controls,
        "/api/cameras/front/controls/night-vision",
        "/front/snapshot.jpg",
        "/front/stream.mp4?sound=loud",
    ] {
        responses.push_str(&server.send("GET", path, &cookie, "").await.text());
    }
    let mut events = server.open("GET", "/api/events", &cookie, "").await;
    responses.push_str(&String::from_utf8_lossy(&events.read_at_least(100).await));
    let mut stream = server.open("GET", "/front/stream.mp4", &cookie, "").await;
    stream.read_at_least(10_000).await;
    drop((stream, events, live));
    // The camera disconnects, which is reported with the error.
    let camera = "/api/cameras/front";
    let other = common::start_camera(config);
    std::mem::replace(&mut server.camera, other).close().await;
    loop {
        let response = server.send("GET", camera, &cookie, "").await;
        responses.push_str(&response.text());
        if response.json()["state"] == "down" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    responses.push_str(&format!("{:?} {:?}", server.http, server.hub));
    server.hub.close().await;
    server.http.close().await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for line in [
        "wrong name or password",
        "HTTP viewer",
        "browser",
        "talking failed",
        "connected",
    ] {
        assert!(log.contains(line), "{line} is not in the log: {log}");
    }
    let encoded = |password: &str| BASE64_STANDARD.encode(format!("anna:{password}"));
    let passwords = [PASSWORD, wrong].map(|password| (password.to_owned(), encoded(password)));
    let passwords = passwords
        .into_iter()
        .flat_map(|(plain, encoded)| [plain, encoded]);
    let keys = [ENR, MAC, UID, token, &forged].map(str::to_owned);
    for secret in passwords.chain(keys) {
        for (what, text) in [("log", &log), ("responses", &responses)] {
            let at = text.find(&secret);
            let around = at.map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
            assert_eq!(around, None, "{secret} is in the {what}");
        }
    }
}
