//! The camera's side of the exchange, as strict as summary.md's "Critical Discoveries" has it.

use alloc::vec::Vec;

use super::auth::{Replies, parse};
use crate::challenge::same;
use crate::commands::{
    Challenge, ConnectAuth, ConnectDoorbellUserAuth, ConnectRequest, ConnectResult,
    ConnectUserAuth, UserId,
};
use crate::{ChallengeRule, ChallengeStatus, Command, Enr, Error, HlMessage, challenge_response};

/// What the camera's side is given.
#[derive(Debug, Clone)]
pub struct CameraConfig {
    /// How this camera wants its challenge answered.
    pub rule: ChallengeRule,
    /// The camera's ENR.
    pub enr: Enr,
    /// Status of the challenge. With one that wants no answer, K10002 is ignored.
    pub status: ChallengeStatus,
    /// The challenge, drawn by the caller: fresh random bytes for each exchange.
    pub challenge: [u8; 16],
    /// Which acknowledgements count.
    pub acknowledgement: AckRule,
    /// What K10003 says after a right answer.
    pub result: ConnectResult,
}

/// Which acknowledgement of K10001 (AV packet `09 00`) lets K10002 pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AckRule {
    /// Any one.
    Any,
    /// One whose count is 2 or more: summary.md's "counter must be 2", which is the second heartbeat
    /// (wire.md section 8).
    Second,
}

/// The fields of the IOCTL packet around an HL message that the camera looks at (wire.md section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ioctl {
    /// Index, bytes 18..20: the summary's "sub-channel".
    pub index: u16,
    /// Index again, bytes 28..32: the summary's "flag".
    pub flag: u32,
}

/// The camera's side of the exchange, without time. One exchange takes one answer: what was decided stays.
///
/// Give each HL message to [`handle`](Self::handle) and do as its [`CameraStep`] says; report each
/// heartbeat to [`handle_acknowledgement`](Self::handle_acknowledgement). K10006 and K10008, which name a user, are taken in
/// place of K10002, whatever the model, and answered with the same JSON under their own codes.
#[derive(Debug)]
pub struct CameraExchange {
    acknowledgement: AckRule,
    /// The right answer; none when the status wants none.
    expected: Option<[u8; 16]>,
    challenge_message: Vec<u8>,
    accept: Replies,
    refuse: Replies,
    user_id: Option<UserId>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has come.
    Idle,
    /// K10001 was sent.
    Challenged,
    /// K10001 was sent and acknowledged.
    Acknowledged,
    /// The right answer came.
    Accepted,
    /// A wrong answer came.
    Refused,
}

/// What the camera does after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraStep {
    /// Send this: K10001, or an answer once more.
    Send(Vec<u8>),
    /// The answer is right, for the first time: send K10003 and begin to stream.
    Accept {
        /// K10003.
        reply: Vec<u8>,
        /// What the client asked for; its id is the phone's in K10006 and K10008.
        auth: ConnectAuth,
    },
    /// The answer is wrong, for the first time: send K10003, which refuses.
    Refuse {
        /// K10003.
        reply: Vec<u8>,
    },
    /// Nothing.
    Ignore(IgnoreReason),
}

/// Why a camera does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IgnoreReason {
    /// The code belongs to no message of the exchange.
    OtherCode,
    /// K10002 before K10000.
    NotRequested,
    /// K10002 with sub-channel or flag 0.
    WrongIndex,
    /// K10002 before an acknowledgement that counts.
    NotAcknowledged,
    /// K10002 that is cut off.
    Malformed,
    /// K10002 for a status that wants no answer.
    NotAnswerable,
}

impl CameraExchange {
    /// A new exchange.
    ///
    /// # Errors
    ///
    /// [`Error::EnrTooShort`] if this camera's own challenge cannot be answered with its ENR;
    /// [`Error::TooLong`] for a result over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn new(config: CameraConfig) -> Result<Self, Error> {
        let CameraConfig {
            rule,
            enr,
            status,
            challenge,
            acknowledgement,
            result,
        } = config;
        let expected = match status.answerable() {
            Ok(()) => Some(challenge_response(rule, status, challenge, &enr)?),
            Err(_) => None,
        };
        Ok(Self {
            acknowledgement,
            expected,
            challenge_message: ConnectRequest::answer_to_hl(&Challenge { status, challenge })?,
            accept: Replies::new(&result)?,
            refuse: Replies::new(&ConnectResult::refuse())?,
            user_id: None,
            state: State::Idle,
        })
    }

    /// Takes a message from the client.
    ///
    /// K10000 is answered each time with the same K10001, K10002 after the decision with the same K10003.
    /// K10002 is looked at only when its index and flag are not 0 and the challenge was acknowledged.
    /// Its id is not looked at.
    pub fn handle(&mut self, message: &HlMessage<'_>, ioctl: Ioctl) -> CameraStep {
        match message.code {
            ConnectRequest::CODE => {
                if self.state == State::Idle {
                    self.state = State::Challenged;
                }
                CameraStep::Send(self.challenge_message.clone())
            }
            ConnectAuth::CODE | ConnectDoorbellUserAuth::CODE | ConnectUserAuth::CODE => {
                self.handle_auth(message, ioctl)
            }
            _ => CameraStep::Ignore(IgnoreReason::OtherCode),
        }
    }

    /// Notes an acknowledgement, with its count (wire.md section 8: heartbeat, offset 12). Before K10001
    /// was sent there is nothing to acknowledge, and it changes nothing.
    pub fn handle_acknowledgement(&mut self, count: u16) {
        let counts = match self.acknowledgement {
            AckRule::Any => true,
            AckRule::Second => count >= 2,
        };
        if counts && self.state == State::Challenged {
            self.state = State::Acknowledged;
        }
    }

    /// Whether the right answer came.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    /// The user who was accepted, if the client named one.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.user_id.as_ref()
    }

    fn handle_auth(&mut self, message: &HlMessage<'_>, ioctl: Ioctl) -> CameraStep {
        if ioctl.index == 0 || ioctl.flag == 0 {
            return CameraStep::Ignore(IgnoreReason::WrongIndex);
        }
        match self.state {
            State::Idle => return CameraStep::Ignore(IgnoreReason::NotRequested),
            State::Challenged => return CameraStep::Ignore(IgnoreReason::NotAcknowledged),
            State::Acknowledged => {}
            State::Accepted => return CameraStep::Send(self.accept.to(message.code)),
            State::Refused => return CameraStep::Send(self.refuse.to(message.code)),
        }
        let Some(expected) = &self.expected else {
            return CameraStep::Ignore(IgnoreReason::NotAnswerable);
        };
        let Ok((auth, user_id)) = parse(message) else {
            return CameraStep::Ignore(IgnoreReason::Malformed);
        };
        if same(&auth.response, expected) {
            self.state = State::Accepted;
            self.user_id = user_id;
            CameraStep::Accept {
                reply: self.accept.to(message.code),
                auth,
            }
        } else {
            self.state = State::Refused;
            CameraStep::Refuse {
                reply: self.refuse.to(message.code),
            }
        }
    }
}
