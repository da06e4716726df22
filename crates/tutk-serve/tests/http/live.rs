//! `/NAME/live`: the WebSocket stream for browsers.

use serde_json::{Value, json};
use tutk_media::AudioCodec;
use tutk_runtime::simulate;
use tutk_runtime::tutk_session::{Codec, Dialect, MediaKind};
use tutk_runtime::tutk_simulator::{Impairment, SimulatorConfig};

use crate::client::{TestServer, WebSocket, WebSocketMessage};
use crate::common::players::has_ffmpeg;
use crate::common::{
    FPS, H264, H265, camera_config, loopback, opus_audio, start_camera_at, wait_for_leave,
};
use crate::stream::{
    NULL_OUTPUT, assert_audio_matches, assert_video_matches, camera_with_audio, ffmpeg, samples,
};

/// The messages and segments that a client received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) messages: Vec<Value>,
    /// Each `init` message, with its initialization segment and media segments.
    pub(crate) parts: Vec<(Value, Vec<u8>, Vec<Vec<u8>>)>,
}

impl Received {
    pub(crate) async fn receive(&mut self, socket: &mut WebSocket, segments: usize) {
        let until = self.segments() + segments;
        while self.segments() < until {
            self.receive_message(socket).await;
        }
    }

    async fn receive_message(&mut self, socket: &mut WebSocket) {
        match socket.next().await {
            WebSocketMessage::Json(json) if json["type"] == "init" => {
                let WebSocketMessage::Binary(init) = socket.next().await else {
                    panic!("no initialization segment");
                };
                assert_eq!(&init[4..8], b"ftyp");
                self.parts.push((json, init, Vec::new()));
            }
            WebSocketMessage::Json(json) => self.messages.push(json),
            WebSocketMessage::Binary(segment) => {
                assert_eq!(&segment[4..8], b"moof");
                self.parts.last_mut().unwrap().2.push(segment);
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn segments(&self) -> usize {
        self.parts
            .iter()
            .map(|(_, _, segments)| segments.len())
            .sum()
    }

    /// Returns the newest initialization segment and its media segments.
    pub(crate) fn file(&self) -> Vec<u8> {
        let (_, init, segments) = self.parts.last().unwrap();
        let mut file = init.clone();
        file.extend(segments.iter().flatten());
        file
    }

    pub(crate) fn init(&self) -> &Value {
        &self.parts.last().unwrap().0
    }

    fn states(&self) -> Vec<&str> {
        let states = self
            .messages
            .iter()
            .filter(|message| message["type"] == "state");
        states
            .map(|message| message["state"].as_str().unwrap())
            .collect()
    }
}

async fn receive(config: SimulatorConfig, query: &str, segments: usize) -> Received {
    let server = TestServer::start(config).await;
    let mut socket = server.websocket(&format!("/front/live{query}")).await;
    let mut received = Received::default();
    received.receive(&mut socket, segments).await;
    server.close().await;
    received
}

#[tokio::test(start_paused = true)]
async fn segments_contain_video_and_audio_of_the_camera() {
    if !has_ffmpeg() {
        return;
    }
    for (codec, format) in [
        (Codec::Pcmu, AudioCodec::Pcmu),
        (Codec::Pcma, AudioCodec::Pcma),
        (Codec::Pcm, AudioCodec::Pcm),
    ] {
        let config = camera_with_audio(H264, codec);
        let received = receive(config.clone(), "", 400).await;
        assert_eq!(received.states(), ["idle", "connecting", "up"]);
        let (rate, [only]) = (config.audio.as_ref().unwrap(), &received.parts[..]) else {
            panic!("{:?}", received.messages);
        };
        let rate = rate.format().flags.rate_hz().unwrap();
        let (init, _, _) = only;
        assert_eq!(init["mime"], "video/mp4; codecs=\"avc1.4D401F,flac\"");
        assert_eq!(
            init["video"],
            json!({ "codec": "H.264", "width": 640, "height": 360 })
        );
        assert_eq!(
            init["sound"],
            json!({ "codec": format.to_string(), "rate": rate, "channels": 1, "flac": true })
        );
        assert_eq!(init["offset"], 0.0);
        assert!(init["wall"].as_f64().unwrap() > 1.6e12);
        let (name, file) = (format!("live-{format}.mp4"), received.file());
        let bare = ffmpeg(&file, &name, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        assert_video_matches(&bare, H264, false, 100);
        let samples = samples(&file, &name);
        assert_audio_matches(&samples, format, &config, 5 * rate as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn codecs_that_browsers_support_are_not_converted() {
    if !has_ffmpeg() {
        return;
    }
    let received = receive(camera_with_audio(H265, Codec::AacRaw), "", 300).await;
    assert_eq!(
        received.init()["mime"],
        "video/mp4; codecs=\"hvc1.1.6.L60.90,mp4a.40.2\""
    );
    assert_eq!(received.init()["sound"]["flac"], false);
    let file = received.file();
    let bare = ffmpeg(
        &file,
        "live-hevc.mp4",
        &["-map", "0:v", "-c", "copy", "-f", "hevc"],
    );
    assert_video_matches(&bare, H265, true, 100);
    assert!(samples(&file, "live-aac.mp4").len() > 100_000);
    let mut config = camera_config(H264, FPS);
    config.audio = Some(opus_audio());
    let received = receive(config, "", 100).await;
    assert_eq!(
        received.init()["mime"],
        "video/mp4; codecs=\"avc1.4D401F,opus\""
    );
    // The query selects the audio.
    let received = receive(camera_with_audio(H264, Codec::Pcmu), "?sound=none", 50).await;
    assert_eq!(
        (&received.init()["sound"], received.messages.len()),
        (&Value::Null, 3)
    );
    assert_eq!(received.init()["mime"], "video/mp4; codecs=\"avc1.4D401F\"");
    let received = receive(camera_with_audio(H264, Codec::Pcmu), "?sound=camera", 50).await;
    assert_eq!(
        received.init()["mime"],
        "video/mp4; codecs=\"avc1.4D401F,ulaw\""
    );
}

#[tokio::test(start_paused = true)]
async fn unsupported_audio_is_reported() {
    let mut config = camera_with_audio(H264, Codec::Pcmu);
    let sound = config.audio.take().unwrap();
    let frames = sound.frames().iter().cloned();
    let mut format = sound.format();
    format.codec = Codec::G726;
    config.audio = tutk_runtime::tutk_simulator::ClipAudio::new(frames, format, 160).ok();
    let received = receive(config, "", 50).await;
    let left_out = received
        .messages
        .iter()
        .find(|message| message["type"] == "left-out")
        .unwrap();
    assert_eq!(left_out["what"], "sound");
    assert!(
        left_out["error"].as_str().unwrap().contains("G.726"),
        "{left_out}"
    );
    assert_eq!(received.init()["mime"], "video/mp4; codecs=\"avc1.4D401F\"");
}

#[tokio::test(start_paused = true)]
async fn segments_are_valid_on_a_lossy_network() {
    if !has_ffmpeg() {
        return;
    }
    let mut config = camera_with_audio(H264, Codec::Pcmu);
    config.dialects = vec![Dialect::CC51.into()];
    config.impairment = Impairment {
        loss: 0.01,
        reorder: 0.02,
        seed: 3,
        ..Impairment::default()
    };
    let camera = simulate(config, loopback()).unwrap();
    let server = TestServer::for_camera(camera, |_| {}, |_| {}).await;
    let mut socket = server.websocket("/front/live").await;
    let mut received = Received::default();
    received.receive(&mut socket, 1_500).await;
    assert!(server.front.stats().await.session.unwrap().lost > 0);
    ffmpeg(&received.file(), "live-lossy.mp4", NULL_OUTPUT);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_continues_when_the_camera_is_replaced() {
    if !has_ffmpeg() {
        return;
    }
    let mut server = TestServer::start(camera_with_audio(H264, Codec::Pcmu)).await;
    let address = server.camera.local_addr();
    let mut socket = server.websocket("/front/live").await;
    let mut received = Received::default();
    received.receive(&mut socket, 100).await;
    let other = crate::common::start_camera(camera_config(H264, FPS));
    std::mem::replace(&mut server.camera, other).close().await;
    while received.states().last() != Some(&"down") {
        received.receive_message(&mut socket).await;
    }
    let down = received.messages.last().unwrap();
    assert!(down["error"].as_str().unwrap().contains("closed"), "{down}");
    assert!(!down["advice"].as_str().unwrap().is_empty());
    assert!(down["next_attempt"].as_u64() >= down["since"].as_u64());

    // The same stream continues without an initialization segment.
    let same = start_camera_at(camera_with_audio(H264, Codec::Pcmu), address).await;
    received.receive(&mut socket, 200).await;
    assert_eq!(
        (received.states().last(), received.parts.len()),
        (Some(&"up"), 1)
    );
    let file = received.file();
    ffmpeg(&file, "back.mp4", NULL_OUTPUT);
    same.close().await;

    // Another camera with other codecs.
    let _other = start_camera_at(camera_with_audio(H265, Codec::AacAdts), address).await;
    while received.parts.len() == 1 {
        received.receive_message(&mut socket).await;
    }
    received.receive(&mut socket, 200).await;
    let newest = received.init();
    let mime = newest["mime"].as_str().unwrap();
    assert!(
        mime.starts_with("video/mp4; codecs=\"hvc1.1.6.L60.90"),
        "{mime}"
    );
    assert!(newest["offset"].as_f64().unwrap() > 4.0, "{newest}");
    let wall = |part: usize| received.parts[part].0["wall"].as_f64().unwrap();
    let passed = (wall(received.parts.len() - 1) - wall(0)) / 1_000.0;
    assert!((passed - newest["offset"].as_f64().unwrap()).abs() < 0.01);
    let bare = ffmpeg(
        &received.file(),
        "other.mp4",
        &["-map", "0:v", "-c", "copy", "-f", "hevc"],
    );
    assert_video_matches(&bare, H265, true, 40);
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn state_is_reported_while_the_camera_is_away() {
    let (server, address) = TestServer::without_camera().await;
    let mut socket = server.websocket("/front/live").await;
    let mut received = Received::default();
    while received
        .states()
        .iter()
        .filter(|state| **state == "down")
        .count()
        < 3
    {
        received.receive_message(&mut socket).await;
    }
    let down = received.messages.last().unwrap();
    assert!(
        down["error"].as_str().unwrap().contains("no answer"),
        "{down}"
    );
    let _camera = start_camera_at(camera_config(H264, FPS), address).await;
    received.receive(&mut socket, 10).await;
    assert_eq!(received.states().last(), Some(&"up"));
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn late_viewer_starts_with_the_newest_key_frame_without_delay() {
    let server = TestServer::start(camera_config(H264, FPS)).await;
    let mut first = server.front.watch("first");
    for _ in 0..70 {
        crate::common::next_video_frame(&mut first).await;
    }
    let mut socket = server.websocket("/front/live").await;
    let mut received = Received::default();
    // The second GOP starts with frame 41.
    received.receive(&mut socket, 30).await;
    for _ in 0..40 {
        let frame = crate::common::next_video_frame(&mut first).await;
        let now = tokio::time::Instant::now();
        received.receive(&mut socket, 1).await;
        assert_eq!(now.elapsed().as_millis(), 0, "{frame:?} was late");
        assert!(matches!(frame.kind, MediaKind::Key | MediaKind::Delta));
    }
    server.close().await;
}

#[tokio::test(start_paused = true)]
async fn websocket_ends_with_a_close_frame() {
    let mut server = TestServer::start(camera_config(H264, FPS)).await;
    let mut socket = server.websocket("/front/live").await;
    Received::default().receive(&mut socket, 10).await;
    // Messages from the client are refused.
    socket.text("{}").await;
    loop {
        match socket.next().await {
            WebSocketMessage::Json(_) | WebSocketMessage::Binary(_) => {}
            other => {
                assert_eq!(
                    other,
                    WebSocketMessage::Closed(1_003, "no messages are expected".to_owned())
                );
                break;
            }
        }
    }
    let mut socket = server.websocket("/front/live").await;
    Received::default().receive(&mut socket, 10).await;
    server.hub.remove("front").await;
    let (error, code) = socket.failure().await;
    assert_eq!(code, 4_404, "{error}");
    let settings = crate::common::settings(&server.camera);
    server.hub.add("again", settings).unwrap();
    let mut socket = server.websocket("/again/live").await;
    Received::default().receive(&mut socket, 10).await;
    let closing = tokio::spawn(server.http.close());
    let end = loop {
        match socket.next().await {
            WebSocketMessage::Json(_) | WebSocketMessage::Binary(_) => {}
            other => break other,
        }
    };
    assert_eq!(
        end,
        WebSocketMessage::Closed(1_001, "the server is shutting down".to_owned())
    );
    closing.await.unwrap();
    server.hub.close().await;
    wait_for_leave(&mut server.camera).await;
}
