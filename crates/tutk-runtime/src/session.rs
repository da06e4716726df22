//! A client's session: the pure [`Client`], a socket, a clock, and a task that joins them.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tutk_session::hl_ioctl::Request;
use tutk_session::{Client, ClientConfig, Event, Frame, Output, Stats, TalkError};

use crate::error::Error;
use crate::socket::{self, Inbox, ReceiveBuffer, SocketStats};
use crate::talk::{self, Desk, Opening, TalkSound, Talker};
use crate::tally::Tally;

/// How many events wait for a caller that is slow to take them.
///
/// Over it, frames are dropped up to the next key frame, and [`Session::overrun`] counts them.
pub const EVENT_QUEUE: usize = 1024;

/// Places of the queue that frames may not take, so that there is room for what else happens. The very
/// last is kept for the session's end, which is always told.
const RESERVED: usize = 64;

/// A session with one camera. It lives in a task of its own until it ends or this is dropped.
///
/// Take [`Event`]s with [`next_event`](Self::next_event), or only frames through [`Stream`].
#[derive(Debug)]
pub struct Session {
    events: mpsc::Receiver<Timed>,
    control: mpsc::Sender<Control>,
    shared: Arc<Shared>,
}

/// An event, and when it happened: it may have waited since.
pub(crate) type Timed = (Instant, Event);

/// What the task lets its owner see without being asked.
#[derive(Debug)]
struct Shared {
    overrun: AtomicU64,
    receive_buffer: ReceiveBuffer,
    /// `None` if the kernel does not count.
    kernel_drops: Option<AtomicU64>,
    /// What was counted, once it is over.
    last: OnceLock<Stats>,
}

#[derive(Debug)]
pub(crate) enum Control {
    Command(Request),
    StartTalk(Opening),
    Say(TalkSound, oneshot::Sender<Result<(), TalkError>>),
    StopTalk,
    Stats(oneshot::Sender<Stats>),
    Close,
}

/// Connects, and returns when the camera has let us in: after K10003, before the first frame.
///
/// # Errors
/// [`Error::Session`] names the phase that failed and what to try; [`Error::Io`] if there is no socket.
pub async fn connect(config: ClientConfig) -> Result<Session, Error> {
    let mut session = Session::start(config)?;
    loop {
        match session.next_event().await {
            Some(Event::Authenticated(_)) => return Ok(session),
            Some(Event::Ended(Err(error))) => return Err(error.into()),
            Some(Event::Ended(Ok(()))) | None => return Err(Error::Gone),
            Some(_) => {}
        }
    }
}

impl Session {
    /// Begins to connect, in a task of its own: every event can be seen from the first on.
    ///
    /// Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives no socket or no randomness.
    pub fn start(config: ClientConfig) -> Result<Self, Error> {
        let socket = socket::bind(socket::any_for(config.camera))?;
        let client = Client::new(config, Box::new(socket::rng()?), socket::epoch());
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let (control, requests) = mpsc::channel(16);
        let receive_buffer = ReceiveBuffer::of(&socket);
        receive_buffer.warn_if_small();
        let shared = Arc::new(Shared {
            overrun: AtomicU64::new(0),
            receive_buffer,
            kernel_drops: socket::count_drops(&socket).then(AtomicU64::default),
            last: OnceLock::new(),
        });
        let queue = Queue {
            events: sender,
            shared: Arc::clone(&shared),
            skipping: false,
        };
        tokio::spawn(drive(client, socket, requests, queue));
        Ok(Self {
            events,
            control,
            shared,
        })
    }

