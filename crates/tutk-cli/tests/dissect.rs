//! `tutk record --capture`, `tutk dissect` and `tutk replay`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files, sockets and processes"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{ENR, H264, Run, Simulator, UID, probe, record, simulate, text, tutk};
use serde_json::Value;
use testkit::tools::output_or_skip;

const PHASES: [&str; 6] = [
    "discovery",
    "session",
    "dtls",
    "login",
    "authentication",
    "stream",
];

/// Records the built-in clip from a simulated camera into a new folder, with a capture.
fn capture(dialect: &str, args: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pcapng");
    let camera = simulate(&format!("--frames 100 --fps 60 --dialect {dialect} {args}"));
    let output = folder.path().join("recorded.h264");
    let args = format!("--frames 100 --dialect {dialect} --capture {}", text(&path));
    let run = record(&camera, &output, &args);
    run.exits(0);
    assert!(run.stderr.contains("captured "), "{}", run.stderr);
    assert!(std::fs::read(&output).unwrap() == H264);
    (folder, path)
}

fn dissect(capture: &Path, args: &[&str]) -> Run {
    tutk(["dissect", text(capture)].iter().chain(args))
}

fn stdout(run: &Run) -> &str {
    std::str::from_utf8(&run.stdout).unwrap()
}

#[track_caller]
fn has_all_phases(text: &str) {
    for phase in PHASES {
        let completed =
            |line: &str| line.trim_start().starts_with(phase) && line.contains(" ms, packet ");
        assert!(text.lines().any(completed), "no {phase} in\n{text}");
    }
}

#[test]
fn capture_explains_itself_in_each_dialect() {
    for dialect in ["transcode", "cc51", "summary"] {
        let (folder, capture) = capture(dialect, "");
        let video = folder.path().join("extracted.h264");
        let run = dissect(&capture, &["--extract", text(&video)]);
        run.exits(0);
        let text = stdout(&run);
        has_all_phases(text);
        assert!(text.contains("K10003 connect result"), "{text}");
        // A client of `cc51` never sends the UID.
        assert_eq!(text.contains(UID), dialect != "cc51", "{text}");
        assert!(!text.contains(ENR), "{text}");
        assert!(!text.contains(" records decrypted, "), "{text}");
        assert!(
            std::fs::read(&video).unwrap() == H264,
            "{dialect}: other video"
        );
    }
}

#[test]
fn json_has_one_object_per_packet_and_session() {
    let (_folder, capture) = capture("transcode", "");
    let run = dissect(&capture, &["--json"]);
    run.exits(0);
    let lines: Vec<Value> = stdout(&run)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let packets: Vec<_> = lines.iter().filter_map(|line| line.get("packet")).collect();
    assert!(packets.len() > 100);
    assert_eq!(packets[0]["number"], 1);
    assert_eq!(packets[0]["direction"], "to_camera");
    assert_eq!(packets[0]["layers"][0]["name"], "IOTC");
    let sessions: Vec<_> = lines
        .iter()
        .filter_map(|line| line.get("session"))
        .collect();
    assert_eq!(sessions.len(), 1);
    let phases = sessions[0]["phases"].as_array().unwrap().iter();
    assert!(
        phases
            .map(|phase| phase["phase"].as_str().unwrap())
            .eq(PHASES)
    );
    let report = lines.last().unwrap();
    assert_eq!(report["command"], "dissect");
    assert_eq!(report["frames"], 100);
}

#[test]
fn export_is_read_by_tshark() {
    let (folder, capture) = capture("transcode", "");
    let export = folder.path().join("decrypted.pcapng");
    dissect(&capture, &["--export", text(&export)]).exits(0);
    let mut tshark = Command::new("tshark");
    tshark
        .args(["-r", text(&export), "-T", "fields"])
        .args(["-e", "ip.src", "-e", "udp.srcport", "-e", "frame.comment"])
        .args(["-e", "_ws.col.Protocol", "-e", "data.data"]);
    let Some(text) = output_or_skip(&mut tshark, "tshark") else {
        return;
    };
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
    assert!(text.contains("K10003 connect result"), "{text}");
    assert!(text.contains(&hex(b"connectionRes")), "{text}");
    // Wireshark dissects the handshake itself.
    assert!(text.contains("DTLS"), "{text}");
    assert!(text.contains("AV"), "{text}");
}

#[test]
fn mp4_is_extracted_with_audio() {
    let folder = tempfile::tempdir().unwrap();
    let [capture, recorded, video] =
        ["a.pcapng", "recorded.mp4", "extracted.mp4"].map(|name| folder.path().join(name));
    let camera = simulate("--frames 100 --fps 60 --audio pcmu");
    let args = format!("--frames 100 --capture {}", text(&capture));
    record(&camera, &recorded, &args).exits(0);
    dissect(&capture, &["--extract", text(&video)]).exits(0);
    if let Some(streams) = probe(&video) {
        assert!(streams.contains("h264,640,360,100"), "{streams}");
        assert!(streams.contains("pcm_mulaw"), "{streams}");
    }
}

/// As with `record`, the name must fit the codec.
#[test]
fn video_in_another_codec_is_not_extracted() {
    let (folder, capture) = capture("cc51", "");
    let video = folder.path().join("extracted.h265");
    dissect(&capture, &["--extract", text(&video)])
        .exits(2)
        .reports(&["output", "extracted.h265", "H.264", ".h264 or .mp4"]);
    assert!(!video.exists());
}

