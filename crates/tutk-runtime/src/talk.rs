//! Audio to the camera, paced by its timestamps.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tutk_session::{Instant, TalkError, TalkFrame};

use crate::driver::{Call, Driver, TalkState, call};
use crate::error::Error;
use crate::socket;

/// An open audio channel to the camera. Dropping it closes the channel, as [`finish`](Self::finish)
/// does, but without waiting.
#[derive(Debug)]
pub struct Talker {
    /// Weak, because the session ends with the last controller.
    calls: mpsc::WeakSender<Call>,
    state: watch::Receiver<TalkState>,
    /// When the first frame was sent, and its timestamp.
    origin: Option<(Instant, Duration)>,
}

impl Talker {
    /// Opens the channel and waits until the camera is ready.
    pub(crate) async fn open(calls: mpsc::Sender<Call>) -> Result<Self, Error> {
        let (state, receiver) = watch::channel(TalkState::Opening);
        let mut talker = Self {
            calls: calls.downgrade(),
            state: receiver,
            origin: None,
        };
        call(&calls, |driver| driver.start_talk(state)).await;
        drop(calls);
        let opened = talker
            .state
            .wait_for(|state| !matches!(state, TalkState::Opening));
        match opened.await.as_deref() {
            Ok(TalkState::Ended(result)) => return Err(closed(result.clone())),
            Ok(_) => {}
            Err(_) => return Err(Error::Closed),
        }
        Ok(talker)
    }

    /// Sends a frame when it is due: frames are as far apart as their timestamps. Not cancel-safe:
    /// the frame may have been sent.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera has closed the channel, or if the frame is too long (others
    /// may follow); [`Error::NotConnected`] or [`Error::Closed`] if the session has ended.
    pub async fn send(&mut self, frame: TalkFrame<'_>) -> Result<(), Error> {
        let (codec, flags, timestamp) = (frame.codec, frame.flags, frame.timestamp);
        let (began, first) = *self.origin.get_or_insert((socket::now(), timestamp));
        let due = began + timestamp.saturating_sub(first);
        tokio::select! {
            biased;
            result = ended(&mut self.state) => return Err(closed(result)),
            () = tokio::time::sleep_until(socket::to_tokio(due)) => {}
        }
        let data = frame.data.to_vec();
        let sent = self.call_if_open(move |driver| {
            driver.supervisor.send_talk(TalkFrame {
                codec,
                flags,
                timestamp,
                data: &data,
            })
        });
        match sent.await {
            Some(sent) if sent != Err(TalkError::NotReady) => Ok(sent?),
            _ => Err(closed(ended(&mut self.state).await)),
        }
    }

    /// Closes the channel and waits until the camera has confirmed it.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera had closed the channel before; [`Error::NotConnected`] or
    /// [`Error::Closed`] if the session has ended.
    pub async fn finish(mut self) -> Result<(), Error> {
        self.call_if_open(Driver::stop_talk).await;
        ended(&mut self.state).await
    }

    async fn call_if_open<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Option<T> {
        let state = self.state.clone();
        let is_open = move || matches!(*state.borrow(), TalkState::Open);
        let calls = self.calls.upgrade()?;
        call(&calls, move |driver| is_open().then(|| run(driver))).await?
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
