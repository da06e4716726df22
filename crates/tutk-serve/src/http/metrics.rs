//! `/metrics`: metrics in the text format of Prometheus.

use std::fmt;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::state::AppState;
use crate::hub::{CameraState, CameraStats};

/// The values of all metrics, read for one scrape.
#[derive(Debug)]
struct Scrape {
    cameras: Vec<Camera>,
    streams: u64,
    connections: u64,
    connections_refused: u64,
    viewers_refused: u64,
    logins_failed: u64,
}

#[derive(Debug)]
struct Camera {
    name: String,
    stats: CameraStats,
    bytes_per_second: Option<f64>,
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Metrics for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The text format of Prometheus 0.0.4.", body = String)),
)]
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let mut cameras = Vec::new();
    for camera in state.hub.cameras() {
        let name = camera.name().to_owned();
        let stats = camera.stats().await;
        let rate = state.rate(&name, stats.bytes, stats.video_frames);
        cameras.push(Camera {
            bytes_per_second: rate.map(|rate| rate.bytes()),
            name,
            stats,
        });
    }
    let counters = &state.counters;
    let scrape = Scrape {
        cameras,
        streams: state.streams() as u64,
        connections: counters.connections.get(),
        connections_refused: counters.connections_refused.get(),
        viewers_refused: counters.viewers_refused.get(),
        logins_failed: counters.logins_failed.get(),
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
        let encoder = &mut encoder;
        self.gauge(
            encoder,
            "tutk_camera_up",
            "1 if there is a session with the camera",
            |stats| Some(u64::from(matches!(stats.state, CameraState::Up))),
        )?;
        let help = "1 if a session is needed but could not be established or was lost";
        self.gauge(encoder, "tutk_camera_down", help, |stats| {
            let down = matches!(stats.state, CameraState::Down(_) | CameraState::Failed(_));
            Some(u64::from(down))
        })?;
        let frames = self.cameras.iter().flat_map(|camera| {
            let kinds = [
                ("video", camera.stats.video_frames),
                ("audio", camera.stats.audio_frames),
            ];
            kinds.map(|(kind, count)| (vec![("camera", &*camera.name), ("kind", kind)], count))
        });
        family(
            encoder,
            "tutk_camera_frames",
            "Complete frames received",
            frames,
            ConstCounter::new,
        )?;
        self.counter(
            encoder,
            "tutk_camera_key_frames",
            "Key frames received",
            |stats| Some(stats.key_frames),
        )?;
        let help = "Bytes of complete frames received";
        self.counter(encoder, "tutk_camera_received_bytes", help, |stats| {
            Some(stats.bytes)
        })?;
        let rates = self
            .cameras
            .iter()
            .filter_map(|camera| Some((vec![("camera", &*camera.name)], camera.bytes_per_second?)));
        let (name, help) = (
            "tutk_camera_receive_bytes_per_second",
            "Bytes of complete frames received per second since the previous scrapes",
        );
        family(encoder, name, help, rates, ConstGauge::new)?;
        let help = "Frames lost by the network, completely or in part, in the current session";
        self.counter(encoder, "tutk_camera_lost_frames", help, |stats| {
            Some(stats.session.as_ref()?.lost)
        })?;
        self.counter(
            encoder,
            "tutk_camera_sessions",
            "Authenticated sessions",
            |stats| Some(stats.sessions),
        )?;
        let help = "Sessions that were lost";
        self.counter(encoder, "tutk_camera_reconnects", help, |stats| {
            Some(stats.disconnects)
        })?;
        let round_trips = self.cameras.iter().filter_map(|camera| {
            let time = camera.stats.session.as_ref()?.round_trip?;
            Some((vec![("camera", &*camera.name)], time.as_secs_f64()))
        });
        let (name, help) = (
            "tutk_camera_round_trip_seconds",
            "Smoothed round-trip time to the camera",
        );
        family(encoder, name, help, round_trips, ConstGauge::new)?;
        let help = "Viewers of the camera over all outputs";
        self.gauge(encoder, "tutk_camera_viewers", help, |stats| {
            Some(stats.viewers.len() as u64)
        })?;
        let help = "Frames that slow viewers missed";
        self.counter(encoder, "tutk_camera_viewer_missed_frames", help, |stats| {
            Some(stats.missed)
        })?;

        let streams = [(Vec::new(), self.streams)];
        family(
            encoder,
            "tutk_http_viewers",
            "Streams served over HTTP",
            streams,
            ConstGauge::new,
        )?;
        for (name, help, value) in [
            (
                "tutk_http_connections",
                "Accepted connections",
                self.connections,
            ),
            (
                "tutk_http_connections_refused",
                "Connections refused because of the connection limit",
                self.connections_refused,
            ),
            (
                "tutk_http_viewers_refused",
                "Viewers refused because of the viewer limit",
                self.viewers_refused,
            ),
            (
                "tutk_http_logins_failed",
                "Logins with a wrong name or password",
                self.logins_failed,
            ),
        ] {
            family(
                encoder,
                name,
                help,
                [(Vec::new(), value)],
                ConstCounter::new,
            )?;
        }
        let version = [(vec![("version", env!("CARGO_PKG_VERSION"))], 1_u64)];
        family(
            encoder,
            "tutk_build_info",
            "The version of the program",
            version,
            ConstGauge::new,
        )
    }
}

impl Scrape {
    fn counter(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&CameraStats) -> Option<u64>,
    ) -> fmt::Result {
        family(encoder, name, help, self.values(value), ConstCounter::new)
    }

    fn gauge(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        value: impl Fn(&CameraStats) -> Option<u64>,
    ) -> fmt::Result {
        family(encoder, name, help, self.values(value), ConstGauge::new)
    }

    fn values(
        &self,
        value: impl Fn(&CameraStats) -> Option<u64>,
    ) -> impl Iterator<Item = (Labels<'_>, u64)> {
        self.cameras.iter().filter_map(move |camera| {
            Some((vec![("camera", &*camera.name)], value(&camera.stats)?))
        })
    }
}

/// Encodes a metric with all its label sets, or nothing if there are none.
fn family<'a, V, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels<'a>, V)>,
    metric: impl Fn(V) -> M,
) -> fmt::Result {
    let mut values = values
        .into_iter()
        .map(|(labels, value)| (labels, metric(value)));
    let Some(first) = values.next() else {
        return Ok(());
    };
    let mut family = encoder.encode_descriptor(name, help, None, first.1.metric_type())?;
    for (labels, metric) in std::iter::once(first).chain(values) {
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
