//! Audio: recorded with the video, and sent to the camera.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and sockets"
)]

mod common;

use std::path::Path;

use common::{H264, Simulator, asset, record, simulate, streams, text, tutk};

/// Writes mono samples that differ from the camera's audio to a WAV file.
fn write_wav(path: &Path, rate: u32, samples: u32) {
    let wav = tutk_media::Wav {
        rate,
        channels: 1,
        samples: (0..samples)
            .map(|at| i16::try_from((at * 37) % 20_000).unwrap() - 10_000)
            .collect(),
    };
    std::fs::write(path, wav.to_bytes().unwrap()).unwrap();
}

/// Checks that video and audio start and end together, within a frame.
fn assert_in_sync(path: &Path, codec: &str, seconds: f64) {
    let Some(streams) = streams(path) else { return };
    let [video, audio] = &streams[..] else {
        panic!("{streams:?}");
    };
    assert_eq!(
        (video.codec.as_str(), audio.codec.as_str()),
        ("h264", codec)
    );
    for stream in [video, audio] {
        assert!(stream.start < 0.065, "{streams:?}");
        assert!((stream.end - seconds).abs() < 0.065, "{streams:?}");
    }
    assert!((video.end - audio.end).abs() < 0.065, "{streams:?}");
}

#[test]
fn each_audio_codec_is_recorded_in_sync() {
    for (audio, codec, frames) in [
        ("aac", "aac", 62..=64),
        ("pcmu", "pcm_mulaw", 199..=201),
        ("pcma", "pcm_alaw", 199..=201),
        ("pcm", "pcm_s16le", 199..=201),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let camera = simulate(&format!("--audio {audio} --once --json"));
        let run = record(&camera, &path, "--seconds 4 --json");
        run.exits(0);
        let json = run.json();
        assert_eq!(
            (&json["frames"], &json["audio"]["codec"]),
            (&80.into(), &audio.into())
        );
        let written = json["audio"]["frames"].as_u64().unwrap();
        assert!(frames.contains(&written), "{json}");
        assert_eq!(
            (&json["audio"]["lost"], &json["lost"]),
            (&0.into(), &0.into())
        );
        assert_in_sync(&path, codec, 4.0);
        let sent = camera.end().json()["audio"]["frames"].as_u64().unwrap();
        assert!(sent >= written, "{sent}");
    }
}

#[test]
fn a_minute_stays_in_sync_and_prints_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let camera = simulate("--audio aac --reorder 0.05 --duplicate 0.05");
    let run = record(&camera, &path, "--seconds 60 --stats --json");
    run.exits(0);
    let json = run.json();
    assert_eq!((&json["frames"], &json["lost"]), (&1200.into(), &0.into()));
    assert_in_sync(&path, "aac", 60.0);
    // One line every 5 s.
    let lines = run
        .stderr
        .lines()
        .filter(|line| line.contains(" frames/s, "));
    assert!((10..=12).contains(&lines.clone().count()), "{}", run.stderr);
    for line in lines {
        for word in ["20.", "kbit/s", "0 lost", "round trip", "0 reconnects"] {
            assert!(line.contains(word) || line.contains("19."), "{line}");
        }
    }
}

#[test]
fn audio_is_not_requested_if_it_is_not_recorded() {
    let folder = tempfile::tempdir().unwrap();
    for (name, args) in [("out.mp4", "--audio none"), ("out.h264", "")] {
        let path = folder.path().join(name);
        let camera = simulate("--once --json");
        let run = record(&camera, &path, &format!("--frames 20 --json {args}"));
        run.exits(0);
        assert_eq!(run.json().get("audio"), None);
        let json = camera.end().json();
        assert_eq!(json["audio"]["frames"], 0, "{json}");
        if name == "out.h264" {
            assert!(H264.starts_with(&std::fs::read(&path).unwrap()));
        }
    }
}

/// Plays `input` through a camera with this audio codec. Returns the file `name` that the camera
/// wrote.
fn talk(audio: &str, input: &Path, name: &str, more: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let camera = [
        "--audio",
        audio,
        "--talk-output",
        text(&path),
        "--once",
        "--json",
    ];
    let camera = Simulator::start(&camera);
    let args = ["talk", &camera.url, "--input", text(input), "--json"];
    let run = tutk(args.iter().chain(more));
    run.exits(0);
    let json = run.json();
    let frames = json["audio"]["frames"].as_u64().unwrap();
    let camera = camera.end();
    camera.exits(0);
    assert_eq!(camera.json()["audio_received"], frames);
    std::fs::read(&path).unwrap()
}

#[test]
fn talk_delivers_each_sample() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.wav");
    for (audio, rate) in [("pcmu", 8_000), ("pcma", 8_000), ("pcm", 16_000)] {
        // The last frame is incomplete.
        write_wav(&path, rate, rate + 77);
        let sent = tutk_media::Wav::parse(&std::fs::read(&path).unwrap()).unwrap();
        let received = talk(audio, &path, "received.wav", &[]);
        let file = tutk_media::WavFile::parse(&received).unwrap();
        let encoded: Vec<u8> = match audio {
            "pcmu" => (sent.samples.iter())
                .map(|sample| tutk_media::g711::encode_pcmu(*sample))
                .collect(),
            "pcma" => (sent.samples.iter())
                .map(|sample| tutk_media::g711::encode_pcma(*sample))
                .collect(),
            _ => sent
                .samples
                .iter()
                .flat_map(|sample| sample.to_le_bytes())
                .collect(),
        };
        assert!(file.data == encoded, "{audio}");
        assert_eq!((file.format.rate, file.format.channels), (rate, 1));
        let bare = talk(audio, &path, "received.raw", &[]);
        assert!(bare == encoded, "{audio}");
    }
    // A camera that sends no audio gets the requested codec.
    write_wav(&path, 8_000, 800);
    let bare = talk("none", &path, "received.raw", &["--codec", "pcma"]);
    assert_eq!(bare.len(), 800);
}

#[test]
fn talk_sends_aac_unchanged() {
    let tone = asset("tone.aac");
    let received = talk(
        "aac",
        Path::new(&tone),
        "received.aac",
        &["--dialect", "cc51"],
    );
    assert!(received == std::fs::read(&tone).unwrap());
}

#[test]
fn talk_reports_unusable_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.wav");
    write_wav(&path, 44_100, 100);
    let camera = Simulator::start(&["--audio", "pcmu"]);
    let talk = |input: &str| tutk(["talk", &camera.url, "--input", input]);
    talk(text(&path)).exits(2).reports(&[
        "44100 Hz",
        "takes PCMU, 8000 Hz",
        "ffmpeg -i",
        "-ar 8000",
    ]);
    talk(&asset("tone.aac"))
        .exits(2)
        .reports(&["takes PCMU", "ffmpeg -i"]);
    talk("/nonexistent.wav")
        .exits(2)
        .reports(&["/nonexistent.wav"]);
    talk(&asset("clip.h264"))
        .exits(2)
        .reports(&["clip.h264", "ADTS"]);

    let silent = Simulator::start(&["--audio", "none"]);
    write_wav(&path, 8_000, 100);
    tutk(["talk", &silent.url, "--input", text(&path)])
        .exits(3)
        .reports(&["sent no sound", "--codec"]);
}
