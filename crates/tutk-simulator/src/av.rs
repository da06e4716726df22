//! The camera's side of the AV protocol inside DTLS: login, challenge, commands, probes, media.
//!
//! ```text
//! Login ──00 00, 00 20──► Authentication ──K10002──► Stream
//! ```

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use av_login::{ANSWER_LEN, CameraEvent as LoginEvent, CameraLogin, CameraOutput};
use hl_ioctl::commands::{ConnectRequest, Media, Switch};
use hl_ioctl::{
    CameraEvent as ExchangeEvent, CameraExchange, CameraOutput as ExchangeOutput, Command as _,
    HlMessage, IgnoreReason, Ioctl,
};
use tutk_frame::{
    AvContent, AvKind, AvPacket, LinkClock, MediaAck, MediaLayout, Probe, ProbeAnswer,
};
use tutk_session::internal::AvCounter;
use tutk_session::{Dialect, Liveness, Phase};
use tutk_time::Instant;
use video_reassembly::ResendConfig;

use crate::context::{Context, Shared};
use crate::deviations;
use crate::device::{Effect, Outcome};
use crate::numbered_messages::NumberedMessages;
use crate::personality::{IoctlAnswers, Personality};
use crate::stream::{Stream, WrittenSlice};

/// In resend mode, media pauses if a client has not answered a probe for this time
/// (docs/protocol.md, section 17). The time of real cameras is not known.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest number of answers to commands that wait to be sent to one client. A client repeats a
/// command that is not answered.
const MAX_REPLIES: usize = 32;

/// The AV protocol with one client.
#[derive(Debug)]
pub(crate) struct AvCamera {
    dialect: Arc<Dialect>,
    phase: Phase,
    login: CameraLogin,
    login_answer: Option<[u8; ANSWER_LEN]>,
    exchange: CameraExchange,
    counter: AvCounter,
    /// HL messages that wait to be sent, and when they are due. They are sent in order.
    replies: VecDeque<(Instant, Vec<u8>)>,
    numbered: NumberedMessages,
    /// A buffer reset is due.
    reset: bool,
    stream: Option<Stream>,
    /// The client has requested a backchannel.
    backchannel: bool,
    /// The groups of media; `None` if the client has not requested resend mode, or camera or
    /// dialect do not have it.
    resend: Option<ResendConfig>,
    /// When the client last answered a probe, or when the first answer was expected.
    answered: Option<Instant>,
    /// Media is paused until a probe is answered.
    paused: bool,
    /// Login or K10002 was refused. The session ends once the answer is sent.
    refused: bool,
    probe_at: Option<Instant>,
    probe_due: bool,
    /// The clock of the newest probe and when it was sent; `None` after its answer.
    probed: Option<(u16, Instant)>,
    round_trip: u16,
    unknown: u64,
}

impl AvCamera {
    pub(crate) fn new(dialect: Arc<Dialect>, login: CameraLogin, exchange: CameraExchange) -> Self {
        Self {
            counter: AvCounter::new(&dialect),
            dialect,
            phase: Phase::Dtls,
            login,
            login_answer: None,
            exchange,
            replies: VecDeque::new(),
            numbered: NumberedMessages::default(),
            reset: false,
            stream: None,
            backchannel: false,
            resend: None,
            answered: None,
            paused: false,
            refused: false,
            probe_at: None,
            probe_due: false,
            probed: None,
            round_trip: 0,
            unknown: 0,
        }
    }

    /// The DTLS handshake is complete.
    pub(crate) fn start(&mut self) {
        if self.phase == Phase::Dtls {
            self.phase = Phase::Login;
        }
    }

