//! One RTSP connection, without I/O.
//!
//! ```text
//!                OPTIONS, DESCRIBE            SETUP             PLAY ►
//! (nothing yet) ──────────────────► Ready ◄────────── Ready ───────────► Playing
//!                                     ▲                        ◄ PAUSE      │
//!                                     └──────────── TEARDOWN ◄──────────────┘
//! ```
//!
//! A client has one session on its connection, and the session ends with it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand_core::CryptoRng;
use tutk_media::RTP_PACKET_BYTES;

use super::Ports;
use super::message::{Inbox, Incoming, Request};
use super::outgoing::{Channel, Outgoing};
use super::response::{Response, Status};
use super::rtcp;
use super::session::{Draw, Offered, Session};
use crate::accounts::{Accounts, Challenge};
use crate::hub::{LiveFrame, StreamDescription};

/// How long a client may say nothing: no request, and no report of what it receives. One whose packets go over
/// its connection need not say anything as long as it takes them.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a client may be refused for want of a password before its connection ends.
pub const MAX_REFUSALS: u32 = 16;

/// How long a client has to end its session after it was told that nothing comes any more. Then its connection ends.
/// GStreamer still plays two seconds of what it has by then.
pub const GRACE: Duration = Duration::from_secs(5);

/// Answers of more bytes than this are sent before another request is looked at.
const MAX_ANSWERS: usize = 16 << 10;

/// What a connection has to know. Made by [`ConnectionConfig::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// Where the client is.
    pub peer: SocketAddr,
    /// This side's address, for session descriptions.
    pub local: IpAddr,
    /// The server's ports for datagrams; `None` if it has none.
    pub udp: Option<Ports>,
    /// Who may watch.
    pub accounts: Arc<Accounts>,
    /// Bytes that no packet of RTP exceeds: [`RTP_PACKET_BYTES`].
    pub packet_bytes: usize,
    /// [`SESSION_TIMEOUT`].
    pub timeout: Duration,
}

impl ConnectionConfig {
    /// Everybody may watch, and over this connection only.
    #[must_use]
    pub fn new(peer: SocketAddr, local: IpAddr) -> Self {
        Self {
            peer,
            local,
            udp: None,
            accounts: Arc::default(),
            packet_bytes: RTP_PACKET_BYTES,
            timeout: SESSION_TIMEOUT,
        }
    }
}

/// An RTSP connection of one client, server's side (RFC 2326), without I/O.
///
/// Feed it one input (`handle_…`), then call [`poll_output`](Self::poll_output) until it says [`Output::Timeout`].
/// What the client sends is given when [`wants_input`](Self::wants_input), and frames when
/// [`wants_frames`](Self::wants_frames): a client that does not take what it gets is given no more, and nothing
/// piles up.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: ConnectionConfig,
    pub(super) rng: Rng,
    inbox: Inbox,
    pub(super) out: Outgoing,
    /// What was handed out as [`Output::Write`] is not written yet.
    writing: bool,
    pub(super) events: VecDeque<Event>,
    pub(super) challenge: Challenge,
    pub(super) refusals: u32,
    pub(super) wrong_passwords: u32,
    /// A request whose answer needs the owner. Others wait behind it.
    pub(super) waiting: Option<Waiting>,
    /// What the client can set up: of the camera that it asked for last.
    pub(super) offered: Option<Offered>,
    pub(super) session: Option<Session>,
    /// When the client last showed that it is there.
    heard: Instant,
    now: Instant,
    pub(super) ended: bool,
    /// When it will be, and why.
    ending: Option<(Instant, End)>,
    /// The newest share of packets that the client lost, in 256th.
    loss: u8,
}

/// What to do for a connection.
#[derive(Debug)]
pub enum Output<'a> {
    /// Write all of this to the connection, then call [`Connection::handle_written`].
    Write(Bytes),
    /// Send this datagram from the server's port for this channel.
    Datagram {
        /// To whom: always the host that the connection is with.
        to: SocketAddr,
        /// RTP or RTCP.
        channel: Channel,
        /// The whole payload.
        payload: &'a [u8],
    },
    /// Something that the owner has to do, or may want to know.
    Event(Event),
    /// Nothing more to do before this instant: then call [`Connection::handle_timeout`], unless something comes first.
    Timeout(Instant),
}

/// What a connection tells its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client wants to know what this camera shows: [`Connection::handle_description`] is waited for.
    Describe {
        /// The camera's name, as the client has it.
        camera: String,
    },
    /// The camera's sound cannot be sent over RTP: the client gets the pictures only.
    SoundLeftOut {
        /// The camera.
        camera: String,
        /// Why.
        error: tutk_media::Error,
    },
    /// The client wants frames of this camera from now on, from a key frame: [`Connection::handle_playing`] is waited
    /// for, and then frames.
    Play {
        /// The camera.
        camera: String,
    },
    /// The client wants no frames any more, for now or for good.
    Stop,
    /// The connection is over: write what there is to write, and close it. Nothing comes after this.
    Ended(End),
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// What came is no RTSP.
    #[error("{0}")]
    Malformed(&'static str),
    /// The client said nothing, or took nothing, for too long.
    #[error("the client is silent")]
    Silent,
    /// It was refused [`MAX_REFUSALS`] times.
    #[error("no password of the client is right")]
    Refused,
    /// There are no more frames: the camera is served no more.
    #[error("the camera is served no more")]
    NoFrames,
    /// The camera shows something else than what the client has set up.
    #[error("the camera changed its codec")]
    Changed,
}

