//! `tutk simulate` and `tutk record`, as users run them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and sockets"
)]

mod common;

use std::io::Read as _;
use std::process::Stdio;

use common::{
    ENR, H264, H265, MAC, Simulator, UID, asset, command, probe, run, signal, text, tutk,
};

/// Records as many frames as the clip has and compares.
fn round_trip(dialect: &str, clip: &str, bytes: &[u8], frames: &str, more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(clip);
    let asset = asset(clip);
    let fixed = [
        "--input",
        &asset,
        "--frames",
        frames,
        "--dialect",
        dialect,
        "--once",
        "--json",
    ];
    let camera = Simulator::start(&[&fixed, more].concat());
    let run = tutk([
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--frames",
        frames,
        "--dialect",
        dialect,
        "--json",
    ]);
    run.exits(0);
    assert!(
        std::fs::read(&path).unwrap() == bytes,
        "{dialect} {clip}: not the clip byte for byte\n{}",
        run.stderr
    );
    let json = run.json();
    assert_eq!(json["frames"].to_string(), frames);
    assert_eq!(json["bytes"], bytes.len());
    assert_eq!(json["lost"], 0);
    assert_eq!(json["dialect"], dialect);

    let camera = camera.end();
    camera.exits(0);
    let json = camera.json();
    assert_eq!(json["clients"], 1);
    assert_eq!(json["frames"].to_string(), frames);
}

#[test]
fn summary_h264_is_the_clip_byte_for_byte() {
    round_trip("summary", "clip.h264", H264, "100", &[]);
}

#[test]
fn transcode_h264_is_the_clip_byte_for_byte() {
    round_trip("transcode", "clip.h264", H264, "100", &[]);
}

#[test]
fn cc51_h264_is_the_clip_byte_for_byte() {
    round_trip("cc51", "clip.h264", H264, "100", &[]);
}

#[test]
fn summary_h265_is_the_clip_byte_for_byte() {
    round_trip("summary", "clip.h265", H265, "40", &["--fps", "60"]);
}

#[test]
fn transcode_h265_is_the_clip_byte_for_byte() {
    round_trip("transcode", "clip.h265", H265, "40", &["--fps", "60"]);
}

#[test]
fn packets_out_of_order_and_twice_cost_nothing() {
    let bad = [
        "--fps",
        "60",
        "--reorder",
        "0.1",
        "--duplicate",
        "0.1",
        "--seed",
        "7",
    ];
    round_trip("transcode", "clip.h264", H264, "100", &bad);
    round_trip("summary", "clip.h264", H264, "100", &bad);
}

/// A network that loses one packet in fifty, and doubles and reorders others: without resend mode
/// only what came whole is there, with it everything.
#[test]
fn lost_packets_are_asked_for_again() {
    for (dialect, resend, loss, seed) in [
        ("transcode", "on", "0.02", "1"),
        ("cc51", "on", "0.02", "2"),
        ("transcode", "off", "0.05", "1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        let fixed = [
            "--frames",
            "101",
            "--fps",
            "60",
            "--once",
            "--dialect",
            dialect,
        ];
        let bad = [
            "--loss",
            loss,
            "--reorder",
            "0.05",
            "--duplicate",
            "0.05",
            "--seed",
            seed,
        ];
        let camera = Simulator::start(&[&fixed[..], &bad].concat());
        // One more than is looked at: of the very last packets nothing shows that they are lost.
        let args = [
            "record",
            &camera.url,
            "--output",
            text(&path),
            "--frames",
            "100",
        ];
        let more = ["--resend", resend, "--json", "--reconnect", "0"];
        let run = tutk(args.iter().chain(&more));
        let json = run.json();
        let same = std::fs::read(&path).unwrap() == H264;
        if resend == "on" {
            run.exits(0);
            assert!(same, "{dialect}: {json}");
            assert_eq!(json["lost"], 0, "{json}");
            let made_good = ["resent", "recovered"].map(|key| json[key].as_u64().unwrap_or(0));
            assert!(made_good.iter().sum::<u64>() > 0, "{json}");
        } else {
            assert!(!same && json["lost"].as_u64().unwrap() > 0, "{json}");
            assert_eq!(json.get("resent"), None);
        }
    }
}

