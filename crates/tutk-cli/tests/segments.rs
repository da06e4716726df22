//! Recordings that are cut into segments, piped, or killed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and processes"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{H264, Simulator, command, streams, text, tutk};

/// All files below a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files.sort();
    files
}

#[test]
fn segments_begin_with_key_frames_and_lose_nothing() {
    // The clip has a key frame each two seconds: 100 frames are 40, 40 and 20.
    for (extension, audio) in [("mp4", "pcmu"), ("ts", "aac"), ("h264", "none")] {
        let folder = tempfile::tempdir().unwrap();
        let camera = Simulator::start(&["--audio", audio, "--once"]);
        let pattern = folder
            .path()
            .join(format!("front/%Y-%m-%d/%H-%M-%S.{extension}"));
        let run = tutk([
            "record",
            &camera.url,
            "--output",
            text(&pattern),
            "--segment",
            "1s",
            "--frames",
            "100",
            "--json",
        ]);
        run.exits(0);
        let json = run.json();
        assert_eq!(
            (&json["segments"], &json["frames"]),
            (&3.into(), &100.into()),
            "{json}"
        );
        let files = files(folder.path());
        assert_eq!(files.len(), 3, "{files:?}");
        if extension == "h264" {
            let all: Vec<u8> = files
                .iter()
                .flat_map(|file| fs::read(file).unwrap())
                .collect();
            assert!(all == H264);
            continue;
        }
        let mut sound = 0;
        for (file, frames) in files.iter().zip([40, 40, 20]) {
            let Some(streams) = streams(file) else { return };
            assert_eq!(
                (streams.len(), streams[0].packets),
                (2, frames),
                "{streams:?}"
            );
            sound += streams[1].packets;
            // Sound and picture cover the same time, to a frame of either and what lay between two
            // packets.
            let [picture, sound] = &streams[..] else {
                panic!("{streams:?}")
            };
            assert!((picture.start - sound.start).abs() < 0.13, "{streams:?}");
            assert!((picture.end - sound.end).abs() < 0.13, "{streams:?}");
        }
        assert_eq!(json["audio"]["frames"], sound, "{json}");
        assert_eq!(json["audio"]["lost"], 0, "{json}");
        let (least, most) = if audio == "aac" { (77, 79) } else { (249, 251) };
        assert!((least..=most).contains(&sound), "{sound}");
    }
}

#[test]
fn old_segments_go_and_other_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "2020-01-01/00-00-00.ts",
        "2020-01-01/notes.txt",
        "2020-01-02/00-00-00.ts",
        "2020-01-02.ts",
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let camera = Simulator::start(&["--once"]);
    let pattern = folder.path().join("%Y-%m-%d/%H-%M-%S.ts");
    let record = |camera: &Simulator, more: [&str; 2]| {
        let args = ["record", &camera.url, "--output", text(&pattern)];
        let args = args
            .into_iter()
            .chain(["--segment", "1s", "--frames", "80"]);
        tutk(args.chain(more)).exits(0);
    };
    record(&camera, ["--keep", "7d"]);
    let left = files(folder.path());
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left[0].ends_with("2020-01-01/notes.txt") && left[1].ends_with("2020-01-02.ts"));
    assert!(!folder.path().join("2020-01-02").exists());
    // The newest one stays, however little there may be.
    drop(camera);
    let camera = Simulator::start(&["--once"]);
    record(&camera, ["--max-size", "1"]);
    let left = files(folder.path());
    assert!(
        left.len() == 3
            && left[2]
                .extension()
                .is_some_and(|extension| extension == "ts"),
        "{left:?}"
    );
}

#[test]
fn what_cannot_be_segments_is_said_before_anything_is_sent() {
    let url = common::url("127.0.0.1:9");
    for (args, word) in [
        (&["--output", "out.mp4", "--segment", "1m"][..], "same name"),
        (&["--output", "-", "--segment", "1m"], "standard output"),
        (
            &["--output", "%H-%M.mp4", "--segment", "1m", "--keep", "7d"],
            "contain the day",
        ),
        (&["--output", "%F.avi", "--segment", "1m"], "format"),
        (
            &["--output", "%F.mp4", "--segment", "1 fortnight"],
            "--segment",
        ),
        (&["--output", "out.mp4", "--keep", "7d"], "--segment"),
        (
            &[
                "--output",
                "%F.mp4",
                "--segment",
                "1m",
                "--max-size",
                "much",
            ],
            "--max-size",
        ),
    ] {
        let run = tutk(["record", &url].iter().chain(args));
        run.exits(2);
        assert!(run.stderr.contains(word), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn files_go_through_pipes() {
    for (format, codecs) in [("ts", ["h264", "aac"]), ("mp4", ["h264", "aac"])] {
        let folder = tempfile::tempdir().unwrap();
        let camera = Simulator::start(&["--audio", "aac", "--once"]);
        let run = tutk([
            "record",
            &camera.url,
            "--output",
            "-",
            "--format",
            format,
            "--frames",
            "50",
        ]);
        run.exits(0);
        let path = folder.path().join("out");
        fs::write(&path, &run.stdout).unwrap();
        let Some(streams) = streams(&path) else {
            return;
        };
        let found: Vec<_> = streams.iter().map(|stream| stream.codec.as_str()).collect();
        assert_eq!((found, streams[0].packets), (codecs.to_vec(), 50));
    }
}

#[test]
fn a_recording_that_is_killed_is_played_up_to_its_last_second() {
    for extension in ["mp4", "ts", "h264"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("out.{extension}"));
        let camera = Simulator::start(&["--audio", "aac"]);
        // Twice verbose, it says each frame.
        let mut client = command(["record", &camera.url, "--output", text(&path), "-vv"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while fs::metadata(&path).map_or(0, |metadata| metadata.len()) < 200_000 {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "nothing was written"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        client.kill().unwrap();
        let output = client.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let taken = log
            .lines()
            .filter(|line| line.contains(" frame number="))
            .count() as u64;
        assert!(taken > 60, "{taken}: {log}");
        let written = match extension {
            // Of the last frame there is a part at most, which is no reason not to play the others.
            "h264" => tutk_media::Clip::parse(fs::read(&path).unwrap().into())
                .unwrap()
                .len() as u64,
            _ => {
                let Some(streams) = streams(&path) else {
                    return;
                };
                streams[0].packets
            }
        };
        // A second, and the frame whose length is not known yet.
        let missing = if extension == "mp4" { 21 } else { 1 };
        assert!(
            written + missing >= taken,
            "{extension}: {written} of {taken}"
        );
    }
}
