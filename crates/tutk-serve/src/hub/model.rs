//! The state that sink and viewers share, in all orders of their threads.
//!
//! The same source is compiled a second time with the primitives of [`loom`], which runs each test
//! with every order in which a thread is preempted at most [`PREEMPTIONS`] times, or
//! `LOOM_MAX_PREEMPTIONS` times. A lost wake-up is a deadlock, which loom reports.

#[path = "shared.rs"]
#[allow(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    reason = "the tests use a part of it, with other primitives"
)]
mod shared;
#[path = "viewer.rs"]
#[allow(
    clippy::duplicate_mod,
    dead_code,
    unreachable_pub,
    reason = "the tests use a part of it, with other primitives"
)]
mod viewer;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use loom::future::block_on;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use tutk_session::MediaKind;

use self::shared::Shared;
use self::viewer::{Viewer, ViewerEvent};
use super::live_frame::{FrameContent, LiveFrame};
#[cfg(feature = "http")]
use super::muxer;
use super::stats::{CameraDetails, CameraState};
use super::{KeptLimits, StreamDescription, description, gop_buffer, live_frame, stats};
use crate::error::Error;

mod sync {
    pub(super) use loom::sync::{Mutex, MutexGuard};

    /// As tokio's channel, without a value. tokio checks its own one with loom.
    pub(super) mod watch {
        use std::future::poll_fn;
        use std::marker::PhantomData;
        use std::mem;
        use std::sync::Arc;
        use std::task::{Poll, Waker};

        use loom::sync::Mutex;

        #[derive(Debug, Default)]
        struct Changes {
            version: u64,
            waiting: Vec<Waker>,
        }

        #[derive(Debug)]
        pub(in super::super) struct Sender<T>(Arc<Mutex<Changes>>, PhantomData<T>);

        pub(in super::super) struct Receiver {
            changes: Arc<Mutex<Changes>>,
            seen: u64,
        }

        impl<T> Sender<T> {
            pub(in super::super) fn new(_: T) -> Self {
                Self(Arc::new(Mutex::new(Changes::default())), PhantomData)
            }

            pub(in super::super) fn subscribe(&self) -> Receiver {
                let changes = Arc::clone(&self.0);
                let seen = changes.lock().unwrap().version;
                Receiver { changes, seen }
            }

            pub(in super::super) fn send_replace(&self, _: T) {
                let mut changes = self.0.lock().unwrap();
                changes.version += 1;
                let waiting = mem::take(&mut changes.waiting);
                drop(changes);
                waiting.into_iter().for_each(Waker::wake);
            }
        }

        impl Receiver {
            pub(in super::super) fn borrow_and_update(&mut self) {
                self.seen = self.changes.lock().unwrap().version;
            }

            pub(in super::super) async fn changed(&mut self) -> Result<(), ()> {
                poll_fn(|context| {
                    let mut changes = self.changes.lock().unwrap();
                    if changes.version == self.seen {
                        changes.waiting.push(context.waker().clone());
                        return Poll::Pending;
                    }
                    self.seen = changes.version;
                    Poll::Ready(Ok(()))
                })
                .await
            }
        }
    }
}

const PREEMPTIONS: usize = 2;

/// Counts the leases of the session.
type Leases = Arc<AtomicUsize>;

/// Takes the place of the lease of the runtime.
#[derive(Debug)]
struct SessionLease(Leases);

impl SessionLease {
    fn new(leases: &Leases) -> Self {
        leases.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(leases))
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(PREEMPTIONS);
    model.check(run);
}

fn shared(frames: usize) -> Arc<Shared> {
    let limits = KeptLimits {
        bytes: 1 << 20,
        frames,
    };
    let details = CameraDetails {
        since: SystemTime::UNIX_EPOCH,
        model: None,
        firmware: None,
        dialect: None,
        fps: None,
        moved_to: None,
    };
    Arc::new(Shared::new(limits, details, sync::watch::Sender::new(())))
}

fn watch(shared: &Arc<Shared>, leases: &Leases) -> Viewer {
    let lease = SessionLease::new(leases);
    let id = shared
        .lock()
        .subscribe(String::new(), SystemTime::UNIX_EPOCH);
    Viewer::new(Arc::clone(shared), lease, id)
}

/// Returns frames that share a description, `K` for a key frame.
fn frames(kinds: &str) -> Vec<LiveFrame> {
    let description = Arc::new(StreamDescription {
        video: None,
        sound: None,
        settled: true,
    });
    let frames = kinds.chars().zip(0..).map(|(kind, number)| {
        LiveFrame::from(FrameContent {
            kind: match kind {
                'K' => MediaKind::Key,
                _ => MediaKind::Delta,
            },
            data: Bytes::from_static(b"frame"),
            unit: None,
            codec: None,
            timestamp: Duration::from_millis(50 * number),
            wall: SystemTime::UNIX_EPOCH,
            discontinuity: false,
            description: Arc::clone(&description),
        })
    });
    frames.collect()
}

