//! Measured processes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A process, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    name: String,
}

/// The CPU time of a process at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct CpuTime {
    pub(super) at: Instant,
    pub(super) used: Duration,
}

impl Process {
    /// Starts a program with its errors in a file of this name.
    pub(super) fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let name = format!("{} ({})", command.get_program().display(), log.display());
        let file = fs::File::create(log).map_err(|error| format!("{name}: {error}"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let child = command
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { child, name })
    }

    /// Returns an error if the process has ended.
    pub(super) fn check(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("{} has ended: {ended:?}", self.name)),
        }
    }

    /// Waits until `done`, for at most `limit`.
    pub(super) fn wait_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut done: impl FnMut() -> bool,
    ) -> Result<(), String> {
        let end = Instant::now() + limit;
        while !done() {
            self.check()?;
            if Instant::now() > end {
                return Err(format!("{}: not {what} in {limit:?}", self.name));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Returns the CPU time of all threads that still run, in user and system mode.
    pub(super) fn cpu_time(&self) -> Result<CpuTime, String> {
        let threads = format!("/proc/{}/task", self.child.id());
        let read = || {
            let mut nanoseconds = 0;
            for thread in fs::read_dir(&threads)? {
                // A thread can end meanwhile.
                let file = thread?.path().join("schedstat");
                let text = fs::read_to_string(file).unwrap_or_default();
                let time = text.split_whitespace().next();
                nanoseconds += time.and_then(|time| time.parse::<u64>().ok()).unwrap_or(0);
            }
            Ok(Duration::from_nanos(nanoseconds))
        };
        let used = read().map_err(|error: std::io::Error| format!("{threads}: {error}"))?;
        Ok(CpuTime {
            at: Instant::now(),
            used,
        })
    }

    /// Returns the resident memory in bytes.
    pub(super) fn memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes << 10)
            .ok_or(format!("{path}: no VmRSS"))
    }

    /// Sends a signal.
    pub(super) fn signal(&self, name: &str) {
        // The process may have ended.
        let _ = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
    }
}

impl CpuTime {
    /// Returns the CPU seconds per second since another measurement.
    pub(super) fn since(self, before: Self) -> f64 {
        let used = self.used.saturating_sub(before.used);
        used.as_secs_f64() / (self.at - before.at).as_secs_f64()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("-TERM");
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
