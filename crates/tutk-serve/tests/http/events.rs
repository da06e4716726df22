//! `/api/events` and `/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;
use tutk_serve::{Account, RecordingState, Role};

use crate::client::{StreamingResponse, TestServer, basic};
use crate::common::{FPS, H264, camera_config, next_video_frame, settings, with_timeout};
use crate::stream::camera_with_audio;

/// The type, data and ID of an event.
type Event = (String, Value, Option<String>);

struct Events {
    stream: StreamingResponse,
    unparsed: String,
    comments: usize,
}

impl Events {
    async fn open(server: &TestServer, last: Option<&str>) -> Self {
        let headers = last
            .map(|last| format!("Last-Event-ID: {last}\r\n"))
            .unwrap_or_default();
        Self::open_with(server, &headers).await
    }

    async fn open_with(server: &TestServer, headers: &str) -> Self {
        let stream = server.open("GET", "/api/events", headers, "").await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        Self {
            stream,
            unparsed: String::new(),
            comments: 0,
        }
    }

    /// Returns `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.unparsed.find("\n\n") {
                let block: String = self.unparsed.drain(..end + 2).collect();
                let fields: BTreeMap<_, _> = block
                    .lines()
                    .filter_map(|line| line.split_once(": "))
                    .collect();
                match fields.get("data") {
                    Some(data) => {
                        let id = fields.get("id").map(|id| (*id).to_owned());
                        let json = serde_json::from_str(data).unwrap();
                        return Some((fields["event"].to_owned(), json, id));
                    }
                    None => self.comments += 1,
                }
                continue;
            }
            self.unparsed
                .push_str(std::str::from_utf8(&self.stream.next_chunk().await?).unwrap());
        }
    }

    /// Returns the next state of a camera.
    async fn next_state(&mut self, camera: &str) -> String {
        loop {
            let (kind, data, _) = self.next().await.unwrap();
            if kind == "state" && data["camera"] == camera {
                return data["state"].as_str().unwrap().to_owned();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_report_changes() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut events = Events::open(&server, None).await;
    let (kind, first, id) = events.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &first["camera"], &first["state"]),
        ("state", &json!("front"), &json!("idle"))
    );
    assert!(id.is_some() && first["since"].is_u64());
    // A viewer connects, and a control is set.
    let mut viewer = server.front.watch("test");
    next_video_frame(&mut viewer).await;
    assert_eq!(events.next_state("front").await, "connecting");
    assert_eq!(events.next_state("front").await, "up");
    let response = server
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"on\"}",
        )
        .await;
    assert_eq!(response.status, 200);
    let (kind, set, id) = events.next().await.unwrap();
    assert_eq!(kind, "control");
    assert_eq!(
        set,
        json!({ "camera": "front", "control": "spotlight", "set": "on", "answer": "done" })
    );
    // Reads and errors are not reported. A camera is added and removed.
    server.get("/api/cameras/front/controls/spotlight").await;
    server
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"dim\"}",
        )
        .await;
    server.hub.add("back", settings(&server.camera)).unwrap();
    assert_eq!(events.next_state("back").await, "idle");
    server.hub.remove("back").await;
    let (kind, removed, _) = loop {
        let next = events.next().await.unwrap();
        if next.0 == "removed" {
            break next;
        }
    };
    assert_eq!(
        (kind.as_str(), removed),
        ("removed", json!({ "camera": "back" }))
    );

    // A client that reconnects receives the events that it missed.
    let mut reconnected = Events::open(&server, id.as_deref()).await;
    let (kind, missed, _) = reconnected.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &missed["camera"]),
        ("state", &json!("back"))
    );
    while reconnected.next().await.unwrap().0 != "removed" {}
    // An event ID of another server run is ignored.
    let mut other = Events::open(&server, Some("1-7")).await;
    assert_eq!(other.next_state("front").await, "up");

    // Comments keep an idle connection alive.
    server.camera.close().await;
    assert_eq!(events.next_state("front").await, "down");
    server.hub.close().await;
    while events.next().await.unwrap().0 != "removed" {}
    let waiting = tokio::spawn(async move {
        assert_eq!(events.next().await, None);
        events.comments
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    server.http.close().await;
    assert!(with_timeout(waiting).await.unwrap() >= 3);
}

#[tokio::test(start_paused = true)]
async fn ids_do_not_reveal_events_of_hidden_cameras() {
    let server = TestServer::with(
        camera_config(H264, FPS),
        |_| {},
        |http| {
            http.accounts.add("anna", "anna").unwrap();
            let eve = Account::new("eve", "eve").unwrap().with_role(Role::View);
            http.accounts.add_account(eve.with_cameras(["back"]));
        },
    )
    .await;
    let back = server.hub.add("back", settings(&server.camera)).unwrap();
    let recording = async |events: &mut Events, camera: &str, state: &str| loop {
        let (_, data, id) = events.next().await.unwrap();
        assert!(["front", "back"].contains(&data["camera"].as_str().unwrap()));
        if data["camera"] == camera && data["recording"] == state {
            return id.unwrap();
        }
    };
    let (anna, eve) = (basic("anna", "anna"), basic("eve", "eve"));
    let mut all = Events::open_with(&server, &anna).await;
    let mut seen = Events::open_with(&server, &eve).await;
    back.set_recording(RecordingState::On);
    let before = recording(&mut seen, "back", "on").await;
    recording(&mut all, "back", "on").await;
    for (state, name) in [(RecordingState::On, "on"), (RecordingState::Off, "off")] {
        server.front.set_recording(state);
        recording(&mut all, "front", name).await;
    }
    // The state at the start of another connection has the same id.
    let mut again = Events::open_with(&server, &eve).await;
    assert_eq!(recording(&mut again, "back", "on").await, before);
    let resumed = format!("{eve}Last-Event-ID: {before}\r\n");
    let mut resumed = Events::open_with(&server, &resumed).await;
    back.set_recording(RecordingState::Off);
    let (run, number) = before.split_once('-').unwrap();
    let next = format!("{run}-{}", number.parse::<u64>().unwrap() + 1);
    for events in [&mut seen, &mut again, &mut resumed] {
        let (_, data, id) = events.next().await.unwrap();
        assert_eq!(
            (data["camera"].as_str(), id),
            (Some("back"), Some(next.clone()))
        );
    }
    server.close().await;
}

/// Returns all samples by name and labels.
async fn metrics(server: &TestServer) -> BTreeMap<String, f64> {
    let response = server.get("/metrics").await;
    let content = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(
        (response.status, response.header("content-type")),
        (200, Some(content))
    );
    let (mut samples, mut metric) = (BTreeMap::new(), String::new());
    for line in response.text().lines() {
        if let Some(typing) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typing.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            metric = name.to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&metric), "{line}");
            assert!(
                samples
                    .insert(name.to_owned(), value.parse().unwrap())
                    .is_none(),
                "{line}"
            );
        }
    }
    samples
}

