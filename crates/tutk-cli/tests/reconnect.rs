//! A recording goes on when the camera comes back, and says where the gap is.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and sockets"
)]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{Run, Simulator, command, streams, text, tutk};

fn camera_at(address: &str) -> Simulator {
    Simulator::start_at(address, &["--audio", "aac"])
}

#[test]
fn a_recording_goes_on_and_says_where_the_gap_is() {
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
    // The power fails, and comes back before anybody has noticed.
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
    for words in ["retrying in", "reconnected after", "a gap of", "1 gap:"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    // The file lasts as long as it took: the gap is in it.
    if let Some(streams) = streams(&path) {
        assert_eq!(streams.len(), 2);
        for stream in streams {
            assert!((stream.end - 16.0).abs() < 0.3, "{stream:?}");
        }
    }
}

#[test]
fn a_camera_that_stays_away_is_given_up_after_the_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = Simulator::start(&["--fps", "60", "--frames", "30", "--once"]);
    let args = ["record", &camera.url, "--output", text(&path), "--json"];
    let run = tutk(args.iter().chain(&["--reconnect", "2"]));
    run.exits(5).reports(&["stream", "closed the session"]);
    let json = run.json();
    assert_eq!(
        (&json["frames"], &json["phase"]),
        (&30.into(), &"stream".into())
    );
    camera.end().exits(0);
}
