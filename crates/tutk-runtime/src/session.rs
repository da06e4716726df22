//! A session as a handle with a queue of events.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::sync::mpsc;
use tutk_session::{
    ContinuousFrame, Event, OverflowFilter, SupervisorConfig, SupervisorEvent, Tally,
};

use crate::controller::{Controller, spawn_observed};
use crate::error::Error;
use crate::observer::Observer;

/// The number of events that wait for a slow consumer.
///
/// If the queue is full, frames are dropped up to the next key frame, and [`Session::overrun`]
/// counts them.
pub const EVENT_QUEUE: usize = 1024;

/// The bytes of frames in this queue. At the limit, frames are dropped as if it were full.
pub const EVENT_QUEUE_BYTES: usize = 32 << 20;

/// A session with one camera. It runs in a task of its own until it ends or this is dropped.
///
/// With a [`ReconnectPolicy`](tutk_session::ReconnectPolicy) the task reconnects. Read the
/// [`SupervisorEvent`]s with [`next_event`](Self::next_event), or only the frames through
/// [`Stream`]. It dereferences to its [`Controller`], which sends commands and returns statistics.
/// A clone of that serves another task.
///
/// ```no_run
/// use tutk_runtime::Session;
/// use tutk_runtime::tutk_session::{ClientConfig, SupervisorEvent};
///
/// # async fn watch(config: ClientConfig) -> Result<(), tutk_runtime::Error> {
/// let mut session = Session::start(config)?;
/// while let Some(event) = session.next_event().await {
///     match event {
///         SupervisorEvent::Frame(next) => println!("{} bytes", next.frame.data.len()),
///         event => println!("{event:?}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Session {
    events: mpsc::Receiver<SupervisorEvent>,
    controller: Controller,
    overrun: Arc<AtomicU64>,
    /// The bytes of the frames in the queue.
    queued_bytes: Arc<AtomicUsize>,
}

/// Connects, and returns when the camera has authenticated the client. Earlier events are not kept.
///
/// A [`ClientConfig`](tutk_session::ClientConfig) makes a single session, a [`SupervisorConfig`]
/// one that reconnects.
///
/// # Errors
/// [`Error::Session`] if the session failed, [`Error::Io`] without a socket, or if the host name
/// cannot be resolved.
pub async fn connect(config: impl Into<SupervisorConfig>) -> Result<Session, Error> {
    let mut session = Session::start(config)?;
    loop {
        match session.next_event().await {
            Some(SupervisorEvent::Session(Event::Authenticated(_))) => return Ok(session),
            Some(SupervisorEvent::Ended(Err(error))) => return Err(error.into()),
            Some(SupervisorEvent::Ended(Ok(()))) | None => return Err(Error::Closed),
            Some(_) => {}
        }
    }
}

impl Session {
    /// Starts to connect, and returns at once. No event is missed.
    ///
    /// Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness.
    pub fn start(config: impl Into<SupervisorConfig>) -> Result<Self, Error> {
        Self::start_observed(config, None)
    }

    /// As [`start`](Self::start), with an observer of the session's datagrams.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness.
    pub fn start_observed(
        config: impl Into<SupervisorConfig>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, Error> {
        let (queue, events) = mpsc::channel(EVENT_QUEUE);
        let overrun = Arc::new(AtomicU64::new(0));
        let (dropped, mut filter) = (Arc::clone(&overrun), OverflowFilter::default());
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let queued = Arc::clone(&queued_bytes);
        let mut lost = 0_u64;
        // Never waits for the consumer.
        let sink = move |mut event| {
            let len = frame_len(&event);
            let has_room = queued.load(Ordering::Relaxed) + len <= EVENT_QUEUE_BYTES;
            let free = if len == 0 || has_room {
                queue.capacity()
            } else {
                0
            };
            let admitted = filter.admits(&mut event, free);
            if !admitted && matches!(event, SupervisorEvent::Frame(_)) {
                dropped.fetch_add(1, Ordering::Relaxed);
            } else if (!admitted || !send(&queue, event, &queued)) && !queue.is_closed() {
                // A closed queue means that the session was dropped.
                lost += 1;
                if lost.is_power_of_two() {
                    tracing::warn!(lost, "the event queue is full: events were dropped");
                }
            }
        };
        Ok(Self {
            events,
            controller: spawn_observed(config, observer, sink)?,
            overrun,
            queued_bytes,
        })
    }

    /// Returns the next event; `None` after [`SupervisorEvent::Ended`]. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<SupervisorEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<SupervisorEvent>> {
        let event = ready!(self.events.poll_recv(cx));
        let len = event.as_ref().map_or(0, frame_len);
        self.queued_bytes.fetch_sub(len, Ordering::Relaxed);
        Poll::Ready(event)
    }

    /// Returns the sums of the counters of all sessions, also after the end.
    pub async fn tally(&self) -> Tally {
        let mut tally = self.controller.tally().await;
        tally.overrun = self.overrun();
        tally
    }

    /// Returns the number of frames dropped because the queue was full: see [`EVENT_QUEUE`].
    #[must_use]
    pub fn overrun(&self) -> u64 {
        self.overrun.load(Ordering::Relaxed)
    }

    /// Closes the session, and waits until the camera was informed. Events in the queue are
    /// dropped.
    ///
    /// # Errors
    /// The error of the session if it had failed before.
    pub async fn close(mut self) -> Result<(), Error> {
        self.request_close();
        let mut result = Ok(());
        while let Some(event) = self.next_event().await {
            if let SupervisorEvent::Ended(ended) = event {
                result = ended.map_err(Error::from);
            }
        }
        result
    }
}

/// Returns the number of bytes of the event's frame, or 0.
fn frame_len(event: &SupervisorEvent) -> usize {
    match event {
        SupervisorEvent::Frame(next) => next.frame.data.len(),
        _ => 0,
    }
}

/// Returns `false` if the queue is full or closed.
fn send(
    queue: &mpsc::Sender<SupervisorEvent>,
    event: SupervisorEvent,
    queued_bytes: &AtomicUsize,
) -> bool {
    let len = frame_len(&event);
    // Before the consumer can take it.
    queued_bytes.fetch_add(len, Ordering::Relaxed);
    let sent = queue.try_send(event).is_ok();
    if !sent {
        queued_bytes.fetch_sub(len, Ordering::Relaxed);
    }
    sent
}

impl Deref for Session {
    type Target = Controller;

    fn deref(&self) -> &Controller {
        &self.controller
    }
}

/// Only the frames. The last item is the error, if the session ended with one.
impl Stream for Session {
    type Item = Result<ContinuousFrame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match ready!(this.poll_event(cx)) {
                Some(SupervisorEvent::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(SupervisorEvent::Ended(Err(error))) => {
                    return Poll::Ready(Some(Err(error.into())));
                }
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.request_close();
    }
}
