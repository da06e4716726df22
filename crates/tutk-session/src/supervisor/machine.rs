//! The supervisor: the life cycle of all sessions with one camera.
//!
//! ```text
//!          users                  socket                       error
//!   Idle --------> Connecting ---------------> Connected --------------> BackingOff
//!    ^ ^               ^ | error ----------------+-----------------------> | |
//!    | | pause over    +-+-----------------------+--------- delay over ----+ |
//!    | +---- GaveUp <----+-----------------------+---------------------------+
//!    +--------------- no users, from any state
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use hl_ioctl::Request;
use tutk_time::Instant;

use super::config::SupervisorConfig;
use super::demand::{Demand, DemandState};
use super::fast_connect::FastConnect;
use super::outage::{ConnectionError, DriverError, Outage, OutageLog};
use super::output::{CommandError, Connect, SupervisorEvent, SupervisorOutput};
use super::policy::Backoff;
use super::tally::Tally;
use super::timeline::Timeline;
use crate::client::{
    Client, ClientConfig, IDLE_TIMEOUT, KnownCamera, ResendPolicy, Rhythm, TalkFrame,
};
use crate::discovery_plan::Search;
use crate::error::{Error, TalkError};
use crate::event::{Event, RequestId, Stats};
use crate::phase::Epoch;
use crate::random::Random;

/// After this many stalls in resend mode, sessions request plain media.
pub(super) const MAX_RESEND_STALLS: u32 = 2;

/// The shortest time between two searches that ask every host of the networks.
const SWEEP_INTERVAL: Duration = Duration::from_secs(300);

/// Keeps a session with one camera, without I/O: connects, reconnects, and puts the frames of all
/// sessions on one time line.
///
/// It has the [contract of all state machines](crate#how-to-drive-it). In addition, it asks for
/// sockets: [`SupervisorOutput`]. With [`Keep::Always`](super::Keep::Always) it starts to connect
/// at construction: poll once before the first input.
///
/// Each session uses the configured [`ClientConfig`](crate::ClientConfig).
/// [`SupervisorConfig::initial_commands`] are sent in each session, other commands only once.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) config: SupervisorConfig,
    pub(super) rng: Random,
    /// The id of the next session's first command.
    pub(super) next_request: RequestId,
    /// The rhythm of the camera's packets in the sessions so far.
    pub(super) rhythm: Rhythm,
    pub(super) fast_connect: FastConnect,
    /// Where the newest session has found the camera.
    known_camera: Option<KnownCamera>,
    pub(super) epoch: Epoch,
    /// The time of the newest input.
    pub(super) now: Instant,
    demand: DemandState,
    /// The camera's newest address.
    camera: SocketAddr,
    /// When every host may be asked again.
    next_sweep: Option<Instant>,
    timeline: Timeline,
    pub(super) run: Run,
    pub(super) state: State,
    /// [`close`](Self::close) was called.
    pub(super) closing: bool,
    pub(super) outputs: VecDeque<Queued>,
}

#[derive(Debug)]
pub(super) enum State {
    /// No session is needed.
    Idle,
    /// The driver opens a socket, at the address that it finds if it is `searching`.
    Connecting {
        since: Instant,
        searching: bool,
        /// Why the camera is searched for.
        cause: Option<ConnectionError>,
    },
    Connected(Box<Connected>),
    BackingOff {
        until: Instant,
    },
    GaveUp {
        until: Instant,
    },
    Ended,
}

#[derive(Debug)]
pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) since: Instant,
    pub(super) authenticated_at: Option<Instant>,
    /// The address that a search has found. It is not trusted before the authentication.
    found_at: Option<SocketAddr>,
    /// Closed because there are no users.
    pub(super) unused: bool,
}

