//! What a camera's keeper, its viewers and whoever asks have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};

use super::description::StreamDescription;
use super::ring::{Cursor, KeptLimits, LiveFrame, Ring};
use super::stats::{CameraDetails, CameraState, CameraStats, ViewerStats};
use super::viewer::MAX_LAG;

/// One camera's. The lock is held for moments only, and never across an await: a frame goes in with one, and each
/// viewer takes it with one.
#[derive(Debug)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    /// Marked as changed whenever a viewer may find something new.
    news: watch::Sender<()>,
    /// Told whenever somebody begins or ends to need the camera.
    pub(super) users: Notify,
    /// The hub's, for who watches all cameras: marked as changed with every state.
    all: watch::Sender<()>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) ring: Ring,
    pub(super) seats: BTreeMap<u64, Seat>,
    next_seat: u64,
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

/// A viewer's place.
#[derive(Debug)]
pub(super) struct Seat {
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
                ring: Ring::new(limits),
                seats: BTreeMap::new(),
                next_seat: 0,
                users: 0,
                visits: 0,
                state: CameraState::Idle,
                version: 0,
                details,
                description: None,
                counts: Counts::default(),
            }),
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
        let Inner { ring, seats, .. } = &mut *inner;
        ring.push(frame, seats.values().map(|seat| &seat.cursor));
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
    pub(super) fn close_ring(&mut self) {
        let Self { ring, seats, .. } = self;
        ring.close(seats.values().map(|seat| &seat.cursor));
    }

    pub(super) fn sit(&mut self, label: String, since: SystemTime) -> u64 {
        let id = self.next_seat;
        self.next_seat += 1;
        let seat = Seat {
            cursor: self.ring.start(Some(MAX_LAG)),
            label,
            since,
            frames: 0,
            bytes: 0,
            missed: 0,
        };
        self.seats.insert(id, seat);
        id
    }

    /// What is known of a viewer, if it is one still.
    pub(super) fn viewer(&self, id: u64) -> Option<ViewerStats> {
        self.seats.get(&id).map(|seat| self.seat(id, seat))
    }

    fn seat(&self, id: u64, seat: &Seat) -> ViewerStats {
        ViewerStats {
            id,
            label: seat.label.clone(),
            since: seat.since,
            frames: seat.frames,
            bytes: seat.bytes,
            missed: seat.missed,
            waiting: self.ring.waiting(&seat.cursor),
        }
    }

    /// All but what the session counts.
    pub(super) fn stats(&self) -> CameraStats {
        let seats = self.seats.iter();
        let (kept_frames, kept_bytes) = self.ring.kept();
        let counts = &self.counts;
        CameraStats {
            state: self.state.clone(),
            viewers: seats.map(|(&id, seat)| self.seat(id, seat)).collect(),
            users: self.users,
            sessions: counts.sessions,
            falls: counts.falls,
            pictures: counts.pictures,
            keys: counts.keys,
            sounds: counts.sounds,
            bytes: counts.bytes,
            kept_frames,
            kept_bytes,
            groups_cut: self.ring.cut(),
            missed: counts.missed,
            time: counts.time,
            session: None,
        }
    }
}
