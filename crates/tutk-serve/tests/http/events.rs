//! `/api/events`, and `/metrics`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;

use crate::client::{Served, Stream};
use crate::common::{FPS, H264, camera, patient, picture};
use crate::stream::with_sound;

/// An event: its kind, data and id.
type Event = (String, Value, Option<String>);

struct Events {
    stream: Stream,
    held: String,
    comments: usize,
}

impl Events {
    async fn open(served: &Served, last: Option<&str>) -> Self {
        let headers = last
            .map(|last| format!("Last-Event-ID: {last}\r\n"))
            .unwrap_or_default();
        let stream = served.open("GET", "/api/events", &headers, "").await;
        assert_eq!(stream.status, 200);
        assert_eq!(stream.header("content-type"), Some("text/event-stream"));
        Self {
            stream,
            held: String::new(),
            comments: 0,
        }
    }

    /// `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.held.find("\n\n") {
                let block: String = self.held.drain(..end + 2).collect();
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
            self.held
                .push_str(std::str::from_utf8(&self.stream.part().await?).unwrap());
        }
    }

    /// The next state of a camera.
    async fn state(&mut self, camera: &str) -> String {
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
    let served = Served::start(camera(H264, FPS)).await;
    let mut events = Events::open(&served, None).await;
    let (kind, first, id) = events.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &first["camera"], &first["state"]),
        ("state", &json!("front"), &json!("idle"))
    );
    assert!(id.is_some() && first["since"].is_u64());
    // Somebody watches, and sets something.
    let mut viewer = served.front.watch("somebody");
    picture(&mut viewer).await;
    assert_eq!(events.state("front").await, "connecting");
    assert_eq!(events.state("front").await, "up");
    let answer = served
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"on\"}",
        )
        .await;
    assert_eq!(answer.status, 200);
    let (kind, set, id) = events.next().await.unwrap();
    assert_eq!(kind, "control");
    assert_eq!(
        set,
        json!({ "camera": "front", "control": "spotlight", "set": "on", "answer": "done" })
    );
    // What is only read, or refused, is no change. A camera comes and goes.
    served.get("/api/cameras/front/controls/spotlight").await;
    served
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"dim\"}",
        )
        .await;
    served
        .hub
        .add("back", crate::common::settings(&served.camera))
        .unwrap();
    assert_eq!(events.state("back").await, "idle");
    served.hub.remove("back").await;
    let (kind, gone, _) = loop {
        let next = events.next().await.unwrap();
        if next.0 == "removed" {
            break next;
        }
    };
    assert_eq!(
        (kind.as_str(), gone),
        ("removed", json!({ "camera": "back" }))
    );

    // Who was away is told what he missed, and no more.
    let mut back = Events::open(&served, id.as_deref()).await;
    let (kind, missed, _) = back.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &missed["camera"]),
        ("state", &json!("back"))
    );
    while back.next().await.unwrap().0 != "removed" {}
    // One of another run is told how all are.
    let mut other = Events::open(&served, Some("1-7")).await;
    assert_eq!(other.state("front").await, "up");

    // Something is said when there is nothing to say.
    served.camera.close().await;
    assert_eq!(events.state("front").await, "down");
    served.hub.close().await;
    loop {
        let (kind, _, _) = events.next().await.unwrap();
        if kind == "removed" {
            break;
        }
    }
    let waiting = tokio::spawn(async move {
        assert_eq!(events.next().await, None);
        events.comments
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    served.http.close().await;
    assert!(patient(waiting).await.unwrap() >= 3);
}

/// All samples, by name and labels.
async fn metrics(served: &Served) -> BTreeMap<String, f64> {
    let answer = served.get("/metrics").await;
    let content = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some(content))
    );
    let (mut samples, mut typed) = (BTreeMap::new(), String::new());
    for line in answer.text().lines() {
        if let Some(typing) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typing.split_once(' ').unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            typed = name.to_owned();
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with(&typed), "{line}");
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
    let served = Served::with(
        with_sound(H264, Codec::Pcmu),
        |_| {},
        |http| http.limits.viewers = 2,
    )
    .await;
    let before = metrics(&served).await;
    for gauge in ["up", "down"] {
        assert_eq!(
            before[&format!("tutk_camera_{gauge}{{camera=\"front\"}}")],
            0.0
        );
    }
    assert!(!before.contains_key("tutk_camera_round_trip_seconds{camera=\"front\"}"));
    let mut direct = served.front.watch("direct");
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(served.stream("/front/stream.mp4").await);
    }
    served.get("/front/stream.mp4").await.problem(503);
    for _ in 0..100 {
        picture(&mut direct).await;
    }
    metrics(&served).await;
    for _ in 0..100 {
        picture(&mut direct).await;
    }
    let now = metrics(&served).await;
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
    served.close().await;
}
