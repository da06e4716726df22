//! Cameras that share threads.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "one test measures a thread that is too slow"
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread::{self, ThreadId};

use testkit::runtime::{camera_config, client_config, clip, start_camera};
use tokio::sync::mpsc;
use tutk_runtime::Workers;
use tutk_runtime::tutk_session::SupervisorEvent;

const THREADS: usize = 2;
const CAMERAS: usize = 6;

#[tokio::test]
async fn each_camera_has_one_thread_and_all_threads_have_cameras() {
    let workers = Workers::start(NonZeroUsize::new(THREADS).unwrap()).unwrap();
    let (sender, mut events) = mpsc::unbounded_channel();
    let (mut servers, mut controllers) = (Vec::new(), Vec::new());
    for camera in 0..CAMERAS {
        let server = start_camera(camera_config(&clip(100)));
        let sender = sender.clone();
        let sink = move |event| {
            if matches!(event, SupervisorEvent::Frame(_) | SupervisorEvent::Ended(_)) {
                sender
                    .send((camera, thread::current().id(), event))
                    .unwrap();
            }
        };
        let controller = workers.spawn(client_config(server.local_addr()), None, sink);
        controllers.push(controller.unwrap());
        servers.push(server);
    }
    // The threads stay while they have cameras.
    drop((workers, sender));
    let mut threads = BTreeMap::<usize, ThreadId>::new();
    let mut frames = [0; CAMERAS];
    while frames.iter().any(|&frames| frames < 30) {
        let (camera, thread, event) = events.recv().await.unwrap();
        assert!(matches!(event, SupervisorEvent::Frame(_)), "{event:?}");
        assert_eq!(*threads.entry(camera).or_insert(thread), thread);
        frames[camera] += 1;
    }
    for thread in threads.values() {
        let cameras = threads.values().filter(|other| *other == thread).count();
        assert_eq!(cameras, CAMERAS / THREADS, "{threads:?}");
        assert_ne!(*thread, thread::current().id());
    }
    for controller in controllers {
        controller.close().await;
    }
    let mut ended = 0;
    while let Some((.., event)) = events.recv().await {
        ended += usize::from(matches!(event, SupervisorEvent::Ended(Ok(()))));
    }
    assert_eq!(ended, CAMERAS);
}
