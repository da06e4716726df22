//! This side of a session.
//!
//! ```text
//!            0601 ►            0402 ►           DTLS             00 00, 00 20 ►     K10000 … K10003
//! Discovery ───────► Session ───────► Dtls ◄────────────► Login ───────────► Authentication ─────► Stream
//!            ◄ 0602            ◄ 0404                            ◄ 00 21
//! ```
//!
//! Each phase repeats what it sent until it is answered or its deadline has passed.

mod av;
mod heartbeat;
mod media;
mod requests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dtls_psk::crypto::CryptoProvider;
use hl_ioctl::Request;
use hl_ioctl::commands::{Media, MediaControl, Switch};
use rand_core::CryptoRng;
use tutk_frame::{
    Direction, DiscoveryLayout, DiscoveryRequest, Iotc, Keepalive, SessionId, SessionRequest,
    SessionStamp, SessionTrailer, Stage,
};
use video_reassembly::Limits;

use self::av::{AvClient, Progress};
pub use self::requests::MAX_REQUESTS;
use crate::credentials::Credentials;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::event::{Event, Stats, Status};
use crate::link::Link;
use crate::output::{Outbox, Output};
use crate::phase::{Deadlines, Epoch, Phase, PhaseReport};
use crate::wire::Wrapper;

/// The PSK identity that cameras know (wire.md section 7).
pub(crate) const PSK_IDENTITY: &str = "AUTHPWD_admin";

/// Time from one discovery or session request to the next (wire.md section 4).
const SETUP_REPEAT: Duration = Duration::from_millis(100);

/// When nothing at all is due. Waking up for it is harmless.
pub(crate) const IDLE: Duration = Duration::from_secs(3600);

/// What a client needs to know. Made by [`ClientConfig::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Where discovery is sent: the camera, or a broadcast address.
    pub camera: SocketAddr,
    /// Whether `camera` is a broadcast address, so that an answer may come from anybody.
    pub broadcast: bool,
    /// Identity and keys.
    pub credentials: Credentials,
    /// The dialects that are tried, side by side; what is answered first is spoken.
    pub dialects: Vec<&'static Dialect>,
    /// Which media the camera is asked for. Without video no frame is waited for.
    pub media: MediaRequest,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// What a camera can make grow here.
    pub limits: Limits,
    /// How long a whole frame waits for an older one that is not.
    pub patience: Duration,
    /// Whether [`Event::KeyLog`] is wanted.
    pub key_log: bool,
    /// The cryptography; `None` takes the one this crate was built with.
    pub provider: Option<CryptoProvider>,
}

/// Which media the camera is asked for, in K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaRequest {
    /// Video.
    pub video: bool,
    /// Audio.
    pub audio: bool,
}

/// A client's session, without I/O.
///
/// Feed it one input ([`handle_datagram`](Self::handle_datagram),
/// [`handle_timeout`](Self::handle_timeout), [`command`](Self::command), [`close`](Self::close)), then
/// call [`poll_output`](Self::poll_output) until it says [`Output::Timeout`]. It begins to connect by
/// itself: poll once after construction. It never fails by return value: [`Event::Ended`] says how it ended.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    epoch: Epoch,
    rng: Rng,
    session: SessionId,
    state: State,
    timeline: Timeline,
    deadline: Instant,
    outbox: Outbox<Event>,
    stats: Stats,
}

/// Where the session stands, and since when.
#[derive(Debug, Clone, Copy)]
struct Timeline {
    phase: Phase,
    began: Instant,
    last_frame: Option<Instant>,
}

struct Rng(Box<dyn CryptoRng + Send>);

#[derive(Debug)]
enum State {
    Discovering {
        repeat_at: Instant,
    },
    Opening {
        dialect: &'static Dialect,
        camera: SocketAddr,
        repeat_at: Instant,
    },
    Linked(Box<Linked>),
    Ended,
}

#[derive(Debug)]
struct Linked {
    link: Link,
    av: AvClient,
}

impl ClientConfig {
    /// A client for the camera at `camera`, which asks in every dialect that answers to asking and wants
    /// video. A broadcast address of IPv4's "this network" is recognised; of a subnet's, set
    /// [`broadcast`](Self::broadcast).
    #[must_use]
    pub fn new(camera: SocketAddr, credentials: Credentials) -> Self {
        Self {
            camera,
            broadcast: camera.ip() == IpAddr::V4(Ipv4Addr::BROADCAST),
            credentials,
            dialects: Dialect::DETECTED.to_vec(),
            media: MediaRequest {
                video: true,
                audio: true,
            },
            deadlines: Deadlines::default(),
            limits: Limits::default(),
            patience: Duration::from_millis(300),
            key_log: false,
            provider: None,
        }
    }
}

