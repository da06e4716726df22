//! The task that gives a supervisor its socket, its clock and its name look-ups.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, CommandError, Demand, Event, Instant, MAX_REQUESTS, RequestId, Supervisor,
    SupervisorEvent, SupervisorOutput, TalkEvent, TalkQueue, Tally,
};

use crate::connect::connect;
use crate::error::Error;
use crate::observer::{Observer, Tap};
use crate::socket::{self, Socket};

/// The most calls of [`Controller::request`](crate::Controller::request) that wait for their
/// answers. It leaves room for other commands in the session's own queue.
pub const MAX_AWAITED_REQUESTS: usize = MAX_REQUESTS / 2;

/// How long datagrams may wait in the receive buffer without a moment in which it is empty. Beyond
/// it, the driver drops them and continues with a key frame.
pub const MAX_BACKLOG: Duration = Duration::from_secs(2);

/// A call of a controller, which runs in the driver's task.
pub(crate) type Call = Box<dyn FnOnce(&mut Driver) + Send>;

/// What the controllers of a driver want.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) demand: Demand,
    pub(crate) close: bool,
}

/// The state of a talker's channel.
#[derive(Debug)]
pub(crate) enum TalkState {
    Opening,
    Open,
    Ended(Result<(), Error>),
}

type AnswerSender = oneshot::Sender<Result<Answer, Error>>;

pub(crate) struct Driver {
    pub(crate) supervisor: Supervisor,
    /// At most one [`connect`].
    connecting: JoinSet<io::Result<(Socket, SocketAddr)>>,
    socket: Option<Socket>,
    /// Since when the socket was not empty after a batch.
    behind_since: Option<Instant>,
    /// The datagrams that the kernel dropped from sockets that are closed.
    kernel_drops: Option<u64>,
    /// The commands that are not answered yet, oldest first.
    requests: Vec<(RequestId, AnswerSender)>,
    talk: TalkQueue<watch::Sender<TalkState>>,
    tap: Tap,
    ended: bool,
}

impl Driver {
    pub(crate) fn new(supervisor: Supervisor, observer: Option<Arc<dyn Observer>>) -> Self {
        Self {
            supervisor,
            connecting: JoinSet::new(),
            socket: None,
            behind_since: None,
            kernel_drops: None,
            requests: Vec::new(),
            talk: TalkQueue::default(),
            tap: Tap::new(observer),
            ended: false,
        }
    }

