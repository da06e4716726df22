//! The task that gives a supervisor its socket, its clock and its name look-ups.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, CommandError, Demand, Event, MAX_REQUESTS, Supervisor, SupervisorEvent,
    SupervisorOutput, Tally,
};

use crate::error::Error;
use crate::lookup;
use crate::socket::{self, SocketStats};
use crate::talk::{Opening, TalkQueue};

/// The most calls of [`Controller::request`](crate::Controller::request) that wait for their
/// answers. It leaves room for other commands in the session's own queue.
pub const MAX_AWAITED_REQUESTS: usize = MAX_REQUESTS / 2;

/// A call of a controller, which runs in the driver's task.
pub(crate) type Call = Box<dyn FnOnce(&mut Driver) + Send>;

/// The final state of a driver whose task has ended.
pub(crate) type Finished = Arc<Mutex<Option<Driver>>>;

type Lookup = Pin<Box<dyn Future<Output = io::Result<SocketAddr>> + Send>>;

type AnswerSender = oneshot::Sender<Result<Answer, Error>>;

pub(crate) struct Driver {
    pub(crate) supervisor: Supervisor,
    lookup: Option<Lookup>,
    socket: Option<UdpSocket>,
    /// The properties of the newest socket.
    socket_stats: Option<SocketStats>,
    /// The sum over all sockets.
    kernel_drops: Option<u64>,
    /// The codes of the commands that are not answered yet, oldest first. Those of one code are
    /// answered in order.
    requests: Vec<(u16, Option<AnswerSender>)>,
    talk: TalkQueue,
}

impl Driver {
    pub(crate) fn new(supervisor: Supervisor) -> Self {
        Self {
            supervisor,
            lookup: None,
            socket: None,
            socket_stats: None,
            kernel_drops: None,
            requests: Vec::new(),
            talk: TalkQueue::default(),
        }
    }

    /// Runs until the supervisor has ended.
    pub(crate) async fn run(
        mut self,
        mut calls: mpsc::Receiver<Call>,
        mut demand: watch::Receiver<Demand>,
        mut sink: impl FnMut(SupervisorEvent) + Send,
        finished: Finished,
    ) {
        let mut buffer = vec![0; socket::MAX_DATAGRAM];
        loop {
            let deadline = match self.drain(&mut sink).await {
                Ok(deadline) => deadline,
                Err(ended) => {
                    // Before the last event, so that its receiver finds it.
                    *finished.lock().unwrap_or_else(PoisonError::into_inner) = Some(self);
                    return sink(ended);
                }
            };
            tokio::select! {
                () = readable(self.socket.as_ref()) => self.receive(&mut buffer),
                camera = resolved(self.lookup.as_mut()) => {
                    self.lookup = None;
                    match camera.and_then(|camera| self.open(camera)) {
                        Ok(camera) => self.supervisor.handle_connected(socket::epoch(), camera),
                        Err(error) => self.supervisor.handle_connect_failed(socket::now(), error),
                    }
                }
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.supervisor.handle_timeout(socket::now());
                }
                frame = self.talk.next() => self.talk.handle(&mut self.supervisor, frame),
                Ok(()) = demand.changed() => {
                    let demand = *demand.borrow_and_update();
                    self.supervisor.handle_demand(socket::now(), demand);
                }
                call = calls.recv() => match call {
                    Some(call) => call(&mut self),
                    None => self.close(),
                },
            }
        }
    }

    /// Does what the supervisor asks for. Returns the next deadline, or the last event.
    async fn drain(
        &mut self,
        sink: &mut (impl FnMut(SupervisorEvent) + Send),
    ) -> Result<Instant, SupervisorEvent> {
        loop {
            match self.supervisor.poll_output() {
                SupervisorOutput::Connect(connect) => {
                    self.lookup = Some(Box::pin(lookup::resolve(connect)));
                }
                SupervisorOutput::Transmit(datagram) => {
                    if let Some(socket) = &self.socket {
                        socket::send(socket, datagram).await;
                    }
                }
                SupervisorOutput::CloseSocket => {
                    self.update_socket_stats();
                    (self.socket, self.lookup) = (None, None);
                }
                SupervisorOutput::Event(event) => {
                    self.handle_event(&event);
                    if matches!(event, SupervisorEvent::Ended(_)) {
                        return Err(event);
                    }
                    sink(event);
                }
                SupervisorOutput::Timeout(deadline) => return Ok(deadline),
            }
        }
    }

    fn open(&mut self, camera: SocketAddr) -> io::Result<SocketAddr> {
        self.socket = Some(socket::bind(socket::any_for(camera))?);
        self.socket_stats = None;
        if let Some(stats) = self.socket_stats() {
            socket::warn_if_small(stats);
        }
        Ok(camera)
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        if let Some(socket) = &self.socket {
            let now = socket::now();
            socket::receive(socket, buffer, |from, datagram| {
                self.supervisor.handle_datagram(now, from, datagram);
            });
        }
    }

    /// Passes an event to those who wait for it.
    fn handle_event(&mut self, event: &SupervisorEvent) {
        match event {
            SupervisorEvent::Session(Event::Authenticated(_)) => {
                let initial = self.supervisor.initial_commands().iter();
                self.requests
                    .extend(initial.map(|request| (request.code, None)));
            }
            SupervisorEvent::Session(Event::Answer(answer)) => {
                self.answered(answer.code.wrapping_sub(1), || Ok(answer.clone()));
            }
            &SupervisorEvent::Session(Event::Unanswered { code }) => {
                self.answered(code, || Err(Error::Unanswered { code }));
            }
            SupervisorEvent::Session(Event::Talk(event)) => {
                self.talk.handle_event(&mut self.supervisor, event);
            }
            SupervisorEvent::Connecting => self.kernel_drops = None,
            SupervisorEvent::Disconnected(_) | SupervisorEvent::Idle => {
                self.session_ended(&Error::NotConnected);
            }
            SupervisorEvent::Ended(_) => self.session_ended(&Error::Closed),
            _ => {}
        }
    }

    /// Replies to the oldest command of this code.
    fn answered(&mut self, code: u16, answer: impl FnOnce() -> Result<Answer, Error>) {
        let oldest = self.requests.iter().position(|&(of, _)| of == code);
        if let Some((_, Some(reply))) = oldest.map(|at| self.requests.remove(at)) {
            // A caller that no longer waits does not need the reply.
            let _ = reply.send(answer());
        }
    }

    fn session_ended(&mut self, error: &Error) {
        for reply in self.requests.drain(..).filter_map(|(_, reply)| reply) {
            let _ = reply.send(Err(error.clone()));
        }
        self.talk.end_all(error);
    }

    fn update_socket_stats(&mut self) {
        let Some(socket) = &self.socket else { return };
        let stats = socket::stats(socket);
        let before = self.socket_stats.replace(stats);
        if let Some(drops) = stats.kernel_drops {
            let before = before.and_then(|stats| stats.kernel_drops).unwrap_or(0);
            *self.kernel_drops.get_or_insert(0) += drops.saturating_sub(before);
        }
    }
}

