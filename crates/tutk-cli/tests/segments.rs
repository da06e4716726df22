//! Recordings in segments, through pipes, and after a crash.
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
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{H264, command, record, simulate, streams, text, tutk};

/// Returns all files below a folder, sorted by name.
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
fn segments_start_with_key_frames_and_contain_all_frames() {
    // The clip has a key frame every two seconds.
    for (extension, audio) in [("mp4", "pcmu"), ("ts", "aac"), ("h264", "none")] {
        let folder = tempfile::tempdir().unwrap();
        let camera = simulate(&format!("--audio {audio} --once"));
        let pattern = folder
            .path()
            .join(format!("front/%Y-%m-%d/%H-%M-%S.{extension}"));
        let run = record(&camera, &pattern, "--segment 1s --frames 100 --json");
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
            // Audio and video cover the same time, within a frame.
            let [video, audio] = &streams[..] else {
                panic!("{streams:?}")
            };
            assert!((video.start - audio.start).abs() < 0.13, "{streams:?}");
            assert!((video.end - audio.end).abs() < 0.13, "{streams:?}");
        }
        assert_eq!(json["audio"]["frames"], sound, "{json}");
        assert_eq!(json["audio"]["lost"], 0, "{json}");
        let (least, most) = if audio == "aac" { (77, 79) } else { (249, 251) };
        assert!((least..=most).contains(&sound), "{sound}");
    }
}

#[test]
fn old_segments_are_deleted_and_other_files_are_kept() {
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
    let pattern = folder.path().join("%Y-%m-%d/%H-%M-%S.ts");
    let record_segments = |retention: &str| {
        let args = format!("--segment 1s --frames 80 {retention}");
        record(&simulate("--once"), &pattern, &args).exits(0);
    };
    record_segments("--keep 7d");
    let left = files(folder.path());
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left[0].ends_with("2020-01-01/notes.txt") && left[1].ends_with("2020-01-02.ts"));
    assert!(!folder.path().join("2020-01-02").exists());
    // The current segment is kept even if it exceeds the limit.
    record_segments("--max-size 1");
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
fn invalid_arguments_are_reported_before_connecting() {
    let url = common::url("127.0.0.1:9");
    for (args, part) in [
        ("out.mp4 --segment 1m", "same name"),
        ("- --segment 1m", "standard output"),
        ("%H-%M.mp4 --segment 1m --keep 7d", "contain the day"),
        ("%F.avi --segment 1m", "format"),
        ("%F.mp4 --segment 1century", "--segment"),
        ("out.mp4 --keep 7d", "--segment"),
        ("%F.mp4 --segment 1m --max-size much", "--max-size"),
    ] {
        let fixed = ["record", &url, "--output"].into_iter();
        let run = tutk(fixed.chain(args.split(' ')));
        run.exits(2);
        assert!(run.stderr.contains(part), "{args}: {}", run.stderr);
    }
}

#[test]
fn mp4_and_ts_can_be_piped() {
    for (format, codecs) in [("ts", ["h264", "aac"]), ("mp4", ["h264", "aac"])] {
        let folder = tempfile::tempdir().unwrap();
        let camera = simulate("--audio aac --once");
        let args = format!("--format {format} --frames 50");
        let run = record(&camera, Path::new("-"), &args);
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
fn killed_recording_plays_up_to_the_last_second() {
    for extension in ["mp4", "ts", "h264"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("out.{extension}"));
        let camera = simulate("--audio aac");
        // `-vv` logs each frame.
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
        let logged = log
            .lines()
            .filter(|line| line.contains(" frame number="))
            .count() as u64;
        assert!(logged > 60, "{logged}: {log}");
        let written = match extension {
            // The last frame may be incomplete.
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
        // One second, and the frame whose duration is not known yet.
        let missing = if extension == "mp4" { 21 } else { 1 };
        assert!(
            written + missing >= logged,
            "{extension}: {written} of {logged}"
        );
    }
}
