//! Bad input, named: what failed, in which phase, and what to try; and the exit status.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and sockets"
)]

mod common;

use std::net::UdpSocket;
use std::process::Stdio;

use tutk_runtime::tutk_session::hl_ioctl::ConnectResult;
use tutk_runtime::tutk_session::{Codec, Credentials};
use tutk_runtime::tutk_simulator::{Clip, ClipFrame, SimulatorConfig};

use common::{ENR, H264, MAC, Simulator, UID, asset, command, text, tutk, url};

const SIMULATE: [&str; 9] = [
    "simulate",
    "--listen",
    "127.0.0.1:0",
    "--uid",
    UID,
    "--enr",
    ENR,
    "--mac",
    MAC,
];

#[test]
fn a_clip_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "These are notes and no video at all.").unwrap();
    let run = tutk(
        SIMULATE
            .iter()
            .copied()
            .chain(["--input", text(&path), "--json"]),
    );
    run.exits(2)
        .says(&["input", text(&path), "H.264", "ffmpeg"]);
    assert_eq!(run.json()["phase"], "input");

    let missing = folder.path().join("missing.h264");
    let run = tutk(SIMULATE.iter().copied().chain(["--input", text(&missing)]));
    run.exits(2).says(&["input", text(&missing)]);
}

#[test]
fn a_port_in_use() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let run = tutk([
        "simulate", "--listen", &address, "--uid", UID, "--enr", ENR, "--mac", MAC, "--json",
    ]);
    run.exits(1)
        .says(&["listen", &address, "in use", "another port"]);
    assert_eq!(run.json()["phase"], "listen");
}

#[test]
fn credentials_that_are_none() {
    for (uid, enr, mac, word) in [
        ("short", ENR, MAC, "UID"),
        (UID, "short-enr", MAC, "ENR"),
        (UID, ENR, "zz", "MAC"),
    ] {
        let run = tutk([
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--uid",
            uid,
            "--enr",
            enr,
            "--mac",
            mac,
        ]);
        run.exits(2).says(&[word]);
        assert!(!run.stderr.contains("short-enr"), "{}", run.stderr);
    }
    // Status 6 needs both halves of a long ENR.
    tutk(SIMULATE.iter().copied().chain(["--status", "6"]))
        .exits(2)
        .says(&["32"]);
}

#[test]
fn a_command_line_that_is_none() {
    tutk(["record"]).exits(2);
    tutk(["record", "rtsp://cam", "--output", "a.mp4"])
        .exits(2)
        .says(&["wyze://"]);
    tutk(["record", "front", "--output", "a.mp4"])
        .exits(2)
        .says(&["front", "cameras.toml"]);
    tutk(["record", &url("127.0.0.1"), "--output", "a.avi"])
        .exits(2)
        .says(&["a.avi", "--format"]);
    let run = tutk(["record", &url("127.0.0.1"), "--output", "-", "--json"]);
    run.exits(2).says(&["--json"]);
    run.json();
    tutk(["record", "--json", "--no-such-thing"])
        .exits(2)
        .json();
}

#[test]
fn an_unknown_host() {
    let run = tutk(["record", &url("camera.invalid"), "--output", "-"]);
    run.exits(3)
        .says(&["discovery", "camera.invalid", "check the name"]);
}

#[test]
fn a_folder_that_is_not_there() {
    let run = tutk([
        "record",
        &url("127.0.0.1:9"),
        "--output",
        "/nonexistent/out.mp4",
        "--json",
    ]);
    run.exits(1).says(&["output", "/nonexistent/out.mp4"]);
    assert_eq!(run.json()["phase"], "output");
}

#[test]
fn a_wrong_uid_is_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let camera = Simulator::start(&[]);
    let url = camera.url.replace(UID, "AAAAAAAAAAAAAAAAAAAA");
    let run = tutk(["record", &url, "--output", text(&path), "--json"]);
    run.exits(3).says(&["discovery", "within 5 s", "UID"]);
    let json = run.json();
    assert_eq!(
        (&json["phase"], &json["phases"]),
        (&"discovery".into(), &serde_json::json!([]))
    );
    assert!(!path.exists(), "an empty file was left");
}

