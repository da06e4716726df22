//! Generates and checks the files in `bindings/vectors`. `cargo xtask vectors` writes them.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use serde_json::{Value, json};
use tutk_bindings::tutk_dissect;
use tutk_bindings::tutk_dissect::capture::{CaptureReader, Datagram};
use tutk_bindings::tutk_session::models::command_context;
use tutk_bindings::tutk_session::{Client, ClientConfig, Credentials, Epoch, Instant, Output};
use tutk_bindings::{Dissection, controls, describe_answer, dissect_datagram, parse_url, request};

/// If this variable is set, the files are written instead of compared.
const WRITE: &str = "TUTK_WRITE_VECTORS";

const CAPTURE: &str = "../../captures/simulated.pcapng";
const NO_KEY_LOGS: &[&[u8]] = &[];
const NO_CAMERAS: &[&str] = &[];
const KEYS: &str = "uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF";

fn hex(bytes: &[u8]) -> String {
    tutk_dissect::Value::Bytes(bytes.to_vec()).to_string()
}

/// Compares the file with `lines`, one JSON value each, or writes it.
fn check(name: &str, lines: &[String]) {
    let path = Path::new("../vectors").join(name);
    if env::var_os(WRITE).is_some() {
        fs::write(path, lines.join("\n") + "\n").unwrap();
        return;
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    // The order of the keys depends on features of serde_json.
    let stored = stored.lines().map(parsed);
    assert!(
        stored.eq(lines.iter().map(|line| parsed(line))),
        "bindings/vectors/{name} is stale: run `cargo xtask vectors`"
    );
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn urls() {
    let urls = [
        format!("wyze://192.0.2.7?{KEYS}&model=HL_CAM4&subtype=sd"),
        format!("wyze://?{KEYS}"),
        format!("wyze://:4000?{KEYS}&subtype=0&unknown=1"),
        "wyze://[::1]:4000/?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHF+5&auth_key=qZwi9FaB".into(),
        format!(
            "wyze://garage.lan?{KEYS}&parent_enr=GkB9S7cX38%2BgzSC6&parent_mac=aa:bb:cc:dd:ee:00"
        ),
        format!("wyze://cam?{KEYS}&user_id=0123456789abcdef"),
        format!("rtsp://192.0.2.7?{KEYS}"),
        "wyze://cam".into(),
        "wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5".into(),
        "wyze://cam?uid=HSBJYB5H&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF".into(),
        "wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=short&mac=AABBCCDDEEFF".into(),
        "wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEGG".into(),
        format!("wyze://cam:99999?{KEYS}"),
        format!("wyze://user@cam?{KEYS}"),
        format!("wyze://cam?{KEYS}&subtype=4k"),
        format!("wyze://cam?{KEYS}&dtls=false"),
        format!("wyze://cam?{KEYS}&parent_mac=AABBCCDDEE00"),
    ];
    let lines = urls.map(|url| match parse_url(&url) {
        Ok(camera) => json!({ "url": url, "camera": camera }).to_string(),
        Err(error) => json!({ "url": url, "error": error.to_string() }).to_string(),
    });
    check("urls.jsonl", &lines);
}

#[test]
fn catalogue() {
    let controls = controls();
    let lines = controls.as_array().unwrap().iter().map(Value::to_string);
    check("controls.jsonl", &lines.collect::<Vec<_>>());
}

#[test]
fn requests() {
    /// The control, the values, the model, and the payload of the answer.
    type Case = (
        &'static str,
        &'static [&'static str],
        Option<&'static str>,
        &'static [u8],
    );
    let cases: [Case; 16] = [
        ("night-vision", &[], None, &[3]),
        ("night-vision", &["auto"], None, &[1]),
        ("night-vision", &["on"], None, &[2]),
        ("resolution", &["360p"], None, &[1]),
        ("resolution", &["1080p", "60", "15"], Some("HL_CAM4"), &[1]),
        ("resolution", &["1080p"], Some("WYZEC1-JZ"), &[1]),
        ("clock", &["now"], None, &[1]),
        ("siren", &[], None, &[1, 2]),
        ("turn", &["10", "-5"], None, &[1]),
        ("home-position", &[], None, &[1]),
        ("patrol-points", &["-"], None, &[1]),
        ("power", &["on"], None, &[]),
        ("night-vision", &["dim"], None, &[]),
        ("turn", &["10"], None, &[]),
        ("night-check", &["on"], None, &[]),
        ("sprinkler", &[], None, &[]),
    ];
    let unix = Duration::from_secs(1_760_000_000);
    let lines = cases.map(|(control, values, model, answer)| {
        let mut line = json!({
            "control": control,
            "values": values,
            "model": model,
            "unix_millis": u64::try_from(unix.as_millis()).unwrap(),
        });
        match request(control, values, &command_context(model, Some(unix))) {
            Ok(request) => {
                line["request"] = request;
                line["answer"] = hex(answer).into();
                match describe_answer(control, values, answer) {
                    Ok(described) => line["described"] = described,
                    Err(error) => line["answer_error"] = error.to_string().into(),
                }
            }
            Err(error) => line["error"] = error.to_string().into(),
        }
        line.to_string()
    });
    check("requests.jsonl", &lines);
}

/// The first requests of a client in each dialect, the first datagrams of the capture, and
/// datagrams of other protocols.
#[test]
fn datagrams() {
    let client: SocketAddr = "192.0.2.2:50000".parse().unwrap();
    let camera: SocketAddr = "192.0.2.1:32761".parse().unwrap();
    let mut datagrams = Vec::new();
    let credentials =
        Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").unwrap();
    let epoch = Epoch {
        instant: Instant::ZERO,
        unix: Duration::from_secs(1_760_000_000),
    };
    let mut session = Client::new(ClientConfig::new(camera, credentials), [7; 32], epoch);
    loop {
        match session.poll_output() {
            Output::Transmit(datagram) => {
                datagrams.push((client, datagram.to, datagram.payload.to_vec()));
            }
            Output::Event(_) => {}
            Output::Timeout(_) => break,
        }
    }
    let file = fs::read(CAPTURE).unwrap();
    let mut capture = CaptureReader::new(&file[..]).unwrap();
    while datagrams.len() < 24
        && let Some(captured) = capture.next_packet().unwrap()
    {
        let datagram = Datagram::parse(captured.link, captured.data).unwrap();
        let Datagram {
            source,
            destination,
            payload,
            ..
        } = datagram;
        datagrams.push((source, destination, payload.to_vec()));
    }
    datagrams.push((client, camera, vec![]));
    datagrams.push((client, camera, b"GET / HTTP/1.1\r\n\r\n".to_vec()));
    let lines: Vec<_> = datagrams
        .into_iter()
        .map(|(source, destination, payload)| {
            json!({
                "source": source,
                "destination": destination,
                "datagram": hex(&payload),
                "packet": dissect_datagram(source, destination, &payload).as_deref().map(parsed),
            })
            .to_string()
        })
        .collect();
    check("datagrams.jsonl", &lines);
}

#[test]
fn capture() {
    let mut dissection =
        Dissection::new(fs::read(CAPTURE).unwrap().into(), NO_KEY_LOGS, NO_CAMERAS).unwrap();
    let mut lines = Vec::new();
    while let Some(line) = dissection.next_json().unwrap() {
        // Not parsed: serde_json rounds numbers.
        lines.push(line);
    }
    check("simulated.jsonl", &lines);
}
