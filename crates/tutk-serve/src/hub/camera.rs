//! One camera of the hub, for all who want something of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::{Answer, MAX_HL_PAYLOAD};
use tutk_runtime::{ReconnectPolicy, TalkSound, Talker};
use tutk_session::ClientConfig;

use super::description::StreamDescription;
use super::gop_buffer::KeptLimits;
use super::keeper::{Control, Opening};
use super::shared::{Inner, Shared};
use super::stats::{CameraDetails, CameraState, CameraStats};
use super::viewer::Viewer;
use crate::error::Error;

/// How long the session is kept by default after the last viewer has left.
pub const LINGER: Duration = Duration::from_secs(10);

/// How long [`Camera::description`] waits for frames of a camera that is up or may come up.
pub const DESCRIPTION_WAIT: Duration = Duration::from_secs(15);

/// When there is a session with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Always.
    Always,
    /// While somebody needs it, and for a while after that.
    OnDemand {
        /// How long a while; [`LINGER`] by default.
        linger: Duration,
    },
}

impl Default for Keep {
    fn default() -> Self {
        Self::OnDemand { linger: LINGER }
    }
}

/// What the hub has to know of a camera. Made by [`CameraSettings::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraSettings {
    /// The camera, and what it is asked for.
    pub client: ClientConfig,
    /// When there is a session.
    pub keep: Keep,
    /// How a session that fell is begun again. By default as [`ReconnectPolicy`] says, but the first one too: a
    /// camera that is away when the hub comes up is no reason to give it up.
    pub policy: ReconnectPolicy,
    /// How much of what it sends is kept.
    pub kept: KeptLimits,
    /// What it is told each time that it has let us in: to choose its picture, above all. Answers are not waited for.
    pub greeting: Vec<Request>,
}

impl CameraSettings {
    /// On demand, with all defaults.
    #[must_use]
    pub fn new(client: ClientConfig) -> Self {
        let mut policy = ReconnectPolicy::default();
        policy.retry_first = true;
        Self {
            client,
            keep: Keep::default(),
            policy,
            kept: KeptLimits::default(),
            greeting: Vec::new(),
        }
    }
}

/// A camera of the [`Hub`](super::Hub). Clones are of the same one; they alone do not keep a session up.
#[derive(Debug, Clone)]
pub struct Camera {
    name: Arc<str>,
    shared: Arc<Shared>,
    control: mpsc::Sender<Control>,
}

/// The need of a session with a camera. While one of these is there, the session is kept up, or begun again.
#[derive(Debug)]
pub struct Lease {
    camera: Camera,
}

/// The way for sound to a camera, and the need of its session.
#[derive(Debug)]
pub struct HubTalker {
    talker: Talker,
    _lease: Lease,
}

impl Camera {
    pub(super) fn new(name: Arc<str>, shared: Arc<Shared>, control: mpsc::Sender<Control>) -> Self {
        Self {
            name,
            shared,
            control,
        }
    }

    /// Returns the muxer of a format, shared with other viewers. Returns `None` if the stream has no video.
    #[cfg(feature = "http")]
    pub(crate) fn muxer(
        &self,
        format: super::muxer::MuxFormat,
        description: &StreamDescription,
    ) -> Option<Arc<super::muxer::Muxer>> {
        self.shared.muxers.get(format, description)
    }

