//! What nobody is told: neither by the API and the page, nor by the log.
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
use client::{Said, Served, Socket, basic};
use common::{ENR, FPS, H264, MAC, UID, camera, heard};
use tracing::Level;
use tutk_runtime::tutk_session::Codec;

const PASSWORD: &str = "correct horse battery";

/// All that was logged.
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

/// What is logged is decided for the whole process: so there is one test, and nothing beside it.
#[tokio::test(start_paused = true)]
async fn secrets_do_not_leak() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // All of it runs on this thread.
    let _logging = tracing::subscriber::set_default(subscriber);
    let accounts = |http: &mut tutk_serve::HttpConfig| {
        http.accounts.add("anna", PASSWORD).unwrap();
    };
    let mut config = camera(H264, FPS);
    config.sound = Some(heard(Codec::Pcmu, 8_000, 1));
    let mut served = Served::with(config.clone(), |_| {}, accounts).await;
    let _rtsp = common::register_rtsp(&served.hub);
    let answer = served.send("GET", "/", &basic("anna", PASSWORD), "").await;
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    let (pair, _) = cookie.split_once(';').unwrap();
    let (_, token) = pair.split_once('=').unwrap();
    let cookie = format!("Cookie: {pair}\r\n");
    let wrong = "not the right one";
    let refused = served.send("GET", "/", &basic("anna", wrong), "").await;
    let forged = token.replace(&token[..1], "x");
    let header = format!("Cookie: tutk-{}={forged}\r\n", served.address().port());
    let forgery = served.send("GET", "/", &header, "").await;
    assert_eq!((refused.status, forgery.status), (401, 401));

    // Everything that there is to do, and to do wrong.
    let mut live = Socket::open(served.address(), "/front/live", &cookie)
        .await
        .ok()
        .unwrap();
    let mut told = String::new();
    loop {
        match live.next().await {
            Said::Json(json) => told.push_str(&json.to_string()),
            Said::Binary(_) => break,
            other => panic!("{other:?}"),
        }
    }
    let mut talk = Socket::open(served.address(), "/front/talk", &cookie)
        .await
        .ok()
        .unwrap();
    let ready = talk.json().await;
    talk.text("nonsense").await;
    let (error, _) = talk.failure().await;
    told.push_str(&format!("{ready} {error}"));
    let json = format!("Content-Type: application/json\r\n{cookie}");
    let controls = "/api/cameras/front/controls";
    for (path, body) in [
        ("night-vision", "{\"value\":\"auto\"}"),
        ("night-vision", "{\"value\":\"dim\"}"),
        ("format-sd-card", "{}"),
        ("sprinkler", "{"),
    ] {
        let answer = served
            .send("POST", &format!("{controls}/{path}"), &json, body)
            .await;
        told.push_str(&answer.text());
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
        told.push_str(&served.send("GET", path, &cookie, "").await.text());
    }
    let mut events = served.open("GET", "/api/events", &cookie, "").await;
    told.push_str(&String::from_utf8_lossy(&events.bytes(100).await));
    let mut stream = served.open("GET", "/front/stream.mp4", &cookie, "").await;
    stream.bytes(10_000).await;
    drop((stream, events, live));
    // The camera goes, which is said with a reason.
    let camera = "/api/cameras/front";
    let other = common::served(config);
    std::mem::replace(&mut served.camera, other).close().await;
    loop {
        let answer = served.send("GET", camera, &cookie, "").await;
        told.push_str(&answer.text());
        if answer.json()["state"] == "down" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    told.push_str(&format!("{:?} {:?}", served.http, served.hub));
    served.hub.close().await;
    served.http.close().await;

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
        for (what, text) in [("log", &log), ("answers", &told)] {
            let at = text.find(&secret);
            let around = at.map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
            assert_eq!(around, None, "{secret} is in the {what}");
        }
    }
}
