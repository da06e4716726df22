//! HTTP requests, and the metrics of `tutk serve`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What `/metrics` says about each camera.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct CameraMetrics {
    pub(super) up: bool,
    pub(super) frames: u64,
    pub(super) lost: u64,
}

/// Sends a request and returns the response, which must have status 200.
pub(super) fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    let exchange = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    let response = exchange().map_err(|error: std::io::Error| format!("GET {path}: {error}"))?;
    match response.starts_with("HTTP/1.1 200") {
        true => Ok(response),
        false => Err(format!(
            "GET {path}: {}",
            response.lines().next().unwrap_or_default()
        )),
    }
}

/// Returns the metrics of each camera.
pub(super) fn metrics(address: SocketAddr) -> Result<BTreeMap<String, CameraMetrics>, String> {
    get(address, "/metrics").map(|text| parse(&text))
}

fn parse(text: &str) -> BTreeMap<String, CameraMetrics> {
    let mut cameras = BTreeMap::<_, CameraMetrics>::new();
    for line in text.lines() {
        let Some((metric, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let Some((name, labels)) = metric.split_once('{') else {
            continue;
        };
        let camera = labels
            .split("camera=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let (Some(camera), Ok(value)) = (camera, value.trim().parse()) else {
            continue;
        };
        let camera = cameras.entry(camera.to_owned()).or_default();
        match name {
            "tutk_camera_up" => camera.up = value == 1,
            "tutk_camera_lost_frames_total" => camera.lost = value,
            "tutk_camera_frames_total" if labels.contains("kind=\"video\"") => {
                camera.frames = value
            }
            _ => {}
        }
    }
    cameras
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_metrics() {
        let text = "# TYPE tutk_camera_up gauge\n\
            tutk_camera_up{camera=\"a\"} 1\n\
            tutk_camera_frames_total{camera=\"a\",kind=\"video\"} 40\n\
            tutk_camera_frames_total{camera=\"a\",kind=\"audio\"} 7\n\
            tutk_camera_lost_frames_total{camera=\"a\"} 2\n\
            tutk_camera_up{camera=\"b\"} 0\n";
        let cameras = parse(text);
        let a = CameraMetrics {
            up: true,
            frames: 40,
            lost: 2,
        };
        assert_eq!(cameras["a"], a);
        assert_eq!(cameras["b"], CameraMetrics::default());
    }
}
