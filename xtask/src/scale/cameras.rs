//! `tutk serve` with many cameras.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::child::Process;
use super::clip::FPS;
use super::network::{self, CameraMetrics};
use super::{Files, Plan, percentile, viewer, write_private};

/// The UDP port of the first camera, and the TCP ports of `tutk serve`.
pub(super) const CAMERA_PORT: u16 = 20_000;
pub(super) const RTSP_PORT: u16 = 19_554;
pub(super) const HTTP_PORT: u16 = 19_888;

/// The number of cameras that have a viewer, whose latency is measured.
const WATCHED: usize = 10;

/// The time until all cameras send.
const START: Duration = Duration::from_secs(180);

/// The pause before the measurement.
const SETTLE: Duration = Duration::from_secs(5);

/// The requests whose time is measured, after the CPU time, and the pause between them.
const REQUESTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Cameras and server do not fit on the machine if more frames than this are missing.
const MAX_MISSING: f64 = 0.005;

/// What was measured with a number of cameras.
#[derive(Debug)]
struct Row {
    cameras: u16,
    recorded: bool,
    /// CPU seconds per second.
    server: f64,
    simulator: f64,
    memory: u64,
    /// The share of frames that did not arrive completely.
    missing: f64,
    /// Sorted.
    latencies: Vec<Duration>,
    http: Vec<Duration>,
    rtsp: Vec<Duration>,
}

/// Measures all numbers of cameras, and returns the table.
pub(super) fn measure(plan: &Plan, files: &Files) -> Result<String, String> {
    let mut rows = Vec::new();
    for recorded in [false, true] {
        for &cameras in &plan.cameras {
            println!("{cameras} cameras, recorded: {recorded}");
            rows.push(row(plan, files, cameras, recorded)?);
        }
    }
    Ok(table(&rows, plan.time))
}

/// Starts `tutk simulate` with these cameras, and waits for its configuration file.
pub(super) fn simulate(
    files: &Files,
    cameras: u16,
    ip: Ipv4Addr,
    prefix: &[&str],
) -> Result<(Process, String), String> {
    let config = files.file("simulated.toml");
    let _ = std::fs::remove_file(&config);
    let listen = SocketAddr::from((ip, CAMERA_PORT)).to_string();
    let mut command = program(files, prefix);
    command
        .args([
            "simulate",
            "--listen",
            &listen,
            "--dialect",
            "transcode",
            "--audio",
            "none",
        ])
        .args([
            "--uid",
            "TUTKSCALECAMERA10000",
            "--enr",
            "NobodysSecret000",
            "--mac",
            "02005EC00000",
        ])
        .args([
            "--cameras",
            &cameras.to_string(),
            "--fps",
            &FPS.to_string(),
            "--send-times",
        ])
        .arg("--input")
        .arg(&files.clip)
        .arg("--write-config")
        .arg(&config);
    let mut process = Process::start(command, &files.file("simulate.log"))?;
    process.wait_until(Duration::from_secs(60), "started", || config.exists())?;
    let text = std::fs::read_to_string(&config).map_err(|error| error.to_string())?;
    Ok((process, text))
}

/// The program, after a command that starts it.
pub(super) fn program(files: &Files, prefix: &[&str]) -> Command {
    match prefix {
        [] => Command::new(&files.program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&files.program);
            command
        }
    }
}

/// Starts `tutk serve` with a configuration file.
pub(super) fn serve(
    files: &Files,
    name: &str,
    config: &str,
    prefix: &[&str],
) -> Result<Process, String> {
    let path = files.file(&format!("{name}.toml"));
    write_private(&path, config)?;
    let mut command = program(files, prefix);
    command.args(["serve", "--config"]).arg(path);
    Process::start(command, &files.file(&format!("{name}.log")))
}

/// Waits until all cameras have sent a frame.
pub(super) fn wait_for_cameras(
    process: &mut Process,
    http: SocketAddr,
    cameras: usize,
) -> Result<(), String> {
    process.wait_until(START, "connected to all cameras", || {
        let metrics = network::metrics(http).unwrap_or_default();
        let up = metrics
            .values()
            .filter(|camera| camera.up && camera.frames > 0);
        up.count() == cameras
    })
}