impl Client {
    /// A client that begins to connect at `epoch`. All that is random is drawn from `rng`, except the
    /// key share of DTLS, which the [`CryptoProvider`] draws.
    #[must_use]
    pub fn new(config: ClientConfig, rng: Box<dyn CryptoRng + Send>, epoch: Epoch) -> Self {
        let mut rng = Rng(rng);
        let mut session = SessionId::default();
        rng.0.fill_bytes(&mut session.0);
        let now = epoch.instant;
        let mut client = Self {
            config,
            epoch,
            rng,
            session,
            state: State::Discovering { repeat_at: now },
            timeline: Timeline {
                phase: Phase::Discovery,
                began: now,
                last_frame: None,
            },
            deadline: now,
            outbox: Outbox::new(),
            stats: Stats::default(),
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
        let timed_out = match &mut self.state {
            State::Ended => return,
            State::Linked(linked) => {
                linked.av.handle_timeout(now);
                linked.link.dtls.handle_timeout(now)
            }
            State::Discovering { .. } | State::Opening { .. } => Ok(()),
        };
        let waited = self.config.deadlines.of(self.timeline.phase);
        if let Err(source) = timed_out {
            let error = self.dtls_error(now, source);
            self.end(now, Err(error));
        } else if self
            .phase_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            let error = match self.timeline.phase {
                Phase::Stream if self.timeline.last_frame.is_some() => Error::Stalled { waited },
                Phase::Dtls if self.suspects_wrong_key() => Error::HandshakeUnfinished { waited },
                phase => Error::Silent { phase, waited },
            };
            self.end(now, Err(error));
        } else {
            self.drive(now);
        }
    }

