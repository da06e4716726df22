//! The client's AV packets: login, challenge, commands, keep-alives and media.
//!
//! ```text
//! Login ──00 21──► Authentication ──K10003──► Stream
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use av_login::{ClientEvent, ClientLogin, ClientOutput, Nonce, Status as LoginStatus, User};
use hl_ioctl::commands::{MediaControl, SetAnswer};
use hl_ioctl::{
    ClientExchange, ClientOutput as ExchangeOutput, Command as _, ConnectResult, HlMessage, Request,
};
use tutk_frame::{AvContent, AvKind, AvMedia, AvPacket, AvStamp, IoctlRequest, SliceHeader};
use tutk_time::Instant;

use super::config::{ClientConfig, MediaRequest};
use super::keep_alive::KeepAlive;
use super::media_receiver::MediaReceiver;
use super::repeat::Repeat;
use super::requests::{REPEAT_INTERVAL, Requester, Requests};
use crate::channel::AvCounter;
use crate::deviation::{Deviation, Tolerated};
use crate::dialect::{AuthIdRule, Dialect};
use crate::error::Error;
use crate::event::{Answer, RequestId};
use crate::models::user_rule;
use crate::phase::Epoch;
use crate::random::Random;

/// How long the client waits for the first media in resend mode.
const RESEND_MEDIA_TIMEOUT: Duration = Duration::from_secs(3);

/// The IOCTL index of the first command, after K10000 and K10002 (docs/protocol.md, section "IOCTL
/// to the camera").
pub(super) const FIRST_COMMAND_INDEX: u16 = 2;

/// How long after the end of the handshake an early login is sent again. The answer follows the
/// camera's Finished, unless the camera has discarded the login.
const EARLY_LOGIN_WAIT: Duration = Duration::from_millis(30);

/// The largest number of queued acknowledgements of channel messages and buffer resets. The camera
/// repeats packets that are not acknowledged.
const MAX_ACKS: usize = 16;

/// Handles the camera's AV packets, and writes the client's.
#[derive(Debug)]
pub(super) struct AvClient {
    dialect: Arc<Dialect>,
    stage: Stage,
    login: ClientLogin,
    exchange: ClientExchange,
    /// When the login or the challenge exchange is repeated.
    repeat: Repeat,
    first_repeat: Duration,
    /// The authentication names a user.
    has_user: bool,
    counter: AvCounter,
    keep_alive: KeepAlive,
    requests: Requests,
    /// Complete packets.
    acks: VecDeque<Vec<u8>>,
    media: MediaReceiver,
    /// The login requests resend mode.
    resend: bool,
    wants_media: bool,
    /// The time of the authentication, until media arrives.
    media_expected_since: Option<Instant>,
    events: VecDeque<AvEvent>,
    two_way_audio: bool,
    /// The status of a login answer that is not a success.
    refused_login: Option<u8>,
    unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// The DTLS handshake is not complete.
    Idle,
    Login,
    Authentication,
    Stream,
}

#[derive(Debug)]
pub(super) enum AvEvent {
    LoggedIn,
    Authenticated(Box<ConnectResult>),
    Answer(Answer),
    Unanswered {
        id: RequestId,
        code: u16,
    },
    /// The answer to a request that switches talk on or off; `None` if there was none in time.
    TalkAnswer(Option<SetAnswer>),
}

impl AvClient {
    pub(super) fn new(
        config: &ClientConfig,
        requests: Requests,
        dialect: &Arc<Dialect>,
        resend: bool,
        epoch: Epoch,
        rng: &mut Random,
    ) -> Result<Self, Error> {
        let credentials = &config.credentials;
        let password = (credentials.password(&dialect.password)).map_err(Error::Login)?;
        let id = match dialect.auth_id {
            AuthIdRule::UidPrefix => {
                let [a, b, c, d, ..] = credentials.uid.0;
                [a, b, c, d]
            }
            AuthIdRule::Random => rng.array(),
        };
        let MediaRequest { video, audio } = config.media;
        let mut exchange = hl_ioctl::ClientConfig::new(credentials.challenge_enr(), id);
        exchange.rule = dialect.challenge;
        exchange.request_payload = config.connect_request(dialect);
        exchange.video = video;
        exchange.audio = audio;
        exchange.user = config.user.clone();
        exchange.user_rule = user_rule(config.model.as_deref());
        let exchange = ClientExchange::new(exchange).map_err(Error::Authentication)?;
        let nonce = Nonce(rng.array());
        Ok(Self {
            dialect: Arc::clone(dialect),
            stage: Stage::Idle,
            login: ClientLogin::new(
                dialect.login,
                User::admin(),
                password,
                dialect.always_requests_resend || resend,
                nonce,
            ),
            exchange,
            repeat: Repeat::default(),
            first_repeat: REPEAT_INTERVAL,
            has_user: config.user.is_some(),
            counter: AvCounter::new(dialect),
            keep_alive: KeepAlive::new(epoch, dialect),
            requests,
            acks: VecDeque::new(),
            media: MediaReceiver::new(config.limits, config.frame_policy, config.reorder_timeout),
            resend,
            wants_media: video || audio,
            media_expected_since: None,
            events: VecDeque::new(),
            two_way_audio: false,
            refused_login: None,
            unknown: 0,
        })
    }

