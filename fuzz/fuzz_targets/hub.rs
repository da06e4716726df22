//! A camera of the hub and its viewers: frames and changes of the session, viewers that come, read
//! slowly and leave, in any order.
//!
//! - Each viewer gets frames in order, with their description, and no video frame without all
//!   frames since its key frame.
//! - A viewer that comes after the end of a session gets no frame of it.
//! - A viewer that waits is woken by the next frame.
//! - The kept frames stay within the limits, apart from one frame that each viewer holds.
#![no_main]

mod feed;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use arbitrary::Arbitrary;
use feed::Feed;
use libfuzzer_sys::fuzz_target;
use tutk_serve::{Hub, KeptLimits, LiveFrame, StreamDescription, Viewer, ViewerEvent};
use tutk_session::hl_ioctl::ConnectResult;
use tutk_session::{Codec, DriverError, Event, MediaKind, SupervisorEvent};

/// The maximum number of viewers.
const MAX_VIEWERS: usize = 6;

#[derive(Debug, Arbitrary)]
struct Input {
    kept_bytes: u16,
    kept_frames: u8,
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Frame {
        kind: Kind,
        codec: Format,
        later: u8,
        len: u16,
        discontinuity: bool,
    },
    /// The start of a group of pictures.
    Group(u8),
    Change(Change),
    Watch,
    Take {
        viewer: u8,
        events: u8,
    },
    Lag {
        viewer: u8,
        lag: Option<u8>,
    },
    Leave(u8),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    Key,
    Delta,
    Audio,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Format {
    H264,
    H265,
    /// A codec that the hub does not parse.
    Other,
    None,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Change {
    Connecting,
    Authenticated,
    Idle,
    GaveUp,
}

/// A viewer and what it has received.
struct Watcher {
    viewer: Viewer,
    woken: Arc<Woken>,
    waits: bool,
    /// The number of the first frame that it may get.
    earliest: usize,
    last: Option<usize>,
    last_video: Option<usize>,
    received: u64,
    description: Option<Arc<StreamDescription>>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The frames that were sent.
#[derive(Default)]
struct Sent {
    kinds: Vec<MediaKind>,
    /// New viewers may start with the newest group of pictures.
    open: bool,
    /// The size of the largest frame.
    largest: usize,
}

fuzz_target!(|input: Input| {
    let kept = KeptLimits {
        bytes: input.kept_bytes.into(),
        frames: usize::from(input.kept_frames % 64),
    };
    let hub = Hub::new();
    let mut feed = Feed::new(&hub, kept);
    let mut sent = Sent::default();
    let mut watchers = VecDeque::new();
    for step in input.steps {
        match step {
            Step::Frame {
                kind,
                codec,
                later,
                len,
                discontinuity,
            } => {
                let (kind, codec) = (kind.media(), codec.of(kind));
                let later = Duration::from_millis(u64::from(later) * 10);
                let len = usize::from(len % 4_096);
                sent.send(&mut feed, kind, codec, later, len, discontinuity);
            }
            Step::Group(deltas) => {
                let (codec, later) = (Some(Codec::H264), Duration::from_millis(50));
                sent.send(&mut feed, MediaKind::Key, codec, later, 600, false);
                for _ in 0..deltas % 32 {
                    sent.send(&mut feed, MediaKind::Delta, codec, later, 60, false);
                }
            }
            Step::Change(change) => {
                sent.open &= matches!(change, Change::Connecting | Change::Authenticated);
                feed.event(change.event());
            }
            Step::Watch if watchers.len() < MAX_VIEWERS => {
                watchers.push_back(Watcher::new(feed.camera.watch("fuzz"), &sent));
            }
            Step::Watch => {}
            Step::Take { viewer, events } => {
                if let Some(watcher) = choose(&mut watchers, viewer) {
                    for _ in 0..=events % 64 {
                        if watcher.take(&sent).is_none() {
                            break;
                        }
                    }
                }
            }
            Step::Lag { viewer, lag } => {
                if let Some(watcher) = choose(&mut watchers, viewer) {
                    let lag = lag.map(|lag| Duration::from_millis(u64::from(lag) * 20));
                    watcher.viewer.set_max_lag(lag);
                }
            }
            Step::Leave(viewer) => {
                let index = usize::from(viewer) % watchers.len().max(1);
                watchers.remove(index);
            }
        }
        for watcher in &watchers {
            watcher.check_woken(&sent);
        }
        // Each viewer can hold a frame whose description it has just returned.
        let held = watchers.len();
        let (frames, bytes) = (feed.alive.frames(), feed.alive.bytes());
        assert!(frames <= kept.frames.max(1) + held, "{frames} frames");
        let most = kept.bytes.max(sent.largest) + held * sent.largest;
        assert!(bytes <= most, "{bytes} bytes");
    }
    feed.event(SupervisorEvent::Ended(Ok(())));
    for watcher in &mut watchers {
        while watcher.take(&sent).is_some() {}
        assert!(!watcher.waits, "a viewer of a closed camera waits");
    }
    let alive = Arc::clone(&feed.alive);
    drop((watchers, feed, hub));
    assert_eq!((alive.frames(), alive.bytes()), (0, 0));
});

fn choose(watchers: &mut VecDeque<Watcher>, number: u8) -> Option<&mut Watcher> {
    let index = usize::from(number) % watchers.len().max(1);
    watchers.get_mut(index)
}

impl Sent {
    fn send(
        &mut self,
        feed: &mut Feed,
        kind: MediaKind,
        codec: Option<Codec>,
        later: Duration,
        len: usize,
        discontinuity: bool,
    ) {
        self.kinds.push(kind);
        self.open |= kind == MediaKind::Key;
        let size = feed.frame(kind, codec, later, len, discontinuity);
        self.largest = self.largest.max(size);
    }
}

impl Watcher {
    fn new(viewer: Viewer, sent: &Sent) -> Self {
        Self {
            viewer,
            woken: Arc::default(),
            waits: false,
            earliest: if sent.open { 0 } else { sent.kinds.len() },
            last: None,
            last_video: None,
            received: 0,
            description: None,
        }
    }

    /// Takes an event, if there is one.
    fn take(&mut self, sent: &Sent) -> Option<()> {
        let waker = Waker::from(Arc::clone(&self.woken));
        let polled = {
            let event = pin!(self.viewer.next_event());
            event.poll(&mut Context::from_waker(&waker))
        };
        let Poll::Ready(event) = polled else {
            self.woken.0.store(false, Ordering::Relaxed);
            self.waits = true;
            return None;
        };
        self.waits = false;
        match event? {
            ViewerEvent::Description(description) => self.description = Some(description),
            ViewerEvent::Missed(frames) => assert!(frames > 0),
            ViewerEvent::Frame(frame) => self.check(&frame, sent),
            _ => {}
        }
        Some(())
    }

    fn check(&mut self, frame: &LiveFrame, sent: &Sent) {
        let since = frame.wall.duration_since(SystemTime::UNIX_EPOCH);
        let number = since.expect("a time after 1970").as_nanos();
        let number = usize::try_from(number).expect("few frames");
        assert!(number >= self.earliest, "a frame of an ended session");
        assert!(self.last.is_none_or(|last| last < number), "out of order");
        assert_eq!(frame.kind, sent.kinds[number]);
        let described = self.description.as_ref();
        assert!(described.is_some_and(|known| Arc::ptr_eq(known, &frame.description)));
        if frame.kind == MediaKind::Delta {
            let before = self.last_video.expect("a key frame before a delta frame");
            let between = &sent.kinds[before + 1..number];
            assert!(between.iter().all(|kind| !kind.is_video()), "a gap");
        }
        if frame.kind.is_video() {
            self.last_video = Some(number);
        }
        self.last = Some(number);
        self.received += 1;
    }

    fn check_woken(&self, sent: &Sent) {
        let stats = self.viewer.stats().expect("a viewer of an open camera");
        assert!(stats.frames >= self.received);
        let total = stats.frames + stats.missed + stats.waiting;
        assert!(total <= sent.kinds.len() as u64, "{stats:?}");
        if self.waits && stats.waiting > 0 {
            assert!(
                self.woken.0.load(Ordering::Relaxed),
                "a viewer is not woken"
            );
        }
    }
}

impl Kind {
    fn media(self) -> MediaKind {
        match self {
            Self::Key => MediaKind::Key,
            Self::Delta => MediaKind::Delta,
            Self::Audio => MediaKind::Audio,
        }
    }
}

impl Format {
    fn of(self, kind: Kind) -> Option<Codec> {
        match (self, kind) {
            (Self::None, _) => None,
            (Self::H264, Kind::Audio) => Some(Codec::Pcm),
            (Self::H265, Kind::Audio) => Some(Codec::Pcma),
            (Self::Other, Kind::Audio) => Some(Codec::Opus),
            (Self::H264, _) => Some(Codec::H264),
            (Self::H265, _) => Some(Codec::H265),
            (Self::Other, _) => Some(Codec::Mjpeg),
        }
    }
}

impl Change {
    fn event(self) -> SupervisorEvent {
        match self {
            Self::Connecting => SupervisorEvent::Connecting,
            Self::Authenticated => {
                let result = ConnectResult::accept(None, None);
                SupervisorEvent::Session(Event::Authenticated(Box::new(result)))
            }
            Self::Idle => SupervisorEvent::Idle,
            Self::GaveUp => {
                let error = DriverError::new(std::io::Error::other("unreachable"));
                SupervisorEvent::GaveUp(error.into())
            }
        }
    }
}
