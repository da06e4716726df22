//! `tutk snapshot`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and processes"
)]

mod common;

use std::fs;

use common::{Simulator, asset, probe, text, tutk};

#[test]
fn replaces_the_output_file_with_a_complete_jpeg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("now.jpg");
    fs::write(&path, "old").unwrap();
    let camera = Simulator::start(&[]);
    let args = [
        "snapshot",
        &camera.url,
        "--output",
        text(&path),
        "--overwrite",
    ];
    let run = tutk(args.iter().chain(&["--json"]));
    run.exits(0);
    let json = run.json();
    let expected = (&640.into(), &360.into(), &"h264".into());
    assert_eq!((&json["width"], &json["height"], &json["codec"]), expected);
    assert_eq!(json["bytes"], fs::metadata(&path).unwrap().len());
    // No temporary file is left.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let Some(probed) = probe(&path) else { return };
    assert_eq!(probed, "mjpeg,640,360,1");

    // A higher quality gives a larger picture.
    let run = tutk(["snapshot", &camera.url, "-o", "-", "--quality", "100"]);
    run.exits(0);
    assert!(run.stdout.starts_with(&[0xff, 0xd8]) && run.stdout.ends_with(&[0xff, 0xd9]));
    assert!(run.stdout.len() as u64 > fs::metadata(&path).unwrap().len());
}

#[test]
fn reports_unsupported_codecs_invalid_arguments_and_missing_directories() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("now.jpg");
    let camera = Simulator::start(&["--input", &asset("clip.h265")]);
    let run = tutk(["snapshot", &camera.url, "--output", text(&path)]);
    run.exits(1).reports(&["stream", "H.265", "ffmpeg"]);
    assert!(!path.exists());

    let url = common::url("127.0.0.1:9");
    tutk(["snapshot", &url, "-o", "-", "--json"]).exits(2);
    tutk(["snapshot", &url, "-o", "x.jpg", "--quality", "0"]).exits(2);
    let missing = folder.path().join("missing/now.jpg");
    let camera = Simulator::start(&[]);
    let run = tutk(["snapshot", &camera.url, "--output", text(&missing)]);
    run.exits(1).reports(&["output", text(&missing)]);
}
