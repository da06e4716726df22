//! The state that a camera's sink, its viewers and its other users share.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;
use tutk_session::SupervisorEvent;

use super::description::StreamDescription;
use super::gop_buffer::{Cursor, GopBuffer, KeptLimits, MAX_LAG};
use super::live_frame::LiveFrame;
use super::stats::{CameraDetails, CameraState, CameraStats, RecordingState, ViewerStats};
use super::sync::{Mutex, MutexGuard, watch};
use crate::error::Error;

/// The shared state of one camera. The lock is held briefly and never across an await: once to add
/// a frame, and once for each viewer to get it.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    #[cfg(feature = "http")]
    pub(super) muxers: super::muxer::Muxers,
    /// Changes with the state and with the description.
    changed: watch::Sender<()>,
    /// The hub's, changed with every state.
    hub_changed: watch::Sender<()>,
    /// The events of the sessions, from the first call of [`Shared::events`] on.
    events: OnceLock<broadcast::Sender<SupervisorEvent>>,
}

/// The number of events that are kept for a slow receiver of
/// [`Camera::events`](super::Camera::events).
pub const EVENT_BACKLOG: usize = 256;

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) frames: GopBuffer,
    pub(super) subscriptions: BTreeMap<u64, Subscription>,
    next_id: u64,
    pub(super) state: CameraState,
    pub(super) recording: RecordingState,
    /// The number of state changes.
    pub(super) version: u64,
    pub(super) details: CameraDetails,
    /// When the camera was lost, until it is back.
    down_since: Option<SystemTime>,
    /// The description of the current stream, from its first frame on.
    pub(super) description: Option<Arc<StreamDescription>>,
    pub(super) counts: Counts,
}

/// A viewer's subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) cursor: Cursor,
    /// The task that waits for the next event.
    pub(super) waker: Option<Waker>,
    pub(super) label: String,
    since: SystemTime,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) missed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sessions: u64,
    pub(super) disconnects: u64,
    video_frames: u64,
    key_frames: u64,
    audio_frames: u64,
    bytes: u64,
    time: Duration,
    pub(super) missed: u64,
}

