//! Sessions that stay up: when one falls, another is begun.

mod lookup;
mod outage;
mod policy;
mod splice;

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use futures_core::Stream;
use rand::rngs::StdRng;
use tokio::time::Sleep;
use tutk_session::hl_ioctl::Request;
use tutk_session::{ClientConfig, Event, ResendPolicy};

use self::lookup::Lookup;
use self::outage::History;
pub use self::outage::{Fall, OUTAGES, Outage};
use self::policy::Backoff;
pub use self::policy::ReconnectPolicy;
pub use self::splice::ContinuousFrame;
use self::splice::Splice;
use crate::error::Error;
use crate::session::{Session, Timed};
use crate::socket;
use crate::tally::Tally;

/// So many stalls of grouped media, and the camera is asked for plain media.
const RESEND_STALLS: u32 = 2;

/// A session with one camera that is begun again when it falls.
///
/// Each new session is the same as the first: discovery begins at the configured address, or where the
/// camera's [name](ReconnectPolicy::host) leads by then, whatever port the camera had last, and what commands had changed of the session that fell (video off, say) is as the
/// configuration has it. Whoever needs it otherwise sends the command again at [`ReconnectEvent::Restored`].
///
/// **Time.** [`ContinuousFrame`]s stand on one time line. Within a session it runs by the camera's clock, as
/// [`Frame::timestamp`](tutk_session::Frame::timestamp) does. The first frame that arrives of a new session
/// stands where the newest frame before it stood, plus the time that passed by this machine's monotonic clock between
/// the arrivals of the two. So a recording is as long as it took, gaps and all.
///
/// **Decoding.** The first frame of a stream after a gap is marked. Delta frames that come before a session's
/// first key frame are dropped, because nothing can be done with them, and counted: [`Tally::headless`].
///
/// **No task of its own.** Between two calls of [`next_event`](Self::next_event) the session goes on, but
/// nothing is begun again. Take events all the time, also those that do not matter. To drop this closes the
/// session as [`Session`] does.
#[derive(Debug)]
pub struct Reconnecting {
    config: ClientConfig,
    state: State,
    backoff: Backoff,
    rng: StdRng,
    history: History,
    splice: Splice,
    /// Whether the end was asked for.
    closing: bool,
    /// Sessions that were let in.
    sessions: u64,
    /// How often media that came grouped has stalled.
    resend_stalls: u32,
    /// The sums of the sessions that are over.
    past: Tally,
    /// What is told next. Never more than two.
    pending: VecDeque<ReconnectEvent>,
}

#[derive(Debug)]
enum State {
    /// There is a session.
    Running(Running),
    /// There will be one.
    Waiting(Pin<Box<Sleep>>),
    /// There will be one as soon as it is known where, since then.
    Looking(Lookup, Instant),
    Ended,
}

#[derive(Debug)]
struct Running {
    session: Session,
    began: Instant,
    /// When we were let in.
    up: Option<Instant>,
}

/// An event of a [`Reconnecting`] session.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ReconnectEvent {
    /// A frame, on the time line of all sessions.
    Frame(ContinuousFrame),
    /// What else the session of now tells: all but its frames and its end.
    Session(Event),
    /// The session fell, or an attempt to begin another failed. Commands without an answer get none now.
    Fell(Fall),
    /// A session was let in after one had fallen. Told after its [`Event::Authenticated`].
    Restored(Outage),
    /// It is over: it was closed, or no other attempt is made. Nothing comes after this.
    Ended(Result<(), Error>),
}

impl Reconnecting {
    /// Connects, and returns when the camera has let us in. Events before that are not kept, except those of
    /// falls with [`ReconnectPolicy::retry_first`]: see [`Self::outages`].
    ///
    /// # Errors
    /// [`Error::Session`] if the first session failed, and [`ReconnectPolicy::retry_first`] is not set or its
    /// attempts are used up; [`Error::Io`] if there is no socket, or nobody knows the camera's name.
    pub async fn connect(config: ClientConfig, policy: ReconnectPolicy) -> Result<Self, Error> {
        let mut this = Self::start(config, policy)?;
        loop {
            match this.next_event().await {
                Some(ReconnectEvent::Session(Event::Authenticated(_))) => return Ok(this),
                Some(ReconnectEvent::Ended(Err(error))) => return Err(error),
                Some(ReconnectEvent::Ended(Ok(()))) | None => return Err(Error::Gone),
                Some(_) => {}
            }
        }
    }