fn row(plan: &Plan, files: &Files, cameras: u16, recorded: bool) -> Result<Row, String> {
    let (simulator, tables) = simulate(files, cameras, Ipv4Addr::LOCALHOST, &[])?;
    let [rtsp, http] =
        [RTSP_PORT, HTTP_PORT].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let recordings = files.file("recordings");
    let mut config =
        format!("[serve]\nrtsp = \"{rtsp}\"\nhttp = \"{http}\"\nconnect = \"always\"\n");
    match recorded {
        // A camera's table has a `dialect`.
        true => {
            let path = recordings.join("{camera}/%H-%M-%S.mp4");
            config += &format!("[record]\npath = \"{}\"\n", path.display());
            config += &tables.replace("dialect =", "record = true\ndialect =");
        }
        false => config += &tables,
    }
    let mut server = serve(files, "serve", &config, &[])?;
    wait_for_cameras(&mut server, http, cameras.into())?;
    sleep(SETTLE);

    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Ordering::Relaxed);
    let names: Vec<_> = (0..usize::from(cameras))
        .map(|number| format!("/camera{number:04}"))
        .collect();
    let step = names.len().div_ceil(WATCHED).max(1);
    let watched = names.iter().step_by(step).cloned().collect();
    let viewers = viewer::latencies(rtsp, watched, &STOP)?;
    sleep(SETTLE);
    let before = (metrics(http)?, server.cpu_time()?, simulator.cpu_time()?);
    sleep(plan.time);
    let memory = server.memory()?;
    let after = (metrics(http)?, server.cpu_time()?, simulator.cpu_time()?);
    let (mut http_times, mut rtsp_times) = answer_times(http, rtsp)?;
    STOP.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for viewer in viewers {
        latencies.extend(viewer.join().map_err(|_| "a viewer panicked")??);
    }
    for times in [&mut latencies, &mut http_times, &mut rtsp_times] {
        times.sort_unstable();
    }
    server.check()?;
    drop((server, simulator));
    let _ = std::fs::remove_dir_all(recordings);

    Ok(Row {
        cameras,
        recorded,
        server: after.1.since(before.1),
        simulator: after.2.since(before.2),
        memory,
        missing: missing(&before.0, &after.0),
        latencies,
        http: http_times,
        rtsp: rtsp_times,
    })
}

/// Times HTTP and RTSP requests on new connections.
fn answer_times(
    http: SocketAddr,
    rtsp: SocketAddr,
) -> Result<(Vec<Duration>, Vec<Duration>), String> {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        network::get(http, "/api/cameras/camera0000")?;
        times.0.push(begun.elapsed());
        times.1.push(viewer::answer_time(rtsp, "/camera0000")?);
        sleep(PAUSE);
    }
    Ok(times)
}

type Metrics = (Instant, BTreeMap<String, CameraMetrics>);

fn metrics(http: SocketAddr) -> Result<Metrics, String> {
    // The server reads its counters before it writes them.
    let at = Instant::now();
    network::metrics(http).map(|metrics| (at, metrics))
}

/// Returns the share of frames that did not arrive, or not completely.
fn missing((before_at, before): &Metrics, (after_at, after): &Metrics) -> f64 {
    let expected = (*after_at - *before_at).as_secs_f64() * f64::from(FPS);
    let camera = |(name, after): (&String, &CameraMetrics)| {
        let before = before.get(name).copied().unwrap_or_default();
        let arrived = after.frames.saturating_sub(before.frames);
        // A frame is in transit at each end.
        (expected - 2.0 - arrived as f64).max(0.0)
    };
    let missing: f64 = after.iter().map(camera).sum();
    missing / (expected * after.len().max(1) as f64)
}

