//! The handle of a driver's task.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, Demand, Outage, Stats, Supervisor, SupervisorConfig, SupervisorEvent, Tally,
};

use crate::driver::{Call, Driver, Finished};
use crate::error::Error;
use crate::socket::{self, SocketStats};
use crate::talk::Talker;

/// The number of calls that wait for the driver. Further callers wait.
const CALL_QUEUE: usize = 16;

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
    let (calls, receiver) = mpsc::channel(CALL_QUEUE);
    let demand = watch::Sender::new(Demand::default());
    let finished = Arc::new(Mutex::new(None));
    let driver = Driver::new(supervisor);
    tokio::spawn(driver.run(receiver, demand.subscribe(), sink, Arc::clone(&finished)));
    Ok(Controller {
        calls,
        demand: Arc::new(demand),
        finished,
    })
}

/// Controls a driver's task: commands, audio to the camera, statistics. Clones control the same
/// task.
#[derive(Clone)]
pub struct Controller {
    calls: mpsc::Sender<Call>,
    demand: Arc<watch::Sender<Demand>>,
    finished: Finished,
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
        let sent = self.call(|driver| driver.command(request)).await;
        sent.unwrap_or(Err(Error::Closed))
    }

    /// Sends a command and waits for the answer. The camera gets commands of the same code one
    /// after the other.
    ///
    /// # Errors
    /// [`Error::Unanswered`], [`Error::NotConnected`], [`Error::TooManyRequests`] or
    /// [`Error::Closed`].
    pub async fn request(&self, request: impl Into<Request>) -> Result<Answer, Error> {
        let request = request.into();
        let (reply, answer) = oneshot::channel();
        self.call(|driver| driver.request(request, reply)).await;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// Opens an audio channel to the camera, and returns when the camera is ready. There is one at
    /// a time. The future does not borrow the controller.
    ///
    /// # Errors
    /// [`Error::Talk`] if the camera does not open the channel; [`Error::AlreadyTalking`];
    /// [`Error::NotConnected`] or [`Error::Closed`] if there is no session.
    pub fn talk(&self) -> impl Future<Output = Result<Talker, Error>> + Send + 'static + use<> {
        let calls = self.calls.clone();
        // `calls` is dropped when the call is sent: the driver ends if there is no other sender.
        Talker::open(async move |opening| {
            let call = calls.send(Box::new(|driver| driver.start_talk(opening)));
            call.await.map_err(|_| Error::Closed)
        })
    }

    /// Returns the counters of the current session, or `None` if there is none.
    pub async fn stats(&self) -> Option<Stats> {
        self.inspect(|driver| driver.supervisor.stats()).await?
    }

    /// Returns the sums of the counters of all sessions, also after the end.
    pub async fn tally(&self) -> Tally {
        self.inspect(Driver::tally).await.unwrap_or_default()
    }

    /// Returns the properties of the newest socket, or `None` if there was none.
    pub async fn socket_stats(&self) -> Option<SocketStats> {
        self.inspect(Driver::socket_stats).await?
    }

    /// Returns the newest times without a session, oldest first, at most
    /// [`MAX_OUTAGES`](tutk_session::MAX_OUTAGES). The last one may not have ended yet.
    pub async fn outages(&self) -> Vec<Outage> {
        let outages = self.inspect(|driver| driver.supervisor.outages().cloned().collect());
        outages.await.unwrap_or_default()
    }

    /// Adds a user of the session.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.demand.send_modify(|demand| {
            demand.users += 1;
            demand.total_users += 1;
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
        // Fails if the task has already ended.
        let _ = self.calls.send(Box::new(Driver::close)).await;
    }

    /// Closes the session, and waits until the camera was informed and the task has ended.
    pub async fn close(&self) {
        self.request_close().await;
        self.calls.closed().await;
    }

    /// As [`request_close`](Self::request_close), without waiting. May have no effect while many
    /// calls wait.
    pub(crate) fn try_close(&self) {
        let _ = self.calls.try_send(Box::new(Driver::close));
    }

    /// Returns `None` if the task has ended.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Driver) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, result) = oneshot::channel();
        let call = Box::new(|driver: &mut Driver| _ = reply.send(call(driver)));
        self.calls.send(call).await.ok()?;
        result.await.ok()
    }

    /// As [`call`](Self::call), also after the end.
    async fn inspect<T: Send + 'static>(&self, read: fn(&mut Driver) -> T) -> Option<T> {
        if let Some(result) = self.call(read).await {
            return Some(result);
        }
        let mut finished = self.finished.lock().unwrap_or_else(PoisonError::into_inner);
        finished.as_mut().map(read)
    }
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("users", &self.users())
            .field("ended", &self.calls.is_closed())
            .finish_non_exhaustive()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.send_modify(|demand| demand.users -= 1);
    }
}
