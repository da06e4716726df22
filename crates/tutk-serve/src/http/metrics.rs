//! `/metrics`: for Prometheus, in its text format 0.0.4.

use std::fmt::{self, Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::hub::{CameraState, CameraStats};

const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A family of metrics, and its samples.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: String,
}

pub(super) async fn metrics(State(app): State<App>) -> Response {
    let mut cameras = Vec::new();
    for camera in app.hub.cameras() {
        cameras.push((camera.name().to_owned(), camera.stats().await));
    }
    let mut text = String::new();
    for family in of_cameras(&app, &cameras)
        .into_iter()
        .chain(of_server(&app))
    {
        // To write into text does not fail.
        let _ = write!(text, "{family}");
    }
    ([(CONTENT_TYPE, CONTENT)], text).into_response()
}

fn of_cameras(app: &App, cameras: &[(String, CameraStats)]) -> Vec<Family> {
    let gauge = |name, help| Family::new(name, "gauge", help);
    let counter = |name, help| Family::new(name, "counter", help);
    let all = |mut family: Family, of: &dyn Fn(&str, &CameraStats) -> Option<f64>| {
        for (name, stats) in cameras {
            if let Some(value) = of(name, stats) {
                family.push(&[("camera", name)], value);
            }
        }
        family
    };
    let mut frames = counter("tutk_camera_frames_total", "Whole frames that came.");
    for (name, stats) in cameras {
        for (kind, count) in [("video", stats.pictures), ("audio", stats.sounds)] {
            frames.push(&[("camera", name), ("kind", kind)], number(count));
        }
    }
    vec![
        all(
            gauge(
                "tutk_camera_up",
                "Whether there is a session with the camera.",
            ),
            &|_, stats| Some(f64::from(u8::from(matches!(stats.state, CameraState::Up)))),
        ),
        all(
            gauge(
                "tutk_camera_away",
                "Whether a session is wanted, and fell or could not be begun.",
            ),
            &|_, stats| {
                let away = matches!(stats.state, CameraState::Down(_) | CameraState::Failed(_));
                Some(f64::from(u8::from(away)))
            },
        ),
        frames,
        all(
            counter("tutk_camera_key_frames_total", "Key frames that came."),
            &|_, stats| Some(number(stats.keys)),
        ),
        all(
            counter(
                "tutk_camera_received_bytes_total",
                "Bytes of whole frames that came.",
            ),
            &|_, stats| Some(number(stats.bytes)),
        ),
        all(
            gauge(
                "tutk_camera_receive_bytes_per_second",
                "Bytes of whole frames that came in a second since the last scrapes; none at the first.",
            ),
            &|name, stats| Some(app.rate(name, stats.bytes, stats.pictures)?.bytes()),
        ),
        all(
            counter(
                "tutk_camera_lost_frames_total",
                "Frames that the network lost, whole or in part, since there is a session.",
            ),
            &|_, stats| Some(number(stats.session.as_ref()?.lost)),
        ),
        all(
            counter(
                "tutk_camera_sessions_total",
                "How often the camera let us in.",
            ),
            &|_, stats| Some(number(stats.sessions)),
        ),
        all(
            counter(
                "tutk_camera_reconnects_total",
                "How often a session that was up fell, and had to be begun again.",
            ),
            &|_, stats| Some(number(stats.falls)),
        ),
        all(
            gauge(
                "tutk_camera_round_trip_seconds",
                "Round trip to the camera, smoothed.",
            ),
            &|_, stats| Some(stats.session.as_ref()?.round_trip?.as_secs_f64()),
        ),
        all(
            gauge(
                "tutk_camera_viewers",
                "Viewers of the camera, however they watch.",
            ),
            &|_, stats| Some(number(stats.viewers.len() as u64)),
        ),
        all(
            counter(
                "tutk_camera_viewer_missed_frames_total",
                "Frames that viewers missed because they were slow.",
            ),
            &|_, stats| Some(number(stats.missed)),
        ),
    ]
}

fn of_server(app: &App) -> Vec<Family> {
    let counters = &app.counters;
    let counter = |name, help, of: &AtomicU64| {
        let mut family = Family::new(name, "counter", help);
        family.push(&[], number(of.load(Ordering::Relaxed)));
        family
    };
    let mut viewers = Family::new(
        "tutk_http_viewers",
        "gauge",
        "Streams that are served over HTTP now.",
    );
    viewers.push(&[], number(app.viewers() as u64));
    let mut build = Family::new("tutk_build_info", "gauge", "Which version this is.");
    build.push(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    vec![
        viewers,
        counter(
            "tutk_http_connections_total",
            "Connections that were accepted.",
            &counters.connections,
        ),
        counter(
            "tutk_http_connections_refused_total",
            "Connections that were refused because there were too many.",
            &counters.connections_refused,
        ),
        counter(
            "tutk_http_viewers_refused_total",
            "Viewers that were refused because there were too many.",
            &counters.viewers_refused,
        ),
        counter(
            "tutk_http_logins_failed_total",
            "Wrong names and passwords.",
            &counters.logins_failed,
        ),
        build,
    ]
}

impl Family {
    fn new(name: &'static str, kind: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            samples: String::new(),
        }
    }

    fn push(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", Escaped(value)))
            .collect::<Vec<_>>();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        // To write into text does not fail.
        let _ = writeln!(self.samples, "{}{labels} {value}", self.name);
    }
}

/// Its head, and samples; nothing where there are none.
impl Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.samples.is_empty() {
            return Ok(());
        }
        let Self {
            name,
            kind,
            help,
            samples,
        } = self;
        write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}")
    }
}

/// A label's value.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Exact up to 2^53, and no counter comes there.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_text() {
        let mut family = Family::new("tutk_x_total", "counter", "What it is.");
        assert_eq!(family.to_string(), "");
        family.push(
            &[("camera", "a\"b\\c\nd"), ("kind", "é")],
            1_234_567_890_123.0,
        );
        family.push(&[], 0.25);
        assert_eq!(
            family.to_string(),
            "# HELP tutk_x_total What it is.\n# TYPE tutk_x_total counter\n\
             tutk_x_total{camera=\"a\\\"b\\\\c\\nd\",kind=\"é\"} 1234567890123\ntutk_x_total 0.25\n"
        );
    }
}
