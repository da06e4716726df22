//! `tutk info` and `tutk control`, and every control of the catalogue over one session.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use sockets and the clock"
)]

mod common;

use std::net::UdpSocket;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tutk_runtime::tutk_session::hl_ioctl::schema::{Field, Kind, Values};
use tutk_runtime::tutk_session::hl_ioctl::{
    CATALOGUE, CommandProfile, CommandSet, ConnectResult, Context, Control, Request,
};
use tutk_runtime::tutk_session::models::Model;
use tutk_runtime::tutk_session::{ClientConfig, Codec, Credentials, MediaRequest};
use tutk_runtime::tutk_simulator::{Clip, ClipFrame, SimulatorConfig};
use tutk_runtime::{Session, connect, simulate};

use common::{ENR, H264, MAC, Run, Service, Simulator, UID, signal, tutk, url};

/// The address of no camera.
const UNUSED: &str = "127.0.0.1:9";

fn control(url: &str, args: &[&str]) -> Run {
    tutk(["control", url].iter().chain(args))
}

/// Standard output of a successful run.
#[track_caller]
fn stdout(run: &Run) -> String {
    run.exits(0);
    String::from_utf8(run.stdout.clone()).unwrap()
}

#[test]
fn info_prints_a_table() {
    let camera = Simulator::start(&["--model", "HL_CAM4"]);
    let run = tutk(["info", &camera.url, "--quiet"]);
    let table = stdout(&run);
    assert_eq!(run.stderr, "");
    assert!(
        table.starts_with("model HL_CAM4 (Wyze Cam v4)\n"),
        "{table}"
    );
    for row in [
        &["K10003"][..],
        &["connectionRes", "1"],
        &["cameraInfo.videoParm.type", "H264"],
        &["K10020"],
        &["3", "bitrate", "120"],
        &["22", "time-zone", "0"],
    ] {
        let found = table.lines().any(|line| {
            let mut cells = line.split([' ', '(', ')']).filter(|cell| !cell.is_empty());
            row.iter()
                .all(|expected| cells.any(|cell| cell == *expected))
        });
        assert!(found, "{row:?}: {table}");
    }
}

#[test]
fn info_prints_complete_json_in_each_dialect() {
    let camera = Simulator::start(&[]);
    for dialect in ["transcode", "cc51", "summary"] {
        let run = tutk(["info", &camera.url, "--json", "--dialect", dialect]);
        run.exits(0);
        let json = run.json();
        assert_eq!(json["command"], "info");
        assert_eq!(json["dialect"], dialect);
        assert_eq!(json["camera"]["connectionRes"], "1");
        assert_eq!(json["camera"]["cameraInfo"]["videoParm"]["type"], "H264");
        assert_eq!(json["parameters"]["3"], "120");
        assert_eq!(json["phases"].as_array().unwrap().len(), 5, "{json}");
        assert_eq!((&json["frames"], json.get("model")), (&0.into(), None));
    }
}