#[test]
fn existing_files_are_not_replaced() {
    let (folder, capture) = capture("cc51", "");
    let other = folder.path().join("other.h264");
    std::fs::write(&other, "mine").unwrap();
    for option in ["--extract", "--export"] {
        let run = dissect(&capture, &[option, text(&other)]);
        run.exits(2)
            .reports(&["output", "other.h264 exists", "--overwrite"]);
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    }
    dissect(&capture, &["--extract", text(&other), "--overwrite"]).exits(0);
    assert!(std::fs::read(&other).unwrap() == H264);

    let camera = simulate("--frames 5");
    let args = format!("--frames 5 --format h264 --capture {}", text(&other));
    let run = record(&camera, &folder.path().join("new.h264"), &args);
    run.exits(2).reports(&["other.h264 exists"]);
    assert!(!folder.path().join("new.h264").exists());
}

#[test]
fn the_capture_is_not_replaced_by_an_output() {
    let (folder, capture) = capture("cc51", "");
    let before = std::fs::read(&capture).unwrap();
    let run = dissect(&capture, &["--export", text(&capture), "--overwrite"]);
    run.exits(2).reports(&["two uses"]);
    assert!(std::fs::read(&capture).unwrap() == before);
    let video = folder.path().join("v.h264");
    let both = ["--export", text(&video), "--extract", text(&video)];
    dissect(&capture, &both).exits(2).reports(&["two uses"]);
}

#[test]
fn keys_are_read_from_a_key_log_and_must_be_valid() {
    let folder = tempfile::tempdir().unwrap();
    let [path, log, bad] = ["a.pcapng", "keys.log", "bad.log"].map(|name| folder.path().join(name));
    let camera = simulate("--frames 20 --fps 60");
    let args = format!(
        "--frames 20 --capture {} --keylog {}",
        text(&path),
        text(&log)
    );
    record(&camera, &folder.path().join("out.h264"), &args).exits(0);

    // The same capture without its key log, as from tcpdump.
    let stripped = folder.path().join("stripped.pcap");
    let mut editcap = Command::new("editcap");
    editcap.args(["-F", "nsecpcap", text(&path), text(&stripped)]);
    if output_or_skip(&mut editcap, "wireshark-common").is_none() {
        return;
    }
    let video = folder.path().join("v.h264");
    let run = dissect(&stripped, &["--extract", text(&video)]);
    run.exits(1)
        .reports(&["no video that can be decrypted", "--keys"]);
    assert!(!video.exists());
    assert!(stdout(&run).contains("give the key log of this session with --keys"));
    dissect(
        &stripped,
        &["--extract", text(&video), "--keys", text(&log)],
    )
    .exits(0);
    assert!(H264.starts_with(&std::fs::read(&video).unwrap()));

    for content in ["", "CLIENT_RANDOM 00 11\n"] {
        std::fs::write(&bad, content).unwrap();
        dissect(&path, &["--keys", text(&bad)])
            .exits(2)
            .reports(&["bad.log"]);
    }
    dissect(&log, &[])
        .exits(2)
        .reports(&["expected a pcap or pcapng file"]);
    dissect(&folder.path().join("missing"), &[])
        .exits(2)
        .reports(&["missing"]);
}

#[test]
fn capture_ends_at_its_size_and_recording_continues() {
    let folder = tempfile::tempdir().unwrap();
    let [path, output] = ["a.pcapng", "out.h264"].map(|name| folder.path().join(name));
    let camera: Simulator = simulate("--frames 100 --fps 60");
    let args = format!("--frames 100 --capture {} --capture-size 50kB", text(&path));
    let run = record(&camera, &output, &args);
    run.exits(0);
    assert!(
        run.stderr.contains("after the size limit"),
        "{}",
        run.stderr
    );
    assert!(std::fs::read(&output).unwrap() == H264);
    assert!(std::fs::metadata(&path).unwrap().len() < 60_000);
    dissect(&path, &[]).exits(0);
}

#[test]
#[cfg(unix)]
fn serve_captures_a_camera_and_keeps_existing_captures() {
    let folder = tempfile::tempdir().unwrap();
    let [config, path] = ["cameras.toml", "front.pcapng"].map(|name| folder.path().join(name));
    let camera = simulate("--audio pcmu");
    let file = format!(
        "[serve]\nrtsp = \"off\"\nhttp = \"127.0.0.1:0\"\n[cameras.front]\nurl = \"{}\"\n\
         connect = \"always\"\ncapture = \"{}\"\ncapture_size = \"1MB\"\n",
        camera.url,
        text(&path)
    );
    common::write_private(&config, &file);
    for name in ["front.pcapng", "front-2.pcapng"] {
        let mut service = common::Service::start(&["serve", "--config", text(&config)]);
        service.wait_for("front: connected");
        // For the first frames, which follow at once.
        std::thread::sleep(std::time::Duration::from_millis(500));
        service.stop("-TERM");
        let run = dissect(&folder.path().join(name), &[]);
        run.exits(0);
        has_all_phases(stdout(&run));
    }
}
