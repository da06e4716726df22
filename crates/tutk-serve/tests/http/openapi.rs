//! `/openapi.json` is true: everything in it is called, and every answer is one that it foresees.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tutk_runtime::tutk_session::Codec;
use tutk_serve::http::MAX_FAILURES;

use crate::client::{Answer, Said, Served, Stream};
use crate::common::{FPS, H264, camera, picture};
use crate::stream::with_sound;

/// The document, with what is needed to look things up in it.
struct Document(Value);

impl Document {
    /// What a reference stands for.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(pointer) => self.0.pointer(pointer.strip_prefix('#').unwrap()).unwrap(),
            None => value,
        }
    }

    /// What is wrong with a value, by a schema of the document.
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

    /// Whether an answer is one that an operation foresees.
    fn foresees(&self, operation: &Value, answer: &Answer) {
        let id = &operation["operationId"];
        let status = answer.status.to_string();
        let response = &operation["responses"][&status];
        assert!(
            !response.is_null(),
            "{id} does not foresee {status}: {}",
            answer.text()
        );
        let response = self.resolve(response);
        let Some(content) = response["content"].as_object() else {
            return;
        };
        let found = answer
            .header("content-type")
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        let schema = &content
            .get(found)
            .unwrap_or_else(|| panic!("{id}: {found}"))["schema"];
        let value = match found {
            "application/json" => answer.json(),
            _ => Value::String(answer.text()),
        };
        let errors = self.errors(schema, &value);
        assert!(errors.is_empty(), "{id} {status}: {errors:?}\n{value}");
    }
}

/// The answer, of a stream without end its beginning.
async fn call(served: &Served, method: &str, path: &str, body: &str) -> Answer {
    let headers = match body {
        "" => "",
        _ => "Content-Type: application/json\r\n",
    };
    let mut stream = served.open(method, path, headers, body).await;
    if stream.header("transfer-encoding") != Some("chunked") {
        return stream.all().await;
    }
    let body = stream.part().await.unwrap();
    let headers = stream.headers.clone();
    Answer {
        status: stream.status,
        headers,
        body,
    }
}