    /// Its name in the hub.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> CameraState {
        self.shared.lock().state.clone()
    }

    /// What is known of it beside its frames.
    #[must_use]
    pub fn details(&self) -> CameraDetails {
        self.shared.lock().details.clone()
    }

    /// Keeps the session up, or has one begun, until what is returned is dropped, and waits until the camera has let
    /// us in: from then on its [details](Self::details) are known.
    ///
    /// # Errors
    /// [`Error::Down`] when there is no session; [`Error::Closed`].
    pub async fn connect(&self) -> Result<Lease, Error> {
        let lease = self.lease();
        self.up().await?;
        Ok(lease)
    }

    /// What it shows, as far as that is known now: [`description`](Self::description) waits for it.
    #[must_use]
    pub fn shown(&self) -> Option<Arc<StreamDescription>> {
        self.shared.lock().description.clone()
    }

    /// Keeps the session up, or has one begun, until what is returned is dropped.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let mut inner = self.shared.lock();
        inner.users += 1;
        inner.visits += 1;
        drop(inner);
        self.shared.users.notify_one();
        Lease {
            camera: self.clone(),
        }
    }

    /// Begins to watch. `label` says who watches, for the statistics.
    #[must_use]
    pub fn watch(&self, label: impl Into<String>) -> Viewer {
        let lease = self.lease();
        let now = SystemTime::now();
        let id = self.shared.lock().subscribe(label.into(), now);
        Viewer::new(lease, id)
    }

    /// What the camera shows, as soon as that is settled; a session is begun for it if there is none.
    ///
    /// # Errors
    /// [`Error::Down`] when there is no session and the next attempt has to be waited for; [`Error::NoFrames`] when
    /// no frame came within [`DESCRIPTION_WAIT`]; [`Error::Closed`].
    pub async fn description(&self) -> Result<Arc<StreamDescription>, Error> {
        let _lease = self.lease();
        let described = self.wait(|inner| {
            let known = inner.description.as_ref();
            known.filter(|known| known.settled).cloned()
        });
        match tokio::time::timeout(DESCRIPTION_WAIT, described).await {
            Ok(described) => described,
            Err(_) => Err(Error::NoFrames(DESCRIPTION_WAIT)),
        }
    }

    /// Sends a command and waits for its answer; a session is begun for it if there is none. Any number may do so
    /// at once: of those with the same code the camera gets one after the other.
    ///
    /// # Errors
    /// [`Error::Unanswered`]; [`Error::Down`] when there is no session, or it fell before the answer;
    /// [`Error::Busy`] and [`Error::TooLong`] when it cannot be sent; [`Error::Closed`].
    pub async fn command(&self, request: impl Into<Request>) -> Result<Answer, Error> {
        let request = request.into();
        if request.payload.len() > MAX_HL_PAYLOAD {
            return Err(Error::TooLong {
                max: MAX_HL_PAYLOAD,
                found: request.payload.len(),
            });
        }
        let _lease = self.lease();
        self.up().await?;
        self.ask(|reply| Control::Command(request, reply)).await?
    }

    /// Opens the way for sound to the camera and returns when it listens; a session is begun for it if there is
    /// none. One at a time.
    ///
    /// # Errors
    /// [`Error::Session`] says why it does not listen, or that somebody else talks; [`Error::Down`] when there is
    /// no session; [`Error::Closed`].
    pub async fn talk(&self) -> Result<HubTalker, Error> {
        let lease = self.lease();
        self.up().await?;
        let opening: Opening = self.ask(Control::Talk).await??;
        Ok(HubTalker {
            talker: opening.await?,
            _lease: lease,
        })
    }

    /// What was counted so far.
    pub async fn stats(&self) -> CameraStats {
        let session = self.ask(Control::Tally).await.ok().flatten();
        CameraStats {
            session,
            ..self.shared.lock().stats()
        }
    }

    /// Waits until the camera has let us in.
    async fn up(&self) -> Result<(), Error> {
        self.wait(|inner| matches!(inner.state, CameraState::Up).then_some(()))
            .await
    }

    /// Waits until `found` finds something, or there is no session to wait for.
    async fn wait<T>(&self, mut found: impl FnMut(&Inner) -> Option<T>) -> Result<T, Error> {
        let mut news = self.shared.listen();
        loop {
            news.borrow_and_update();
            {
                let inner = self.shared.lock();
                match (&inner.state, found(&inner)) {
                    (CameraState::Closed, _) => return Err(Error::Closed),
                    (_, Some(found)) => return Ok(found),
                    // One that was up a moment ago may be there at the next attempt.
                    (CameraState::Down(fall), None) if fall.lasted.is_none() => {
                        return Err(Error::Down(fall.error.clone()));
                    }
                    (CameraState::Failed(error), None) => return Err(Error::Down(error.clone())),
                    (_, None) => {}
                }
            }
            // Its sender is in `shared`.
            news.changed().await.map_err(|_| Error::Closed)?;
        }
    }

    async fn ask<T>(
        &self,
        control: impl FnOnce(oneshot::Sender<T>) -> Control,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let sent = self.control.send(control(reply)).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }
}

impl Lease {
    /// The camera that is needed.
    #[must_use]
    pub fn camera(&self) -> &Camera {
        &self.camera
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.camera.shared
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared().lock().users -= 1;
        self.shared().users.notify_one();
    }
}

impl HubTalker {
    /// Sends a frame when it is time, as [`Talker::send`] does.
    ///
    /// # Errors
    /// [`Error::Session`], as [`Talker::send`].
    pub async fn send(&mut self, sound: TalkSound) -> Result<(), Error> {
        Ok(self.talker.send(sound).await?)
    }

    /// Tells the camera that this was all, and waits until it knows.
    ///
    /// # Errors
    /// [`Error::Session`], as [`Talker::finish`].
    pub async fn finish(self) -> Result<(), Error> {
        Ok(self.talker.finish().await?)
    }
}
