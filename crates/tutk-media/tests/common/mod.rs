//! Clips, and ffmpeg as the reference.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

pub(crate) mod encoded;
pub(crate) mod rtp;
pub(crate) mod sound;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use tutk_media::{AccessUnit, Clip, Codec, Mp4Writer};

pub(crate) const H264: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h264");
pub(crate) const H265: &[u8] = include_bytes!("../../../tutk-cli/assets/clip.h265");

pub(crate) const FRAME: Duration = Duration::from_millis(50);

pub(crate) fn clip(bytes: &[u8]) -> Clip {
    Clip::parse(Bytes::copy_from_slice(bytes)).unwrap()
}

/// An access unit of these bytes.
pub(crate) fn access_unit(codec: Codec, bytes: &[u8]) -> AccessUnit {
    AccessUnit::new(codec, bytes.to_vec())
}

/// Writes the clip as an MP4 file with 20 frames per second.
pub(crate) fn mp4(clip: &Clip) -> Vec<u8> {
    let mut writer = Mp4Writer::new(clip.codec());
    let mut file = Vec::new();
    let mut time = Duration::from_secs(1_000_000);
    for unit in clip.units() {
        file.extend(writer.write(unit, time).unwrap());
        time += FRAME;
    }
    file.extend(writer.finish().unwrap());
    file
}

/// Returns `true` if ffmpeg and ffprobe are installed. With CI=true they must be.
pub(crate) fn ffmpeg_is_there() -> bool {
    are_there(&["ffmpeg", "ffprobe"], "-version", "ffmpeg")
}

/// Returns `true` if these tools of a package are installed. With CI=true they must be.
pub(crate) fn are_there(tools: &[&str], argument: &str, package: &str) -> bool {
    let there = |tool: &&str| {
        let out = Command::new(tool).arg(argument).output();
        out.is_ok_and(|out| out.status.success())
    };
    let missing: Vec<_> = tools.iter().filter(|tool| !there(tool)).collect();
    if !missing.is_empty() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{missing:?} missing: install the package {package}"
        );
        eprintln!("SKIPPED: {missing:?} missing");
    }
    missing.is_empty()
}

/// A file that is removed at the end of the test.
pub(crate) struct File(pub(crate) PathBuf);

impl File {
    pub(crate) fn new(name: &str, bytes: &[u8]) -> Self {
        let path = path(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Returns a path in the temporary folder of the build.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Runs a tool and returns its output. Warnings and errors fail the test.
pub(crate) fn run(tool: &str, args: &[&str]) -> String {
    String::from_utf8(run_bytes(tool, args)).unwrap()
}

/// Like [`run`], for binary output.
pub(crate) fn run_bytes(tool: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(tool).args(args).output().unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{tool} {args:?}: {complaints}"
    );
    out.stdout
}

/// Returns the output of a tool with a file as its standard input, whatever its exit status is.
pub(crate) fn output(tool: &str, args: &[&str], input: &Path) -> Vec<u8> {
    let input = std::fs::OpenOptions::new().read(true).open(input).unwrap();
    Command::new(tool)
        .args(args)
        .stdin(input)
        .output()
        .unwrap()
        .stdout
}

/// Returns the MD5 of each decoded frame.
pub(crate) fn decoded(file: &Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    let args = [
        "-v",
        "error",
        "-i",
        file,
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ];
    run("ffmpeg", &args)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// Returns a field of each video packet.
pub(crate) fn packets(file: &Path, field: &str) -> Vec<String> {
    let entries = format!("packet={field}");
    let file = file.to_str().unwrap();
    run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            &entries,
            "-of",
            "csv=p=0",
            file,
        ],
    )
    .lines()
    .map(|line| line.trim_end_matches(',').to_owned())
    .collect()
}

/// Returns codec, width, height and number of decoded frames, for example `h264,640,360,100`.
pub(crate) fn probe(file: &Path) -> String {
    let entries = "stream=codec_name,width,height,nb_read_frames";
    let file = file.to_str().unwrap();
    let args = [
        "-v",
        "error",
        "-count_frames",
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
        file,
    ];
    run("ffprobe", &args).trim().to_owned()
}
