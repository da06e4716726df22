//! CPU time, allocations and allocated bytes per viewer of one camera, for RTSP over TCP, MP4 and
//! MPEG-TS.
//!
//! `cargo bench -p tutk-serve --bench viewers [SECONDS]`. Viewers run in a process of their own, so
//! that only the server's work is counted. The camera is simulated in the server's process: its
//! cost, and that of the session with it, is measured without viewers and subtracted.
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
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use common::{H264, camera_config, clip, loopback, settings, start_camera, tone_audio};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
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

/// The work of the server over a measured time.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// CPU time per second.
    cpu: Duration,
    /// Per frame of video or audio.
    allocations: f64,
    allocated_bytes: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, format, count, address] = &args[..]
        && role == "viewers"
    {
        return view(format, count.parse().unwrap(), address.parse().unwrap());
    }
    let seconds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(10);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(Duration::from_secs(seconds)));
}

async fn measure(time: Duration) {
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

    let alone = work(&front, time).await;
    println!("format viewers cpu_ms/s/viewer allocations/frame allocated_bytes/frame");
    println!(
        "none 0 {:.2} {:.1} {:.0}",
        millis(alone.cpu),
        alone.allocations,
        alone.allocated_bytes
    );
    for format in FORMATS {
        for count in VIEWERS {
            let address = match format {
                "rtsp" => rtsp.local_addr(),
                _ => http.local_addr(),
            };
            let mut viewers = viewers(format, count, address);
            let work = work(&front, time).await;
            let stats = front.stats().await;
            let missed = stats
                .viewers
                .iter()
                .map(|viewer| viewer.missed)
                .sum::<u64>();
            println!(
                "{format} {count} {:.3} {:.1} {:.0}{}",
                millis(work.cpu.saturating_sub(alone.cpu)) / count as f64,
                work.allocations - alone.allocations,
                work.allocated_bytes - alone.allocated_bytes,
                if missed > 0 {
                    format!(" ({missed} frames missed)")
                } else {
                    String::new()
                },
            );
            viewers.kill().unwrap();
            viewers.wait().unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

async fn work(camera: &Camera, time: Duration) -> Work {
    let frames = async || {
        let stats = camera.stats().await;
        (stats.video_frames + stats.audio_frames) as f64
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (first, start, before) = (frames().await, cpu(), ALLOCATOR.stats());
    tokio::time::sleep(time).await;
    let (last, end, after) = (frames().await, cpu(), ALLOCATOR.stats());
    let change = after - before;
    let moved = change.bytes_reallocated.max(0).cast_unsigned();
    Work {
        cpu: (end - start).div_f64(time.as_secs_f64()),
        allocations: (change.allocations + change.reallocations) as f64 / (last - first),
        allocated_bytes: (change.bytes_allocated + moved) as f64 / (last - first),
    }
}

/// The CPU time of all threads of this process.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let times = tasks.map(|task| {
        let path = task.unwrap().path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap();
        text.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(times.sum())
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

/// The process of the viewers. They never return.
fn view(format: &str, count: usize, address: SocketAddr) {
    let streams: Vec<TcpStream> = (0..count).map(|_| start(format, address)).collect();
    println!("ready");
    let threads: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 << 10];
                while stream.read(&mut buffer).unwrap() > 0 {}
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
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
