//! `tutk record` against `tutk simulate --personality NAME`, for every name and dialect.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files, threads and processes"
)]

mod common;

use std::path::Path;
use std::sync::Mutex;
use std::thread;

use common::{H264, record, simulate, tutk};

/// Recorded frames.
const FRAMES: u64 = 20;

/// Cameras at the same time.
const PARALLEL: usize = 3;

const DIALECTS: [&str; 3] = ["transcode", "cc51", "summary"];

/// The names that `tutk simulate` lists.
fn names() -> Vec<String> {
    let list = tutk(["simulate", "--personality", "list"]);
    list.exits(0);
    let text = String::from_utf8(list.stdout).unwrap();
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    text.lines().map(first).collect()
}

/// Records from one camera in all dialects.
fn record_all(personality: &str, folder: &Path) {
    let parent = match personality {
        "base-station" => "--parent-enr GkB9S7cX38GgzSC6 --parent-mac AABBCCDDEE00",
        _ => "",
    };
    let camera = simulate(&format!("--fps 100 {parent} --personality {personality}"));
    for dialect in DIALECTS {
        let path = folder.join(format!("{personality}-{dialect}.h264"));
        let run = record(
            &camera,
            &path,
            &format!("--frames {FRAMES} --dialect {dialect} --reconnect 0 --json"),
        );
        if personality == "deaf" {
            run.exits(3).reports(&["discovery", "HL_PAN3"]);
            continue;
        }
        assert!(
            run.status.success(),
            "{personality} {dialect}: {}",
            run.stderr
        );
        let json = run.json();
        assert_eq!(json["frames"], FRAMES, "{personality} {dialect}: {json}");
        assert_eq!(json["lost"], 0, "{personality} {dialect}: {json}");
        let recorded = std::fs::read(&path).unwrap();
        let same = recorded.len() > 10_000 && H264.starts_with(&recorded);
        assert!(same, "{personality} {dialect}: differs from the clip");
    }
}

/// Runs several cameras at the same time.
fn record_each(personalities: impl IntoIterator<Item = String>) {
    let folder = tempfile::tempdir().unwrap();
    let queue = Mutex::new(personalities.into_iter().collect::<Vec<_>>());
    let next = || queue.lock().unwrap().pop();
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                while let Some(personality) = next() {
                    record_all(&personality, folder.path());
                }
            });
        }
    });
}

#[test]
fn every_personality_is_recorded_in_every_dialect() {
    let names = names();
    assert!(names.len() > 10, "{names:?}");
    record_each(names.into_iter().filter(|name| name != "random"));
}

#[test]
fn random_personalities_are_recorded_in_every_dialect() {
    record_each((0..20).map(|seed| format!("random --seed {seed}")));
}
