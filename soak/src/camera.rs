//! Simulated cameras, each a process of `tutk simulate`, and the time in which they can be
//! recorded.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::process::{self, Log};
use crate::schedule::Kind;
use crate::{Result, lock};

/// The frame rate of every camera.
pub const FPS: u64 = 20;

const ENR: &str = "aKzd+ckq/8HUHF&5";
const MAC: &str = "AABBCCDDEEFF";

/// The time in which a camera must start.
const START: Duration = Duration::from_secs(30);

/// What a camera is.
#[derive(Debug, Clone, Copy)]
pub struct Model {
    pub name: &'static str,
    pub dialect: &'static str,
    pub personality: &'static str,
    pub audio: &'static str,
    /// The video has this codec.
    pub h265: bool,
    /// Its packets are lost and reordered from the start.
    pub lossy: bool,
    /// Further lines of its configuration.
    pub config: &'static str,
}

/// The recorded cameras. Faults of one camera hit all but the last one, which only moves.
pub const MODELS: [Model; 5] = [
    Model {
        name: "porch",
        dialect: "transcode",
        personality: "strict",
        audio: "pcmu",
        h265: false,
        lossy: false,
        config: "",
    },
    Model {
        name: "yard",
        dialect: "cc51",
        personality: "foreign-tags",
        audio: "aac",
        h265: true,
        lossy: false,
        config: "",
    },
    Model {
        name: "hall",
        dialect: "summary",
        personality: "wrong-clock",
        audio: "pcma",
        h265: false,
        lossy: false,
        config: "dialect = \"summary\"\nset_clock = true\n",
    },
    Model {
        name: "garage",
        dialect: "transcode",
        personality: "random",
        audio: "aac",
        h265: true,
        lossy: true,
        config: "resend = \"on\"\n",
    },
    Model {
        name: "gate",
        dialect: "transcode",
        personality: "shared-numbers",
        audio: "none",
        h265: false,
        lossy: false,
        config: "",
    },
];

/// The camera that is added and removed. It is not recorded.
pub const GUEST: Model = Model {
    name: "shed",
    dialect: "transcode",
    personality: "message-ids",
    audio: "pcm",
    h265: false,
    lossy: false,
    config: "",
};

/// A simulated camera.
#[derive(Debug)]
pub struct Camera {
    pub model: Model,
    program: PathBuf,
    /// An H.265 stream.
    clip: PathBuf,
    number: usize,
    seed: u64,
    log: Log,
    process: Mutex<Process>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Process {
    child: Option<Child>,
    /// IP address and port.
    address: String,
    url: String,
    /// The URL in the configuration.
    configured: String,
}

/// The time in which the camera can be recorded.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The number of reasons why it cannot be recorded.
    obstacles: u32,
    /// The start of the current time without obstacles.
    since: Instant,
    /// The kind of the last obstacle.
    cause: Option<Kind>,
    /// The length of all earlier times without obstacles.
    total: Duration,
}

impl Camera {
    /// A camera that is not started.
    #[must_use]
    pub fn new(model: Model, number: usize, seed: u64, program: &Path, clip: &Path) -> Self {
        let address = match number {
            // The camera that moves.
            4 => "127.0.0.10:0".to_owned(),
            _ => "127.0.0.1:0".to_owned(),
        };
        Self {
            model,
            program: program.to_owned(),
            clip: clip.to_owned(),
            number,
            seed,
            log: Log::default(),
            process: Mutex::new(Process {
                child: None,
                address,
                url: String::new(),
                configured: String::new(),
            }),
            state: Mutex::new(State {
                obstacles: 1,
                since: Instant::now(),
                cause: None,
                total: Duration::ZERO,
            }),
        }
    }