impl Shared {
    pub(super) fn new(
        limits: KeptLimits,
        details: CameraDetails,
        hub_changed: watch::Sender<()>,
    ) -> Self {
        Self {
            inner: Mutex::new(Inner {
                frames: GopBuffer::new(limits),
                subscriptions: BTreeMap::new(),
                next_id: 0,
                state: CameraState::Idle,
                recording: RecordingState::Off,
                version: 0,
                details,
                down_since: None,
                description: None,
                counts: Counts::default(),
            }),
            #[cfg(feature = "http")]
            muxers: super::muxer::Muxers::default(),
            changed: watch::Sender::new(()),
            hub_changed,
            events: OnceLock::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held. If it did, the state would still be consistent.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `found` returns something, or an attempt to connect has failed.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Down`].
    pub(super) async fn wait<T>(
        &self,
        mut found: impl FnMut(&Inner) -> Option<T>,
    ) -> Result<T, Error> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            {
                let inner = self.lock();
                match (&inner.state, found(&inner)) {
                    (CameraState::Closed, _) => return Err(Error::Closed),
                    (_, Some(found)) => return Ok(found),
                    // After a disconnect, wait for the first attempt to reconnect.
                    (CameraState::Down(disconnect), None) if disconnect.lasted.is_none() => {
                        return Err(Error::Down(disconnect.error.clone().into()));
                    }
                    (CameraState::Failed(error), None) => return Err(Error::Down(error.clone())),
                    (_, None) => {}
                }
            }
            // The sender is in `self`.
            changed.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    pub(super) fn events(&self) -> broadcast::Receiver<SupervisorEvent> {
        let events = self
            .events
            .get_or_init(|| broadcast::Sender::new(EVENT_BACKLOG));
        events.subscribe()
    }

    /// Passes an event to the receivers of [`events`](Self::events).
    pub(super) fn publish(&self, event: &SupervisorEvent) {
        if let Some(events) = self.events.get() {
            // It fails if there are no receivers.
            let _ = events.send(event.clone());
        }
    }

    /// Adds a frame to the buffer.
    pub(super) fn push(&self, frame: LiveFrame) {
        let mut inner = self.lock();
        let counts = &mut inner.counts;
        if frame.kind.is_video() {
            counts.video_frames += 1;
            counts.key_frames += u64::from(frame.is_key());
        } else {
            counts.audio_frames += 1;
        }
        counts.bytes = counts.bytes.saturating_add(frame.data.len() as u64);
        counts.time = counts.time.max(frame.timestamp);
        let known = inner.description.as_ref();
        let described = known.is_none_or(|known| !Arc::ptr_eq(known, &frame.description));
        if described {
            inner.description = Some(Arc::clone(&frame.description));
        }
        let Inner {
            frames,
            subscriptions,
            ..
        } = &mut *inner;
        frames.push(
            frame,
            subscriptions
                .values()
                .map(|subscription| &subscription.cursor),
        );
        wake_viewers(inner);
        if described {
            self.changed.send_replace(());
        }
    }

    pub(super) fn set_recording(&self, recording: RecordingState) {
        self.lock().recording = recording;
        self.hub_changed.send_replace(());
    }

    pub(super) fn change(&self, state: CameraState) {
        let mut inner = self.lock();
        let now = SystemTime::now();
        inner.details.since = match state {
            // Further failed attempts continue the same outage.
            CameraState::Down(_) | CameraState::Failed(_) => *inner.down_since.get_or_insert(now),
            CameraState::Connecting => now,
            _ => {
                inner.down_since = None;
                now
            }
        };
        inner.state = state;
        inner.version += 1;
        wake_viewers(inner);
        self.changed.send_replace(());
        self.hub_changed.send_replace(());
    }
}

/// Wakes the viewers that wait, each once per event and without the lock. Allocates once for all.
fn wake_viewers(mut inner: MutexGuard<'_, Inner>) {
    let subscriptions = inner.subscriptions.values_mut();
    let wakers: Vec<_> = subscriptions
        .filter_map(|subscription| subscription.waker.take())
        .collect();
    drop(inner);
    wakers.into_iter().for_each(Waker::wake);
}

impl Inner {
    /// The session has ended: new viewers do not start with the frames in the buffer.
    pub(super) fn close_gop(&mut self) {
        let Self {
            frames,
            subscriptions,
            ..
        } = self;
        frames.close(
            subscriptions
                .values()
                .map(|subscription| &subscription.cursor),
        );
    }

    /// Adds a viewer and returns its number.
    pub(super) fn subscribe(&mut self, label: String, since: SystemTime) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let subscription = Subscription {
            cursor: self.frames.start(Some(MAX_LAG)),
            waker: None,
            label,
            since,
            frames: 0,
            bytes: 0,
            missed: 0,
        };
        self.subscriptions.insert(id, subscription);
        id
    }

    /// Returns the statistics of a viewer, or `None` if it has left.
    pub(super) fn viewer(&self, id: u64) -> Option<ViewerStats> {
        self.subscriptions
            .get(&id)
            .map(|subscription| self.viewer_stats(id, subscription))
    }

    fn viewer_stats(&self, id: u64, subscription: &Subscription) -> ViewerStats {
        ViewerStats {
            id,
            label: subscription.label.clone(),
            since: subscription.since,
            frames: subscription.frames,
            bytes: subscription.bytes,
            missed: subscription.missed,
            waiting: self.frames.waiting(&subscription.cursor),
        }
    }

    /// Returns the statistics, except those of the session and its users.
    pub(super) fn stats(&self) -> CameraStats {
        let subscriptions = self.subscriptions.iter();
        let (kept_frames, kept_bytes) = self.frames.kept();
        let counts = &self.counts;
        CameraStats {
            state: self.state.clone(),
            recording: self.recording.clone(),
            viewers: subscriptions
                .map(|(&id, subscription)| self.viewer_stats(id, subscription))
                .collect(),
            users: 0,
            sessions: counts.sessions,
            disconnects: counts.disconnects,
            panics: 0,
            video_frames: counts.video_frames,
            key_frames: counts.key_frames,
            audio_frames: counts.audio_frames,
            bytes: counts.bytes,
            kept_frames,
            kept_bytes,
            groups_cut: self.frames.cut(),
            missed: counts.missed,
            time: counts.time,
            session: None,
        }
    }
}
