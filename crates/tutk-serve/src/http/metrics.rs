//! `/metrics`: metrics in the text format of Prometheus.

use std::fmt;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::extract::Administrator;
use super::responses::Errors;
use super::state::AppState;
use crate::hub::{CameraState, CameraStats, RecordingState};

/// The sources of all metrics, read for one scrape.
#[derive(Debug)]
struct Scrape {
    cameras: Vec<Camera>,
    server: AppState,
}

#[derive(Debug)]
struct Camera {
    name: String,
    stats: CameraStats,
    bytes_per_second: Option<f64>,
}

type Label<'a> = (&'static str, &'a str);

/// A metric of a camera or of the server. Consecutive entries with one name are one metric.
struct Metric<T> {
    name: &'static str,
    help: &'static str,
    label: Option<Label<'static>>,
    /// Reads the value. `None` if it is not known.
    value: fn(&T) -> Option<Value>,
}

#[derive(Debug, Clone, Copy)]
enum Value {
    Count(u64),
    Gauge(u64),
    Measured(f64),
}

use Value::{Count, Gauge, Measured};

/// The metrics of each camera.
const CAMERA: &[Metric<Camera>] = &[
    metric(
        "tutk_camera_up",
        "1 if there is a session with the camera",
        |camera| Some(Gauge(matches!(camera.stats.state, CameraState::Up).into())),
    ),
    metric(
        "tutk_camera_down",
        "1 if a session is needed but could not be established or was lost",
        |camera| {
            let state = &camera.stats.state;
            let down = matches!(state, CameraState::Down(_) | CameraState::Failed(_));
            Some(Gauge(down.into()))
        },
    ),
    metric("tutk_camera_frames", FRAMES, |camera: &Camera| {
        Some(Count(camera.stats.video_frames))
    })
    .with("kind", "video"),
    metric("tutk_camera_frames", FRAMES, |camera: &Camera| {
        Some(Count(camera.stats.audio_frames))
    })
    .with("kind", "audio"),
    metric("tutk_camera_key_frames", "Key frames received", |camera| {
        Some(Count(camera.stats.key_frames))
    }),
    metric(
        "tutk_camera_received_bytes",
        "Bytes of complete frames received",
        |camera| Some(Count(camera.stats.bytes)),
    ),
    metric(
        "tutk_camera_receive_bytes_per_second",
        "Bytes of complete frames received per second since the previous scrapes",
        |camera| camera.bytes_per_second.map(Measured),
    ),
    metric(
        "tutk_camera_lost_frames",
        "Frames lost by the network, completely or in part, in the current session",
        |camera| Some(Count(camera.stats.session.as_ref()?.lost)),
    ),
    metric(
        "tutk_camera_overload_dropped_datagrams",
        "Datagrams dropped unread because this machine is too slow, in the current session",
        |camera| Some(Count(camera.stats.session.as_ref()?.overload_drops)),
    ),
    metric("tutk_camera_sessions", "Authenticated sessions", |camera| {
        Some(Count(camera.stats.sessions))
    }),
    metric(
        "tutk_camera_reconnects",
        "Sessions that were lost",
        |camera| Some(Count(camera.stats.disconnects)),
    ),
    metric(
        "tutk_camera_recording",
        "1 while the recording works, 0 while it fails; absent if the camera is not recorded",
        |camera| match camera.stats.recording {
            RecordingState::Off => None,
            RecordingState::On => Some(Gauge(1)),
            RecordingState::Failed(_) => Some(Gauge(0)),
        },
    ),
    metric(
        "tutk_camera_panics",
        "Sessions that ended with a panic and were restarted",
        |camera| Some(Count(camera.stats.panics)),
    ),
    metric(
        "tutk_camera_round_trip_seconds",
        "Smoothed round-trip time to the camera",
        |camera| {
            let time = camera.stats.session.as_ref()?.round_trip?;
            Some(Measured(time.as_secs_f64()))
        },
    ),
    metric(
        "tutk_camera_viewers",
        "Viewers of the camera over all outputs",
        |camera| Some(Gauge(camera.stats.viewers.len() as u64)),
    ),
    metric(
        "tutk_camera_viewer_missed_frames",
        "Frames that slow viewers missed",
        |camera| Some(Count(camera.stats.missed)),
    ),
];

