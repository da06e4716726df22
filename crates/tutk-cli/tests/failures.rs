//! Errors: each has an exit status and a message with the phase, the cause and a remedy.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;

use std::net::UdpSocket;
use std::process::Stdio;

use tutk_runtime::tutk_session::hl_ioctl::ConnectResult;
use tutk_runtime::tutk_session::{Codec, Credentials};
use tutk_runtime::tutk_simulator::{Clip, ClipFrame, SimulatorConfig};

use common::{ENR, H264, MAC, Run, Simulator, UID, asset, command, text, tutk, url};

const LISTEN: &str = "127.0.0.1:0";

/// Runs `tutk simulate` with the credentials of the tests. It must fail.
fn simulate(listen: &str, args: &[&str]) -> Run {
    let fixed = [
        "simulate", "--listen", listen, "--uid", UID, "--enr", ENR, "--mac", MAC,
    ];
    tutk(fixed.iter().chain(args))
}

#[test]
fn file_without_video_is_not_a_clip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "These are notes and no video at all.").unwrap();
    let run = simulate(LISTEN, &["--input", text(&path), "--json"]);
    run.exits(2)
        .reports(&["input", text(&path), "H.264", "ffmpeg"]);
    assert_eq!(run.json()["phase"], "input");

    let missing = folder.path().join("missing.h264");
    let run = simulate(LISTEN, &["--input", text(&missing)]);
    run.exits(2).reports(&["input", text(&missing)]);
}

#[test]
fn port_in_use_is_reported() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let run = simulate(&address, &["--json"]);
    run.exits(1)
        .reports(&["listen", &address, "in use", "another port"]);
    assert_eq!(run.json()["phase"], "listen");
}

#[test]
fn invalid_credentials_are_reported_without_the_enr() {
    for (uid, enr, mac, name) in [
        ("short", ENR, MAC, "UID"),
        (UID, "short-enr", MAC, "ENR"),
        (UID, ENR, "zz", "MAC"),
    ] {
        let run = tutk([
            "simulate", "--listen", LISTEN, "--uid", uid, "--enr", enr, "--mac", mac,
        ]);
        run.exits(2).reports(&[name]);
        assert!(!run.stderr.contains("short-enr"), "{}", run.stderr);
    }
    // Status 6 needs an ENR of 32 characters.
    simulate(LISTEN, &["--status", "6"])
        .exits(2)
        .reports(&["32"]);
}

#[test]
fn invalid_command_lines_are_reported() {
    tutk(["record"]).exits(2);
    tutk(["record", "rtsp://cam", "--output", "a.mp4"])
        .exits(2)
        .reports(&["wyze://"]);
    tutk(["record", "front", "--output", "a.mp4"])
        .exits(2)
        .reports(&["front", "cameras.toml"]);
    tutk(["record", &url("127.0.0.1"), "--output", "a.avi"])
        .exits(2)
        .reports(&["a.avi", "--format"]);
    let run = tutk(["record", &url("127.0.0.1"), "--output", "-", "--json"]);
    run.exits(2).reports(&["--json"]);
    run.json();
    tutk(["record", "--json", "--no-such-thing"])
        .exits(2)
        .json();
}

#[test]
fn unknown_host_is_reported() {
    let run = tutk(["record", &url("camera.invalid"), "--output", "-"]);
    run.exits(3)
        .reports(&["discovery", "camera.invalid", "check the name"]);
}

#[test]
fn missing_output_directory_is_reported() {
    let run = tutk([
        "record",
        &url("127.0.0.1:9"),
        "--output",
        "/nonexistent/out.mp4",
        "--json",
    ]);
    run.exits(1).reports(&["output", "/nonexistent/out.mp4"]);
    assert_eq!(run.json()["phase"], "output");
}

