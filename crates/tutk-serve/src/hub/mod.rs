//! The hub: one session per camera, for any number of viewers.

mod camera;
mod derived;
mod description;
mod gop_buffer;
mod live_frame;
#[cfg(test)]
mod model;
#[cfg(feature = "http")]
mod muxer;
mod shared;
mod sink;
mod stats;
mod url_scheme;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;
use tutk_runtime::{Lease as SessionLease, Workers};

pub use tutk_runtime::MAX_AWAITED_REQUESTS as MAX_COMMANDS;
pub use tutk_session::{Keep, LINGER};

pub use self::camera::{Camera, CameraSettings, DESCRIPTION_WAIT, HubTalker, Lease};
#[cfg(feature = "http")]
pub(crate) use self::derived::MuxedFrame;
pub use self::description::{PICTURE_SETTLING, SETTLING, SoundDescription, StreamDescription};
pub use self::gop_buffer::{KEPT_BYTES, KEPT_FRAMES, KeptLimits, MAX_LAG};
pub use self::live_frame::{FrameContent, LiveFrame};
#[cfg(feature = "http")]
pub(crate) use self::muxer::{AudioTrack, MuxFormat, Muxer};
pub use self::shared::EVENT_BACKLOG;
use self::shared::Shared;
use self::sink::CameraSink;
pub use self::stats::{CameraDetails, CameraState, CameraStats, RecordingState, ViewerStats};
use self::url_scheme::Outputs;
pub use self::url_scheme::{Registration, UrlScheme, UrlTarget};
pub use self::viewer::{Viewer, ViewerEvent};
use crate::error::Error;
use crate::limits::MAX_NAME_BYTES;

/// The primitives of the shared state. The tests in `model` replace them.
mod sync {
    pub(super) use std::sync::{Mutex, MutexGuard};

    pub(super) use tokio::sync::watch;
}

/// The cameras of a server, by name. Clones share the same cameras.
///
/// Dropping the last clone, with all [`Camera`]s and [`Viewer`]s, closes the sessions without
/// waiting. [`close`](Self::close) waits until they are closed.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    cameras: Arc<Mutex<BTreeMap<String, Camera>>>,
    /// Changes when a camera's state changes, and when cameras are added or removed.
    changed: watch::Sender<()>,
    outputs: Outputs,
    /// The threads of the cameras; `None` for the runtime in which they are added.
    workers: Option<Workers>,
}

impl Hub {
    /// A hub without cameras.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A hub without cameras, whose cameras run on `workers`.
    #[must_use]
    pub fn with_workers(workers: Workers) -> Self {
        Self {
            workers: Some(workers),
            ..Self::default()
        }
    }

    /// Adds a camera.
    ///
    /// Without workers, must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::InvalidName`] if the name is empty, longer than [`MAX_NAME_BYTES`], or contains `/`
    /// or a control character; [`Error::AlreadyExists`]; [`Error::Session`] if the system has no
    /// randomness.
    pub fn add(&self, name: &str, settings: CameraSettings) -> Result<Camera, Error> {
        let bad = |c: char| c == '/' || c.is_control();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(bad) {
            return Err(Error::InvalidName(name.to_owned()));
        }
        let mut cameras = self.lock();
        if cameras.contains_key(name) {
            return Err(Error::AlreadyExists(name.to_owned()));
        }
        let details = CameraDetails {
            since: SystemTime::now(),
            model: settings.client.model.clone(),
            firmware: None,
            dialect: None,
            fps: None,
            moved_to: None,
        };
        let shared = Arc::new(Shared::new(settings.kept, details, self.changed.clone()));
        let label: Arc<str> = name.into();
        let mut sink = CameraSink::new(Arc::clone(&label), &settings, Arc::clone(&shared));
        let supervisor = settings.supervisor();
        let events = move |event| sink.handle_event(event);
        let controller = match &self.workers {
            Some(workers) => workers.spawn(supervisor, settings.observer, events),
            None => tutk_runtime::spawn_observed(supervisor, settings.observer, events),
        }?;
        let camera = Camera::new(label, shared, controller);
        cameras.insert(name.to_owned(), camera.clone());
        drop(cameras);
        self.changed.send_replace(());
        Ok(camera)
    }

    /// Returns the camera of that name.
    #[must_use]
    pub fn camera(&self, name: &str) -> Option<Camera> {
        self.lock().get(name).cloned()
    }

    /// Returns all cameras, by name.
    #[must_use]
    pub fn cameras(&self) -> Vec<Camera> {
        self.lock().values().cloned().collect()
    }

    /// Returns a receiver that is marked as changed when a camera's state changes, and when cameras
    /// are added or removed. Several changes may be reported as one.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Lists the URLs of an output until the returned value is dropped. Outputs call this when they
    /// start.
    #[must_use]
    pub fn register(&self, scheme: UrlScheme) -> Registration {
        self.outputs.register(scheme)
    }

    /// Returns the URL schemes of all running outputs.
    #[must_use]
    pub fn outputs(&self) -> Vec<UrlScheme> {
        self.outputs.all()
    }

    /// Removes the camera and waits until its session is closed. Its viewers still get the frames
    /// in the buffer. Returns `false` if there is no camera of that name.
    pub async fn remove(&self, name: &str) -> bool {
        let camera = self.lock().remove(name);
        if let Some(camera) = &camera {
            camera.close().await;
        }
        camera.is_some()
    }

    /// Removes all cameras and waits until their sessions are closed.
    pub async fn close(&self) {
        let cameras = std::mem::take(&mut *self.lock());
        for camera in cameras.values() {
            camera.request_close();
        }
        for camera in cameras.values() {
            camera.close().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Camera>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
