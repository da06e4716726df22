//! `tutk record`, `tutk simulate` and `tutk discover`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;

use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{
    ENR, H264, H265, MAC, Service, Simulator, UID, asset, command, probe, record, run, signal,
    simulate, text, tutk,
};

/// Records a whole clip and compares it.
fn round_trip(dialect: &str, clip: &str, bytes: &[u8], frames: &str, args: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(clip);
    let both = format!("--frames {frames} --dialect {dialect} --json");
    let (asset, args) = (asset(clip), format!("--once {both} {args}"));
    let args = ["--input", &asset]
        .into_iter()
        .chain(args.split_whitespace());
    let camera = Simulator::start(&args.collect::<Vec<_>>());
    let run = record(&camera, &path, &both);
    run.exits(0);
    assert!(
        std::fs::read(&path).unwrap() == bytes,
        "{dialect} {clip}: differs from the clip\n{}",
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
fn summary_records_h264_byte_for_byte() {
    round_trip("summary", "clip.h264", H264, "100", "");
}

#[test]
fn transcode_records_h264_byte_for_byte() {
    round_trip("transcode", "clip.h264", H264, "100", "");
}

#[test]
fn cc51_records_h264_byte_for_byte() {
    round_trip("cc51", "clip.h264", H264, "100", "");
}

#[test]
fn summary_records_h265_byte_for_byte() {
    round_trip("summary", "clip.h265", H265, "40", "--fps 60");
}

#[test]
fn transcode_records_h265_byte_for_byte() {
    round_trip("transcode", "clip.h265", H265, "40", "--fps 60");
}

#[test]
fn records_at_the_highest_frame_rate() {
    round_trip("transcode", "clip.h264", H264, "100", "--fps max");
}

#[test]
fn reordered_and_duplicate_packets_lose_no_frames() {
    let network = "--fps 60 --reorder 0.1 --duplicate 0.1 --seed 7";
    round_trip("transcode", "clip.h264", H264, "100", network);
    round_trip("summary", "clip.h264", H264, "100", network);
}

/// The network loses, reorders and duplicates packets. Resend mode recovers all frames.
/// Returns the seconds that the camera's clock is behind.
fn clock_error(camera: &Simulator) -> u64 {
    let clock = tutk(["control", &camera.url, "clock"]);
    clock.exits(0);
    let clock = String::from_utf8(clock.stdout).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().abs_diff(clock.trim().parse().unwrap())
}

#[test]
fn set_clock_sets_a_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let camera = simulate("--personality wrong-clock");
    for (args, range) in [("", 300_000_000..400_000_000), ("--set-clock", 0..60)] {
        let path = folder.path().join(format!("clip{args}.h264"));
        record(&camera, &path, &format!("--frames 3 {args}")).exits(0);
        let error = clock_error(&camera);
        assert!(range.contains(&error), "{args}: {error} s");
    }
}

#[test]
fn resend_mode_recovers_lost_packets() {
    for (dialect, resend, loss, seed) in [
        ("transcode", "on", "0.02", "1"),
        ("cc51", "on", "0.02", "2"),
        ("transcode", "off", "0.05", "1"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.h264");
        // One frame more than is recorded, because the loss of the last packets is not detected.
        let camera = simulate(&format!(
            "--frames 101 --fps 60 --once --json --dialect {dialect} \
             --loss {loss} --reorder 0.05 --duplicate 0.05 --seed {seed}"
        ));
        let args = format!("--frames 100 --resend {resend} --json --reconnect 0");
        let run = record(&camera, &path, &args);
        let json = run.json();
        let same = std::fs::read(&path).unwrap() == H264;
        if resend == "on" {
            run.exits(0);
            assert!(same, "{dialect}: {json}");
            assert_eq!(json["lost"], 0, "{json}");
            let recovered = ["resent", "recovered"].map(|key| json[key].as_u64().unwrap_or(0));
            assert!(recovered.iter().sum::<u64>() > 0, "{json}");
        } else {
            assert!(!same && json["lost"].as_u64().unwrap() > 0, "{json}");
            assert_eq!(json.get("resent"), None);
        }
        // Parity and retransmissions are no frames.
        let sent = camera.end().json()["frames"].as_u64().unwrap();
        assert!((100..=101).contains(&sent), "{sent}");
    }
}

#[test]
fn dialect_is_detected() {
    for dialect in ["transcode", "cc51"] {
        let camera = simulate(&format!("--dialect {dialect}"));
        let args = "--format h264 --frames 3 --json";
        let run = record(&camera, Path::new("/dev/null"), args);
        run.exits(0);
        assert_eq!(run.json()["dialect"], dialect);
    }
}

#[test]
fn each_challenge_status_is_answered() {
    let long = "aKzdqckqZ8HUHFe5aKzdqckqZ8HUHFe5";
    for (status, enr) in [("1", ENR), ("3", ENR), ("6", long)] {
        let args = format!(
            "simulate --listen 127.0.0.1:0 --uid {UID} --mac {MAC} --enr {enr} --status {status} --once"
        );
        let camera = Simulator::spawn(&mut command(args.split(' ')));
        let run = record(&camera, Path::new("-"), "--frames 1");
        run.exits(0);
        assert!(H264.starts_with(&run.stdout) && !run.stdout.is_empty());
        camera.end().exits(0);
    }
}

#[test]
fn mp4_ends_by_the_clock_of_the_camera() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let camera = Simulator::start(&["--input", &asset("clip.h265")]);
    let run = record(&camera, &path, "--seconds 1.5 --json");
    run.exits(0);
    let json = run.json();
    let frames = json["frames"].as_u64().unwrap();
    // 20 frames per second. The timestamps are rounded to milliseconds.
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
fn closed_pipe_ends_a_recording_to_standard_output() {
    let camera = simulate("--fps 60 --once");
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
    // The simulator exits because the client closed its session.
    camera.end().exits(0);
}

#[test]
fn once_serves_a_client_that_restarts_its_handshake() {
    let camera =
        simulate("--fps 60 --frames 5 --personality ems-silent --dialect transcode --once --json");
    let folder = tempfile::tempdir().unwrap();
    record(&camera, &folder.path().join("out.h264"), "--frames 5").exits(0);
    let json = camera.end().exits(0).json();
    assert_eq!((&json["clients"], &json["frames"]), (&1.into(), &5.into()));
}

#[cfg(unix)]
#[test]
fn signals_complete_the_recording() {
    for name in ["-INT", "-TERM", "-HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let mut camera = simulate("--once");
        let client = command(["record", &camera.url, "--output", text(&path), "--json"])
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        camera.wait_for("stream");
        // Waits for the first key frame.
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

/// The open of a FIFO without a reader blocks.
#[cfg(unix)]
#[test]
fn hangup_ends_a_recording_that_is_blocked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    let camera = simulate("");
    let fixed = [
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--format",
        "h264",
    ];
    let mut client = command(fixed).stderr(Stdio::piped()).spawn().unwrap();
    // A signal before the handler is installed would end the program at once.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let begun = std::time::Instant::now();
    signal(&client, "-HUP");
    let status = client.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
}

#[cfg(unix)]
#[test]
fn signal_stops_the_simulator() {
    let camera = simulate("--json");
    signal(camera.child(), "-TERM");
    let run = camera.end();
    run.exits(0);
    assert_eq!(run.json()["interrupted"], true);
}

#[test]
fn camera_names_come_from_the_file_and_the_enr_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let args = format!("simulate --listen 127.0.0.1:0 --uid {UID} --mac {MAC} --fps 60");
    let camera = Simulator::spawn(command(args.split(' ')).env("TUTK_ENR", ENR));
    assert!(!camera.url.contains("enr="), "{}", camera.url);
    let file = format!("[cameras.front]\nurl = \"{}\"\n", camera.url);
    std::fs::write(&config, file).unwrap();
    let mut client = command(["record", "front", "--config", text(&config)]);
    client.args(["--output", "-", "--frames", "3", "--quiet"]);
    let run = run(client.env("TUTK_ENR", ENR));
    run.exits(0);
    assert!(H264.starts_with(&run.stdout) && !run.stdout.is_empty());
    assert_eq!(run.stderr, "");
}

#[test]
fn many_cameras_of_one_process_have_names_and_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let identity = ["--uid", UID, "--enr", ENR, "--mac", MAC];
    let start = |listen: &str, more: &[&str]| {
        let fixed = ["simulate", "--listen", listen, "--cameras", "3"];
        command(fixed.iter().chain(&identity).chain(more))
    };
    let file = ["--write-config", text(&config), "--dialect", "transcode"];
    let mut cameras = Service::spawn(&mut start("127.0.0.1:0", &file));
    cameras.wait_for("written to");

    let listed = tutk(["cameras", "--config", text(&config), "--json"]);
    listed.exits(0);
    assert_eq!(listed.json()["cameras"].as_array().unwrap().len(), 3);
    let urls = std::fs::read_to_string(&config).unwrap();
    for number in ["0000", "0001", "0002"] {
        let name = format!("camera{number}");
        let output = folder.path().join(&name).with_extension("h264");
        let fixed = ["record", &name, "--config", text(&config), "--frames", "5"];
        tutk(fixed.iter().chain(&["--output", text(&output)])).exits(0);
        for (key, kept) in [
            ("uid", &UID[..16]),
            ("enr", "aKzd%2Bckq%2F8HU"),
            ("mac", &MAC[..8]),
        ] {
            let own = format!("{key}={kept}{number}");
            assert_eq!(urls.matches(&own).count(), 1, "{own}\n{urls}");
        }
    }
    let stopped = cameras.stop("-INT");
    assert!(
        stopped.stderr.contains("served 3 clients"),
        "{}",
        stopped.stderr
    );

    run(&mut start("127.0.0.1:0", &file))
        .exits(2)
        .reports(&["--overwrite"]);
    run(&mut start("127.0.0.1:65534", &[]))
        .exits(2)
        .reports(&["3 cameras", "port"]);
}

#[test]
fn key_logs_of_both_sides_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["client", "camera"].map(|name| folder.path().join(name));
    let camera = Simulator::start(&["--once", "--keylog", text(&theirs)]);
    let mut client = command(["record", &camera.url, "--output", "-", "--frames", "1"]);
    run(client.args(["--keylog", text(&ours)])).exits(0);
    camera.end().exits(0);
    let [ours, theirs] = [ours, theirs].map(|path| std::fs::read_to_string(path).unwrap());
    assert!(ours.starts_with("CLIENT_RANDOM "), "{ours}");
    assert_eq!(ours, theirs);
}

