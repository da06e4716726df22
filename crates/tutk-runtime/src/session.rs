//! A session as a handle with a queue of events.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
        let mut lost = 0_u64;
        // Never waits for the consumer.
        let sink = move |mut event| {
            let admitted = filter.admits(&mut event, queue.capacity());
            if !admitted && matches!(event, SupervisorEvent::Frame(_)) {
                dropped.fetch_add(1, Ordering::Relaxed);
            } else if (!admitted || queue.try_send(event).is_err()) && !queue.is_closed() {
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
        })
    }

    /// Returns the next event; `None` after [`SupervisorEvent::Ended`]. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<SupervisorEvent> {
        self.events.recv().await
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
            match ready!(this.events.poll_recv(cx)) {
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
