//! Child processes: signals, the end, and the log.

use std::collections::VecDeque;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::{Result, lock};

/// The number of lines that are kept.
const KEPT: usize = 400;

const POLL: Duration = Duration::from_millis(20);

/// The lines of standard error.
#[derive(Debug, Default)]
pub struct Lines {
    last: VecDeque<String>,
    /// The number of all lines.
    pub count: u64,
    /// The number of lines that report that a recording failed.
    pub failed_recordings: u64,
    panics: Vec<String>,
}

/// The lines of standard error, which a thread adds.
pub type Log = Arc<Mutex<Lines>>;

/// Removes the user's settings from the environment.
pub fn clean(command: &mut Command) -> &mut Command {
    command
        .env_remove("TUTK_ENR")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("TZ", "UTC")
}

/// Adds a line.
pub fn remember(log: &Log, line: String) {
    let mut log = lock(log);
    if line.contains("panicked") {
        log.panics.push(line.clone());
    }
    log.failed_recordings += u64::from(line.contains("is not recorded"));
    if log.last.len() == KEPT {
        log.last.pop_front();
    }
    log.last.push_back(line);
    log.count += 1;
}

/// Returns the last lines.
#[must_use]
pub fn tail(log: &Log) -> String {
    let log = lock(log);
    let skipped = log.last.len().saturating_sub(40);
    let lines: Vec<_> = log.last.iter().skip(skipped).map(String::as_str).collect();
    lines.join("\n")
}

/// Returns the lines that report a panic.
#[must_use]
pub fn panics(log: &Log) -> Vec<String> {
    lock(log).panics.clone()
}

/// Waits for a line that contains `text` after the first `from` lines, and returns it.
///
/// # Errors
/// There is no such line within `limit`.
pub fn wait_for(log: &Log, from: u64, text: &str, limit: Duration) -> Result<String> {
    let begun = Instant::now();
    loop {
        {
            let log = lock(log);
            let first = log.count.saturating_sub(log.last.len() as u64);
            let new = (first..)
                .zip(&log.last)
                .filter(|(number, _)| *number >= from);
            let mut new = new.map(|(_, line)| line);
            if let Some(line) = new.find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
        }
        if begun.elapsed() > limit {
            return Err(format!("no line with {text:?} in the log:\n{}", tail(log)).into());
        }
        thread::sleep(POLL);
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// There is no such process.
pub fn signal(child: &Child, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(child.id().try_into()?);
    signal::kill(pid, signal)?;
    Ok(())
}

/// Waits until a process ends.
///
/// # Errors
/// It does not end within `limit`, and was killed.
pub fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(format!("a process did not end within {} s", limit.as_secs()).into());
        }
        thread::sleep(POLL);
    }
}