#[test]
fn discover_reports_cameras_as_json_and_as_a_table() {
    let camera = simulate("");
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
fn discover_finds_cameras_by_broadcast_without_their_uid() {
    let args = format!("simulate --listen 0.0.0.0:0 --uid {UID} --mac {MAC} --enr {ENR}");
    let camera = Simulator::spawn(&mut command(args.split(' ')));
    let port = camera.address().rsplit(':').next().unwrap();
    // The broadcast address of the loopback network.
    let address = format!("127.255.255.255:{port}");
    let args = format!("discover --broadcast {address} --json --timeout 1");
    let run = tutk(args.split(' '));
    run.exits(0);
    let json = run.json();
    let found = json["cameras"].as_array().unwrap();
    assert!(!found.is_empty());
    assert!(found.iter().all(|found| found["uid"] == UID), "{json}");
}

#[test]
fn frames_of_lost_packets_are_counted_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.h264");
    let camera = simulate("--fps 100 --loss 0.05 --seed 1");
    let run = record(&camera, &path, "--frames 100 --json");
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
            "a frame that was not sent"
        );
    }
}

#[test]
fn logs_do_not_contain_the_enr() {
    let camera = simulate("--fps 60");
    let run = record(&camera, Path::new("-"), "--frames 3 -vv");
    run.exits(0);
    assert!(run.stderr.contains("frame"), "{}", run.stderr);
    for secret in [ENR, common::ENR_ENCODED] {
        assert!(!run.stderr.contains(secret), "{}", run.stderr);
    }
}
