//! Many viewers of one camera.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use super::cameras::{HTTP_PORT, RTSP_PORT, serve, simulate, wait_for_cameras};
use super::child::Process;
use super::viewer::{self, Viewer};
use super::{Files, Plan};

/// The RTSP server of GStreamer, with the same video. The interpreter is that of Debian's package.
const GST_SERVER: &str = include_str!("gst_server.py");
const PYTHON: &str = "/usr/bin/python3";
const GST_PORT: u16 = 19_555;

const SETTLE: Duration = Duration::from_secs(3);

/// The CPU time of a server.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// CPU seconds per second.
    cpu: f64,
    /// Frames per second that all viewers got.
    frames: f64,
    memory: u64,
}

/// Measures all numbers of viewers, and returns the table.
pub(super) fn measure(plan: &Plan, files: &Files) -> Result<String, String> {
    raise_limit(plan.viewers.iter().max().copied().unwrap_or(0) as u64 + 100)?;
    let has_gst = has_gst_server();
    let mut rows = Vec::new();
    for &count in &plan.viewers {
        println!("{count} viewers");
        let own = tutk(plan, files, count)?;
        let gst = has_gst.then(|| gst(plan, files, count)).transpose()?;
        rows.push((count, own, gst));
    }
    Ok(table(&rows, has_gst))
}

fn tutk(plan: &Plan, files: &Files, count: usize) -> Result<Cost, String> {
    let (_simulator, tables) = simulate(files, 1, Ipv4Addr::LOCALHOST, &[])?;
    let [rtsp, http] =
        [RTSP_PORT, HTTP_PORT].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let config = format!(
        "[serve]\nrtsp = \"{rtsp}\"\nhttp = \"{http}\"\nconnect = \"always\"\n\
        max_rtsp_viewers = {}\n{tables}",
        count.max(1)
    );
    let mut server = serve(files, "serve", &config, &[])?;
    wait_for_cameras(&mut server, http, 1)?;
    cost(plan, &mut server, rtsp, "/camera0000", count)
}

fn gst(plan: &Plan, files: &Files, count: usize) -> Result<Cost, String> {
    let script = files.file("gst_server.py");
    std::fs::write(&script, GST_SERVER).map_err(|error| error.to_string())?;
    let mut command = Command::new(PYTHON);
    command
        .arg(script)
        .arg(GST_PORT.to_string())
        .arg(&files.clip);
    let mut server = Process::start(command, &files.file("gst.log"))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, GST_PORT));
    let is_up = || std::net::TcpStream::connect(address).is_ok();
    server.wait_until(Duration::from_secs(10), "listening", is_up)?;
    cost(plan, &mut server, address, "/camera", count)
}

/// Plays with this many viewers, and measures the server.
fn cost(
    plan: &Plan,
    server: &mut Process,
    address: SocketAddr,
    path: &str,
    count: usize,
) -> Result<Cost, String> {
    // Read while others start: a server may wait for a viewer that does not read.
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Ordering::Relaxed);
    let mut readers = Vec::new();
    let mut left = count;
    while left > 0 {
        let batch = left.min(50);
        left -= batch;
        let viewers = (0..batch).map(|_| Viewer::play(address, path));
        let mut viewers = viewers.collect::<Result<Vec<_>, _>>()?;
        readers.push(thread::spawn(move || viewer::read_all(&mut viewers, &STOP)));
    }
    sleep(SETTLE);
    viewer::FRAMES.store(0, Ordering::Relaxed);
    let before = server.cpu_time()?;
    sleep(plan.time);
    let after = server.cpu_time()?;
    let frames = viewer::FRAMES.load(Ordering::Relaxed);
    let memory = server.memory()?;
    STOP.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().map_err(|_| "a viewer panicked")??;
    }
    Ok(Cost {
        cpu: after.since(before),
        frames: frames as f64 / (after.at - before.at).as_secs_f64(),
        memory,
    })
}

fn table(rows: &[(usize, Cost, Option<Cost>)], has_gst: bool) -> String {
    let mut table = String::from(
        "### Viewers of one camera\n\n\
        RTSP viewers, interleaved in TCP, read in turns every 10 ms in another process. The CPU time \
        per frame and viewer is that of the whole server, with the session with the camera, divided \
        by the frames that all viewers got. gst-rtsp-server, with a shared media of the same video \
        from a file, was measured in turn on the same machine.\n\n\
        | viewers | tutk, µs per frame and viewer | gst-rtsp-server, µs | tutk, frames/s per viewer | gst-rtsp-server | tutk, MB | gst-rtsp-server, MB |\n\
        |--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for (count, own, gst) in rows {
        let each = |value: &dyn Fn(&Cost) -> String| {
            let gst = gst.as_ref().map_or_else(|| "–".to_owned(), value);
            format!("{} | {gst}", value(own))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {count} | {} | {} | {} |",
            each(&|cost| format!("{:.1}", cost.cpu / cost.frames.max(1e-9) * 1e6)),
            each(&|cost| format!("{:.1}", cost.frames / *count as f64)),
            each(&|cost| format!("{:.0}", cost.memory as f64 / 1e6)),
        );
    }
    if !has_gst {
        table.push_str("\ngst-rtsp-server was not measured: gir1.2-gst-rtsp-server-1.0 and python3-gi are not installed.\n");
    }
    table
}

fn has_gst_server() -> bool {
    let imports = "import gi; gi.require_version('GstRtspServer', '1.0'); \
        from gi.repository import GstRtspServer";
    let status = Command::new(PYTHON).args(["-c", imports]).status();
    status.is_ok_and(|status| status.success()) && Path::new(PYTHON).exists()
}

/// Allows this process so many open files.
#[cfg(unix)]
fn raise_limit(files: u64) -> Result<(), String> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raise = || {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, soft.max(files), hard)
    };
    raise().map_err(|error| format!("cannot raise the limit of open files to {files}: {error}"))
}

#[cfg(not(unix))]
fn raise_limit(_: u64) -> Result<(), String> {
    Ok(())
}
