//! Ctrl-C, SIGTERM and SIGHUP: the first signal stops the program cleanly, the second terminates
//! it.

use std::io;
use std::process;
use std::time::Duration;

use tokio::sync::watch;

use crate::console::Console;
use crate::failure::{Failure, Status};

/// The time limit for a clean stop. A pipe without a reader could block it forever.
const GRACE: Duration = Duration::from_secs(5);

/// A request to stop the program.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Starts a task that listens for signals. Must be called within a tokio runtime. SIGHUP, which
    /// a closed terminal sends, does not stop a command that `reloads`.
    pub(crate) fn listen(console: Console, reloads: bool) -> Result<Self, Failure> {
        let mut signals = Signals::new(!reloads && !ignores_hangup())
            .map_err(|error| Failure::other("start", format!("signals: {error}"), "try again"))?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            // The receivers are gone only when there is nothing left to stop.
            let _ = sender.send(true);
            // A closed terminal can send SIGHUP twice.
            signals.ignore_hangup();
            if tokio::time::timeout(GRACE, signals.next()).await.is_err() {
                let what = "the output is blocked, so the file could not be completed";
                let failure = Failure::other(
                    "stream",
                    what,
                    "write to a file, or to a pipe that is being read",
                );
                console.error(&failure);
            }
            process::exit(i32::from(Status::Other as u8));
        });
        Ok(Self(receiver))
    }

    /// Waits for the first signal. Cancel-safe.
    pub(crate) async fn requested(&mut self) {
        if self.0.wait_for(|&stop| stop).await.is_err() {
            // The listening task ended with the runtime, so no signal can arrive.
            std::future::pending::<()>().await;
        }
    }

    /// Returns `true` after the first signal.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// SIGHUP, which reloads the configuration file. Other systems than Unix have no such signal.
#[cfg(feature = "serve")]
#[derive(Debug)]
pub(crate) struct Reload {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

#[cfg(feature = "serve")]
impl Reload {
    /// Starts to listen for the signal. Must be called within a tokio runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
                .map_err(|error| {
                    Failure::other("start", format!("signals: {error}"), "try again")
                })?,
        })
    }

    /// Waits for the next signal. Cancel-safe.
    pub(crate) async fn requested(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: Option<tokio::signal::unix::Signal>,
}

/// Returns `true` if SIGHUP was ignored when the program started, as `nohup` does. It must stay so.
#[cfg(target_os = "linux")]
fn ignores_hangup() -> bool {
    // The bit of signal 1 in a mask of hexadecimal digits.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

/// Without a way to find out, SIGHUP keeps its default action.
#[cfg(not(target_os = "linux"))]
fn ignores_hangup() -> bool {
    true
}

#[cfg(unix)]
impl Signals {
    fn new(hangup: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: hangup.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    fn ignore_hangup(&mut self) {
        // The handler stays installed.
        self.hangup = None;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up(self.hangup.as_mut()) => {}
        }
    }
}

#[cfg(unix)]
async fn hung_up(hangup: Option<&mut tokio::signal::unix::Signal>) {
    match hangup {
        Some(hangup) => _ = hangup.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new(_hangup: bool) -> io::Result<Self> {
        Ok(Self)
    }

    fn ignore_hangup(&mut self) {}

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