#[tokio::test(start_paused = true)]
async fn metrics_count_what_happens() {
    let server = TestServer::with(
        camera_with_audio(H264, Codec::Pcmu),
        |_| {},
        |http| http.limits.viewers = 2,
    )
    .await;
    let before = metrics(&server).await;
    for gauge in ["up", "down"] {
        assert_eq!(
            before[&format!("tutk_camera_{gauge}{{camera=\"front\"}}")],
            0.0
        );
    }
    assert!(!before.contains_key("tutk_camera_round_trip_seconds{camera=\"front\"}"));
    let mut direct = server.front.watch("direct");
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(server.stream("/front/stream.mp4").await);
    }
    server.get("/front/stream.mp4").await.problem(503);
    for _ in 0..100 {
        next_video_frame(&mut direct).await;
    }
    metrics(&server).await;
    for _ in 0..100 {
        next_video_frame(&mut direct).await;
    }
    let now = metrics(&server).await;
    let of = |name: &str| now[&format!("tutk_camera_{name}{{camera=\"front\"}}")];
    assert_eq!(
        (of("up"), of("down"), of("viewers"), of("sessions_total")),
        (1.0, 0.0, 3.0, 1.0)
    );
    assert_eq!(
        (of("reconnects_total"), of("lost_frames_total")),
        (0.0, 0.0)
    );
    let video = now["tutk_camera_frames_total{camera=\"front\",kind=\"video\"}"];
    let audio = now["tutk_camera_frames_total{camera=\"front\",kind=\"audio\"}"];
    assert!(
        (200.0..300.0).contains(&video) && audio > 2.0 * video,
        "{video} {audio}"
    );
    assert!(of("received_bytes_total") > 100_000.0);
    let rate = of("receive_bytes_per_second");
    assert!(rate > 10_000.0 && rate < 1e6, "{rate}");
    assert_eq!(now["tutk_http_viewers"], 2.0);
    assert_eq!(now["tutk_http_viewers_refused_total"], 1.0);
    assert_eq!(now["tutk_http_connections_refused_total"], 0.0);
    assert!(now["tutk_http_connections_total"] >= 5.0);
    drop(streams);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn state_of_the_recording_is_reported() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut events = Events::open(&server, None).await;
    let metric = async || {
        let metrics = server.get("/metrics").await.text();
        let mut lines = metrics.lines();
        let line = lines.find(|line| line.starts_with("tutk_camera_recording{"));
        line.map(|line| line.rsplit(' ').next().unwrap().to_owned())
    };
    let failed = RecordingState::Failed("the disk is full".to_owned());
    for (state, name, error, value) in [
        (RecordingState::Off, "off", json!(null), None),
        (RecordingState::On, "on", json!(null), Some("1")),
        (failed, "failed", json!("the disk is full"), Some("0")),
    ] {
        server.front.set_recording(state);
        let camera = server.get("/api/cameras/front").await.json();
        let (kind, event, _) = events.next().await.unwrap();
        assert_eq!(kind, "state");
        for json in [camera, event] {
            assert_eq!(json["recording"], name);
            assert_eq!(json["recording_error"], error);
        }
        assert_eq!(metric().await.as_deref(), value);
    }
    server.close().await;
}