    /// Begins to connect: every event can be seen from the first on.
    ///
    /// Must be called within a tokio runtime that has I/O and time enabled.
    ///
    /// # Errors
    /// [`Error::Io`] if the system gives no randomness; without [`ReconnectPolicy::retry_first`] also if it
    /// gives no socket.
    pub fn start(config: ClientConfig, policy: ReconnectPolicy) -> Result<Self, Error> {
        let mut this = Self {
            config,
            state: State::Ended,
            backoff: Backoff::new(policy),
            rng: socket::rng()?,
            history: History::default(),
            splice: Splice::default(),
            closing: false,
            sessions: 0,
            resend_stalls: 0,
            past: Tally::default(),
            pending: VecDeque::with_capacity(2),
        };
        this.attempt();
        match this.pending.pop_front() {
            Some(ReconnectEvent::Ended(Err(error))) => return Err(error),
            Some(event) => this.pending.push_front(event),
            None => {}
        }
        Ok(this)
    }

    /// The next event; `None` after [`ReconnectEvent::Ended`]. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<ReconnectEvent> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// As [`next_event`](Self::next_event), for hand-written futures.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<ReconnectEvent>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Poll::Ready(Some(event));
            }
            match &mut self.state {
                State::Running(running) => {
                    let timed = ready!(running.session.poll_timed(cx));
                    self.take(timed);
                }
                State::Waiting(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.attempt();
                }
                State::Looking(lookup, began) => {
                    let began = *began;
                    match ready!(lookup.poll(cx)) {
                        Ok(address) => {
                            self.config.camera = address;
                            self.begin(began);
                        }
                        Err(error) => self.attempt_failed(began, error.into()),
                    }
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    /// Sends a command, as [`Session::command`] does.
    ///
    /// # Errors
    /// [`Error::Down`] while there is no session that was let in, [`Error::Gone`] if it is over.
    pub async fn command(&self, request: impl Into<Request>) -> Result<(), Error> {
        let session = self.session().ok_or(match self.state {
            State::Ended => Error::Gone,
            _ => Error::Down,
        })?;
        // Gone it is as well when it has fallen, and nobody has taken the event yet.
        let sent = session.command(request).await;
        sent.map_err(|_| Error::Down)
    }

    /// The session of now, if the camera has let it in and its fall was not told yet. For what is not of all
    /// sessions: to [`talk`](Session::talk), or to see its socket.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Running(running) if running.up.is_some() => Some(&running.session),
            _ => None,
        }
    }

    /// The newest times without a session, oldest first, at most [`OUTAGES`]; the last one may still go on.
    pub fn outages(&self) -> impl DoubleEndedIterator<Item = &Outage> + ExactSizeIterator {
        self.history.outages()
    }

    /// The sums of what all sessions counted so far.
    pub async fn tally(&self) -> Tally {
        let now = match &self.state {
            State::Running(running) => running.session.tally().await,
            _ => Tally::default(),
        };
        Tally {
            headless: self.splice.headless(),
            reconnects: self.sessions.saturating_sub(1),
            ..self.past.and(&now)
        }
    }

    /// Asks for the end: media off, close_notify if there is a session. [`ReconnectEvent::Ended`] follows.
    ///
    /// Does nothing if it is over.
    pub async fn request_close(&mut self) {
        match &self.state {
            State::Running(running) => {
                running.session.request_close().await;
                self.closing = true;
            }
            State::Waiting(_) | State::Looking(..) => self.end(Ok(())),
            State::Ended => {}
        }
    }

    /// Ends it, in whatever state, and waits until the camera has been told. Events that wait are dropped.
    ///
    /// # Errors
    /// Why it had ended, if it had failed before.
    pub async fn close(mut self) -> Result<(), Error> {
        self.request_close().await;
        let mut result = Ok(());
        while let Some(event) = self.next_event().await {
            if let ReconnectEvent::Ended(ended) = event {
                result = ended;
            }
        }
        result
    }

    /// Begins a session, once it is known where.
    fn attempt(&mut self) {
        let began = socket::now();
        match &self.backoff.policy().host {
            Some(host) => self.state = State::Looking(Lookup::new(host, self.config.camera), began),
            None => self.begin(began),
        }
    }

    fn begin(&mut self, began: Instant) {
        match Session::start(self.config.clone()) {
            Ok(session) => {
                self.splice.begin();
                self.state = State::Running(Running {
                    session,
                    began,
                    up: None,
                });
            }
            Err(error) => self.attempt_failed(began, error),
        }
    }

    fn attempt_failed(&mut self, began: Instant, error: Error) {
        self.history.attempt_failed(began, &error);
        self.go_on(error, None);
    }

    /// Takes what the session tells.
    fn take(&mut self, timed: Option<Timed>) {
        let State::Running(running) = &mut self.state else {
            return;
        };
        match timed {
            Some((at, Event::Frame(frame))) => {
                let placed = self.splice.frame(at, frame);
                self.pending.extend(placed.map(ReconnectEvent::Frame));
            }
            Some((_, Event::Ended(Ok(())))) => self.over(Ok(())),
            Some((at, Event::Ended(Err(error)))) => self.over(Err((at, error.into()))),
            Some((at, event)) => {
                let authenticated = matches!(event, Event::Authenticated(_));
                self.pending.push_back(ReconnectEvent::Session(event));
                if authenticated {
                    running.up = Some(at);
                    self.sessions += 1;
                    let outage = self.history.restored(at);
                    self.pending.extend(outage.map(ReconnectEvent::Restored));
                }
            }
            // A session tells its end, unless its task was stopped: the runtime itself comes down.
            None => self.over(Err((socket::now(), Error::Gone))),
        }
    }

    /// The session has ended.
    fn over(&mut self, result: Result<(), (Instant, Error)>) {
        let State::Running(running) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        self.past = self.past.and(&running.session.last_tally());
        match result {
            Err((at, error)) if !self.closing => {
                self.note_resend(&running.session, &error);
                let lasted = running.up.map(|up| at.saturating_duration_since(up));
                match lasted {
                    Some(lasted) => {
                        self.history.fell(at, &error, lasted);
                        self.backoff.fell(lasted);
                    }
                    None => self.history.attempt_failed(running.began, &error),
                }
                self.go_on(error, lasted);
            }
            _ => self.end(Ok(())),
        }
    }

    /// Media that comes grouped and stalls, once, may be the network; twice, it is taken for the camera, which
    /// is asked for plain media from then on.
    fn note_resend(&mut self, session: &Session, error: &Error) {
        let stalled = matches!(error, Error::Session(tutk_session::Error::Stalled { .. }));
        if stalled && session.last_was_grouped() {
            self.resend_stalls += 1;
            if self.resend_stalls >= RESEND_STALLS {
                tracing::info!("the camera stalls in resend mode: it is asked for plain media");
                self.config.resend = ResendPolicy::Off;
            }
        }
    }

    /// Waits for the next attempt, if there is to be one after `error`.
    fn go_on(&mut self, error: Error, lasted: Option<Duration>) {
        if self.sessions == 0 && !self.backoff.policy().retry_first {
            return self.end(Err(error));
        }
        let attempts = self.history.attempts();
        let down = self.history.down(socket::now());
        let next = self.backoff.next(&error, attempts, down, &mut self.rng);
        tracing::debug!(%error, ?lasted, attempts, ?next, "no session");
        self.pending.push_back(ReconnectEvent::Fell(Fall {
            error: error.clone(),
            at: SystemTime::now(),
            lasted,
            attempts,
            next,
        }));
        match next {
            Some(delay) => self.state = State::Waiting(Box::pin(tokio::time::sleep(delay))),
            None => self.end(Err(error)),
        }
    }

    fn end(&mut self, result: Result<(), Error>) {
        self.state = State::Ended;
        self.pending.push_back(ReconnectEvent::Ended(result));
    }
}

/// Only the frames. Ends after the end; if that was a failure, with the error.
impl Stream for Reconnecting {
    type Item = Result<ContinuousFrame, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match ready!(this.poll_event(cx)) {
                Some(ReconnectEvent::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Some(ReconnectEvent::Ended(Err(error))) => return Poll::Ready(Some(Err(error))),
                Some(_) => {}
                None => return Poll::Ready(None),
            }
        }
    }
}
