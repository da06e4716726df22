//! Subscriptions to a camera's stream.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::SessionLease;
use super::description::StreamDescription;
use super::live_frame::LiveFrame;
use super::shared::{Inner, Shared};
use super::stats::{CameraState, ViewerStats};

/// A subscription to a camera's stream. Dropping it unsubscribes.
///
/// The session with the camera is kept while there is a viewer. The stream starts with the newest
/// key frame and the audio that belongs to it. A viewer that is slow misses frames up to a key
/// frame, and does not delay others.
#[derive(Debug)]
pub struct Viewer {
    shared: Arc<Shared>,
    _lease: SessionLease,
    id: u64,
    /// The version of the newest reported state.
    version: Option<u64>,
    /// The newest reported description.
    description: Option<Arc<StreamDescription>>,
    /// A frame whose description or missed frames are reported first.
    next: Option<LiveFrame>,
}

/// An event of a [`Viewer`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ViewerEvent {
    /// The state of the camera: at the start, and after each change. Only the newest of several
    /// changes is reported.
    State(CameraState),
    /// The description of the following frames: before the first frame, and after each change.
    Description(Arc<StreamDescription>),
    /// The number of frames that were missed before the next one.
    Missed(u64),
    /// A frame.
    Frame(LiveFrame),
}

impl Viewer {
    pub(super) fn new(shared: Arc<Shared>, lease: SessionLease, id: u64) -> Self {
        Self {
            shared,
            _lease: lease,
            id,
            version: None,
            description: None,
            next: None,
        }
    }

    /// Sets how far the viewer may fall behind before it continues with the newest key frame,
    /// measured by timestamps.
    ///
    /// The default is [`MAX_LAG`](super::MAX_LAG). With `None` it misses only frames that are no
    /// longer kept ([`KeptLimits`](super::KeptLimits)). Recordings use that.
    pub fn set_max_lag(&mut self, lag: Option<Duration>) {
        let mut inner = self.shared.lock();
        if let Some(subscription) = inner.subscriptions.get_mut(&self.id) {
            subscription.cursor.lag = lag;
        }
    }

    /// Returns the next event, or `None` when the camera was removed and all its frames were
    /// returned. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<ViewerEvent> {
        poll_fn(|context| self.poll_event(context)).await
    }

    /// Returns the next event if there is one already. It does not ask to be woken for the next
    /// one, which costs the camera's thread less than [`next_event`](Self::next_event).
    pub fn try_next_event(&mut self) -> Poll<Option<ViewerEvent>> {
        self.poll_event(&mut Context::from_waker(Waker::noop()))
    }

    /// Returns the next frame and ignores other events. Returns `None` like
    /// [`next_event`](Self::next_event). Cancel-safe.
    pub async fn next_frame(&mut self) -> Option<LiveFrame> {
        loop {
            if let ViewerEvent::Frame(frame) = self.next_event().await? {
                return Some(frame);
            }
        }
    }

    /// Returns the timestamp of the next frame, if that frame has already arrived.
    #[must_use]
    pub fn next_timestamp(&self) -> Option<Duration> {
        if let Some(frame) = &self.next {
            return Some(frame.timestamp);
        }
        let inner = self.shared.lock();
        let subscription = inner.subscriptions.get(&self.id)?;
        inner.frames.timestamp(&subscription.cursor)
    }

    /// Returns the statistics of this viewer.
    #[must_use]
    pub fn stats(&self) -> Option<ViewerStats> {
        self.shared.lock().viewer(self.id)
    }

    /// The poll function of [`next_event`](Self::next_event).
    pub(crate) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<ViewerEvent>> {
        if self.next.is_some() {
            return Poll::Ready(self.deliver());
        }
        let mut inner = self.shared.lock();
        let closed = matches!(inner.state, CameraState::Closed);
        if self.version != Some(inner.version) && !closed {
            self.version = Some(inner.version);
            return Poll::Ready(Some(ViewerEvent::State(inner.state.clone())));
        }
        let Inner {
            frames,
            subscriptions,
            counts,
            ..
        } = &mut *inner;
        let Some(subscription) = subscriptions.get_mut(&self.id) else {
            return Poll::Ready(None);
        };
        let taken = frames.take(&mut subscription.cursor);
        if taken.frame.is_none() && taken.missed == 0 && !closed {
            match &mut subscription.waker {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        subscription.missed += taken.missed;
        counts.missed += taken.missed;
        if let Some(frame) = &taken.frame {
            subscription.frames += 1;
            subscription.bytes = subscription.bytes.saturating_add(frame.data.len() as u64);
        }
        drop(inner);
        self.next = taken.frame;
        match (taken.missed, &self.next) {
            (0, None) => Poll::Ready(None),
            (0, Some(_)) => Poll::Ready(self.deliver()),
            (missed, _) => Poll::Ready(Some(ViewerEvent::Missed(missed))),
        }
    }

    /// Returns the next frame, or its description first if that has changed.
    fn deliver(&mut self) -> Option<ViewerEvent> {
        let new = &self.next.as_ref()?.description;
        let reported = self.description.as_ref();
        if reported.is_none_or(|reported| !Arc::ptr_eq(reported, new)) {
            self.description = Some(Arc::clone(new));
            return self.description.clone().map(ViewerEvent::Description);
        }
        self.next.take().map(ViewerEvent::Frame)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.subscriptions.remove(&self.id);
    }
}