/// Why a camera cannot be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undescribed {
    /// There is none of that name.
    Unknown,
    /// It is not there, or shows nothing.
    Unavailable,
}

/// A request that waits for the owner.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Of `DESCRIBE` or `SETUP`: for what the camera shows.
    Description { camera: String, request: Request },
    /// Of `PLAY`: for the first frame's time.
    Playing { base: String, cseq: u32 },
}

pub(super) struct Rng(Box<dyn CryptoRng + Send>);

impl std::fmt::Debug for Rng {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rng")
    }
}

impl Rng {
    pub(super) fn draw(&mut self) -> Draw {
        Draw {
            ssrc: self.0.next_u32(),
            offset: self.0.next_u32(),
            sequence: {
                let [high, low, ..] = self.0.next_u32().to_be_bytes();
                u16::from_be_bytes([high, low])
            },
        }
    }

    /// What nobody can guess, as text.
    pub(super) fn id(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }
}

impl Connection {
    /// A connection that is open since `now`. Session numbers, and what clients sign with their passwords, are drawn
    /// from `rng`.
    #[must_use]
    pub fn new(config: ConnectionConfig, rng: Box<dyn CryptoRng + Send>, now: Instant) -> Self {
        let mut rng = Rng(rng);
        let mut nonce = [0; 16];
        rng.0.fill_bytes(&mut nonce);
        Self {
            config,
            rng,
            inbox: Inbox::default(),
            out: Outgoing::default(),
            writing: false,
            events: VecDeque::new(),
            challenge: Challenge::new(nonce),
            refusals: 0,
            wrong_passwords: 0,
            waiting: None,
            offered: None,
            session: None,
            heard: now,
            now,
            ended: false,
            ending: None,
            loss: 0,
        }
    }

    /// How often the client has shown a wrong name or password, or what it signed was not what it asked for. Who gives
    /// connections sockets counts these of all connections from one address.
    #[must_use]
    pub const fn wrong_passwords(&self) -> u32 {
        self.wrong_passwords
    }

