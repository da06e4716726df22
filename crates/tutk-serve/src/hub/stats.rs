//! Statistics of a camera and of its viewers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tutk_session::{Dialect, Disconnect, Tally};

/// The state of a camera's session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CameraState {
    /// There is no session because there are no users.
    Idle,
    /// The session is being set up.
    Connecting,
    /// The camera has authenticated the client.
    Up,
    /// The session ended or could not be set up. Contains the reason and the time of the next
    /// attempt.
    Down(Disconnect),
    /// The hub gave up. The next attempt is made when a viewer comes or after half a minute.
    Failed(tutk_runtime::Error),
    /// The camera was removed from the hub.
    Closed,
}

/// The state of a camera's recording. The program that records it reports it with
/// [`Camera::set_recording`](super::Camera::set_recording).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingState {
    /// The camera is not recorded.
    #[default]
    Off,
    /// The camera is recorded whenever there are frames.
    On,
    /// Recording failed, for this reason. The recorder retries.
    Failed(String),
}

/// The properties of a camera, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CameraDetails {
    /// When the state last changed. While attempts to connect fail, when the session ended or the
    /// first attempt failed.
    pub since: SystemTime,
    /// The model, from the configuration or else from the camera.
    pub model: Option<String>,
    /// The firmware version, from the camera.
    pub firmware: Option<String>,
    /// The dialect that the camera speaks.
    pub dialect: Option<Arc<Dialect>>,
    /// Video frames per second, as the camera reports them.
    pub fps: Option<u32>,
    /// The address at which the camera was found by its UID, if it is not the configured one.
    pub moved_to: Option<SocketAddr>,
}

/// The statistics of one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewerStats {
    /// The number of the viewer, unique for its camera.
    pub id: u64,
    /// The label given to [`Camera::watch`](super::Camera::watch).
    pub label: String,
    /// When the viewer subscribed.
    pub since: SystemTime,
    /// Frames delivered.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames skipped because the viewer was slow or waited for a key frame.
    pub missed: u64,
    /// Frames ready for delivery.
    pub waiting: u64,
}

/// The statistics of one camera since it was added to the hub.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraStats {
    /// The state of the session.
    pub state: CameraState,
    /// The state of the recording.
    pub recording: RecordingState,
    /// The current viewers.
    pub viewers: Vec<ViewerStats>,
    /// The number of viewers and other users of the session.
    pub users: usize,
    /// Authenticated sessions.
    pub sessions: u64,
    /// Authenticated sessions that ended with an error.
    pub disconnects: u64,
    /// How often the camera's task has panicked and was restarted.
    pub panics: u64,
    /// Video frames.
    pub video_frames: u64,
    /// Key frames among the video frames.
    pub key_frames: u64,
    /// Audio frames.
    pub audio_frames: u64,
    /// Bytes of all frames.
    pub bytes: u64,
    /// Frames in the buffer.
    pub kept_frames: usize,
    /// Bytes of these frames.
    pub kept_bytes: usize,
    /// Groups of pictures that did not fit into the buffer ([`KeptLimits`](super::KeptLimits)), so
    /// that new viewers could not start with them.
    pub groups_cut: u64,
    /// Frames skipped by viewers, including former ones.
    pub missed: u64,
    /// The timestamp of the newest frame.
    pub time: Duration,
    /// The sums of the session's counters. `None` without a session.
    pub session: Option<Tally>,
}