    /// Sends a command as soon as the camera has let us in. Poll afterwards: [`Event::Answer`] or
    /// [`Event::Unanswered`] follows. One request of each code is on its way at a time, repeated each second;
    /// others of its code wait their turn. Over [`MAX_REQUESTS`] it is unanswered at once.
    pub fn command(&mut self, now: Instant, request: Request) {
        let code = request.code;
        let taken = match &mut self.state {
            State::Linked(linked) => linked.av.request(request),
            State::Discovering { .. } | State::Opening { .. } | State::Ended => false,
        };
        if !taken {
            self.outbox.event(Event::Unanswered { code });
        }
        self.drive(now);
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

    /// Where the session stands.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.state {
            State::Ended => Status::Ended,
            _ => Status::In(self.timeline.phase),
        }
    }

    /// The dialect that is spoken, once it is known.
    #[must_use]
    pub fn dialect(&self) -> Option<&'static Dialect> {
        match &self.state {
            State::Opening { dialect, .. } => Some(dialect),
            State::Linked(linked) => Some(linked.link.wrapper.dialect),
            State::Discovering { .. } | State::Ended => None,
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        if let State::Linked(linked) = &self.state {
            linked.count_into(&mut stats);
        }
        stats
    }

    fn is_from_camera(&self, from: SocketAddr) -> bool {
        let camera = match &self.state {
            State::Discovering { .. } if self.config.broadcast => return true,
            State::Discovering { .. } | State::Ended => self.config.camera,
            State::Opening { camera, .. } => *camera,
            State::Linked(linked) => linked.link.wrapper.remote,
        };
        // Its port may change at any time (wire.md section 4); its address never does.
        from.ip().to_canonical() == camera.ip().to_canonical()
    }

    fn handle_discovery(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let dialect = self
            .config
            .dialects
            .iter()
            .find(|dialect| dialect.recognises(datagram));
        let Some(&dialect) = dialect else {
            self.stats.malformed += 1;
            return Ok(());
        };
        match dialect.open(datagram) {
            // What follows the UID in a real camera's answer is not known.
            Ok(Iotc::DiscoveryAnswer(answer)) if answer.uid == self.config.credentials.uid => {
                self.timeline.complete(now, &mut self.outbox);
                self.state = State::Opening {
                    dialect,
                    camera: from,
                    repeat_at: now,
                };
            }
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    fn handle_opening(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let State::Opening { dialect, .. } = self.state else {
            return Ok(());
        };
        match dialect.open(datagram) {
            // That it came from the camera is all there is to check: its body is not known.
            Ok(Iotc::SessionAnswer(_)) => {
                self.timeline.complete(now, &mut self.outbox);
                let linked = self.link(now, dialect, from)?;
                self.state = State::Linked(Box::new(linked));
            }
            // Answers to repeated discovery requests are still on their way.
            Ok(Iotc::DiscoveryAnswer(_)) => {}
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    fn link(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
    ) -> Result<Linked, Error> {
        let psk = self.config.credentials.psk(dialect.key);
        let mut config =
            dtls_psk::Config::client(PSK_IDENTITY, psk).with_key_log(self.config.key_log);
        if let Some(provider) = &self.config.provider {
            config = config.with_provider(provider.clone());
        }
        let rng = &mut *self.rng.0;
        let dtls = dtls_psk::Connection::client(Arc::new(config), rng, now).map_err(|source| {
            Error::Dtls {
                phase: Phase::Dtls,
                source,
            }
        })?;
        let wrapper = Wrapper::new(dialect, Direction::ToCamera, self.session, camera);
        Ok(Linked {
            link: Link::new(wrapper, dtls),
            av: AvClient::new(&self.config, dialect, self.epoch, rng)?,
        })
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
        let Linked { link, av } = &mut **linked;
        let dialect = link.wrapper.dialect;
        let records = match dialect.open(datagram) {
            Ok(Iotc::Data { header, .. })
                if header.session == self.session && header.direction == Direction::FromCamera =>
            {
                header.payload_range()
            }
            Ok(Iotc::Keepalive(keepalive)) if !keepalive.answer => {
                let answer: Keepalive = keepalive.acknowledge();
                dialect.send(from, &mut self.outbox, |out| answer.write(out));
                return Ok(());
            }
            // Answers to requests that were repeated before the first answer came.
            Ok(Iotc::DiscoveryAnswer(_) | Iotc::SessionAnswer(_)) => return Ok(()),
            _ => {
                self.stats.malformed += 1;
                return Ok(());
            }
        };
        let mut handled = Ok(());
        let mut authentic = false;
        let opened = link.open(
            now,
            datagram.get_mut(records).unwrap_or_default(),
            |packet| {
                authentic = true;
                if handled.is_ok() {
                    handled = av.handle_packet(now, packet);
                }
            },
        );
        if authentic {
            link.wrapper.remote = from;
        }
        opened.map_err(|source| self.dtls_error(now, source))?;
        handled
    }

    /// Does all that can be done now, and finds out when to look again.
    fn drive(&mut self, now: Instant) {
        let next = match &mut self.state {
            State::Ended => return,
            State::Discovering { repeat_at } => {
                if *repeat_at <= now {
                    *repeat_at = now + SETUP_REPEAT;
                    for dialect in &self.config.dialects {
                        let request = discovery_request(
                            &self.config,
                            dialect,
                            self.session,
                            Stage::Broadcast,
                        );
                        dialect.send(self.config.camera, &mut self.outbox, |out| {
                            request.write(dialect.discovery, out);
                        });
                    }
                }
                Some(*repeat_at)
            }
            State::Opening {
                dialect,
                camera,
                repeat_at,
            } => {
                if *repeat_at <= now {
                    *repeat_at = now + SETUP_REPEAT;
                    // Stage 2 is not answered, so it goes along with what is.
                    let direct =
                        discovery_request(&self.config, dialect, self.session, Stage::Direct);
                    dialect.send(*camera, &mut self.outbox, |out| {
                        direct.write(dialect.discovery, out);
                    });
                    let request = SessionRequest {
                        uid: self.config.credentials.uid,
                        session: self.session,
                        stamp: match dialect.session {
                            SessionTrailer::Crc32 => SessionStamp::Crc32,
                            SessionTrailer::UnixSeconds => {
                                SessionStamp::UnixSeconds(self.epoch.unix_seconds_at(now))
                            }
                        },
                    };
                    dialect.send(*camera, &mut self.outbox, |out| request.write(out));
                }
                Some(*repeat_at)
            }
            State::Linked(_) => match self.drive_linked(now) {
                Ok(next) => next,
                Err(ended) => return self.end(now, ended),
            },
        };
        self.deadline = [next, self.phase_deadline()]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(now + IDLE);
    }

    /// `Err` when the session is over, and how.
    fn drive_linked(&mut self, now: Instant) -> Result<Option<Instant>, Result<(), Error>> {
        let Self {
            state: State::Linked(linked),
            outbox,
            timeline,
            ..
        } = self
        else {
            return Ok(None);
        };
        let Linked { link, av } = &mut **linked;
        let mut closed = false;
        let dtls_deadline = link.flush(outbox, |outbox, event| match event {
            dtls_psk::Event::Connected(_) => {
                timeline.complete(now, outbox);
                av.start(now);
            }
            dtls_psk::Event::KeyLog(line) => outbox.event(Event::KeyLog(line)),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        while let Some(progress) = av.poll_progress() {
            match progress {
                Progress::LoggedIn => timeline.complete(now, outbox),
                Progress::Authenticated(result) => {
                    timeline.complete(now, outbox);
                    outbox.event(Event::Authenticated(result));
                }
                Progress::Answer(answer) => outbox.event(Event::Answer(answer)),
                Progress::Unanswered(code) => outbox.event(Event::Unanswered { code }),
            }
        }
        if av.is_authenticated() {
            drain_media(now, av.media_mut(), timeline, outbox);
        }
        if closed {
            let phase = timeline.phase;
            return Err(Err(Error::ClosedByCamera { phase }));
        }
        while link.dtls.is_connected() {
            let sent = link.send(outbox, |out| av.write_next(now, out));
            match sent {
                Ok(true) => {}
                Ok(false) => break,
                Err(source) => {
                    let phase = timeline.phase;
                    return Err(Err(Error::Dtls { phase, source }));
                }
            }
        }
        Ok(av.deadline().into_iter().chain([dtls_deadline]).min())
    }

    /// When the phase that we are in has lasted too long.
    fn phase_deadline(&self) -> Option<Instant> {
        let Timeline {
            phase,
            began,
            last_frame,
        } = self.timeline;
        if phase == Phase::Stream && !self.config.media.video {
            return None;
        }
        Some(last_frame.unwrap_or(began) + self.config.deadlines.of(phase))
    }

    fn suspects_wrong_key(&self) -> bool {
        match &self.state {
            State::Linked(linked) => linked.link.dtls.suspects_wrong_key(),
            _ => false,
        }
    }

    /// DTLS says that it failed. In its own phase that is most often a wrong key.
    fn dtls_error(&self, now: Instant, source: dtls_psk::Error) -> Error {
        match source {
            dtls_psk::Error::HandshakeTimedOut { .. } if self.suspects_wrong_key() => {
                Error::HandshakeUnfinished {
                    waited: now.saturating_duration_since(self.timeline.began),
                }
            }
            source => Error::Dtls {
                phase: self.timeline.phase,
                source,
            },
        }
    }

    /// Ends the session: whole frames go out, the camera is told, the owner is told.
    fn end(&mut self, now: Instant, result: Result<(), Error>) {
        let Self {
            state,
            outbox,
            timeline,
            stats,
            ..
        } = self;
        if let State::Linked(linked) = state {
            let Linked { link, av } = &mut **linked;
            if link.dtls.is_connected() && av.is_authenticated() {
                let off = MediaControl {
                    media: Media::Video,
                    switch: Switch::Off,
                };
                // Best effort: if it cannot be said, close_notify says enough.
                let _ = link.send(outbox, |out| av.write_farewell(&Request::from(&off), out));
            }
            link.dtls.close();
            link.flush(outbox, |_, _| {});
            av.media_mut().flush();
            if av.is_authenticated() {
                drain_media(now, av.media_mut(), timeline, outbox);
            }
            linked.count_into(stats);
        }
        *state = State::Ended;
        outbox.event(Event::Ended(result));
        self.deadline = now + IDLE;
    }
}

impl Timeline {
    /// Reports the phase as complete and goes on to the next; the last one is reported once, and stays.
    fn complete(&mut self, now: Instant, outbox: &mut Outbox<Event>) {
        outbox.event(Event::Phase(PhaseReport {
            phase: self.phase,
            took: now.saturating_duration_since(self.began),
        }));
        self.phase = self.phase.next().unwrap_or(self.phase);
        self.began = now;
    }
}

impl Linked {
    fn count_into(&self, stats: &mut Stats) {
        let dtls = self.link.dtls.stats();
        stats.records_dropped =
            dtls.malformed + dtls.unexpected + dtls.replayed + dtls.undecryptable;
        stats.unknown = self.av.unknown();
        stats.media = self.av.media().stats();
        stats.round_trip_ms = self.av.round_trip();
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
                if timeline.last_frame.replace(now).is_none() {
                    timeline.complete(now, outbox);
                }
                Event::Frame(frame)
            }
            video_reassembly::Event::Lost(lost) => Event::Lost(lost),
        };
        outbox.event(event);
    }
}

fn discovery_request(
    config: &ClientConfig,
    dialect: &Dialect,
    session: SessionId,
    stage: Stage,
) -> DiscoveryRequest {
    // The summary's table has the AuthKey in both stages, the field only in the first.
    let with_key = stage == Stage::Broadcast || dialect.discovery == DiscoveryLayout::Summary;
    DiscoveryRequest {
        uid: config.credentials.uid,
        version: DiscoveryRequest::SDK_VERSION,
        session,
        stage,
        auth_key: with_key.then(|| config.credentials.auth_key.clone()),
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(…)")
    }
}
