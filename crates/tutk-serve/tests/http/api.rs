//! The API of cameras and controls.

use std::time::Duration;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_session::hl_ioctl::CATALOGUE;
use tutk_runtime::tutk_session::hl_ioctl::JsonDocument;
use tutk_runtime::tutk_session::hl_ioctl::commands::ConnectResult;

use crate::client::TestServer;
use crate::common::{ENR, FPS, H264, MAC, UID, camera_config, next_video_frame};
use crate::stream::camera_with_audio;

const CONTROLS: &str = "/api/cameras/front/controls";

async fn read(server: &TestServer, control: &str) -> Value {
    let response = server.get(&format!("{CONTROLS}/{control}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.json()["control"], control);
    response.json()["value"].clone()
}

async fn set(server: &TestServer, control: &str, body: Value) -> Value {
    let response = server
        .post(&format!("{CONTROLS}/{control}"), &body.to_string())
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    let response = response.json();
    assert_eq!(
        (&response["control"], &response["answer"]),
        (&json!(control), &json!("done"))
    );
    response["set"].clone()
}

#[tokio::test(start_paused = true)]
async fn api_lists_cameras_with_state_and_streams() {
    let mut config = camera_with_audio(H264, Codec::Pcmu);
    let result = json!({
        "connectionRes": "1",
        "cameraInfo": {
            "basicInfo": { "model": "HL_CAM4", "firmware": "4.52.9.4188", "mac": MAC },
            "videoParm": { "type": "H264", "fps": "20" },
        },
    });
    let document = JsonDocument::decode("K10003", result.to_string().as_bytes()).unwrap();
    config.result = Some(ConnectResult::from_document(document).unwrap());
    let server = TestServer::start(config).await;
    let _rtsp = crate::common::register_rtsp(&server.hub);

    let idle = server.get("/api/cameras/front").await.json();
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

    let mut viewer = server.front.watch("test");
    for _ in 0..100 {
        next_video_frame(&mut viewer).await;
    }
    server.get("/api/cameras").await;
    for _ in 0..100 {
        next_video_frame(&mut viewer).await;
    }
    let all = server.get("/api/cameras").await;
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
        (&json!("test"), &json!(0))
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
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn api_explains_why_a_camera_is_down() {
    let (server, _) = TestServer::without_camera().await;
    let _viewer = server.front.watch("test");
    let down = loop {
        let camera = server.get("/api/cameras/front").await.json();
        if camera["attempts"] == 3 {
            break camera;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(down["state"], "down");
    let metrics = server.get("/metrics").await.text();
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
    let error = server
        .get(&format!("{CONTROLS}/night-vision"))
        .await
        .problem(503);
    assert!(error.contains("no answer"), "{error}");
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn camera_names_are_percent_encoded() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    for (name, path) in [
        ("api", "api"),
        ("Häuschen 2", "H%C3%A4uschen%202"),
        ("a?b#c", "a%3Fb%23c"),
        ("..", ".."),
    ] {
        let settings = crate::common::settings(&server.camera);
        server.hub.add(name, settings).unwrap();
        let camera = server.get(&format!("/api/cameras/{path}")).await.json();
        assert_eq!(camera["name"], name);
        let mp4 = camera["urls"]["mp4"].as_str().unwrap().to_owned();
        assert_eq!(mp4, format!("/{path}/stream.mp4"));
        server.stream(&mp4).await.read_at_least(1_000).await;
        let controls = camera["urls"]["controls"].as_str().unwrap();
        assert_eq!(server.get(controls).await.json()["camera"], name);
    }
    let response = server.get("/api/cameras/back").await;
    assert_eq!(response.problem(404), "there is no camera \"back\"");
    assert!(response.allowed().contains(&"front".to_owned()));
    server.get("/%ff/stream.mp4").await.problem(404);
    server.get("/nothing").await.problem(404);
    let response = server.send("DELETE", "/api/cameras", "", "").await;
    response.problem(405);
    assert_eq!(response.header("allow"), Some("GET,HEAD"));
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn control_list_is_complete() {
    let server = TestServer::with(
        camera_config(H264, FPS),
        |settings| settings.client.model = Some("WYZEDB3".to_owned()),
        |_| {},
    )
    .await;
    let list = server.get(CONTROLS).await.json();
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
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn controls_are_read_and_set() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    assert_eq!(
        set(&server, "night-vision", json!({ "value": "auto" })).await,
        "auto"
    );
    assert_eq!(read(&server, "night-vision").await, "auto");
    assert_eq!(
        set(&server, "night-vision", json!({ "values": ["off"] })).await,
        "off"
    );
    assert_eq!(read(&server, "night-vision").await, "off");
    let set_to = set(
        &server,
        "resolution",
        json!({ "values": ["360p", "30", 15] }),
    )
    .await;
    assert_eq!(
        set_to,
        json!({ "resolution": "360p", "bitrate": 30, "fps": 15 })
    );
    assert_eq!(read(&server, "resolution").await["resolution"], "360p");
    // A command without a value.
    assert_eq!(set(&server, "home-position", json!({})).await, Value::Null);
    // A list, and an empty list.
    let points = json!({ "values": ["10:20:30", "40:350:255"] });
    assert_eq!(
        set(&server, "patrol-points", points)
            .await
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(read(&server, "patrol-points").await[1]["seconds"], 255);
    set(&server, "patrol-points", json!({ "values": [] })).await;
    assert_eq!(read(&server, "patrol-points").await, json!([]));
    let confirmed = json!({ "confirm": true });
    assert_eq!(set(&server, "format-sd-card", confirmed).await, Value::Null);
    assert!(
        set(&server, "clock", json!({ "value": "now" }))
            .await
            .as_u64()
            .unwrap()
            > 1_600_000_000
    );
    assert_eq!(server.front.stats().await.sessions, 1);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn errors_name_what_is_allowed() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let at = |control: &str| format!("{CONTROLS}/{control}");
    let response = server
        .post(&at("night-vision"), "{\"value\":\"dim\"}")
        .await;
    assert_eq!(
        response.problem(422),
        "night-vision, value: expected on, off or auto, got `dim`"
    );
    assert_eq!(response.allowed(), ["on", "off", "auto"]);
    let response = server.post(&at("turn"), "{\"values\":[10, 900]}").await;
    response.problem(422);
    assert_eq!(response.allowed(), ["-128 to 127 degrees"]);
    let response = server.post(&at("turn"), "{\"values\":[10]}").await;
    response.problem(422);
    assert_eq!(
        response.allowed()[..2],
        [
            "horizontal -128 to 127 degrees",
            "vertical -128 to 127 degrees"
        ]
    );
    server
        .post(&at("home-position"), "{\"value\":1}")
        .await
        .problem(422);

    let response = server.get(&at("sprinkler")).await;
    response.problem(404);
    assert_eq!(response.allowed().len(), CATALOGUE.len());
    let response = server.get(&at("photo")).await;
    response.problem(405);
    assert_eq!(
        (response.header("allow"), response.allowed()),
        (Some("POST"), vec!["POST".to_owned()])
    );
    let response = server.post(&at("night-check"), "{\"value\":\"on\"}").await;
    response.problem(405);
    assert_eq!(response.header("allow"), Some("GET"));
    let response = server.post(&at("format-sd-card"), "{}").await;
    let error = response.problem(409);
    assert!(error.contains("everything on it is lost"), "{error}");
    assert!(
        response.json()["advice"]
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
        let error = server.post(&at("night-vision"), body).await.problem(400);
        assert!(error.contains(word), "{error}");
    }
    let response = server
        .send("POST", &at("night-vision"), "", "{\"value\":\"on\"}")
        .await;
    response.problem(415);
    assert_eq!(response.allowed(), ["application/json"]);
    let form = "Content-Type: text/plain\r\n";
    server
        .send("POST", &at("night-vision"), form, "{\"value\":\"on\"}")
        .await
        .problem(415);
    let charset = "Content-Type: Application/JSON; charset=utf-8\r\n";
    let response = server
        .send("POST", &at("night-vision"), charset, "{\"value\":\"on\"}")
        .await;
    assert_eq!(response.status, 200, "{}", response.text());
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn command_code_depends_on_the_model() {
    let mut config = camera_config(H264, FPS);
    // The camera reports its model. The first command waits for that.
    config.personality.model = Some("WYZEC1".into());
    let server = TestServer::start(config).await;
    let set_to = set(&server, "motion-alarm", json!({ "value": "on" })).await;
    assert_eq!(set_to, json!({ "alarm": "on" }));
    assert_eq!(
        server.get("/api/cameras/front").await.json()["model"],
        "WYZEC1"
    );
    // The camera does not answer the code of other models.
    let named = TestServer::with(
        {
            let mut config = camera_config(H264, FPS);
            config.personality.model = Some("WYZEC1".into());
            config
        },
        |settings| settings.client.model = Some("HL_CAM4".to_owned()),
        |_| {},
    )
    .await;
    let response = named
        .post(&format!("{CONTROLS}/motion-alarm"), "{\"value\":\"on\"}")
        .await;
    let error = response.problem(504);
    assert!(error.contains("10206"), "{error}");
    named.close().await;
    server.close().await;
}
