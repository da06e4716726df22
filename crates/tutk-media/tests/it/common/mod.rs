//! Clips, and ffmpeg as the reference.

pub(crate) mod audio;
pub(crate) mod encoded;
pub(crate) mod rtp;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
pub(crate) use testkit::tools::{are_installed, has_ffmpeg, has_gstreamer};
use tutk_media::{AccessUnit, Clip, Codec, Mp4Writer, nal_units};

pub(crate) const H264: &[u8] = include_bytes!("../../../../tutk-cli/assets/clip.h264");
pub(crate) const H265: &[u8] = include_bytes!("../../../../tutk-cli/assets/clip.h265");

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

/// The NAL units of a stream, without start codes.
pub(crate) fn nals(stream: &[u8]) -> Vec<&[u8]> {
    nal_units(stream).map(|nal| nal.payload).collect()
}

/// Converts bytes to linear samples.
pub(crate) fn linear(bytes: &[u8]) -> Vec<i16> {
    let (pairs, _) = bytes.as_chunks();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
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

/// Returns a new path in the temporary directory of the build.
pub(crate) fn path(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{count}-{name}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A command from a line without quotes.
pub(crate) fn tool(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// Runs a tool and returns its output. Warnings and errors fail the test.
pub(crate) fn run(command: &mut Command) -> String {
    String::from_utf8(run_bytes(command)).unwrap()
}

/// Like [`run`], for binary output.
pub(crate) fn run_bytes(command: &mut Command) -> Vec<u8> {
    let out = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && stderr.is_empty(),
        "{command:?}: {stderr}"
    );
    out.stdout
}

/// Returns the output of a tool with a file as its standard input, for any exit status.
pub(crate) fn output(command: &mut Command, input: &Path) -> Vec<u8> {
    let input = std::fs::OpenOptions::new().read(true).open(input).unwrap();
    command.stdin(input).output().unwrap().stdout
}

/// Returns the MD5 of each decoded frame of a track, as ffmpeg numbers it.
pub(crate) fn decoded_track(file: &Path, track: usize) -> Vec<String> {
    let mut ffmpeg = tool("ffmpeg -v error -i");
    ffmpeg.arg(file);
    let lines = run(ffmpeg.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]));
    let track = format!("{track},");
    lines
        .lines()
        .filter(|line| line.starts_with(&track))
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// Returns the MD5 of each decoded picture.
pub(crate) fn decoded(file: &Path) -> Vec<String> {
    decoded_track(file, 0)
}

/// Returns a field of each video packet.
pub(crate) fn packets(file: &Path, field: &str) -> Vec<String> {
    let line = format!("ffprobe -v error -of csv=p=0 -show_entries packet={field}");
    run(tool(&line).arg(file))
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect()
}

/// Returns codec, width, height and number of decoded frames, for example `h264,640,360,100`.
pub(crate) fn probe(file: &Path) -> String {
    let entries = "stream=codec_name,width,height,nb_read_frames";
    let line = format!("ffprobe -v error -count_frames -of csv=p=0 -show_entries {entries}");
    run(tool(&line).arg(file)).trim().to_owned()
}
