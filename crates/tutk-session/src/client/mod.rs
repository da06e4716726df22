//! This side of a session.
//!
//! ```text
//!            0601 ►            0402 ►           DTLS             00 00, 00 20 ►     K10000 … K10003
//! Discovery ───────► Session ───────► Dtls ◄────────────► Login ───────────► Authentication ─────► Stream
//!            ◄ 0602            ◄ 0404                            ◄ 00 21
//! ```
//!
//! In `cc51`, 1002 stands in the place of all four. Each phase repeats what it sent until it is
//! answered or its deadline has passed.

mod av;
mod config;
mod heartbeat;
mod media;
mod rate;
mod requests;
mod restart;
mod round_trip;
mod setup;
mod suites;
mod talk;
mod timeline;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dtls_psk::Stage;
use hl_ioctl::commands::{Media, MediaControl, Switch};
use hl_ioctl::{Command as _, HlMessage, Request};
use rand_core::CryptoRng;
use tutk_frame::{Direction, SessionId};

use self::av::{AvClient, FIRST_COMMAND_INDEX, Progress};
pub use self::config::{ClientConfig, MediaRequest, ResendPolicy};
use self::rate::Rate;
pub use self::requests::MAX_REQUESTS;
pub use self::requests::REPEAT;
use self::requests::{Asker, Requests};
use self::suites::Suites;
pub(crate) use self::suites::refuses_suite;
use self::talk::Talk;
pub use self::talk::{TalkError, TalkFrame};
use self::timeline::Timeline;
use crate::channel::{BACK, Channel, MAIN};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::event::{Event, Stats, Status};
use crate::output::{Outbox, Output, Transmit};
use crate::phase::{Epoch, Phase};
use crate::random::Random;
use crate::wire::{End, Incoming, Wrapper};

/// When nothing at all is due. Waking up for it is harmless.
pub const IDLE: Duration = Duration::from_secs(3600);

/// A client's session, without I/O.
///
/// Feed it one input ([`handle_datagram`](Self::handle_datagram),
/// [`handle_timeout`](Self::handle_timeout), [`command`](Self::command), [`close`](Self::close)),
/// then call [`poll_output`](Self::poll_output) until it says [`Output::Timeout`]. It begins to
/// connect by itself: poll once after construction. It never fails by return value:
/// [`Event::Ended`] says how it ended.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    epoch: Epoch,
    rng: Random,
    end: Arc<End>,
    session: SessionId,
    /// The session whose handshake was given up for another.
    left: Option<SessionId>,
    state: State,
    timeline: Timeline,
    /// Commands that wait for a link. The link has its own.
    requests: Requests,
    /// Handshakes that failed and were begun anew.
    restarts: u8,
    /// When the handshake is begun anew if it has not come to its end.
    restart_at: Option<Instant>,
    suites: Suites,
    /// Whether the camera is asked for resend mode: until that has failed.
    resend: bool,
    /// Sound to the camera.
    talk: Talk,
    /// A handshake stopped where one with another key would.
    suspects_wrong_key: bool,
    deadline: Instant,
    outbox: Outbox<Event>,
    stats: Stats,
    rate: Rate,
}

#[derive(Debug)]
enum State {
    Discovering {
        repeat_at: Instant,
    },
    Opening {
        dialect: &'static Dialect,
        camera: SocketAddr,
        /// Given by the camera, in dialects that have tickets.
        ticket: Option<u16>,
        repeat_at: Instant,
    },
    Linked(Box<Linked>),
    Ended,
}

#[derive(Debug)]
struct Linked {
    wrapper: Wrapper,
    main: Channel,
    av: AvClient,
}

impl Client {
    /// A client that begins to connect at `epoch`. All that is random is drawn from `rng`, except
    /// the key share of DTLS, which the [`CryptoProvider`](dtls_psk::crypto::CryptoProvider) draws.
    #[must_use]
    pub fn new(config: ClientConfig, rng: Box<dyn CryptoRng + Send>, epoch: Epoch) -> Self {
        let mut rng = Random(rng);
        let mut session = SessionId::default();
        rng.0.fill_bytes(&mut session.0);
        let now = epoch.instant;
        let mut client = Self {
            timeline: Timeline::new(config.deadlines.clone(), config.media.video, now),
            requests: Requests::new(config.deadlines.command, FIRST_COMMAND_INDEX),
            end: Arc::new(End::new(
                Direction::FromCamera,
                config.credentials.uid,
                Some(config.credentials.auth_key.clone()),
            )),
            left: None,
            restarts: 0,
            restart_at: None,
            suites: Suites::for_model(config.model.as_deref()),
            talk: Talk::default(),
            resend: config.resend.asks(config.model.as_deref()),
            suspects_wrong_key: false,
            config,
            epoch,
            rng,
            session,
            state: State::Discovering { repeat_at: now },
            deadline: now,
            outbox: Outbox::default(),
            stats: Stats::default(),
            rate: Rate::new(now),
        };
        client.drive(now);
        client
    }

