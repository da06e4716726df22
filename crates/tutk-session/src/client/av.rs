//! The client's side of what is inside DTLS: login, challenge, commands, heartbeat, media.
//!
//! ```text
//! Login ──00 21──► Authentication ──K10003──► Stream
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use av_login::{ClientEvent, ClientLogin, ClientOutput, Nonce, Status as LoginStatus, User};
use hl_ioctl::commands::{MediaControl, SetAnswer};
use hl_ioctl::{ClientExchange, ClientStep, Command as _, ConnectResult, HlMessage, Request};
use rand_core::CryptoRng;
use tutk_frame::{AvContent, AvKind, AvMedia, AvPacket, AvStamp, IoctlRequest};

use super::heartbeat::Pulse;
use super::media::Media;
use super::requests::{Asker, REPEAT, Requests};
use super::{ClientConfig, MediaRequest};
use crate::channel::AvCounter;
use crate::dialect::{AuthIdRule, Dialect};
use crate::error::Error;
use crate::event::Answer;
use crate::models::auth_message;
use crate::phase::Epoch;

/// How long a camera that was asked for resend mode may send no media at all.
const RESEND_PATIENCE: Duration = Duration::from_secs(3);

/// IOCTL index of K10000 and of K10002 (summary.md's "sub-channel"); commands come after them.
const CONNECT_INDEX: u16 = 0;
const AUTH_INDEX: u16 = 1;
pub(crate) const FIRST_COMMAND_INDEX: u16 = 2;

/// The most acknowledgements of channel messages and buffer resets that wait to be sent. The camera
/// repeats what is not acknowledged.
const MAX_ACKS: usize = 16;

/// AV packets in, AV packets out.
#[derive(Debug)]
pub(crate) struct AvClient {
    dialect: &'static Dialect,
    stage: Stage,
    login: ClientLogin,
    exchange: ClientExchange,
    /// K10000 or K10002 wants to be sent.
    exchange_due: bool,
    /// When login or challenge are repeated.
    repeat_at: Option<Instant>,
    /// AV sequence: counts every control packet.
    counter: AvCounter,
    pulse: Pulse,
    requests: Requests,
    /// Whole packets that acknowledge, without their sequence.
    acks: VecDeque<Vec<u8>>,
    media: Media,
    /// Whether resend mode was asked for in the login.
    resend: bool,
    wants_media: bool,
    /// When the camera has let us in, until media comes.
    waits_for_media: Option<Instant>,
    progress: VecDeque<Progress>,
    two_way_audio: bool,
    unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// DTLS is not up yet.
    Idle,
    Login,
    Authentication,
    Stream,
}

/// What happened.
#[derive(Debug)]
pub(crate) enum Progress {
    LoggedIn,
    Authenticated(Box<ConnectResult>),
    Answer(Answer),
    Unanswered(u16),
    /// To a request that the session itself made for sound to the camera; none if it did not come.
    TalkAnswer(Option<SetAnswer>),
}

