//! `/NAME/talk`: what is said is what the camera hears.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tutk_media::{AudioCodec, tone};
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::SimulatorEvent;
use tutk_serve::http::TALK_SILENCE;

use crate::client::{Said, Served, Socket};
use crate::common::{FPS, H264, camera, patient};
use crate::stream::{decoded, with_sound};

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

/// An open way to the camera.
async fn open(served: &Served, rate: u32) -> Socket {
    let mut socket = served.socket("/front/talk").await;
    let ready = socket.json().await;
    assert_eq!(
        (&ready["type"], &ready["rate"]),
        (&json!("ready"), &json!(rate))
    );
    socket
        .text(&json!({ "type": "begin", "rate": rate }).to_string())
        .await;
    socket
}

/// Samples that the camera hears until it is told that this was all, and when each frame was.
async fn heard(served: &mut Served, codec: AudioCodec) -> (Vec<i16>, Vec<Instant>) {
    let (mut samples, mut times) = (Vec::new(), Vec::new());
    loop {
        match patient(served.camera.next_event()).await.unwrap() {
            SimulatorEvent::Heard { sound, .. } => {
                times.push(Instant::now());
                samples.extend(decoded(codec, &sound.data));
            }
            SimulatorEvent::TalkEnded { .. } => return (samples, times),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn camera_receives_every_sample_in_time() {
    for (codec, media, rate) in [
        (Codec::Pcm, AudioCodec::Pcm, 16_000),
        (Codec::Pcmu, AudioCodec::Pcmu, 8_000),
        (Codec::Pcma, AudioCodec::Pcma, 8_000),
    ] {
        let mut served = Served::start(with_sound(H264, codec)).await;
        let mut socket = open(&served, rate).await;
        let said = tone(rate, 1, 0, 2 * rate as usize + 77);
        let begun = Instant::now();
        // Much faster than it is said.
        for part in said.chunks(1_001) {
            socket.binary(bytes(part)).await;
        }
        socket.text("{\"type\":\"end\"}").await;
        let (samples, times) = heard(&mut served, media).await;
        let expected: Vec<i16> = match codec {
            Codec::Pcm => said,
            _ => {
                let format = tutk_media::AudioFormat {
                    codec: media,
                    rate,
                    channels: 1,
                };
                let clip = tutk_media::AudioClip::from_pcm(&said, format, Duration::from_secs(9));
                decoded(media, clip.unwrap().frame(0).unwrap().0)
            }
        };
        assert!(samples == expected, "{codec:?}: {}", samples.len());
        let took = times.last().unwrap().duration_since(begun);
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_millis(2_200),
            "{took:?}"
        );
        let done = socket.json().await;
        assert_eq!(done["type"], "done");
        assert!(
            (done["seconds"].as_f64().unwrap() - 2.005).abs() < 0.03,
            "{done}"
        );
        assert_eq!(
            socket.next().await,
            Said::Closed(1_000, "all audio was played".to_owned())
        );
        // The way is free.
        open(&served, rate).await;
        served.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn audio_after_a_pause_plays_at_once_in_real_time() {
    let mut served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut socket = open(&served, 8_000).await;
    socket.binary(vec![0; 320]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let again = Instant::now();
    // A second of sound.
    socket.binary(vec![0; 16_000]).await;
    socket.text("{\"type\":\"end\"}").await;
    let (_, times) = heard(&mut served, AudioCodec::Pcmu).await;
    assert_eq!(times.len(), 51);
    let behind = times[1].duration_since(again);
    assert!(behind < Duration::from_millis(50), "{behind:?}");
    let took = times[50].duration_since(times[1]);
    assert!(took >= Duration::from_millis(970), "{took:?}");
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn only_one_client_can_talk() {
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut first = open(&served, 8_000).await;
    let mut second = served.socket("/front/talk").await;
    let (error, code) = second.failure().await;
    assert_eq!(code, 4_409, "{error}");
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("audio channel to the camera is in use")
    );
    assert!(error["advice"].as_str().unwrap().contains("wait"));
    first.text("{\"type\":\"end\"}").await;
    assert_eq!(first.json().await["type"], "done");
    // Who goes without a word makes room, too.
    drop(open(&served, 8_000).await);
    loop {
        let mut next = served.socket("/front/talk").await;
        if next.json().await["type"] == "ready" {
            break;
        }
    }
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn invalid_audio_is_refused() {
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let begin = "{\"type\":\"begin\",\"rate\":8000}";
    for (texts, sound, word) in [
        (
            &["{\"type\":\"begin\",\"rate\":44100}"][..],
            None,
            "44100 Hz",
        ),
        (&[], Some(vec![0; 320]), "before its sample rate"),
        (&[begin], Some(vec![0; 321]), "321 bytes"),
        (&["hello"], None, "invalid message"),
        (&["{\"type\":\"sing\"}"], None, "sing"),
        (
            &["{\"type\":\"begin\",\"rate\":8000,\"gain\":2}"],
            None,
            "gain",
        ),
    ] {
        let mut socket = served.socket("/front/talk").await;
        assert_eq!(socket.json().await["type"], "ready");
        for text in texts {
            socket.text(text).await;
        }
        if let Some(sound) = sound {
            socket.binary(sound).await;
        }
        let (error, code) = socket.failure().await;
        let said = error["error"].as_str().unwrap();
        assert_eq!(code, 4_422, "{error}");
        assert!(said.contains(word), "{error}");
        if word == "44100 Hz" {
            assert_eq!(error["allowed"], json!(["8000"]));
        }
    }
    // More than a message may have.
    let mut socket = open(&served, 8_000).await;
    socket.binary(vec![0; (64 << 10) + 2]).await;
    assert_eq!(socket.next().await, Said::Closed(1_009, String::new()));
    // Who says nothing is in nobody's way.
    let mut socket = open(&served, 8_000).await;
    let begun = Instant::now();
    let (error, code) = socket.failure().await;
    assert_eq!(
        (code, begun.elapsed() >= TALK_SILENCE),
        (4_408, true),
        "{error}"
    );
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn unsupported_backchannels_are_refused() {
    for (config, word) in [
        (with_sound(H264, Codec::AacAdts), "uses AAC"),
        (camera(H264, FPS), "sends no audio"),
    ] {
        let served = Served::start(config).await;
        let mut socket = served.socket("/front/talk").await;
        let (error, code) = socket.failure().await;
        assert_eq!(code, 4_501, "{error}");
        assert!(error["error"].as_str().unwrap().contains(word), "{error}");
        served.close().await;
    }
    let mut config = with_sound(H264, Codec::Pcmu);
    config.speaker = false;
    let served = Served::start(config).await;
    let (error, code) = served.socket("/front/talk").await.failure().await;
    assert_eq!(code, 4_502, "{error}");
    assert!(
        error["advice"].as_str().unwrap().contains("speaker"),
        "{error}"
    );
    served.close().await;

    // The camera goes while somebody talks; and the server does.
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut socket = open(&served, 8_000).await;
    served.hub.remove("front").await;
    socket.binary(vec![0; 320]).await;
    let (error, code) = socket.failure().await;
    assert_eq!(code / 100, 45, "{error}");
    served.close().await;
    let served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let mut socket = open(&served, 8_000).await;
    served.http.close().await;
    assert_eq!(
        socket.next().await,
        Said::Closed(1_001, "the server is shutting down".to_owned())
    );
    served.hub.close().await;
}
