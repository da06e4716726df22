//! `tutk demo`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;

use common::{H264, probe, text, tutk};

const PHASES: [&str; 6] = [
    "discovery",
    "session",
    "dtls",
    "login",
    "authentication",
    "stream",
];

#[test]
fn records_a_playable_file_and_verifies_it_against_the_clip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.mp4");
    let run = tutk(["demo", "--output", text(&path), "--json"]);
    run.exits(0);
    if let Some(found) = probe(&path) {
        assert_eq!(found, "h264,640,360,100\naac,79");
    }
    for part in PHASES.iter().chain(&[
        "byte for byte",
        "100 video frames",
        "640x360",
        "79 audio frames",
    ]) {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let json = run.json();
    assert_eq!(json["frames"], 100);
    assert_eq!(json["keyframes"], 3);
    assert_eq!(json["lost"], 0);
    assert_eq!(json["bytes"], H264.len());
    assert_eq!(json["dialect"], "transcode");
    assert_eq!(json["codec"], "h264");
    assert_eq!(json["audio"]["codec"], "aac");
    assert!(
        (4.8..5.3).contains(&json["seconds"].as_f64().unwrap()),
        "{json}"
    );
    let phases: Vec<_> = json["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["phase"])
        .collect();
    assert_eq!(phases, PHASES);
}

#[test]
fn runs_in_every_other_dialect() {
    for dialect in ["summary", "cc51"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.h264");
        let args = ["--seconds", "1", "--dialect", dialect, "--json"];
        let run = tutk(["demo", "--output", text(&path)].iter().chain(&args));
        run.exits(0);
        let json = run.json();
        assert_eq!(
            (&json["frames"], &json["dialect"]),
            (&20.into(), &dialect.into())
        );
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(json["bytes"], bytes.len());
        assert!(H264.starts_with(&bytes) && !bytes.is_empty());
    }
}