fn table(rows: &[Row], time: Duration) -> String {
    let mut table = format!(
        "### Cameras\n\n\
        Each row was measured for {} s. The session with each camera is kept, and {WATCHED} of the \
        cameras have an RTSP viewer.\n\n\
        - CPU: milliseconds per second and camera, of `tutk serve` and of the simulator, with the \
        system calls of each.\n\
        - memory: resident, of `tutk serve`; and how much each camera adds, compared with the first row.\n\
        - missing: frames that did not arrive, or not completely.\n\
        - latency: percentiles of the time from the moment when the camera starts to send a frame, to \
        the moment when an RTSP viewer has its last byte. The camera itself takes up to 25 ms to send \
        a frame, because it sends eight packets at a time.\n\
        - HTTP, RTSP: median and 99th percentile of the time of `GET /api/cameras/NAME`, and of \
        `DESCRIBE`, each with a new connection.\n\n\
        | cameras | recorded | CPU, ms | simulator, ms | memory, MB | per camera, MB | missing | latency 50 / 95 / 99 %, ms | HTTP, ms | RTSP, ms |\n\
        |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        time.as_secs()
    );
    for row in rows {
        let first = rows.iter().find(|first| first.recorded == row.recorded);
        let per_camera = first
            .filter(|first| first.cameras < row.cameras)
            .map(|first| {
                let more = row.memory.saturating_sub(first.memory) as f64;
                more / f64::from(row.cameras - first.cameras) / 1e6
            });
        let count = f64::from(row.cameras);
        let times = |times: &[Duration], percents: &[usize]| {
            let times = percents
                .iter()
                .map(|percent| format!("{:.1}", percentile(times, *percent)));
            times.collect::<Vec<_>>().join(" / ")
        };
        let mark = if row.missing > MAX_MISSING { " *" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {}{mark} | {} | {:.2} | {:.2} | {:.0} | {} | {:.2} % | {} | {} | {} |",
            row.cameras,
            if row.recorded { "yes" } else { "no" },
            row.server * 1e3 / count,
            row.simulator * 1e3 / count,
            row.memory as f64 / 1e6,
            per_camera.map_or_else(|| "–".to_owned(), |megabytes| format!("{megabytes:.2}")),
            row.missing * 1e2,
            times(&row.latencies, &[50, 95, 99]),
            times(&row.http, &[50, 99]),
            times(&row.rtsp, &[50, 99]),
        );
    }
    table.push_str(&extrapolation(rows));
    table
}

/// Says what fits on this machine, and what is extrapolated.
fn extrapolation(rows: &[Row]) -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!(
        "\nThe machine has {cores} cores, shared by the simulator, `tutk serve`, the viewers and \
        whatever else runs.\n"
    );
    for recorded in [false, true] {
        let own = || rows.iter().filter(|row| row.recorded == recorded);
        let fits = |row: &&Row| row.missing <= MAX_MISSING;
        let Some(most) = own().filter(fits).max_by_key(|row| row.cameras) else {
            continue;
        };
        let Some(overloaded) = own().find(|row| row.cameras > most.cameras) else {
            continue;
        };
        let with = if recorded { "with" } else { "without" };
        let _ = writeln!(
            text,
            "\\* {} cameras {with} recording do not fit together with their simulator. {} do. \
            Extrapolated from these, `tutk serve` alone needs {:.2} cores for 1,000 cameras.",
            overloaded.cameras,
            most.cameras,
            most.server / f64::from(most.cameras) * 1e3,
        );
    }
    text
}

/// Splits the tables of a configuration file among this many files.
pub(super) fn shards(tables: &str, count: usize) -> Vec<String> {
    let mut shards = vec![String::new(); count];
    let cameras = tables.split("\n[cameras.").skip(1);
    for (number, camera) in cameras.enumerate() {
        if let Some(shard) = shards.get_mut(number % count.max(1)) {
            let _ = write!(shard, "\n[cameras.{camera}");
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_missing_frames() {
        let begun = Instant::now();
        let metrics = |seconds, frames: [u64; 2]| {
            let cameras = ["a", "b"].into_iter().zip(frames).map(|(name, frames)| {
                (
                    name.to_owned(),
                    CameraMetrics {
                        up: true,
                        frames,
                        lost: 0,
                    },
                )
            });
            (begun + Duration::from_secs(seconds), cameras.collect())
        };
        // 200 frames of each camera are expected.
        assert_eq!(missing(&metrics(0, [5, 5]), &metrics(10, [205, 203])), 0.0);
        let missing = missing(&metrics(0, [5, 5]), &metrics(10, [205, 163]));
        assert!((missing - 40.0 / 400.0).abs() < 1e-9, "{missing}");
    }

    #[test]
    fn cameras_are_divided_among_the_shards() {
        let tables =
            "# x\n\n[cameras.a]\nurl = 1\n\n[cameras.b]\nurl = 2\n\n[cameras.c]\nurl = 3\n";
        let shards = shards(tables, 2);
        assert_eq!(
            shards[0],
            "\n[cameras.a]\nurl = 1\n\n[cameras.c]\nurl = 3\n"
        );
        assert_eq!(shards[1], "\n[cameras.b]\nurl = 2\n");
    }
}
