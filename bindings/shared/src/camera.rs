//! A session with a camera, for callers that are no tokio tasks.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::sync::OnceLock;
use std::time::SystemTime;

use serde_json::Value;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Mutex;
use tutk_runtime::{Controller, Error, Session};
use tutk_session::hl_ioctl::{self, Operation};
use tutk_session::models::command_context;
use tutk_session::{
    CameraUrl, ContinuousFrame, Event, MediaRequest, ReconnectPolicy, SupervisorConfig,
    SupervisorEvent,
};

/// The time limit for informing the camera that the session is closed.
const CLOSE: Duration = Duration::from_secs(3);

/// Creates a runtime with one thread, which runs the sessions.
///
/// # Errors
/// If the system has no thread.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tutk")
        .enable_all()
        .build()
}

/// What to request from a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraOptions {
    /// Request video.
    pub video: bool,
    /// Request audio.
    pub audio: bool,
    /// Reconnect after a failure. There is no retry if the first session fails before the camera
    /// has authenticated the client.
    pub reconnect: bool,
}

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The control or its values are invalid.
    #[error(transparent)]
    Request(hl_ioctl::Error),
    /// The answer cannot be decoded.
    #[error("cannot decode the answer: {0}")]
    Answer(#[source] hl_ioctl::Error),
    /// The camera did not confirm the command.
    #[error("{control}: the camera answered with {answer} instead of 1 (done)")]
    Refused {
        /// The name of the control.
        control: &'static str,
        /// The answer.
        answer: Value,
    },
    /// The command was not sent or not answered.
    #[error(transparent)]
    Session(#[from] Error),
}

/// A session with a camera, or one after the other. Dropping it closes the session.
///
/// All functions may be called by several threads at the same time. Blocking functions wait on the
/// calling thread, while the runtime's thread handles the packets.
#[derive(Debug)]
pub struct Camera {
    runtime: Handle,
    controller: Controller,
    events: Mutex<Events>,
    /// The model in the camera's address.
    model: Option<String>,
    /// Set when the camera authenticates the client for the first time, with the model that it
    /// reports.
    authenticated: OnceLock<Option<String>>,
}

#[derive(Debug)]
struct Events {
    session: Session,
    /// Events that were received and not returned yet.
    pending: VecDeque<SupervisorEvent>,
}

impl Camera {
    /// Starts to connect, and returns at once. Sets the picture quality that the address names.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness.
    pub fn open(runtime: &Handle, url: CameraUrl, options: CameraOptions) -> Result<Self, Error> {
        let model = url.model.clone();
        let config = config(url, options);
        let _context = runtime.enter();
        let session = Session::start(config)?;
        Ok(Self {
            runtime: runtime.clone(),
            controller: session.clone(),
            events: Mutex::new(Events {
                session,
                pending: VecDeque::new(),
            }),
            model,
            authenticated: OnceLock::new(),
        })
    }

    /// Returns the next frame, or `None` when the session was closed. Cancel-safe.
    ///
    /// # Errors
    /// The error that ended the session. Later calls return `None`.
    pub async fn next_frame(&self) -> Result<Option<ContinuousFrame>, Error> {
        loop {
            match self.next_event().await {
                Some(SupervisorEvent::Frame(frame)) => return Ok(Some(frame)),
                Some(SupervisorEvent::Ended(Err(error))) => return Err(error.into()),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// As [`next_frame`](Self::next_frame), for a thread. Returns `None` after the time limit.
    ///
    /// # Errors
    /// The error that ended the session. Later calls return `None`.
    pub fn next_frame_within(
        &self,
        limit: Duration,
    ) -> Option<Result<Option<ContinuousFrame>, Error>> {
        let next = async { tokio::time::timeout(limit, self.next_frame()).await.ok() };
        self.runtime.block_on(next)
    }

    /// Returns the next frame if there is one, without waiting. `None` if there is none yet.
    ///
    /// # Errors
    /// As for [`next_frame`](Self::next_frame).
    pub fn try_next_frame(&self) -> Option<Result<Option<ContinuousFrame>, Error>> {
        let mut next = pin!(self.next_frame());
        match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => Some(next),
            Poll::Pending => None,
        }
    }

    /// Waits until [`try_next_frame`](Self::try_next_frame) returns something. Cancel-safe.
    pub async fn wait_frame(&self) {
        loop {
            // Locked for one event, so that other callers get their turn.
            let mut events = self.events.lock().await;
            match events.pending.front() {
                Some(SupervisorEvent::Frame(_) | SupervisorEvent::Ended(_)) => return,
                Some(_) => _ = events.pending.pop_front(),
                None => match events.session.next_event().await {
                    Some(event) => {
                        self.note(&event);
                        events.pending.push_back(event);
                    }
                    None => return,
                },
            }
        }
    }

    /// Waits until the camera has authenticated the client for the first time.
    ///
    /// # Errors
    /// The error that ended the session before, or [`Error::Closed`].
    pub async fn wait_authenticated(&self) -> Result<(), Error> {
        while self.authenticated.get().is_none() {
            let mut events = self.events.lock().await;
            if let Some(error) = events.pending.iter().find_map(end) {
                return Err(error);
            }
            // Another caller may have received the event while this one waited for the lock.
            if self.authenticated.get().is_none() {
                let event = events.session.next_event().await.ok_or(Error::Closed)?;
                self.note(&event);
                events.pending.push_back(event);
            }
        }
        Ok(())
    }

    /// Reads a control, or sets it if there are values. Waits until the session is authenticated.
    /// Returns the value read, or `"done"`.
    ///
    /// # Errors
    /// [`CommandError`].
    pub async fn command(
        &self,
        control: &str,
        values: &[impl AsRef<str>],
    ) -> Result<Value, CommandError> {
        let operation = Operation::parse(control, values.iter().map(AsRef::as_ref));
        let operation = operation.map_err(CommandError::Request)?;
        self.wait_authenticated().await?;
        let reported = self.authenticated.get().and_then(Option::as_deref);
        let model = self.model.as_deref().or(reported);
        let request = operation.request(&command_context(model, unix_time()));
        let request = request.map_err(CommandError::Request)?;
        let answer = self.controller.request(request).await?;
        decode_answer(&operation, &answer.payload)
    }

    /// Waits for a future on the calling thread.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Asks the session to close. Threads that wait for a frame get `None`.
    pub fn stop(&self) {
        self.controller.request_close();
    }

    /// Closes the session, and waits until the camera was informed, or some seconds.
    pub async fn close(&self) {
        // Without an answer the camera notices the end itself.
        let _ = tokio::time::timeout(CLOSE, self.controller.close()).await;
    }

    async fn next_event(&self) -> Option<SupervisorEvent> {
        let mut events = self.events.lock().await;
        if let Some(event) = events.pending.pop_front() {
            return Some(event);
        }
        let event = events.session.next_event().await?;
        self.note(&event);
        Some(event)
    }

    fn note(&self, event: &SupervisorEvent) {
        if let SupervisorEvent::Session(Event::Authenticated(result)) = event {
            // Later sessions are with the same camera.
            let _ = self.authenticated.set(result.model().map(str::to_owned));
        }
    }
}

/// Decodes the payload of the answer to an operation: the value read, or `"done"`.
///
/// # Errors
/// [`CommandError::Answer`] and [`CommandError::Refused`].
pub fn decode_answer(operation: &Operation, payload: &[u8]) -> Result<Value, CommandError> {
    let answer = operation.describe(payload);
    let answer = answer.map_err(CommandError::Answer)?;
    match operation.is_done(&answer) {
        true => Ok(answer),
        false => Err(CommandError::Refused {
            control: operation.control().name,
            answer,
        }),
    }
}

/// Returns the error for commands after the end of the session.
fn end(event: &SupervisorEvent) -> Option<Error> {
    match event {
        SupervisorEvent::Ended(Err(error)) => Some(error.clone().into()),
        SupervisorEvent::Ended(Ok(())) => Some(Error::Closed),
        _ => None,
    }
}

fn config(mut url: CameraUrl, options: CameraOptions) -> SupervisorConfig {
    let CameraOptions {
        video,
        audio,
        reconnect,
    } = options;
    let policy = match reconnect {
        true => ReconnectPolicy::default(),
        false => ReconnectPolicy::never(),
    };
    if !video {
        url.subtype = None;
    }
    let mut config = SupervisorConfig::for_url(url, policy);
    config.client.media = MediaRequest { video, audio };
    config
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time is for the value `now` of commands"
)]
fn unix_time() -> Option<Duration> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok()
}