/// A simulated camera with this K10003.
fn camera_with_result(result: &[u8]) -> tutk_runtime::SimulatedCamera {
    let frame = ClipFrame {
        data: bytes::Bytes::from_static(H264),
        key: true,
    };
    let clip = Clip::new([frame], Codec::H264, 20).unwrap();
    let mut config = SimulatorConfig::new(Credentials::new(UID, ENR, MAC).unwrap(), clip);
    config.result = Some(ConnectResult::decode(result).unwrap());
    simulate(config, "127.0.0.1:0".parse().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn info_reads_the_bitrate_where_the_firmware_reports_it() {
    for (firmware, reads) in [("4.52.9.4188", true), ("4.36.14.3497", false)] {
        let result = json!({
            "connectionRes": "1", "cameraInfo": { "basicInfo": { "firmware": firmware } }
        });
        let camera = camera_with_result(result.to_string().as_bytes());
        let url = url(&camera.local_addr().to_string());
        let json = tutk(["info", &url, "--json"]).exits(0).json();
        let video = json.get("video_parameters");
        assert_eq!(
            video.map(|video| &video["bitrate"]),
            reads.then_some(&json!(120))
        );
        let table = stdout(&tutk(["info", &url]));
        assert_eq!(table.contains("K10050"), reads, "{table}");
    }
}

#[test]
fn next_session_reads_the_values_that_were_set() {
    let camera = Simulator::start(&[]);
    let control = |args: &[&str]| stdout(&control(&camera.url, args));
    for (set, get, read) in [
        (&["night-vision", "on"][..], "night-vision", "on\n"),
        (&["siren", "on", "off"], "siren", "light  off\nsiren  on\n"),
        (&["patrol-points", "40:350:10"], "patrol-points", "350"),
        (&["patrol-points", "-"], "patrol-points", "none\n"),
        (
            &["video-parameters", "-", "720p", "15"],
            "resolution",
            "720p",
        ),
        (&["position", "7", "301"], "position", "301"),
        (
            &["rtsp-server", "on"],
            "rtsp-server",
            "server  on\nurl     rtsp://",
        ),
        // The time zone has no control that reads it.
        (&["time-zone", "-5"], "parameters", "22  -5\n"),
    ] {
        assert_eq!(control(set), "done\n", "{set:?}");
        let got = control(&[get]);
        assert!(got.contains(read), "{set:?}: {got}");
    }
    // The move from position 301 was executed once.
    assert_eq!(control(&["turn", "-21", "3"]), "done\n");
    let got = control(&["position"]);
    assert!(
        got.contains("horizontal  280") && got.contains("vertical    10"),
        "{got}"
    );
    assert_eq!(control(&["home-position"]), "done\n");
}

#[test]
fn clock_is_set_to_a_value_or_to_now() {
    let camera = Simulator::start(&[]);
    let seconds = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    let set = |value| {
        let done = stdout(&control(&camera.url, &["clock", value]));
        assert_eq!(done, "done\n");
        let read = stdout(&control(&camera.url, &["clock"]));
        read.trim().parse::<u64>().unwrap()
    };
    let before = seconds();
    let clock = set("86400");
    assert!((86_400..before).contains(&clock), "{clock}");
    let clock = set("now");
    assert!((before..=seconds() + 1).contains(&clock), "{clock}");
}

#[test]
fn report_has_the_code_and_values_of_request_and_answer() {
    // The doorbell reports its model, which uses other codes.
    let camera = Simulator::start(&["--model", "WYZEDB3"]);
    let run = control(&camera.url, &["motion-alarm", "on", "--json"]);
    run.exits(0);
    let json = run.json();
    for (key, value) in [
        ("command", json!("control")),
        ("control", json!("motion-alarm")),
        ("model", json!("WYZEDB3")),
        ("code", json!(10202)),
        ("set", json!({ "alarm": "on" })),
        ("answer", json!("done")),
    ] {
        assert_eq!(json[key], value, "{key}: {json}");
    }
    let run = control(&camera.url, &["motion-alarm", "--json"]);
    let json = run.exits(0).json();
    assert_eq!((&json["code"], json.get("set")), (&json!(10200), None));
    assert_eq!(json["answer"]["alarm"], "on");
}

#[test]
fn unsupported_command_times_out_with_an_explanation() {
    let camera = Simulator::start(&["--model", "HL_CAM4"]);
    let run = control(&camera.url, &["video-parameters", "60", "--json"]);
    run.exits(3).reports(&[
        "command:",
        "K10052",
        "video-parameters",
        "HL_CAM4",
        "5 s",
        "cameras do not answer codes that they do not support",
        "WYZEDB3",
    ]);
    let json = run.json();
    assert_eq!(
        (&json["phase"], &json["code"]),
        (&"command".into(), &10052.into())
    );
}

#[test]
fn invalid_values_are_reported_without_a_camera() {
    let url = url(UNUSED);
    for (args, parts) in [
        (
            &["night-vision", "dim"][..],
            &["on, off or auto", "`dim`"][..],
        ),
        (&["siren", "on"], &["SIREN LIGHT", "on or off", "1 value"]),
        (&["time-zone"], &["-11 to 13 hours"]),
        (&["time-zone", "14"], &["-11 to 13 hours", "`14`"]),
        (&["night-check", "on"], &["read only"]),
        (&["home-position", "now"], &["home-position", "no value"]),
        (&["clock", "then"], &["now or 0 to"]),
        (
            &["nite-vision"],
            &["nite-vision", "did you mean night-vision?"],
        ),
        (&["sprinkler"], &["sprinkler"]),
    ] {
        let run = control(&url, args);
        run.exits(2)
            .reports(parts)
            .reports(&["arguments:", "tutk control --list"]);
        assert_eq!(String::from_utf8(run.stdout).unwrap(), "");
    }
    let json = control(&url, &["night-vision", "dim", "--json"]).json();
    assert_eq!(
        (&json["phase"], &json["control"]),
        (&"arguments".into(), &"night-vision".into())
    );
    tutk(["control", &url]).exits(2);
    tutk(["control", "--json"]).exits(2).json();
    tutk(["info"]).exits(2);
}

#[test]
fn destructive_commands_require_confirmation() {
    let camera = Simulator::start(&[]);
    let run = control(&camera.url, &["format-sd-card"]);
    run.exits(2)
        .reports(&["format-sd-card", "destroys data", "--yes"]);
    let run = control(&camera.url, &["format-sd-card", "--yes", "--json"]);
    let json = run.exits(0).json();
    assert_eq!(
        (&json["code"], &json["answer"]),
        (&10242.into(), &"done".into())
    );
}

#[test]
fn list_has_every_control() {
    let list = stdout(&tutk(["control", "--list"]));
    for control in CATALOGUE {
        let line = list
            .lines()
            .find(|line| line.split(' ').next() == Some(control.name));
        assert!(line.unwrap().contains(control.summary), "{}", control.name);
        if let Some(values) = control.values().filter(|values| *values != Values::None) {
            assert!(list.contains(&values.to_string()), "{}", control.name);
        }
    }
    let run = tutk(["control", "--list", "--json"]);
    let json = run.exits(0).json();
    let listed = json["controls"].as_array().unwrap();
    assert_eq!(listed.len(), CATALOGUE.len());
    for (listed, control) in listed.iter().zip(CATALOGUE) {
        let mut expected = control.to_json();
        expected["models"] = listed["models"].clone();
        assert_eq!(*listed, expected);
        let models = control.group.map(|group| {
            let models = Model::in_group(group);
            models.map(|model| model.id).collect::<Vec<_>>()
        });
        assert_eq!(listed["models"], serde_json::json!(models));
    }
}

#[test]
fn silent_cameras_get_an_explanation_by_model() {
    // The socket is bound and never answers.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = url(&socket.local_addr().unwrap().to_string());
    let run = tutk(["info", &silent, "--json"]);
    run.exits(3).reports(&[
        "discovery:",
        "within 5 s",
        "UID",
        "GW_",
        "AN_",
        "LD_CFP",
        "TUTK",
    ]);
    assert_eq!(run.json()["phase"], "discovery");
    let run = control(&format!("{silent}&model=WVOD1"), &["siren"]);
    run.exits(3).reports(&["discovery:", "asleep", "wake it"]);
    let run = tutk(["discover", &silent, "--timeout", "0.2"]);
    run.exits(3).reports(&["GW_"]);

    for model in ["GW_GC1", "AN_RSCW", "LD_CFP"] {
        let run = control(&format!("{silent}&model={model}"), &["siren"]);
        run.exits(2)
            .reports(&[model, "does not speak TUTK", "vendor's app"]);
    }
}

#[cfg(unix)]
#[test]
fn signal_interrupts_the_command() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = url(&socket.local_addr().unwrap().to_string());
    let mut service = Service::start(&["control", &silent, "siren", "--json"]);
    service.wait_for("camera at ");
    signal(service.child(), "-INT");
    let run = service.end();
    run.exits(1).reports(&["discovery:", "interrupted"]);
    assert_eq!(run.json()["interrupted"], true);
}

/// A valid value of a field that is not its default in the simulator.
fn text(kind: Kind) -> String {
    match kind {
        Kind::OnOff => "on".to_owned(),
        Kind::OneOf(names) => names.last().unwrap().name.to_owned(),
        Kind::Number { min, max, .. } => (min + (max - min) / 3).to_string(),
        _ => panic!("{kind:?}"),
    }
}

fn texts(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|field| text(field.kind)).collect()
}

