//! One camera of the hub.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::broadcast;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::{Controller, Observer, Talker};
use tutk_session::{
    Answer, ClientConfig, Keep, MAX_HL_PAYLOAD, ReconnectPolicy, SupervisorConfig, SupervisorEvent,
    TalkFrame, Tally,
};

use super::description::StreamDescription;
use super::gop_buffer::KeptLimits;
use super::shared::{Inner, Shared};
use super::stats::{CameraDetails, CameraState, CameraStats, RecordingState};
use super::viewer::Viewer;
use crate::error::Error;

/// How long [`Camera::description`] waits for the first frames.
pub const DESCRIPTION_WAIT: Duration = Duration::from_secs(15);

/// How long to wait for the end of a session. It takes as long as sending two datagrams.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause after the hub gave up connecting. A new viewer ends it.
const RESTART_AFTER: Duration = Duration::from_secs(30);

/// The settings of a camera. Made by [`CameraSettings::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraSettings {
    /// The camera, and the configuration of its sessions.
    pub client: ClientConfig,
    /// When there is a session; on demand by default.
    pub keep: Keep,
    /// How to reconnect. By default as [`ReconnectPolicy`], and the very first session is retried,
    /// too.
    pub policy: ReconnectPolicy,
    /// The limits of the frame buffer.
    pub kept: KeptLimits,
    /// Commands that are sent each time the camera has authenticated the client, for example to set
    /// the video quality. Their answers are ignored.
    pub initial_commands: Vec<Request>,
    /// Observes the datagrams of the camera's sessions.
    pub observer: Option<Arc<dyn Observer>>,
}

impl CameraSettings {
    /// A session on demand, with all defaults.
    #[must_use]
    pub fn new(client: ClientConfig) -> Self {
        let mut policy = ReconnectPolicy::default();
        policy.retry_first = true;
        Self {
            client,
            keep: Keep::default(),
            policy,
            kept: KeptLimits::default(),
            initial_commands: Vec::new(),
            observer: None,
        }
    }

    pub(super) fn supervisor(&self) -> SupervisorConfig {
        let mut policy = self.policy.clone();
        policy.restart_after.get_or_insert(RESTART_AFTER);
        let mut config = SupervisorConfig::new(self.client.clone(), policy);
        config.keep = self.keep;
        config.initial_commands.clone_from(&self.initial_commands);
        config
    }
}

/// A camera of the [`Hub`](super::Hub). Clones are handles of the same camera. A handle alone does
/// not keep the session.
#[derive(Debug, Clone)]
pub struct Camera {
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
    controller: Controller,
}

/// A user of a camera's session. The session is kept, or reconnected, while there are leases.
#[derive(Debug)]
pub struct Lease {
    camera: Camera,
    _lease: tutk_runtime::Lease,
}

/// An open audio channel to a camera, and a lease of its session.
#[derive(Debug)]
pub struct HubTalker {
    talker: Talker,
    _lease: Lease,
}

impl Camera {
    pub(super) fn new(name: Arc<str>, shared: Arc<Shared>, controller: Controller) -> Self {
        Self {
            name,
            shared,
            controller,
        }
    }

    /// Returns the muxer of a format, shared with other viewers. Returns `None` if the stream has
    /// no video.
    #[cfg(feature = "http")]
    pub(crate) fn muxer(
        &self,
        format: super::muxer::MuxFormat,
        description: &StreamDescription,
    ) -> Option<Arc<super::muxer::Muxer>> {
        self.shared.muxers.get(format, description)
    }

    /// Returns the name in the hub.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the state of the session.
    #[must_use]
    pub fn state(&self) -> CameraState {
        self.shared.lock().state.clone()
    }

    /// Returns the state of the recording.
    #[must_use]
    pub fn recording(&self) -> RecordingState {
        self.shared.lock().recording.clone()
    }

    /// Reports the state of the recording, for statistics and the web page.
    pub fn set_recording(&self, recording: RecordingState) {
        self.shared.set_recording(recording);
    }

    /// Returns the model, firmware and other details.
    #[must_use]
    pub fn details(&self) -> CameraDetails {
        self.shared.lock().details.clone()
    }

    /// Leases the session and waits until the camera has authenticated the client. After that the
    /// [details](Self::details) are known.
    ///
    /// # Errors
    /// [`Error::Down`] if the attempt failed; [`Error::Closed`].
    pub async fn connect(&self) -> Result<Lease, Error> {
        let lease = self.lease();
        self.up().await?;
        Ok(lease)
    }

