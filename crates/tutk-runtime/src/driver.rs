//! The task that gives a supervisor its socket, its clock and its name look-ups.

use std::collections::{HashMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tutk_session::hl_ioctl::Request;
use tutk_session::{
    Answer, CommandError, Connect, Demand, Event, MAX_REQUESTS, Supervisor, SupervisorEvent,
    SupervisorOutput, Tally,
};

use crate::error::Error;
use crate::lookup::Lookup;
use crate::socket::{self, Inbox, ReceiveBuffer, SocketStats};
use crate::talk::{Opening, TalkQueue};

/// The most calls of [`Controller::request`](crate::Controller::request) that wait for their
/// answers. It leaves room for other commands in the session's own queue.
pub const MAX_AWAITED_REQUESTS: usize = MAX_REQUESTS / 2;

/// What a controller asks for.
pub(crate) enum Control {
    Command(Request, Reply),
    Talk(Opening),
    Inspect(Box<dyn FnOnce(&Core) + Send>),
    Close,
}

/// What the sender of a command waits for.
pub(crate) enum Reply {
    Sent(oneshot::Sender<Result<(), Error>>),
    Answer(oneshot::Sender<Result<Answer, Error>>),
}

/// The part of a driver that remains after its end.
pub(crate) struct Core {
    pub(crate) supervisor: Supervisor,
    /// The newest socket.
    pub(crate) socket: Option<SocketStats>,
    /// The sum over all sockets.
    kernel_drops: Option<u64>,
}

pub(crate) struct Driver<S> {
    core: Core,
    sink: S,
    link: Option<Link>,
    lookup: Option<Lookup>,
    requests: PendingRequests,
    talk: TalkQueue,
}

/// An open socket.
struct Link {
    socket: UdpSocket,
    inbox: Inbox,
}

type AnswerSender = oneshot::Sender<Result<Answer, Error>>;

/// The commands under way, by code. Those of one code are answered in order.
#[derive(Default)]
struct PendingRequests(HashMap<u16, VecDeque<Option<AnswerSender>>>);

impl Core {
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = self.supervisor.tally();
        tally.kernel_drops = self.kernel_drops;
        tally
    }
}

impl<S: FnMut(SupervisorEvent) + Send> Driver<S> {
    pub(crate) fn new(supervisor: Supervisor, sink: S) -> Self {
        Self {
            core: Core {
                supervisor,
                socket: None,
                kernel_drops: None,
            },
            sink,
            link: None,
            lookup: None,
            requests: PendingRequests::default(),
            talk: TalkQueue::default(),
        }
    }

    /// Runs until the supervisor has ended, and leaves the core in `finished`.
    pub(crate) async fn run(
        mut self,
        mut control: mpsc::Receiver<Control>,
        mut demand: watch::Receiver<Demand>,
        finished: Arc<Mutex<Option<Core>>>,
    ) {
        loop {
            let deadline = match self.drain().await {
                Ok(deadline) => deadline,
                Err(ended) => {
                    // Before the last event, so that its receiver finds it.
                    let mut finished = finished.lock().unwrap_or_else(PoisonError::into_inner);
                    *finished = Some(self.core);
                    drop(finished);
                    return (self.sink)(ended);
                }
            };
            tokio::select! {
                () = readable(self.link.as_mut()) => self.handle_datagrams(),
                camera = resolved(self.lookup.as_mut()) => {
                    self.lookup = None;
                    match camera {
                        Ok(camera) => self.open(camera),
                        Err(error) => {
                            self.core.supervisor.handle_connect_failed(socket::now(), error);
                        }
                    }
                }
                () = tokio::time::sleep_until(deadline.into()) => {
                    self.core.supervisor.handle_timeout(socket::now());
                }
                say = self.talk.next() => self.talk.handle(&mut self.core.supervisor, say),
                Ok(()) = demand.changed() => {
                    let demand = *demand.borrow_and_update();
                    self.core.supervisor.handle_demand(socket::now(), demand);
                }
                request = control.recv() => match request {
                    Some(Control::Command(request, reply)) => self.command(request, reply),
                    Some(Control::Talk(opening)) => {
                        self.talk.start(&mut self.core.supervisor, opening);
                    }
                    Some(Control::Inspect(inspect)) => inspect(&self.core),
                    Some(Control::Close) | None => self.core.supervisor.close(socket::now()),
                },
            }
        }
    }

    /// Does what the supervisor asks for. Returns the next deadline, or the last event.
    async fn drain(&mut self) -> Result<Instant, SupervisorEvent> {
        loop {
            match self.core.supervisor.poll_output() {
                SupervisorOutput::Connect(Connect { host, camera, .. }) => match host {
                    Some(host) => self.lookup = Some(Lookup::new(host, camera)),
                    None => self.open(camera),
                },
                SupervisorOutput::Transmit(datagram) => {
                    if let Some(link) = &self.link {
                        socket::send(&link.socket, datagram).await;
                    }
                }
                SupervisorOutput::CloseSocket => (self.link, self.lookup) = (None, None),
                SupervisorOutput::Event(event) => {
                    self.look_at(&event);
                    if matches!(event, SupervisorEvent::Ended(_)) {
                        return Err(event);
                    }
                    (self.sink)(event);
                }
                SupervisorOutput::Timeout(deadline) => return Ok(deadline),
            }
        }
    }