    /// Whether bytes from the client are to be given. They are not while the client takes no answers.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.ended && !self.writing && !self.inbox.is_full()
    }

    /// Whether frames are to be given: the client plays, and what it was sent is on its way.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let playing = self.session.as_ref().is_some_and(|session| session.playing);
        playing && !self.ended && !self.writing && self.out.is_empty()
    }

    /// Takes bytes from the client: at most as many as come at once. Poll afterwards.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        if !self.ended {
            self.inbox.push(bytes);
            self.process();
        }
    }

    /// Takes a datagram that came to the server's port for RTCP. `false`, and nothing happens, if it is none of this
    /// client's. Poll afterwards.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> bool {
        self.now = now;
        let own = self
            .session
            .as_ref()
            .is_some_and(|session| session.is_at(from));
        match rtcp::read(packet) {
            Some(loss) if own && !self.ended => {
                (self.heard, self.loss) = (now, loss);
                true
            }
            _ => false,
        }
    }

    /// Says what a camera shows that was asked for by [`Event::Describe`]. Poll afterwards.
    pub fn handle_description(
        &mut self,
        now: Instant,
        described: Result<Arc<StreamDescription>, Undescribed>,
    ) {
        self.now = now;
        let (camera, request) = match self.waiting.take() {
            Some(Waiting::Description { camera, request }) => (camera, request),
            other => {
                self.waiting = other;
                return;
            }
        };
        let status = match described {
            Ok(description) => {
                let offered = Offered::new(camera, description);
                if let Some(error) = offered.left_out.clone() {
                    let camera = offered.camera.clone();
                    self.events.push_back(Event::SoundLeftOut { camera, error });
                }
                let any = !offered.tracks.is_empty();
                self.offered = Some(offered);
                if any {
                    Status::Ok
                } else {
                    Status::ServiceUnavailable
                }
            }
            Err(Undescribed::Unknown) => Status::NotFound,
            Err(Undescribed::Unavailable) => Status::ServiceUnavailable,
        };
        match status {
            Status::Ok => self.described(request),
            status => self.refuse(&request, status),
        }
        self.process();
    }

    /// Says that frames come, as was asked for by [`Event::Play`], and when the first is to be shown, if that is known.
    /// Poll afterwards.
    pub fn handle_playing(&mut self, now: Instant, first: Option<Duration>) {
        self.now = now;
        match self.waiting.take() {
            Some(Waiting::Playing { base, cseq }) => self.playing(&base, cseq, first),
            other => self.waiting = other,
        }
        self.process();
    }

    /// Sends a frame to the client, if it plays. Poll afterwards.
    ///
    /// # Errors
    /// It was left out. Said once for each track; others follow.
    pub fn handle_frame(
        &mut self,
        now: Instant,
        frame: &LiveFrame,
    ) -> Result<(), tutk_media::Error> {
        self.now = now;
        let playing = self.session.as_mut().filter(|session| session.playing);
        let Some(session) = playing.filter(|_| !self.ended) else {
            return Ok(());
        };
        if !session.fits(&frame.description) {
            self.goodbye(End::Changed);
            return Ok(());
        }
        session.frame(now, frame, &mut self.out)
    }

    /// Says that no more frames come: the client is told, and its connection ends a moment later. Poll afterwards.
    pub fn handle_end(&mut self, now: Instant) {
        self.now = now;
        self.goodbye(End::NoFrames);
    }

    /// Says that all of the last [`Output::Write`] is written. Poll afterwards.
    pub fn handle_written(&mut self, now: Instant) {
        self.now = now;
        self.writing = false;
        let session = self.session.as_ref();
        if session.is_some_and(|session| session.playing && session.is_interleaved()) {
            self.heard = now;
        }
        self.process();
    }

    /// Does what is due at `now`. Poll afterwards. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.ended {
            return;
        }
        if let Some((_, end)) = self.ending.filter(|(at, _)| *at <= now) {
            return self.end(end);
        }
        if now >= self.deadline() {
            return self.end(End::Silent);
        }
        // Reports too wait for a client that takes nothing.
        let idle = !self.writing && self.out.is_empty();
        if let Some(session) = &mut self.session
            && session.report_at().is_some_and(|at| at <= now)
        {
            if idle {
                session.report(now, &mut self.out);
            } else {
                session.put_off(now);
            }
        }
    }

    /// What to do next. Poll until it says [`Output::Timeout`], after every call that took `&mut self`.
    pub fn poll_output(&mut self) -> Output<'_> {
        if !self.writing
            && let Some(bytes) = self.out.take_stream()
        {
            self.writing = true;
            return Output::Write(bytes);
        }
        let deadline = self.deadline();
        let report = self.session.as_ref().and_then(Session::report_at);
        // Before the events: the end is the last of all.
        if let Some((to, channel)) = self.out.take_datagram() {
            return Output::Datagram {
                to,
                channel,
                payload: self.out.current(),
            };
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        Output::Timeout(report.map_or(deadline, |report| report.min(deadline)))
    }

    /// Whether any of the client's packets go in datagrams of their own.
    #[must_use]
    pub fn uses_udp(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !session.is_interleaved())
    }

    /// The number of the session, if there is one.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.id.as_str())
    }

    /// The share of packets that the client had lost when it last said so, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f32 {
        f32::from(self.loss) / 256.0
    }

    fn deadline(&self) -> Instant {
        let silent = self.heard.checked_add(self.config.timeout);
        let silent = silent.unwrap_or(self.heard + SESSION_TIMEOUT);
        self.ending.map_or(silent, |(at, _)| at.min(silent))
    }

    /// Looks at what came, as far as it may be answered now.
    fn process(&mut self) {
        while self.waiting.is_none() && !self.ended && self.out.stream.len() <= MAX_ANSWERS {
            match self.inbox.next() {
                Ok(Some(Incoming::Request(request))) => {
                    self.heard = self.now;
                    self.request(request);
                }
                Ok(Some(Incoming::Interleaved { data, .. })) => {
                    // Whatever it is, the client is there.
                    self.heard = self.now;
                    self.loss = rtcp::read(&data).unwrap_or(self.loss);
                }
                Ok(None) => return,
                Err(malformed) => {
                    let response = Response::begin(&mut self.out.stream, malformed.status, None);
                    response.header("Connection", "close").end();
                    self.end(End::Malformed(malformed.why));
                }
            }
        }
    }

    /// Tells the client that nothing comes any more. One that plays has a moment to end its session itself: some
    /// take a connection that is closed before for a fault, and come again.
    fn goodbye(&mut self, end: End) {
        let playing = self.session.as_mut().filter(|session| session.playing);
        match playing {
            Some(session) if !self.ended => {
                session.goodbye(self.now, &mut self.out);
                self.events.push_back(Event::Stop);
                self.ending.get_or_insert((self.now + GRACE, end));
            }
            None if !self.ended && self.ending.is_none() => self.end(end),
            _ => {}
        }
    }

    pub(super) fn end(&mut self, end: End) {
        self.ended = true;
        self.waiting = None;
        self.session = None;
        self.inbox.clear();
        self.events.push_back(Event::Ended(end));
    }
}
