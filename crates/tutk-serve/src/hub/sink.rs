//! A camera's events, on their way into the shared state.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tutk_runtime::Panicked;
use tutk_runtime::tutk_session::{
    ConnectionError, ContinuousFrame, Event, MediaRequest, SupervisorEvent,
};

use super::camera::{Camera, CameraSettings};
use super::description::Describer;
use super::live_frame::{FrameContent, LiveFrame};
use super::shared::Shared;
use super::stats::CameraState;

/// Puts each event of a camera's session into the shared state, at once.
pub(super) struct CameraSink {
    name: Arc<str>,
    shared: Arc<Shared>,
    media: MediaRequest,
    /// The configuration names the model.
    has_model: bool,
    describer: Describer,
}

impl CameraSink {
    pub(super) fn new(name: Arc<str>, settings: &CameraSettings, shared: Arc<Shared>) -> Self {
        let media = settings.client.media;
        Self {
            name,
            shared,
            media,
            has_model: settings.client.model.is_some(),
            describer: Describer::new(media),
        }
    }

    pub(super) fn handle_event(&mut self, event: SupervisorEvent) {
        if !matches!(event, SupervisorEvent::Frame(_)) {
            self.shared.publish(&event);
        }
        match event {
            SupervisorEvent::Frame(frame) => self.frame(frame),
            SupervisorEvent::Session(event) => self.session_event(event),
            SupervisorEvent::Connecting => {
                tracing::info!(camera = %self.name, "connecting");
                self.describer = Describer::new(self.media);
                self.shared.change(CameraState::Connecting);
            }
            SupervisorEvent::Disconnected(disconnect) => {
                let (error, next) = (&disconnect.error, disconnect.next);
                match disconnect.lasted {
                    Some(lasted) => {
                        tracing::info!(camera = %self.name, %error, ?lasted, ?next, "disconnected");
                    }
                    None => tracing::info!(camera = %self.name, %error, ?next, "not connected"),
                }
                let mut inner = self.shared.lock();
                inner.counts.disconnects += u64::from(disconnect.lasted.is_some());
                inner.close_gop();
                drop(inner);
                self.shared.change(CameraState::Down(disconnect));
            }
            SupervisorEvent::GaveUp(error) => {
                match is_panic(&error) {
                    true => {
                        tracing::error!(camera = %self.name, %error, "the camera's task is restarted")
                    }
                    false => tracing::info!(camera = %self.name, %error, "gave up connecting"),
                }
                self.shared.lock().close_gop();
                self.shared.change(CameraState::Failed(error.into()));
            }
            SupervisorEvent::Moved { from, to } => {
                tracing::info!(camera = %self.name, %from, %to, "the camera has another address");
                self.shared.lock().details.moved_to = Some(to);
            }
            SupervisorEvent::Overloaded { datagrams } => OverloadLog::add(datagrams),
            SupervisorEvent::Idle => {
                tracing::info!(camera = %self.name, "no viewers: the session is closed");
                self.session_closed(CameraState::Idle);
            }
            SupervisorEvent::Ended(_) => {
                tracing::debug!(camera = %self.name, "removed");
                self.session_closed(CameraState::Closed);
            }
            _ => {}
        }
    }

    fn session_event(&mut self, event: Event) {
        match event {
            Event::Found { dialect, .. } => {
                self.shared.lock().details.dialect = Some(dialect);
                self.attempt_proceeds();
            }
            Event::Authenticated(result) => {
                tracing::info!(camera = %self.name, "connected");
                let mut inner = self.shared.lock();
                inner.counts.sessions += 1;
                let details = &mut inner.details;
                if !self.has_model {
                    details.model = result.model().map(str::to_owned);
                }
                details.firmware = result.firmware().map(str::to_owned);
                details.fps = result.video().and_then(|video| video.fps);
                drop(inner);
                self.shared.change(CameraState::Up);
            }
            Event::Answer(_) | Event::Unanswered { .. } => {}
            _ => self.attempt_proceeds(),
        }
    }

    /// The camera answers again after a disconnect.
    fn attempt_proceeds(&self) {
        let down = matches!(self.shared.lock().state, CameraState::Down(_));
        if down {
            self.shared.change(CameraState::Connecting);
        }
    }

    /// New viewers start with the next session.
    fn session_closed(&self, state: CameraState) {
        let mut inner = self.shared.lock();
        inner.description = None;
        inner.close_gop();
        drop(inner);
        self.shared.change(state);
    }

    fn frame(&mut self, next: ContinuousFrame) {
        let ContinuousFrame {
            frame,
            unix,
            discontinuity,
            ..
        } = next;
        let fps = frame.info.map_or(0, |info| u32::from(info.fps));
        if frame.is_key() && fps > 0 {
            self.shared.lock().details.fps = Some(fps);
        }
        let description = Arc::clone(self.describer.frame(&frame));
        let wall = SystemTime::UNIX_EPOCH.checked_add(unix);
        self.shared.push(LiveFrame::from(FrameContent {
            kind: frame.kind,
            data: frame.data,
            unit: self.describer.take_unit(),
            codec: frame.codec,
            timestamp: frame.timestamp,
            wall: wall.unwrap_or(SystemTime::UNIX_EPOCH),
            discontinuity,
            description,
        }));
    }
}

impl Camera {
    /// Returns a function that handles events as if the camera's session had sent them. For tests
    /// and fuzz targets.
    #[doc(hidden)]
    pub fn event_sink(
        &self,
        settings: &CameraSettings,
    ) -> impl FnMut(SupervisorEvent) + Send + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        let mut sink = CameraSink::new(Arc::clone(&self.name), settings, shared);
        move |event| sink.handle_event(event)
    }
}

/// What was dropped because this machine is too slow, and is not logged yet.
#[derive(Debug)]
struct OverloadLog {
    datagrams: u64,
    logged: Option<Instant>,
}

/// The shortest time between two warnings about overload.
const OVERLOAD_INTERVAL: Duration = Duration::from_secs(60);

impl OverloadLog {
    fn add(datagrams: u64) {
        static LOG: Mutex<OverloadLog> = Mutex::new(OverloadLog {
            datagrams: 0,
            logged: None,
        });
        let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
        log.datagrams = log.datagrams.saturating_add(datagrams);
        let is_due = |logged: Instant| logged.elapsed() >= OVERLOAD_INTERVAL;
        if log.logged.is_none_or(is_due) {
            tracing::warn!(
                datagrams = log.datagrams,
                "this machine is too slow for all cameras: datagrams were dropped, and video \
                 continues with key frames; use fewer cameras, or a lower bit rate"
            );
            (log.datagrams, log.logged) = (0, Some(Instant::now()));
        }
    }
}

fn is_panic(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Driver(error) => error.get_ref().is::<Panicked>(),
        _ => false,
    }
}
