//! `stream.mp4` and `stream.ts`, with ffmpeg as the judge.

use std::time::Duration;

use tutk_media::{AudioCodec, g711, nal_units};
use tutk_runtime::tutk_session::{Codec, Dialect};
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_runtime::{Impairment, simulate};

use crate::client::{Served, Stream};
use crate::common::players::{ffmpeg_is_there, path, printed};
use crate::common::{FPS, H264, H265, TONE, camera, clip, heard, left, loopback};

pub(crate) fn with_sound(stream: &'static [u8], codec: Codec) -> SimulatorConfig {
    let mut config = camera(stream, FPS);
    let rate = match codec {
        Codec::AacAdts | Codec::AacRaw | Codec::Pcm => 16_000,
        _ => 8_000,
    };
    config.sound = Some(heard(codec, rate, 1));
    config
}

/// Everything is decoded, and each picture keeps its own time.
pub(crate) const PASS: &[&str] = &[
    "-fps_mode",
    "passthrough",
    "-enc_time_base",
    "-1",
    "-f",
    "null",
];

/// What ffmpeg makes of bytes: on the standard output, and without a complaint.
pub(crate) fn ffmpeg(bytes: &[u8], name: &str, args: &[&str]) -> Vec<u8> {
    let file = path(name);
    std::fs::write(&file, bytes).unwrap();
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(&file).args(args);
    let out = printed(command.arg("-").output().unwrap());
    std::fs::remove_file(&file).unwrap();
    out
}

