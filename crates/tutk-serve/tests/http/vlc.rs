//! VLC plays both HTTP streams. Debian builds it without its RTSP client.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use tutk_runtime::tutk_session::Codec;

use crate::client::TestServer;
use crate::common::players::{
    checked_stdout, has_ffmpeg, output_or_skip, run_concurrently, temp_path,
};
use crate::common::{H264, H265};
use crate::stream::camera_with_audio;

/// VLC refuses to run as root, and requires a home folder.
fn vlc() -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    let mut command = match id.stdout.trim_ascii() {
        b"0" => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
            command
        }
        _ => Command::new("vlc"),
    };
    command.env("HOME", "/nonexistent");
    command
}

fn vlc_is_installed() -> bool {
    output_or_skip(vlc().arg("--version"), "vlc-bin and vlc-plugin-base").is_some()
}

/// Plays some seconds of a stream, and returns them as MPEG-TS.
fn play(url: &str) -> Vec<u8> {
    let output = vlc()
        .args(["-I", "dummy", "--run-time", "5", "--sout"])
        .args(["#std{access=file,mux=ts,dst=-}", url, "vlc://quit"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    output.stdout
}

/// Returns the hashes of the frames. Errors are ignored: VLC stops in the middle of a frame.
fn hashes(bytes: &[u8], name: &str, args: &[&str]) -> Vec<String> {
    let file = temp_path(name);
    std::fs::write(&file, bytes).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "quiet", "-i"]).arg(&file).args(args);
    ffmpeg.args(["-f", "framemd5", "-"]);
    let text = String::from_utf8(checked_stdout(ffmpeg.output().unwrap())).unwrap();
    std::fs::remove_file(&file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn vlc_plays_the_streams() {
    if !vlc_is_installed() || !has_ffmpeg() {
        return;
    }
    let cases = [
        (H264, Codec::Pcmu, "mp4"),
        (H264, Codec::AacAdts, "ts"),
        (H265, Codec::AacAdts, "mp4"),
        (H265, Codec::AacAdts, "ts"),
    ];
    let cases = cases.into_iter().enumerate();
    run_concurrently(cases.map(|(index, (stream, codec, kind))| async move {
        let server = TestServer::start(camera_with_audio(stream, codec)).await;
        let url = format!("http://{}/front/stream.{kind}", server.address());
        let playing = tokio::task::spawn_blocking(move || play(&url));
        let received = playing.await.unwrap();
        server.close().await;
        let name = format!("vlc-{index}");
        let sent: BTreeSet<_> = hashes(stream, &name, &["-map", "0:v"])
            .into_iter()
            .collect();
        let mut video = hashes(&received, &name, &["-map", "0:v"]);
        // The last frame may be incomplete.
        video.pop();
        assert!(video.len() >= 20, "{kind}: {} video frames", video.len());
        assert!(video.iter().all(|hash| sent.contains(hash)), "{kind}");
        if codec == Codec::AacAdts {
            let audio = hashes(&received, &name, &["-map", "0:a", "-c", "copy"]);
            assert!(audio.len() >= 20, "{kind}: {} audio frames", audio.len());
        }
    }))
    .await;
}