#[tokio::test(start_paused = true)]
async fn operations_answer_as_documented() {
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut viewer = served.front.watch("somebody");
    for _ in 0..30 {
        picture(&mut viewer).await;
    }
    let document = Document(served.get("/openapi.json").await.json());
    assert!(document.0["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut called = BTreeSet::new();
    for (path, item) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let id = operation["operationId"].as_str().unwrap();
            assert!(called.insert(id.to_owned()), "{id} is there twice");
            let path = path.replace("{control}", "night-vision");
            let body = if method == "POST" {
                "{\"value\":\"auto\"}"
            } else {
                ""
            };
            if operation["responses"].get("101").is_some() {
                let path = path.replace("{name}", "front");
                let mut socket = served.socket(&path).await;
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
                let answer = call(&served, &method, &path.replace("{name}", "front"), body).await;
                let status = if id == "snapshot" && !cfg!(feature = "snapshot") {
                    501
                } else {
                    200
                };
                assert_eq!(answer.status, status, "{id}: {}", answer.text());
                document.foresees(operation, &answer);
            }
            // And what goes wrong, if it can.
            let mut wrong = vec![
                (path.replace("{name}", "nobody"), body),
                (format!("{path}?sound=x").replace("{name}", "front"), body),
            ];
            wrong.extend(
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
            for (path, body) in wrong {
                document.foresees(operation, &call(&served, &method, &path, body).await);
            }
        }
    }
    // That every route is in the document, and nothing else, is shown where the routes are.
    assert_eq!(called.len(), 14);
    served.close().await;
}

/// Who is refused before anything is looked at, and whether that was foreseen.
#[tokio::test(start_paused = true)]
async fn errors_match_the_document() {
    let open = Served::start(camera(H264, FPS)).await;
    let guarded = Served::with(
        camera(H264, FPS),
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
        let refused = async |served: &Served, headers: &str, status: u16| {
            let answer = served.send(method, path, headers, "").await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
            document.foresees(operation, &answer);
        };
        refused(&guarded, "", 401).await;
        refused(&open, &long, 431).await;
        refused(&open, "Host: 127.0.0.1\r\n", 400).await;
        let host = open.address();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let answer = Stream::open(host, &request).await.all().await;
        assert_eq!(answer.status, 421, "{method} {path}");
        document.foresees(operation, &answer);
        if operation["responses"].get("403").is_some() {
            let headers = format!("Connection: upgrade\r\nUpgrade: websocket\r\n{elsewhere}");
            refused(&open, &headers, 403).await;
        }
        if operation["responses"].get("426").is_some() {
            refused(&open, "", 426).await;
        }
    }
    for _ in 0..MAX_FAILURES {
        guarded.send("GET", "/", wrong, "").await.problem(401);
    }
    for (path, method, operation) in &operations {
        let answer = guarded.send(method, path, wrong, "").await;
        assert_eq!(answer.status, 429, "{method} {path}");
        document.foresees(operation, &answer);
    }
    open.close().await;
    guarded.close().await;
}

#[tokio::test(start_paused = true)]
async fn controls_answer_as_documented() {
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let document = Document(served.get("/openapi.json").await.json());
    let item = &document.0["paths"]["/api/cameras/{name}/controls/{control}"];
    let list = served.get("/api/cameras/front/controls").await.json();
    for control in list["controls"].as_array().unwrap() {
        let url = control["url"].as_str().unwrap();
        document.foresees(&item["get"], &call(&served, "GET", url, "").await);
        // The first that is allowed of each field.
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
        let answer = call(&served, "POST", url, &body.to_string()).await;
        document.foresees(&item["post"], &answer);
        // What the simulated camera knows is done.
        let expected = if control["settable"] == true {
            [200, 504]
        } else {
            [405, 405]
        };
        assert!(
            expected.contains(&answer.status),
            "{url}: {}",
            answer.text()
        );
    }
    let names = document
        .0
        .pointer("/components/parameters/control/schema/enum")
        .unwrap();
    assert_eq!(
        names.as_array().unwrap().len(),
        list["controls"].as_array().unwrap().len()
    );
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn messages_match_the_document() {
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let document = Document(served.get("/openapi.json").await.json());
    let mut kinds = BTreeSet::new();
    let mut live = served.socket("/front/live").await;
    let mut binary = 0;
    while binary < 50 {
        match live.next().await {
            Said::Json(json) => {
                document.check("LiveMessage", &json);
                kinds.insert(json["type"].to_string());
            }
            Said::Binary(_) => binary += 1,
            other => panic!("{other:?}"),
        }
    }
    let mut talk = served.socket("/front/talk").await;
    let ready = talk.json().await;
    document.check("TalkMessage", &ready);
    let (error, _) = served.socket("/front/talk").await.failure().await;
    document.check("TalkMessage", &error);
    document.check("LiveMessage", &error);
    for word in [
        json!({ "type": "begin", "rate": 8_000 }),
        json!({ "type": "end" }),
    ] {
        document.check("TalkWord", &word);
        talk.text(&word.to_string()).await;
    }
    document.check("TalkMessage", &talk.json().await);
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    drop((live, talk));
    let mut events = served.stream("/api/events").await;
    served
        .post(
            "/api/cameras/front/controls/spotlight",
            "{\"value\":\"on\"}",
        )
        .await;
    served
        .hub
        .add("back", crate::common::settings(&served.camera))
        .unwrap();
    let mut text = String::new();
    // One that had gone before anybody looked would never have been there.
    for told in ["\"back\"", "event: removed"] {
        while !text.contains(told) {
            text.push_str(std::str::from_utf8(&events.part().await.unwrap()).unwrap());
        }
        served.hub.remove("back").await;
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
    served.close().await;
}
