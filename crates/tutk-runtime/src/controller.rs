//! The handle of a driver's task.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, Demand, Outage, Stats, Supervisor, SupervisorConfig, SupervisorEvent, Tally,
};

use crate::driver::{Control, Core, Driver, Reply};
use crate::error::Error;
use crate::socket::{self, SocketStats};
use crate::talk::Talker;

/// The number of calls that wait for the driver. Further callers wait.
const CONTROL_QUEUE: usize = 16;

/// Starts a task that keeps a session with a camera, and passes each event to `sink` at once.
///
/// The task ends after [`SupervisorEvent::Ended`]: when it is closed, when it gives up, or when the
/// last clone of the controller is dropped. Must be called within a tokio runtime that has I/O and
/// time enabled.
///
/// # Errors
/// [`Error::Io`] if the system has no randomness.
pub fn spawn(
    config: impl Into<SupervisorConfig>,
    sink: impl FnMut(SupervisorEvent) + Send + 'static,
) -> Result<Controller, Error> {
    let supervisor = Supervisor::new(config, Box::new(socket::rng()?), socket::epoch());
    let (control, requests) = mpsc::channel(CONTROL_QUEUE);
    let demand = watch::Sender::new(Demand::default());
    let users = demand.subscribe();
    let finished = Arc::new(Mutex::new(None));
    let driver = Driver::new(supervisor, sink);
    tokio::spawn(driver.run(requests, users, Arc::clone(&finished)));
    Ok(Controller {
        control,
        demand: Arc::new(demand),
        finished,
    })
}

/// Controls a driver's task: commands, audio to the camera, statistics. Clones control the same
/// task.
#[derive(Clone)]
pub struct Controller {
    control: mpsc::Sender<Control>,
    demand: Arc<watch::Sender<Demand>>,
    /// What the task leaves behind.
    finished: Arc<Mutex<Option<Core>>>,
}

/// A user of the session. With [`Keep::OnDemand`](tutk_session::Keep::OnDemand) there is a session
/// while there are users. Dropping it ends the use.
#[derive(Debug)]
pub struct Lease(Arc<watch::Sender<Demand>>);

impl Controller {
    /// Sends a command. The event [`Answer`](tutk_session::Event::Answer) or
    /// [`Unanswered`](tutk_session::Event::Unanswered) follows, unless the session ends before.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::TooManyRequests`] or [`Error::Closed`].
    pub async fn command(&self, request: impl Into<Request>) -> Result<(), Error> {
        let request = request.into();
        self.ask(|reply| Control::Command(request, Reply::Sent(reply)))
            .await
    }

    /// Sends a command and waits for the answer. The camera gets commands of the same code one
    /// after the other.
    ///
    /// # Errors
    /// [`Error::Unanswered`], [`Error::NotConnected`], [`Error::TooManyRequests`] or
    /// [`Error::Closed`].
    pub async fn request(&self, request: impl Into<Request>) -> Result<Answer, Error> {
        let request = request.into();
        self.ask(|reply| Control::Command(request, Reply::Answer(reply)))
            .await
    }

    /// Opens an audio channel to the camera, and returns when the camera is ready. There is one at
    /// a time. The future does not borrow the controller.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera does not open the channel; [`Error::AlreadyTalking`];
    /// [`Error::NotConnected`] or [`Error::Closed`] if there is no session.
    pub fn talk(&self) -> impl Future<Output = Result<Talker, Error>> + Send + 'static + use<> {
        let control = self.control.clone();
        async move {
            let (talker, opening, ready) = Talker::new();
            let sent = control.send(Control::Talk(opening)).await;
            drop(control);
            sent.map_err(|_| Error::Closed)?;
            ready.await.unwrap_or(Err(Error::Closed))?;
            Ok(talker)
        }
    }

    /// Returns the counters of the current session, or `None` if there is none.
    pub async fn stats(&self) -> Option<Stats> {
        self.inspect(|core| core.supervisor.stats()).await?
    }

    /// Returns the sums of the counters of all sessions, also after the end.
    pub async fn tally(&self) -> Tally {
        self.inspect(Core::tally).await.unwrap_or_default()
    }

    /// Returns what is known of the newest socket, or `None` if there was none.
    pub async fn socket_stats(&self) -> Option<SocketStats> {
        self.inspect(|core| core.socket).await?
    }

    /// Returns the newest times without a session, oldest first, at most
    /// [`MAX_OUTAGES`](tutk_session::MAX_OUTAGES). The last one may not have ended yet.
    pub async fn outages(&self) -> Vec<Outage> {
        let outages = self.inspect(|core| core.supervisor.outages().cloned().collect());
        outages.await.unwrap_or_default()
    }

    /// Adds a user of the session.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.demand.send_modify(|demand| {
            demand.users += 1;
            demand.visits += 1;
        });
        Lease(Arc::clone(&self.demand))
    }

    /// Returns the number of current users.
    #[must_use]
    pub fn users(&self) -> usize {
        self.demand.borrow().users
    }

    /// Asks the task to close the session and to end. [`SupervisorEvent::Ended`] follows.
    pub async fn request_close(&self) {
        // It fails if the task has already ended.
        let _ = self.control.send(Control::Close).await;
    }

    /// Closes the session, and waits until the camera was informed and the task has ended.
    pub async fn close(&self) {
        self.request_close().await;
        self.control.closed().await;
    }

    /// As [`request_close`](Self::request_close), without waiting. May have no effect while many
    /// calls wait.
    pub(crate) fn try_close(&self) {
        let _ = self.control.try_send(Control::Close);
    }

    async fn ask<T>(
        &self,
        control: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Control,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let sent = self.control.send(control(reply)).await;
        sent.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    async fn inspect<T: Send + 'static>(&self, read: fn(&Core) -> T) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let inspect = Control::Inspect(Box::new(move |core| _ = reply.send(read(core))));
        if self.control.send(inspect).await.is_ok()
            && let Ok(read) = answer.await
        {
            return Some(read);
        }
        let finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.as_ref().map(read)
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("users", &self.users())
            .field("ended", &self.control.is_closed())
            .finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|demand| demand.users -= 1);
    }
}