    /// Takes a datagram that came from `from`; it is decrypted in place. Poll afterwards.
    ///
    /// What is not from the camera, or makes no sense, is dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.stats.datagrams += 1;
        self.stats.bytes = (self.stats.bytes).saturating_add(datagram.len() as u64);
        self.rate.add(now, datagram.len());
        if !self.is_from_camera(from) {
            self.stats.foreign += 1;
            return;
        }
        let result = match self.state {
            State::Discovering { .. } => self.handle_discovery(now, from, datagram),
            State::Opening { .. } => self.handle_opening(now, from, datagram),
            State::Linked(_) => self.handle_linked(now, from, datagram),
            State::Ended => Ok(()),
        };
        match result {
            Ok(()) => self.drive(now),
            Err(error) => self.end(now, Err(error)),
        }
    }

    /// Does what is due at `now`. Poll afterwards. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.rate.turn(now);
        let timed_out = match &mut self.state {
            State::Ended => {
                self.deadline = now + IDLE;
                return;
            }
            State::Linked(linked) => {
                linked.av.handle_timeout(now);
                let two_way_audio = linked.av.two_way_audio();
                self.talk
                    .handle_timeout(now, two_way_audio, &mut self.outbox);
                linked.main.dtls.handle_timeout(now)
            }
            State::Discovering { .. } | State::Opening { .. } => Ok(()),
        };
        let overdue = (self.timeline.deadline()).is_some_and(|deadline| deadline <= now);
        self.note_wrong_key();
        match timed_out {
            Err(source) => self.end(now, Err(self.dtls_error(now, source))),
            Ok(()) if overdue => {
                self.end(now, Err(self.timeline.overdue(self.suspects_wrong_key)));
            }
            Ok(()) => {
                if self.restart_at().is_some_and(|at| at <= now) {
                    self.restart(now, None);
                }
                self.give_up_resend(now);
                self.drive(now);
            }
        }
    }

    /// Sends a command as soon as the camera has let us in, which may be long after. Poll
    /// afterwards: [`Event::Answer`] or [`Event::Unanswered`] follows, unless the session ends
    /// before.
    ///
    /// One request of each code is on its way at a time, repeated each second; others of its code
    /// wait their turn. Over [`MAX_REQUESTS`], or with a payload over
    /// [`MAX_HL_PAYLOAD`](crate::MAX_HL_PAYLOAD), it is unanswered at once. After the end of the
    /// session nothing happens.
    ///
    /// While a K10010 has switched video off, frames are not waited for.
    pub fn command(&mut self, now: Instant, request: Request) {
        let code = request.code;
        if !matches!(self.state, State::Ended) && !self.try_command(now, request) {
            self.outbox.event(Event::Unanswered { code });
        }
    }

    /// Like [`command`](Self::command), but returns `false` if the command is not accepted.
    pub(crate) fn try_command(&mut self, now: Instant, request: Request) -> bool {
        let video = switches_video(&request);
        let accepted = self.request(request, Asker::Owner);
        if let Some(wanted) = video.filter(|_| accepted) {
            self.timeline.expect_frames(now, wanted);
        }
        self.drive(now);
        accepted
    }

    /// Ends the session: media off, close_notify, and [`Event::Ended`]. Poll afterwards.
    pub fn close(&mut self, now: Instant) {
        if !matches!(self.state, State::Ended) {
            self.end(now, Ok(()));
        }
    }

    /// What to do next: to be called again until it says [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, Event> {
        let deadline = self.deadline;
        self.outbox.poll().unwrap_or(Output::Timeout(deadline))
    }

    pub(crate) fn has_datagram(&self) -> bool {
        self.outbox.has_datagram()
    }

    pub(crate) fn poll_datagram(&mut self) -> Option<Transmit<'_>> {
        self.outbox.poll_datagram()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.outbox.poll_event()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the generator for use by another client.
    pub(crate) fn into_rng(self) -> Random {
        self.rng
    }

    /// Where the session stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state {
            State::Ended => Status::Ended,
            _ => Status::In(self.timeline.phase()),
        }
    }

    /// The dialect that is spoken, once it is known.
    #[must_use]
    pub fn dialect(&self) -> Option<&'static Dialect> {
        match &self.state {
            State::Opening { dialect, .. } => Some(dialect),
            State::Linked(linked) => Some(linked.wrapper.dialect),
            State::Discovering { .. } | State::Ended => None,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.unsent = self.outbox.overflowed();
        stats.receive_rate = self.rate.per_second();
        if let State::Linked(linked) = &self.state {
            linked.count_into(&mut stats);
            stats.unknown += self.talk.unknown();
        }
        stats
    }

    /// Takes a request; `false` if too many wait already, or it is too long.
    fn request(&mut self, request: Request, asker: Asker) -> bool {
        match &mut self.state {
            State::Ended => false,
            State::Linked(linked) => linked.av.request(request, asker),
            State::Discovering { .. } | State::Opening { .. } => self.requests.push(request, asker),
        }
    }

    fn is_from_camera(&self, from: SocketAddr) -> bool {
        let camera = match &self.state {
            State::Discovering { .. } if self.config.broadcast => return true,
            State::Discovering { .. } | State::Ended => self.config.camera,
            State::Opening { camera, .. } => *camera,
            State::Linked(linked) => linked.wrapper.remote,
        };
        // Its port may change at any time (wire.md section 4); its address never does.
        from.ip().to_canonical() == camera.ip().to_canonical()
    }

    fn handle_linked(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let State::Linked(linked) = &mut self.state else {
            return Ok(());
        };
        let Linked { wrapper, main, av } = &mut **linked;
        let records = match wrapper.dialect.open(&self.end, datagram) {
            Some(Incoming::Data {
                session,
                channel: MAIN,
                records,
            }) if session == self.session => records,
            Some(Incoming::Data {
                session,
                channel: BACK,
                records,
            }) if session == self.session && self.talk.is_on() => {
                self.handle_talk(now, from, datagram.get_mut(records).unwrap_or_default());
                return Ok(());
            }
            Some(Incoming::Keepalive { body }) => {
                self.timeline.heard(now);
                wrapper.answer_keepalive(body, from, &mut self.outbox);
                return Ok(());
            }
            // Answers to requests that were repeated before the first answer came.
            Some(Incoming::Offer(_) | Incoming::Grant { .. }) => return Ok(()),
            _ => {
                self.stats.malformed += 1;
                return Ok(());
            }
        };
        let mut handled = Ok(());
        let mut authentic = false;
        let handshaking = !main.dtls.is_connected();
        let opened = main.open(
            now,
            datagram.get_mut(records).unwrap_or_default(),
            |packet| {
                authentic = true;
                if handled.is_ok() {
                    handled = av.handle_packet(now, packet);
                }
            },
        );
        // Its port may have changed. Nothing is authentic during the handshake: then the session
        // id, which only the camera and those who listen know, has to do.
        if authentic || handshaking {
            wrapper.remote = from;
        }
        if authentic {
            self.timeline.heard(now);
        }
        match opened {
            Ok(()) => handled,
            Err(source) if handshaking && self.may_restart(&source) => {
                self.restart(now, Some(&source));
                Ok(())
            }
            Err(source) => Err(self.dtls_error(now, source)),
        }
    }

    /// Does all that can be done now, and finds out when to look again.
    fn drive(&mut self, now: Instant) {
        let next = match self.state {
            State::Ended => return,
            State::Discovering { repeat_at } => {
                let next = self.drive_discovery(now, repeat_at);
                self.state = State::Discovering { repeat_at: next };
                Some(next)
            }
            State::Opening {
                dialect,
                camera,
                ticket,
                repeat_at,
            } => {
                let next = self.drive_opening(now, dialect, camera, ticket, repeat_at);
                self.state = State::Opening {
                    dialect,
                    camera,
                    ticket,
                    repeat_at: next,
                };
                Some(next)
            }
            State::Linked(_) => match self.drive_linked(now) {
                Ok(next) => next,
                Err(ended) => return self.end(now, Err(ended)),
            },
        };
        self.deadline = [next, self.timeline.deadline(), self.restart_at()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE);
    }

    /// `Err` when the session is over.
    fn drive_linked(&mut self, now: Instant) -> Result<Option<Instant>, Error> {
        let Self {
            state: State::Linked(linked),
            outbox,
            timeline,
            talk,
            ..
        } = self
        else {
            return Ok(None);
        };
        let Linked { wrapper, main, av } = &mut **linked;
        let mut closed = false;
        let dtls_deadline = main.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::Connected(_) => {
                timeline.complete_phase(Phase::Dtls, now, outbox);
                av.start(now);
            }
            dtls_psk::Event::KeyLog(line) => outbox.event(Event::KeyLog(line)),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        while let Some(progress) = av.poll_progress() {
            match progress {
                Progress::LoggedIn => _ = timeline.complete_phase(Phase::Login, now, outbox),
                Progress::Authenticated(result) => {
                    if timeline.complete_phase(Phase::Authentication, now, outbox) {
                        outbox.event(Event::Authenticated(result));
                    }
                }
                Progress::Answer(answer) => outbox.event(Event::Answer(answer)),
                Progress::Unanswered(code) => outbox.event(Event::Unanswered { code }),
                Progress::TalkAnswer(Some(answer)) => talk.answered(answer, outbox),
                Progress::TalkAnswer(None) => talk.unanswered(outbox),
            }
        }
        if av.is_authenticated() {
            drain_media(now, av.media_mut(), timeline, outbox);
        }
        if closed {
            let phase = timeline.phase();
            return Err(Error::ClosedByCamera { phase });
        }
        while main.dtls.is_connected() {
            let sent = main.send(wrapper, outbox, |out| av.write_next(now, out));
            match sent {
                Ok(true) => {}
                Ok(false) => break,
                Err(source) => {
                    let phase = timeline.phase();
                    return Err(Error::Dtls { phase, source });
                }
            }
        }
        let talk_deadline = talk.drive(wrapper, outbox);
        let deadlines = [av.deadline(), talk_deadline, Some(dtls_deadline)];
        Ok(deadlines.into_iter().flatten().min())
    }

    fn note_wrong_key(&mut self) {
        if let State::Linked(linked) = &self.state {
            self.suspects_wrong_key |= linked.main.dtls.suspects_wrong_key();
        }
    }

    /// DTLS says that it failed, or has given up by itself.
    fn dtls_error(&self, now: Instant, source: dtls_psk::Error) -> Error {
        let phase = self.timeline.phase();
        let waited = now.saturating_duration_since(self.timeline.began());
        match source {
            dtls_psk::Error::HandshakeTimedOut {
                stage: Stage::AwaitFinished,
                ..
            } => Error::HandshakeUnfinished { waited },
            dtls_psk::Error::HandshakeTimedOut { .. } => Error::Silent { phase, waited },
            source => Error::Dtls { phase, source },
        }
    }

    /// Ends the session: whole frames go out, the camera is told, the owner is told.
    fn end(&mut self, now: Instant, result: Result<(), Error>) {
        let Self {
            state,
            outbox,
            timeline,
            stats,
            talk,
            ..
        } = self;
        if let State::Linked(linked) = state {
            let Linked { wrapper, main, av } = &mut **linked;
            if main.dtls.is_connected() && av.is_authenticated() {
                let off = MediaControl {
                    media: Media::Video,
                    switch: Switch::Off,
                };
                let silence = talk.is_on().then(|| talk::request(Switch::Off));
                for request in silence.into_iter().chain([Request::from(&off)]) {
                    // Best effort: if it cannot be said, close_notify says enough.
                    let _ = main.send(wrapper, outbox, |out| av.write_farewell(&request, out));
                }
            }
            talk.close(wrapper, outbox);
            main.dtls.close();
            main.flush(wrapper, outbox, |outbox, event| {
                // Of use most of all where a handshake has failed.
                if let dtls_psk::Event::KeyLog(line) = event {
                    outbox.event(Event::KeyLog(line));
                }
            });
            av.media_mut().flush();
            if av.is_authenticated() {
                drain_media(now, av.media_mut(), timeline, outbox);
            }
            linked.count_into(stats);
            stats.unknown += talk.unknown();
        }
        *state = State::Ended;
        outbox.event(Event::Ended(result));
        self.deadline = now + IDLE;
    }
}

