//! CPU time, context switches and allocations per viewer of one camera, for RTSP over TCP, MP4 and
//! MPEG-TS.
//!
//! `cargo bench -p tutk-serve --bench viewers -- [SECONDS] [FORMAT [VIEWERS]]`. Viewers run in a
//! process of their own, so that only the server's work is counted. The camera is simulated in the
//! server's process: its cost, and that of the session with it, is measured without viewers and
//! subtracted. A frame is one of video or audio.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a benchmark prints, and fails by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::alloc::System;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use common::{H264, camera_config, clip, loopback, settings, start_camera, tone_audio};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use tutk_runtime::tutk_session::Codec;
use tutk_runtime::tutk_simulator::{self as simulator, ClipFrame};
use tutk_serve::{Camera, HttpConfig, HttpServer, Hub, Keep, RtspConfig, RtspServer};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FORMATS: [&str; 3] = ["rtsp", "mp4", "ts"];

const VIEWERS: [usize; 3] = [1, 20, 50];

/// Video frames per second.
const FPS: u8 = 50;

/// The size of a delta frame. A key frame has four times as many bytes.
const FRAME_BYTES: usize = 10_000;

/// The resources that the server uses per second.
#[derive(Debug, Clone, Copy)]
struct Usage {
    user: Duration,
    system: Duration,
    /// Context switches because a thread had to wait.
    switches: f64,
    frames: f64,
    allocations: f64,
    allocated_bytes: f64,
}

/// A snapshot of the counters of this process.
struct Counters {
    time: Instant,
    user: Duration,
    system: Duration,
    switches: i64,
    frames: u64,
    allocations: Stats,
}

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["viewers", format, count, address] = args[..] {
        return view(format, count.parse().unwrap(), address.parse().unwrap());
    }
    let seconds = args.first().map_or(10, |seconds| seconds.parse().unwrap());
    let is_wanted = |format: &str, count: usize| {
        let count = count.to_string();
        args.get(1).is_none_or(|wanted| *wanted == format)
            && args.get(2).is_none_or(|wanted| *wanted == count)
    };
    let runs = FORMATS
        .iter()
        .flat_map(|format| VIEWERS.map(|count| (*format, count)));
    let runs: Vec<_> = runs
        .filter(|(format, count)| is_wanted(format, *count))
        .collect();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(Duration::from_secs(seconds), &runs));
}

