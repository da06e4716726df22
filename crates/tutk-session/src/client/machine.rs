//! The client's state machine.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use dtls_psk::passive::RecordHeader;
use hl_ioctl::commands::{Media, MediaControl, SetClock, Switch, UnixSeconds};
use hl_ioctl::{Command as _, HlMessage, Request};
use tutk_frame::{Direction, SessionId};
use tutk_time::Instant;

use super::av::{AvClient, AvEvent, FIRST_COMMAND_INDEX};
use super::config::ClientConfig;
use super::fast_connect::{EarlyPackets, FastConnect};
use super::finished_wait::FinishedWait;
use super::handshake_offers::HandshakeOffers;
use super::media_receiver::MediaReceiver;
use super::phase_timer::PhaseTimer;
use super::rate::Rate;
use super::requests::{Requester, Requests};
use super::session_keepalive::SessionKeepalive;
use super::talk_channel::TalkChannel;
use crate::channel::Channel;
use crate::deviation::Deviation;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::event::{Event, RequestId, Stats, Status};
use crate::output::{Outbox, Output, Transmit};
use crate::phase::{Epoch, Phase};
use crate::random::Random;
use crate::wire::{BACKCHANNEL, Incoming, MAIN_CHANNEL, Side, Wrapper};

/// The timeout when nothing is due.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A client of one camera for one session, without I/O.
///
/// It has the [contract of all state machines](crate#how-to-drive-it): feed it one input, then call
/// [`poll_output`](Self::poll_output) until it returns [`Output::Timeout`]. It starts to connect at
/// construction: poll once before the first input. [`Event::Ended`] reports how the session ended.
#[derive(Debug)]
pub struct Client {
    pub(super) config: ClientConfig,
    pub(super) epoch: Epoch,
    pub(super) rng: Random,
    pub(super) side: Arc<Side>,
    pub(super) session: SessionId,
    /// The session that a restart replaced.
    pub(super) abandoned: Option<SessionId>,
    pub(super) state: State,
    pub(super) phase_timer: PhaseTimer,
    /// Commands that wait for a connection. A connection has its own queue.
    pub(super) requests: Requests,
    next_request: RequestId,
    /// The number of restarted handshakes.
    pub(super) restarts: u8,
    pub(super) handshake_started: Instant,
    pub(super) offers: HandshakeOffers,
    pub(super) fast: FastConnect,
    /// The tag of the packet that assigned the session matched.
    pub(super) assignment_verified: bool,
    /// Requests resend mode.
    pub(super) resend: bool,
    pub(super) talk: TalkChannel,
    pub(super) finished_wait: FinishedWait,
    /// The number of received datagrams that were logged.
    pub(super) logged: u8,
    pub(super) deadline: Instant,
    pub(super) outbox: Outbox<Event>,
    pub(super) stats: Stats,
    rate: Rate,
}

#[derive(Debug)]
pub(super) enum State {
    Discovering {
        repeat_at: Instant,
    },
    RequestingSession {
        dialect: Arc<Dialect>,
        camera: SocketAddr,
        /// Assigned by the camera, in dialects with tickets.
        ticket: Option<u16>,
        repeat_at: Instant,
    },
    /// The camera has granted a session. The DTLS handshake may not be complete.
    Connected(Box<Connected>),
    Ended,
}

#[derive(Debug)]
pub(super) struct Connected {
    pub(super) wrapper: Wrapper,
    pub(super) main: Channel,
    pub(super) av: AvClient,
    pub(super) keepalive: SessionKeepalive,
}

