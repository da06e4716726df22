//! One session a camera, for any number of viewers.

mod camera;
mod derived;
mod description;
mod gop_buffer;
mod keeper;
#[cfg(feature = "http")]
mod muxer;
mod shared;
mod stats;
mod url_scheme;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use self::camera::{Camera, CameraSettings, DESCRIPTION_WAIT, HubTalker, Keep, LINGER, Lease};
#[cfg(feature = "http")]
pub(crate) use self::derived::MuxedFrame;
pub use self::description::{
    PICTURE_SETTLING, SETTLING, SoundDescription, StreamDescription, audio_codec, audio_format,
};
pub use self::gop_buffer::{KEPT_BYTES, KEPT_FRAMES, KeptLimits, LiveFrame, MAX_LAG};
pub use self::keeper::MAX_COMMANDS;
use self::keeper::{Control, Keeper};
#[cfg(feature = "http")]
pub(crate) use self::muxer::{AudioTrack, MuxFormat, Muxer};
use self::shared::Shared;
pub use self::stats::{CameraDetails, CameraState, CameraStats, ViewerStats};
use self::url_scheme::Outputs;
pub use self::url_scheme::{Registration, UrlScheme, UrlTarget};
pub use self::viewer::{Viewer, ViewerEvent};
use crate::error::Error;
use crate::limits::MAX_NAME_BYTES;

/// How many questions to a camera's task wait; who asks more waits as well.
const CONTROLS: usize = 16;

/// All cameras that are served, by name. Clones are of the same hub.
///
/// To drop the last clone, with all [`Camera`]s and [`Viewer`]s, ends the sessions without waiting;
/// [`close`](Self::close) waits until the cameras are told.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    cameras: Arc<Mutex<BTreeMap<String, Served>>>,
    /// Marked as changed when a camera's state changes, and when cameras come and go.
    news: watch::Sender<()>,
    outputs: Outputs,
}

#[derive(Debug)]
struct Served {
    camera: Camera,
    task: JoinHandle<()>,
    control: mpsc::Sender<Control>,
}

impl Hub {
    /// Serves no camera yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves a camera under this name.
    ///
    /// Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::InvalidName`] if the name is empty, longer than [`MAX_NAME_BYTES`], or has `/` or a control character in it;
    /// [`Error::AlreadyExists`].
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
        };
        let shared = Arc::new(Shared::new(settings.kept, details, self.news.clone()));
        let (control, controls) = mpsc::channel(CONTROLS);
        let label: Arc<str> = name.into();
        let keeper = Keeper::new(Arc::clone(&label), settings, Arc::clone(&shared), controls);
        let camera = Camera::new(label, shared, control.clone());
        let served = Served {
            camera: camera.clone(),
            task: tokio::spawn(keeper.run()),
            control,
        };
        cameras.insert(name.to_owned(), served);
        drop(cameras);
        self.news.send_replace(());
        Ok(camera)
    }

    /// The camera of that name.
    #[must_use]
    pub fn camera(&self, name: &str) -> Option<Camera> {
        self.lock().get(name).map(|served| served.camera.clone())
    }

    /// All cameras, by name.
    #[must_use]
    pub fn cameras(&self) -> Vec<Camera> {
        let cameras = self.lock();
        cameras
            .values()
            .map(|served| served.camera.clone())
            .collect()
    }

    /// Marked as changed whenever a camera's state changes, and when cameras come and go: for who watches all of them.
    /// Of several changes at once it is told once.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Lists the URLs of an output until the returned value is dropped. Outputs call this when they start.
    #[must_use]
    pub fn register(&self, scheme: UrlScheme) -> Registration {
        self.outputs.register(scheme)
    }

    /// Returns the URL schemes of all running outputs.
    #[must_use]
    pub fn outputs(&self) -> Vec<UrlScheme> {
        self.outputs.all()
    }

    /// Serves a camera no more, and waits until it is told. Its viewers take what is there, and that is all.
    /// `false` if there is none of that name.
    pub async fn remove(&self, name: &str) -> bool {
        let served = self.lock().remove(name);
        match served {
            Some(served) => {
                served.end().await;
                true
            }
            None => false,
        }
    }

    /// Serves no camera any more, and waits until all are told.
    pub async fn close(&self) {
        let all = std::mem::take(&mut *self.lock());
        for served in all.values() {
            // One that has ended already needs no word.
            let _ = served.control.send(Control::Close).await;
        }
        for served in all.into_values() {
            served.end().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Served>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    async fn end(self) {
        let _ = self.control.send(Control::Close).await;
        // It does not panic, and nobody else could stop it.
        let _ = self.task.await;
    }
}