    /// Sends the login before the DTLS handshake is complete, once. Returns `false` if it has
    /// started. Later packets wait for the camera's answer.
    pub(super) fn start_early(&mut self, round_trip: Duration) -> bool {
        let starts = self.stage == Stage::Idle;
        if starts {
            self.stage = Stage::Login;
            self.first_repeat = Repeat::first_interval(round_trip);
            self.login.send();
        }
        starts
    }

    /// Starts the login: the DTLS handshake is complete. A login that was sent early is repeated
    /// soon, because the camera may have discarded it. It is answered already if the network
    /// reordered packets.
    pub(super) fn start(&mut self, now: Instant, round_trip: Duration) {
        if self.stage > Stage::Login {
            return;
        }
        self.first_repeat = Repeat::first_interval(round_trip);
        if self.stage == Stage::Login {
            self.repeat
                .start_after(now, EARLY_LOGIN_WAIT, self.first_repeat);
        } else {
            self.stage = Stage::Login;
            self.login.send();
            self.repeat.start(now, self.first_repeat);
        }
    }

    /// Moves the commands out, for another connection.
    pub(super) fn take_requests(&mut self) -> Requests {
        self.requests.take()
    }

    /// Queues a command. Returns `false` if the queue is full or the payload is too long.
    pub(super) fn request(&mut self, request: Request, requester: Requester) -> bool {
        self.requests.push(request, requester)
    }

    /// Returns `true` if the answer to the login says that the camera accepts audio.
    pub(super) fn two_way_audio(&self) -> bool {
        self.two_way_audio
    }

    pub(super) fn media_mut(&mut self) -> &mut MediaReceiver {
        &mut self.media
    }

    pub(super) fn media(&self) -> &MediaReceiver {
        &self.media
    }