impl Client {
    /// Creates a client that starts to connect at `epoch`.
    ///
    /// `seed` must be 32 random bytes that are used for nothing else: all secrets are derived from
    /// it. Two clients with the same seed, configuration and input have the same output.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32], epoch: Epoch) -> Self {
        let mut rng = Random::new(seed);
        let session = SessionId(rng.array());
        let now = epoch.instant;
        let mut client = Self {
            phase_timer: PhaseTimer::new(config.deadlines.clone(), config.media.video, now),
            requests: Requests::new(config.deadlines.command, FIRST_COMMAND_INDEX),
            next_request: RequestId::FIRST,
            side: Arc::new(Side::new(
                Direction::FromCamera,
                config.credentials.uid,
                Some(config.credentials.auth_key.clone()),
            )),
            abandoned: None,
            restarts: 0,
            handshake_started: now,
            offers: HandshakeOffers::new(&config),
            fast: FastConnect::new(&config),
            assignment_verified: false,
            talk: TalkChannel::default(),
            resend: config.resend.applies_to(config.model.as_deref())
                && config.credentials.base_station.is_none(),
            finished_wait: FinishedWait::new(now),
            logged: 0,
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
        client.log_discovery();
        client.drive(now);
        client
    }

    /// Handles a datagram that arrived from `from`. It is decrypted in place. Poll afterwards.
    ///
    /// Invalid datagrams, and those from other addresses, are dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if matches!(self.state, State::Ended) {
            return;
        }
        self.stats.datagrams += 1;
        self.stats.bytes = (self.stats.bytes).saturating_add(datagram.len() as u64);
        self.rate.add(now, datagram.len());
        let received = self.log_received(from, datagram);
        let result = match self.state {
            _ if !self.is_from_camera(from) => {
                self.stats.foreign += 1;
                Ok(())
            }
            State::Discovering { .. } => self.handle_discovery(now, from, datagram),
            State::RequestingSession { .. } => self.handle_session_answer(now, from, datagram),
            State::Connected(_) => self.handle_connected(now, from, datagram),
            State::Ended => Ok(()),
        };
        if let Some(received) = received {
            self.log_handled(&received, &result);
        }
        match result {
            Ok(()) => self.drive(now),
            Err(error) => self.end(now, Err(error)),
        }
    }

    /// Does what is due at `now`. An early call does no harm. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.rate.update(now);
        let timed_out = match &mut self.state {
            State::Ended => {
                self.deadline = now + IDLE_TIMEOUT;
                return;
            }
            State::Connected(connected) => {
                connected.av.handle_timeout(now);
                let two_way_audio = connected.av.two_way_audio();
                self.talk
                    .handle_timeout(now, two_way_audio, &mut self.outbox);
                connected.main.dtls.handle_timeout(now)
            }
            State::Discovering { .. } | State::RequestingSession { .. } => Ok(()),
        };
        let overdue = self.phase_timer.is_overdue(now);
        match timed_out {
            Err(source) => self.end(now, Err(self.dtls_error(now, source))),
            Ok(()) if overdue => self.end(now, Err(self.timeout_error())),
            Ok(()) => {
                let unfinished = self.finished_wait.expired(now);
                if unfinished && self.finished_wait.proves_wrong_key() {
                    let waited = now.duration_since(self.phase_timer.started_at());
                    return self.end(now, Err(Error::HandshakeUnfinished { waited }));
                }
                if unfinished || self.restart_at().is_some_and(|at| at <= now) {
                    self.restart(now, None);
                }
                self.restart_without_resend(now);
                self.drive(now);
            }
        }
    }

    /// Sends a command as soon as the camera has authenticated the client. [`Event::Answer`] or
    /// [`Event::Unanswered`] with the returned id follows, unless the session ends before. Poll
    /// afterwards. [`Answer::decode`](crate::Answer::decode) decodes the answer.
    ///
    /// One command per code is in flight at a time and repeated every second. Further ones with its
    /// code wait, because an answer names only the code. After a command that was repeated or not
    /// answered, the next one waits for another second, so that it does not get a late answer. A
    /// command is unanswered at once if [`MAX_REQUESTS`](crate::MAX_REQUESTS) others
    /// wait, or if its payload is longer than [`MAX_HL_PAYLOAD`](crate::MAX_HL_PAYLOAD). Has no
    /// effect after the end of the session.
    ///
    /// While video is switched off by K10010, the client does not wait for frames.
    pub fn command(&mut self, now: Instant, request: impl Into<Request>) -> RequestId {
        let request = request.into();
        let (id, code) = (self.next_request.take(), request.code);
        if !matches!(self.state, State::Ended) && !self.enqueue(now, id, request) {
            self.outbox.event(Event::Unanswered { id, code });
        }
        id
    }

    /// Like [`command`](Self::command), but returns `None` if the command is not accepted.
    pub(crate) fn try_command(&mut self, now: Instant, request: Request) -> Option<RequestId> {
        let id = self.next_request.take();
        self.enqueue(now, id, request).then_some(id)
    }

    /// Returns the id of the next command.
    pub(crate) fn next_request(&self) -> RequestId {
        self.next_request
    }

    /// Continues the ids of another client.
    pub(crate) fn set_next_request(&mut self, next: RequestId) {
        self.next_request = next;
    }

    fn enqueue(&mut self, now: Instant, id: RequestId, request: Request) -> bool {
        let video = video_switch(&request);
        let accepted = self.request(request, Requester::Owner(id));
        if let Some(wanted) = video.filter(|_| accepted) {
            self.phase_timer.expect_frames(now, wanted);
        }
        self.drive(now);
        accepted
    }

    /// Closes the session: switches media off, sends close_notify and emits [`Event::Ended`]. Poll
    /// afterwards.
    pub fn close(&mut self, now: Instant) {
        if !matches!(self.state, State::Ended) {
            self.end(now, Ok(()));
        }
    }

    /// Returns the next output. Call again until it returns [`Output::Timeout`].
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

    /// Returns the use of early packets so far.
    pub(crate) fn early_packets(&self) -> EarlyPackets {
        self.fast.early_packets()
    }

    /// Returns when [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the current phase, or that the session has ended.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state {
            State::Ended => Status::Ended,
            _ => Status::In(self.phase_timer.phase()),
        }
    }

    /// Returns the dialect of the camera, if it is known.
    #[must_use]
    pub fn dialect(&self) -> Option<&Arc<Dialect>> {
        match &self.state {
            State::RequestingSession { dialect, .. } => Some(dialect),
            State::Connected(connected) => Some(&connected.wrapper.dialect),
            State::Discovering { .. } | State::Ended => None,
        }
    }

    /// Returns the counters of the session.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        stats.unsent = self.outbox.overflowed();
        stats.receive_rate = self.rate.per_second();
        if let State::Connected(connected) = &self.state {
            connected.count_into(&mut stats);
            stats.unknown += self.talk.unknown();
        }
        stats
    }

    /// Queues a request. Returns `false` if the queue is full or the payload is too long.
    pub(super) fn request(&mut self, request: Request, requester: Requester) -> bool {
        match &mut self.state {
            State::Ended => false,
            State::Connected(connected) => connected.av.request(request, requester),
            State::Discovering { .. } | State::RequestingSession { .. } => {
                self.requests.push(request, requester)
            }
        }
    }

    pub(super) fn is_from_camera(&self, from: SocketAddr) -> bool {
        let camera = match &self.state {
            State::Discovering { .. } if self.config.broadcast => return true,
            State::Discovering { .. } | State::Ended => self.config.camera,
            State::RequestingSession { camera, .. } => *camera,
            State::Connected(connected) => connected.wrapper.remote,
        };
        // The camera may change its port, but not its IP address (docs/protocol.md, section
        // "Discovery and session").
        from.ip().to_canonical() == camera.ip().to_canonical()
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let State::Connected(connected) = &mut self.state else {
            return Ok(());
        };
        let Connected {
            wrapper,
            main,
            av,
            keepalive,
        } = &mut **connected;
        let tolerated = &mut self.stats.tolerated;
        let is_accepted =
            |session: SessionId| wrapper.may_contain(session) && self.abandoned != Some(session);
        let (session, records) = match wrapper.dialect.open(&self.side, datagram, tolerated) {
            Some(Incoming::Data {
                session,
                channel: MAIN_CHANNEL,
                records,
            }) if is_accepted(session) => (session, records),
            Some(Incoming::Data {
                session,
                channel: BACKCHANNEL,
                records,
            }) if is_accepted(session) && self.talk.is_on() => {
                self.handle_talk(now, from, datagram.get_mut(records).unwrap_or_default());
                return Ok(());
            }
            Some(Incoming::Keepalive { body }) => {
                // It is not authenticated, so it does not show that the session is alive.
                self.stats.keepalives += 1;
                if keepalive.needs_answer(now, body, wrapper.session()) {
                    wrapper.answer_keepalive(body, from, &mut self.outbox);
                }
                return Ok(());
            }
            // Answers to repeated requests.
            Some(Incoming::DiscoveryAnswer { .. } | Incoming::SessionAnswer { .. }) => {
                return Ok(());
            }
            _ => {
                self.stats.malformed += 1;
                return Ok(());
            }
        };
        let mut handled = Ok(());
        let mut authentic = false;
        let handshaking = !main.dtls.is_connected();
        let is_named = session == wrapper.session();
        if !is_named {
            tolerated.record(Deviation::Session);
        }
        let records = datagram.get_mut(records).unwrap_or_default();
        let is_whole = RecordHeader::split(records).is_some();
        let opened = main.open(now, records, |packet| {
            authentic = true;
            if handled.is_ok() {
                handled = av.handle_packet(now, packet, tolerated);
            }
        });
        // Follows a changed port. Handshake packets are not authenticated, so during the handshake
        // the session id and a whole record must do. Damaged and reflected packets have the id,
        // too.
        if authentic || (handshaking && is_named && is_whole && opened.is_ok()) {
            wrapper.remote = from;
        }
        if authentic {
            self.phase_timer.packet_received(now);
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

    /// Sends what is due and computes the next deadline.
    pub(super) fn drive(&mut self, now: Instant) {
        let next = match self.state {
            State::Ended => return,
            State::Discovering { .. } | State::RequestingSession { .. } => self.drive_setup(now),
            State::Connected(_) => match self.drive_connected(now) {
                Ok(next) => next,
                // The camera may not tolerate an early login.
                Err(Error::ClosedByCamera {
                    phase: Phase::Login,
                }) if self.fast.has_sent_login() => {
                    self.restart(now, None);
                    self.drive_setup(now)
                }
                Err(error) => return self.end(now, Err(error)),
            },
        };
        while let Some(deviation) = self.stats.tolerated.take_first() {
            tracing::debug!(%deviation, "accepted");
            self.outbox.event(Event::Tolerated(deviation));
        }
        self.deadline = [next, self.phase_timer.deadline(), self.restart_at()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE_TIMEOUT);
    }

    /// Returns the next deadline, or the error that ends the session.
    fn drive_connected(&mut self, now: Instant) -> Result<Option<Instant>, Error> {
        let Self {
            state: State::Connected(connected),
            outbox,
            phase_timer,
            finished_wait,
            config,
            epoch,
            talk,
            offers,
            fast,
            stats,
            ..
        } = self
        else {
            return Ok(None);
        };
        let Connected {
            wrapper,
            main,
            av,
            keepalive,
        } = &mut **connected;
        let mut closed = false;
        let dtls_deadline = main.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::Connected(_) => {
                phase_timer.complete_phase(Phase::Dtls, now, outbox);
                if !offers.is_first() {
                    stats.tolerated.record(Deviation::HandshakeOffer);
                }
                av.start(now, phase_timer.round_trip());
            }
            dtls_psk::Event::KeyLog(line) => outbox.event(Event::KeyLog(line)),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        while let Some(event) = av.poll_event() {
            match event {
                AvEvent::LoggedIn => _ = phase_timer.complete_phase(Phase::Login, now, outbox),
                AvEvent::Authenticated(result) => {
                    if phase_timer.complete_phase(Phase::Authentication, now, outbox) {
                        outbox.free_unused();
                        outbox.event(Event::Authenticated(result));
                        if config.set_clock
                            && let Ok(time) = UnixSeconds::new(epoch.unix_seconds_at(now))
                        {
                            av.request((&SetClock(time)).into(), Requester::Clock);
                        }
                    }
                }
                AvEvent::Answer(answer) => outbox.event(Event::Answer(answer)),
                AvEvent::Unanswered { id, code } => outbox.event(Event::Unanswered { id, code }),
                AvEvent::TalkAnswer(Some(answer)) => talk.answered(answer, outbox),
                AvEvent::TalkAnswer(None) => talk.unanswered(outbox),
            }
        }
        if av.is_authenticated() {
            drain_media(now, av.media_mut(), phase_timer, stats, outbox);
        }
        if closed {
            let phase = phase_timer.phase();
            return Err(av.login_error().unwrap_or(Error::ClosedByCamera { phase }));
        }
        let stage = main.dtls.stage();
        let answered = |after| phase_timer.limit_round_trip(after);
        let finished_deadline = finished_wait.update(now, stage, config.deadlines.dtls, answered);
        if main.dtls.can_send() && av.start_early(phase_timer.round_trip()) {
            fast.login_sent();
        }
        while main.dtls.can_send() {
            let sent = main.send(wrapper, outbox, |out| av.write_next(now, out));
            match sent {
                Ok(true) => {}
                Ok(false) => break,
                Err(source) => {
                    let phase = phase_timer.phase();
                    return Err(Error::Dtls { phase, source });
                }
            }
        }
        let talk_deadline = talk.drive(wrapper, outbox);
        if keepalive.take_due(now) {
            wrapper.send_client_keepalive(outbox);
        }
        let deadlines = [
            av.deadline(),
            talk_deadline,
            keepalive.deadline(),
            finished_deadline,
            Some(dtls_deadline),
        ];
        Ok(deadlines.into_iter().flatten().min())
    }
}

impl Connected {
    pub(super) fn count_into(&self, stats: &mut Stats) {
        stats.records_dropped = self.main.dropped();
        stats.records_reordered = self.main.reordered();
        stats.unknown = self.av.unknown();
        stats.media = self.av.media().stats();
        stats.memory_usage = self.av.media().memory_usage();
        stats.round_trip = self.av.media().round_trip();
        if let Some((groups, tracker)) = self.av.media().resend_stats() {
            stats.groups = groups;
            stats.tracker = tracker;
        }
    }
}

/// Emits frames and losses.
pub(super) fn drain_media(
    now: Instant,
    media: &mut MediaReceiver,
    phase_timer: &mut PhaseTimer,
    stats: &mut Stats,
    outbox: &mut Outbox<Event>,
) {
    while let Some(event) = media.poll() {
        let event = match event {
            video_reassembly::Event::Frame(frame) => {
                let shared = media.stats().shared_numbers;
                (stats.tolerated).raise_to(Deviation::SharedNumbers, shared);
                phase_timer.frame_received(now, outbox);
                Event::Frame(frame)
            }
            video_reassembly::Event::Lost(lost) => Event::Lost(lost),
        };
        outbox.event(event);
    }
}

/// Returns whether the request switches video on or off, if it does either.
fn video_switch(request: &Request) -> Option<bool> {
    let message = HlMessage {
        version: hl_ioctl::CLIENT_VERSION,
        code: request.code,
        payload: &request.payload,
    };
    let control = MediaControl::from_message(&message).ok()?;
    (control.media == Media::Video).then_some(control.switch == Switch::On)
}
