//! Ctrl-C and SIGTERM: the first one asks the program to end well, the second one ends it.

use std::io;
use std::process;
use std::time::Duration;

use tokio::sync::watch;

use crate::console::Console;
use crate::failure::{Failure, Status};

/// How long the program may take to end well. A pipe that nobody reads can hold it up for ever.
const GRACE: Duration = Duration::from_secs(5);

/// Whether somebody asked the program to end.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens for signals from now on, in a task of its own. Needs a tokio runtime.
    pub(crate) fn listen(console: Console) -> Result<Self, Failure> {
        let mut signals = Signals::new()
            .map_err(|error| Failure::other("start", format!("signals: {error}"), "try again"))?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            signals.next().await;
            // The receiver lives as long as the program has something to end.
            let _ = sender.send(true);
            if tokio::time::timeout(GRACE, signals.next()).await.is_err() {
                let what = "the output takes nothing, so it could not be completed";
                let failure = Failure::other("stream", what, "write where somebody reads");
                console.error(&failure);
            }
            process::exit(i32::from(Status::Other as u8));
        });
        Ok(Self(receiver))
    }

    /// Returns once somebody has asked. Cancel-safe.
    pub(crate) async fn requested(&mut self) {
        if self.0.wait_for(|&stop| stop).await.is_err() {
            // The task that listens has gone, with the runtime: nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }

    /// Whether somebody has asked.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// SIGHUP: the file is to be read again. Elsewhere than on Unix there is no such thing.
#[derive(Debug)]
pub(crate) struct Reload {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Reload {
    /// Listens from now on. Needs a tokio runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
                .map_err(|error| {
                    Failure::other("start", format!("signals: {error}"), "try again")
                })?,
        })
    }

    /// Returns when somebody asks. Cancel-safe.
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
