//! The camera's side of the exchange.

use alloc::vec::Vec;

use super::auth::{UserRule, parse};
use crate::challenge::same;
use crate::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult, UserId};
use crate::{
    CAMERA_VERSION, ChallengeRule, ChallengeStatus, Command, Enr, Error, HlMessage,
    challenge_response,
};

/// The camera's side of the exchange, without time. It accepts one response; its decision is final.
///
/// Pass each HL message to [`handle_message`](Self::handle_message), then call
/// [`poll_output`](Self::poll_output) until it returns `None`. Pass each heartbeat to
/// [`handle_acknowledgement`](Self::handle_acknowledgement). K10006 and K10008 are accepted instead
/// of K10002 by [`CameraConfig::user_rule`], and answered with the same JSON.
///
/// This is the [contract of all state machines][contract] of the project, without time.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
#[derive(Debug)]
pub struct CameraExchange {
    acknowledgement: AckRule,
    version: u16,
    user_rule: UserRule,
    /// The right response; `None` if the status allows none.
    expected: Option<[u8; 16]>,
    challenge_message: Vec<u8>,
    accept: ConnectResult,
    refuse: ConnectResult,
    user_id: Option<UserId>,
    state: State,
    reply: Option<Vec<u8>>,
    event: Option<CameraEvent>,
}

/// The configuration of the camera's side. Made by [`CameraConfig::new`]; the fields may be changed
/// after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraConfig {
    /// How the response is computed.
    pub rule: ChallengeRule,
    /// The camera's ENR.
    pub enr: Enr,
    /// The status of the challenge. If it allows no response, K10002 is ignored.
    pub status: ChallengeStatus,
    /// The challenge: new random bytes for each exchange.
    pub challenge: [u8; 16],
    /// The acknowledgements that count.
    pub acknowledgement: AckRule,
    /// The content of K10003 after a right response.
    pub result: ConnectResult,
    /// The HL version of the camera's messages, usually [`CAMERA_VERSION`].
    pub version: u16,
    /// The messages with a user that the camera supports. It ignores the others.
    pub user_rule: UserRule,
}

/// Which acknowledgement of K10001 (AV packet `09 00`) the camera needs before it accepts K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AckRule {
    /// Any acknowledgement.
    Any,
    /// An acknowledgement whose count is 2 or more, as the `summary` dialect requires.
    Second,
}

/// The fields of the IOCTL packet that the camera checks (docs/protocol.md, section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ioctl {
    /// The index, bytes 18..20.
    pub index: u16,
    /// The second index, bytes 28..32.
    pub flag: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    /// K10001 was sent.
    Challenged,
    /// K10001 was sent and acknowledged.
    Acknowledged,
    /// The right response arrived.
    Accepted,
    /// A wrong response arrived.
    Refused,
}

/// The output of [`CameraExchange::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraOutput {
    /// Send this HL message: K10001 or K10003.
    Transmit(Vec<u8>),
    /// The effect of a message. Repeats cause no event.
    Event(CameraEvent),
}

/// The effect of a message from the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraEvent {
    /// The response is right: start the stream. Contains the client's request, whose id is the
    /// phone id in K10006 and K10008.
    Accepted(ConnectAuth),
    /// The response is wrong.
    Refused,
    /// The message has no effect and no answer.
    Ignored(IgnoreReason),
}

/// Why a camera ignores a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IgnoreReason {
    /// The code does not belong to the exchange, or the camera does not support it.
    OtherCode,
    /// K10002 arrived before K10000.
    NotRequested,
    /// K10002 has index or flag 0.
    WrongIndex,
    /// K10002 arrived before an acknowledgement that counts.
    NotAcknowledged,
    /// K10002 is truncated.
    Malformed,
    /// The status of the challenge allows no response.
    NotAnswerable,
}

impl CameraConfig {
    /// A camera as most real ones: challenge of status 3, and a result without a description of the
    /// media. `challenge` is 16 random bytes, new for each exchange.
    #[must_use]
    pub fn new(enr: Enr, challenge: [u8; 16]) -> Self {
        Self {
            rule: ChallengeRule::Decrypt,
            enr,
            status: ChallengeStatus::Enr,
            challenge,
            acknowledgement: AckRule::Any,
            result: ConnectResult::accept(None, None),
            version: CAMERA_VERSION,
            user_rule: UserRule::default(),
        }
    }
}

