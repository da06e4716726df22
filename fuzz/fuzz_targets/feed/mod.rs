//! A camera of a hub that has no session. The target sends the events of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tutk_serve::{Camera, CameraSettings, Hub, KeptLimits};
use tutk_session::{
    AudioFlags, ClientConfig, Codec, ContinuousFrame, Credentials, Frame, MediaKind,
    SupervisorEvent,
};

/// The name of the camera.
pub const NAME: &str = "front";

/// The begin of an H.264 key frame, with its parameter sets.
const KEY: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x5a, 0x80,
    0x80, 0x80, 0xa0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88,
];

/// The begin of an H.264 delta frame.
const DELTA: &[u8] = &[0, 0, 0, 1, 0x41, 0x9a];

/// A camera and the sender of its events.
pub struct Feed {
    pub camera: Camera,
    pub alive: Arc<Alive>,
    sink: Box<dyn FnMut(SupervisorEvent) + Send>,
    /// The number of frames so far.
    frames: u64,
    /// The times of video and audio.
    times: [Duration; 2],
    /// Has the task of the session, and never runs it.
    _stopped: Runtime,
}

/// The frames that exist, and their bytes. Clones of a frame count once.
#[derive(Default)]
pub struct Alive {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

/// The bytes of a frame, which are counted until they are dropped.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<Alive>,
}

impl Feed {
    /// Adds a camera to the hub.
    pub fn new(hub: &Hub, kept: KeptLimits) -> Self {
        let credentials = Credentials::new(
            "HSBJYB5HSETGCDWD111A",
            "aKzdqckqZ8HUHFe5",
            "AA:BB:CC:DD:EE:FF",
        );
        let client = ClientConfig::new(
            ([192, 0, 2, 1], 32_761).into(),
            credentials.expect("valid credentials"),
        );
        let mut settings = CameraSettings::new(client);
        settings.kept = kept;
        let stopped = Builder::new_current_thread().build().expect("a runtime");
        let context = stopped.enter();
        let camera = hub.add(NAME, settings.clone()).expect("a new camera");
        drop(context);
        Self {
            sink: Box::new(camera.event_sink(&settings)),
            camera,
            alive: Arc::default(),
            frames: 0,
            times: [Duration::ZERO; 2],
            _stopped: stopped,
        }
    }

    pub fn event(&mut self, event: SupervisorEvent) {
        (self.sink)(event);
    }

    /// Sends a frame with `len` bytes of payload, `later` after the previous one of its stream. Its
    /// time of day is its number in nanoseconds. Returns the number of its bytes.
    pub fn frame(
        &mut self,
        kind: MediaKind,
        codec: Option<Codec>,
        later: Duration,
        len: usize,
        discontinuity: bool,
    ) -> usize {
        let mut bytes = match kind {
            MediaKind::Key => KEY.to_vec(),
            MediaKind::Delta => DELTA.to_vec(),
            _ => Vec::new(),
        };
        bytes.resize(bytes.len() + len, 0x5a);
        let size = bytes.len();
        self.alive.frames.fetch_add(1, Ordering::Relaxed);
        self.alive.bytes.fetch_add(size, Ordering::Relaxed);
        let alive = Arc::clone(&self.alive);
        let time = &mut self.times[usize::from(!kind.is_video())];
        *time += later;
        let frame = Frame {
            kind,
            codec,
            audio: AudioFlags::new(8_000, 16, 1).filter(|_| !kind.is_video()),
            number: 0,
            timestamp: *time,
            info: None,
            resolution_changed: false,
            data: Bytes::from_owner(Counted { bytes, alive }),
        };
        let unix = Duration::from_nanos(self.frames);
        self.frames += 1;
        let frame = ContinuousFrame::new(frame, unix, discontinuity);
        self.event(SupervisorEvent::Frame(frame));
        size
    }
}

impl Alive {
    pub fn frames(&self) -> usize {
        self.frames.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.frames.fetch_sub(1, Ordering::Relaxed);
        self.alive
            .bytes
            .fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
