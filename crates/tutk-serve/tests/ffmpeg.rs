//! What ffmpeg, ffprobe and ffplay receive: the camera's frames, byte for byte, and sound in step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

mod common;

use common::players::{Show, are_there, at_once, ffmpeg_is_there, printed};
use common::sync::seconds;
use common::{FPS, H264, H265, TONE, camera, clip, heard, loopback, nals, opus};
use tutk_media::adts_frames;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::Sound;
use tutk_serve::{Accounts, RtspConfig};

/// As many frames as the clip has.
fn once(stream: &'static [u8]) -> Option<u64> {
    Some(clip(stream).len().try_into().unwrap())
}

async fn show(stream: &'static [u8], sound: Option<Sound>) -> Show {
    let mut config = camera(stream, FPS);
    config.sound = sound;
    Show::start(config, once(stream), RtspConfig::new(loopback())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn video_arrives_unchanged() {
    if !ffmpeg_is_there() {
        return;
    }
    let clips = [(H264, "h264"), (H265, "hevc")];
    let both =
        |(stream, format)| ["tcp", "udp"].map(|transport| the_same(stream, format, transport));
    at_once(clips.into_iter().flat_map(both)).await;
}

async fn the_same(stream: &'static [u8], format: &'static str, transport: &'static str) {
    let mut args = vec!["-v", "error", "-rtsp_transport", transport, "-i", "URL"];
    args.extend(["-c", "copy", "-f", format, "-"]);
    let (out, _) = show(stream, None).await.watch("ffmpeg", &args).await;
    let (received, sent) = (printed(out), nals(stream));
    let received = nals(&received);
    let counts = (received.len(), sent.len());
    assert!(received == sent, "{format} over {transport}: {counts:?}");
}

/// The sound of a test, what ffprobe calls its codec, and its rate.
fn sounds() -> Vec<(&'static str, u32, Sound)> {
    vec![
        ("pcm_mulaw", 8_000, heard(Codec::Pcmu, 8_000, 1)),
        ("pcm_alaw", 8_000, heard(Codec::Pcma, 8_000, 1)),
        ("pcm_s16be", 16_000, heard(Codec::Pcm, 16_000, 1)),
        ("aac", 16_000, heard(Codec::AacAdts, 16_000, 1)),
        ("aac", 16_000, heard(Codec::AacRaw, 16_000, 1)),
        ("opus", 48_000, opus()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_and_video_are_synchronized() {
    if !ffmpeg_is_there() {
        return;
    }
    let both = |(codec, rate, sound): (_, _, Sound)| {
        ["tcp", "udp"].map(|transport| in_step(codec, rate, sound.clone(), transport))
    };
    at_once(sounds().into_iter().flat_map(both)).await;
}

async fn in_step(codec: &'static str, rate: u32, sound: Sound, transport: &'static str) {
    let what = format!("{codec} over {transport}");
    let mut args = vec!["-v", "error", "-rtsp_transport", transport, "-show_entries"];
    let entries = "stream=codec_name,sample_rate:packet=codec_type,pts_time,size";
    args.extend([entries, "-of", "compact=nk=0", "URL"]);
    let (out, seen) = show(H264, Some(sound)).await.watch("ffprobe", &args).await;
    let shown = String::from_utf8(printed(out)).unwrap();
    let field = |line: &str, name: &str| {
        let mut fields = line.split('|');
        fields.find_map(|field| Some(field.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    };
    let stream = format!("stream|codec_name={codec}|sample_rate={rate}");
    assert!(shown.lines().any(|line| line == stream), "{what}: {shown}");
    let times = |kind: &str| -> Vec<Option<f64>> {
        let lines = shown
            .lines()
            .filter(|line| field(line, "codec_type").as_deref() == Some(kind));
        lines
            .map(|line| seconds(&field(line, "pts_time")?))
            .collect()
    };
    seen.assert_in_step(&times("video"), &times("audio"), &what);
}

/// The tone ffmpeg gets is the camera's: AAC, whose frames have headers again in a file of ADTS.
#[tokio::test(flavor = "multi_thread")]
async fn audio_arrives_unchanged() {
    if !ffmpeg_is_there() {
        return;
    }
    let aac = |adts: &[u8]| -> Vec<Vec<u8>> {
        let frames = adts_frames(adts).map(|frame| frame.unwrap());
        frames
            .map(|frame| frame.data[frame.header.header_bytes..].to_vec())
            .collect()
    };
    let args = |format| {
        [
            "-v", "error", "-i", "URL", "-vn", "-c", "copy", "-f", format, "-",
        ]
    };
    let shown = show(H264, Some(heard(Codec::AacAdts, 16_000, 1))).await;
    let (out, seen) = shown.watch("ffmpeg", &args("adts")).await;
    let received = aac(&printed(out));
    assert!(aac(TONE).starts_with(&received) && received.len() + 2 >= seen.sounds.len());

    let pcmu = heard(Codec::Pcmu, 8_000, 1);
    let sent = pcmu.frames().concat().repeat(9);
    let (out, seen) = show(H264, Some(pcmu))
        .await
        .watch("ffmpeg", &args("mulaw"))
        .await;
    let received = printed(out);
    assert!(sent.starts_with(&received) && received.len() / 160 + 2 >= seen.sounds.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn correct_password_allows_playing() {
    if !ffmpeg_is_there() {
        return;
    }
    for (who, may) in [
        ("anna:s%20ecret@", true),
        ("anna:secret@", false),
        ("", false),
    ] {
        let mut config = RtspConfig::new(loopback());
        config.accounts = Accounts::none();
        config.accounts.add("anna", "s ecret").unwrap();
        let show = Show::start(camera(H265, FPS), None, config).await;
        let url = show.url.replace("rtsp://", &format!("rtsp://{who}"));
        let args = [
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-show_entries",
            "stream=codec_name",
        ];
        let args = [&args[..], &["-of", "csv=p=0", &url]].concat();
        let out = common::patient(show.spawn("ffprobe", &args)).await.unwrap();
        if may {
            assert_eq!(printed(out), b"hevc\n");
        } else {
            let complaint = String::from_utf8(out.stderr).unwrap();
            assert!(complaint.contains("401"), "{complaint}");
        }
        show.server.close().await;
        show.hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffplay_plays_it() {
    if !are_there(&["ffplay"], "-version", "ffmpeg") {
        return;
    }
    let sound = Some(heard(Codec::AacAdts, 16_000, 1));
    // Without a screen and a loudspeaker. It says nothing of what it shows: what counts is that it
    // plays until the camera ends, and complains about nothing.
    let environment = ["SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"];
    let args = ["ffplay", "-v", "error", "-autoexit", "-i", "URL"];
    let args = [&environment[..], &args].concat();
    let (out, seen) = show(H264, sound).await.watch("env", &args).await;
    printed(out);
    assert_eq!(seen.pictures.len(), clip(H264).len());
}
