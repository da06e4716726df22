//! The newest snapshot of each camera.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::hub::{Camera, Hub};

/// The newest snapshots, by camera. Those of removed cameras are dropped.
#[derive(Debug, Default)]
pub(super) struct SnapshotCache {
    cameras: Mutex<BTreeMap<String, CachedSnapshot>>,
}

/// The newest snapshot of a camera. The lock is held while one is decoded.
pub(super) type CachedSnapshot = Arc<tokio::sync::Mutex<Option<Snapshot>>>;

/// A picture, and the key frame that it shows.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) of: Bytes,
    pub(super) jpeg: Bytes,
}

impl SnapshotCache {
    pub(super) fn of(&self, hub: &Hub, camera: &Camera) -> CachedSnapshot {
        let mut cameras = self.cameras.lock().unwrap_or_else(PoisonError::into_inner);
        cameras.retain(|name, _| hub.camera(name).is_some());
        Arc::clone(cameras.entry(camera.name().to_owned()).or_default())
    }
}
