//! The running service: cameras, recorders and listeners.

use std::collections::BTreeMap;
use std::time::Duration;

use tutk_runtime::Workers;
use tutk_serve::{CameraSettings, Hub};

use super::listeners::{self, Listeners, Shared};
use super::plan::{CameraPlan, Plan, Servers};
use super::recorder::{ContinuousRecording, RecordingThreads};
use crate::camera;
use crate::capture::Capture;
use crate::failure::Failure;
use crate::weak_key;

/// The time limit for closing. It is shorter than the time after which a signal terminates the
/// program.
const CLOSE: Duration = Duration::from_secs(4);

/// All cameras, recorders and listeners.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) hub: Hub,
    cameras: BTreeMap<String, Served>,
    /// Started with the first recording.
    recording_threads: Option<RecordingThreads>,
    /// The plan of the listeners. `None` if they did not start.
    servers: Option<Servers>,
    listeners: Listeners,
}

#[derive(Debug)]
struct Served {
    plan: CameraPlan,
    recording: Option<ContinuousRecording>,
    /// Completed when it is dropped.
    capture: Option<Capture>,
}

/// The changes that a new plan made.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) servers: bool,
}

impl Service {
    /// Starts everything in the plan. Stops everything again if one part fails.
    pub(crate) async fn open(plan: Plan) -> Result<Self, Failure> {
        let workers = Workers::per_core().map_err(|error| {
            let what = format!("cannot start the threads of the cameras: {error}");
            Failure::other("start", what, "raise the limit of threads (ulimit -u)")
        })?;
        let hub = Hub::with_workers(workers);
        let shared = Shared::load(&plan.servers)?;
        let listeners = Listeners::open(&hub, &plan.servers, shared, plan.cameras.len()).await?;
        let mut service = Self {
            hub,
            cameras: BTreeMap::new(),
            recording_threads: None,
            servers: Some(plan.servers),
            listeners,
        };
        for (name, camera) in plan.cameras {
            service.add(name, camera).await?;
        }
        Ok(service)
    }

    /// Applies a new plan. Unchanged cameras keep their sessions and viewers.
    ///
    /// # Errors
    /// The first part that failed. All other parts are applied.
    pub(crate) async fn apply(&mut self, plan: Plan) -> Result<Changes, Failure> {
        let mut changes = Changes::default();
        let mut result = Ok(());
        let gone = |name: &String| !plan.cameras.contains_key(name);
        for name in self
            .cameras
            .keys()
            .filter(|name| gone(name))
            .cloned()
            .collect::<Vec<_>>()
        {
            self.remove(&name).await;
            changes.removed.push(name);
        }
        for (name, camera) in plan.cameras {
            match self.cameras.get(&name) {
                Some(served) if served.plan == camera => continue,
                Some(_) => {
                    self.remove(&name).await;
                    changes.changed.push(name.clone());
                }
                None => changes.added.push(name.clone()),
            }
            result = result.and(self.add(name, camera).await);
        }
        if self.servers.as_ref() != Some(&plan.servers) {
            changes.servers = true;
            result = result.and(self.replace_listeners(plan.servers).await);
        }
        result.map(|()| changes)
    }

    /// Replaces the listeners. If the accounts or the certificate are not usable, the old ones
    /// stay. A plan that failed is tried again, even if it did not change.
    async fn replace_listeners(&mut self, servers: Servers) -> Result<(), Failure> {
        let shared = Shared::load(&servers)?;
        self.servers = None;
        std::mem::take(&mut self.listeners).close().await;
        self.listeners = Listeners::open(&self.hub, &servers, shared, self.cameras.len()).await?;
        self.servers = Some(servers);
        Ok(())
    }

    /// Returns the addresses of the cameras, one per line, and the certificate's fingerprint.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut lines = listeners::urls(&self.hub, self.cameras.keys());
        let fingerprint = self.listeners.fingerprint.as_ref();
        lines.extend(fingerprint.map(|of| format!("certificate SHA-256 {of}")));
        lines
    }

    /// Completes files, closes sessions, and disconnects clients.
    pub(crate) async fn close(self) {
        let all = async {
            let recordings = self.cameras.values();
            recordings
                .filter_map(|served| served.recording.as_ref())
                .for_each(ContinuousRecording::request_stop);
            // Captures end after the sessions.
            let mut captures = Vec::new();
            for (_, served) in self.cameras {
                captures.extend(served.capture);
                if let Some(recording) = served.recording {
                    recording.stop().await;
                }
            }
            self.listeners.close().await;
            self.hub.close().await;
        };
        if tokio::time::timeout(CLOSE, all).await.is_err() {
            tracing::warn!("some sessions did not close in time");
        }
    }

    async fn add(&mut self, name: String, plan: CameraPlan) -> Result<(), Failure> {
        if let Some(warning) = weak_key::warning(&plan.camera.credentials) {
            tracing::warn!(camera = name, "{warning}");
        }
        if plan.record.is_some() {
            self.start_recording_threads()?;
        }
        let mut settings = settings(&plan);
        let capture = plan.capture.as_ref().map(|file| {
            let capture = Capture::create_numbered(&file.path, file.size)?;
            settings.client.key_log = true;
            settings.observer = Some(capture.observer());
            tracing::info!(camera = name, file = capture.name(), "capturing packets");
            Ok(capture)
        });
        let capture = capture.transpose()?;
        let camera = self.hub.add(&name, settings).map_err(|error| {
            let advice = "rename the camera in the file";
            Failure::usage("arguments", error.to_string(), advice)
        })?;
        let recording = plan.record.clone().zip(self.recording_threads.as_ref());
        let recording =
            recording.map(|(target, threads)| ContinuousRecording::start(threads, camera, target));
        let served = Served {
            plan,
            recording,
            capture,
        };
        self.cameras.insert(name, served);
        Ok(())
    }

    fn start_recording_threads(&mut self) -> Result<(), Failure> {
        if self.recording_threads.is_none() {
            let threads = RecordingThreads::start().map_err(|error| {
                let what = format!("cannot start the threads that record: {error}");
                Failure::other("start", what, "raise the limit of threads (ulimit -u)")
            })?;
            self.recording_threads = Some(threads);
        }
        Ok(())
    }

    async fn remove(&mut self, name: &str) {
        let served = self.cameras.remove(name);
        let (recording, capture) = match served {
            Some(served) => (served.recording, served.capture),
            None => (None, None),
        };
        if let Some(recording) = recording {
            recording.stop().await;
        }
        self.hub.remove(name).await;
        drop(capture);
    }
}

/// Returns the settings of a camera in the hub.
pub(super) fn settings(plan: &CameraPlan) -> CameraSettings {
    let camera = plan.camera.clone();
    // A name is looked up before each attempt.
    let address = camera::literal_address(&camera);
    let (dialect, resend, network) = (&plan.dialect, plan.resend, &plan.network);
    let mut settings = camera::settings(camera, address, network, dialect, resend, plan.sound);
    settings.client.set_clock = plan.set_clock;
    settings.keep = plan.keep;
    settings
}