/// Pushes frames, and closes.
fn camera(shared: &Arc<Shared>, kinds: &'static str) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        for frame in frames(kinds) {
            shared.push(frame);
        }
        shared.change(CameraState::Closed);
    })
}

/// Returns the numbers of all frames of a viewer until the end, and how many it missed.
fn all(mut viewer: Viewer) -> (Vec<u64>, u64) {
    block_on(async {
        let (mut numbers, mut missed) = (Vec::new(), 0);
        while let Some(event) = viewer.next_event().await {
            match event {
                ViewerEvent::Frame(frame) => numbers.push(frame.number),
                ViewerEvent::Missed(count) => missed += count,
                ViewerEvent::State(_) | ViewerEvent::Description(_) => {}
            }
        }
        (numbers, missed)
    })
}

#[test]
fn every_viewer_gets_each_frame_once_and_in_order_and_the_end() {
    check(|| {
        let (shared, leases) = (shared(10), Leases::default());
        let viewers = [watch(&shared, &leases), watch(&shared, &leases)];
        let camera = camera(&shared, "Kd");
        let [first, second] = viewers;
        let other = thread::spawn(move || all(second));
        assert_eq!(all(first), (vec![0, 1], 0));
        assert_eq!(other.join().unwrap(), (vec![0, 1], 0));
        camera.join().unwrap();
    });
}

#[test]
fn viewer_that_comes_during_the_stream_starts_with_a_key_frame() {
    check(|| {
        let (shared, leases) = (shared(10), Leases::default());
        let camera = camera(&shared, "KdKd");
        let (numbers, missed) = all(watch(&shared, &leases));
        let last = numbers.last();
        assert!(last.is_none_or(|last| *last == 3), "{numbers:?}");
        assert!(matches!(numbers.first(), None | Some(0 | 2)), "{numbers:?}");
        assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
        // A viewer that comes between a key frame and its delta frame starts with the key frame.
        assert_eq!(missed, 0);
        camera.join().unwrap();
    });
}

#[test]
fn slow_viewer_gets_or_misses_each_frame() {
    check(|| {
        let (shared, leases) = (shared(2), Leases::default());
        let viewer = watch(&shared, &leases);
        let camera = camera(&shared, "KKKK");
        let (numbers, missed) = all(viewer);
        assert_eq!(numbers.len() as u64 + missed, 4, "{numbers:?}");
        assert!(numbers.windows(2).all(|two| two[0] < two[1]));
        assert_eq!(numbers.last(), Some(&3));
        camera.join().unwrap();
    });
}

#[test]
fn session_is_not_needed_after_the_last_viewer() {
    check(|| {
        let (shared, leases) = (shared(10), Leases::default());
        let mut viewer = watch(&shared, &leases);
        let other = watch(&shared, &leases);
        let leaving = thread::spawn(move || drop(other));
        let camera = camera(&shared, "Kd");
        block_on(async {
            while !matches!(viewer.next_event().await, Some(ViewerEvent::Frame(_))) {}
        });
        drop(viewer);
        leaving.join().unwrap();
        camera.join().unwrap();
        assert_eq!(leases.load(Ordering::SeqCst), 0);
        assert!(shared.lock().subscriptions.is_empty());
    });
}

#[test]
fn every_change_of_the_state_is_noticed() {
    check(|| {
        let (shared, leases) = (shared(10), Leases::default());
        let mut viewer = watch(&shared, &leases);
        let camera = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.change(CameraState::Connecting);
                shared.change(CameraState::Up);
            })
        };
        let waiting = {
            let shared = Arc::clone(&shared);
            let is_up = |state: &CameraState| matches!(state, CameraState::Up).then_some(());
            thread::spawn(move || block_on(shared.wait(|inner| is_up(&inner.state))))
        };
        block_on(async {
            while !matches!(
                viewer.next_event().await,
                Some(ViewerEvent::State(CameraState::Up))
            ) {}
        });
        waiting.join().unwrap().unwrap();
        camera.join().unwrap();
    });
}

#[test]
fn those_who_wait_learn_that_the_camera_was_removed() {
    check(|| {
        let shared = shared(10);
        let camera = camera(&shared, "K");
        let described = block_on(shared.wait(|inner| inner.description.clone()));
        assert!(matches!(described, Ok(_) | Err(Error::Closed)));
        let up = block_on(shared.wait(|_| None::<()>));
        assert!(matches!(up, Err(Error::Closed)));
        camera.join().unwrap();
    });
}