    /// Returns the number of AV packets that were dropped because they could not be parsed.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown + self.exchange.malformed()
    }

    /// Returns `true` if resend mode was requested and no media has arrived in time.
    pub(super) fn resend_failed(&self, now: Instant) -> bool {
        let since = self.media_expected_since.filter(|_| self.resend);
        since.is_some_and(|since| since + RESEND_MEDIA_TIMEOUT <= now)
    }

    pub(super) fn poll_event(&mut self) -> Option<AvEvent> {
        self.events.pop_front()
    }

    /// Returns the error of a session that ends before it is authenticated, if the camera answered
    /// the login with another status than success.
    pub(super) fn login_error(&self) -> Option<Error> {
        let status = self.refused_login.filter(|_| !self.is_authenticated());
        status.map(|status| Error::LoginRefused { status })
    }

    /// Handles one AV packet. An invalid one is dropped and counted.
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        bytes: &[u8],
        tolerated: &mut Tolerated,
    ) -> Result<(), Error> {
        let Ok(packet) = AvPacket::parse(bytes, self.dialect.media) else {
            self.unknown += 1;
            return Ok(());
        };
        let kind = packet.kind(self.dialect.media);
        if kind == AvKind::LoginAnswer && self.stage >= Stage::Login {
            self.login.handle_packet(bytes);
            self.poll_login(now, tolerated);
            return Ok(());
        }
        // A camera sends nothing else before it has answered the login.
        if self.stage < Stage::Authentication {
            self.unknown += 1;
            return Ok(());
        }
        self.keep_alive.packet_received(packet.clock);
        if let Some(clock) = packet.clock {
            let is_probe = kind == AvKind::Probe;
            self.media.report_round_trip(clock.round_trip, is_probe);
        }
        let valid = match packet.content(self.dialect.media) {
            Ok(AvContent::Media(media)) => {
                let is_valid = self.handle_media(now, media);
                if is_valid && !has_exact_size(&media, packet.body) {
                    tolerated.record(Deviation::SliceSize);
                }
                is_valid
            }
            Ok(AvContent::IoctlMessage(message)) => {
                // Only a message with an id can be acknowledged.
                if message.id != 0 {
                    self.acknowledge(|out| message.acknowledge().write(out));
                }
                return self.handle_hl(now, message.hl);
            }
            Ok(AvContent::IoctlRequest(answer)) => {
                tolerated.record(Deviation::GroupedAnswer);
                return self.handle_hl(now, answer.hl);
            }
            Ok(AvContent::ChannelMessage(message)) if !message.ack => {
                match self.dialect.long_channel_ack {
                    true => self.acknowledge(|out| message.acknowledge().write(out)),
                    false => self.acknowledge(|out| message.write_ack(out)),
                }
                if !message.body.is_empty() {
                    return self.handle_hl(now, message.body);
                }
                true
            }
            Ok(AvContent::BufferReset(reset)) if !reset.ack => {
                self.acknowledge(|out| reset.acknowledge().write(out));
                true
            }
            Ok(AvContent::IoctlAck(ack)) => {
                if let Some((id, code)) = self.requests.take_acknowledged(ack.id) {
                    self.events.push_back(AvEvent::complete(id, code));
                }
                true
            }
            // A probe contains only its clock, which is handled above.
            Ok(AvContent::Probe(_)) => true,
            _ => false,
        };
        self.unknown += u64::from(!valid);
        Ok(())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.repeat.take_due(now) {
            match self.stage {
                Stage::Login => self.login.send(),
                Stage::Authentication => self.exchange.send(),
                Stage::Idle | Stage::Stream => self.repeat.stop(),
            }
        }
        while let Some(expired) = self.requests.take_expired(now) {
            let event = match expired.requester {
                Requester::Owner(id) if expired.is_complete => AvEvent::complete(id, expired.code),
                Requester::Owner(id) => AvEvent::Unanswered {
                    id,
                    code: expired.code,
                },
                Requester::Talk => AvEvent::TalkAnswer(None),
                Requester::Clock => {
                    tracing::debug!("the camera does not answer K10092");
                    continue;
                }
            };
            self.events.push_back(event);
        }
        self.keep_alive.handle_timeout(now);
        self.media.handle_timeout(now);
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [
            self.repeat.deadline(),
            self.keep_alive.deadline(),
            self.requests.deadline(),
            self.media.deadline(),
            (self.media_expected_since.filter(|_| self.resend))
                .map(|since| since + RESEND_MEDIA_TIMEOUT),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Writes the next packet that is due. Returns `false` if there is none.
    ///
    /// A heartbeat comes first, because it must acknowledge a challenge before the answer is sent
    /// (docs/protocol.md, section "Challenge and response").
    pub(super) fn write_next(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        if let Some(ClientOutput::Transmit(packet)) = self.login.poll_output() {
            out.extend_from_slice(packet);
            return true;
        }
        if self.stage < Stage::Authentication {
            return false;
        }
        let mut stamp = || self.counter.stamp();
        let is_due = self.keep_alive.take_heartbeat_due();
        if let Some(request) = self.media.acknowledge(now, is_due) {
            (self.keep_alive).write_media_ack(now, &request, stamp(), out);
            return true;
        }
        if is_due {
            self.keep_alive.write_heartbeat(now, stamp(), out);
            return true;
        }
        if self.keep_alive.write_answer(now, &mut stamp, out) {
            return true;
        }
        if let Some(ack) = self.acks.pop_front() {
            out.extend_from_slice(&ack);
            return true;
        }
        if let Some(ExchangeOutput::Transmit { index, message }) = self.exchange.poll_output() {
            write_ioctl(stamp(), index, message, out);
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

    /// Writes a request at the end of a session, which is not repeated.
    pub(super) fn write_final_request(&mut self, request: &Request, out: &mut Vec<u8>) -> bool {
        let Ok(hl) = request.to_hl() else {
            return false;
        };
        write_ioctl(self.counter.stamp(), self.requests.take_index(), &hl, out);
        true
    }

    pub(super) fn is_authenticated(&self) -> bool {
        self.stage == Stage::Stream
    }

    fn poll_login(&mut self, now: Instant, tolerated: &mut Tolerated) {
        match self.login.poll_output() {
            Some(ClientOutput::Event(ClientEvent::LoggedIn(result))) => {
                self.two_way_audio = result.two_way_audio;
            }
            // Other clients do not check the status. If it is a refusal, authentication fails.
            Some(ClientOutput::Event(ClientEvent::Refused(LoginStatus(status)))) => {
                tracing::debug!(status, "the login answer does not report success");
                tolerated.record(Deviation::LoginStatus);
                self.refused_login = Some(status);
            }
            // An invalid or repeated answer, which the login has counted.
            Some(ClientOutput::Transmit(_)) | None => return,
        }
        if self.login.stats().other_nonce > 0 {
            tracing::debug!("the login answer does not repeat the random bytes of the login");
            tolerated.record(Deviation::LoginNonce);
        }
        self.stage = Stage::Authentication;
        self.exchange.send();
        self.repeat.start(now, self.first_repeat);
        self.keep_alive.logged_in(now);
        self.events.push_back(AvEvent::LoggedIn);
    }

    fn handle_hl(&mut self, now: Instant, hl: &[u8]) -> Result<(), Error> {
        let Ok(message) = HlMessage::parse(hl) else {
            self.unknown += 1;
            return Ok(());
        };
        // Each message is acknowledged by a heartbeat, in an IOCTL or a channel message.
        self.keep_alive.command_received(now);
        if self.stage == Stage::Authentication {
            let index = self.exchange.index();
            self.exchange.handle_message(&message);
            if self.exchange.index() != index {
                // After two repetitions, another message replaces one that names a user. A camera
                // that knows it must have the time to answer.
                let interval = match self.has_user {
                    true => REPEAT_INTERVAL,
                    false => self.first_repeat,
                };
                self.repeat.start(now, interval);
            }
            // Messages to send wait for `write_next`.
            if self.exchange.is_over()
                && let Some(ExchangeOutput::Event(result)) = self.exchange.poll_output()
            {
                let result = result.map_err(Error::Authentication)?;
                self.stage = Stage::Stream;
                self.requests.skip_index(self.exchange.index());
                self.media_expected_since =
                    (self.wants_media && !self.media.has_media()).then_some(now);
                self.repeat.stop();
                self.events
                    .push_back(AvEvent::Authenticated(Box::new(result)));
            }
        } else if let Some(requester) = self.requests.take_answered(now, &message) {
            let event = match requester {
                Requester::Owner(id) => AvEvent::Answer(Answer {
                    id,
                    code: message.code,
                    payload: message.payload.to_vec(),
                }),
                // An answer that cannot be parsed does not report success.
                Requester::Talk => AvEvent::TalkAnswer(Some(
                    MediaControl::answer_from_message(&message).unwrap_or(SetAnswer::Other(0)),
                )),
                Requester::Clock => return Ok(()),
            };
            self.events.push_back(event);
        }
        Ok(())
    }

    /// Media that the network delivers before K10003 waits in the reassembler, within its limits.
    fn handle_media(&mut self, now: Instant, media: AvMedia<'_>) -> bool {
        match self.media.push(now, media) {
            Ok(counter) => {
                self.media_expected_since = None;
                if let Some(counter) = counter {
                    self.keep_alive.slice_received(counter);
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Queues an acknowledgement. Allocates, because acknowledgements are rare.
    fn acknowledge(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.acks.len() < MAX_ACKS {
            let mut packet = Vec::new();
            write(&mut packet);
            self.acks.push_back(packet);
        }
    }
}

impl AvEvent {
    /// The answer to a command that cameras do not answer.
    fn complete(id: RequestId, code: u16) -> Self {
        Self::Answer(Answer {
            id,
            code: code.wrapping_add(1),
            payload: Vec::new(),
        })
    }
}

/// Returns `true` unless the media is a slice whose size field does not count the rest of its
/// packet. The size of parity is checked by the decoder.
fn has_exact_size(media: &AvMedia<'_>, body: &[u8]) -> bool {
    match media {
        AvMedia::Grouped { group, .. } if group.is_parity() => true,
        AvMedia::Slice(_) | AvMedia::Grouped { .. } => SliceHeader::has_exact_size(body),
        _ => true,
    }
}

fn write_ioctl(stamp: AvStamp, index: u16, hl: &[u8], out: &mut Vec<u8>) {
    let index = index.into();
    IoctlRequest { stamp, index, hl }.write(out);
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use av_login::{AuthType, Capabilities, LoginAnswer};

    /// The answer to an early login is delivered before the end of the handshake is reported.
    #[test]
    fn k10000_is_repeated_soon_after_an_answered_early_login() {
        let credentials =
            Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "aabbccddeeff");
        let address = "192.0.2.1:32761".parse().unwrap();
        let config = ClientConfig::new(address, credentials.unwrap());
        let (now, round_trip) = (Instant::ZERO, Duration::from_millis(80));
        let epoch = Epoch::new(now, Duration::ZERO);
        let requests = Requests::new(config.deadlines.command, FIRST_COMMAND_INDEX);
        let dialect = Arc::new(Dialect::TRANSCODE);
        let mut rng = Random::new([1; 32]);
        let av = AvClient::new(&config, requests, &dialect, false, epoch, &mut rng);
        let mut av = av.unwrap();
        assert!(av.start_early(round_trip));
        while av.write_next(now, &mut Vec::new()) {}
        assert_eq!(av.deadline(), None, "the early login is not repeated");
        let answer = LoginAnswer {
            version: dialect.control_version,
            status: LoginStatus::SUCCESS,
            nonce: Nonce([0; 4]),
            two_way_audio: false,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        };
        let mut tolerated = Tolerated::default();
        av.handle_packet(now, &answer.to_bytes(), &mut tolerated)
            .unwrap();
        av.start(now, round_trip);
        assert_eq!(av.repeat.deadline(), Some(now + round_trip * 3));
    }
}