    /// Starts the process at the last address, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, lossy: bool) -> Result<()> {
        let mut process = lock(&self.process);
        let uid = format!("SOAKCAMERA00000000{:02}", self.number);
        let mut command = Command::new(&self.program);
        command
            .args(["simulate", "--listen", &process.address, "--uid", &uid])
            .args(["--enr", ENR, "--mac", MAC])
            .args(["--dialect", self.model.dialect])
            .args(["--personality", self.model.personality])
            .args(["--audio", self.model.audio])
            .args(["--seed", &self.seed.to_string()])
            .args(["--fps", &FPS.to_string()]);
        if self.model.h265 {
            command.arg("--input").arg(&self.clip);
        }
        if lossy || self.model.lossy {
            command.args(["--loss", "0.01", "--reorder", "0.02"]);
        }
        let mut child = process::clean(&mut command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, urls) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&self.log);
            thread::spawn(move || {
                for line in BufReader::new(stderr)
                    .lines()
                    .map_while(std::result::Result::ok)
                {
                    if let Some(at) = line.find("wyze://") {
                        let _ = sender.send(line[at..].to_owned());
                    }
                    process::remember(&log, line);
                }
            });
        }
        process.child = Some(child);
        let name = self.model.name;
        process.url = urls
            .recv_timeout(START)
            .map_err(|_| format!("{name} does not start: {}", process::tail(&self.log)))?;
        let rest = process.url.trim_start_matches("wyze://");
        process.address = rest.split('?').next().unwrap_or(rest).to_owned();
        if process.configured.is_empty() {
            process.configured = process.url.clone();
        }
        Ok(())
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// There is no such process.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        match &lock(&self.process).child {
            Some(child) => process::signal(child, signal),
            None => Err(format!("{} does not run", self.model.name).into()),
        }
    }

    /// Kills the process, or stops it with SIGINT.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&self, clean: bool) -> Result<()> {
        let Some(mut child) = lock(&self.process).child.take() else {
            return Ok(());
        };
        match clean {
            true => process::signal(&child, Signal::SIGINT)?,
            false => child.kill()?,
        }
        process::wait(&mut child, START).map(|_| ())
    }

    /// Selects a free port for the next start.
    pub fn change_port(&self) {
        let address = &mut lock(&self.process).address;
        let ip = address.split(':').next().unwrap_or_default();
        *address = format!("{ip}:0");
    }

    /// Selects the next address of the loopback interface for the next start, and the same port.
    pub fn change_host(&self) {
        let address = &mut lock(&self.process).address;
        let Some((ip, port)) = address.split_once(':') else {
            return;
        };
        let last = ip.rsplit('.').next().and_then(|last| last.parse().ok());
        let last: u8 = last.map_or(10, |last: u8| if last > 100 { 10 } else { last + 1 });
        *address = format!("127.0.0.{last}:{port}");
    }

    /// Puts the current address into the configuration.
    pub fn configure(&self) {
        let process = &mut *lock(&self.process);
        process.configured.clone_from(&process.url);
    }

    /// Returns the URL in the configuration.
    #[must_use]
    pub fn configured_url(&self) -> String {
        lock(&self.process).configured.clone()
    }

    /// Adds a reason why the camera cannot be recorded.
    pub fn add_obstacle(&self, cause: Kind) {
        let state = &mut *lock(&self.state);
        if state.obstacles == 0 {
            state.total += state.since.elapsed();
        }
        state.obstacles += 1;
        state.cause = Some(cause);
    }

    /// Removes a reason why the camera cannot be recorded.
    pub fn remove_obstacle(&self) {
        let mut state = lock(&self.state);
        state.obstacles = state.obstacles.saturating_sub(1);
        state.since = Instant::now();
    }

    /// Returns since when the camera can be recorded, and what prevented it before. `None` if it
    /// cannot be recorded.
    #[must_use]
    pub fn available_since(&self) -> Option<(Instant, Option<Kind>)> {
        let state = *lock(&self.state);
        (state.obstacles == 0).then_some((state.since, state.cause))
    }

    /// Returns for how long the camera could be recorded.
    #[must_use]
    pub fn available(&self) -> Duration {
        let state = *lock(&self.state);
        match state.obstacles {
            0 => state.total + state.since.elapsed(),
            _ => state.total,
        }
    }

    /// Returns the lines of its log that report a panic.
    #[must_use]
    pub fn panics(&self) -> Vec<String> {
        process::panics(&self.log)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.stop(false);
    }
}
