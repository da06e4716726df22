//! `stream.mp4` and `stream.ts`, decoded by ffmpeg.

use std::time::Duration;

use tokio::time::Instant;
use tutk_media::{AudioCodec, g711, nal_units};
use tutk_runtime::simulate;
use tutk_runtime::tutk_session::{Codec, Dialect};
use tutk_runtime::tutk_simulator::{Impairment, SimulatorConfig};

use crate::client::{StreamingResponse, TestServer};
use crate::common::players::{checked_stdout, has_ffmpeg, temp_path};
use crate::common::{
    FPS, H264, H265, TONE, camera_config, clip, loopback, tone_audio, wait_for_leave,
};

pub(crate) fn camera_with_audio(stream: &'static [u8], codec: Codec) -> SimulatorConfig {
    let mut config = camera_config(stream, FPS);
    let rate = match codec {
        Codec::AacAdts | Codec::AacRaw | Codec::Pcm => 16_000,
        _ => 8_000,
    };
    config.audio = Some(tone_audio(codec, rate, 1));
    config
}

/// Arguments of ffmpeg that decode everything and keep the timestamps.
pub(crate) const NULL_OUTPUT: &[&str] = &[
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "-1",
    "-f",
    "null",
];

/// Converts bytes with ffmpeg. Panics if it reports an error.
pub(crate) fn ffmpeg(bytes: &[u8], name: &str, args: &[&str]) -> Vec<u8> {
    let file = temp_path(name);
    std::fs::write(&file, bytes).unwrap();
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&file).args(args);
    let out = checked_stdout(command.arg("-").output().unwrap());
    std::fs::remove_file(&file).unwrap();
    out
}