impl CameraExchange {
    /// Creates an exchange.
    ///
    /// # Errors
    ///
    /// [`Error::EnrTooShort`] if the ENR cannot answer the camera's own challenge.
    /// [`Error::TooLong`] for a result over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn new(config: CameraConfig) -> Result<Self, Error> {
        let CameraConfig {
            rule,
            enr,
            status,
            challenge,
            acknowledgement,
            result,
            version,
            user_rule,
        } = config;
        let expected = match status.answerable() {
            Ok(()) => Some(challenge_response(rule, status, challenge, &enr)?),
            Err(_) => None,
        };
        let mut challenge_payload = Vec::new();
        ConnectRequest::encode_answer(&Challenge { status, challenge }, &mut challenge_payload);
        let exchange = Self {
            acknowledgement,
            version,
            user_rule,
            expected,
            challenge_message: HlMessage {
                version,
                code: ConnectRequest::ANSWER_CODE,
                payload: &challenge_payload,
            }
            .to_vec()?,
            accept: result,
            refuse: ConnectResult::refuse(),
            user_id: None,
            state: State::Idle,
            reply: None,
            event: None,
        };
        exchange.result(&exchange.accept, ConnectAuth::CODE)?;
        Ok(exchange)
    }

    /// Handles a message from the client.
    ///
    /// `ioctl` holds the fields of its IOCTL packet. K10002 is ignored if one of them is 0.
    pub fn handle_message(&mut self, message: &HlMessage<'_>, ioctl: Ioctl) {
        match message.code {
            ConnectRequest::CODE => {
                if self.state == State::Idle {
                    self.state = State::Challenged;
                }
                self.reply = Some(self.challenge_message.clone());
            }
            code if self.user_rule.supports(self.version, code) => self.handle_auth(message, ioctl),
            _ => self.ignore(IgnoreReason::OtherCode),
        }
    }

    /// Returns the next output, or `None` until the next message.
    pub fn poll_output(&mut self) -> Option<CameraOutput> {
        let reply = self.reply.take().map(CameraOutput::Transmit);
        reply.or_else(|| self.event.take().map(CameraOutput::Event))
    }

    /// Handles an acknowledgement with its count (heartbeat, offset 12; docs/protocol.md, section
    /// 12). It is ignored before K10001 was sent.
    pub fn handle_acknowledgement(&mut self, count: u16) {
        let counts = match self.acknowledgement {
            AckRule::Any => true,
            AckRule::Second => count >= 2,
        };
        if counts && self.state == State::Challenged {
            self.state = State::Acknowledged;
        }
    }

    /// Returns `true` if the right response has arrived.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// The accepted user, if the client sent one.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    fn handle_auth(&mut self, message: &HlMessage<'_>, ioctl: Ioctl) {
        if ioctl.index == 0 || ioctl.flag == 0 {
            return self.ignore(IgnoreReason::WrongIndex);
        }
        match self.state {
            State::Idle => return self.ignore(IgnoreReason::NotRequested),
            State::Challenged => return self.ignore(IgnoreReason::NotAcknowledged),
            State::Acknowledged => {}
            State::Accepted | State::Refused => return self.answer(message.code),
        }
        let Some(expected) = &self.expected else {
            return self.ignore(IgnoreReason::NotAnswerable);
        };
        let Ok((auth, user_id)) = parse(message) else {
            return self.ignore(IgnoreReason::Malformed);
        };
        let event = if same(&auth.response, expected) {
            self.state = State::Accepted;
            self.user_id = user_id;
            CameraEvent::Accepted(auth)
        } else {
            self.state = State::Refused;
            CameraEvent::Refused
        };
        self.event = Some(event);
        self.answer(message.code);
    }

    fn ignore(&mut self, reason: IgnoreReason) {
        self.event = Some(CameraEvent::Ignored(reason));
    }

    /// Queues the decision as the answer to the message with this code.
    fn answer(&mut self, code: u16) {
        let result = match self.state {
            State::Accepted => &self.accept,
            _ => &self.refuse,
        };
        // `new` has checked the length.
        self.reply = self.result(result, code).ok();
    }

    fn result(&self, result: &ConnectResult, code: u16) -> Result<Vec<u8>, Error> {
        HlMessage {
            version: self.version,
            code: code.wrapping_add(1),
            payload: result.raw().as_bytes(),
        }
        .to_vec()
    }
}