    /// Returns the client's phase.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Returns `true` if the client was refused and all answers are sent.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused && self.replies.is_empty() && self.login_answer.is_none()
    }

    /// Returns `true` if the last frame is sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_finished)
    }

    /// Returns `true` if the client has requested a backchannel.
    pub(crate) fn wants_backchannel(&self) -> bool {
        self.backchannel
    }

    /// The backchannel was closed or has failed.
    pub(crate) fn backchannel_closed(&mut self) {
        self.backchannel = false;
    }

    /// Returns the number of dropped AV packets that cannot be parsed or were not expected.
    pub(crate) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Handles an AV packet.
    pub(crate) fn handle_packet(&mut self, now: Instant, bytes: &[u8], context: &mut Context<'_>) {
        let handled = match AvPacket::parse(bytes, self.dialect.media) {
            Ok(packet) => match packet.kind(self.dialect.media) {
                AvKind::Login1 | AvKind::Login2 => {
                    self.handle_login(now, bytes, &context.shared.config.personality)
                }
                _ if self.phase < Phase::Authentication => false,
                AvKind::Heartbeat if self.resend.is_some() => self.handle_media_ack(bytes),
                AvKind::ChannelAck | AvKind::BufferResetAck => true,
                _ => match packet.content(self.dialect.media) {
                    Ok(content) => self.handle_content(now, content, context),
                    Err(_) => false,
                },
            },
            Err(_) => false,
        };
        self.unknown += u64::from(!handled);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(at) = self.probe_at
            && at <= now
            && let Liveness::Probes { interval } = self.dialect.liveness
        {
            self.probe_at = Some(now + interval);
            self.probe_due = true;
            let answered = *self.answered.get_or_insert(now);
            self.paused = self.resend.is_some() && answered + PROBE_TIMEOUT <= now;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let stream = self.stream.as_ref().filter(|_| !self.paused);
        let stream = stream.and_then(Stream::deadline);
        let reply = self.replies.front().map(|(due, _)| *due);
        let repetition = self.numbered.deadline();
        [self.probe_at, stream, reply, repetition]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns `true` once if a probe is due. The keepalive outside DTLS is due with it.
    pub(crate) fn take_probe_due(&mut self) -> bool {
        core::mem::take(&mut self.probe_due)
    }

    /// Writes the next control packet; `false` if there is none.
    pub(crate) fn write_control(
        &mut self,
        now: Instant,
        personality: &Personality,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some(answer) = self.login_answer.take() {
            out.extend_from_slice(&deviations::login_answer(answer, personality));
        } else if self.replies.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, hl)) = self.replies.pop_front()
        {
            let stamp = self.counter.stamp();
            match personality.ioctl_answers {
                IoctlAnswers::Numbered => self.numbered.send(now, stamp, hl, out),
                answers => deviations::write_hl(answers, stamp, &hl, out),
            }
        } else if core::mem::take(&mut self.reset) {
            deviations::write_buffer_reset(self.counter.stamp(), out);
        } else {
            let Self {
                numbered, counter, ..
            } = self;
            numbered.repeat(now, || counter.stamp(), out);
        }
        !out.is_empty()
    }

    pub(crate) fn write_probe(&mut self, now: Instant, shared: &Shared, out: &mut Vec<u8>) -> bool {
        let clock = self.link_clock(now, shared);
        self.probed = Some((clock.clock, now));
        let stamp = self.counter.stamp();
        Probe { stamp, clock }.write(out);
        true
    }

    /// Writes the next slice that is due; `None` if none is due.
    pub(crate) fn write_slice(
        &mut self,
        now: Instant,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Option<WrittenSlice> {
        if self.paused {
            return None;
        }
        let clock = self.link_clock(now, context.shared);
        let written = self.stream.as_mut()?.write(now, clock, context, out)?;
        if self.dialect.media == MediaLayout::Slice {
            deviations::change_slice(context.shared.config.personality.slice_sizes, out);
        }
        Some(written)
    }

    fn link_clock(&self, now: Instant, shared: &Shared) -> LinkClock {
        LinkClock {
            clock: shared.epoch.link_clock_at(now),
            round_trip: self.round_trip,
            word: 0,
        }
    }

    fn handle_login(&mut self, now: Instant, bytes: &[u8], personality: &Personality) -> bool {
        let malformed = self.login.stats().malformed;
        self.login.handle_packet(bytes);
        while let Some(output) = self.login.poll_output() {
            match output {
                CameraOutput::Transmit(answer) => self.login_answer = Some(answer),
                CameraOutput::Event(LoginEvent::LoggedIn { resend, .. }) => {
                    // Only this layout has slice counters, which acknowledgements need.
                    let has_counters = self.dialect.media == MediaLayout::Slice;
                    self.resend = (personality.resend).filter(|_| resend && has_counters);
                    self.phase = self.phase.max(Phase::Authentication);
                    if let Liveness::Probes { interval } = self.dialect.liveness {
                        self.probe_at = Some(now + interval);
                    }
                }
                CameraOutput::Event(LoginEvent::Refused(reason)) => {
                    tracing::info!(?reason, "login refused");
                    self.refused = true;
                }
            }
        }
        malformed == self.login.stats().malformed
    }

    fn handle_content(
        &mut self,
        now: Instant,
        content: AvContent<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        match content {
            AvContent::IoctlRequest(request) => {
                let [low, high, ..] = request.index.to_le_bytes();
                let ioctl = Ioctl {
                    index: u16::from_le_bytes([low, high]),
                    flag: request.index,
                };
                self.handle_hl(now, request.hl, ioctl, context)
            }
            AvContent::Heartbeat(heartbeat) => {
                self.exchange.handle_acknowledgement(heartbeat.commands);
                true
            }
            AvContent::ProbeAnswer(answer) => {
                self.handle_probe_answer(now, answer);
                true
            }
            AvContent::IoctlAck(ack) => {
                self.numbered.acknowledged(ack.id);
                true
            }
            // A client may send HL messages in channel messages too. They have no index.
            AvContent::ChannelMessage(message) => {
                let ioctl = Ioctl { index: 1, flag: 1 };
                message.body.is_empty() || self.handle_hl(now, message.body, ioctl, context)
            }
            _ => false,
        }
    }

    fn handle_media_ack(&mut self, bytes: &[u8]) -> bool {
        let Ok((ack, missing)) = MediaAck::parse(bytes, &self.dialect.media_ack) else {
            return false;
        };
        self.exchange.handle_acknowledgement(ack.commands);
        if let Some(stream) = &mut self.stream {
            stream.handle_ack(ack.base, missing);
        }
        true
    }

    fn handle_probe_answer(&mut self, now: Instant, answer: ProbeAnswer) {
        self.answered = Some(now);
        self.paused = false;
        if let Some((clock, sent)) = self.probed
            && clock == answer.clock
        {
            self.probed = None;
            let elapsed = now.duration_since(sent).as_millis();
            self.round_trip = u16::try_from(elapsed).unwrap_or(u16::MAX);
        }
    }

    fn handle_hl(
        &mut self,
        now: Instant,
        hl: &[u8],
        ioctl: Ioctl,
        context: &mut Context<'_>,
    ) -> bool {
        let Ok(message) = HlMessage::parse(hl) else {
            return false;
        };
        let config = &context.shared.config;
        if message.code == ConnectRequest::CODE
            && config.personality.needs_wake_up
            && !deviations::is_wake_up(message.payload, config.credentials.mac)
        {
            tracing::debug!("K10000 without a wake-up request: the camera sleeps");
            return false;
        }
        let recorded = config.answers.get(&message.code);
        let due = now + recorded.map_or(Duration::ZERO, |recorded| recorded.delay);
        self.exchange.handle_message(&message, ioctl);
        while let Some(output) = self.exchange.poll_output() {
            match output {
                ExchangeOutput::Transmit(reply) => self.reply(due, reply),
                ExchangeOutput::Event(ExchangeEvent::Accepted(auth)) => {
                    self.phase = Phase::Stream;
                    for (wanted, media) in [(auth.video, Media::Video), (auth.audio, Media::Audio)]
                    {
                        if wanted {
                            self.switch(now, media, Switch::On, context);
                        }
                    }
                }
                ExchangeOutput::Event(ExchangeEvent::Refused) => self.refused = true,
                ExchangeOutput::Event(ExchangeEvent::Ignored(IgnoreReason::OtherCode))
                    if self.phase == Phase::Stream =>
                {
                    return self.handle_command(now, due, &message, context);
                }
                ExchangeOutput::Event(ExchangeEvent::Ignored(reason)) => {
                    tracing::debug!(code = message.code, ?reason, "IOCTL ignored");
                    return false;
                }
            }
        }
        true
    }

    /// Passes a command to the device, and answers it at `due`.
    fn handle_command(
        &mut self,
        now: Instant,
        due: Instant,
        message: &HlMessage<'_>,
        context: &mut Context<'_>,
    ) -> bool {
        let config = &context.shared.config;
        let recorded = config.answers.get(&message.code);
        let answered = match recorded {
            Some(recorded) => recorded.payload.is_some(),
            None => !config.personality.unanswered.contains(&message.code),
        };
        let unix = context.shared.epoch.unix_seconds_at(now);
        let outcome = context.device.handle(message, unix);
        match outcome.with_answer(message.code, recorded) {
            Outcome::Answer(_) if !answered => {}
            Outcome::Answer(reply) => self.reply(due, reply),
            Outcome::Effect(reply, effect) => {
                if answered {
                    self.reply(due, reply);
                }
                // Other effects need hardware.
                if let Effect::Media(control) = effect {
                    self.switch(now, control.media, control.switch, context);
                }
            }
            Outcome::Unanswered(reason) => {
                tracing::debug!(code = message.code, ?reason, "command not answered");
                return false;
            }
        }
        true
    }

    fn switch(&mut self, now: Instant, media: Media, switch: Switch, context: &Context<'_>) {
        if media == Media::ReturnAudio {
            self.backchannel = switch == Switch::On && context.shared.config.speaker;
            return;
        }
        if self.stream.is_none() {
            match Stream::new(context.shared, &self.dialect, self.resend, now) {
                Ok(stream) => {
                    self.stream = Some(stream);
                    self.reset = context.shared.config.personality.buffer_reset;
                }
                Err(error) => tracing::error!(%error, "cannot start a stream"),
            }
        }
        if let Some(stream) = &mut self.stream {
            stream.switch(now, media, switch);
        }
    }

    fn reply(&mut self, due: Instant, hl: Vec<u8>) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back((due, hl));
        }
    }
}