    fn open(&mut self, camera: SocketAddr) {
        match Link::open(camera) {
            Ok((link, stats)) => {
                self.link = Some(link);
                self.core.socket = Some(stats);
                self.core.kernel_drops = self.core.kernel_drops.or(stats.kernel_drops);
                self.core
                    .supervisor
                    .handle_connected(socket::epoch(), camera);
            }
            Err(error) => {
                let now = socket::now();
                self.core.supervisor.handle_connect_failed(now, error);
            }
        }
    }

    fn handle_datagrams(&mut self) {
        let Some(Link { socket, inbox }) = &mut self.link else {
            return;
        };
        let now = socket::now();
        while let Some((from, datagram)) = inbox.next(socket) {
            self.core.supervisor.handle_datagram(now, from, datagram);
        }
        if let Some(stats) = &mut self.core.socket
            && let (Some(of_socket), Some(sum)) =
                (&mut stats.kernel_drops, &mut self.core.kernel_drops)
        {
            *sum += inbox.kernel_drops() - *of_socket;
            *of_socket = inbox.kernel_drops();
        }
    }

    fn command(&mut self, request: Request, reply: Reply) {
        let code = request.code;
        let awaited = self.requests.awaited();
        let now = socket::now();
        let result = match reply {
            Reply::Answer(_) if awaited >= MAX_AWAITED_REQUESTS => {
                Err(Error::TooManyRequests(awaited))
            }
            _ => match self.core.supervisor.command(now, request) {
                Ok(()) => Ok(()),
                Err(CommandError::NotConnected) => Err(Error::NotConnected),
                Err(_) => Err(Error::TooManyRequests(MAX_REQUESTS)),
            },
        };
        // A caller that no longer waits does not need the reply.
        match (reply, result) {
            (Reply::Answer(reply), Ok(())) => self.requests.push(code, Some(reply)),
            (Reply::Answer(reply), Err(error)) => _ = reply.send(Err(error)),
            (Reply::Sent(reply), result) => {
                if result.is_ok() {
                    self.requests.push(code, None);
                }
                let _ = reply.send(result);
            }
        }
    }

    /// Passes an event to those who wait for it.
    fn look_at(&mut self, event: &SupervisorEvent) {
        match event {
            SupervisorEvent::Session(Event::Authenticated(_)) => {
                for request in self.core.supervisor.greeting() {
                    self.requests.push(request.code, None);
                }
            }
            SupervisorEvent::Session(Event::Answer(answer)) => {
                let code = answer.code.wrapping_sub(1);
                self.requests.answer(code, || Ok(answer.clone()));
            }
            &SupervisorEvent::Session(Event::Unanswered { code }) => {
                self.requests
                    .answer(code, || Err(Error::Unanswered { code }));
            }
            SupervisorEvent::Session(Event::Talk(event)) => {
                self.talk.handle_event(&mut self.core.supervisor, event);
            }
            SupervisorEvent::Connecting => self.core.kernel_drops = None,
            SupervisorEvent::Disconnected(_) | SupervisorEvent::Idle => {
                self.session_ended(&Error::NotConnected);
            }
            SupervisorEvent::Ended(_) => self.session_ended(&Error::Closed),
            _ => {}
        }
    }

    fn session_ended(&mut self, error: &Error) {
        self.requests.fail(error);
        self.talk.end_all(error);
    }
}

impl Link {
    fn open(camera: SocketAddr) -> io::Result<(Self, SocketStats)> {
        let socket = socket::bind(socket::any_for(camera))?;
        let receive_buffer = ReceiveBuffer::of(&socket);
        receive_buffer.warn_if_small();
        let stats = SocketStats {
            receive_buffer,
            kernel_drops: socket::count_drops(&socket).then_some(0),
        };
        let inbox = Inbox::new();
        Ok((Self { socket, inbox }, stats))
    }
}

impl PendingRequests {
    fn awaited(&self) -> usize {
        self.0.values().flatten().flatten().count()
    }

    fn push(&mut self, code: u16, reply: Option<oneshot::Sender<Result<Answer, Error>>>) {
        self.0.entry(code).or_default().push_back(reply);
    }

    /// Replies to the oldest command of this code.
    fn answer(&mut self, code: u16, answer: impl FnOnce() -> Result<Answer, Error>) {
        let Some(requests) = self.0.get_mut(&code) else {
            return;
        };
        if let Some(Some(reply)) = requests.pop_front() {
            let _ = reply.send(answer());
        }
        if requests.is_empty() {
            self.0.remove(&code);
        }
    }

    fn fail(&mut self, error: &Error) {
        for reply in self.0.drain().flat_map(|(_, requests)| requests).flatten() {
            let _ = reply.send(Err(error.clone()));
        }
    }
}

async fn readable(link: Option<&mut Link>) {
    match link {
        Some(Link { socket, inbox }) => inbox.receive(socket).await,
        None => pending().await,
    }
}

async fn resolved(lookup: Option<&mut Lookup>) -> io::Result<SocketAddr> {
    match lookup {
        Some(lookup) => lookup.await,
        None => pending().await,
    }
}
