//! What a camera's keeper, its viewers and whoever asks have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};

use super::description::StreamDescription;
use super::gop_buffer::{Cursor, GopBuffer, KeptLimits, LiveFrame, MAX_LAG};
use super::stats::{CameraDetails, CameraState, CameraStats, ViewerStats};

/// One camera's. The lock is held for moments only, and never across an await: a frame goes in with one, and each
/// viewer takes it with one.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    #[cfg(feature = "http")]
    pub(super) muxers: super::muxer::Muxers,
    /// Marked as changed whenever a viewer may find something new.
    news: watch::Sender<()>,
    /// Told whenever somebody begins or ends to need the camera.
    pub(super) users: Notify,
    /// The hub's, for who watches all cameras: marked as changed with every state.
    all: watch::Sender<()>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) frames: GopBuffer,
    pub(super) subscriptions: BTreeMap<u64, Subscription>,
    next_id: u64,
    /// Who needs a session: viewers, and others.
    pub(super) users: usize,
    /// How often somebody began to need one.
    pub(super) visits: u64,
    pub(super) state: CameraState,
    /// How often the state changed.
    pub(super) version: u64,
    pub(super) details: CameraDetails,
    /// What the camera shows, once a frame of the session of now has come.
    pub(super) description: Option<Arc<StreamDescription>>,
    pub(super) counts: Counts,
}

/// A viewer's subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) cursor: Cursor,
    pub(super) label: String,
    since: SystemTime,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) missed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sessions: u64,
    pub(super) falls: u64,
    pictures: u64,
    keys: u64,
    sounds: u64,
    bytes: u64,
    time: Duration,
    /// Frames that viewers missed, those who have left included.
    pub(super) missed: u64,
}

impl Shared {
    pub(super) fn new(limits: KeptLimits, details: CameraDetails, all: watch::Sender<()>) -> Self {
        Self {
            inner: Mutex::new(Inner {
                frames: GopBuffer::new(limits),
                subscriptions: BTreeMap::new(),
                next_id: 0,
                users: 0,
                visits: 0,
                state: CameraState::Idle,
                version: 0,
                details,
                description: None,
                counts: Counts::default(),
            }),
            #[cfg(feature = "http")]
            muxers: super::muxer::Muxers::default(),
            news: watch::Sender::new(()),
            users: Notify::new(),
            all,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it is held; if something did, what is in there would still be whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To hear of news.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Hands a frame to everybody.
    pub(super) fn push(&self, frame: LiveFrame) {
        let mut inner = self.lock();
        let counts = &mut inner.counts;
        if frame.kind.is_video() {
            counts.pictures += 1;
            counts.keys += u64::from(frame.is_key());
        } else {
            counts.sounds += 1;
        }
        counts.bytes = counts.bytes.saturating_add(frame.data.len() as u64);
        counts.time = counts.time.max(frame.timestamp);
        if inner
            .description
            .as_ref()
            .is_none_or(|known| !Arc::ptr_eq(known, &frame.description))
        {
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
        drop(inner);
        self.tell();
    }

    pub(super) fn change(&self, state: CameraState) {
        let mut inner = self.lock();
        inner.state = state;
        inner.version += 1;
        inner.details.since = SystemTime::now();
        drop(inner);
        self.tell();
        self.all.send_replace(());
    }
}

impl Inner {
    /// What is kept is of a session that is over.
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

    pub(super) fn subscribe(&mut self, label: String, since: SystemTime) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let subscription = Subscription {
            cursor: self.frames.start(Some(MAX_LAG)),
            label,
            since,
            frames: 0,
            bytes: 0,
            missed: 0,
        };
        self.subscriptions.insert(id, subscription);
        id
    }

    /// What is known of a viewer, if it is one still.
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

    /// All but what the session counts.
    pub(super) fn stats(&self) -> CameraStats {
        let subscriptions = self.subscriptions.iter();
        let (kept_frames, kept_bytes) = self.frames.kept();
        let counts = &self.counts;
        CameraStats {
            state: self.state.clone(),
            viewers: subscriptions
                .map(|(&id, subscription)| self.viewer_stats(id, subscription))
                .collect(),
            users: self.users,
            sessions: counts.sessions,
            falls: counts.falls,
            pictures: counts.pictures,
            keys: counts.keys,
            sounds: counts.sounds,
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