/// The state from the first attempt until no session is needed, or the supervisor gives up.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) backoff: Backoff,
    pub(super) outages: OutageLog,
    /// Authenticated sessions.
    pub(super) sessions: u64,
    pub(super) resend_stalls: u32,
    /// The counters of sessions that have ended.
    pub(super) past: Tally,
    /// The timeline's count of dropped frames when the run started.
    dropped_before: u64,
    /// The timeline's count of corrected timestamps when the run started.
    corrected_before: u64,
}

#[derive(Debug)]
pub(super) enum Queued {
    Connect(Connect),
    CloseSocket,
    Event(SupervisorEvent),
}

impl Supervisor {
    /// A supervisor that starts at `epoch`. `seed` must be 32 random bytes that are used for
    /// nothing else, as in [`Client::new`].
    #[must_use]
    pub fn new(config: impl Into<SupervisorConfig>, seed: [u8; 32], epoch: Epoch) -> Self {
        let timeline = Timeline::default();
        Self::continuing(config.into(), seed, epoch, timeline, RequestId::FIRST)
    }

    /// A supervisor that replaces this one, which its driver cannot use any longer, for example
    /// after a panic. It starts at `epoch` with the same configuration. Timestamps and request ids
    /// continue.
    #[must_use]
    pub fn into_successor(self, seed: [u8; 32], epoch: Epoch) -> Self {
        let next_request = match &self.state {
            State::Connected(connected) => connected.client.next_request(),
            _ => self.next_request,
        };
        Self::continuing(self.config, seed, epoch, self.timeline, next_request)
    }

    fn continuing(
        config: SupervisorConfig,
        seed: [u8; 32],
        epoch: Epoch,
        timeline: Timeline,
        next_request: RequestId,
    ) -> Self {
        let mut supervisor = Self {
            rng: Random::new(seed),
            next_request,
            rhythm: Rhythm::default(),
            fast_connect: FastConnect::default(),
            known_camera: config.client.known_camera.clone(),
            epoch,
            now: epoch.instant,
            demand: DemandState::new(config.keep),
            camera: config.client.camera,
            next_sweep: None,
            timeline,
            run: Run::default(),
            state: State::Idle,
            closing: false,
            outputs: VecDeque::new(),
            config,
        };
        supervisor.follow_demand();
        supervisor
    }

    /// The driver has opened a socket. The camera is at `camera`, and the clocks are at `epoch`.
    ///
    /// Ignored unless the newest of [`SupervisorOutput::Connect`] and
    /// [`SupervisorOutput::CloseSocket`] was `Connect`.
    pub fn handle_connected(&mut self, epoch: Epoch, camera: SocketAddr) {
        self.now = epoch.instant;
        self.epoch = epoch;
        let State::Connecting {
            since, searching, ..
        } = self.state
        else {
            return;
        };
        if !searching {
            self.camera = camera;
        }
        let mut config = self.config.client.clone();
        config.camera = camera;
        config.fast_connect &= self.fast_connect.is_on();
        config.known_camera.clone_from(&self.known_camera);
        if self.run.resend_stalls >= MAX_RESEND_STALLS {
            config.resend = ResendPolicy::Off;
        }
        self.timeline.start_session();
        let mut client = Client::new(config, self.rng.array(), epoch);
        client.set_next_request(self.next_request);
        client.set_rhythm(self.rhythm);
        self.state = State::Connected(Box::new(Connected {
            client,
            since,
            authenticated_at: None,
            found_at: searching.then_some(camera),
            unused: false,
        }));
    }

    /// The driver could not find the camera, resolve the host name or open a socket. Ignored as in
    /// [`handle_connected`](Self::handle_connected).
    pub fn handle_connect_failed(&mut self, now: Instant, error: DriverError) {
        self.now = now;
        let State::Connecting {
            since,
            searching,
            cause,
        } = &self.state
        else {
            return;
        };
        let (since, cause) = (*since, cause.clone());
        let error = match error.is_not_found() && *searching {
            true => cause.unwrap_or(Error::NotFound.into()),
            false => error.into(),
        };
        self.attempt_failed(since, error);
    }

