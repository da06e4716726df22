//! Threads for the tasks of many cameras.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tutk_session::{SupervisorConfig, SupervisorEvent};

use crate::controller::{self, Controller};
use crate::error::Error;
use crate::observer::Observer;

/// How long a thread without work sleeps before it waits for datagrams. Those that arrive in this
/// time are handled together, as network cards do with interrupts.
const PAUSE: Duration = Duration::from_millis(2);

/// Threads that share the tasks of many cameras. Each has a tokio runtime of its own, so that a
/// datagram wakes no other thread. A camera stays on one thread. A datagram may wait for 2 ms, so
/// that several are handled together.
///
/// Clones are handles of the same threads. A thread ends when there are neither handles nor
/// controllers of its cameras.
#[derive(Debug, Clone)]
pub struct Workers(Arc<[Worker]>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Each camera has a clone.
    alive: mpsc::Sender<Infallible>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread or no event queue left.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let workers = (0..threads.get()).map(|_| Worker::start());
        Ok(Self(workers.collect::<io::Result<_>>()?))
    }

    /// Starts one thread per core.
    ///
    /// # Errors
    /// The errors of [`start`](Self::start).
    pub fn per_core() -> io::Result<Self> {
        Self::start(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// As [`spawn_observed`](crate::spawn_observed), on the thread that has the fewest cameras.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no randomness.
    pub fn spawn(
        &self,
        config: impl Into<SupervisorConfig>,
        observer: Option<Arc<dyn Observer>>,
        sink: impl FnMut(SupervisorEvent) + Send + 'static,
    ) -> Result<Controller, Error> {
        let (controller, task) = controller::prepare(config, observer, sink)?;
        let by_load = |worker: &&Worker| worker.alive.strong_count();
        if let Some(worker) = self.0.iter().min_by_key(by_load) {
            let alive = worker.alive.clone();
            worker.handle.spawn(async move {
                task.await;
                drop(alive);
            });
        }
        Ok(controller)
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .on_thread_park(|| thread::sleep(PAUSE))
            .build()?;
        let handle = runtime.handle().clone();
        let (alive, mut cameras) = mpsc::channel::<Infallible>(1);
        let run = move || _ = runtime.block_on(cameras.recv());
        thread::Builder::new().name("cameras".into()).spawn(run)?;
        Ok(Self { handle, alive })
    }
}