/// Linear samples of the sound.
pub(crate) fn samples(bytes: &[u8], name: &str) -> Vec<i16> {
    let pcm = ffmpeg(bytes, name, &["-map", "0:a", "-f", "s16le"]);
    let (pairs, _) = pcm.as_chunks();
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Whether samples are those of a camera's looped sound, from the beginning of some frame on, to
/// the last one.
pub(crate) fn assert_heard(
    samples: &[i16],
    codec: AudioCodec,
    config: &SimulatorConfig,
    least: usize,
) {
    let sound = config.sound.as_ref().unwrap();
    let looped: Vec<i16> = sound
        .frames()
        .iter()
        .flat_map(|frame| decoded(codec, frame))
        .collect();
    assert!(samples.len() >= least, "{}", samples.len());
    let found = (0..looped.len()).step_by(160).any(|from| {
        let expected = looped.iter().cycle().skip(from);
        samples.iter().zip(expected).all(|(a, b)| a == b)
    });
    assert!(found, "the sound is another");
}

pub(crate) fn decoded(codec: AudioCodec, frame: &[u8]) -> Vec<i16> {
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

/// The NAL units of pictures without parameter sets and delimiters, which may stand elsewhere.
pub(crate) fn pictures(stream: &[u8], hevc: bool) -> Vec<&[u8]> {
    let is_picture = |nal: &&[u8]| match hevc {
        true => nal[0] >> 1 & 0x3f < 32,
        false => matches!(nal[0] & 0x1f, 1 | 5),
    };
    nal_units(stream)
        .map(|nal| nal.payload)
        .filter(is_picture)
        .collect()
}

/// Whether pictures are those of a looped clip, from a key frame on.
pub(crate) fn assert_shown(annex_b: &[u8], stream: &'static [u8], hevc: bool, least: usize) {
    let seen = pictures(annex_b, hevc);
    assert!(seen.len() >= least, "{}", seen.len());
    let clip = clip(stream);
    let keys = (0..clip.len()).filter(|at| clip.unit(*at).unwrap().is_key());
    let found = { keys }.any(|key| {
        let units = (key..).map(|at| clip.unit(at % clip.len()).unwrap().data());
        let expected = units.flat_map(|unit| pictures(unit, hevc));
        seen.iter().zip(expected).all(|(a, b)| *a == b)
    });
    assert!(found, "the picture is another");
}

/// Parts of the only stream until its viewer took as many frames.
async fn taken(served: &Served, stream: &mut Stream, frames: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        bytes.extend(stream.part().await.unwrap());
        let stats = served.front.stats().await;
        // The one before may be leaving.
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
async fn mp4_is_what_the_camera_sends() {
    if !ffmpeg_is_there() {
        return;
    }
    let config = with_sound(H264, Codec::Pcmu);
    let served = Served::start(config.clone()).await;
    for (query, sound) in [
        ("", "pcm_mulaw"),
        ("?sound=camera", "pcm_mulaw"),
        ("?sound=flac", "flac"),
    ] {
        let mut stream = served.stream(&format!("/front/stream.mp4{query}")).await;
        assert_eq!(stream.header("content-type"), Some("video/mp4"));
        assert_eq!(stream.header("tutk-left-out"), None);
        let bytes = taken(&served, &mut stream, 300).await;
        drop(stream);
        let name = format!("{sound}.mp4");
        let bare = ffmpeg(&bytes, &name, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        assert_shown(&bare, H264, false, 80);
        let samples = samples(&bytes, &name);
        assert_heard(&samples, AudioCodec::Pcmu, &config, 25_000);
        let args = ["-map", "0:a", "-c", "copy", "-f", "framecrc"];
        let copied = String::from_utf8(ffmpeg(&bytes, &name, &args)).unwrap();
        assert!(
            copied.contains(&format!("#codec_id 0: {sound}")),
            "{copied}"
        );
    }
    let mut silent = served.stream("/front/stream.mp4?sound=none").await;
    let bytes = taken(&served, &mut silent, 100).await;
    let streams = ffmpeg(&bytes, "silent.mp4", &["-c", "copy", "-f", "framecrc"]);
    assert!(!String::from_utf8(streams).unwrap().contains("audio"));

    let answer = served.get("/front/stream.mp4?sound=loud").await;
    answer.problem(400);
    assert_eq!(answer.allowed(), ["camera", "flac", "none"]);
    served.get("/front/stream.mp4?volume=1").await.problem(400);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn transport_stream_contains_supported_audio() {
    if !ffmpeg_is_there() {
        return;
    }
    let served = Served::start(with_sound(H265, Codec::AacAdts)).await;
    for (path, content, name) in [
        ("/front/stream.mp4", "video/mp4", "aac.mp4"),
        ("/front/stream.ts", "video/mp2t", "aac.ts"),
    ] {
        let mut stream = served.stream(path).await;
        assert_eq!(stream.header("content-type"), Some(content));
        let mut bytes = taken(&served, &mut stream, 300).await;
        if name == "aac.ts" {
            bytes.truncate(bytes.len() - bytes.len() % 188);
        }
        let bare = ffmpeg(&bytes, name, &["-map", "0:v", "-c", "copy", "-f", "hevc"]);
        assert_shown(&bare, H265, true, 80);
        let sound = ffmpeg(&bytes, name, &["-map", "0:a", "-c", "copy", "-f", "adts"]);
        // The frames of the tone from one of them on, headers included.
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
    served.close().await;

    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut ts = served.stream("/front/stream.ts").await;
    let why = ts.header("tutk-left-out").unwrap();
    assert!(
        why.contains("PCMU") && why.contains("transport stream"),
        "{why}"
    );
    let bytes = taken(&served, &mut ts, 200).await;
    let whole = bytes.len() - bytes.len() % 188;
    let bare = ffmpeg(&bytes[..whole], "silent.ts", &["-c", "copy", "-f", "h264"]);
    assert_shown(&bare, H264, false, 30);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_is_valid_on_a_lossy_network() {
    if !ffmpeg_is_there() {
        return;
    }
    let mut config = with_sound(H264, Codec::Pcma);
    config.dialects = vec![&Dialect::CC51];
    let impairment = Impairment {
        loss: 0.01,
        seed: 7,
        ..Impairment::default()
    };
    let camera = simulate(config, loopback(), impairment).unwrap();
    let served = Served::of(camera, |_| {}, |_| {}).await;
    let mut stream = served.stream("/front/stream.mp4?sound=flac").await;
    let bytes = taken(&served, &mut stream, 1_500).await;
    let stats = served.front.stats().await;
    assert!(stats.session.unwrap().lost > 0, "{stats:?}");
    ffmpeg(&bytes, "lossy.mp4", PASS);
    assert_eq!(
        served.get("/api/cameras/front").await.json()["dialect"],
        "cc51"
    );
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn late_viewer_starts_with_the_newest_key_frame() {
    let served = Served::start(camera(H264, FPS)).await;
    let mut first = served.stream("/front/stream.mp4").await;
    taken(&served, &mut first, 70).await;
    let now = tokio::time::Instant::now();
    let mut late = served.stream("/front/stream.mp4").await;
    let begun = late.bytes(2_000).await;
    assert!(begun[4..8] == *b"ftyp");
    assert_eq!(now.elapsed(), Duration::ZERO, "it waited");
    served.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn players_play_it() {
    if !ffmpeg_is_there() {
        return;
    }
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    for path in ["stream.mp4", "stream.mp4?sound=flac", "stream.ts"] {
        let url = format!("http://{}/front/{path}", served.address());
        let playing = tokio::task::spawn_blocking(move || {
            let args = ["-v", "error", "-i", &url, "-t", "2", "-f", "null", "-"];
            std::process::Command::new("ffmpeg")
                .args(args)
                .output()
                .unwrap()
        });
        printed(playing.await.unwrap());
    }
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_ends_with_its_camera_and_with_the_server() {
    let served = Served::start(camera(H264, FPS)).await;
    let mut stream = served.stream("/front/stream.mp4").await;
    stream.bytes(10_000).await;
    assert!(served.hub.remove("front").await);
    while stream.part().await.is_some() {}
    served.get("/front/stream.mp4").await.problem(404);
    served.close().await;

    let mut served = Served::start(camera(H264, FPS)).await;
    let mut stream = served.stream("/front/stream.ts").await;
    stream.bytes(10_000).await;
    served.http.close().await;
    while stream.part().await.is_some() {}
    served.hub.close().await;
    assert_eq!(left(&mut served.camera).await.1, 1);
}

#[tokio::test(start_paused = true)]
async fn stream_of_an_absent_camera_is_an_error() {
    let config = camera(H264, FPS);
    let gone = crate::common::served(config.clone());
    let address = gone.local_addr();
    gone.close().await;
    let served = Served::with(config, |settings| settings.client.camera = address, |_| {}).await;
    for path in ["stream.mp4", "stream.ts"] {
        let answer = served.get(&format!("/front/{path}")).await;
        let error = answer.problem(503);
        assert!(error.contains("no answer from the camera"), "{error}");
        assert!(
            answer.json()["advice"]
                .as_str()
                .unwrap()
                .contains("check the address")
        );
    }
    served.close().await;
}