    /// Runs until the supervisor has ended.
    pub(crate) async fn run(
        &mut self,
        calls: &mut mpsc::Receiver<Call>,
        wanted: &mut watch::Receiver<Wanted>,
        mut sink: impl FnMut(SupervisorEvent) + Send,
    ) {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        while let Some(deadline) = self.drain(&mut sink).await {
            // A later deadline takes effect when the timer fires: an early timeout does no harm.
            let deadline = socket::to_tokio(deadline);
            if deadline < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(deadline);
            }
            tokio::select! {
                // Datagrams come last, so that a flood of them delays nothing else.
                biased;
                call = calls.recv() => match call {
                    Some(call) => call(self),
                    None => self.supervisor.close(socket::now()),
                },
                Ok(()) = wanted.changed() => {
                    let now = *wanted.borrow_and_update();
                    self.wanted(now);
                }
                () = dropped(self.talk.current()) => self.stop_talk(),
                Some(Ok(connected)) = self.connecting.join_next() => match connected {
                    Ok((socket, camera)) => {
                        self.tap.opened(&socket, camera);
                        self.socket = Some(socket);
                        self.supervisor.handle_connected(socket::epoch(), camera);
                    }
                    Err(error) => self.supervisor.handle_connect_failed(socket::now(), error.into()),
                },
                () = timer.as_mut() => {
                    // After a pause of the thread, what waits shows that the camera is not silent.
                    self.receive();
                    self.supervisor.handle_timeout(socket::now());
                }
                () = socket::readable(&self.socket) => if self.receive() {
                    // The other cameras of the thread get their turn.
                    tokio::task::yield_now().await;
                },
            }
        }
    }

    /// Receives a batch of datagrams. Returns `true` if there are more.
    fn receive(&mut self) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let more = socket.receive(|now, from, datagram| {
            self.tap.received(from, datagram);
            self.supervisor.handle_datagram(now, from, datagram);
        });
        let now = socket::now();
        let since = *self.behind_since.get_or_insert(now);
        if !more {
            self.behind_since = None;
        } else if now.duration_since(since) > MAX_BACKLOG {
            self.behind_since = None;
            self.supervisor.handle_overload(now, socket.discard());
        }
        more
    }

    fn wanted(&mut self, wanted: Wanted) {
        match wanted {
            Wanted { close: true, .. } => self.supervisor.close(socket::now()),
            Wanted { demand, .. } => self.supervisor.handle_demand(socket::now(), demand),
        }
    }

    /// Does what the supervisor asks for. Returns the next deadline, or `None` after the last
    /// event.
    async fn drain(&mut self, sink: &mut (impl FnMut(SupervisorEvent) + Send)) -> Option<Instant> {
        while !self.ended {
            match self.supervisor.poll_output() {
                SupervisorOutput::Connect(request) => {
                    self.connecting.spawn(connect(request));
                }
                SupervisorOutput::Transmit(datagram) => {
                    if let Some(socket) = &self.socket {
                        self.tap.sent(datagram.to, datagram.payload);
                        socket.send(datagram).await;
                    }
                }
                SupervisorOutput::CloseSocket => {
                    self.kernel_drops = self.kernel_drops();
                    (self.socket, self.connecting) = (None, JoinSet::new());
                    self.behind_since = None;
                }
                SupervisorOutput::Event(event) => {
                    self.handle_event(&event);
                    sink(event);
                }
                SupervisorOutput::Timeout(deadline) => return Some(deadline),
            }
        }
        None
    }

    /// Passes an event to those who wait for it.
    fn handle_event(&mut self, event: &SupervisorEvent) {
        match event {
            SupervisorEvent::Session(Event::Answer(answer)) => {
                self.answered(answer.id, || Ok(answer.clone()));
            }
            &SupervisorEvent::Session(Event::Unanswered { id, code }) => {
                self.answered(id, || Err(Error::Unanswered { code }));
            }
            SupervisorEvent::Session(Event::Talk(TalkEvent::Ready)) => {
                if let Some(talker) = self.talk.current() {
                    talker.send_replace(TalkState::Open);
                }
            }
            SupervisorEvent::Session(Event::Talk(TalkEvent::Ended(result))) => {
                if let Some(talker) = self.talk.ended(&mut self.supervisor, socket::now()) {
                    let result = result.clone().map_err(Error::from);
                    talker.send_replace(TalkState::Ended(result));
                }
            }
            SupervisorEvent::Session(Event::KeyLog(line)) => self.tap.key_log(line),
            SupervisorEvent::Connecting => self.kernel_drops = None,
            SupervisorEvent::Disconnected(_) | SupervisorEvent::Idle => self.session_ended(),
            SupervisorEvent::Ended(_) => {
                self.ended = true;
                self.session_ended();
            }
            _ => {}
        }
    }

    /// Replies to a command, if it has a caller that waits.
    fn answered(&mut self, id: RequestId, answer: impl FnOnce() -> Result<Answer, Error>) {
        let answered = self.requests.iter().position(|&(of, _)| of == id);
        if let Some((_, reply)) = answered.map(|at| self.requests.remove(at)) {
            // A caller that does not wait does not need the reply.
            let _ = reply.send(answer());
        }
    }

    fn session_ended(&mut self) {
        let error = self.not_sent(CommandError::NotConnected);
        for (_, reply) in self.requests.drain(..) {
            let _ = reply.send(Err(error.clone()));
        }
        for talker in self.talk.take() {
            talker.send_replace(TalkState::Ended(Err(error.clone())));
        }
    }

    fn not_sent(&self, error: CommandError) -> Error {
        match error {
            CommandError::NotConnected if self.ended => Error::Closed,
            CommandError::NotConnected => Error::NotConnected,
            CommandError::TalkInUse => Error::AlreadyTalking,
            _ => Error::TooManyRequests(MAX_REQUESTS),
        }
    }

    /// Returns the number of datagrams that the kernel dropped from all sockets.
    fn kernel_drops(&self) -> Option<u64> {
        let current = self.socket.as_ref().and_then(Socket::kernel_drops);
        let drops = current.into_iter().chain(self.kernel_drops);
        drops.reduce(u64::saturating_add)
    }
}

/// The calls of a controller.
impl Driver {
    /// Sends a command. `reply` gets its answer, unless its receiver is dropped.
    pub(crate) fn command(
        &mut self,
        request: Request,
        reply: AnswerSender,
    ) -> Result<RequestId, Error> {
        let awaited = self.requests.iter().filter(|(_, reply)| !reply.is_closed());
        if !reply.is_closed() && awaited.count() >= MAX_AWAITED_REQUESTS {
            return Err(Error::TooManyRequests(MAX_AWAITED_REQUESTS));
        }
        let sent = self.supervisor.command(socket::now(), request);
        let id = sent.map_err(|error| self.not_sent(error))?;
        self.requests.push((id, reply));
        Ok(id)
    }

    pub(crate) fn start_talk(&mut self, talker: watch::Sender<TalkState>) {
        let started = (self.talk).start(&mut self.supervisor, socket::now(), talker);
        if let Err((talker, error)) = started {
            let error = self.not_sent(error);
            talker.send_replace(TalkState::Ended(Err(error)));
        }
    }

    pub(crate) fn stop_talk(&mut self) {
        self.talk.stop(&mut self.supervisor, socket::now());
    }

    pub(crate) fn tally(&mut self) -> Tally {
        let mut tally = self.supervisor.tally();
        tally.kernel_drops = self.kernel_drops();
        tally
    }
}

/// Runs `run` in the driver's task. Returns `None` if the task is gone.
pub(crate) async fn call<T: Send + 'static>(
    calls: &mpsc::Sender<Call>,
    run: impl FnOnce(&mut Driver) -> T + Send + 'static,
) -> Option<T> {
    let (reply, result) = oneshot::channel();
    let call = Box::new(|driver: &mut Driver| _ = reply.send(run(driver)));
    calls.send(call).await.ok()?;
    result.await.ok()
}

/// Waits until the talker is dropped; without one, forever. Cancel-safe.
async fn dropped(talker: Option<&watch::Sender<TalkState>>) {
    match talker {
        Some(talker) => talker.closed().await,
        None => pending().await,
    }
}