/// The camera just falls silent, and this is told from a camera that is not there.
fn wrong_enr(dialect: &str) {
    let camera = Simulator::start(&[]);
    let url = camera.url.replace("enr=aKzd", "enr=xxxx");
    assert_ne!(url, camera.url);
    let run = tutk(["record", &url, "--output", "-", "--dialect", dialect]);
    run.exits(4).says(&["dtls", "ENR"]);
}

#[test]
fn a_wrong_enr_is_refused_in_the_dtls_phase_of_transcode() {
    wrong_enr("transcode");
}

#[test]
fn a_wrong_enr_is_refused_in_the_dtls_phase_of_summary() {
    wrong_enr("summary");
}

#[test]
fn another_codec_than_the_file_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let input = asset("clip.h265");
    let camera = Simulator::start(&["--input", &input, "--once"]);
    let run = tutk(["record", &camera.url, "--output", text(&path)]);
    run.exits(2)
        .says(&["stream", "out.h264", "H.265", "--format h265"]);
    assert!(!path.exists());
    camera.end().exits(0);
}

#[test]
fn a_camera_that_dies_mid_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let mut camera = Simulator::start(&["--fps", "60"]);
    let client = command(["record", &camera.url, "--output", text(&path), "--json"])
        .args(["--reconnect", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while std::fs::metadata(&path).map_or(0, |file| file.len()) < 50_000 {
        std::thread::yield_now();
    }
    camera.kill();
    let output = client.wait_with_output().unwrap();
    let run = common::Run {
        status: output.status,
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    run.exits(5).says(&["stream", "no whole frame"]);
    let json = run.json();
    assert_eq!(json["phase"], "stream");
    // Complete up to there: all the frames that were counted, and they are the clip's.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(json["bytes"], bytes.len());
    let rounds = H264.repeat(bytes.len() / H264.len() + 1);
    assert!(rounds.starts_with(&bytes));
}

#[test]
fn a_camera_that_ends_its_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = Simulator::start(&["--fps", "60", "--frames", "30"]);
    let args = ["record", &camera.url, "--output", text(&path), "--json"];
    let run = tutk(args.iter().chain(&["--reconnect", "0"]));
    run.exits(5).says(&["stream"]);
    assert_eq!(run.json()["frames"], 30);
    assert!(H264.starts_with(&std::fs::read(&path).unwrap()));

    // Half a second was asked for and half a second came.
    let run = tutk([
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--seconds",
        "0.5",
    ]);
    run.exits(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    for format in ["h264", "mp4"] {
        let camera = Simulator::start(&["--fps", "60", "--once"]);
        let run = tutk([
            "record",
            &camera.url,
            "--output",
            "/dev/full",
            "--format",
            format,
            "--json",
        ]);
        run.exits(1).says(&["stream", "/dev/full", "disk is full"]);
        assert_eq!(run.json()["phase"], "stream");
        // The camera was told.
        camera.end().exits(0);
    }
}

#[test]
fn nobody_there() {
    // Bound, and never answers.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let run = tutk(["discover", &url(&address), "--timeout", "0.5", "--json"]);
    run.exits(3).says(&["discovery"]);
    assert_eq!(run.json()["cameras"], serde_json::json!([]));
}

/// A camera in this process, where more of it can be set than the command line allows.
fn refused_by(set: impl FnOnce(&mut SimulatorConfig), words: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let frame = ClipFrame {
        data: bytes::Bytes::from_static(H264),
        key: true,
    };
    let clip = Clip::new([frame], Codec::H264, 20).unwrap();
    let mut config = SimulatorConfig::new(Credentials::new(UID, ENR, MAC).unwrap(), clip);
    set(&mut config);
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = tutk_runtime::simulate(config, listen).unwrap();
    let run = tutk([
        "record",
        &url(&server.local_addr().to_string()),
        "--output",
        "-",
    ]);
    run.exits(4).says(words);
}

#[test]
fn a_camera_that_says_no() {
    let refused = ConnectResult::parse(br#"{"connectionRes":"2"}"#).unwrap();
    refused_by(|camera| camera.result = Some(refused), &["authentication"]);
}

#[test]
fn a_camera_that_cannot_be_asked() {
    for (status, word) in [("2", "updating"), ("4", "checking"), ("5", "off")] {
        let camera = Simulator::start(&["--status", status]);
        tutk(["record", &camera.url, "--output", "-"])
            .exits(4)
            .says(&["authentication", word]);
    }
}