#[test]
fn wrong_uid_times_out_in_discovery() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let camera = Simulator::start(&[]);
    let url = camera.url.replace(UID, "AAAAAAAAAAAAAAAAAAAA");
    let run = tutk(["record", &url, "--output", text(&path), "--json"]);
    run.exits(3).reports(&["discovery", "within 5 s", "UID"]);
    let json = run.json();
    assert_eq!(
        (&json["phase"], &json["phases"]),
        (&"discovery".into(), &serde_json::json!([]))
    );
    assert!(!path.exists(), "an empty file was left");
}

/// Nothing listens at the address, and the error comes before a connection is tried.
#[test]
fn existing_files_are_replaced_only_with_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let [path, capture, picture] =
        ["out.h264", "a.pcapng", "a.jpg"].map(|name| folder.path().join(name));
    for path in [&path, &capture, &picture] {
        std::fs::write(path, "old").unwrap();
    }
    let nowhere = url("127.0.0.1:9");
    let began = std::time::Instant::now();
    for args in [
        &["record", &nowhere, "--output", text(&path), "--json"][..],
        &[
            "record",
            &nowhere,
            "--output",
            "-",
            "--capture",
            text(&capture),
        ],
        &["snapshot", &nowhere, "--output", text(&picture)],
        &["demo", "--output", text(&path)],
    ] {
        let run = tutk(args);
        run.exits(2).reports(&["output", "exists", "--overwrite"]);
        if args.contains(&"--json") {
            assert_eq!(run.json()["phase"], "output");
        }
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
    for path in [&path, &capture, &picture] {
        assert_eq!(std::fs::read(path).unwrap(), b"old");
    }
    let both = folder.path().join("both.h264");
    let args = [
        "record",
        &nowhere,
        "--output",
        text(&both),
        "--capture",
        text(&both),
    ];
    tutk(args).exits(2).reports(&["both.h264 has two uses"]);
    assert!(!both.exists());

    let camera = Simulator::start(&["--fps", "60"]);
    let record = [
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--overwrite",
    ];
    let capture_args = ["--capture", text(&capture), "--frames", "3"];
    tutk(record.iter().chain(&capture_args)).exits(0);
    let written = std::fs::read(&path).unwrap();
    assert!(H264.starts_with(&written) && written.len() > 3);
    assert!(std::fs::read(&capture).unwrap().len() > 3);
    if cfg!(feature = "snapshot") {
        let args = [
            "snapshot",
            &camera.url,
            "--output",
            text(&picture),
            "--overwrite",
        ];
        tutk(args).exits(0);
        assert!(std::fs::read(&picture).unwrap().len() > 3);
    }
    // Standard output has nothing to replace.
    let args = [
        "record",
        &camera.url,
        "--output",
        "-",
        "--overwrite",
        "--frames",
        "1",
    ];
    tutk(args).exits(0);
    // If the camera does not answer, the old file stays.
    let before = std::fs::read(&path).unwrap();
    let args = [
        "record",
        &nowhere,
        "--output",
        text(&path),
        "--overwrite",
        "--no-search",
    ];
    tutk(args).exits(3);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// The camera does not answer the handshake. The error differs from that of an unreachable camera.
fn wrong_enr_fails_in_dtls(dialect: &str) {
    let camera = Simulator::start(&[]);
    // The right AuthKey, without which the camera does not answer at all.
    let url = camera.url.replace("enr=aKzd", "enr=xxxx");
    let url = url.replace("mac=AABBCCDDEEFF", "auth_key=MzVyndju");
    assert_ne!(url, camera.url);
    let run = tutk(["record", &url, "--output", "-", "--dialect", dialect]);
    run.exits(4).reports(&["dtls", "ENR"]);
}

#[test]
fn wrong_enr_fails_in_the_dtls_phase_of_transcode() {
    wrong_enr_fails_in_dtls("transcode");
}

#[test]
fn wrong_enr_fails_in_the_dtls_phase_of_summary() {
    wrong_enr_fails_in_dtls("summary");
}

#[test]
fn file_name_for_another_codec_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let input = asset("clip.h265");
    let camera = Simulator::start(&["--input", &input, "--once"]);
    let run = tutk(["record", &camera.url, "--output", text(&path)]);
    run.exits(2)
        .reports(&["stream", "out.h264", "H.265", "--format h265"]);
    assert!(!path.exists());
    camera.end().exits(0);
}

