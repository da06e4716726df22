//! State shared by all request handlers.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::http::StatusCode;
use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::config::{HttpConfig, HttpLimits};
use super::event_log::EventLog;
use super::login_cookies::LoginCookies;
use super::page::Page;
use super::problem::Problem;
use super::rates::Rate;
#[cfg(feature = "snapshot")]
use super::snapshot_cache::SnapshotCache;
use crate::accounts::{Accounts, User};
use crate::hub::{Camera, Hub};
use crate::listener::SHUTDOWN_TIMEOUT;

/// The state of an `HttpApp`. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct AppState(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hub: Hub,
    pub(super) accounts: Accounts,
    pub(super) names: Vec<String>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) allow_plain_auth: bool,
    pub(super) limits: HttpLimits,
    pub(super) login_cookies: LoginCookies,
    pub(super) counters: Counters,
    pub(super) events: EventLog,
    pub(super) page: Page,
    /// One permit for each stream.
    streams: Arc<Semaphore>,
    #[cfg(feature = "snapshot")]
    pub(super) snapshots: SnapshotCache,
    rates: Mutex<BTreeMap<String, Rate>>,
    /// Set when the server shuts down. Long-running responses hold a receiver until they have
    /// ended.
    shutdown: watch::Sender<bool>,
}

/// Counters since the server started.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: Counter,
    pub(super) connections_refused: Counter,
    pub(super) connections_unauthenticated: Counter,
    pub(super) viewers_refused: Counter,
    pub(super) logins_failed: Counter,
    pub(super) logins_delayed: Counter,
}

/// A counter of the metrics page.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

/// Tells a long-running response that the server shuts down. The server waits until it is dropped.
#[derive(Debug)]
pub(super) struct Shutdown(watch::Receiver<bool>);

/// Counts as one of the streams that the server allows, until dropped.
#[derive(Debug)]
pub(super) struct StreamSlot {
    _permit: OwnedSemaphorePermit,
}

impl AppState {
    pub(super) fn new(hub: Hub, config: HttpConfig) -> Self {
        let limits = config.limits.clamped();
        Self(Arc::new(Shared {
            login_cookies: LoginCookies::new(config.listen.port()),
            hub,
            accounts: config.accounts,
            names: config.names,
            trusted_proxies: config.trusted_proxies,
            allow_plain_auth: config.allow_plain_auth,
            streams: Arc::new(Semaphore::new(limits.viewers)),
            limits,
            counters: Counters::default(),
            events: EventLog::new(),
            page: Page::new(),
            #[cfg(feature = "snapshot")]
            snapshots: SnapshotCache::default(),
            rates: Mutex::default(),
            shutdown: watch::Sender::new(false),
        }))
    }

    /// Returns the cameras that the user may see, by name.
    pub(super) fn cameras(&self, user: &User) -> impl Iterator<Item = Camera> {
        let cameras = self.hub.cameras().into_iter();
        cameras.filter(|camera| user.sees(camera.name()))
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(weak: &Weak<Shared>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// Ends all long-running responses, and waits for them up to [`SHUTDOWN_TIMEOUT`].
    pub(super) async fn close(&self) {
        self.start_shutdown();
        let ended = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.shutdown.closed());
        if ended.await.is_err() {
            tracing::debug!("some HTTP clients did not close in time");
        }
    }

    pub(super) fn start_shutdown(&self) {
        self.shutdown.send_replace(true);
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        *self.shutdown.borrow()
    }

    pub(super) fn shutdown(&self) -> Shutdown {
        Shutdown(self.shutdown.subscribe())
    }

    /// Reserves one of the streams that the server allows.
    ///
    /// # Errors
    /// 503 if all are in use.
    pub(super) fn stream_slot(&self) -> Result<StreamSlot, Problem> {
        if let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() {
            return Ok(StreamSlot { _permit: permit });
        }
        self.counters.viewers_refused.inc();
        let max = self.limits.viewers;
        let error = format!("the limit of {max} viewers is reached");
        let advice = "close another viewer, or raise the limit of viewers";
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, advice).retry_after(10))
    }

    /// Returns the number of streams that are served now.
    pub(super) fn streams(&self) -> usize {
        self.limits.viewers - self.streams.available_permits()
    }

    /// Returns the recent data rate of a camera, or `None` on the first call for it.
    pub(super) fn rate(&self, camera: &str, bytes: u64, frames: u64) -> Option<Rate> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.retain(|name, _| self.hub.camera(name).is_some());
        let rate = rates.entry(camera.to_owned()).or_default();
        rate.sample(bytes, frames);
        rate.is_known().then(|| rate.clone())
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Counter {
    pub(super) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Shutdown {
    /// Waits until the server shuts down. Cancel-safe.
    pub(super) async fn started(&mut self) {
        // An error means that the server was dropped.
        let _ = self.0.wait_for(|shutdown| *shutdown).await;
    }
}
