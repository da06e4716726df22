//! Samples of the process, its health and metrics, and the time that each recovery takes.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::camera::Camera;
use crate::schedule::Kind;
use crate::service::{PASSWORD, USER};
use crate::{LIMIT, Result};

const INTERVAL: Duration = Duration::from_millis(500);

/// The longest time that an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// The use of resources at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// The time since the start of the run.
    pub at: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
    pub descriptors: u64,
    pub threads: u64,
}

/// What the monitor saw.
#[derive(Debug, Default)]
pub struct Observed {
    pub samples: Vec<Sample>,
    /// Answered requests.
    pub requests: u64,
    /// The longest time that an answer took.
    pub slowest: Duration,
    /// For each kind of fault, the time from its end until the camera is up and recorded, and sends
    /// frames.
    pub recoveries: BTreeMap<Kind, Vec<Duration>>,
    /// Polls in which a recording had failed.
    pub not_recorded: u64,
    /// The largest sum of the metric of panics.
    pub panics: u64,
    pub problems: Vec<String>,
}

/// Polls `tutk serve` until it is stopped.
#[derive(Debug)]
pub struct Monitor {
    pub pid: u32,
    pub http: String,
    pub client: Client,
    pub cameras: Vec<Arc<Camera>>,
    pub begun: Instant,
    pub stop: Arc<AtomicBool>,
}

/// The values of one camera.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Metrics {
    up: bool,
    recorded: bool,
    frames: u64,
    panics: u64,
}

/// What is known of one camera.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    frames: u64,
    /// The last time of availability whose recovery was measured.
    measured: Option<Instant>,
}

impl Monitor {
    /// Runs until it is stopped.
    pub async fn run(self) -> Observed {
        let mut observed = Observed::default();
        let mut progress: BTreeMap<&str, Progress> = BTreeMap::new();
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::Relaxed) {
            ticks.tick().await;
            match sample(self.pid, self.begun.elapsed()) {
                Some(sample) => observed.samples.push(sample),
                None => observed.problems.push("tutk serve does not run".to_owned()),
            }
            for path in ["healthz", "readyz"] {
                self.get(path, &mut observed).await;
            }
            let Some(text) = self.get("metrics", &mut observed).await else {
                continue;
            };
            let metrics = parse(&text);
            let panics = metrics.values().map(|one| one.panics).sum();
            observed.panics = observed.panics.max(panics);
            for camera in &self.cameras {
                let name = camera.model.name;
                let now = metrics.get(name).copied().unwrap_or_default();
                observed.not_recorded += u64::from(!now.recorded);
                let progress = progress.entry(name).or_default();
                let has_frames = progress.frames != now.frames;
                progress.frames = now.frames;
                let Some((since, cause)) = camera.available_since() else {
                    continue;
                };
                if progress.measured == Some(since) {
                    continue;
                }
                // The frames of the interval since the last poll came in that time.
                if now.up && now.recorded && has_frames && since.elapsed() > INTERVAL {
                    progress.measured = Some(since);
                    if let Some(cause) = cause {
                        let times = observed.recoveries.entry(cause).or_default();
                        times.push(since.elapsed());
                    }
                } else if since.elapsed() > LIMIT {
                    progress.measured = Some(since);
                    let (limit, cause) = (LIMIT.as_secs(), cause.map_or("start", Kind::text));
                    let problem = format!("{name}: not recorded within {limit} s after: {cause}");
                    observed.problems.push(problem);
                }
            }
        }
        observed
    }

    /// Returns the body of a response that has the status 200.
    async fn get(&self, path: &str, observed: &mut Observed) -> Option<String> {
        let begun = Instant::now();
        let answer = timeout(ANSWER, self.request(path)).await;
        observed.slowest = observed.slowest.max(begun.elapsed());
        let error = match answer {
            Ok(Ok(text)) => {
                observed.requests += 1;
                return Some(text);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
        };
        observed.problems.push(format!("/{path}: {error}"));
        None
    }

    async fn request(&self, path: &str) -> Result<String> {
        let request = self.client.get(format!("{}{path}", self.http));
        let response = request.basic_auth(USER, Some(PASSWORD)).send().await?;
        match response.status() {
            StatusCode::OK => Ok(response.text().await?),
            status => Err(format!("status {status}").into()),
        }
    }
}

/// Reads the use of resources of a process. Returns `None` if it does not run.
#[must_use]
pub fn sample(pid: u32, at: Duration) -> Option<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some(Sample {
        at,
        memory: value("VmRSS:")? * 1_024,
        descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
        threads: value("Threads:")?,
    })
}

/// Reads the metrics of each camera.
fn parse(text: &str) -> BTreeMap<String, Metrics> {
    let mut cameras: BTreeMap<String, Metrics> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once("{camera=\"") else {
            continue;
        };
        let Some((camera, labels)) = rest.split_once('"') else {
            continue;
        };
        let value = labels
            .rsplit(' ')
            .next()
            .and_then(|value| value.parse().ok());
        let (metrics, value): (_, u64) = match value {
            Some(value) => (cameras.entry(camera.to_owned()).or_default(), value),
            None => continue,
        };
        match name {
            "tutk_camera_up" => metrics.up = value == 1,
            "tutk_camera_recording" => metrics.recorded = value == 1,
            "tutk_camera_panics_total" => metrics.panics = value,
            "tutk_camera_frames_total" if labels.contains("video") => metrics.frames = value,
            _ => {}
        }
    }
    cameras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_metrics_of_cameras() {
        let text = "# TYPE tutk_camera_up gauge\ntutk_camera_up{camera=\"yard\"} 1\n\
                    tutk_camera_frames_total{camera=\"yard\",kind=\"video\"} 700\n\
                    tutk_camera_frames_total{camera=\"yard\",kind=\"audio\"} 900\n\
                    tutk_camera_round_trip_seconds{camera=\"yard\"} 0.1\n\
                    tutk_camera_recording{camera=\"yard\"} 0\ntutk_http_viewers 3\n";
        let expected = Metrics {
            up: true,
            frames: 700,
            ..Metrics::default()
        };
        assert_eq!(parse(text), BTreeMap::from([("yard".to_owned(), expected)]));
    }

    #[test]
    fn samples_a_process() {
        let sample = sample(std::process::id(), Duration::ZERO).unwrap();
        assert!(sample.memory > 1 << 20 && sample.descriptors > 2 && sample.threads > 0);
    }
}
