//! Sound: beside the picture in a recording, and to the camera.
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

use common::{H264, Simulator, asset, streams, text, tutk};

/// A second of a tone that is no tone of the camera's, 16 bits, mono.
fn voice(path: &Path, rate: u32, samples: u32) {
    let wav = tutk_media::Wav {
        rate,
        channels: 1,
        samples: (0..samples)
            .map(|at| i16::try_from((at * 37) % 20_000).unwrap() - 10_000)
            .collect(),
    };
    std::fs::write(path, wav.to_bytes().unwrap()).unwrap();
}

/// Picture and sound begin and end together, to a frame of either.
fn in_step(path: &Path, codec: &str, seconds: f64) {
    let Some(streams) = streams(path) else { return };
    let [picture, sound] = &streams[..] else {
        panic!("{streams:?}");
    };
    assert_eq!(
        (picture.codec.as_str(), sound.codec.as_str()),
        ("h264", codec)
    );
    for stream in [picture, sound] {
        assert!(stream.start < 0.065, "{streams:?}");
        assert!((stream.end - seconds).abs() < 0.065, "{streams:?}");
    }
    assert!((picture.end - sound.end).abs() < 0.065, "{streams:?}");
}

#[test]
fn every_codec_of_the_simulated_camera_is_recorded_beside_the_picture() {
    for (audio, codec, frames) in [
        ("aac", "aac", 62..=64),
        ("pcmu", "pcm_mulaw", 199..=201),
        ("pcma", "pcm_alaw", 199..=201),
        ("pcm", "pcm_s16le", 199..=201),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let camera = Simulator::start(&["--audio", audio, "--once", "--json"]);
        let args = [
            "record",
            &camera.url,
            "--output",
            text(&path),
            "--seconds",
            "4",
        ];
        let run = tutk(args.iter().chain(&["--json"]));
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
        in_step(&path, codec, 4.0);
        let sent = camera.end().json()["audio"]["frames"].as_u64().unwrap();
        assert!(sent >= written, "{sent}");
    }
}

#[test]
fn a_minute_of_video_with_sound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.mp4");
    let camera = Simulator::start(&["--audio", "aac", "--reorder", "0.05", "--duplicate", "0.05"]);
    let args = [
        "record",
        &camera.url,
        "--output",
        text(&path),
        "--seconds",
        "60",
    ];
    let run = tutk(args.iter().chain(&["--stats", "--json"]));
    run.exits(0);
    let json = run.json();
    assert_eq!((&json["frames"], &json["lost"]), (&1200.into(), &0.into()));
    in_step(&path, "aac", 60.0);
    // A line each 5 s, but for the last.
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
fn sound_is_left_out_where_it_is_not_wanted_or_has_no_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, more) in [("out.mp4", &["--audio", "none"][..]), ("out.h264", &[])] {
        let path = folder.path().join(name);
        let camera = Simulator::start(&["--once", "--json"]);
        let args = [
            "record",
            &camera.url,
            "--output",
            text(&path),
            "--frames",
            "20",
        ];
        let run = tutk(args.iter().chain(&["--json"]).chain(more));
        run.exits(0);
        assert_eq!(run.json().get("audio"), None);
        // It was not even asked for.
        let json = camera.end().json();
        assert_eq!(json["audio"]["frames"], 0, "{json}");
        if name == "out.h264" {
            assert!(H264.starts_with(&std::fs::read(&path).unwrap()));
        }
    }
}

/// What the camera heard, as a file of `name`, after `voice` was said to it.
fn said(audio: &str, voice: &Path, name: &str, more: &[&str]) -> Vec<u8> {
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
    let args = ["talk", &camera.url, "--input", text(voice), "--json"];
    let run = tutk(args.iter().chain(more));
    run.exits(0);
    let json = run.json();
    let frames = json["audio"]["frames"].as_u64().unwrap();
    let camera = camera.end();
    camera.exits(0);
    assert_eq!(camera.json()["heard"], frames);
    std::fs::read(&path).unwrap()
}

#[test]
fn the_camera_hears_what_was_said_sample_for_sample() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.wav");
    for (audio, rate) in [("pcmu", 8_000), ("pcma", 8_000), ("pcm", 16_000)] {
        // Not a whole number of frames.
        voice(&path, rate, rate + 77);
        let sent = tutk_media::Wav::parse(&std::fs::read(&path).unwrap()).unwrap();
        let heard = said(audio, &path, "heard.wav", &[]);
        let file = tutk_media::WavFile::parse(&heard).unwrap();
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
        let bare = said(audio, &path, "heard.raw", &[]);
        assert!(bare == encoded, "{audio}");
    }
    // A camera that sends no sound is spoken to in what is asked for.
    voice(&path, 8_000, 800);
    let bare = said("none", &path, "heard.raw", &["--codec", "pcma"]);
    assert_eq!(bare.len(), 800);
}

#[test]
fn aac_goes_to_the_camera_as_it_is() {
    let tone = asset("tone.aac");
    let heard = said("aac", Path::new(&tone), "heard.aac", &["--dialect", "cc51"]);
    assert!(heard == std::fs::read(&tone).unwrap());
}

#[test]
fn what_cannot_be_said_is_named_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("voice.wav");
    voice(&path, 44_100, 100);
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
    voice(&path, 8_000, 100);
    tutk(["talk", &silent.url, "--input", text(&path)])
        .exits(3)
        .reports(&["sent no sound", "--codec"]);
}