/// Valid values of a control.
fn values(control: &Control) -> Option<Vec<String>> {
    Some(match control.values()? {
        Values::None => Vec::new(),
        Values::One(kind) => vec![text(kind)],
        Values::Fields(fields) => texts(fields),
        Values::List { item, .. } => vec![texts(item).join(":"); 3],
        other => panic!("{other:?}"),
    })
}

/// Returns `true` if the values that were read include all values that were set.
fn includes(read: &Value, set: &Value) -> bool {
    match (read, set) {
        (Value::Object(read), Value::Object(set)) => {
            set.iter().all(|(key, value)| read.get(key) == Some(value))
        }
        // The clock advances.
        (Value::Number(read), Value::Number(set)) => read.as_u64() >= set.as_u64(),
        _ => read == set,
    }
}

/// Sends a command and returns the payload of the camera's answer.
async fn ask(session: &Session, request: Request) -> Vec<u8> {
    let code = request.code;
    let answer = session.request(request).await.unwrap();
    assert_eq!(answer.code, code + 1);
    answer.payload
}

#[tokio::test]
async fn sets_and_reads_every_control_of_the_catalogue() {
    let frame = ClipFrame {
        data: bytes::Bytes::from_static(H264),
        key: true,
    };
    let clip = Clip::new([frame], Codec::H264, 20).unwrap();
    let credentials = Credentials::new(UID, ENR, MAC).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let camera = SimulatorConfig::new(credentials.clone(), clip);
    let server = simulate(camera, listen).unwrap();
    let mut config = ClientConfig::new(server.local_addr(), credentials);
    config.media = MediaRequest {
        video: false,
        audio: false,
    };
    let session = connect(config).await.unwrap();
    let context = Context {
        profile: CommandProfile::default(),
        now_unix_millis: Some(1_767_225_600_123),
    };

    let (mut set, mut read) = (0, 0);
    for control in CATALOGUE {
        let mut expected = None;
        if let Some(values) = values(control) {
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            let request = control.set_with(&values, &context).unwrap();
            let answer = ask(&session, request).await;
            let answer = control.describe_set_answer(&answer).unwrap();
            assert_eq!(answer, "done", "{} {values:?}", control.name);
            expected = Some(control.parse(&values, &context).unwrap());
            set += 1;
        }
        if let Some(request) = control.get_with(&context) {
            let answer = ask(&session, request).await;
            let got = control.describe_answer(&answer).unwrap();
            if let Some(expected) = expected {
                assert!(
                    includes(&got, &expected),
                    "{}: set {expected}, got {got}",
                    control.name
                );
            }
            read += 1;
        }
    }
    assert_eq!(set + read, CATALOGUE.iter().map(codes).sum::<usize>());
    assert!(set > 25 && read > 20, "{set} {read}");
    session.close().await.unwrap();
    server.close().await;
}

/// The number of command codes of a control: one or two.
fn codes(control: &Control) -> usize {
    usize::from(control.get_code().is_some())
        + usize::from(control.set_code(CommandSet::Current).is_some())
}
