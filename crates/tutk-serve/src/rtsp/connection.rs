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

use bytes::Buf as _;
use rand_core::CryptoRng;
use tutk_media::RTP_PACKET_BYTES;

use super::message::{Inbox, Incoming, Request};
use super::outgoing::{Channel, Outgoing};
use super::ports::Ports;
use super::response::{Response, Status};
use super::rtcp;
use super::session::{Draw, Offered, Session};
use super::unwritten::Unwritten;
use crate::accounts::{Accounts, Challenge, PasswordCheck};
use crate::hub::{LiveFrame, StreamDescription};

/// How long a client may send neither a request nor an RTCP report. A client with interleaved
/// transport is also active while it reads the packets.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of failed authentications after which a connection is closed.
pub const MAX_REFUSALS: u32 = 16;

/// How long a client has to end its session after an RTCP goodbye. After that its connection is
/// closed. GStreamer still plays two seconds of buffered frames in this time.
pub const GRACE: Duration = Duration::from_secs(5);

/// If more response bytes are waiting, no further requests are processed.
const MAX_RESPONSE_BYTES: usize = 16 << 10;

/// The settings of a [`Connection`]. Create them with [`ConnectionConfig::new`], then change fields
/// as needed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// The client's address.
    pub peer: SocketAddr,
    /// The server's address, for session descriptions.
    pub local: IpAddr,
    /// The server's UDP ports, or `None` for interleaved transport only.
    pub udp: Option<Ports>,
    /// The accounts that may watch.
    pub accounts: Arc<Accounts>,
    /// Passwords may be sent in the `Basic` scheme, as over TLS or the loopback interface; `true`
    /// by default. Otherwise only `Digest` is offered, which needs plain passwords in the accounts.
    pub allow_plain_passwords: bool,
    /// The maximum size of an RTP packet, by default [`RTP_PACKET_BYTES`].
    pub packet_bytes: usize,
    /// How long a client may be silent, by default [`SESSION_TIMEOUT`].
    pub timeout: Duration,
}

impl ConnectionConfig {
    /// Allows anonymous access with interleaved transport.
    #[must_use]
    pub fn new(peer: SocketAddr, local: IpAddr) -> Self {
        Self {
            peer,
            local,
            udp: None,
            accounts: Arc::default(),
            allow_plain_passwords: true,
            packet_bytes: RTP_PACKET_BYTES,
            timeout: SESSION_TIMEOUT,
        }
    }
}

/// The server side of one RTSP connection (RFC 2326), without I/O.
///
/// It has the [contract of all state machines](tutk_session#how-to-drive-it). Pass bytes from the
/// client only while [`wants_input`](Self::wants_input) returns `true`, and frames only while
/// [`wants_frames`](Self::wants_frames) does. This bounds all buffers if a client does not read.
#[derive(Debug)]
pub struct Connection {
    pub(super) config: ConnectionConfig,
    pub(super) rng: Rng,
    inbox: Inbox,
    pub(super) out: Outgoing,
    /// The last [`Output::Write`] is not written yet.
    writing: bool,
    pub(super) events: VecDeque<Event>,
    pub(super) challenge: Challenge,
    pub(super) refusals: u32,
    pub(super) authenticated: bool,
    /// A request that waits for the owner. Later requests wait behind it.
    pub(super) waiting: Option<Waiting>,
    /// The tracks of the camera that the client requested last.
    pub(super) offered: Option<Offered>,
    pub(super) session: Option<Session>,
    /// The time between the response to `PLAY` and the first frame, from the client's URL.
    pub(super) start_delay: Duration,
    /// When the client was active last.
    active: Instant,
    pub(super) now: Instant,
    pub(super) ended: bool,
    /// When the connection will end, and why.
    ending: Option<(Instant, End)>,
    /// The newest reported fraction of lost packets, in units of 1/256.
    loss: u8,
}

/// An output of a [`Connection`].
#[derive(Debug)]
pub enum Output<'a> {
    /// Write all bytes to the connection, then call [`Connection::handle_written`]. They are also
    /// returned by [`Connection::unwritten`].
    Write(&'a mut Unwritten),
    /// Send up to [`MAX_DATAGRAMS`](super::MAX_DATAGRAMS) datagrams from the server's port for the
    /// channel.
    Datagrams {
        /// The destination. Its host is always the client.
        to: SocketAddr,
        /// RTP or RTCP.
        channel: Channel,
        /// The payloads.
        payloads: &'a [u8],
        /// The size of each payload except the last one, which can be shorter.
        payload_bytes: usize,
    },
    /// An event for the owner.
    Event(Event),
    /// Call [`Connection::handle_timeout`] at this instant, unless another input comes first.
    Timeout(Instant),
}

