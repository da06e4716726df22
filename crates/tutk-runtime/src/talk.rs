//! Sound to the camera, in time.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tutk_session::{AudioFlags, Client, Codec, TalkError, TalkEvent, TalkFrame};

use crate::error::Error;
use crate::session::Control;
use crate::socket;

/// One frame of sound for the camera (wire.md section 11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkSound {
    /// The codec: the one that the camera itself sends.
    pub codec: Codec,
    /// Rate, sample width and channels: those that the camera itself sends.
    pub flags: AudioFlags,
    /// When its first sample is to be heard, from any beginning.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: Vec<u8>,
}

/// The way for sound to a camera that listens. To drop it ends it, as [`finish`](Self::finish) does but
/// without waiting.
#[derive(Debug)]
pub struct Talker {
    control: mpsc::Sender<Control>,
    ended: oneshot::Receiver<Result<(), TalkError>>,
    /// When the first frame was sent, and its timestamp.
    origin: Option<(Instant, Duration)>,
}

/// What the session's task keeps of one [`Talker`].
#[derive(Debug)]
pub(crate) struct Opening {
    ready: oneshot::Sender<Result<(), TalkError>>,
    ended: oneshot::Sender<Result<(), TalkError>>,
}

/// The session's side of all talkers: one at a time.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// The camera does not listen yet.
    opening: Option<Opening>,
    /// It does.
    open: Option<oneshot::Sender<Result<(), TalkError>>>,
    /// A talker went without a word: the camera is being told.
    stopping: bool,
    /// Waits for that.
    next: Option<Opening>,
}

impl Talker {
    /// Waits until the camera listens.
    pub(crate) async fn open(control: mpsc::Sender<Control>) -> Result<Self, Error> {
        let (ready, listens) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let opening = Opening { ready, ended: end };
        let start = Control::StartTalk(opening);
        control.send(start).await.map_err(|_| Error::Gone)?;
        match listens.await {
            Ok(Ok(())) => Ok(Self {
                control,
                ended,
                origin: None,
            }),
            Ok(Err(error)) => Err(error.into()),
            // Another talks, or the session is over.
            Err(_) if control.is_closed() => Err(Error::Gone),
            Err(_) => Err(Error::AlreadyTalking),
        }
    }

    /// Sends a frame when it is time: as long after the first one as their timestamps are apart. Not at all
    /// cancel-safe: a frame that is given up may have been sent.
    ///
    /// # Errors
    /// [`Error::Talk`] says why the camera does not listen any more, or that the frame is too long (then
    /// others may follow); [`Error::Gone`] if the session is over.
    pub async fn send(&mut self, sound: TalkSound) -> Result<(), Error> {
        let (began, first) = *self
            .origin
            .get_or_insert_with(|| (socket::now(), sound.timestamp));
        let due = began + sound.timestamp.saturating_sub(first);
        tokio::select! {
            biased;
            ended = &mut self.ended => return Err(end_of(ended)),
            () = tokio::time::sleep_until(due.into()) => {}
        }
        let (reply, sent) = oneshot::channel();
        let say = Control::Say(sound, reply);
        self.control.send(say).await.map_err(|_| Error::Gone)?;
        match sent.await {
            Ok(Err(TalkError::NotReady)) => Err(end_of((&mut self.ended).await)),
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(Error::Gone),
        }
    }

    /// Tells the camera that this was all, and waits until it knows.
    ///
    /// # Errors
    /// [`Error::Talk`] if it had stopped to listen before; [`Error::Gone`] if the session is over.
    pub async fn finish(mut self) -> Result<(), Error> {
        let stop = self.control.send(Control::StopTalk).await;
        stop.map_err(|_| Error::Gone)?;
        match (&mut self.ended).await {
            Ok(result) => result.map_err(Error::from),
            Err(_) => Err(Error::Gone),
        }
    }
}

/// Why nothing more can be sent.
fn end_of(ended: Result<Result<(), TalkError>, oneshot::error::RecvError>) -> Error {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => TalkError::Closed.into(),
        Err(_) => Error::Gone,
    }
}

impl Desk {
    pub(crate) fn start(&mut self, client: &mut Client, opening: Opening) {
        if self.stopping {
            self.next.get_or_insert(opening);
        } else if self.opening.is_none() && self.open.is_none() {
            self.opening = Some(opening);
            client.start_talk(socket::now());
        }
        // One that is dropped tells its talker that there is another.
    }

    /// Returns when a talker has gone without a word. Cancel-safe.
    pub(crate) async fn abandoned(&mut self) {
        match (&mut self.opening, &mut self.open) {
            (Some(opening), _) => opening.ready.closed().await,
            (None, Some(ended)) => ended.closed().await,
            (None, None) => std::future::pending().await,
        }
    }

    /// Ends what an [abandoned](Self::abandoned) talker has begun.
    pub(crate) fn stop(&mut self, client: &mut Client) {
        (self.opening, self.open, self.stopping) = (None, None, true);
        client.stop_talk(socket::now());
    }

    pub(crate) fn event(&mut self, client: &mut Client, event: &TalkEvent) {
        match event {
            TalkEvent::Ready => {
                if let Some(Opening { ready, ended }) = self.opening.take() {
                    // One that is gone is found out by `abandoned`.
                    let _ = ready.send(Ok(()));
                    self.open = Some(ended);
                }
            }
            TalkEvent::Ended(result) => {
                let told = match self.opening.take() {
                    Some(opening) => Some(opening.ready),
                    None => self.open.take(),
                };
                if let Some(told) = told {
                    let _ = told.send(result.clone());
                }
                self.stopping = false;
                if let Some(next) = self.next.take() {
                    self.start(client, next);
                }
            }
        }
    }
}

/// Sends a frame now, and says what came of it.
pub(crate) fn say(
    client: &mut Client,
    sound: &TalkSound,
    reply: oneshot::Sender<Result<(), TalkError>>,
) {
    let sent = client.send_talk(TalkFrame {
        codec: sound.codec,
        flags: sound.flags,
        timestamp: sound.timestamp,
        data: &sound.data,
    });
    // Who has given up does not want to know.
    let _ = reply.send(sent);
}
