//! What is counted, for a camera and for each of its viewers.

use std::time::{Duration, SystemTime};

use tutk_runtime::{Fall, Tally};

/// Where a camera stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CameraState {
    /// Nobody needs it, and so there is no session.
    Idle,
    /// A session is being begun.
    Connecting,
    /// There is a session: the camera has let us in.
    Up,
    /// The session fell, or could not be begun. It says why, and when the next attempt comes.
    Down(Fall),
    /// As `Down`, and there is no attempt until a viewer comes, or half a minute has passed.
    Failed(tutk_runtime::Error),
    /// The camera is served no more.
    Closed,
}

/// What is known of a camera beside its frames. Nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CameraDetails {
    /// Since when the state is what it is.
    pub since: SystemTime,
    /// Its model: as the configuration says, or else as it calls itself, once it was there.
    pub model: Option<String>,
    /// Its firmware, as it says, once it was there.
    pub firmware: Option<String>,
    /// The name of the dialect that is spoken with it, once it was there.
    pub dialect: Option<&'static str>,
    /// Pictures a second, as it says with its frames, or when it lets us in.
    pub fps: Option<u32>,
}

/// What was counted of one viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewerStats {
    /// Which viewer: a number of its own for each since the camera is served.
    pub id: u64,
    /// What whoever watches called itself.
    pub label: String,
    /// Since when it watches.
    pub since: SystemTime,
    /// Frames that it took.
    pub frames: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Frames that it missed: because it was slow, or because no key frame had come yet.
    pub missed: u64,
    /// Frames that it could take now.
    pub waiting: u64,
}

/// What was counted of one camera since it is served.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraStats {
    /// Where it stands.
    pub state: CameraState,
    /// Those who watch.
    pub viewers: Vec<ViewerStats>,
    /// Viewers, and all others who need the session.
    pub users: usize,
    /// How often the camera let us in.
    pub sessions: u64,
    /// How often a session that was up fell.
    pub falls: u64,
    /// Frames of pictures that came.
    pub pictures: u64,
    /// Key frames of these.
    pub keys: u64,
    /// Frames of sound that came.
    pub sounds: u64,
    /// Bytes of all these frames.
    pub bytes: u64,
    /// Frames that are kept now.
    pub kept_frames: usize,
    /// Bytes of these.
    pub kept_bytes: usize,
    /// How often a group of pictures was longer than what is kept ([`KeptLimits`](super::KeptLimits)), so that nobody
    /// could begin with it.
    pub groups_cut: u64,
    /// Frames that viewers missed, those who have left included.
    pub missed: u64,
    /// The time of the newest frame on the camera's time line.
    pub time: Duration,
    /// The sums of the network since there is a session: losses, round trip. `None` while there is none.
    pub session: Option<Tally>,
}
