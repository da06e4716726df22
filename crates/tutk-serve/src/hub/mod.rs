//! One session a camera, for any number of viewers.

mod camera;
mod description;
mod keeper;
mod ring;
mod shared;
mod stats;
mod viewer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

pub use self::camera::{Camera, CameraSettings, DESCRIPTION_WAIT, HubTalker, Keep, LINGER, Lease};
pub use self::description::{
    PICTURE_SETTLING, SETTLING, SoundDescription, StreamDescription, audio_codec, audio_format,
};
pub use self::keeper::MAX_COMMANDS;
use self::keeper::{Control, Keeper};
pub use self::ring::{KEPT_BYTES, KEPT_FRAMES, KeptLimits, LiveFrame};
use self::shared::Shared;
pub use self::stats::{CameraDetails, CameraState, CameraStats, ViewerStats};
pub use self::viewer::{MAX_LAG, Viewer, ViewerEvent};
use crate::error::Error;

/// The longest name of a camera, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

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
    /// [`Error::Name`] if the name is empty, longer than [`MAX_NAME_BYTES`], or has `/` or a control character in it;
    /// [`Error::Exists`].
    pub fn add(&self, name: &str, settings: CameraSettings) -> Result<Camera, Error> {
        let bad = |c: char| c == '/' || c.is_control();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(bad) {
            return Err(Error::Name(name.to_owned()));
        }
        let mut cameras = self.lock();
        if cameras.contains_key(name) {
            return Err(Error::Exists(name.to_owned()));
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
