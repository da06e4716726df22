//! Ctrl-C and SIGTERM: the first signal stops the program cleanly, the second terminates it.

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
    /// Starts a task that listens for signals. Must be called within a tokio runtime.
    pub(crate) fn listen(console: Console) -> Result<Self, Failure> {
        let mut signals = Signals::new()
            .map_err(|error| Failure::other("start", format!("signals: {error}"), "try again"))?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            // The receivers are gone only when there is nothing left to stop.
            let _ = sender.send(true);
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
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
