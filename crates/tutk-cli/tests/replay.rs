//! `tutk replay`: each capture in `captures/` is a regression test.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;

use std::path::Path;

use common::{Simulator, command, record, simulate, text, tutk};
use serde_json::Value;

/// Dissects a capture. Returns the last line of `--json`, the report.
fn dissect(capture: &Path, args: &[&str]) -> Value {
    let run = tutk(["dissect", text(capture), "--json"].iter().chain(args));
    run.exits(0);
    let last = std::str::from_utf8(&run.stdout).unwrap().lines().last();
    serde_json::from_str(last.unwrap()).unwrap()
}

/// Replays a capture to `tutk record`, which must receive the frames of the capture. Returns the
/// capture of the replay.
#[track_caller]
fn replays(capture: &Path, folder: &Path) -> std::path::PathBuf {
    let [expected, received, again] =
        ["expected.h264", "received.h264", "again.pcapng"].map(|name| folder.join(name));
    let report = dissect(capture, &["--extract", text(&expected)]);
    let frames = report["frames"].as_u64().unwrap();
    assert!(frames > 0, "{}: {report}", capture.display());
    let args = ["replay", text(capture), "--listen", "127.0.0.1:0"];
    let camera = Simulator::spawn(&mut command(args));
    let dialect = report["dialect"].as_str().unwrap();
    let args = format!(
        "--frames {frames} --dialect {dialect} --capture {}",
        text(&again)
    );
    let run = record(&camera, &received, &args);
    run.exits(0);
    assert!(
        std::fs::read(&received).unwrap() == std::fs::read(&expected).unwrap(),
        "{}: other frames\n{}",
        capture.display(),
        run.stderr
    );
    again
}

#[test]
fn captures_of_the_repository_are_replayed() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    let mut found = 0;
    for entry in std::fs::read_dir(captures).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcapng")
        {
            assert!(
                path.with_extension("md").exists(),
                "{path:?} is not described"
            );
            let folder = tempfile::tempdir().unwrap();
            replays(&path, folder.path());
            found += 1;
        }
    }
    assert!(found > 0);
}

/// The replay has the dialect, the deviations and the times of the captured camera.
#[test]
fn replay_does_what_the_captured_camera_did() {
    for (dialect, personality) in [
        ("summary", "strict"),
        ("transcode", "go2rtc-view"),
        ("cc51", "foreign-tags"),
        ("transcode", "shared-numbers"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let captured = folder.path().join("captured.pcapng");
        let options = format!("--dialect {dialect} --personality {personality} --fps 10");
        let camera = simulate(&format!("--frames 15 --audio pcmu {options}"));
        let args = format!(
            "--frames 15 --dialect {dialect} --capture {}",
            text(&captured)
        );
        record(&camera, &folder.path().join("out.h264"), &args).exits(0);
        let again = replays(&captured, folder.path());

        let [first, second] = [&captured, &again].map(|path| dissect(path, &[]));
        assert_eq!(first["dialect"], dialect);
        assert_eq!(second["dialect"], dialect);
        // 15 frames at 10 frames per second.
        for report in [&first, &second] {
            let seconds = report["seconds"].as_f64().unwrap();
            assert!((1.2..4.0).contains(&seconds), "{personality}: {report}");
        }
        let [first, second] = [&captured, &again].map(|path| unusual(path));
        assert_eq!(first, second, "{dialect} {personality}");
    }
}

/// The kinds of AV packets from the camera, and the notes of the session.
fn unusual(capture: &Path) -> Vec<String> {
    let run = tutk(["dissect", text(capture), "--json"]);
    let lines = std::str::from_utf8(&run.stdout).unwrap().lines();
    let mut found = Vec::new();
    for line in lines {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(notes) = line["session"]["notes"].as_object() {
            found.extend(notes.keys().cloned());
        }
        let layers = line["packet"]["layers"].as_array();
        for layer in layers.into_iter().flatten() {
            if line["packet"]["direction"] == "from_camera" && layer["name"] == "AV" {
                let kind = &layer["fields"][0]["value"];
                found.push(format!("AV {}", kind.as_str().unwrap()));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn capture_without_a_session_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pcapng");
    // A section header, and nothing else.
    let header = b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0";
    std::fs::write(&path, header).unwrap();
    let run = tutk(["replay", text(&path)]);
    run.exits(2)
        .reports(&["no session of a TUTK camera", "tutk dissect"]);
}
