//! Tells systemd that the service is ready, alive and stopping.

use std::time::Duration;

use tokio::time::Instant;

/// The service manager that started the program, if it wants to be told.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    /// The interval of the signs of life.
    interval: Option<Duration>,
    last: Option<Instant>,
}

impl ServiceManager {
    /// Reads the environment that systemd sets.
    pub(crate) fn new() -> Self {
        Self {
            interval: watchdog().map(|limit| limit / 3),
            last: None,
        }
    }

    /// The cameras and listeners have started.
    pub(crate) fn ready(&self) {
        notify(Notice::Ready);
    }

    /// The service works. Call it at least once a second. If it stops, systemd restarts the
    /// service.
    pub(crate) fn alive(&mut self) {
        let now = Instant::now();
        let due = |interval: Duration| self.last.is_none_or(|last| now - last >= interval);
        if self.interval.is_some_and(due) {
            self.last = Some(now);
            notify(Notice::Alive);
        }
    }

    /// The service ends.
    pub(crate) fn stopping(&self) {
        notify(Notice::Stopping);
    }
}

#[derive(Debug, Clone, Copy)]
enum Notice {
    Ready,
    Alive,
    Stopping,
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(unix)]
fn notify(notice: Notice) {
    let state = match notice {
        Notice::Ready => sd_notify::NotifyState::Ready,
        Notice::Alive => sd_notify::NotifyState::Watchdog,
        Notice::Stopping => sd_notify::NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, ?notice, "cannot notify the service manager");
    }
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
fn notify(_: Notice) {}