/// The calls of a controller.
impl Driver {
    pub(crate) fn command(&mut self, request: Request) -> Result<(), Error> {
        let code = self.send(request)?;
        self.requests.push((code, None));
        Ok(())
    }

    /// Sends a command, and replies when it is answered.
    pub(crate) fn request(&mut self, request: Request, reply: AnswerSender) {
        let awaited = self.requests.iter().filter(|(_, reply)| reply.is_some());
        let sent = match awaited.count() {
            MAX_AWAITED_REQUESTS.. => Err(Error::TooManyRequests(MAX_AWAITED_REQUESTS)),
            _ => self.send(request),
        };
        match sent {
            Ok(code) => self.requests.push((code, Some(reply))),
            Err(error) => _ = reply.send(Err(error)),
        }
    }

    /// Passes a command to the supervisor, and returns its code.
    fn send(&mut self, request: Request) -> Result<u16, Error> {
        let code = request.code;
        match self.supervisor.command(socket::now(), request) {
            Ok(()) => Ok(code),
            Err(CommandError::NotConnected) => Err(Error::NotConnected),
            Err(_) => Err(Error::TooManyRequests(MAX_REQUESTS)),
        }
    }

    pub(crate) fn start_talk(&mut self, opening: Opening) {
        self.talk.start(&mut self.supervisor, opening);
    }

    pub(crate) fn close(&mut self) {
        self.supervisor.close(socket::now());
    }

    pub(crate) fn tally(&mut self) -> Tally {
        self.update_socket_stats();
        let mut tally = self.supervisor.tally();
        tally.kernel_drops = self.kernel_drops;
        tally
    }

    pub(crate) fn socket_stats(&mut self) -> Option<SocketStats> {
        self.update_socket_stats();
        self.socket_stats
    }
}

async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        Some(socket) => socket::readable(socket).await,
        None => pending().await,
    }
}

async fn resolved(lookup: Option<&mut Lookup>) -> io::Result<SocketAddr> {
    match lookup {
        Some(lookup) => lookup.await,
        None => pending().await,
    }
}
