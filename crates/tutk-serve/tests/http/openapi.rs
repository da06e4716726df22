//! Calls everything in `/openapi.json`, and checks each response against it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;
use tutk_serve::http::MAX_FAILURES;

use crate::client::{Response, StreamingResponse, TestServer, WebSocketMessage};
use crate::common::{FPS, H264, camera_config, next_video_frame};
use crate::stream::camera_with_audio;

/// The OpenAPI document.
struct Document(Value);

impl Document {
    /// Resolves a `$ref`.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(pointer) => self.0.pointer(pointer.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }

    /// Validates a value against a schema of the document.
    fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        validator
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect()
    }

    fn check(&self, name: &str, value: &Value) {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        let errors = self.errors(&schema, value);
        assert!(errors.is_empty(), "{name}: {errors:?}\n{value}");
    }

    /// Checks that an operation documents a response.
    fn check_response(&self, operation: &Value, response: &Response) {
        let id = &operation["operationId"];
        let status = response.status.to_string();
        let documented = &operation["responses"][&status];
        assert!(
            !documented.is_null(),
            "{id} does not document {status}: {}",
            response.text()
        );
        let documented = self.resolve(documented);
        let Some(content) = documented["content"].as_object() else {
            return;
        };
        let content_type = response.header("content-type").unwrap();
        let found = content_type.split(';').next().unwrap();
        let schema = &content
            .get(found)
            .unwrap_or_else(|| panic!("{id}: {found}"))["schema"];
        let value = match found {
            "application/json" => response.json(),
            _ => Value::String(response.text()),
        };
        let errors = self.errors(schema, &value);
        assert!(errors.is_empty(), "{id} {status}: {errors:?}\n{value}");
    }
}

/// Sends a request, and reads the response. Of an endless stream it reads one chunk.
async fn call(server: &TestServer, method: &str, path: &str, body: &str) -> Response {
    let headers = match body {
        "" => "",
        _ => "Content-Type: application/json\r\n",
    };
    let mut stream = server.open(method, path, headers, body).await;
    if stream.header("transfer-encoding") != Some("chunked") {
        return stream.read_all().await;
    }
    let body = stream.next_chunk().await.unwrap();
    let headers = stream.headers.clone();
    Response {
        status: stream.status,
        headers,
        body,
    }
}

#[tokio::test(start_paused = true)]
async fn operations_answer_as_documented() {
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut viewer = server.front.watch("test");
    for _ in 0..30 {
        next_video_frame(&mut viewer).await;
    }
    let document = Document(server.get("/openapi.json").await.json());
    assert!(document.0["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut called = BTreeSet::new();
    for (path, item) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let id = operation["operationId"].as_str().unwrap();
            assert!(called.insert(id.to_owned()), "{id} is there twice");
            let path = path.replace("{control}", "night-vision");
            let body = match (method.as_str(), id) {
                (_, "logIn") => "{\"name\":\"anna\",\"password\":\"x\"}",
                ("POST", _) => "{\"value\":\"auto\"}",
                _ => "",
            };
            if operation["responses"].get("101").is_some() {
                let path = path.replace("{name}", "front");
                let mut socket = server.websocket(&path).await;
                let first = socket.json().await;
                document.check(
                    if id == "live" {
                        "LiveMessage"
                    } else {
                        "TalkMessage"
                    },
                    &first,
                );
            } else {
                let response = call(&server, &method, &path.replace("{name}", "front"), body).await;
                let status = match id {
                    "snapshot" if !cfg!(feature = "snapshot") => 501,
                    "logIn" | "logOut" => 204,
                    _ => 200,
                };
                assert_eq!(response.status, status, "{id}: {}", response.text());
                document.check_response(operation, &response);
            }
            // Invalid requests.
            let mut invalid = vec![
                (path.replace("{name}", "nobody"), body),
                (format!("{path}?sound=x").replace("{name}", "front"), body),
            ];
            invalid.extend(
                [
                    "{",
                    "{\"value\":\"dim\"}",
                    "{\"value\":\"on\",\"values\":[]}",
                ]
                .map(|body| {
                    (
                        path.replace("{name}", "front"),
                        if method == "POST" { body } else { "" },
                    )
                }),
            );
            for (path, body) in invalid {
                document.check_response(operation, &call(&server, &method, &path, body).await);
            }
        }
    }
    assert_eq!(called.len(), 17);
    server.close().await;
}

