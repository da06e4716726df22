//! Three `tutk serve` in network namespaces of their own, which share the cameras.
//!
//! ```text
//! cameras (10.91.0.1) ─┐
//! tutk serve 10.91.0.11 ─┤
//! tutk serve 10.91.0.12 ─┼─ bridge ─ viewers, in the namespace of this program (10.91.0.254)
//! tutk serve 10.91.0.13 ─┘
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cameras::{HTTP_PORT, RTSP_PORT, serve, shards, simulate, wait_for_cameras};
use super::child::Process;
use super::{Files, Plan, network, percentile, viewer};
use crate::job::Job;

const BRIDGE: &str = "tutkscale";
const PROCESSES: usize = 3;
const CAMERAS: u16 = 90;

/// The viewers of each process.
const VIEWERS: usize = 4;

const SETTLE: Duration = Duration::from_secs(5);

/// The time until the cameras of a killed process are back.
const MOVED: Duration = Duration::from_secs(60);

/// The namespaces, which are deleted when this is dropped.
struct Namespaces;

/// Measures, and returns what was seen.
pub(super) fn measure(plan: &Plan, files: &Files) -> Result<String, String> {
    let mut text = format!(
        "### Three processes\n\n\
        {CAMERAS} cameras in a network namespace, and {PROCESSES} processes of `tutk serve` in namespaces of their \
        own, connected by a bridge. Each has a file with a third of the cameras. Then one is killed, its cameras \
        are added to the files of the other two, and these get SIGHUP.\n\n"
    );
    let Some(_namespaces) = Namespaces::create() else {
        text.push_str("Not measured: the user may not create network namespaces.\n");
        return Ok(text);
    };
    let (_simulator, tables) = simulate(
        files,
        CAMERAS,
        Ipv4Addr::new(10, 91, 0, 1),
        &netns(&name(0)),
    )?;
    let mut tables = shards(&tables, PROCESSES);
    let mut servers = Vec::new();
    for (number, tables) in tables.iter().enumerate() {
        let namespace = name(number + 1);
        servers.push(serve(
            files,
            &namespace,
            &config(number, tables),
            &netns(&namespace),
        )?);
    }
    for (number, (server, tables)) in servers.iter_mut().zip(&tables).enumerate() {
        wait_for_cameras(server, address(number, HTTP_PORT), count(tables))?;
    }
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Ordering::Relaxed);
    let mut viewers = Vec::new();
    for (number, tables) in tables.iter().enumerate().take(PROCESSES - 1) {
        let paths = names(tables).take(VIEWERS).map(|name| format!("/{name}"));
        viewers.extend(viewer::latencies(
            address(number, RTSP_PORT),
            paths.collect(),
            &STOP,
        )?);
    }
    sleep(SETTLE);
    let before: Vec<_> = servers
        .iter()
        .map(Process::cpu_time)
        .collect::<Result<_, _>>()?;
    sleep(plan.time);
    let after: Vec<_> = servers
        .iter()
        .map(Process::cpu_time)
        .collect::<Result<_, _>>()?;

    // Killed without a chance to close its sessions.
    let killed = servers.pop().ok_or("no process")?;
    let moved = tables.pop().ok_or("no cameras")?;
    killed.signal("-KILL");
    let at = Instant::now();
    for ((number, tables), more) in tables
        .iter_mut()
        .enumerate()
        .zip(shards(&moved, PROCESSES - 1))
    {
        tables.push_str(&more);
        let path = files.file(&format!("{}.toml", name(number + 1)));
        super::write_private(&path, &config(number, tables))?;
    }
    for server in &servers {
        server.signal("-HUP");
    }
    let is_back = || {
        tables.iter().enumerate().all(|(number, tables)| {
            let metrics = network::metrics(address(number, HTTP_PORT)).unwrap_or_default();
            let up = metrics
                .values()
                .filter(|camera| camera.up && camera.frames > 0);
            up.count() == count(tables)
        })
    };
    let first = servers.first_mut().ok_or("no process")?;
    first.wait_until(MOVED, "serving the moved cameras", is_back)?;
    let took = at.elapsed();
    STOP.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for viewer in viewers {
        latencies.extend(viewer.join().map_err(|_| "a viewer panicked")??);
    }
    latencies.sort_unstable();
    let all: BTreeMap<_, _> = (0..PROCESSES - 1)
        .map(|number| network::metrics(address(number, HTTP_PORT)))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    let lost: u64 = all.values().map(|camera| camera.lost).sum();

    let cpu: Vec<_> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| format!("{:.1} ms/s", after.since(*before) * 1e3))
        .collect();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "- CPU time of the processes: {}.\n\
        - Latency of {} viewers of the two processes that stay, during all of this, 50 / 95 / 99 %: {:.1} / {:.1} / {:.1} ms.\n\
        - After the third process was killed, all {} cameras were served by the other two within {:.1} s.\n\
        - Frames lost in all current sessions at the end: {lost}.\n",
        cpu.join(", "),
        VIEWERS * (PROCESSES - 1),
        percentile(&latencies, 50),
        percentile(&latencies, 95),
        percentile(&latencies, 99),
        all.len(),
        took.as_secs_f64(),
    );
    Ok(text)
}

