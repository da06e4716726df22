//! The threads that wait for the disk, shared by all recordings of the process.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;

/// Enough that a disk has several requests to sort, also if one of several disks does not answer.
const THREADS: usize = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Starts the threads at the first use. `None` if the system has no thread.
static QUEUE: LazyLock<Option<Sender<Work>>> = LazyLock::new(start);

/// Work that was given to the threads.
#[derive(Debug)]
pub(super) struct Pending(Receiver<Infallible>);

impl Pending {
    /// Waits until the work is done.
    pub(super) fn wait(self) {
        // Fails when the work drops the sender.
        let _ = self.0.recv();
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.try_recv() == Err(TryRecvError::Disconnected)
    }
}

/// Does work on one of the threads. Returns `None` if there is none.
///
/// A recording has at most one flush, one deletion of old files, and the flushes of the files that
/// it has completed in the queue.
pub(super) fn run(work: impl FnOnce() + Send + 'static) -> Option<Pending> {
    let (done, pending) = mpsc::channel();
    let work = move || {
        work();
        drop(done);
    };
    QUEUE.as_ref()?.send(Box::new(work)).ok()?;
    Some(Pending(pending))
}

fn start() -> Option<Sender<Work>> {
    let (queue, work) = mpsc::channel::<Work>();
    let work = Arc::new(Mutex::new(work));
    for number in 0..THREADS {
        let work = Arc::clone(&work);
        let next = move || work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let serve = move || {
            while let Ok(work) = next() {
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    tracing::error!("a flush of a file or a deletion of old files has panicked");
                }
            }
        };
        let thread = thread::Builder::new().name("disk".into()).spawn(serve);
        if thread.is_err() && number == 0 {
            return None;
        }
    }
    Some(queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_survive_panics() {
        for _ in 0..2 * THREADS {
            run(|| panic!("disk")).unwrap().wait();
        }
        let (sender, receiver) = mpsc::channel();
        let pending = run(move || sender.send(7).unwrap()).unwrap();
        assert_eq!(receiver.recv(), Ok(7));
        pending.wait();
    }
}