/// Errors that do not depend on the operation are documented for each operation.
#[tokio::test(start_paused = true)]
async fn errors_match_the_document() {
    let open = TestServer::start(camera_config(H264, FPS)).await;
    let guarded = TestServer::with(
        camera_config(H264, FPS),
        |_| {},
        |http| http.accounts.add("anna", "secret").unwrap(),
    )
    .await;
    let document = Document(open.get("/openapi.json").await.json());
    let operations = document.0["paths"].as_object().unwrap().iter();
    let operations: Vec<_> = operations
        .flat_map(|(path, item)| {
            let path = path.replace("{name}", "front");
            let path = path.replace("{control}", "night-vision");
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, what)| (path.clone(), method.to_ascii_uppercase(), what))
        })
        .collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(33 << 10));
    let wrong = "Authorization: Basic YW5uYTp4\r\n";
    let elsewhere = "Origin: http://evil.example\r\n";
    for (path, method, operation) in &operations {
        let check_error = async |server: &TestServer, headers: &str, status: u16| {
            let response = server.send(method, path, headers, "").await;
            assert_eq!(
                response.status,
                status,
                "{method} {path}: {}",
                response.text()
            );
            document.check_response(operation, &response);
        };
        // Logging in needs no authentication, but a body.
        let unauthenticated = if path == "/login" { 415 } else { 401 };
        check_error(&guarded, "", unauthenticated).await;
        check_error(&open, &long, 431).await;
        check_error(&open, "Host: 127.0.0.1\r\n", 400).await;
        let host = open.address();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let response = StreamingResponse::open(host, &request)
            .await
            .read_all()
            .await;
        assert_eq!(response.status, 421, "{method} {path}");
        document.check_response(operation, &response);
        if operation["responses"].get("403").is_some() {
            let headers = format!("Connection: upgrade\r\nUpgrade: websocket\r\n{elsewhere}");
            check_error(&open, &headers, 403).await;
        }
        if operation["responses"].get("426").is_some() {
            check_error(&open, "", 426).await;
        }
    }
    for _ in 0..MAX_FAILURES {
        guarded.send("GET", "/", wrong, "").await.problem(401);
    }
    let authenticated = operations.iter().filter(|(path, ..)| path != "/login");
    for (path, method, operation) in authenticated {
        let response = guarded.send(method, path, wrong, "").await;
        assert_eq!(response.status, 429, "{method} {path}");
        document.check_response(operation, &response);
    }
    open.close().await;
    guarded.close().await;
}

#[tokio::test(start_paused = true)]
async fn controls_answer_as_documented() {
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let document = Document(server.get("/openapi.json").await.json());
    let item = &document.0["paths"]["/api/cameras/{name}/controls/{control}"];
    let list = server.get("/api/cameras/front/controls").await.json();
    for control in list["controls"].as_array().unwrap() {
        let url = control["url"].as_str().unwrap();
        document.check_response(&item["get"], &call(&server, "GET", url, "").await);
        // The first choice or the maximum of each field.
        let fields = control["fields"].as_array().cloned().unwrap_or_default();
        let values = fields.iter().map(|field| match field["choices"].get(0) {
            Some(choice) => choice.as_str().unwrap().to_owned(),
            None => field["max"].to_string(),
        });
        let mut values: Vec<_> = values.collect();
        if control["form"] == "list" {
            values = vec![values.join(":")];
        }
        let body = json!({ "values": values, "confirm": true });
        document.check("ControlOrder", &body);
        let response = call(&server, "POST", url, &body.to_string()).await;
        document.check_response(&item["post"], &response);
        // The simulated camera does not answer some commands.
        let expected = if control["settable"] == true {
            [200, 504]
        } else {
            [405, 405]
        };
        assert!(
            expected.contains(&response.status),
            "{url}: {}",
            response.text()
        );
    }
    let names = &item["get"]["parameters"][1]["schema"]["enum"];
    assert_eq!(
        names.as_array().unwrap().len(),
        list["controls"].as_array().unwrap().len()
    );
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn messages_match_the_document() {
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let document = Document(server.get("/openapi.json").await.json());
    let mut kinds = BTreeSet::new();
    let mut live = server.websocket("/front/live").await;
    let mut binary = 0;
    while binary < 50 {
        match live.next().await {
            WebSocketMessage::Json(json) => {
                document.check("LiveMessage", &json);
                kinds.insert(json["type"].to_string());
            }
            WebSocketMessage::Binary(_) => binary += 1,
            other => panic!("{other:?}"),
        }
    }
    let mut talk = server.websocket("/front/talk").await;
    let ready = talk.json().await;
    document.check("TalkMessage", &ready);
    let (error, _) = server.websocket("/front/talk").await.failure().await;
    document.check("ErrorMessage", &error);
    for message in [
        json!({ "type": "begin", "rate": 8_000 }),
        json!({ "type": "end" }),
    ] {
        document.check("TalkCommand", &message);
        talk.text(&message.to_string()).await;
    }
    document.check("TalkMessage", &talk.json().await);
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    drop((live, talk));
    let mut events = server.stream("/api/events").await;
    server
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"on\"}",
        )
        .await;
    server
        .hub
        .add("back", crate::common::settings(&server.camera))
        .unwrap();
    let mut text = String::new();
    // The camera is removed only after its first event, because it would not be reported otherwise.
    for expected in ["\"back\"", "event: removed"] {
        while !text.contains(expected) {
            text.push_str(std::str::from_utf8(&events.next_chunk().await.unwrap()).unwrap());
        }
        server.hub.remove("back").await;
    }
    for event in text.split("\n\n").filter(|event| event.contains("data: ")) {
        let of = |field: &str| {
            event
                .lines()
                .find_map(|line| line.strip_prefix(field))
                .unwrap()
        };
        let name = match of("event: ") {
            "state" => "StateEvent",
            "control" => "ControlEvent",
            "removed" => "RemovedEvent",
            other => panic!("{other}"),
        };
        document.check(name, &serde_json::from_str(of("data: ")).unwrap());
    }
    server.close().await;
}