#[test]
fn recording_is_complete_up_to_the_loss_of_the_camera() {
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
    let run = Run::from(output);
    run.exits(5).reports(&["stream", "no whole frame"]);
    let json = run.json();
    assert_eq!(json["phase"], "stream");
    // The file contains all counted frames, and they are those of the clip.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(json["bytes"], bytes.len());
    let looped = H264.repeat(bytes.len() / H264.len() + 1);
    assert!(looped.starts_with(&bytes));
}

#[test]
fn end_of_the_stream_is_an_error_unless_enough_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = Simulator::start(&["--fps", "60", "--frames", "30"]);
    let args = ["record", &camera.url, "--output", text(&path), "--json"];
    let run = tutk(args.iter().chain(&["--reconnect", "0"]));
    run.exits(5).reports(&["stream"]);
    assert_eq!(run.json()["frames"], 30);
    assert!(H264.starts_with(&std::fs::read(&path).unwrap()));

    // The requested half second was recorded before the stream ended.
    let args = ["record", &camera.url, "--output", text(&path)];
    tutk(args.iter().chain(&["--overwrite", "--seconds", "0.5"])).exits(0);
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_reported_and_closes_the_session() {
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
        run.exits(1)
            .reports(&["stream", "/dev/full", "disk is full"]);
        assert_eq!(run.json()["phase"], "stream");
        // The simulator exits because the client closed its session.
        camera.end().exits(0);
    }
}

/// A full disk under standard output is an error, a closed pipe is none.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_cannot_be_written_is_reported() {
    let camera = Simulator::start(&[]);
    let capture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../captures/simulated.pcapng"
    );
    let commands = [
        &["discover", &camera.url, "--timeout", "0.3"][..],
        &["info", &camera.url],
        &["dissect", capture],
        &["dissect", capture, "--json"],
    ];
    for args in commands {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let child = command(args).stdout(full).stderr(Stdio::piped()).spawn();
        let run = Run::from(child.unwrap().wait_with_output().unwrap());
        run.exits(1)
            .reports(&["output", "standard output", "disk is full"]);
    }
    let snapshot: &[&str] = &["snapshot", &camera.url, "--output", "-"];
    let picture = commands.into_iter().chain(
        [snapshot]
            .into_iter()
            .filter(|_| cfg!(feature = "snapshot")),
    );
    for args in picture {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command(args).stdout(writer).stderr(Stdio::piped()).spawn();
        Run::from(child.unwrap().wait_with_output().unwrap()).exits(0);
    }
}

#[test]
fn unreachable_camera_is_reported() {
    // The socket is bound and never answers.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let run = tutk(["discover", &url(&address), "--timeout", "0.5", "--json"]);
    run.exits(3).reports(&["discovery"]);
    assert_eq!(run.json()["cameras"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_connection_is_an_authentication_error() {
    let frame = ClipFrame {
        data: bytes::Bytes::from_static(H264),
        key: true,
    };
    let clip = Clip::new([frame], Codec::H264, 20).unwrap();
    let mut config = SimulatorConfig::new(Credentials::new(UID, ENR, MAC).unwrap(), clip);
    config.result = Some(ConnectResult::decode(br#"{"connectionRes":"2"}"#).unwrap());
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = tutk_runtime::simulate(config, listen).unwrap();
    let url = url(&server.local_addr().to_string());
    tutk(["record", &url, "--output", "-"]).exits(4).reports(&[
        "authentication",
        "refused the ENR",
        "connectionRes",
    ]);
}

#[test]
fn camera_status_is_reported() {
    for (status, word) in [("2", "updating"), ("4", "checking"), ("5", "off")] {
        let camera = Simulator::start(&["--status", status]);
        tutk(["record", &camera.url, "--output", "-"])
            .exits(4)
            .reports(&["authentication", word]);
    }
}
