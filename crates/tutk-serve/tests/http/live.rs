//! `/NAME/live`: what a browser is given to play.

use serde_json::{Value, json};
use tutk_media::AudioCodec;
use tutk_runtime::tutk_session::{Codec, Dialect, MediaKind};
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_runtime::{Impairment, simulate};

use crate::client::{Said, Served, Socket};
use crate::common::players::ffmpeg_is_there;
use crate::common::{FPS, H264, H265, camera, left, loopback, opus, served_at};
use crate::stream::{PASS, assert_heard, assert_shown, ffmpeg, samples, with_sound};

/// What came until there were so many segments.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) told: Vec<Value>,
    /// Initialization segments, and the media segments of each.
    pub(crate) parts: Vec<(Value, Vec<u8>, Vec<Vec<u8>>)>,
}

impl Watched {
    pub(crate) async fn see(&mut self, socket: &mut Socket, segments: usize) {
        let until = self.segments() + segments;
        while self.segments() < until {
            self.one(socket).await;
        }
    }

    async fn one(&mut self, socket: &mut Socket) {
        match socket.next().await {
            Said::Json(json) if json["type"] == "init" => {
                let Said::Binary(init) = socket.next().await else {
                    panic!("no initialization segment");
                };
                assert_eq!(&init[4..8], b"ftyp");
                self.parts.push((json, init, Vec::new()));
            }
            Said::Json(json) => self.told.push(json),
            Said::Binary(segment) => {
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

    /// The newest initialization segment with what belongs to it.
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
        let states = self.told.iter().filter(|told| told["type"] == "state");
        states.map(|told| told["state"].as_str().unwrap()).collect()
    }
}

async fn watched(config: SimulatorConfig, query: &str, segments: usize) -> Watched {
    let served = Served::start(config).await;
    let mut socket = served.socket(&format!("/front/live{query}")).await;
    let mut watched = Watched::default();
    watched.see(&mut socket, segments).await;
    served.close().await;
    watched
}

#[tokio::test(start_paused = true)]
async fn segments_contain_video_and_audio_of_the_camera() {
    if !ffmpeg_is_there() {
        return;
    }
    for (codec, format) in [
        (Codec::Pcmu, AudioCodec::Pcmu),
        (Codec::Pcma, AudioCodec::Pcma),
        (Codec::Pcm, AudioCodec::Pcm),
    ] {
        let config = with_sound(H264, codec);
        let watched = watched(config.clone(), "", 400).await;
        assert_eq!(watched.states(), ["idle", "connecting", "up"]);
        let (rate, [only]) = (config.sound.as_ref().unwrap(), &watched.parts[..]) else {
            panic!("{:?}", watched.told);
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
        let (name, file) = (format!("live-{format}.mp4"), watched.file());
        let bare = ffmpeg(&file, &name, &["-map", "0:v", "-c", "copy", "-f", "h264"]);
        assert_shown(&bare, H264, false, 100);
        let samples = samples(&file, &name);
        assert_heard(&samples, format, &config, 5 * rate as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn codecs_that_browsers_support_are_not_converted() {
    if !ffmpeg_is_there() {
        return;
    }
    let seen = watched(with_sound(H265, Codec::AacRaw), "", 300).await;
    assert_eq!(
        seen.init()["mime"],
        "video/mp4; codecs=\"hvc1.1.6.L60.90,mp4a.40.2\""
    );
    assert_eq!(seen.init()["sound"]["flac"], false);
    let file = seen.file();
    let bare = ffmpeg(
        &file,
        "live-hevc.mp4",
        &["-map", "0:v", "-c", "copy", "-f", "hevc"],
    );
    assert_shown(&bare, H265, true, 100);
    assert!(samples(&file, "live-aac.mp4").len() > 100_000);
    let mut config = camera(H264, FPS);
    config.sound = Some(opus());
    if config.sound.is_some() {
        let seen = watched(config, "", 100).await;
        assert_eq!(
            seen.init()["mime"],
            "video/mp4; codecs=\"avc1.4D401F,opus\""
        );
    }
    // As it was asked for.
    let seen = watched(with_sound(H264, Codec::Pcmu), "?sound=none", 50).await;
    assert_eq!((&seen.init()["sound"], seen.told.len()), (&Value::Null, 3));
    assert_eq!(seen.init()["mime"], "video/mp4; codecs=\"avc1.4D401F\"");
    let seen = watched(with_sound(H264, Codec::Pcmu), "?sound=camera", 50).await;
    assert_eq!(
        seen.init()["mime"],
        "video/mp4; codecs=\"avc1.4D401F,ulaw\""
    );
}

#[tokio::test(start_paused = true)]
async fn unsupported_audio_is_reported() {
    let mut config = with_sound(H264, Codec::Pcmu);
    let sound = config.sound.take().unwrap();
    let frames = sound.frames().iter().cloned();
    let mut format = sound.format();
    format.codec = Codec::G726;
    config.sound = tutk_runtime::tutk_simulator::Sound::new(frames, format, 160).ok();
    let seen = watched(config, "", 50).await;
    let left_out = seen
        .told
        .iter()
        .find(|told| told["type"] == "left-out")
        .unwrap();
    assert_eq!(left_out["what"], "sound");
    assert!(
        left_out["error"].as_str().unwrap().contains("G.726"),
        "{left_out}"
    );
    assert_eq!(seen.init()["mime"], "video/mp4; codecs=\"avc1.4D401F\"");
}

#[tokio::test(start_paused = true)]
async fn segments_are_valid_on_a_lossy_network() {
    if !ffmpeg_is_there() {
        return;
    }
    let mut config = with_sound(H264, Codec::Pcmu);
    config.dialects = vec![&Dialect::CC51];
    let impairment = Impairment {
        loss: 0.01,
        reorder: 0.02,
        seed: 3,
        ..Impairment::default()
    };
    let camera = simulate(config, loopback(), impairment).unwrap();
    let served = Served::of(camera, |_| {}, |_| {}).await;
    let mut socket = served.socket("/front/live").await;
    let mut watched = Watched::default();
    watched.see(&mut socket, 1_500).await;
    assert!(served.front.stats().await.session.unwrap().lost > 0);
    ffmpeg(&watched.file(), "live-lossy.mp4", PASS);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn stream_continues_when_the_camera_is_replaced() {
    if !ffmpeg_is_there() {
        return;
    }
    let mut served = Served::start(with_sound(H264, Codec::Pcmu)).await;
    let address = served.camera.local_addr();
    let mut socket = served.socket("/front/live").await;
    let mut watched = Watched::default();
    watched.see(&mut socket, 100).await;
    let other = crate::common::served(camera(H264, FPS));
    std::mem::replace(&mut served.camera, other).close().await;
    while watched.states().last() != Some(&"down") {
        watched.one(&mut socket).await;
    }
    let down = watched.told.last().unwrap();
    assert!(down["error"].as_str().unwrap().contains("closed"), "{down}");
    assert!(!down["advice"].as_str().unwrap().is_empty());
    assert!(down["next_attempt"].as_u64() >= down["since"].as_u64());

    // The same one: it goes on, without an initialization segment and without a gap.
    let same = served_at(with_sound(H264, Codec::Pcmu), address).await;
    watched.see(&mut socket, 200).await;
    assert_eq!(
        (watched.states().last(), watched.parts.len()),
        (Some(&"up"), 1)
    );
    let file = watched.file();
    ffmpeg(&file, "back.mp4", PASS);
    same.close().await;

    // Another one.
    let _other = served_at(with_sound(H265, Codec::AacAdts), address).await;
    while watched.parts.len() == 1 {
        watched.one(&mut socket).await;
    }
    watched.see(&mut socket, 200).await;
    let newest = watched.init();
    let mime = newest["mime"].as_str().unwrap();
    assert!(
        mime.starts_with("video/mp4; codecs=\"hvc1.1.6.L60.90"),
        "{mime}"
    );
    assert!(newest["offset"].as_f64().unwrap() > 4.0, "{newest}");
    let wall = |part: usize| watched.parts[part].0["wall"].as_f64().unwrap();
    let passed = (wall(watched.parts.len() - 1) - wall(0)) / 1_000.0;
    assert!((passed - newest["offset"].as_f64().unwrap()).abs() < 0.01);
    let bare = ffmpeg(
        &watched.file(),
        "other.mp4",
        &["-map", "0:v", "-c", "copy", "-f", "hevc"],
    );
    assert_shown(&bare, H265, true, 40);
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn state_is_reported_while_the_camera_is_away() {
    let config = camera(H264, FPS);
    let gone = crate::common::served(config.clone());
    let address = gone.local_addr();
    gone.close().await;
    let served = Served::with(
        config.clone(),
        |settings| settings.client.camera = address,
        |_| {},
    )
    .await;
    let mut socket = served.socket("/front/live").await;
    let mut watched = Watched::default();
    while watched
        .states()
        .iter()
        .filter(|state| **state == "down")
        .count()
        < 3
    {
        watched.one(&mut socket).await;
    }
    let down = watched.told.last().unwrap();
    assert!(
        down["error"].as_str().unwrap().contains("no answer"),
        "{down}"
    );
    let _camera = served_at(config, address).await;
    watched.see(&mut socket, 10).await;
    assert_eq!(watched.states().last(), Some(&"up"));
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn late_viewer_starts_with_the_newest_key_frame_without_delay() {
    let served = Served::start(camera(H264, FPS)).await;
    let mut first = served.front.watch("first");
    for _ in 0..70 {
        crate::common::picture(&mut first).await;
    }
    let mut socket = served.socket("/front/live").await;
    let mut watched = Watched::default();
    // The second group of pictures begins with the 41st.
    watched.see(&mut socket, 30).await;
    for _ in 0..40 {
        let frame = crate::common::picture(&mut first).await;
        let now = tokio::time::Instant::now();
        watched.see(&mut socket, 1).await;
        assert_eq!(now.elapsed().as_millis(), 0, "{frame:?} was late");
        assert!(matches!(frame.kind, MediaKind::Key | MediaKind::Delta));
    }
    served.close().await;
}

#[tokio::test(start_paused = true)]
async fn websocket_ends_with_a_close_frame() {
    let mut served = Served::start(camera(H264, FPS)).await;
    let mut socket = served.socket("/front/live").await;
    Watched::default().see(&mut socket, 10).await;
    // Nothing is taken.
    socket.text("{}").await;
    loop {
        match socket.next().await {
            Said::Json(_) | Said::Binary(_) => {}
            other => {
                assert_eq!(
                    other,
                    Said::Closed(1_003, "no messages are expected".to_owned())
                );
                break;
            }
        }
    }
    let mut socket = served.socket("/front/live").await;
    Watched::default().see(&mut socket, 10).await;
    served.hub.remove("front").await;
    let (error, code) = socket.failure().await;
    assert_eq!(code, 4_404, "{error}");
    let settings = crate::common::settings(&served.camera);
    served.hub.add("again", settings).unwrap();
    let mut socket = served.socket("/again/live").await;
    Watched::default().see(&mut socket, 10).await;
    let closing = tokio::spawn(served.http.close());
    let end = loop {
        match socket.next().await {
            Said::Json(_) | Said::Binary(_) => {}
            other => break other,
        }
    };
    assert_eq!(
        end,
        Said::Closed(1_001, "the server is shutting down".to_owned())
    );
    closing.await.unwrap();
    served.hub.close().await;
    left(&mut served.camera).await;
}
