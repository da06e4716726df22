//! The process `tutk serve`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::camera::Camera;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::process::{self, Log};
use crate::{Result, Segments};

/// The account of the viewers.
pub const USER: &str = "soak";
pub const PASSWORD: &str = "correct horse";

/// The time in which the program must start, reload its configuration, or end.
const LIMIT: Duration = Duration::from_secs(30);

/// A running `tutk serve`.
#[derive(Debug)]
pub struct Service {
    child: Child,
    pub log: Log,
    config: PathBuf,
    /// For example `http://127.0.0.1:41833/`.
    pub http: String,
    /// For example `rtsp://127.0.0.1:38145/`.
    pub rtsp: String,
}

/// What the configuration contains besides the recorded cameras.
#[derive(Debug, Clone, Copy)]
pub struct Extras<'a> {
    pub disk: &'a Disk,
    pub segments: Segments,
    /// The camera that is not always there.
    pub guest: Option<&'a Camera>,
}

impl Service {
    /// Starts the program, and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(
        program: &Path,
        folder: &Path,
        cameras: &[Arc<Camera>],
        extras: Extras<'_>,
        clock: Option<&Clock>,
    ) -> Result<Self> {
        let config = folder.join("cameras.toml");
        write(&config, &text(cameras, extras))?;
        let mut command = extras.disk.command(program);
        command.args(["serve", "--config"]).arg(&config);
        process::clean(&mut command);
        if let Some(clock) = clock {
            clock.apply(&mut command);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Log::default();
        let mut file = fs::File::create(folder.join("serve.log"))?;
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for line in BufReader::new(stderr)
                    .lines()
                    .map_while(std::result::Result::ok)
                {
                    // For a person who looks for the cause of a failure.
                    let _ = writeln!(file, "{line}");
                    process::remember(&log, line);
                }
            });
        }
        let mut service = Self {
            child,
            log,
            config,
            http: String::new(),
            rtsp: String::new(),
        };
        service.http = service.address("http://")?;
        service.rtsp = service.address("rtsp://")?;
        Ok(service)
    }

    fn address(&self, scheme: &str) -> Result<String> {
        let line = process::wait_for(&self.log, 0, scheme, LIMIT)?;
        let rest = line.split_once(scheme).map_or("", |(_, rest)| rest);
        let host = rest.split(['/', ' ']).next().unwrap_or(rest);
        Ok(format!("{scheme}{host}/"))
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the status if the program has ended.
    #[must_use]
    pub fn has_ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(status.to_string())
    }

    /// Writes the configuration, reloads it, and waits for a line of the log.
    ///
    /// # Errors
    /// The line does not appear.
    pub fn reload(&self, cameras: &[Arc<Camera>], extras: Extras<'_>, line: &str) -> Result<()> {
        write(&self.config, &text(cameras, extras))?;
        self.hang_up(line)
    }

    /// Reloads a configuration with an error, which must not have an effect.
    ///
    /// # Errors
    /// The error is not reported.
    pub fn reload_mistake(&self) -> Result<()> {
        let before = fs::read_to_string(&self.config)?;
        write(
            &self.config,
            &before.replace("[serve]", "[serve]\nlinger = \"soon\""),
        )?;
        let reported = self.hang_up("previous configuration stays in effect");
        write(&self.config, &before)?;
        reported
    }

    fn hang_up(&self, line: &str) -> Result<()> {
        let from = crate::lock(&self.log).count;
        process::signal(&self.child, Signal::SIGHUP)?;
        process::wait_for(&self.log, from, line, LIMIT).map(|_| ())
    }

    /// Stops the program.
    ///
    /// # Errors
    /// The program does not end, or with a failure.
    pub fn stop(mut self) -> Result<()> {
        process::signal(&self.child, Signal::SIGTERM)?;
        let status = process::wait(&mut self.child, LIMIT)?;
        match status.success() {
            true => Ok(()),
            false => Err(format!(
                "tutk serve ended with {status}: {}",
                process::tail(&self.log)
            )
            .into()),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended, unless there was an error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the configuration.
fn text(cameras: &[Arc<Camera>], extras: Extras<'_>) -> String {
    let Segments { length, max_size } = extras.segments;
    let mut text = format!(
        "[serve]\nrtsp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nconnect = \"always\"\n\
         [users]\n{USER} = \"{PASSWORD}\"\n\
         [record]\npath = \"{}/{{camera}}/%Y-%m-%d/%H-%M-%S.mp4\"\n\
         segment = \"{}s\"\nmax_size = \"{max_size}\"\n",
        extras.disk.recordings().display(),
        length.as_secs(),
    );
    for camera in cameras {
        text += &table(camera, "record = true\n");
    }
    text += &extras
        .guest
        .map(|guest| table(guest, ""))
        .unwrap_or_default();
    text
}

fn table(camera: &Camera, more: &str) -> String {
    let model = camera.model;
    let (name, config) = (model.name, model.config);
    format!(
        "[cameras.{name}]\nurl = \"{}\"\n{config}{more}",
        camera.configured_url()
    )
}

/// Writes a file that only its owner can read, as it contains keys.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)?.write_all(text.as_bytes())?;
    Ok(())
}