impl AvClient {
    pub(crate) fn new(
        config: &ClientConfig,
        requests: Requests,
        dialect: &'static Dialect,
        resend: bool,
        epoch: Epoch,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, Error> {
        let credentials = &config.credentials;
        let password = dialect
            .password
            .password(credentials)
            .map_err(Error::Login)?;
        let id = match dialect.auth_id {
            AuthIdRule::UidPrefix => {
                let [a, b, c, d, ..] = credentials.uid.0;
                [a, b, c, d]
            }
            AuthIdRule::Random => random(rng),
        };
        let MediaRequest { video, audio } = config.media;
        let auth = auth_message(config.model.as_deref(), config.user.clone());
        let exchange = hl_ioctl::ClientConfig {
            rule: dialect.challenge,
            enr: credentials.enr.clone(),
            id,
            request_payload: dialect.connect_request.to_vec(),
            video,
            audio,
        };
        let exchange = ClientExchange::with_auth(exchange, auth).map_err(Error::Authentication)?;
        let nonce = Nonce(random(rng));
        Ok(Self {
            dialect,
            stage: Stage::Idle,
            login: ClientLogin::new(
                dialect.login,
                User::admin(),
                password,
                dialect.asks_for_resend || resend,
                nonce,
            ),
            exchange,
            exchange_due: false,
            repeat_at: None,
            counter: AvCounter::new(dialect),
            pulse: Pulse::new(epoch, dialect.heartbeat, dialect.liveness),
            requests,
            acks: VecDeque::new(),
            media: Media::new(config.limits, config.policy, config.patience, epoch.instant),
            resend,
            wants_media: video || audio,
            waits_for_media: None,
            progress: VecDeque::new(),
            two_way_audio: false,
            unknown: 0,
        })
    }

    /// DTLS is up: begin to log in.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Login;
            self.login.send();
            self.repeat_at = Some(now + REPEAT);
        }
    }

    /// The commands that wait, for another link.
    pub(crate) fn take_requests(&mut self) -> Requests {
        self.requests.take()
    }

    /// Takes a command; `false` if too many wait already, or it is too long.
    pub(crate) fn request(&mut self, request: Request, asker: Asker) -> bool {
        self.requests.push(request, asker)
    }

    /// Whether the answer to the login says that the camera takes sound.
    pub(crate) fn two_way_audio(&self) -> bool {
        self.two_way_audio
    }

    pub(crate) fn media_mut(&mut self) -> &mut Media {
        &mut self.media
    }

    pub(crate) fn media(&self) -> &Media {
        &self.media
    }

    /// AV packets that were dropped because they made no sense.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Whether resend mode was asked for, the camera has let us in long ago, and no media came.
    pub(crate) fn resend_failed(&self, now: Instant) -> bool {
        let since = self.waits_for_media.filter(|_| self.resend);
        since.is_some_and(|since| since + RESEND_PATIENCE <= now)
    }

    pub(crate) fn poll_progress(&mut self) -> Option<Progress> {
        self.progress.pop_front()
    }

    /// Takes one AV packet. What makes no sense is dropped and counted.
    pub(crate) fn handle_packet(&mut self, now: Instant, bytes: &[u8]) -> Result<(), Error> {
        let Ok(packet) = AvPacket::parse(bytes, self.dialect.media) else {
            self.unknown += 1;
            return Ok(());
        };
        let kind = packet.kind(self.dialect.media);
        if kind == AvKind::LoginAnswer && self.stage >= Stage::Login {
            self.login.handle_packet(bytes);
            return self.poll_login(now);
        }
        // Before the login is answered a camera has nothing else to say, and nothing to be told.
        if self.stage < Stage::Authentication {
            self.unknown += 1;
            return Ok(());
        }
        self.pulse.received(packet.clock);
        if let Some(clock) = packet.clock {
            let is_probe = kind == AvKind::Probe;
            self.media.report_round_trip(clock.round_trip, is_probe);
        }
        let understood = match packet.content(self.dialect.media) {
            Ok(AvContent::Media(media)) => self.handle_media(now, media),
            Ok(AvContent::IoctlMessage(message)) => return self.handle_hl(now, message.hl),
            Ok(AvContent::ChannelMessage(message)) if !message.ack => {
                self.acknowledge(|out| message.acknowledge().write(out));
                if !message.body.is_empty() {
                    return self.handle_hl(now, message.body);
                }
                true
            }
            Ok(AvContent::BufferReset(reset)) if !reset.ack => {
                self.acknowledge(|out| reset.acknowledge().write(out));
                true
            }
            // A probe has nothing but its clock.
            Ok(AvContent::Probe(_)) => true,
            _ => false,
        };
        self.unknown += u64::from(!understood);
        Ok(())
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.repeat_at.is_some_and(|at| at <= now) {
            self.repeat_at = Some(now + REPEAT);
            match self.stage {
                Stage::Login => self.login.send(),
                Stage::Authentication => self.exchange_due = true,
                Stage::Idle | Stage::Stream => self.repeat_at = None,
            }
        }
        while let Some((code, asker)) = self.requests.take_expired(now) {
            self.progress.push_back(match asker {
                Asker::Owner => Progress::Unanswered(code),
                Asker::Talk => Progress::TalkAnswer(None),
            });
        }
        self.pulse.handle_timeout(now);
        self.media.handle_timeout(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [
            self.repeat_at,
            self.pulse.deadline(),
            self.requests.deadline(),
            self.media.deadline(),
            (self.waits_for_media.filter(|_| self.resend)).map(|since| since + RESEND_PATIENCE),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Writes the next packet that is due; `false` when there is none. The order counts: the
    /// heartbeat acknowledges a challenge before its answer goes out (summary.md, "Critical
    /// Discoveries").
    pub(crate) fn write_next(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(ClientOutput::Transmit(packet)) = self.login.poll_output() {
            out.extend_from_slice(packet);
            return true;
        }
        if self.stage < Stage::Authentication {
            return false;
        }
        let mut stamp = || self.counter.stamp();
        let request = self.media.request(now);
        if self.pulse.write_heartbeat(now, request, &mut stamp, out)
            || self.pulse.write_answer(now, &mut stamp, out)
        {
            return true;
        }
        if let Some(ack) = self.acks.pop_front() {
            out.extend_from_slice(&ack);
            return true;
        }
        if std::mem::take(&mut self.exchange_due)
            && let Some(hl) = self.exchange.repeat()
        {
            let index = match self.exchange.is_answering() {
                false => CONNECT_INDEX,
                true => AUTH_INDEX,
            };
            write_ioctl(stamp(), index, hl, out);
            return true;
        }
        if self.stage == Stage::Stream
            && let Some((index, request)) = self.requests.take_due(now)
            && let Ok(hl) = request.to_hl()
        {
            write_ioctl(stamp(), index, &hl, out);
            return true;
        }
        false
    }

    /// Writes a request that wants no answer, at the end of a session.
    pub(crate) fn write_farewell(&mut self, request: &Request, out: &mut Vec<u8>) -> bool {
        let Ok(hl) = request.to_hl() else {
            return false;
        };
        write_ioctl(self.counter.stamp(), self.requests.take_index(), &hl, out);
        true
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.stage == Stage::Stream
    }

    fn poll_login(&mut self, now: Instant) -> Result<(), Error> {
        match self.login.poll_output() {
            Some(ClientOutput::Event(ClientEvent::LoggedIn(result))) => {
                self.two_way_audio = result.two_way_audio;
                self.stage = Stage::Authentication;
                self.exchange_due = true;
                self.repeat_at = Some(now + REPEAT);
                self.pulse.logged_in(now);
                self.progress.push_back(Progress::LoggedIn);
                Ok(())
            }
            Some(ClientOutput::Event(ClientEvent::Refused(LoginStatus(status)))) => {
                Err(Error::LoginRefused { status })
            }
            // An answer that is none, or came twice: the login machine has counted it.
            Some(ClientOutput::Transmit(_)) | None => Ok(()),
        }
    }

    fn handle_hl(&mut self, now: Instant, hl: &[u8]) -> Result<(), Error> {
        let Ok(message) = HlMessage::parse(hl) else {
            self.unknown += 1;
            return Ok(());
        };
        // Whatever the camera wrapped it in: a challenge must be acknowledged before it is
        // answered.
        self.pulse.beat(now);
        if self.stage == Stage::Authentication {
            match self.exchange.handle(&message) {
                Ok(ClientStep::AcknowledgeThenSend(_)) => {
                    self.exchange_due = true;
                    self.repeat_at = Some(now + REPEAT);
                }
                Ok(ClientStep::Done(result)) => {
                    self.stage = Stage::Stream;
                    self.waits_for_media =
                        (self.wants_media && !self.media.has_begun()).then_some(now);
                    self.repeat_at = None;
                    self.exchange_due = false;
                    let result = Box::new(result);
                    self.progress.push_back(Progress::Authenticated(result));
                }
                Ok(ClientStep::Ignore) => {}
                Err(_) if !self.exchange.is_over() => self.unknown += 1,
                Err(error) => return Err(Error::Authentication(error)),
            }
        } else if let Some(asker) = self.requests.take_answer(&message) {
            self.progress.push_back(match asker {
                Asker::Owner => Progress::Answer(Answer {
                    code: message.code,
                    payload: message.payload.to_vec(),
                }),
                // An answer that cannot be read is none that says it is done.
                Asker::Talk => Progress::TalkAnswer(Some(
                    MediaControl::answer_from_message(&message).unwrap_or(SetAnswer::Other(0)),
                )),
            });
        }
        Ok(())
    }

    /// Media may come before K10003 does: the camera sends both, and the network decides. Until
    /// then it waits in the reassembler, within its limits.
    fn handle_media(&mut self, now: Instant, media: AvMedia<'_>) -> bool {
        match self.media.push(now, media) {
            Ok(counter) => {
                self.waits_for_media = None;
                if let Some(counter) = counter {
                    self.pulse.slice(counter);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Allocates: these are rare, and have to wait for their turn.
    fn acknowledge(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.acks.len() < MAX_ACKS {
            let mut packet = Vec::new();
            write(&mut packet);
            self.acks.push_back(packet);
        }
    }
}

fn write_ioctl(stamp: AvStamp, index: u16, hl: &[u8], out: &mut Vec<u8>) {
    let index = index.into();
    IoctlRequest { stamp, index, hl }.write(out);
}

fn random<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