#[test]
fn a_camera_is_spoken_to_in_what_it_answers_in() {
    for dialect in ["transcode", "cc51"] {
        let camera = Simulator::start(&["--dialect", dialect]);
        let args = [
            "record",
            &camera.url,
            "--output",
            "/dev/null",
            "--format",
            "h264",
        ];
        let run = tutk([&args[..], &["--frames", "3", "--json"]].concat());
        run.exits(0);
        assert_eq!(run.json()["dialect"], dialect);
    }
}

#[test]
fn every_status_of_the_challenge_is_answered() {
    let long = "aKzdqckqZ8HUHFe5aKzdqckqZ8HUHFe5";
    for (status, enr) in [("1", ENR), ("3", ENR), ("6", long)] {
        let mut camera = command([
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--uid",
            UID,
            "--mac",
            MAC,
        ]);
        camera.args(["--enr", enr, "--status", status, "--once"]);
        let camera = Simulator::spawn(&mut camera);
        let mut client = command(["record", &camera.url, "--output", "-", "--frames", "1"]);
        let run = run(&mut client);
        run.exits(0);
        assert!(H264.starts_with(&run.stdout) && !run.stdout.is_empty());
        camera.end().exits(0);
    }
}

#[test]
fn mp4_plays_and_ends_by_the_cameras_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let input = asset("clip.h265");
    let camera = Simulator::start(&["--input", &input]);
    let run = tutk([
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--seconds",
        "1.5",
        "--json",
    ]);
    run.exits(0);
    let json = run.json();
    let frames = json["frames"].as_u64().unwrap();
    // 20 frames a second; timestamps of whole milliseconds may move the last one.
    assert!((29..=31).contains(&frames), "{json}");
    assert_eq!(
        (&json["width"], &json["height"]),
        (&320.into(), &180.into())
    );
    if let Some(found) = probe(&path) {
        assert!(
            found.starts_with(&format!("hevc,320,180,{frames}\npcm_mulaw,")),
            "{found}"
        );
    }
}