/// An event of a [`Connection`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client requests a description. Call [`Connection::handle_description`] with it.
    Describe {
        /// The camera's name in the request.
        camera: String,
    },
    /// A hashed password must be checked. Call [`PasswordCheck::verify`] where blocking is allowed,
    /// then [`Connection::handle_password`].
    CheckPassword(PasswordCheck),
    /// The client sent a wrong name or password.
    WrongPassword,
    /// RTP cannot carry the camera's audio. The client gets video only.
    AudioOmitted {
        /// The camera.
        camera: String,
        /// The reason.
        error: tutk_media::Error,
    },
    /// The client starts to play. Call [`Connection::handle_playing`], then pass frames, starting
    /// with a key frame.
    Play {
        /// The camera.
        camera: String,
    },
    /// The client pauses or stops playing.
    Stop,
    /// The connection has ended. Write the remaining bytes and close it. This is the last event.
    Ended(End),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum End {
    /// The client sent invalid RTSP.
    #[error("{0}")]
    Malformed(&'static str),
    /// The client sent nothing, or read nothing, for too long.
    #[error("the client timed out")]
    TimedOut,
    /// Authentication failed [`MAX_REFUSALS`] times.
    #[error("too many wrong passwords")]
    Unauthorized,
    /// There are no more frames: the camera was removed, or the server shuts down.
    #[error("the camera is no longer served")]
    NoFrames,
    /// The camera changed its video codec.
    #[error("the camera changed its codec")]
    CodecChanged,
}

/// Why a camera has no description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptionError {
    /// There is no camera with this name.
    UnknownCamera,
    /// The camera is not connected, or sends no frames.
    Unavailable,
}

/// A request that waits for the owner.
#[derive(Debug)]
pub(super) enum Waiting {
    /// `DESCRIBE` or `SETUP`: waits for the description.
    Description { camera: String, request: Request },
    /// Any request: waits for the check of its password.
    Password {
        check: PasswordCheck,
        request: Request,
    },
    /// `PLAY`: waits for the timestamp of the first frame.
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

    /// Returns a random session id.
    pub(super) fn id(&mut self) -> String {
        format!("{:016x}", self.0.next_u64())
    }
}

