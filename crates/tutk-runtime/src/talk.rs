//! Audio to the camera, paced by its timestamps.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::{AudioFlags, Codec, Supervisor, TalkError, TalkEvent, TalkFrame};

use crate::error::Error;
use crate::socket;

/// An audio frame for the camera (docs/protocol.md, section 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkSound {
    /// The codec. It must be the one that the camera itself sends.
    pub codec: Codec,
    /// The sample rate, sample width and channels. They must be those that the camera itself sends.
    pub flags: AudioFlags,
    /// The time of the first sample, from any origin.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: Vec<u8>,
}

/// An open audio channel to the camera. Dropping it closes the channel, as [`finish`](Self::finish)
/// does, but without waiting.
#[derive(Debug)]
pub struct Talker {
    sounds: mpsc::Sender<Say>,
    /// How the channel was closed, once it is.
    end: watch::Receiver<Option<Result<(), Error>>>,
    /// When the first frame was sent, and its timestamp.
    origin: Option<(Instant, Duration)>,
}

/// A frame, and where to report if it was sent.
#[derive(Debug)]
pub(crate) struct Say {
    sound: TalkSound,
    reply: oneshot::Sender<Result<(), TalkError>>,
}

/// The driver's side of a [`Talker`].
#[derive(Debug)]
pub(crate) struct Opening {
    sounds: mpsc::Receiver<Say>,
    ready: Option<oneshot::Sender<Result<(), Error>>>,
    end: watch::Sender<Option<Result<(), Error>>>,
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
    /// A talker, its other side, and a receiver that reports when the camera is ready.
    pub(crate) fn new() -> (Self, Opening, oneshot::Receiver<Result<(), Error>>) {
        let (sounds, receiver) = mpsc::channel(1);
        let (ready, is_ready) = oneshot::channel();
        let (ended, end) = watch::channel(None);
        let opening = Opening {
            sounds: receiver,
            ready: Some(ready),
            end: ended,
        };
        let talker = Self {
            sounds,
            end,
            origin: None,
        };
        (talker, opening, is_ready)
    }

    /// Sends a frame when it is due: frames are as far apart as their timestamps. Not cancel-safe:
    /// the frame may have been sent.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera has closed the channel, or if the frame is too long (others
    /// may follow); [`Error::NotConnected`] or [`Error::Closed`] if the session has ended.
    pub async fn send(&mut self, sound: TalkSound) -> Result<(), Error> {
        let (began, first) = *self
            .origin
            .get_or_insert_with(|| (socket::now(), sound.timestamp));
        let due = began + sound.timestamp.saturating_sub(first);
        tokio::select! {
            biased;
            end = ended(&mut self.end) => return Err(end.err().unwrap_or(TalkError::Closed.into())),
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let (reply, sent) = oneshot::channel();
        if self.sounds.send(Say { sound, reply }).await.is_ok()
            && let Ok(sent) = sent.await
            && sent != Err(TalkError::NotReady)
        {
            return sent.map_err(Error::from);
        }
        let end = ended(&mut self.end).await;
        Err(end.err().unwrap_or(TalkError::Closed.into()))
    }

    /// Closes the channel and waits until the camera has confirmed it.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera had closed the channel before; [`Error::NotConnected`] or
    /// [`Error::Closed`] if the session has ended.
    pub async fn finish(mut self) -> Result<(), Error> {
        drop(self.sounds);
        ended(&mut self.end).await
    }
}

/// Waits until the channel is closed.
async fn ended(end: &mut watch::Receiver<Option<Result<(), Error>>>) -> Result<(), Error> {
    match end.wait_for(Option::is_some).await {
        Ok(end) => end.clone().unwrap_or(Ok(())),
        Err(_) => Err(Error::Closed),
    }
}

impl Opening {
    /// Reports the end to the talker, which may be gone.
    fn end(self, result: Result<(), Error>) {
        match self.ready {
            Some(ready) => _ = ready.send(result),
            None => _ = self.end.send(Some(result)),
        }
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
    pub(crate) async fn next(&mut self) -> Option<Say> {
        match &mut self.current {
            Some(current) if !self.stopping => current.sounds.recv().await,
            _ => std::future::pending().await,
        }
    }

    /// Handles what [`next`](Self::next) returned.
    pub(crate) fn handle(&mut self, supervisor: &mut Supervisor, say: Option<Say>) {
        let Some(Say { sound, reply }) = say else {
            self.stopping = true;
            return supervisor.stop_talk(socket::now());
        };
        let sent = supervisor.send_talk(TalkFrame {
            codec: sound.codec,
            flags: sound.flags,
            timestamp: sound.timestamp,
            data: &sound.data,
        });
        // A talker that no longer waits does not need the result.
        let _ = reply.send(sent);
    }

    pub(crate) fn handle_event(&mut self, supervisor: &mut Supervisor, event: &TalkEvent) {
        match event {
            TalkEvent::Ready => {
                let ready = self
                    .current
                    .as_mut()
                    .and_then(|current| current.ready.take());
                if let Some(ready) = ready {
                    let _ = ready.send(Ok(()));
                }
            }
            TalkEvent::Ended(result) => {
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
