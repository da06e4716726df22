//! Logging in and out, roles, and cameras of users.

use serde_json::json;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{Account, HttpConfig, RecordingState, Role, hash_password};

use crate::client::{TestServer, WebSocket, WebSocketMessage, basic};
use crate::common::{FPS, H264, camera_config, settings};
use crate::stream::camera_with_audio;

/// Anna is an administrator, carl controls, dora watches, eve watches another camera. The passwords
/// are the names.
async fn start(camera: SimulatorConfig) -> TestServer {
    let accounts = |http: &mut HttpConfig| {
        let account = |name: &str, role| Account::new(name, name).unwrap().with_role(role);
        let hashed = Account::new("dora", &hash_password("dora").unwrap()).unwrap();
        for account in [
            account("anna", Role::Admin),
            account("carl", Role::Control),
            hashed.with_role(Role::View),
            account("eve", Role::View).with_cameras(["back"]),
        ] {
            http.accounts.add_account(account);
        }
    };
    let server = TestServer::with(camera, |_| {}, accounts).await;
    server.hub.add("back", settings(&server.camera)).unwrap();
    server
}

const JSON: &str = "Content-Type: application/json\r\n";

/// Logs in, and returns the header with the cookie.
async fn log_in(server: &TestServer, name: &str) -> String {
    let body = json!({ "name": name, "password": name }).to_string();
    let response = server.send("POST", "/login", JSON, &body).await;
    assert_eq!(response.status, 204, "{}", response.text());
    let cookie = response.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict"), "{cookie}");
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

#[tokio::test(start_paused = true)]
async fn users_log_in_and_out() {
    let server = start(camera_config(H264, FPS)).await;
    for file in ["/login", "/login.js", "/style.css", "/icon.svg"] {
        assert_eq!(server.get(file).await.status, 200, "{file}");
    }
    // A browser gets the login page, and no prompt.
    let page = server
        .send("GET", "/", "Accept: text/html,*/*\r\n", "")
        .await;
    assert_eq!(
        (page.status, page.header("location")),
        (303, Some("/login"))
    );
    let fetch = "Sec-Fetch-Site: same-origin\r\n";
    let refused = server.send("GET", "/api/cameras", fetch, "").await;
    refused.problem(401);
    assert_eq!(refused.header("www-authenticate"), None);
    // A browser that opens a URL with a name and a password sends them after a challenge only.
    let opened = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n";
    let refused = server.send("GET", "/front/snapshot.jpg", opened, "").await;
    refused.problem(401);
    assert!(refused.header("www-authenticate").is_some());

    let (anna, dora) = (log_in(&server, "anna").await, log_in(&server, "dora").await);
    assert_ne!(anna, dora);
    for (cookie, name, role) in [(&anna, "anna", "admin"), (&dora, "dora", "view")] {
        let user = server.send("GET", "/api/user", cookie, "").await;
        let expected = json!({ "name": name, "role": role, "can_log_out": true });
        assert_eq!(user.json(), expected);
    }
    let other_site = format!("{anna}Sec-Fetch-Site: cross-site\r\n");
    (server.send("POST", "/logout", &other_site, "").await).problem(403);
    assert_eq!(server.send("POST", "/logout", &anna, "").await.status, 204);
    (server.send("GET", "/api/user", &anna, "").await).problem(401);
    assert_eq!(server.send("GET", "/api/user", &dora, "").await.status, 200);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn streams_of_a_session_end_when_its_user_logs_out() {
    let server = start(camera_with_audio(H264, Codec::Pcmu)).await;
    let first = log_in(&server, "carl").await;
    let second = log_in(&server, "carl").await;
    let mut streams = Vec::new();
    for headers in [&first, &second, &basic("carl", "carl")] {
        for path in ["/front/stream.mp4", "/front/stream.ts", "/api/events"] {
            let mut stream = server.open("GET", path, headers, "").await;
            assert_eq!(stream.status, 200, "{path}");
            stream.next_chunk().await.unwrap();
            streams.push(stream);
        }
    }
    let socket = async |path: &str, headers: &str| {
        let opened = WebSocket::open(server.address(), path, headers).await;
        let mut socket = opened.ok().unwrap();
        socket.json().await;
        socket
    };
    let mut watching = socket("/front/live", &first).await;
    let mut others = socket("/front/live", &second).await;
    let mut talking = socket("/front/talk", &first).await;

    assert_eq!(server.send("POST", "/logout", &first, "").await.status, 204);
    let others_streams = streams.split_off(3);
    for mut stream in streams {
        let mut sent_before = 0;
        while stream.next_chunk().await.is_some() {
            sent_before += 1;
            assert!(sent_before < 1_000, "the stream continues");
        }
    }
    for socket in [&mut watching, &mut talking] {
        assert_eq!(socket.failure().await.1, 4401);
    }
    server.front.set_recording(RecordingState::On);
    for mut stream in others_streams {
        for _ in 0..2 {
            stream.next_chunk().await.unwrap();
        }
    }
    loop {
        match others.next().await {
            WebSocketMessage::Binary(_) => break,
            WebSocketMessage::Json(json) => assert_ne!(json["type"], "error"),
            closed => panic!("{closed:?}"),
        }
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn wrong_logins_are_refused_and_limited() {
    let server = start(camera_config(H264, FPS)).await;
    let send = async |body: &str| server.send("POST", "/login", JSON, body).await;
    send("{}").await.problem(400);
    send(r#"{"name": "anna", "password": "x", "more": 1}"#)
        .await
        .problem(400);
    (server.send("POST", "/login", "", "x").await).problem(415);
    for name in ["anna", "dora", "nobody"] {
        let body = json!({ "name": name, "password": "wrong" }).to_string();
        let refused = send(&body).await;
        refused.problem(401);
        assert_eq!(refused.header("set-cookie"), None);
    }
    let body = json!({ "name": "dora", "password": "wrong" }).to_string();
    // Failures for other names at this address count, too.
    for _ in 0..tutk_serve::MAX_FAILURES {
        send(&body).await;
    }
    send(&body).await.problem(429);
    (server
        .send("GET", "/api/user", &basic("dora", "dora"), "")
        .await)
        .problem(429);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn roles_limit_what_users_may_do() {
    let server = start(camera_config(H264, FPS)).await;
    let control = "/api/cameras/front/controls/night-vision";
    for (method, path, body, statuses) in [
        ("GET", "/api/cameras/front", "", [200, 200, 200, 404]),
        ("GET", "/front/live", "", [426, 426, 426, 404]),
        (
            "GET",
            "/api/cameras/front/controls",
            "",
            [200, 200, 200, 404],
        ),
        ("GET", control, "", [200, 200, 403, 404]),
        (
            "POST",
            control,
            r#"{"value": "auto"}"#,
            [200, 200, 403, 404],
        ),
        ("GET", "/front/talk", "", [426, 426, 403, 404]),
        // It destroys data.
        (
            "POST",
            "/api/cameras/front/controls/format-sd-card",
            "{}",
            [409, 403, 403, 404],
        ),
        ("GET", "/metrics", "", [200, 403, 403, 403]),
        ("GET", "/api/cameras/back", "", [200, 200, 200, 200]),
    ] {
        for (name, status) in ["anna", "carl", "dora", "eve"].into_iter().zip(statuses) {
            let headers = format!("{}{JSON}", basic(name, name));
            let response = server.send(method, path, &headers, body).await;
            assert_eq!(
                response.status,
                status,
                "{name} {path}: {}",
                response.text()
            );
        }
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn users_see_their_cameras_only() {
    let server = start(camera_config(H264, FPS)).await;
    let names = async |name: &str| {
        let response = server
            .send("GET", "/api/cameras", &basic(name, name), "")
            .await;
        let cameras = response.json()["cameras"].clone();
        let names = cameras.as_array().unwrap().iter();
        names
            .map(|camera| camera["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("dora").await, ["back", "front"]);
    assert_eq!(names("eve").await, ["back"]);
    // The error does not list the others.
    let unknown = server
        .send("GET", "/api/cameras/front", &basic("eve", "eve"), "")
        .await;
    unknown.problem(404);
    assert_eq!(unknown.allowed(), ["back"]);
    let refused = WebSocket::open(server.address(), "/front/live", &basic("eve", "eve")).await;
    refused.err().unwrap().problem(404);
    let mut events = server
        .open("GET", "/api/events", &basic("eve", "eve"), "")
        .await;
    let mut text = String::new();
    while !text.contains("\n\n") {
        text += &String::from_utf8_lossy(&events.next_chunk().await.unwrap());
    }
    assert!(
        text.contains("\"camera\":\"back\"") && !text.contains("front"),
        "{text}"
    );
    server.close().await;
}
