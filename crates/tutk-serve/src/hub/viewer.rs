//! One who watches.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::camera::Lease;
use super::description::StreamDescription;
use super::ring::LiveFrame;
use super::shared::Inner;
use super::stats::{CameraState, ViewerStats};

/// How far a viewer may fall behind by default before it goes on with the newest key frame.
pub const MAX_LAG: Duration = Duration::from_secs(5);

/// One who watches a camera. While it is there, so is the session. To drop it is to leave.
///
/// It begins with the last key frame that came, and the sound beside it. It takes frames at its own pace: one that is
/// slow misses frames up to a key frame, and slows nobody.
#[derive(Debug)]
pub struct Viewer {
    lease: Lease,
    id: u64,
    news: watch::Receiver<()>,
    /// The newest state that it was told.
    version: Option<u64>,
    /// The description that it was told.
    told: Option<Arc<StreamDescription>>,
    /// What it takes next, after it was told of something else.
    next: Option<LiveFrame>,
}

/// What a viewer is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ViewerEvent {
    /// Where the camera stands: at the beginning, and whenever that changes. Of several changes the newest is told.
    State(CameraState),
    /// What the camera shows from now on: before the first frame, and whenever it changes.
    Description(Arc<StreamDescription>),
    /// Frames that were missed before the next one.
    Missed(u64),
    /// A frame.
    Frame(LiveFrame),
}

impl Viewer {
    pub(super) fn new(lease: Lease, id: u64) -> Self {
        Self {
            news: lease.shared().listen(),
            lease,
            id,
            version: None,
            told: None,
            next: None,
        }
    }

    /// How far it may fall behind, by the frames' times, before it goes on with the newest key frame: [`MAX_LAG`]
    /// unless set. `None` is for those who want every frame, a recording above all: they miss only what is not kept
    /// any more ([`KeptLimits`](super::KeptLimits)).
    pub fn set_max_lag(&mut self, lag: Option<Duration>) {
        if let Some(seat) = self.lease.shared().lock().seats.get_mut(&self.id) {
            seat.cursor.lag = lag;
        }
    }

    /// The next event; `None` when the camera is served no more, and all frames are taken. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<ViewerEvent> {
        loop {
            self.news.borrow_and_update();
            match self.poll() {
                Ok(event) => return event,
                // The sender lives as long as the lease.
                Err(Nothing) => self.news.changed().await.ok()?,
            }
        }
    }

    /// The next frame, whatever is told before it; `None` as [`next_event`](Self::next_event). Cancel-safe.
    pub async fn next_frame(&mut self) -> Option<LiveFrame> {
        loop {
            if let ViewerEvent::Frame(frame) = self.next_event().await? {
                return Some(frame);
            }
        }
    }

    /// When the frame that comes next is to be shown, if it is here already.
    #[must_use]
    pub fn next_timestamp(&self) -> Option<Duration> {
        match &self.next {
            Some(frame) => Some(frame.timestamp),
            None => {
                let inner = self.lease.shared().lock();
                let seat = inner.seats.get(&self.id)?;
                inner.ring.timestamp(&seat.cursor)
            }
        }
    }

    /// What was counted of it.
    #[must_use]
    pub fn stats(&self) -> Option<ViewerStats> {
        self.lease.shared().lock().viewer(self.id)
    }

    fn poll(&mut self) -> Result<Option<ViewerEvent>, Nothing> {
        if self.next.is_some() {
            return Ok(self.show());
        }
        let mut inner = self.lease.shared().lock();
        let closed = matches!(inner.state, CameraState::Closed);
        if self.version != Some(inner.version) && !closed {
            self.version = Some(inner.version);
            return Ok(Some(ViewerEvent::State(inner.state.clone())));
        }
        let Inner {
            ring,
            seats,
            counts,
            ..
        } = &mut *inner;
        let Some(seat) = seats.get_mut(&self.id) else {
            return Ok(None);
        };
        let taken = ring.take(&mut seat.cursor);
        seat.missed += taken.missed;
        counts.missed += taken.missed;
        if let Some(frame) = &taken.frame {
            seat.frames += 1;
            seat.bytes = seat.bytes.saturating_add(frame.data.len() as u64);
        }
        drop(inner);
        self.next = taken.frame;
        match (taken.missed, &self.next) {
            (0, Some(_)) => Ok(self.show()),
            (0, None) if closed => Ok(None),
            (0, None) => Err(Nothing),
            (missed, _) => Ok(Some(ViewerEvent::Missed(missed))),
        }
    }

    /// The frame that was taken, or its description if that is new.
    fn show(&mut self) -> Option<ViewerEvent> {
        let description = &self.next.as_ref()?.description;
        if self
            .told
            .as_ref()
            .is_none_or(|told| !Arc::ptr_eq(told, description))
        {
            self.told = Some(Arc::clone(description));
            return self.told.clone().map(ViewerEvent::Description);
        }
        self.next.take().map(ViewerEvent::Frame)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.lease.shared().lock().seats.remove(&self.id);
    }
}

/// There is nothing to tell yet.
struct Nothing;