impl Linked {
    fn count_into(&self, stats: &mut Stats) {
        stats.records_dropped = self.main.dropped();
        stats.unknown = self.av.unknown();
        stats.media = self.av.media().stats();
        stats.held = self.av.media().held();
        stats.round_trip = self.av.media().round_trip();
        if let Some((groups, tracker)) = self.av.media().resend_stats() {
            stats.groups = groups;
            stats.tracker = tracker;
        }
    }
}

/// Passes frames and losses on.
fn drain_media(
    now: Instant,
    media: &mut media::Media,
    timeline: &mut Timeline,
    outbox: &mut Outbox<Event>,
) {
    while let Some(event) = media.poll() {
        let event = match event {
            video_reassembly::Event::Frame(frame) => {
                timeline.frame(now, outbox);
                Event::Frame(frame)
            }
            video_reassembly::Event::Lost(lost) => Event::Lost(lost),
        };
        outbox.event(event);
    }
}

/// Whether this request switches video, and which way.
fn switches_video(request: &Request) -> Option<bool> {
    let message = HlMessage {
        version: hl_ioctl::CLIENT_VERSION,
        code: request.code,
        payload: &request.payload,
    };
    let control = MediaControl::from_message(&message).ok()?;
    (control.media == Media::Video).then_some(control.switch == Switch::On)
}
