//! The handle of a driver's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, Outage, RequestId, Stats, Supervisor, SupervisorConfig, SupervisorEvent, Tally,
};

use crate::driver::{Call, Driver, Wanted, call};
use crate::error::Error;
use crate::observer::Observer;
use crate::restart::Task;
use crate::socket;
use crate::talk::Talker;

/// The number of calls that wait for the driver. Further callers wait.
const CALL_QUEUE: usize = 16;

/// Starts a task that keeps a session with a camera, and passes each event to `sink` at once.
///
/// [`SupervisorEvent::Ended`] is the last event: when it is closed, when it gives up, or when the
/// last clone of the controller is dropped. Must be called within a tokio runtime that has I/O and
/// time enabled.
///
/// If the task panics, also in `sink`, it reports [`SupervisorEvent::GaveUp`] with
/// [`Panicked`](crate::Panicked) and starts again with a new supervisor, after a pause that grows
/// from a second to a minute. The time line of frames continues.
///
/// # Errors
/// [`Error::Io`] if the system has no randomness.
pub fn spawn(
    config: impl Into<SupervisorConfig>,
    sink: impl FnMut(SupervisorEvent) + Send + 'static,
) -> Result<Controller, Error> {
    spawn_observed(config, None, sink)
}

/// As [`spawn`], with an observer of the session's datagrams.
///
/// # Errors
/// [`Error::Io`] if the system has no randomness.
pub fn spawn_observed(
    config: impl Into<SupervisorConfig>,
    observer: Option<Arc<dyn Observer>>,
    sink: impl FnMut(SupervisorEvent) + Send + 'static,
) -> Result<Controller, Error> {
    let (controller, task) = prepare(config, observer, sink)?;
    tokio::spawn(task);
    Ok(controller)
}

/// Returns a task that is not spawned yet, and its controller.
pub(crate) fn prepare(
    config: impl Into<SupervisorConfig>,
    observer: Option<Arc<dyn Observer>>,
    sink: impl FnMut(SupervisorEvent) + Send + 'static,
) -> Result<(Controller, impl Future<Output = ()> + Send + 'static), Error> {
    let supervisor = Supervisor::new(config, socket::seed()?, socket::epoch());
    let (calls, receiver) = mpsc::channel(CALL_QUEUE);
    let wanted = watch::Sender::new(Wanted::default());
    let panics = Arc::new(AtomicU64::new(0));
    let task = Task {
        observer,
        calls: receiver,
        wanted: wanted.subscribe(),
        sink,
        panics: Arc::clone(&panics),
    };
    let controller = Controller {
        calls,
        wanted: Arc::new(wanted),
        panics,
    };
    Ok((controller, task.run(supervisor)))
}

/// Controls a driver's task: commands, audio to the camera, statistics. Clones control the same
/// task.
#[derive(Debug, Clone)]
pub struct Controller {
    calls: mpsc::Sender<Call>,
    /// Closed after the last event.
    wanted: Arc<watch::Sender<Wanted>>,
    panics: Arc<AtomicU64>,
}

/// A user of the session. With [`Keep::OnDemand`](tutk_session::Keep::OnDemand) there is a session
/// while there are users. Dropping it ends the use.
#[derive(Debug)]
pub struct Lease(Arc<watch::Sender<Wanted>>);

impl Controller {
    /// Sends a command. The event [`Answer`](tutk_session::Event::Answer) or
    /// [`Unanswered`](tutk_session::Event::Unanswered) with the returned id follows, unless the
    /// session ends before.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TooManyRequests`] or [`Error::Closed`].
    pub async fn command(&self, request: impl Into<Request>) -> Result<RequestId, Error> {
        let request = request.into();
        let (reply, _) = oneshot::channel();
        let sent = call(&self.calls, |driver| driver.command(request, reply));
        sent.await.unwrap_or(Err(Error::Closed))
    }

    /// Sends a command and waits for the answer, which [`Answer::decode`] decodes. The camera gets
    /// commands of the same code one after the other.
    ///
    /// # Errors
    /// [`Error::Unanswered`], [`Error::NotConnected`], [`Error::TooManyRequests`] or
    /// [`Error::Closed`].
    pub async fn request(&self, request: impl Into<Request>) -> Result<Answer, Error> {
        let request = request.into();
        let (reply, answer) = oneshot::channel();
        let sent = call(&self.calls, |driver| driver.command(request, reply));
        sent.await.unwrap_or(Err(Error::Closed))?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Opens an audio channel to the camera, and returns when the camera is ready. There is one at
    /// a time. The future does not borrow the controller.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera does not open the channel; [`Error::AlreadyTalking`];
    /// [`Error::NotConnected`] or [`Error::Closed`] if there is no session.
    pub fn talk(&self) -> impl Future<Output = Result<Talker, Error>> + Send + 'static + use<> {
        Talker::open(self.calls.clone())
    }

    /// Returns the counters of the current session, or `None` if there is none.
    pub async fn stats(&self) -> Option<Stats> {
        call(&self.calls, |driver| driver.supervisor.stats()).await?
    }

    /// Returns the sums of the counters of all sessions, also after the end.
    pub async fn tally(&self) -> Tally {
        call(&self.calls, Driver::tally).await.unwrap_or_default()
    }

    /// Returns the newest times without a session, oldest first, at most
    /// [`MAX_OUTAGES`](tutk_session::MAX_OUTAGES). The last one may not have ended yet.
    pub async fn outages(&self) -> Vec<Outage> {
        let outages = call(&self.calls, |driver| {
            driver.supervisor.outages().cloned().collect()
        });
        outages.await.unwrap_or_default()
    }

    /// Adds a user of the session.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.wanted.send_modify(|wanted| {
            wanted.demand.users += 1;
            wanted.demand.total_users += 1;
        });
        Lease(Arc::clone(&self.wanted))
    }

    /// Returns the number of current users.
    #[must_use]
    pub fn users(&self) -> usize {
        self.wanted.borrow().demand.users
    }

    /// Returns how often the task has panicked and was restarted.
    #[must_use]
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Asks the task to close the session. [`SupervisorEvent::Ended`] follows.
    pub fn request_close(&self) {
        self.wanted.send_modify(|wanted| wanted.close = true);
    }

    /// Closes the session, and waits until the camera was informed.
    pub async fn close(&self) {
        self.request_close();
        self.wanted.closed().await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|wanted| wanted.demand.users -= 1);
    }
}