#[test]
fn standard_output_is_the_bare_stream_and_a_closed_pipe_ends_it() {
    let camera = Simulator::start(&["--fps", "60", "--once"]);
    let mut client = command(["record", &camera.url, "--output", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = client.stdout.take().unwrap();
    let mut bytes = vec![0; 60_000];
    pipe.read_exact(&mut bytes).unwrap();
    assert!(H264.starts_with(&bytes));
    drop(pipe);
    assert_eq!(client.wait().unwrap().code(), Some(0));
    // It said goodbye: the camera's first client is done.
    camera.end().exits(0);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_recording_well() {
    for name in ["-INT", "-TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let mut camera = Simulator::start(&["--once"]);
        let client = command([
            "record",
            &camera.url,
            "--output",
            text(&path),
            "--json",
            "--format",
            "mp4",
        ])
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
        camera.wait_for("stream");
        // The file has begun with the first key frame, so there is something to keep.
        while std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
            std::thread::yield_now();
        }
        signal(&client, name);
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["interrupted"], true);
        if let Some(found) = probe(&path) {
            let picture = format!("h264,640,360,{}\n", json["frames"]);
            assert!(found.starts_with(&picture), "{found}");
        }
        camera.end().exits(0);
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_camera_well() {
    let camera = Simulator::start(&["--json"]);
    signal(camera.child(), "-TERM");
    let run = camera.end();
    run.exits(0);
    assert_eq!(run.json()["interrupted"], true);
}

#[test]
fn names_and_secrets_may_come_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let mut camera = command([
        "simulate",
        "--listen",
        "127.0.0.1:0",
        "--uid",
        UID,
        "--mac",
        MAC,
        "--fps",
        "60",
    ]);
    let camera = Simulator::spawn(camera.env("TUTK_ENR", ENR));
    assert!(!camera.url.contains("enr="), "{}", camera.url);
    let file = format!("[cameras.front]\nurl = \"{}\"\n", camera.url);
    std::fs::write(&config, file).unwrap();
    let mut client = command([
        "record",
        "front",
        "--config",
        text(&config),
        "--output",
        "-",
    ]);
    client
        .args(["--frames", "3", "--quiet"])
        .env("TUTK_ENR", ENR);
    let run = run(&mut client);
    run.exits(0);
    assert!(H264.starts_with(&run.stdout) && !run.stdout.is_empty());
    assert_eq!(run.stderr, "");
}

#[test]
fn key_logs_have_the_keys_of_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["client", "camera"].map(|name| folder.path().join(name));
    let camera = Simulator::start(&["--once", "--keylog", text(&theirs)]);
    tutk([
        "record",
        &camera.url,
        "--output",
        "-",
        "--frames",
        "1",
        "--keylog",
        text(&ours),
    ])
    .exits(0);
    camera.end().exits(0);
    let [ours, theirs] = [ours, theirs].map(|path| std::fs::read_to_string(path).unwrap());
    assert!(ours.starts_with("CLIENT_RANDOM "), "{ours}");
    assert_eq!(ours, theirs);
}

#[test]
fn discovery_finds_cameras_in_both_dialects() {
    let camera = Simulator::start(&[]);
    let run = tutk(["discover", &camera.url, "--json", "--timeout", "1"]);
    run.exits(0);
    let json = run.json();
    let found = json["cameras"].as_array().unwrap();
    let dialects: Vec<_> = found
        .iter()
        .map(|found| found["dialect"].as_str().unwrap())
        .collect();
    assert!(dialects.contains(&"transcode"), "{json}");
    for found in found {
        assert_eq!(found["address"], camera.address());
        assert_eq!(found["uid"], UID);
        assert!(found["ms"].is_number());
    }

    let run = tutk(["discover", &camera.url, "--timeout", "1"]);
    run.exits(0);
    let table = String::from_utf8(run.stdout).unwrap();
    for word in [camera.address(), UID, "transcode", "ms"] {
        assert!(table.contains(word), "{word}: {table}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn discovery_finds_by_broadcast_who_does_not_know_its_uid() {
    let mut camera = command([
        "simulate",
        "--listen",
        "0.0.0.0:0",
        "--uid",
        UID,
        "--enr",
        ENR,
        "--mac",
        MAC,
    ]);
    let camera = Simulator::spawn(&mut camera);
    let port = camera.address().rsplit(':').next().unwrap();
    // The broadcast address of the loopback network.
    let address = format!("127.255.255.255:{port}");
    let run = tutk([
        "discover",
        "--broadcast",
        &address,
        "--json",
        "--timeout",
        "1",
    ]);
    run.exits(0);
    let json = run.json();
    let found = json["cameras"].as_array().unwrap();
    assert!(!found.is_empty());
    assert!(found.iter().all(|found| found["uid"] == UID), "{json}");
}

#[test]
fn lost_packets_cost_frames_that_are_counted_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = Simulator::start(&["--fps", "100", "--loss", "0.05", "--seed", "1"]);
    let run = tutk([
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--frames",
        "100",
        "--json",
    ]);
    run.exits(0);
    let json = run.json();
    assert_eq!(json["frames"], 100);
    assert!(json["lost"].as_u64().unwrap() > 0, "{json}");
    let clip = tutk_media::Clip::parse(bytes::Bytes::from_static(H264)).unwrap();
    let written = std::fs::read(&path).unwrap();
    assert_eq!(json["bytes"], written.len());
    let written = tutk_media::Clip::parse(written.into()).unwrap();
    assert_eq!(written.len(), 100);
    for unit in written.units() {
        assert!(
            clip.units().any(|sent| sent.data() == unit.data()),
            "a frame that was never sent"
        );
    }
}

#[test]
fn no_log_has_the_secret() {
    let camera = Simulator::start(&["--fps", "60"]);
    let run = tutk([
        "record",
        &camera.url,
        "--output",
        "-",
        "--frames",
        "3",
        "-vv",
    ]);
    run.exits(0);
    assert!(run.stderr.contains("frame"), "{}", run.stderr);
    for secret in [ENR, common::ENR_ENCODED] {
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
    }
}
