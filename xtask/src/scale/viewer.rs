//! RTSP viewers over TCP.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The UUID of the SEI message with the time of sending (`tutk_simulator::SEND_TIME_UUID`).
const SEND_TIME_UUID: &[u8] = b"tutk-sent-at-us:";

/// The time between turns of reading all connections, so that waking the viewers is not counted as
/// work of the server.
const TURN: Duration = Duration::from_millis(10);

/// A connection that plays.
#[derive(Debug)]
pub(super) struct Viewer {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the current frame was sent.
    sent: Option<Duration>,
    /// The number of complete frames.
    frames: u64,
    /// The times from the start of sending to the receipt of the last packet.
    latencies: Vec<Duration>,
}

impl Viewer {
    /// Plays the video of a camera: `DESCRIBE`, `SETUP`, `PLAY`.
    pub(super) fn play(address: SocketAddr, path: &str) -> Result<Self, String> {
        let mut stream = connect(address)?;
        let url = format!("rtsp://{address}{path}");
        let description = request(&mut stream, "DESCRIBE", &url, "")?;
        let mut control = description
            .lines()
            .filter_map(|line| line.strip_prefix("a=control:"));
        let control = control
            .next_back()
            .ok_or("no track in the description")?
            .trim();
        let base = description
            .lines()
            .find_map(|line| line.strip_prefix("Content-Base: "));
        let base = base.unwrap_or(&url).trim().trim_end_matches('/');
        let track = match control.starts_with("rtsp:") {
            true => control.to_owned(),
            false => format!("{base}/{control}"),
        };
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        let response = request(&mut stream, "SETUP", &track, transport)?;
        let session = response
            .lines()
            .find_map(|line| line.strip_prefix("Session: "));
        let session = session
            .and_then(|id| id.split(';').next())
            .ok_or("no session")?;
        request(
            &mut stream,
            "PLAY",
            base,
            &format!("Session: {}\r\n", session.trim()),
        )?;
        Ok(Self {
            stream,
            received: Vec::new(),
            sent: None,
            frames: 0,
            latencies: Vec::new(),
        })
    }

    /// Reads once. Returns `false` if there is nothing to read.
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool, String> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err("the server closed the connection of a viewer".to_owned()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) => return Err(format!("viewer: {error}")),
        };
        self.received
            .extend_from_slice(buffer.get(..count).unwrap_or_default());
        let mut at = 0;
        while let Some([b'$', channel, high, low]) =
            self.received.get(at..).and_then(<[u8]>::first_chunk)
        {
            let end = at + 4 + usize::from(u16::from_be_bytes([*high, *low]));
            let Some(packet) = self.received.get(at + 4..end) else {
                break;
            };
            if *channel == 0 {
                let marker = packet.get(1).is_some_and(|byte| byte & 0x80 != 0);
                self.sent = send_time(packet).or(self.sent);
                if marker {
                    self.frames += 1;
                    if let Some(sent) = self.sent.take() {
                        self.latencies.push(now().saturating_sub(sent));
                    }
                }
            }
            at = end;
        }
        self.received.drain(..at);
        Ok(true)
    }
}

/// A thread that returns the latencies of the frames of a viewer.
pub(super) type Latencies = JoinHandle<Result<Vec<Duration>, String>>;

/// Plays cameras until `stop`, each in a thread of its own. Returns the latencies of their frames.
pub(super) fn latencies(
    address: SocketAddr,
    paths: Vec<String>,
    stop: &'static AtomicBool,
) -> Result<Vec<Latencies>, String> {
    let play = |path: String| {
        let mut viewer = Viewer::play(address, &path)?;
        let timeout = Some(Duration::from_millis(200));
        viewer
            .stream
            .set_read_timeout(timeout)
            .map_err(|error| error.to_string())?;
        Ok(thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            // The first frames are those of the GOP buffer.
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                viewer.read(&mut buffer)?;
                if begun.elapsed() < Duration::from_secs(2) {
                    viewer.latencies.clear();
                }
            }
            Ok(viewer.latencies)
        }))
    };
    paths.into_iter().map(play).collect()
}

/// The frames that all viewers of [`read_all`] got.
pub(super) static FRAMES: AtomicU64 = AtomicU64::new(0);

/// Reads all viewers in turns until `stop`.
pub(super) fn read_all(viewers: &mut [Viewer], stop: &AtomicBool) -> Result<(), String> {
    let mut buffer = vec![0; 256 << 10];
    for viewer in &mut *viewers {
        viewer
            .stream
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
    }
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(TURN);
        for viewer in &mut *viewers {
            viewer.read(&mut buffer)?;
            FRAMES.fetch_add(viewer.frames, Ordering::Relaxed);
            viewer.frames = 0;
        }
    }
    Ok(())
}

/// Connects and describes a camera, as a new viewer does. Returns the time that it takes.
pub(super) fn answer_time(address: SocketAddr, path: &str) -> Result<Duration, String> {
    let begun = Instant::now();
    let mut stream = connect(address)?;
    request(
        &mut stream,
        "DESCRIBE",
        &format!("rtsp://{address}{path}"),
        "",
    )?;
    Ok(begun.elapsed())
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(address).and_then(|stream| {
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(stream)
    });
    connected.map_err(|error| format!("rtsp://{address}: {error}"))
}

/// Returns the response, with its body.
fn request(
    stream: &mut TcpStream,
    method: &str,
    url: &str,
    headers: &str,
) -> Result<String, String> {
    let mut exchange = || {
        let request = format!("{method} {url} RTSP/1.0\r\nCSeq: 1\r\n{headers}\r\n");
        stream.write_all(request.as_bytes())?;
        // Byte by byte, because packets follow the last response.
        let mut response = Vec::new();
        let mut byte = [0];
        while !response.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            if response.is_empty() && byte == *b"$" {
                // gst-rtsp-server sends packets before the last response.
                let mut header = [0; 3];
                stream.read_exact(&mut header)?;
                let [_, high, low] = header;
                let mut packet = vec![0; usize::from(u16::from_be_bytes([high, low]))];
                stream.read_exact(&mut packet)?;
            } else {
                response.extend(byte);
            }
        }
        let head = String::from_utf8_lossy(&response);
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        response.extend(body);
        Ok(String::from_utf8_lossy(&response).into_owned())
    };
    let response =
        exchange().map_err(|error: std::io::Error| format!("{method} {url}: {error}"))?;
    match response.starts_with("RTSP/1.0 200") {
        true => Ok(response),
        false => Err(format!(
            "{method} {url}: {}",
            response.lines().next().unwrap_or_default()
        )),
    }
}

/// Finds the time of sending in the first bytes of a packet.
fn send_time(packet: &[u8]) -> Option<Duration> {
    let start = packet.get(..packet.len().min(160))?;
    let at = start
        .windows(SEND_TIME_UUID.len())
        .position(|bytes| bytes == SEND_TIME_UUID)?;
    let digits = packet.get(at + SEND_TIME_UUID.len()..)?.get(..16)?;
    let digits = std::str::from_utf8(digits).ok()?;
    u64::from_str_radix(digits, 16)
        .ok()
        .map(Duration::from_micros)
}

fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_time_of_sending() {
        let mut packet = vec![0x80, 0x60, 0, 1];
        packet.extend_from_slice(b"\x06\x05\x20tutk-sent-at-us:0000000000001234\x80");
        assert_eq!(send_time(&packet), Some(Duration::from_micros(0x1234)));
        assert_eq!(send_time(b"tutk"), None);
        assert_eq!(send_time(&packet[..30]), None);
    }
}
