//! The examples, run as programs with a simulated camera on loopback. Cargo builds examples when it
//! tests the whole package.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, run processes, and drive the camera with sockets and clocks"
)]

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tutk_session::{Codec, Credentials, Dialect, Epoch, Instant, Output};
use tutk_simulator::{Clip, ClipFrame, Simulator, SimulatorConfig};

const EXAMPLES: [&str; 2] = ["blocking", "smol"];
const UID: &str = "HSBJYB5HSETGCDWD111A";
const ENR: &str = "aKzdqckqZ8HUHFe5";
const MAC: &str = "AABBCCDDEEFF";

/// A simulated camera in a thread, which stops on drop.
struct ServedCamera {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ServedCamera {
    /// Serves a clip. Each session ends after `frames` frames, if given.
    fn new(clip: Clip, frames: Option<u64>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut config = SimulatorConfig::new(Credentials::new(UID, ENR, MAC).unwrap(), clip);
        config.dialects = vec![Dialect::TRANSCODE.into()];
        config.frames = frames;
        let epoch = Epoch {
            instant: clock(),
            unix: Duration::from_secs(1_760_000_000),
        };
        let camera = Simulator::new(config, address, [1; 32], epoch).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        Self {
            address,
            stop,
            thread: Some(thread::spawn(move || drive(camera, &socket, &stopped))),
        }
    }

    fn url(&self) -> String {
        format!("wyze://{}?uid={UID}&enr={ENR}&mac={MAC}", self.address)
    }
}

impl Drop for ServedCamera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn drive(mut camera: Simulator, socket: &UdpSocket, stop: &AtomicBool) {
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let deadline = loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => {
                    socket.send_to(datagram.payload, datagram.to).unwrap();
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        let wait = deadline.duration_since(clock());
        if wait.is_zero() {
            camera.handle_timeout(clock());
            continue;
        }
        // Short, so that `stop` is noticed.
        let wait = wait.min(Duration::from_millis(50));
        socket.set_read_timeout(Some(wait)).unwrap();
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            camera.handle_datagram(clock(), from, &mut buffer[..len]);
        }
    }
}

fn clip() -> Clip {
    let mut rng = StdRng::seed_from_u64(3);
    let frames: Vec<_> = (0..25)
        .map(|index| {
            let mut data = vec![
                0;
                if index % 10 == 0 {
                    9000
                } else {
                    700 + index * 40
                }
            ];
            rng.fill_bytes(&mut data);
            ClipFrame {
                data: data.into(),
                key: index % 10 == 0,
            }
        })
        .collect();
    Clip::new(frames, Codec::H264, 50).unwrap()
}

/// The bytes of the first `count` frames of the stream.
fn stream(clip: &Clip, count: usize) -> Vec<u8> {
    let frames = clip.frames().iter().cycle().take(count);
    frames.flat_map(|frame| frame.data.to_vec()).collect()
}

fn example(name: &str) -> Command {
    // The test is target/PROFILE/deps/examples-HASH, the examples are in target/PROFILE/examples.
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is not built: run `cargo test -p tutk-session`, or `cargo build --examples` first",
        path.display()
    );
    Command::new(path)
}

#[test]
fn writes_to_standard_output() {
    let clip = clip();
    let served = ServedCamera::new(clip.clone(), None);
    for name in EXAMPLES {
        let run = example(name).args([&served.url(), "40"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{name}: {stderr}");
        // assert_eq would print all bytes.
        assert!(run.stdout == stream(&clip, 40), "{name}: wrong bytes");
        assert!(stderr.contains("authentication: "), "{name}: {stderr}");
    }
}

#[test]
fn writes_to_a_file() {
    let clip = clip();
    let served = ServedCamera::new(clip.clone(), None);
    for name in EXAMPLES {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.h264"));
        let run = example(name)
            .args([&served.url(), "11"])
            .arg(&path)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{name}: {stderr}");
        assert!(run.stdout.is_empty(), "{name}");
        let written = std::fs::read(&path).unwrap();
        assert!(written == stream(&clip, 11), "{name}: wrong bytes");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn blocking_example_reconnects() {
    let clip = clip();
    let served = ServedCamera::new(clip.clone(), Some(25));
    let run = example("blocking")
        .args([&served.url(), "40"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{stderr}");
    let expected = [stream(&clip, 25), stream(&clip, 15)].concat();
    assert!(run.stdout == expected, "wrong bytes");
    assert!(stderr.contains("next attempt in 0."), "{stderr}");
}

#[test]
fn short_example_writes_until_the_session_ends() {
    let clip = clip();
    let served = ServedCamera::new(clip.clone(), Some(11));
    let run = example("short").arg(served.url()).output().unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.stdout == stream(&clip, 11), "wrong bytes: {stderr}");
    assert!(stderr.contains("ClosedByCamera"), "{stderr}");
}

#[test]
fn mio_example_shares_a_socket_between_two_cameras() {
    let served = [clip(), clip()].map(|clip| ServedCamera::new(clip, None));
    let urls = served.each_ref().map(ServedCamera::url);
    let run = example("mio").arg("30").args(&urls).output().unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{stderr}");
    let stdout = String::from_utf8(run.stdout).unwrap();
    for url in &urls {
        assert!(
            stdout.contains(&format!("30 frames of {url}\n")),
            "{stdout}"
        );
    }
}

#[test]
fn smoltcp_example_needs_less_than_64_kib_beside_a_frame() {
    let run = example("smoltcp").output().unwrap();
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{stderr}");
    let stdout = String::from_utf8(run.stdout).unwrap();
    let (frames, heap) = stdout.split_once("\nheap of the client: ").unwrap();
    assert_eq!(frames, "60 frames");
    let heap: usize = heap.split(' ').next().unwrap().parse().unwrap();
    assert!(heap < (64 << 10) + (32 << 10), "{stdout}");
}

#[test]
fn reports_errors() {
    let url = format!("wyze://127.0.0.1:1?uid={UID}&enr={ENR}&mac={MAC}");
    for name in EXAMPLES {
        for (arguments, message) in [
            (vec![], "usage: "),
            (vec!["rtsp://camera", "1"], "begins with wyze://"),
            (vec![&url, "many"], "invalid digit"),
            (vec![&url, "1", "/nowhere/out.h264"], "No such file"),
        ] {
            let run = example(name).args(&arguments).output().unwrap();
            let stderr = String::from_utf8_lossy(&run.stderr);
            assert_eq!(run.status.code(), Some(1), "{name}: {stderr}");
            assert!(stderr.contains(message), "{name} {arguments:?}: {stderr}");
        }
    }
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