    /// Returns the description of the stream, if it is known. [`description`](Self::description)
    /// waits for it.
    #[must_use]
    pub fn shown(&self) -> Option<Arc<StreamDescription>> {
        self.shared.lock().description.clone()
    }

    /// Keeps the session, or starts one, until the lease is dropped.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease {
            camera: self.clone(),
            _lease: self.controller.lease(),
        }
    }

    /// Subscribes to the stream. `label` names the viewer in statistics.
    #[must_use]
    pub fn watch(&self, label: impl Into<String>) -> Viewer {
        let lease = self.controller.lease();
        let now = SystemTime::now();
        let id = self.shared.lock().subscribe(label.into(), now);
        Viewer::new(Arc::clone(&self.shared), lease, id)
    }

    /// Returns a receiver of all further events of the sessions, except frames: phases, lost
    /// frames, disconnects with their errors, key log lines. A receiver that is slow loses the
    /// oldest events over [`EVENT_BACKLOG`](super::EVENT_BACKLOG).
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<SupervisorEvent> {
        self.shared.events()
    }

    /// Waits for the description of the stream to settle. Starts a session if there is none.
    ///
    /// # Errors
    /// [`Error::Down`] if the attempt failed; [`Error::NoFrames`] if no frame arrived within
    /// [`DESCRIPTION_WAIT`]; [`Error::Closed`].
    pub async fn description(&self) -> Result<Arc<StreamDescription>, Error> {
        let _lease = self.lease();
        let described = self.shared.wait(|inner| {
            let known = inner.description.as_ref();
            known.filter(|known| known.settled).cloned()
        });
        match tokio::time::timeout(DESCRIPTION_WAIT, described).await {
            Ok(described) => described,
            Err(_) => Err(Error::NoFrames(DESCRIPTION_WAIT)),
        }
    }

    /// Sends a command and waits for its answer. Starts a session if there is none. The camera gets
    /// commands of the same code one after the other.
    ///
    /// # Errors
    /// [`Error::Unanswered`]; [`Error::Down`] if the attempt failed, or the session ended before
    /// the answer; [`Error::Busy`] or [`Error::TooLong`] if the command is not sent;
    /// [`Error::Closed`].
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
        Ok(self.controller.request(request).await?)
    }

    /// Opens an audio channel to the camera. Starts a session if there is none. There is one
    /// channel at a time.
    ///
    /// # Errors
    /// [`Error::Session`] if the camera does not open the channel or it is in use; [`Error::Down`]
    /// if there is no session; [`Error::Closed`].
    pub async fn talk(&self) -> Result<HubTalker, Error> {
        let lease = self.lease();
        self.up().await?;
        Ok(HubTalker {
            talker: self.controller.talk().await?,
            _lease: lease,
        })
    }

    /// Returns the statistics.
    pub async fn stats(&self) -> CameraStats {
        let tally = self.tally().await;
        let stats = self.shared.lock().stats();
        let running = matches!(
            stats.state,
            CameraState::Connecting | CameraState::Up | CameraState::Down(_)
        );
        CameraStats {
            users: self.controller.users(),
            panics: self.controller.panics(),
            session: running.then_some(tally),
            ..stats
        }
    }

    /// Returns the sums of the counters of all sessions since one was first needed, also after the
    /// hub gave up.
    pub async fn tally(&self) -> Tally {
        self.controller.tally().await
    }

    pub(super) fn request_close(&self) {
        self.controller.request_close();
    }

    /// Closes the session and waits until the camera was informed.
    pub(super) async fn close(&self) {
        let closed = tokio::time::timeout(CLOSE_TIMEOUT, self.controller.close());
        if closed.await.is_err() {
            tracing::debug!(camera = %self.name, "not closed in time");
        }
    }

    /// Waits until the camera has authenticated the client.
    async fn up(&self) -> Result<(), Error> {
        let is_up = |inner: &Inner| matches!(inner.state, CameraState::Up).then_some(());
        self.shared.wait(is_up).await
    }
}

impl Lease {
    /// Returns the camera.
    #[must_use]
    pub fn camera(&self) -> &Camera {
        &self.camera
    }
}

impl HubTalker {
    /// Sends a frame when it is due, as [`Talker::send`] does.
    ///
    /// # Errors
    /// The errors of [`Talker::send`].
    pub async fn send(&mut self, frame: TalkFrame<'_>) -> Result<(), Error> {
        self.talker.send(frame).await.map_err(Error::Session)
    }

    /// Closes the channel and waits until the camera has confirmed it.
    ///
    /// # Errors
    /// The errors of [`Talker::finish`].
    pub async fn finish(self) -> Result<(), Error> {
        self.talker.finish().await.map_err(Error::Session)
    }
}