impl Connection {
    /// Creates the state of a connection that was accepted at `now`. Session ids and nonces are
    /// drawn from `rng`.
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
            authenticated: false,
            waiting: None,
            offered: None,
            session: None,
            start_delay: Duration::ZERO,
            active: now,
            now,
            ended: false,
            ending: None,
            loss: 0,
        }
    }

    /// Returns `true` after a request that needed authentication and had it. Without accounts, that
    /// is the first request other than `OPTIONS`.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Returns `true` if bytes from the client can be passed. Returns `false` while the client does
    /// not read responses.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.ended && !self.writing && !self.inbox.is_full()
    }

    /// Returns `true` if the client plays, its start delay is over, and all earlier packets are
    /// written.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        let session = self.session.as_ref();
        let playing =
            session.is_some_and(|session| session.playing && session.starts_at(self.now).is_none());
        playing && !self.ended && !self.writing && self.out.is_empty()
    }

    /// Processes bytes from the client. Poll afterwards.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.now = now;
        if !self.ended {
            self.inbox.push(bytes);
            self.process();
        }
    }

    /// Processes a datagram from the server's RTCP port. Returns `false` if it is not from this
    /// client. Poll afterwards.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> bool {
        self.now = now;
        let own = self
            .session
            .as_ref()
            .is_some_and(|session| session.has_rtcp_address(from));
        match rtcp::read(packet) {
            Some(loss) if own && !self.ended => {
                (self.active, self.loss) = (now, loss);
                true
            }
            _ => false,
        }
    }

    /// Answers [`Event::Describe`]. Poll afterwards.
    pub fn handle_description(
        &mut self,
        now: Instant,
        described: Result<Arc<StreamDescription>, DescriptionError>,
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
                if let Some(error) = offered.omitted_audio.clone() {
                    let camera = offered.camera.clone();
                    self.events.push_back(Event::AudioOmitted { camera, error });
                }
                let any = !offered.tracks.is_empty();
                self.offered = Some(offered);
                if any {
                    Status::Ok
                } else {
                    Status::ServiceUnavailable
                }
            }
            Err(DescriptionError::UnknownCamera) => Status::NotFound,
            Err(DescriptionError::Unavailable) => Status::ServiceUnavailable,
        };
        match status {
            Status::Ok => self.described(request),
            status => self.refuse(&request, status),
        }
        self.process();
    }

    /// Answers [`Event::CheckPassword`]. Poll afterwards.
    pub fn handle_password(&mut self, now: Instant, is_right: bool) {
        self.now = now;
        match self.waiting.take() {
            Some(Waiting::Password { check, request }) => {
                let result = check.complete(is_right);
                self.logged_in(request, result);
            }
            other => self.waiting = other,
        }
        self.process();
    }

    /// Answers [`Event::Play`], with the timestamp of the first frame if it is known. Poll
    /// afterwards.
    pub fn handle_playing(&mut self, now: Instant, first: Option<Duration>) {
        self.now = now;
        match self.waiting.take() {
            Some(Waiting::Playing { base, cseq }) => self.playing(&base, cseq, first),
            other => self.waiting = other,
        }
        self.process();
    }

    /// Sends a frame to the client if it plays. Poll afterwards.
    ///
    /// # Errors
    /// RTP cannot carry the frame. Reported once for each track. Playing continues.
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
            self.goodbye(End::CodecChanged);
            return Ok(());
        }
        session.frame(now, frame, &mut self.out)
    }

    /// Sends an RTCP goodbye because there are no more frames. The connection ends after [`GRACE`]
    /// with [`Event::Ended`]. Poll afterwards.
    pub fn close(&mut self, now: Instant) {
        self.now = now;
        self.goodbye(End::NoFrames);
    }

    /// Returns the bytes to write. There are none before [`Output::Write`].
    pub fn unwritten(&mut self) -> &mut Unwritten {
        &mut self.out.stream
    }

    /// Reports that the last [`Output::Write`] is completely written. Poll afterwards.
    pub fn handle_written(&mut self, now: Instant) {
        self.now = now;
        self.writing = false;
        let session = self.session.as_ref();
        if session.is_some_and(|session| session.playing && session.is_interleaved()) {
            self.active = now;
        }
        self.process();
    }

    /// Handles timeouts. May be called early. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if self.ended {
            return;
        }
        if let Some((_, end)) = self.ending.filter(|(at, _)| *at <= now) {
            return self.end(end);
        }
        if now >= self.deadline() {
            return self.end(End::TimedOut);
        }
        // Reports are postponed while the client does not read.
        let idle = !self.writing && self.out.is_empty();
        if let Some(session) = &mut self.session
            && session.report_at().is_some_and(|at| at <= now)
        {
            if idle {
                session.report(now, &mut self.out);
            } else {
                session.postpone_report(now);
            }
        }
    }

    /// Returns the next output. Call it after each `handle_*` call until it returns
    /// [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_> {
        if !self.writing && self.out.stream.has_remaining() {
            self.writing = true;
            return Output::Write(&mut self.out.stream);
        }
        let session = self.session.as_ref();
        let report = session.and_then(Session::report_at);
        let start = session.and_then(|session| session.starts_at(self.now));
        let timeout = [report, start].into_iter().flatten();
        let timeout = timeout.fold(self.deadline(), Instant::min);
        // Datagrams come before events, because the end is the last event.
        if let Some(batch) = self.out.take_datagrams() {
            return Output::Datagrams {
                to: batch.to,
                channel: batch.channel,
                payloads: self.out.batch(),
                payload_bytes: batch.datagram_bytes,
            };
        }
        if let Some(event) = self.events.pop_front() {
            return Output::Event(event);
        }
        Output::Timeout(timeout)
    }

    /// Returns `true` if a track uses UDP.
    #[must_use]
    pub fn uses_udp(&self) -> bool {
        let session = self.session.as_ref();
        session.is_some_and(|session| !session.is_interleaved())
    }

    /// Returns the id of the session, if there is one.
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.id.as_str())
    }

    /// Returns the fraction of packets that the client reported as lost, from 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f32 {
        f32::from(self.loss) / 256.0
    }

    fn deadline(&self) -> Instant {
        let silent = self.active.checked_add(self.config.timeout);
        let silent = silent.unwrap_or(self.active + SESSION_TIMEOUT);
        self.ending.map_or(silent, |(at, _)| at.min(silent))
    }

    /// Processes received requests and packets.
    fn process(&mut self) {
        while self.waiting.is_none()
            && !self.ended
            && self.out.stream.own_len() <= MAX_RESPONSE_BYTES
        {
            match self.inbox.next() {
                Ok(Some(Incoming::Request(request))) => {
                    self.active = self.now;
                    self.request(request);
                }
                Ok(Some(Incoming::Interleaved { data, .. })) => {
                    // Any packet shows that the client is active.
                    self.active = self.now;
                    self.loss = rtcp::read(&data).unwrap_or(self.loss);
                }
                Ok(None) => return,
                Err(malformed) => {
                    let response = Response::begin(self.out.stream.own(), malformed.status, None);
                    response.header("Connection", "close").end();
                    self.end(End::Malformed(malformed.why));
                }
            }
        }
    }

    /// Sends an RTCP goodbye to a playing client, and gives it time to end its session. Some
    /// clients treat an early close as an error and reconnect.
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
