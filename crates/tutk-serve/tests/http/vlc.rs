//! VLC plays both streams. Debian builds it without its RTSP client.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use tutk_runtime::tutk_session::Codec;

use crate::client::Served;
use crate::common::players::{are_there, ffmpeg_is_there, path};
use crate::common::{H264, H265};
use crate::stream::with_sound;

/// It refuses to be root, and asks for a home.
fn vlc() -> Command {
    let id = Command::new("id").arg("-u").output().unwrap();
    let mut command = match id.stdout.trim_ascii() {
        b"0" => {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid",
                "65534",
                "--regid",
                "65534",
                "--clear-groups",
                "vlc",
            ]);
            command
        }
        _ => Command::new("vlc"),
    };
    command.env("HOME", "/nonexistent");
    command
}

fn is_there() -> bool {
    let there = vlc().arg("--version").output();
    if there.is_ok_and(|out| out.status.success()) {
        return true;
    }
    // The same words as for all others, and an error where CI is set.
    are_there(&["vlc"], "--no-such-option", "vlc-bin and vlc-plugin-base")
}

/// What it got in some seconds, packed again as MPEG-TS.
fn watch(url: &str) -> Vec<u8> {
    let out = vlc()
        .args(["-I", "dummy", "--run-time", "3", "--sout"])
        .args(["#std{access=file,mux=ts,dst=-}", url, "vlc://quit"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

/// What ffmpeg says of each picture or frame of sound: its hash. VLC stops in the middle of one,
/// and complaints are of that.
fn hashes(bytes: &[u8], args: &[&str]) -> Vec<String> {
    let file = path("vlc");
    std::fs::write(&file, bytes).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&file).args(args);
    let out = command.args(["-f", "framemd5", "-"]).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_shows_the_camera() {
    if !is_there() || !ffmpeg_is_there() {
        return;
    }
    for (stream, sound, kind) in [
        (H264, Codec::Pcmu, "mp4"),
        (H264, Codec::AacAdts, "ts"),
        (H265, Codec::AacAdts, "mp4"),
        (H265, Codec::AacAdts, "ts"),
    ] {
        let served = Served::start(with_sound(stream, sound)).await;
        let url = format!("http://{}/front/stream.{kind}", served.address());
        let watched = tokio::task::spawn_blocking(move || watch(&url))
            .await
            .unwrap();
        served.close().await;
        let sent: BTreeSet<_> = hashes(stream, &["-map", "0:v"]).into_iter().collect();
        let mut shown = hashes(&watched, &["-map", "0:v"]);
        shown.pop();
        assert!(shown.len() >= 20, "{kind}: {} pictures", shown.len());
        assert!(shown.iter().all(|hash| sent.contains(hash)), "{kind}");
        if sound == Codec::AacAdts {
            let heard = hashes(&watched, &["-map", "0:a", "-c", "copy"]);
            assert!(heard.len() >= 20, "{kind}: {} frames of sound", heard.len());
        }
    }
}