/// Decodes the audio to samples.
pub(crate) fn samples(bytes: &[u8], name: &str) -> Vec<i16> {
    let pcm = ffmpeg(bytes, name, &["-map", "0:a", "-f", "s16le"]);
    let (pairs, _) = pcm.as_chunks();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Checks that samples are those of the looped audio of a camera, from the start of a frame.
pub(crate) fn assert_audio_matches(
    samples: &[i16],
    codec: AudioCodec,
    config: &SimulatorConfig,
    min_count: usize,
) {
    let sound = config.audio.as_ref().unwrap();
    let looped: Vec<i16> = sound
        .frames()
        .iter()
        .flat_map(|frame| decode_audio(codec, frame))
        .collect();
    assert!(samples.len() >= min_count, "{}", samples.len());
    let found = (0..looped.len()).step_by(160).any(|from| {
        let expected = looped.iter().cycle().skip(from);
        samples.iter().zip(expected).all(|(a, b)| a == b)
    });
    assert!(found, "the audio differs");
}

pub(crate) fn decode_audio(codec: AudioCodec, frame: &[u8]) -> Vec<i16> {
    match codec {
        AudioCodec::Pcmu => frame.iter().map(|byte| g711::decode_pcmu(*byte)).collect(),
        AudioCodec::Pcma => frame.iter().map(|byte| g711::decode_pcma(*byte)).collect(),
        _ => frame
            .as_chunks()
            .0
            .iter()
            .map(|pair| i16::from_le_bytes(*pair))
            .collect(),
    }
}

/// Returns the slices, without parameter sets and delimiters.
pub(crate) fn slices(stream: &[u8], hevc: bool) -> Vec<&[u8]> {
    let is_slice = |nal: &&[u8]| match hevc {
        true => nal[0] >> 1 & 0x3f < 32,
        false => matches!(nal[0] & 0x1f, 1 | 5),
    };
    nal_units(stream)
        .map(|nal| nal.payload)
        .filter(is_slice)
        .collect()
}

/// Checks that the video is that of a looped clip, from a key frame.
pub(crate) fn assert_video_matches(
    annex_b: &[u8],
    stream: &'static [u8],
    hevc: bool,
    min_count: usize,
) {
    let slices_found = slices(annex_b, hevc);
    assert!(slices_found.len() >= min_count, "{}", slices_found.len());
    let clip = clip(stream);
    let keys = (0..clip.len()).filter(|at| clip.unit(*at).unwrap().is_key());
    let found = { keys }.any(|key| {
        let units = (key..).map(|at| clip.unit(at % clip.len()).unwrap().data());
        let expected = units.flat_map(|unit| slices(unit, hevc));
        slices_found.iter().zip(expected).all(|(a, b)| *a == b)
    });
    assert!(found, "the video differs");
}

/// Reads the only stream until the hub has sent this many frames to it.
async fn read_frames(server: &TestServer, stream: &mut StreamingResponse, frames: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        bytes.extend(stream.next_chunk().await.unwrap());
        let stats = server.front.stats().await;
        // The previous viewer may still be there.
        if stats
            .viewers
            .last()
            .is_some_and(|viewer| viewer.frames >= frames)
        {
            return bytes;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn audio_is_written_with_video_but_waits_briefly() {
    // A video frame every 100 ms, and an audio frame every 20 ms.
    let mut config = camera_config(H264, 10);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let server = TestServer::start(config).await;
    let mut stream = server.stream("/front/stream.mp4").await;
    read_frames(&server, &mut stream, 60).await;
    let started = Instant::now();
    let (mut writes, mut chunks, mut last) = (0, 0, started);
    while started.elapsed() < Duration::from_secs(10) {
        stream.next_chunk().await.unwrap();
        chunks += 1;
        let waited = last.elapsed();
        assert!(waited <= Duration::from_millis(75), "{waited:?}");
        if !waited.is_zero() {
            (writes, last) = (writes + 1, Instant::now());
        }
    }
    // Two chunks for each of 600 frames, of which one in six is video.
    assert!((1_100..1_300).contains(&chunks), "{chunks}");
    assert!((190..=230).contains(&writes), "{writes}");
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn mp4_is_what_the_camera_sends() {
    if !has_ffmpeg() {
        return;
    }
    let config = camera_with_audio(H264, Codec::Pcmu);
    let server = TestServer::start(config.clone()).await;
    for (query, sound) in [
        ("", "pcm_mulaw"),
        ("?sound=camera", "pcm_mulaw"),
        ("?sound=flac", "flac"),
    ] {
        let mut stream = server.stream(&format!("/front/stream.mp4{query}")).await;
        assert_eq!(stream.header("content-type"), Some("video/mp4"));
        assert_eq!(stream.header("tutk-left-out"), None);
        let bytes = read_frames(&server, &mut stream, 300).await;
        drop(stream);
        let name = format!("{sound}.mp4");
        let bare = ffmpeg(&bytes, &name, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        assert_video_matches(&bare, H264, false, 80);
        let samples = samples(&bytes, &name);
        assert_audio_matches(&samples, AudioCodec::Pcmu, &config, 25_000);
        let args = ["-map", "0:a", "-c", "copy", "-f", "framecrc"];
        let copied = String::from_utf8(ffmpeg(&bytes, &name, &args)).unwrap();
        assert!(
            copied.contains(&format!("#codec_id 0: {sound}")),
            "{copied}"
        );
    }
    let mut silent = server.stream("/front/stream.mp4?sound=none").await;
    let bytes = read_frames(&server, &mut silent, 100).await;
    let streams = ffmpeg(&bytes, "silent.mp4", &["-c", "copy", "-f", "framecrc"]);
    assert!(!String::from_utf8(streams).unwrap().contains("audio"));

    let response = server.get("/front/stream.mp4?sound=loud").await;
    response.problem(400);
    assert_eq!(response.allowed(), ["camera", "flac", "none"]);
    server.get("/front/stream.mp4?volume=1").await.problem(400);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn transport_stream_contains_supported_audio() {
    if !has_ffmpeg() {
        return;
    }
    let server = TestServer::start(camera_with_audio(H265, Codec::AacAdts)).await;
    for (path, content, name) in [
        ("/front/stream.mp4", "video/mp4", "aac.mp4"),
        ("/front/stream.ts", "video/mp2t", "aac.ts"),
    ] {
        let mut stream = server.stream(path).await;
        assert_eq!(stream.header("content-type"), Some(content));
        let mut bytes = read_frames(&server, &mut stream, 300).await;
        if name == "aac.ts" {
            bytes.truncate(bytes.len() - bytes.len() % 188);
        }
        let bare = ffmpeg(&bytes, name, &["-map", "0:v", "-c", "copy", "-f", "hevc"]);
        assert_video_matches(&bare, H265, true, 80);
        let sound = ffmpeg(&bytes, name, &["-map", "0:a", "-c", "copy", "-f", "adts"]);
        // The tone from any frame on, with headers.
        let from = TONE
            .windows(64)
            .position(|part| part == &sound[..64])
            .unwrap();
        let expected = TONE.iter().cycle().skip(from);
        assert!(
            sound.len() > 8_000 && sound.iter().zip(expected).all(|(a, b)| a == b),
            "{name}"
        );
    }
    server.close().await;

    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut ts = server.stream("/front/stream.ts").await;
    let why = ts.header("tutk-left-out").unwrap();
    assert!(
        why.contains("PCMU") && why.contains("transport stream"),
        "{why}"
    );
    let bytes = read_frames(&server, &mut ts, 200).await;
    let whole = bytes.len() - bytes.len() % 188;
    let bare = ffmpeg(&bytes[..whole], "silent.ts", &["-c", "copy", "-f", "h264"]);
    assert_video_matches(&bare, H264, false, 30);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_is_valid_on_a_lossy_network() {
    if !has_ffmpeg() {
        return;
    }
    let mut config = camera_with_audio(H264, Codec::Pcma);
    config.dialects = vec![Dialect::CC51.into()];
    config.impairment = Impairment {
        loss: 0.01,
        seed: 7,
        ..Impairment::default()
    };
    let camera = simulate(config, loopback()).unwrap();
    let server = TestServer::for_camera(camera, |_| {}, |_| {}).await;
    let mut stream = server.stream("/front/stream.mp4?sound=flac").await;
    let bytes = read_frames(&server, &mut stream, 1_500).await;
    let stats = server.front.stats().await;
    assert!(stats.session.unwrap().lost > 0, "{stats:?}");
    ffmpeg(&bytes, "lossy.mp4", NULL_OUTPUT);
    assert_eq!(
        server.get("/api/cameras/front").await.json()["dialect"],
        "cc51"
    );
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn late_viewer_starts_with_the_newest_key_frame() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut first = server.stream("/front/stream.mp4").await;
    read_frames(&server, &mut first, 70).await;
    let now = tokio::time::Instant::now();
    let mut late = server.stream("/front/stream.mp4").await;
    let start = late.read_at_least(2_000).await;
    assert!(start[4..8] == *b"ftyp");
    assert_eq!(now.elapsed(), Duration::ZERO, "the viewer had to wait");
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_the_streams() {
    if !has_ffmpeg() {
        return;
    }
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    for path in ["stream.mp4", "stream.mp4?sound=flac", "stream.ts"] {
        let url = format!("http://{}/front/{path}", server.address());
        let playing = tokio::task::spawn_blocking(move || {
            let args = ["-v", "error", "-i", &url, "-t", "2", "-f", "null", "-"];
            std::process::Command::new("ffmpeg")
                .args(args)
                .output()
                .unwrap()
        });
        checked_stdout(playing.await.unwrap());
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_ends_with_its_camera_and_with_the_server() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut stream = server.stream("/front/stream.mp4").await;
    stream.read_at_least(10_000).await;
    assert!(server.hub.remove("front").await);
    while stream.next_chunk().await.is_some() {}
    server.get("/front/stream.mp4").await.problem(404);
    server.close().await;

    let mut server = TestServer::start(camera_config(H264, FPS)).await;
    let mut stream = server.stream("/front/stream.ts").await;
    stream.read_at_least(10_000).await;
    server.http.close().await;
    while stream.next_chunk().await.is_some() {}
    server.hub.close().await;
    assert_eq!(wait_for_leave(&mut server.camera).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn stream_of_an_absent_camera_is_an_error() {
    let (server, _) = TestServer::without_camera().await;
    for path in ["stream.mp4", "stream.ts"] {
        let response = server.get(&format!("/front/{path}")).await;
        let error = response.problem(503);
        assert!(error.contains("no answer from the camera"), "{error}");
        assert!(
            response.json()["advice"]
                .as_str()
                .unwrap()
                .contains("check the address")
        );
    }
    server.close().await;
}