    /// The next event; `None` after [`Event::Ended`]. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await.map(|(_, event)| event)
    }

    /// As [`next_event`](Self::next_event), for hand-written futures.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_timed(cx)
            .map(|timed| timed.map(|(_, event)| event))
    }

    /// As [`poll_event`](Self::poll_event), with the time at which it happened.
    pub(crate) fn poll_timed(&mut self, cx: &mut Context<'_>) -> Poll<Option<Timed>> {
        self.events.poll_recv(cx)
    }

    /// Sends a command. The camera's answer is an [`Event::Answer`], its silence [`Event::Unanswered`].
    ///
    /// # Errors
    /// [`Error::Gone`] if the session is over.
    pub async fn command(&self, request: impl Into<Request>) -> Result<(), Error> {
        let control = Control::Command(request.into());
        self.control.send(control).await.map_err(|_| Error::Gone)
    }

    /// Opens the way for sound to the camera, and returns when the camera listens. One at a time. The future
    /// does not borrow the session: its events can be taken meanwhile.
    ///
    /// # Errors
    /// [`Error::Talk`] says why it does not; [`Error::AlreadyTalking`]; [`Error::Gone`] if the session is over.
    pub fn talk(&self) -> impl Future<Output = Result<Talker, Error>> + Send + 'static + use<> {
        Talker::open(self.control.clone())
    }

    /// What the session counted so far; `None` if it is over.
    pub async fn stats(&self) -> Option<Stats> {
        let (sender, receiver) = oneshot::channel();
        self.control.send(Control::Stats(sender)).await.ok()?;
        receiver.await.ok()
    }

    /// What is known of the session's socket, also when it is over.
    #[must_use]
    pub fn socket_stats(&self) -> SocketStats {
        let drops = self.shared.kernel_drops.as_ref();
        SocketStats {
            receive_buffer: self.shared.receive_buffer,
            kernel_drops: drops.map(|drops| drops.load(Ordering::Relaxed)),
        }
    }

    /// The sums of what the session counted so far, also when it is over.
    pub async fn tally(&self) -> Tally {
        match self.stats().await {
            Some(stats) => self.sums(&stats),
            None => self.last_tally(),
        }
    }

    /// The sums of a session that is over; nothing before.
    pub(crate) fn last_tally(&self) -> Tally {
        let last = self.shared.last.get();
        last.map(|stats| self.sums(stats)).unwrap_or_default()
    }

    fn sums(&self, stats: &Stats) -> Tally {
        let drops = self.socket_stats().kernel_drops;
        Tally::new(stats, self.overrun(), drops)
    }

    /// Whether media came grouped (wire.md section 12), of a session that is over.
    pub(crate) fn last_was_grouped(&self) -> bool {
        let last = self.shared.last.get();
        last.is_some_and(|stats| stats.groups.slices > 0)
    }

    /// Asks the session to end: media off, close_notify. [`Event::Ended`] follows.
    ///
    /// Does nothing if it is over.
    pub async fn request_close(&self) {
        // An error here says that the task has ended already, which is what was asked for.
        let _ = self.control.send(Control::Close).await;
    }

    /// Ends the session and waits until the camera has been told. Events that wait are dropped.
    ///
    /// # Errors
    /// [`Error::Session`] if the session had failed before.
    pub async fn close(mut self) -> Result<(), Error> {
        self.request_close().await;
        let mut result = Ok(());
        while let Some(event) = self.next_event().await {
            if let Event::Ended(Err(error)) = event {
                result = Err(error.into());
            }
        }
        result
    }

    /// Frames dropped because nobody took them: see [`EVENT_QUEUE`].
    #[must_use]
    pub fn overrun(&self) -> u64 {
        self.shared.overrun.load(Ordering::Relaxed)
    }
}

/// Only the frames. Ends after the session's end; if that was a failure, with the error.
impl Stream for Session {
    type Item = Result<Frame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match ready!(this.poll_event(cx)) {
                Some(Event::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(Event::Ended(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The task also ends when it finds the channel closed; this only makes it soon.
        let _ = self.control.try_send(Control::Close);
    }
}

/// Joins the client with its socket and the clock until the session has ended.
async fn drive(
    mut client: Client,
    socket: UdpSocket,
    mut control: mpsc::Receiver<Control>,
    mut queue: Queue,
) {
    let mut inbox = Inbox::new();
    let mut desk = Desk::default();
    loop {
        let deadline = loop {
            match client.poll_output() {
                Output::Transmit(datagram) => socket::send(&socket, datagram).await,
                Output::Event(event) => {
                    let ended = matches!(event, Event::Ended(_));
                    if ended {
                        // Before the end is told, so that who hears of it finds them. Set only here.
                        let _ = queue.shared.last.set(client.stats());
                    }
                    if let Event::Talk(event) = &event {
                        desk.event(&mut client, event);
                    }
                    queue.push(event);
                    if ended {
                        return;
                    }
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            () = inbox.receive(&socket) => {
                let now = socket::now();
                while let Some((from, datagram)) = inbox.next(&socket) {
                    client.handle_datagram(now, from, datagram);
                }
                if let Some(drops) = &queue.shared.kernel_drops {
                    drops.store(inbox.kernel_drops(), Ordering::Relaxed);
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => client.handle_timeout(socket::now()),
            () = desk.abandoned() => desk.stop(&mut client),
            request = control.recv() => match request {
                Some(Control::Command(request)) => client.command(socket::now(), request),
                Some(Control::StartTalk(opening)) => desk.start(&mut client, opening),
                Some(Control::Say(sound, reply)) => talk::say(&mut client, &sound, reply),
                Some(Control::StopTalk) => client.stop_talk(socket::now()),
                Some(Control::Stats(reply)) => {
                    // Whoever asked may have gone; then nobody misses the answer.
                    let _ = reply.send(client.stats());
                }
                Some(Control::Close) | None => client.close(socket::now()),
            },
        }
    }
}

/// The way to the caller, which never waits for it.
struct Queue {
    events: mpsc::Sender<Timed>,
    shared: Arc<Shared>,
    /// Frames are dropped until the next key frame.
    skipping: bool,
}

impl Queue {
    fn push(&mut self, event: Event) {
        if let Event::Frame(frame) = &event {
            let full = self.events.capacity() <= RESERVED;
            // Sound can be taken up anywhere, a picture only at a key frame.
            let video = frame.kind.is_video();
            let waits = video && self.skipping && !frame.is_key();
            if full || waits {
                self.skipping |= video;
                self.shared.overrun.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.skipping &= !video;
        }
        // The last place is the end's.
        let refused = self.events.capacity() <= 1 && !matches!(event, Event::Ended(_));
        if refused
            || matches!(
                self.events.try_send((socket::now(), event)),
                Err(TrySendError::Full(_))
            )
        {
            tracing::warn!("nobody takes events: one was dropped");
        }
    }
}