    /// A datagram arrived from `from`. It is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        self.now = now;
        if let State::Connected(connected) = &mut self.state {
            connected.client.handle_datagram(now, from, datagram);
        }
    }

    /// The driver was too slow, and has dropped this many datagrams unread. Video continues with
    /// the next key frame. [`SupervisorEvent::Overloaded`] follows.
    pub fn handle_overload(&mut self, now: Instant, datagrams: u64) {
        self.now = now;
        self.timeline.await_key_frame();
        let dropped = &mut self.run.past.overload_drops;
        *dropped = dropped.saturating_add(datagrams);
        self.event(SupervisorEvent::Overloaded { datagrams });
    }

    /// Does what is due at `now`. An early call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.follow_demand();
        match &mut self.state {
            State::Connected(connected) => connected.client.handle_timeout(now),
            State::BackingOff { until } if *until <= now => self.connect(),
            State::GaveUp { until } if *until <= now => self.state = State::Idle,
            _ => {}
        }
        self.follow_demand();
    }

    /// The number of users has changed. Has no effect with [`Keep::Always`](super::Keep::Always),
    /// except that a new user ends the pause after the supervisor gave up.
    pub fn handle_demand(&mut self, now: Instant, demand: Demand) {
        self.now = now;
        let has_new_user = self.demand.update(now, demand);
        if has_new_user && matches!(self.state, State::GaveUp { .. }) {
            self.state = State::Idle;
        }
        self.follow_demand();
    }

    /// Sends a command to the camera, as [`Client::command`] does. [`Event::Answer`] or
    /// [`Event::Unanswered`] with the returned id follows, unless the session ends before. No two
    /// commands of a supervisor have the same id.
    ///
    /// # Errors
    /// [`CommandError::NotConnected`] without an authenticated session;
    /// [`CommandError::NotAccepted`].
    pub fn command(
        &mut self,
        now: Instant,
        request: impl Into<Request>,
    ) -> Result<RequestId, CommandError> {
        self.now = now;
        let client = self.client_mut().ok_or(CommandError::NotConnected)?;
        let accepted = client.try_command(now, request.into());
        accepted.ok_or(CommandError::NotAccepted)
    }

    /// Opens the audio channel to the camera, as [`Client::start_talk`] does.
    ///
    /// # Errors
    /// [`CommandError::NotConnected`] without an authenticated session.
    pub fn start_talk(&mut self, now: Instant) -> Result<(), CommandError> {
        self.now = now;
        let client = self.client_mut().ok_or(CommandError::NotConnected)?;
        client.start_talk(now);
        Ok(())
    }

    /// Closes the audio channel to the camera, as [`Client::stop_talk`] does.
    pub fn stop_talk(&mut self, now: Instant) {
        self.now = now;
        if let Some(client) = self.client_mut() {
            client.stop_talk(now);
        }
    }

    /// Sends an audio frame to the camera at once, as [`Client::send_talk`] does.
    ///
    /// # Errors
    /// The errors of [`Client::send_talk`]; [`TalkError::NotReady`] without a session.
    pub fn send_talk(&mut self, frame: TalkFrame<'_>) -> Result<(), TalkError> {
        let client = self.client_mut().ok_or(TalkError::NotReady)?;
        client.send_talk(frame)
    }

    /// Closes the session, if there is one, and ends the supervisor. [`SupervisorEvent::Ended`]
    /// follows.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.closing = true;
        match &mut self.state {
            State::Connected(connected) => connected.client.close(now),
            State::Connecting { .. } => {
                self.outputs.push_back(Queued::CloseSocket);
                self.end(Ok(()));
            }
            State::Idle | State::BackingOff { .. } | State::GaveUp { .. } => self.end(Ok(())),
            State::Ended => {}
        }
    }

    /// Returns the next output. Call again until it returns [`SupervisorOutput::Timeout`].
    pub fn poll_output(&mut self) -> SupervisorOutput<'_> {
        while !self.has_datagram() {
            if let Some(queued) = self.outputs.pop_front() {
                return match queued {
                    Queued::Connect(connect) => SupervisorOutput::Connect(connect),
                    Queued::CloseSocket => SupervisorOutput::CloseSocket,
                    Queued::Event(event) => SupervisorOutput::Event(event),
                };
            }
            let State::Connected(connected) = &mut self.state else {
                break;
            };
            match connected.client.poll_event() {
                Some(event) => self.session_event(event),
                None => break,
            }
        }
        let deadline = self.deadline();
        let datagram = match &mut self.state {
            State::Connected(connected) => connected.client.poll_datagram(),
            _ => None,
        };
        datagram.map_or(
            SupervisorOutput::Timeout(deadline),
            SupervisorOutput::Transmit,
        )
    }

    /// Returns [`SupervisorConfig::initial_commands`].
    #[must_use]
    pub fn initial_commands(&self) -> &[Request] {
        &self.config.initial_commands
    }

    /// Returns `true` while the camera has the client authenticated.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(&self.state, State::Connected(connected) if connected.authenticated_at.is_some())
    }

    /// Returns `true` while there is a session or attempts are made.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self.state {
            State::Connecting { .. } | State::Connected(_) | State::BackingOff { .. } => true,
            State::Idle | State::GaveUp { .. } | State::Ended => false,
        }
    }

    /// Returns the counters of the current session.
    #[must_use]
    pub fn stats(&self) -> Option<Stats> {
        match &self.state {
            State::Connected(connected) => Some(connected.client.stats()),
            _ => None,
        }
    }

    /// Returns the sums of the counters since a session was first needed.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let current = self.stats().map(|stats| Tally::of_session(&stats));
        Tally {
            awaiting_key_frame: self.timeline.dropped() - self.run.dropped_before,
            clock_corrections: self.timeline.corrected() - self.run.corrected_before,
            reconnects: self.run.sessions.saturating_sub(1),
            ..self.run.past.plus(&current.unwrap_or_default())
        }
    }

    /// Returns the newest outages, oldest first, at most [`MAX_OUTAGES`](super::MAX_OUTAGES). The
    /// last one may not have ended yet.
    pub fn outages(&self) -> impl DoubleEndedIterator<Item = &Outage> + ExactSizeIterator {
        self.run.outages.outages()
    }

    /// The client of an authenticated session.
    fn client_mut(&mut self) -> Option<&mut Client> {
        match &mut self.state {
            State::Connected(connected) if connected.authenticated_at.is_some() => {
                Some(&mut connected.client)
            }
            _ => None,
        }
    }

    fn has_datagram(&self) -> bool {
        matches!(&self.state, State::Connected(connected) if connected.client.has_datagram())
    }

    fn deadline(&self) -> Instant {
        let own = match &self.state {
            State::Connected(connected) => Some(connected.client.deadline()),
            State::BackingOff { until } | State::GaveUp { until } => Some(*until),
            State::Idle | State::Connecting { .. } | State::Ended => None,
        };
        let linger = self.demand.deadline().filter(|_| self.is_running());
        let deadline = own.into_iter().chain(linger).min();
        deadline.unwrap_or_else(|| self.now + IDLE_TIMEOUT)
    }

    /// Starts or closes the session, as the demand requires.
    fn follow_demand(&mut self) {
        let keeps = self.demand.keeps_session(self.now);
        match &mut self.state {
            State::Idle if self.demand.starts_session() => {
                self.run = Run {
                    dropped_before: self.timeline.dropped(),
                    corrected_before: self.timeline.corrected(),
                    ..Run::default()
                };
                self.event(SupervisorEvent::Connecting);
                self.connect();
            }
            State::Connected(connected) if !keeps && !connected.unused => {
                connected.unused = true;
                connected.client.close(self.now);
            }
            State::Connecting { .. } if !keeps => {
                self.outputs.push_back(Queued::CloseSocket);
                self.become_idle();
            }
            State::BackingOff { .. } if !keeps => self.become_idle(),
            _ => {}
        }
    }

    fn connect(&mut self) {
        let known = self.known_address().is_some() || self.config.policy.host.is_some();
        self.request_socket(self.now, !known, None);
    }

    pub(super) fn request_socket(
        &mut self,
        since: Instant,
        searching: bool,
        cause: Option<ConnectionError>,
    ) {
        let search = searching.then(|| self.search());
        self.state = State::Connecting {
            since,
            searching,
            cause,
        };
        self.outputs.push_back(Queued::Connect(Connect {
            host: self.config.policy.host.clone(),
            camera: self.camera,
            local_ports: self.config.client.local_ports.clone(),
            search,
        }));
    }

    fn search(&mut self) -> Search {
        self.event(SupervisorEvent::Searching);
        let sweep = self.config.policy.search && self.may_sweep();
        if sweep {
            self.next_sweep = Some(self.now + SWEEP_INTERVAL);
        }
        tracing::info!(known = ?self.known_address(), sweep, "searching for the camera by its UID");
        let ClientConfig {
            credentials,
            dialects,
            ..
        } = &self.config.client;
        Search {
            uid: credentials.uid,
            auth_key: credentials.auth_key.clone(),
            dialects: dialects.clone(),
            known: self.known_address().map(|known| known.ip()),
            port: self.camera.port(),
            sweep,
        }
    }

    pub(super) fn may_sweep(&self) -> bool {
        self.next_sweep.is_none_or(|at| at <= self.now)
    }

    fn known_address(&self) -> Option<SocketAddr> {
        Some(self.camera).filter(|camera| !camera.ip().is_unspecified())
    }

    fn session_event(&mut self, event: Event) {
        let State::Connected(connected) = &mut self.state else {
            return;
        };
        match event {
            Event::Frame(frame) => {
                let unix = self.epoch.unix_at(self.now);
                let placed = self.timeline.place(self.now, unix, frame);
                if let Some(frame) = placed {
                    self.event(SupervisorEvent::Frame(frame));
                }
            }
            Event::Ended(result) => self.session_ended(result),
            Event::Found { camera, dialect } => {
                self.known_camera = Some(KnownCamera {
                    address: camera,
                    dialect: Arc::clone(&dialect),
                });
                self.event(SupervisorEvent::Session(Event::Found { camera, dialect }));
            }
            Event::Authenticated(_) => {
                connected.authenticated_at = Some(self.now);
                self.fast_connect
                    .succeeded(connected.client.early_packets());
                for request in &self.config.initial_commands {
                    connected.client.command(self.now, request.clone());
                }
                self.run.sessions += 1;
                let outage = self.run.outages.restored(self.now);
                let found_at = connected.found_at;
                self.event(SupervisorEvent::Session(event));
                self.next_sweep = None;
                if let Some(to) = found_at.filter(|&found| found != self.camera) {
                    let from = core::mem::replace(&mut self.camera, to);
                    tracing::info!(%from, %to, "the camera has another address");
                    self.event(SupervisorEvent::Moved { from, to });
                }
                if let Some(outage) = outage {
                    self.event(SupervisorEvent::Restored(outage));
                }
            }
            event => self.event(SupervisorEvent::Session(event)),
        }
    }

    pub(super) fn become_idle(&mut self) {
        self.state = State::Idle;
        self.event(SupervisorEvent::Idle);
        // A user may have come in the meantime.
        self.follow_demand();
    }

    pub(super) fn end(&mut self, result: Result<(), ConnectionError>) {
        self.state = State::Ended;
        self.event(SupervisorEvent::Ended(result));
    }

    pub(super) fn event(&mut self, event: SupervisorEvent) {
        self.outputs.push_back(Queued::Event(event));
    }
}
