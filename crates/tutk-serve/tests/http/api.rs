//! The API: what there is, and its controls.

use std::time::Duration;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_session::hl_ioctl::CATALOGUE;
use tutk_runtime::tutk_session::hl_ioctl::JsonDocument;
use tutk_runtime::tutk_session::hl_ioctl::commands::ConnectResult;

use crate::client::Served;
use crate::common::{ENR, FPS, H264, MAC, UID, camera, picture};
use crate::stream::with_sound;

const CONTROLS: &str = "/api/cameras/front/controls";

async fn read(served: &Served, control: &str) -> Value {
    let answer = served.get(&format!("{CONTROLS}/{control}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["control"], control);
    answer.json()["value"].clone()
}

async fn set(served: &Served, control: &str, body: Value) -> Value {
    let answer = served
        .post(&format!("{CONTROLS}/{control}"), &body.to_string())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(
        (&answer["control"], &answer["answer"]),
        (&json!(control), &json!("done"))
    );
    answer["set"].clone()
}

#[tokio::test(start_paused = true)]
async fn api_lists_cameras_with_state_and_streams() {
    let mut config = with_sound(H264, Codec::Pcmu);
    let result = json!({
        "connectionRes": "1",
        "cameraInfo": {
            "basicInfo": { "model": "HL_CAM4", "firmware": "4.52.9.4188", "mac": MAC },
            "videoParm": { "type": "H264", "fps": "20" },
        },
    });
    let document = JsonDocument::parse("K10003", result.to_string().as_bytes()).unwrap();
    config.result = Some(ConnectResult::from_document(document).unwrap());
    let served = Served::start(config).await;
    let _rtsp = crate::common::register_rtsp(&served.hub);

    let idle = served.get("/api/cameras/front").await.json();
    assert_eq!(
        (&idle["name"], &idle["state"]),
        (&json!("front"), &json!("idle"))
    );
    for unknown in [
        "model",
        "firmware",
        "dialect",
        "video",
        "sound",
        "error",
        "next_attempt",
    ] {
        assert_eq!(idle[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(idle["urls"]["mp4"], "/front/stream.mp4");
    assert_eq!(idle["urls"]["rtsp"], "rtsp://127.0.0.1:8554/front");

    let mut viewer = served.front.watch("somebody");
    for _ in 0..100 {
        picture(&mut viewer).await;
    }
    served.get("/api/cameras").await;
    for _ in 0..100 {
        picture(&mut viewer).await;
    }
    let all = served.get("/api/cameras").await;
    let text = all.text();
    for secret in [ENR, MAC, UID] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let all = all.json();
    let [up] = &all["cameras"].as_array().unwrap()[..] else {
        panic!("{text}");
    };
    assert_eq!(up["state"], "up");
    assert_eq!(
        (&up["model"], &up["firmware"]),
        (&json!("HL_CAM4"), &json!("4.52.9.4188"))
    );
    assert_eq!(
        up["video"],
        json!({ "codec": "H.264", "width": 640, "height": 360, "fps": 20 })
    );
    assert_eq!(
        up["sound"],
        json!({ "codec": "PCMU", "rate": 8_000, "channels": 1 })
    );
    let [viewer] = &up["viewers"].as_array().unwrap()[..] else {
        panic!("{text}");
    };
    assert_eq!(
        (&viewer["label"], &viewer["missed"]),
        (&json!("somebody"), &json!(0))
    );
    let stats = &up["stats"];
    assert_eq!(
        (&stats["sessions"], &stats["disconnects"], &stats["lost"]),
        (&json!(1), &json!(0), &json!(0))
    );
    let rate = stats["frames_per_second"].as_f64().unwrap();
    assert!((rate - 20.0).abs() < 1.0, "{stats}");
    assert!(
        stats["bytes_per_second"].as_u64().unwrap() > 1_000,
        "{stats}"
    );
    assert!(up["since"].as_u64().unwrap() >= idle["since"].as_u64().unwrap());
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn api_explains_why_a_camera_is_down() {
    let config = camera(H264, FPS);
    let gone = crate::common::served(config.clone());
    let address = gone.local_addr();
    gone.close().await;
    let served = Served::with(config, |settings| settings.client.camera = address, |_| {}).await;
    let _viewer = served.front.watch("patient");
    let down = loop {
        let camera = served.get("/api/cameras/front").await.json();
        if camera["attempts"] == 3 {
            break camera;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(down["state"], "down");
    let metrics = served.get("/metrics").await.text();
    assert!(
        metrics.contains("\ntutk_camera_down{camera=\"front\"} 1\n"),
        "{metrics}"
    );
    assert!(
        down["error"].as_str().unwrap().contains("no answer"),
        "{down}"
    );
    assert!(
        down["advice"]
            .as_str()
            .unwrap()
            .contains("check the address"),
        "{down}"
    );
    assert!(down["next_attempt"].as_u64().unwrap() > down["since"].as_u64().unwrap());
    let error = served
        .get(&format!("{CONTROLS}/night-vision"))
        .await
        .problem(503);
    assert!(error.contains("no answer"), "{error}");
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn camera_names_are_percent_encoded() {
    let served = Served::start(camera(H264, FPS)).await;
    for (name, path) in [
        ("api", "api"),
        ("Häuschen 2", "H%C3%A4uschen%202"),
        ("a?b#c", "a%3Fb%23c"),
        ("..", ".."),
    ] {
        let settings = crate::common::settings(&served.camera);
        served.hub.add(name, settings).unwrap();
        let camera = served.get(&format!("/api/cameras/{path}")).await.json();
        assert_eq!(camera["name"], name);
        let mp4 = camera["urls"]["mp4"].as_str().unwrap().to_owned();
        assert_eq!(mp4, format!("/{path}/stream.mp4"));
        served.stream(&mp4).await.bytes(1_000).await;
        let controls = camera["urls"]["controls"].as_str().unwrap();
        assert_eq!(served.get(controls).await.json()["camera"], name);
    }
    let answer = served.get("/api/cameras/back").await;
    assert_eq!(answer.problem(404), "there is no camera \"back\"");
    assert!(answer.allowed().contains(&"front".to_owned()));
    served.get("/%ff/stream.mp4").await.problem(404);
    served.get("/nothing").await.problem(404);
    let answer = served.send("DELETE", "/api/cameras", "", "").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn control_list_is_complete() {
    let served = Served::with(
        camera(H264, FPS),
        |settings| settings.client.model = Some("WYZEDB3".to_owned()),
        |_| {},
    )
    .await;
    let list = served.get(CONTROLS).await.json();
    assert_eq!(
        (&list["camera"], &list["model"]),
        (&json!("front"), &json!("WYZEDB3"))
    );
    let controls = list["controls"].as_array().unwrap();
    assert_eq!(controls.len(), CATALOGUE.len());
    let named = |name: &str| {
        controls
            .iter()
            .find(|control| control["name"] == name)
            .unwrap()
    };
    let night = named("night-vision");
    assert_eq!(
        (&night["readable"], &night["settable"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(night["fields"][0]["choices"], json!(["on", "off", "auto"]));
    assert_eq!(
        (&night["values"], &night["form"]),
        (&json!("on, off or auto"), &json!("one"))
    );
    assert_eq!(night["url"], format!("{CONTROLS}/night-vision"));
    assert_eq!(night["models"], Value::Null);
    assert_eq!(named("format-sd-card")["destructive"], true);
    assert_eq!(named("night-check")["settable"], false);
    assert_eq!(named("photo")["readable"], false);
    assert_eq!(named("quick-message")["models"]["this"], true);
    assert_eq!(named("power")["models"]["this"], false);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn controls_are_read_and_set() {
    let served = Served::start(camera(H264, FPS)).await;
    assert_eq!(
        set(&served, "night-vision", json!({ "value": "auto" })).await,
        "auto"
    );
    assert_eq!(read(&served, "night-vision").await, "auto");
    assert_eq!(
        set(&served, "night-vision", json!({ "values": ["off"] })).await,
        "off"
    );
    assert_eq!(read(&served, "night-vision").await, "off");
    let set_to = set(
        &served,
        "resolution",
        json!({ "values": ["360p", "30", 15] }),
    )
    .await;
    assert_eq!(
        set_to,
        json!({ "resolution": "360p", "bitrate": 30, "fps": 15 })
    );
    assert_eq!(read(&served, "resolution").await["resolution"], "360p");
    // What takes nothing is done.
    assert_eq!(set(&served, "home-position", json!({})).await, Value::Null);
    // A list, and none.
    let points = json!({ "values": ["10:20:30", "40:350:255"] });
    assert_eq!(
        set(&served, "patrol-points", points)
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(read(&served, "patrol-points").await[1]["seconds"], 255);
    set(&served, "patrol-points", json!({ "values": [] })).await;
    assert_eq!(read(&served, "patrol-points").await, json!([]));
    let confirmed = json!({ "confirm": true });
    assert_eq!(set(&served, "format-sd-card", confirmed).await, Value::Null);
    assert!(
        set(&served, "clock", json!({ "value": "now" }))
            .await
            .as_u64()
            .unwrap()
            > 1_600_000_000
    );
    assert_eq!(served.front.stats().await.sessions, 1);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn errors_name_what_is_allowed() {
    let served = Served::start(camera(H264, FPS)).await;
    let at = |control: &str| format!("{CONTROLS}/{control}");
    let answer = served
        .post(&at("night-vision"), "{\"value\":\"dim\"}")
        .await;
    assert_eq!(
        answer.problem(422),
        "night-vision, value: expected on, off or auto, got `dim`"
    );
    assert_eq!(answer.allowed(), ["on", "off", "auto"]);
    let answer = served.post(&at("turn"), "{\"values\":[10, 900]}").await;
    answer.problem(422);
    assert_eq!(answer.allowed(), ["-128 to 127 degrees"]);
    let answer = served.post(&at("turn"), "{\"values\":[10]}").await;
    answer.problem(422);
    assert_eq!(
        answer.allowed()[..2],
        [
            "horizontal -128 to 127 degrees",
            "vertical -128 to 127 degrees"
        ]
    );
    served
        .post(&at("home-position"), "{\"value\":1}")
        .await
        .problem(422);

    let answer = served.get(&at("sprinkler")).await;
    answer.problem(404);
    assert_eq!(answer.allowed().len(), CATALOGUE.len());
    let answer = served.get(&at("photo")).await;
    answer.problem(405);
    assert_eq!(
        (answer.header("allow"), answer.allowed()),
        (Some("POST"), vec!["POST".to_owned()])
    );
    let answer = served.post(&at("night-check"), "{\"value\":\"on\"}").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET"));
    let answer = served.post(&at("format-sd-card"), "{}").await;
    let error = answer.problem(409);
    assert!(error.contains("everything on it is lost"), "{error}");
    assert!(
        answer.json()["advice"]
            .as_str()
            .unwrap()
            .contains("\"confirm\": true")
    );

    for (body, word) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "column"),
        ("{\"volume\":1}", "volume"),
        ("{\"value\":true}", "must be a string or an integer"),
        ("{\"value\":\"on\",\"values\":[]}", "both"),
    ] {
        let error = served.post(&at("night-vision"), body).await.problem(400);
        assert!(error.contains(word), "{error}");
    }
    let answer = served
        .send("POST", &at("night-vision"), "", "{\"value\":\"on\"}")
        .await;
    answer.problem(415);
    assert_eq!(answer.allowed(), ["application/json"]);
    let form = "Content-Type: text/plain\r\n";
    served
        .send("POST", &at("night-vision"), form, "{\"value\":\"on\"}")
        .await
        .problem(415);
    let charset = "Content-Type: Application/JSON; charset=utf-8\r\n";
    let answer = served
        .send("POST", &at("night-vision"), charset, "{\"value\":\"on\"}")
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn command_code_depends_on_the_model() {
    let mut config = camera(H264, FPS);
    // It tells by itself: the first command waits for that.
    config.model = Some("WYZEC1".to_owned());
    let served = Served::start(config).await;
    let set_to = set(&served, "motion-alarm", json!({ "value": "on" })).await;
    assert_eq!(set_to, json!({ "alarm": "on" }));
    assert_eq!(
        served.get("/api/cameras/front").await.json()["model"],
        "WYZEC1"
    );
    // It does not know the others' code, and does not answer: this is how it would have been.
    let named = Served::with(
        {
            let mut config = camera(H264, FPS);
            config.model = Some("WYZEC1".to_owned());
            config
        },
        |settings| settings.client.model = Some("HL_CAM4".to_owned()),
        |_| {},
    )
    .await;
    let answer = named
        .post(&format!("{CONTROLS}/motion-alarm"), "{\"value\":\"on\"}")
        .await;
    let error = answer.problem(504);
    assert!(error.contains("10206"), "{error}");
    named.close().await;
    served.close().await;
}
