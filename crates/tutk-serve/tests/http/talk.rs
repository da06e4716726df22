//! `/NAME/talk`: audio from a client to the camera.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tutk_media::{AudioCodec, tone};
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::SimulatorEvent;
use tutk_serve::http::TALK_SILENCE;

use crate::client::{TestServer, WebSocket, WebSocketMessage};
use crate::common::{FPS, H264, camera_config, with_timeout};
use crate::stream::{camera_with_audio, decode_audio};

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples
        .iter()
        .flat_map(|sample| sample.to_le_bytes())
        .collect()
}

/// Opens an audio channel.
async fn open(server: &TestServer, rate: u32) -> WebSocket {
    let mut socket = server.websocket("/front/talk").await;
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

/// Returns the samples that the camera receives until the channel is closed, and the time of each
/// frame.
async fn receive_audio(server: &mut TestServer, codec: AudioCodec) -> (Vec<i16>, Vec<Instant>) {
    let (mut samples, mut times) = (Vec::new(), Vec::new());
    loop {
        match with_timeout(server.camera.next_event()).await.unwrap() {
            SimulatorEvent::AudioReceived { frame, .. } => {
                times.push(Instant::now());
                samples.extend(decode_audio(codec, &frame.data));
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
        let mut server = TestServer::start(camera_with_audio(H264, codec)).await;
        let mut socket = open(&server, rate).await;
        let sent = tone(rate, 1, 0, 2 * rate as usize + 77);
        let start = Instant::now();
        // Much faster than real time.
        for part in sent.chunks(1_001) {
            socket.binary(bytes(part)).await;
        }
        socket.text("{\"type\":\"end\"}").await;
        let (samples, times) = receive_audio(&mut server, media).await;
        let expected: Vec<i16> = match codec {
            Codec::Pcm => sent,
            _ => {
                let format = tutk_media::AudioFormat {
                    codec: media,
                    rate,
                    channels: 1,
                };
                let clip = tutk_media::AudioClip::from_pcm(&sent, format, Duration::from_secs(9));
                decode_audio(media, clip.unwrap().frame(0).unwrap().0)
            }
        };
        assert!(samples == expected, "{codec:?}: {}", samples.len());
        let took = times.last().unwrap().duration_since(start);
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
            WebSocketMessage::Closed(1_000, "all audio was played".to_owned())
        );
        // The channel can be opened again.
        open(&server, rate).await;
        server.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn audio_after_a_pause_plays_at_once_in_real_time() {
    let mut server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut socket = open(&server, 8_000).await;
    socket.binary(vec![0; 320]).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let resumed = Instant::now();
    // 1 s of audio.
    socket.binary(vec![0; 16_000]).await;
    socket.text("{\"type\":\"end\"}").await;
    let (_, times) = receive_audio(&mut server, AudioCodec::Pcmu).await;
    assert_eq!(times.len(), 51);
    let behind = times[1].duration_since(resumed);
    assert!(behind < Duration::from_millis(50), "{behind:?}");
    let took = times[50].duration_since(times[1]);
    assert!(took >= Duration::from_millis(970), "{took:?}");
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn only_one_client_can_talk() {
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut first = open(&server, 8_000).await;
    let mut second = server.websocket("/front/talk").await;
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
    // A disconnect closes the channel, too.
    drop(open(&server, 8_000).await);
    loop {
        let mut next = server.websocket("/front/talk").await;
        if next.json().await["type"] == "ready" {
            break;
        }
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn invalid_audio_is_refused() {
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
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
        let mut socket = server.websocket("/front/talk").await;
        assert_eq!(socket.json().await["type"], "ready");
        for text in texts {
            socket.text(text).await;
        }
        if let Some(sound) = sound {
            socket.binary(sound).await;
        }
        let (error, code) = socket.failure().await;
        let text = error["error"].as_str().unwrap();
        assert_eq!(code, 4_422, "{error}");
        assert!(text.contains(word), "{error}");
        if word == "44100 Hz" {
            assert_eq!(error["allowed"], json!(["8000"]));
        }
    }
    // A message that is too large.
    let mut socket = open(&server, 8_000).await;
    socket.binary(vec![0; (64 << 10) + 2]).await;
    assert_eq!(
        socket.next().await,
        WebSocketMessage::Closed(1_009, String::new())
    );
    // A silent client times out.
    let mut socket = open(&server, 8_000).await;
    let start = Instant::now();
    let (error, code) = socket.failure().await;
    assert_eq!(
        (code, start.elapsed() >= TALK_SILENCE),
        (4_408, true),
        "{error}"
    );
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn unsupported_backchannels_are_refused() {
    for (config, word) in [
        (camera_with_audio(H264, Codec::AacAdts), "uses AAC"),
        (camera_config(H264, FPS), "sends no audio"),
    ] {
        let server = TestServer::start(config).await;
        let mut socket = server.websocket("/front/talk").await;
        let (error, code) = socket.failure().await;
        assert_eq!(code, 4_501, "{error}");
        assert!(error["error"].as_str().unwrap().contains(word), "{error}");
        server.close().await;
    }
    let mut config = camera_with_audio(H264, Codec::Pcmu);
    config.speaker = false;
    let server = TestServer::start(config).await;
    let (error, code) = server.websocket("/front/talk").await.failure().await;
    assert_eq!(code, 4_502, "{error}");
    assert!(
        error["advice"].as_str().unwrap().contains("speaker"),
        "{error}"
    );
    server.close().await;

    // The camera is removed, or the server closed, during the talk.
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut socket = open(&server, 8_000).await;
    server.hub.remove("front").await;
    socket.binary(vec![0; 320]).await;
    let (error, code) = socket.failure().await;
    assert_eq!(code / 100, 45, "{error}");
    server.close().await;
    let server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let mut socket = open(&server, 8_000).await;
    server.http.close().await;
    assert_eq!(
        socket.next().await,
        WebSocketMessage::Closed(1_001, "the server is shutting down".to_owned())
    );
    server.hub.close().await;
}