async fn measure(time: Duration, runs: &[(&str, usize)]) {
    let mut config = camera_config(H264, FPS);
    config.clip = padded();
    config.audio = Some(tone_audio(Codec::AacAdts, 16_000, 1));
    let server = start_camera(config);
    let hub = Hub::new();
    let mut settings = settings(&server);
    settings.keep = Keep::Always;
    let front = hub.add("front", settings).unwrap();
    let rtsp = RtspServer::start(hub.clone(), RtspConfig::new(loopback()));
    let rtsp = rtsp.await.unwrap();
    let http = HttpServer::start(hub.clone(), HttpConfig::new(loopback()));
    let http = http.await.unwrap();
    front.description().await.unwrap();

    let alone = usage(&front, time).await;
    println!(
        "format viewers cpu_ms/s/viewer user_us/frame/viewer system_us/frame/viewer \
         switches/frame allocations/frame allocated_bytes/frame"
    );
    alone.print("none", 0, 1.0);
    for &(format, count) in runs {
        let address = match format {
            "rtsp" => rtsp.local_addr(),
            _ => http.local_addr(),
        };
        let mut viewers = viewers(format, count, address);
        let usage = usage(&front, time).await;
        let stats = front.stats().await;
        let missed: u64 = stats.viewers.iter().map(|viewer| viewer.missed).sum();
        if missed > 0 {
            println!("The viewers missed {missed} frames:");
        }
        usage.without(alone).print(format, count, count as f64);
        viewers.kill().unwrap();
        viewers.wait().unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

impl Usage {
    /// Subtracts what the server uses without viewers.
    fn without(self, alone: Self) -> Self {
        Self {
            user: self.user.saturating_sub(alone.user),
            system: self.system.saturating_sub(alone.system),
            switches: self.switches - alone.switches,
            frames: self.frames,
            allocations: self.allocations - alone.allocations,
            allocated_bytes: self.allocated_bytes - alone.allocated_bytes,
        }
    }

    fn print(self, format: &str, count: usize, share: f64) {
        let cpu = (self.user + self.system).as_secs_f64() * 1e3 / share;
        let per_frame = |time: Duration| time.as_secs_f64() * 1e6 / self.frames / share;
        println!(
            "{format} {count} {cpu:.3} {:.2} {:.2} {:.1} {:.1} {:.0}",
            per_frame(self.user),
            per_frame(self.system),
            self.switches / self.frames,
            self.allocations / self.frames,
            self.allocated_bytes / self.frames,
        );
    }
}

impl Counters {
    async fn now(camera: &Camera) -> Self {
        let stats = camera.stats().await;
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let duration = |time: TimeVal| {
            let seconds = Duration::from_secs(time.tv_sec().cast_unsigned());
            seconds + Duration::from_micros(time.tv_usec().cast_unsigned())
        };
        Self {
            time: Instant::now(),
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
            switches: usage.voluntary_context_switches(),
            frames: stats.video_frames + stats.audio_frames,
            allocations: ALLOCATOR.stats(),
        }
    }
}

async fn usage(camera: &Camera, time: Duration) -> Usage {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Counters::now(camera).await;
    tokio::time::sleep(time).await;
    let after = Counters::now(camera).await;
    let seconds = (after.time - before.time).as_secs_f64();
    let allocated = after.allocations - before.allocations;
    let moved = allocated.bytes_reallocated.max(0).cast_unsigned();
    Usage {
        user: (after.user - before.user).div_f64(seconds),
        system: (after.system - before.system).div_f64(seconds),
        switches: (after.switches - before.switches) as f64 / seconds,
        frames: (after.frames - before.frames) as f64 / seconds,
        allocations: (allocated.allocations + allocated.reallocations) as f64 / seconds,
        allocated_bytes: (allocated.bytes_allocated + moved) as f64 / seconds,
    }
}

/// The clip with frames as large as those of a real camera.
fn padded() -> simulator::Clip {
    let clip = clip(H264);
    let frames = clip.units().map(|unit| {
        let (mut padded, key) = (BytesMut::from(&unit.data()[..]), unit.is_key());
        padded.put_bytes(0x55, FRAME_BYTES * if key { 4 } else { 1 });
        ClipFrame {
            data: padded.freeze(),
            key,
        }
    });
    simulator::Clip::new(frames, Codec::H264, FPS).unwrap()
}

/// Starts viewers in a process of their own, and waits until all of them receive.
fn viewers(format: &str, count: usize, address: SocketAddr) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["viewers", format, &count.to_string(), &address.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = child.stdout.as_mut().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

/// The process of the viewers. It never returns. It reads all connections in turns: the system
/// would count it as work of the server to wake viewers that wait.
fn view(format: &str, count: usize, address: SocketAddr) {
    let mut streams: Vec<TcpStream> = (0..count).map(|_| start(format, address)).collect();
    println!("ready");
    for stream in &streams {
        stream.set_nonblocking(true).unwrap();
    }
    let mut buffer = vec![0; 256 << 10];
    loop {
        std::thread::sleep(Duration::from_millis(10));
        for stream in &mut streams {
            match stream.read(&mut buffer) {
                Ok(0) => panic!("the connection was closed"),
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
    }
}

fn start(format: &str, address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    if format != "rtsp" {
        let request = format!("GET /front/stream.{format} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        assert!(head(&mut stream).starts_with("HTTP/1.1 200"));
        return stream;
    }
    let url = format!("rtsp://{address}/front");
    let mut session = String::new();
    for (at, method, path, header) in [
        (
            1,
            "SETUP",
            "/trackID=0",
            "Transport: RTP/AVP/TCP;unicast\r\n",
        ),
        (
            2,
            "SETUP",
            "/trackID=1",
            "Transport: RTP/AVP/TCP;unicast\r\n",
        ),
        (3, "PLAY", "", ""),
    ] {
        let request =
            format!("{method} {url}{path} RTSP/1.0\r\nCSeq: {at}\r\n{session}{header}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let answer = head(&mut stream);
        assert!(answer.starts_with("RTSP/1.0 200"), "{answer}");
        let id = answer
            .lines()
            .find_map(|line| line.strip_prefix("Session: "));
        let id = id.and_then(|id| id.split(';').next()).unwrap();
        session = format!("Session: {id}\r\n");
    }
    stream
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
