//! Recordings that continue after a reconnect.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{Run, Simulator, command, record, simulate, streams, text};

fn camera_at(address: &str) -> Simulator {
    Simulator::start_at(address, &["--audio", "aac"])
}

#[test]
fn recording_continues_after_a_reboot_and_reports_the_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let mut camera = camera_at("127.0.0.1:0");
    let address = camera.address().to_owned();
    let args = [
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--seconds",
        "16",
    ];
    let client = command(args.iter().chain(&["--json"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    camera.wait_for("is in phase stream");
    std::thread::sleep(Duration::from_secs(2));
    // The camera reboots before the client detects the loss.
    camera.kill();
    let camera = camera_at(&address);
    let output = client.wait_with_output().unwrap();
    let run = Run {
        status: output.status,
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    run.exits(0);
    drop(camera);
    let json = run.json();
    assert_eq!(json["reconnects"], 1, "{json}");
    let [gap] = &json["gaps"].as_array().unwrap()[..] else {
        panic!("{json}");
    };
    let (at, seconds) = (
        gap["at"].as_f64().unwrap(),
        gap["seconds"].as_f64().unwrap(),
    );
    assert!(
        (1.0..6.0).contains(&at) && (10.0..14.0).contains(&seconds),
        "{json}"
    );
    assert!(
        gap["error"].as_str().unwrap().contains("no whole frame"),
        "{json}"
    );
    for part in ["retrying in", "reconnected after", "a gap of", "1 gap:"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // The length of the file includes the gap.
    if let Some(streams) = streams(&path) {
        assert_eq!(streams.len(), 2);
        for stream in streams {
            assert!((stream.end - 16.0).abs() < 0.3, "{stream:?}");
        }
    }
}

#[test]
fn recording_gives_up_after_the_reconnect_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = simulate("--fps 60 --frames 30 --once");
    let run = record(&camera, &path, "--json --reconnect 2");
    run.exits(5).reports(&["stream", "closed the session"]);
    let json = run.json();
    assert_eq!(
        (&json["frames"], &json["phase"]),
        (&30.into(), &"stream".into())
    );
    camera.end().exits(0);
}
