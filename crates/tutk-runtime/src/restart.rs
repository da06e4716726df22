//! Restarts the driver of a camera after a panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tutk_session::{DriverError, Supervisor, SupervisorEvent};

use crate::driver::{Call, Driver, Wanted};
use crate::observer::Observer;
use crate::socket;

/// The pause after the first panic. It doubles with each further one, up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A driver that ran this long starts again with [`FIRST_PAUSE`].
const STABLE: Duration = Duration::from_secs(60);

/// The driver's task has panicked. It is the error of a [`SupervisorEvent::GaveUp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("internal error: {message}; this is a bug, please report it")]
pub struct Panicked {
    /// The message of the panic.
    pub message: String,
}

/// What a task needs to drive a camera, also again.
pub(crate) struct Task<S> {
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) wanted: watch::Receiver<Wanted>,
    pub(crate) sink: S,
    pub(crate) panics: Arc<AtomicU64>,
}

impl<S: FnMut(SupervisorEvent) + Send> Task<S> {
    /// Drives `supervisor`, and after each panic a new one, until one has ended. Then answers calls
    /// until there is no controller.
    pub(crate) async fn run(mut self, supervisor: Supervisor) {
        let mut driver = Driver::new(supervisor, self.observer.clone());
        let mut pause = FIRST_PAUSE;
        loop {
            let started = Instant::now();
            let run = driver.run(&mut self.calls, &mut self.wanted, &mut self.sink);
            let Err(message) = caught(run).await else {
                break;
            };
            if started.elapsed() >= STABLE {
                pause = FIRST_PAUSE;
            }
            self.panics.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(panic = message, restart_in = ?pause, "the task of a camera panicked");
            let error = DriverError::new(Panicked { message });
            (self.sink)(SupervisorEvent::GaveUp(error.into()));
            let seed = match socket::seed() {
                Ok(seed) => seed,
                Err(error) => {
                    let error = DriverError::from(error);
                    (self.sink)(SupervisorEvent::Ended(Err(error.into())));
                    break;
                }
            };
            let supervisor = driver.supervisor.into_successor(seed, socket::epoch());
            driver = Driver::new(supervisor, self.observer.clone());
            if self.is_closed_within(pause, &mut driver).await {
                (self.sink)(SupervisorEvent::Ended(Ok(())));
                break;
            }
            pause = (2 * pause).min(MAX_PAUSE);
            // The new supervisor does not know the demand yet.
            self.wanted.mark_changed();
        }
        drop((self.sink, self.wanted));
        while let Some(call) = self.calls.recv().await {
            call(&mut driver);
        }
    }

    /// Waits, and answers calls. Returns `true` if the session was closed in that time.
    async fn is_closed_within(&mut self, pause: Duration, driver: &mut Driver) -> bool {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return false,
                _ = self.wanted.wait_for(|wanted| wanted.close) => return true,
                call = self.calls.recv() => match call {
                    Some(call) => call(driver),
                    None => return true,
                },
            }
        }
    }
}

/// Returns the message if the future panics.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let poll = AssertUnwindSafe(|| future.as_mut().poll(context));
        match catch_unwind(poll) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}
