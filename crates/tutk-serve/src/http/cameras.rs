//! `/api/cameras`: all cameras with their state, streams and statistics.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::camera_state::StateJson;
use super::extract::{Authenticated, CameraPath, PathCamera};
use super::responses::Errors;
use super::state::AppState;
use crate::clock::unix_millis;
use crate::hub::{Camera, CameraStats};
use crate::path::path_segment;
use crate::schemes::CAMERA_SCHEMES;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cameras)]
pub(super) struct CamerasJson {
    cameras: Vec<CameraJson>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Camera)]
pub(super) struct CameraJson {
    name: String,
    #[serde(flatten)]
    state: StateJson,
    /// The configured model, or the one that the camera reported.
    model: Option<String>,
    firmware: Option<String>,
    /// The camera's dialect of the protocol.
    dialect: Option<String>,
    video: Option<VideoJson>,
    sound: Option<SoundJson>,
    /// The viewers of all outputs.
    viewers: Vec<ViewerJson>,
    stats: StatsJson,
    urls: UrlsJson,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Video)]
struct VideoJson {
    /// `H.264` or `H.265`.
    codec: String,
    width: Option<u16>,
    height: Option<u16>,
    /// As reported by the camera.
    fps: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sound)]
struct SoundJson {
    codec: String,
    /// In hertz.
    rate: u32,
    channels: u8,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Viewer)]
struct ViewerJson {
    label: String,
    /// In milliseconds since 1970.
    since: u64,
    frames: u64,
    bytes: u64,
    /// Frames that the viewer missed.
    missed: u64,
}

/// Statistics since the camera was added, and of the network since the session began.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
struct StatsJson {
    /// Authenticated sessions.
    sessions: u64,
    /// Sessions that ended with an error.
    disconnects: u64,
    /// How often an internal error stopped the session.
    panics: u64,
    /// Received video frames.
    video_frames: u64,
    key_frames: u64,
    /// Received audio frames.
    audio_frames: u64,
    /// Bytes of all received frames.
    bytes: u64,
    /// Frames that viewers missed, including viewers that have left.
    missed: u64,
    /// The recent rate. `null` on the first request.
    bytes_per_second: Option<u64>,
    frames_per_second: Option<f64>,
    /// Frames lost by the network in the current session. `null` without one.
    lost: Option<u64>,
    /// Datagrams dropped unread because this machine is too slow. `null` without a session.
    overload_drops: Option<u64>,
    resent: Option<u64>,
    recovered: Option<u64>,
    reconnects: Option<u64>,
    round_trip_ms: Option<f64>,
}

/// Paths on this server, and URLs of other outputs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Urls)]
struct UrlsJson {
    mp4: String,
    ts: String,
    live: String,
    talk: String,
    snapshot: String,
    controls: String,
    /// The camera's URL at another output, by scheme (`rtsp`). `null` if the output is not running.
    #[serde(flatten)]
    outputs: BTreeMap<&'static str, Option<String>>,
}

/// All cameras
#[utoipa::path(
    get,
    path = "/api/cameras",
    operation_id = "cameras",
    tag = "cameras",
    responses((status = 200, description = "All cameras and their state.", body = CamerasJson)),
)]
pub(super) async fn all(
    State(state): State<AppState>,
    Authenticated(user): Authenticated,
    headers: HeaderMap,
) -> Json<CamerasJson> {
    let each = state
        .cameras(&user)
        .map(async |camera| json(&state, &camera, &headers).await);
    let cameras = join_all(each).await;
    Json(CamerasJson { cameras })
}

/// One camera
#[utoipa::path(
    get,
    path = "/api/cameras/{name}",
    operation_id = "camera",
    tag = "cameras",
    params(CameraPath),
    responses(
        (status = 200, description = "The camera and its state.", body = CameraJson),
        Errors<404>,
    ),
)]
pub(super) async fn one(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    headers: HeaderMap,
) -> Json<CameraJson> {
    Json(json(&state, &camera, &headers).await)
}

async fn json(state: &AppState, camera: &Camera, headers: &HeaderMap) -> CameraJson {
    let stats = camera.stats().await;
    let details = camera.details();
    let shown = camera.shown();
    let video = shown.as_ref().and_then(|shown| shown.video.as_ref());
    let sound = shown.as_ref().and_then(|shown| shown.sound);
    CameraJson {
        name: camera.name().to_owned(),
        state: StateJson::of(camera),
        model: details.model,
        firmware: details.firmware,
        dialect: details.dialect.map(|dialect| dialect.to_string()),
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
        stats: statistics(state, camera.name(), &stats),
        urls: urls(state, camera.name(), headers),
    }
}

fn viewers(stats: &CameraStats) -> Vec<ViewerJson> {
    let viewers = stats.viewers.iter().map(|viewer| ViewerJson {
        label: viewer.label.clone(),
        since: unix_millis(viewer.since),
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
fn statistics(state: &AppState, name: &str, stats: &CameraStats) -> StatsJson {
    let rate = state.rate(name, stats.bytes, stats.video_frames);
    let session = stats.session.as_ref();
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    StatsJson {
        sessions: stats.sessions,
        disconnects: stats.disconnects,
        panics: stats.panics,
        video_frames: stats.video_frames,
        key_frames: stats.key_frames,
        audio_frames: stats.audio_frames,
        bytes: stats.bytes,
        missed: stats.missed,
        bytes_per_second: rate.as_ref().map(|rate| rate.bytes() as u64),
        frames_per_second: rate.map(|rate| tenth(rate.frames())),
        lost: session.map(|session| session.lost),
        overload_drops: session.map(|session| session.overload_drops),
        resent: session.map(|session| session.resent),
        recovered: session.map(|session| session.recovered),
        reconnects: session.map(|session| session.reconnects),
        round_trip_ms: session
            .and_then(|session| session.round_trip)
            .map(|time| tenth(time.as_secs_f64() * 1_000.0)),
    }
}

fn urls(state: &AppState, name: &str, headers: &HeaderMap) -> UrlsJson {
    // The client reaches the other outputs under the host name that it uses for this server.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let running = state.hub.outputs();
    let url = |scheme: &str| {
        let output = running.iter().find(|output| output.scheme == scheme)?;
        output.camera_url(host.as_ref()?.host(), name)
    };
    let outputs = CAMERA_SCHEMES.iter().map(|&scheme| (scheme, url(scheme)));
    let path = path_segment(name);
    UrlsJson {
        mp4: format!("/{path}/stream.mp4"),
        ts: format!("/{path}/stream.ts"),
        live: format!("/{path}/live"),
        talk: format!("/{path}/talk"),
        snapshot: format!("/{path}/snapshot.jpg"),
        controls: controls_url(name),
        outputs: outputs.collect(),
    }
}

/// Returns the path of the list of a camera's controls.
pub(super) fn controls_url(name: &str) -> String {
    format!("/api/cameras/{}/controls", path_segment(name))
}
