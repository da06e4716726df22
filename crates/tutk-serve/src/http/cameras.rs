//! `/api/cameras`: what there is, and how it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use serde::Serialize;

use super::app::{App, Named};
use super::problem;
use crate::hub::{Camera, CameraState, CameraStats};
use crate::path::path_segment;

/// Where a camera stands, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct StateJson {
    /// `idle`, `connecting`, `up`, `down`, `failed` or `closed`.
    state: &'static str,
    /// In milliseconds since 1970.
    since: u64,
    /// What is wrong, and what to try.
    error: Option<String>,
    advice: Option<String>,
    /// Attempts that have failed since a session was up.
    attempts: Option<u32>,
    /// When the next one begins, in milliseconds since 1970.
    next_attempt: Option<u64>,
}

#[derive(Debug, Serialize)]
pub(super) struct CamerasJson {
    cameras: Vec<CameraJson>,
}

#[derive(Debug, Serialize)]
pub(super) struct CameraJson {
    name: String,
    #[serde(flatten)]
    state: StateJson,
    model: Option<String>,
    firmware: Option<String>,
    dialect: Option<&'static str>,
    video: Option<VideoJson>,
    sound: Option<SoundJson>,
    viewers: Vec<ViewerJson>,
    stats: StatsJson,
    urls: UrlsJson,
}

#[derive(Debug, Serialize)]
struct VideoJson {
    codec: String,
    width: Option<u16>,
    height: Option<u16>,
    fps: Option<u32>,
}

#[derive(Debug, Serialize)]
struct SoundJson {
    codec: String,
    rate: u32,
    channels: u8,
}

#[derive(Debug, Serialize)]
struct ViewerJson {
    label: String,
    since: u64,
    frames: u64,
    bytes: u64,
    missed: u64,
}

/// What was counted since the camera is served; of the network, since there is a session.
#[derive(Debug, Serialize)]
struct StatsJson {
    sessions: u64,
    falls: u64,
    pictures: u64,
    key_frames: u64,
    sounds: u64,
    bytes: u64,
    /// By viewers, those who have left included.
    missed: u64,
    /// Of late.
    bytes_per_second: Option<u64>,
    pictures_per_second: Option<f64>,
    lost: Option<u64>,
    resent: Option<u64>,
    recovered: Option<u64>,
    reconnects: Option<u64>,
    round_trip_ms: Option<f64>,
}

/// Paths on this server, and an address of RTSP.
#[derive(Debug, Serialize)]
struct UrlsJson {
    mp4: String,
    ts: String,
    live: String,
    talk: String,
    snapshot: String,
    controls: String,
    rtsp: Option<String>,
}

pub(super) async fn all(State(app): State<App>, headers: HeaderMap) -> Json<CamerasJson> {
    let mut cameras = Vec::new();
    for camera in app.hub.cameras() {
        cameras.push(json(&app, &camera, &headers).await);
    }
    Json(CamerasJson { cameras })
}

pub(super) async fn one(
    State(app): State<App>,
    Named(camera): Named,
    headers: HeaderMap,
) -> Json<CameraJson> {
    Json(json(&app, &camera, &headers).await)
}

/// Where it stands now.
pub(super) fn state(camera: &Camera) -> StateJson {
    let details = camera.details();
    let (name, error, fall) = match camera.state() {
        CameraState::Idle => ("idle", None, None),
        CameraState::Connecting => ("connecting", None, None),
        CameraState::Up => ("up", None, None),
        CameraState::Down(fall) => ("down", Some(fall.error.clone()), Some(fall)),
        CameraState::Failed(error) => ("failed", Some(error), None),
        CameraState::Closed => ("closed", None, None),
    };
    let next = fall
        .as_ref()
        .and_then(|fall| fall.at.checked_add(fall.next?));
    StateJson {
        state: name,
        since: millis(details.since),
        error: error.as_ref().map(ToString::to_string),
        advice: error.map(|error| problem::session_advice(&error).to_owned()),
        attempts: fall.map(|fall| fall.attempts),
        next_attempt: next.map(millis),
    }
}

async fn json(app: &App, camera: &Camera, headers: &HeaderMap) -> CameraJson {
    let stats = camera.stats().await;
    let details = camera.details();
    let shown = camera.shown();
    let video = shown.as_ref().and_then(|shown| shown.video.as_ref());
    let sound = shown.as_ref().and_then(|shown| shown.sound);
    CameraJson {
        name: camera.name().to_owned(),
        state: state(camera),
        model: details.model,
        firmware: details.firmware,
        dialect: details.dialect,
        video: video.map(|video| {
            let size = video.parameters();
            VideoJson {
                codec: video.codec().to_string(),
                width: size.as_ref().map(|size| size.width),
                height: size.as_ref().map(|size| size.height),
                fps: details.fps,
            }
        }),
        sound: sound.map(|sound| {
            let format = sound.config.format();
            SoundJson {
                codec: format.codec.to_string(),
                rate: format.rate,
                channels: format.channels,
            }
        }),
        viewers: viewers(&stats),
        stats: counted(app, camera.name(), &stats),
        urls: urls(app, camera.name(), headers),
    }
}

fn viewers(stats: &CameraStats) -> Vec<ViewerJson> {
    let viewers = stats.viewers.iter().map(|viewer| ViewerJson {
        label: viewer.label.clone(),
        since: millis(viewer.since),
        frames: viewer.frames,
        bytes: viewer.bytes,
        missed: viewer.missed,
    });
    viewers.collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate of bytes is not negative, and far below 2^52"
)]
fn counted(app: &App, name: &str, stats: &CameraStats) -> StatsJson {
    let rate = app.rate(name, stats.bytes, stats.pictures);
    let session = stats.session.as_ref();
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    StatsJson {
        sessions: stats.sessions,
        falls: stats.falls,
        pictures: stats.pictures,
        key_frames: stats.keys,
        sounds: stats.sounds,
        bytes: stats.bytes,
        missed: stats.missed,
        bytes_per_second: rate.as_ref().map(|rate| rate.bytes() as u64),
        pictures_per_second: rate.map(|rate| tenth(rate.pictures())),
        lost: session.map(|session| session.lost),
        resent: session.map(|session| session.resent),
        recovered: session.map(|session| session.recovered),
        reconnects: session.map(|session| session.reconnects),
        round_trip_ms: session
            .and_then(|session| session.round_trip)
            .map(|time| tenth(time.as_secs_f64() * 1_000.0)),
    }
}

fn urls(app: &App, name: &str, headers: &HeaderMap) -> UrlsJson {
    // The client reaches RTSP by the name that it has for this server.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let rtsp = app.rtsp_port.zip(host);
    let controls = controls_url(name);
    let name = path_segment(name);
    UrlsJson {
        mp4: format!("/{name}/stream.mp4"),
        ts: format!("/{name}/stream.ts"),
        live: format!("/{name}/live"),
        talk: format!("/{name}/talk"),
        snapshot: format!("/{name}/snapshot.jpg"),
        controls,
        rtsp: rtsp.map(|(port, host)| format!("rtsp://{}:{port}/{name}", host.host())),
    }
}

/// Where the camera's controls are listed.
pub(super) fn controls_url(name: &str) -> String {
    format!("/api/cameras/{}/controls", path_segment(name))
}

/// In milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
