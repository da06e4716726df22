//! ffmpeg, ffprobe and ffplay receive the frames of the camera unchanged and synchronized.

use tutk_media::adts_frames;
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::ClipAudio;
use tutk_serve::{Accounts, RtspConfig};

use crate::common::players::{RtspFixture, checked_stdout, has_ffmpeg, run_concurrently};
use crate::common::timestamps::parse_seconds;
use crate::common::{
    FPS, H264, H265, TONE, camera_config, clip, loopback, nals, opus_audio, tone_audio,
    with_timeout,
};

/// The number of frames of a clip.
fn frame_count(stream: &'static [u8]) -> Option<u64> {
    Some(clip(stream).len().try_into().unwrap())
}

async fn start(stream: &'static [u8], sound: Option<ClipAudio>) -> RtspFixture {
    let mut config = camera_config(stream, FPS);
    config.audio = sound;
    RtspFixture::start(config, frame_count(stream), RtspConfig::new(loopback())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn video_arrives_unchanged() {
    if !has_ffmpeg() {
        return;
    }
    let clips = [(H264, "h264"), (H265, "hevc")];
    let both =
        |(stream, format)| ["tcp", "udp"].map(|transport| receive_video(stream, format, transport));
    run_concurrently(clips.into_iter().flat_map(both)).await;
}

async fn receive_video(stream: &'static [u8], format: &'static str, transport: &'static str) {
    let mut args = vec!["-v", "error", "-rtsp_transport", transport, "-i", "URL"];
    args.extend(["-c", "copy", "-f", format, "-"]);
    let (output, _) = start(stream, None).await.play("ffmpeg", &args).await;
    let (received, sent) = (checked_stdout(output), nals(stream));
    let received = nals(&received);
    let counts = (received.len(), sent.len());
    assert!(received == sent, "{format} over {transport}: {counts:?}");
}

/// Returns audio, with the codec name of ffprobe and the sample rate.
fn audio_cases() -> Vec<(&'static str, u32, ClipAudio)> {
    vec![
        ("pcm_mulaw", 8_000, tone_audio(Codec::Pcmu, 8_000, 1)),
        ("pcm_alaw", 8_000, tone_audio(Codec::Pcma, 8_000, 1)),
        ("pcm_s16be", 16_000, tone_audio(Codec::Pcm, 16_000, 1)),
        ("aac", 16_000, tone_audio(Codec::AacAdts, 16_000, 1)),
        ("aac", 16_000, tone_audio(Codec::AacRaw, 16_000, 1)),
        ("opus", 48_000, opus_audio()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_and_video_are_synchronized() {
    if !has_ffmpeg() {
        return;
    }
    let both = |(codec, rate, sound): (_, _, ClipAudio)| {
        ["tcp", "udp"].map(|transport| compare_timestamps(codec, rate, sound.clone(), transport))
    };
    run_concurrently(audio_cases().into_iter().flat_map(both)).await;
}

async fn compare_timestamps(
    codec: &'static str,
    rate: u32,
    sound: ClipAudio,
    transport: &'static str,
) {
    let what = format!("{codec} over {transport}");
    let mut args = vec!["-v", "error", "-rtsp_transport", transport, "-show_entries"];
    let entries = "stream=codec_name,sample_rate:packet=codec_type,pts_time,size";
    args.extend([entries, "-of", "compact=nk=0", "URL"]);
    let (output, sent) = start(H264, Some(sound)).await.play("ffprobe", &args).await;
    let shown = String::from_utf8(checked_stdout(output)).unwrap();
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
            .map(|line| parse_seconds(&field(line, "pts_time")?))
            .collect()
    };
    sent.assert_synchronized(&times("video"), &times("audio"), &what);
}

#[tokio::test(flavor = "multi_thread")]
async fn audio_arrives_unchanged() {
    if !has_ffmpeg() {
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
    let aac_fixture = start(H264, Some(tone_audio(Codec::AacAdts, 16_000, 1))).await;
    let (output, sent) = aac_fixture.play("ffmpeg", &args("adts")).await;
    let received = aac(&checked_stdout(output));
    assert!(aac(TONE).starts_with(&received) && received.len() + 2 >= sent.audio.len());

    let pcmu = tone_audio(Codec::Pcmu, 8_000, 1);
    let expected = pcmu.frames().concat().repeat(9);
    let (output, sent) = start(H264, Some(pcmu))
        .await
        .play("ffmpeg", &args("mulaw"))
        .await;
    let received = checked_stdout(output);
    assert!(expected.starts_with(&received) && received.len() / 160 + 2 >= sent.audio.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn correct_password_allows_playing() {
    if !has_ffmpeg() {
        return;
    }
    for (user, is_allowed) in [
        ("anna:s%20ecret@", true),
        ("anna:secret@", false),
        ("", false),
    ] {
        let mut config = RtspConfig::new(loopback());
        config.accounts = Accounts::none();
        config.accounts.add("anna", "s ecret").unwrap();
        let fixture = RtspFixture::start(camera_config(H265, FPS), None, config).await;
        let url = fixture.url.replace("rtsp://", &format!("rtsp://{user}"));
        let args = "-v error -rtsp_transport tcp -show_entries stream=codec_name -of csv=p=0";
        let args: Vec<_> = args.split(' ').chain([&*url]).collect();
        let output = with_timeout(fixture.spawn("ffprobe", &args)).await.unwrap();
        if is_allowed {
            assert_eq!(checked_stdout(output), b"hevc\n");
        } else {
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(stderr.contains("401"), "{stderr}");
        }
        fixture.server.close().await;
        fixture.hub.close().await;
    }
}

/// It sends TEARDOWN, and the session with the camera is not needed any more.
#[tokio::test(flavor = "multi_thread")]
async fn session_ends_with_the_player() {
    if !has_ffmpeg() {
        return;
    }
    for transport in ["tcp", "udp"] {
        let rtsp = RtspConfig::new(loopback());
        let fixture = RtspFixture::start(camera_config(H264, FPS), None, rtsp).await;
        let args = [
            "-v",
            "error",
            "-rtsp_transport",
            transport,
            "-i",
            "URL",
            "-frames:v",
            "20",
            "-f",
            "null",
            "-",
        ];
        checked_stdout(with_timeout(fixture.spawn("ffmpeg", &args)).await.unwrap());
        let mut silent = fixture.front.watch("silent");
        while fixture.front.stats().await.viewers.len() > 1 {
            with_timeout(silent.next_frame()).await.unwrap();
        }
        drop(silent);
        fixture.server.close().await;
        fixture.hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffplay_plays_the_stream() {
    if !has_ffmpeg() {
        return;
    }
    let sound = Some(tone_audio(Codec::AacAdts, 16_000, 1));
    // Without a screen and a loudspeaker. ffplay must end with the camera, and without errors.
    let environment = ["SDL_VIDEODRIVER=dummy", "SDL_AUDIODRIVER=dummy"];
    let args = ["ffplay", "-v", "error", "-autoexit", "-i", "URL"];
    let args = [&environment[..], &args].concat();
    let (output, sent) = start(H264, sound).await.play("env", &args).await;
    checked_stdout(output);
    assert_eq!(sent.video.len(), clip(H264).len());
}