const FRAMES: &str = "Complete frames received";

/// The metrics of the server.
const SERVER: &[Metric<AppState>] = &[
    metric("tutk_http_viewers", "Streams served over HTTP", |server| {
        Some(Gauge(server.streams() as u64))
    }),
    metric("tutk_http_connections", "Accepted connections", |server| {
        Some(Count(server.counters.connections.get()))
    }),
    metric(
        "tutk_http_connections_refused",
        "Connections refused because of the connection limit",
        |server| Some(Count(server.counters.connections_refused.get())),
    ),
    metric(
        "tutk_http_connections_unauthenticated",
        "Connections closed because the client did not authenticate in time",
        |server| Some(Count(server.counters.connections_unauthenticated.get())),
    ),
    metric(
        "tutk_http_viewers_refused",
        "Viewers refused because of the viewer limit",
        |server| Some(Count(server.counters.viewers_refused.get())),
    ),
    metric(
        "tutk_http_logins_failed",
        "Logins with a wrong name or password",
        |server| Some(Count(server.counters.logins_failed.get())),
    ),
    metric(
        "tutk_http_logins_delayed",
        "Logins not accepted because of too many wrong passwords",
        |server| Some(Count(server.counters.logins_delayed.get())),
    ),
    metric(
        "tutk_build_info",
        "The version of the program",
        |_: &AppState| Some(Gauge(1)),
    )
    .with("version", env!("CARGO_PKG_VERSION")),
];

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses(
        (status = 200, description = "The text format of Prometheus 0.0.4.", body = String),
        Errors<403>,
    ),
)]
pub(super) async fn metrics(
    State(state): State<AppState>,
    Administrator(user): Administrator,
) -> Response {
    let each = state.cameras(&user).map(async |camera| {
        let name = camera.name().to_owned();
        let stats = camera.stats().await;
        let rate = state.rate(&name, stats.bytes, stats.video_frames);
        Camera {
            bytes_per_second: rate.map(|rate| rate.bytes()),
            name,
            stats,
        }
    });
    let cameras = join_all(each).await;
    let scrape = Scrape {
        cameras,
        server: state,
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = prometheus_text::encode(&mut text, &registry);
    ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response()
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let cameras = self.cameras.iter();
        let cameras = cameras.map(|camera| (Some(("camera", &*camera.name)), camera));
        let cameras: Vec<_> = cameras.collect();
        encode(&mut encoder, CAMERA, &cameras)?;
        encode(&mut encoder, SERVER, &[(None, &self.server)])
    }
}

const fn metric<T>(
    name: &'static str,
    help: &'static str,
    value: fn(&T) -> Option<Value>,
) -> Metric<T> {
    Metric {
        name,
        help,
        label: None,
        value,
    }
}

impl<T> Metric<T> {
    const fn with(self, label: &'static str, value: &'static str) -> Self {
        Self {
            label: Some((label, value)),
            ..self
        }
    }
}

impl Value {
    const fn metric_type(self) -> MetricType {
        match self {
            Count(_) => MetricType::Counter,
            Gauge(_) | Measured(_) => MetricType::Gauge,
        }
    }
}

/// Encodes metrics of these sources, each with its label. Omits metrics without a value.
fn encode<T>(
    encoder: &mut DescriptorEncoder<'_>,
    metrics: &[Metric<T>],
    sources: &[(Option<Label<'_>>, &T)],
) -> fmt::Result {
    for group in metrics.chunk_by(|one, next| one.name == next.name) {
        let samples = sources.iter().flat_map(|(label, source)| {
            group.iter().filter_map(move |metric| {
                let labels: Vec<Label<'_>> = label.iter().copied().chain(metric.label).collect();
                Some((metric, labels, (metric.value)(source)?))
            })
        });
        let mut samples = samples.peekable();
        let Some((metric, _, value)) = samples.peek() else {
            continue;
        };
        let kind = value.metric_type();
        let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
        for (_, labels, value) in samples {
            let mut sample = family.encode_family(&labels)?;
            match value {
                Count(value) => sample.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
                Gauge(value) => sample.encode_gauge(&value)?,
                Measured(value) => sample.encode_gauge(&value)?,
            }
        }
    }
    Ok(())
}
