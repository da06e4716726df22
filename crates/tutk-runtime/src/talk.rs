//! Audio to the camera, paced by its timestamps.

use std::future::pending;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::{Supervisor, TalkError, TalkEvent, TalkFrame};

use crate::error::Error;
use crate::socket;

/// An open audio channel to the camera. Dropping it closes the channel, as [`finish`](Self::finish)
/// does, but without waiting.
#[derive(Debug)]
pub struct Talker {
    frames: mpsc::Sender<QueuedFrame>,
    state: watch::Receiver<TalkState>,
    /// When the first frame was sent, and its timestamp.
    origin: Option<(Instant, Duration)>,
}

/// A frame, its data, and where to report if it was sent.
#[derive(Debug)]
pub(crate) struct QueuedFrame(
    TalkFrame<'static>,
    Vec<u8>,
    oneshot::Sender<Result<(), TalkError>>,
);

#[derive(Debug)]
enum TalkState {
    Opening,
    Open,
    Ended(Result<(), Error>),
}

/// The driver's side of a [`Talker`].
#[derive(Debug)]
pub(crate) struct Opening {
    frames: mpsc::Receiver<QueuedFrame>,
    state: watch::Sender<TalkState>,
}

/// The talkers of a driver. At most one has the audio channel.
#[derive(Debug, Default)]
pub(crate) struct TalkQueue {
    current: Option<Opening>,
    /// The current talker is gone, and the camera has not confirmed yet.
    stopping: bool,
    next: Option<Opening>,
}

impl Talker {
    /// Opens the channel and waits until the camera is ready. `start` passes the driver's side to
    /// the driver.
    pub(crate) async fn open<F>(start: impl FnOnce(Opening) -> F) -> Result<Self, Error>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let (sender, frames) = mpsc::channel(1);
        let (state, mut receiver) = watch::channel(TalkState::Opening);
        start(Opening { frames, state }).await?;
        let state = receiver.wait_for(|state| !matches!(state, TalkState::Opening));
        match &*state.await.map_err(|_| Error::Closed)? {
            TalkState::Ended(Err(error)) => return Err(error.clone()),
            TalkState::Ended(Ok(())) => return Err(TalkError::Closed.into()),
            TalkState::Opening | TalkState::Open => {}
        }
        Ok(Self {
            frames: sender,
            state: receiver,
            origin: None,
        })
    }

    /// Sends a frame when it is due: frames are as far apart as their timestamps. Not cancel-safe:
    /// the frame may have been sent.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera has closed the channel, or if the frame is too long (others
    /// may follow); [`Error::NotConnected`] or [`Error::Closed`] if the session has ended.
    pub async fn send(&mut self, frame: TalkFrame<'_>) -> Result<(), Error> {
        let first = (socket::now(), frame.timestamp);
        let (began, first) = *self.origin.get_or_insert(first);
        let due = began + frame.timestamp.saturating_sub(first);
        tokio::select! {
            biased;
            result = ended(&mut self.state) => return Err(closed(result)),
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let (reply, sent) = oneshot::channel();
        let empty = TalkFrame {
            codec: frame.codec,
            flags: frame.flags,
            timestamp: frame.timestamp,
            data: &[],
        };
        let queued = QueuedFrame(empty, frame.data.to_vec(), reply);
        if self.frames.send(queued).await.is_ok()
            && let Ok(sent) = sent.await
            && sent != Err(TalkError::NotReady)
        {
            return sent.map_err(Error::from);
        }
        Err(closed(ended(&mut self.state).await))
    }

    /// Closes the channel and waits until the camera has confirmed it.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera had closed the channel before; [`Error::NotConnected`] or
    /// [`Error::Closed`] if the session has ended.
    pub async fn finish(mut self) -> Result<(), Error> {
        drop(self.frames);
        ended(&mut self.state).await
    }
}

/// Waits until the channel is closed.
async fn ended(state: &mut watch::Receiver<TalkState>) -> Result<(), Error> {
    let ended = |state: &TalkState| matches!(state, TalkState::Ended(_));
    match state.wait_for(ended).await.as_deref() {
        Ok(TalkState::Ended(result)) => result.clone(),
        _ => Err(Error::Closed),
    }
}

fn closed(result: Result<(), Error>) -> Error {
    result.err().unwrap_or(TalkError::Closed.into())
}

impl Opening {
    fn end(&self, result: Result<(), Error>) {
        self.state.send_replace(TalkState::Ended(result));
    }
}

impl TalkQueue {
    /// Opens the channel for a talker, now or after the current one has stopped.
    pub(crate) fn start(&mut self, supervisor: &mut Supervisor, opening: Opening) {
        if self.stopping && self.next.is_none() {
            self.next = Some(opening);
        } else if self.current.is_some() {
            opening.end(Err(Error::AlreadyTalking));
        } else if supervisor.start_talk(socket::now()).is_err() {
            opening.end(Err(Error::NotConnected));
        } else {
            self.current = Some(opening);
        }
    }

    /// The next frame of the current talker, or `None` if that is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<QueuedFrame> {
        match &mut self.current {
            Some(current) if !self.stopping => current.frames.recv().await,
            _ => pending().await,
        }
    }

    /// Handles what [`next`](Self::next) returned.
    pub(crate) fn handle(&mut self, supervisor: &mut Supervisor, frame: Option<QueuedFrame>) {
        let Some(QueuedFrame(frame, data, reply)) = frame else {
            self.stopping = true;
            return supervisor.stop_talk(socket::now());
        };
        let data = &data;
        let sent = supervisor.send_talk(TalkFrame { data, ..frame });
        // A talker that no longer waits does not need the result.
        let _ = reply.send(sent);
    }

    pub(crate) fn handle_event(&mut self, supervisor: &mut Supervisor, event: &TalkEvent) {
        match (event, &self.current) {
            (TalkEvent::Ready, Some(current)) => _ = current.state.send_replace(TalkState::Open),
            (TalkEvent::Ready, None) => {}
            (TalkEvent::Ended(result), _) => {
                if let Some(current) = self.current.take() {
                    current.end(result.clone().map_err(Error::from));
                }
                self.stopping = false;
                if let Some(next) = self.next.take() {
                    self.start(supervisor, next);
                }
            }
        }
    }

    /// The session has ended.
    pub(crate) fn end_all(&mut self, error: &Error) {
        let Self { current, next, .. } = std::mem::take(self);
        for opening in current.into_iter().chain(next) {
            opening.end(Err(error.clone()));
        }
    }
}