fn config(number: usize, tables: &str) -> String {
    let [rtsp, http] = [RTSP_PORT, HTTP_PORT].map(|port| address(number, port));
    format!(
        "[serve]\nrtsp = \"{rtsp}\"\nhttp = \"{http}\"\nconnect = \"always\"\nno_auth = true\n{tables}"
    )
}

fn address(number: usize, port: u16) -> SocketAddr {
    let last = u8::try_from(11 + number).unwrap_or(u8::MAX);
    (Ipv4Addr::new(10, 91, 0, last), port).into()
}

/// The names of the cameras in a configuration file.
fn names(tables: &str) -> impl Iterator<Item = &str> {
    let tables = tables
        .lines()
        .filter_map(|line| line.strip_prefix("[cameras."));
    tables.filter_map(|name| name.strip_suffix(']'))
}

fn count(tables: &str) -> usize {
    names(tables).count()
}

/// The name of a namespace: that of the cameras, and those of the processes from 1 on.
fn name(number: usize) -> String {
    format!("{BRIDGE}{number}")
}

/// The command that runs another one in a namespace.
fn netns(namespace: &str) -> [&str; 5] {
    // `ip netns exec` replaces itself with the program, so that signals reach it.
    ["ip", "netns", "exec", namespace, "env"]
}

impl Namespaces {
    /// Returns `None` if that is not allowed.
    fn create() -> Option<Self> {
        // Left over from a run that was killed.
        drop(Self);
        let guard = Self;
        let ip = |line: &str| Job::shell_words(&format!("ip {line}")).quiet().run().ok();
        ip(&format!("link add {BRIDGE} type bridge"))?;
        ip(&format!("addr add 10.91.0.254/24 dev {BRIDGE}"))?;
        ip(&format!("link set {BRIDGE} up"))?;
        for number in 0..=PROCESSES {
            let (name, last) = (name(number), if number == 0 { 1 } else { 10 + number });
            ip(&format!("netns add {name}"))?;
            ip(&format!(
                "link add {name} type veth peer name eth0 netns {name}"
            ))?;
            ip(&format!("link set {name} master {BRIDGE} up"))?;
            ip(&format!("-n {name} addr add 10.91.0.{last}/24 dev eth0"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            ip(&format!("-n {name} link set lo up"))?;
        }
        Some(guard)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let names =
            (0..=PROCESSES).map(|number| vec!["netns".to_owned(), "del".to_owned(), name(number)]);
        let bridge = ["link", "del", BRIDGE].map(str::to_owned).to_vec();
        for args in names.chain([bridge]) {
            // It may not exist.
            let _ = Command::new("ip").args(args).stderr(Stdio::null()).status();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_file() {
        let tables = "[serve]\nrtsp = \"off\"\n[cameras.a]\nurl = 1\n[cameras.b]\n";
        assert_eq!(names(tables).collect::<Vec<_>>(), ["a", "b"]);
    }
}
