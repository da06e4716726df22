//! The client's side of the exchange.

use alloc::vec::Vec;

use super::auth::{self, AuthMessage, UserRule};
use crate::commands::{
    AUDIO_ENCODER_LIST, Challenge, ConnectAuth, ConnectRequest, ConnectResult, SUCCESS, UserId,
    WRONG_ENR,
};
use crate::{ChallengeRule, Command, Enr, Error, HlMessage, Request, challenge_response};

/// The length of the `connectionRes` excerpt in errors, in characters.
const MAX_CONNECTION_RES: usize = 32;

/// How often a message with a user is repeated before the client falls back to K10002.
const USER_REPEATS: u8 = 2;

/// The client's side of the exchange, without time.
///
/// Call [`send`](Self::send) to start, and again after each second without an answer; the caller
/// owns that timer. Pass each HL message to [`handle_message`](Self::handle_message). After each of
/// these calls, call [`poll_output`](Self::poll_output) until it returns `None`. This is the
/// [contract of all state machines][contract] of the project, without time.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
///
/// What this documentation says of K10002 and K10003 also applies to the other messages of
/// [`AuthMessage`] and their answers.
#[derive(Debug)]
pub struct ClientExchange {
    config: ClientConfig,
    state: State,
    request: Vec<u8>,
    index: u16,
    /// The newest message is to be sent.
    send: bool,
    result: Option<Result<ConnectResult, Error>>,
    malformed: u64,
}

/// The configuration of the client's side. Made by [`ClientConfig::new`]; the fields may be changed
/// after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// How the response is computed.
    pub rule: ChallengeRule,
    /// The camera's ENR.
    pub enr: Enr,
    /// Bytes 32..36 of K10002, and the phone id of K10006 and K10008: 4 random bytes, or the first
    /// 4 bytes of the UID in the `summary` dialect.
    pub id: [u8; 4],
    /// The payload of K10000: [`AUDIO_ENCODER_LIST`], or
    /// nothing in the `summary` dialect.
    pub request_payload: Vec<u8>,
    /// Requests video.
    pub video: bool,
    /// Requests audio.
    pub audio: bool,
    /// The user of the camera. Without one, the client responds with K10002.
    pub user: Option<UserId>,
    /// The message for the user.
    pub user_rule: UserRule,
}

#[derive(Debug)]
enum State {
    /// No challenge has arrived.
    Requesting,
    /// The newest challenge was answered with K10002.
    Answering(Answering),
    /// K10003 or an error ended the exchange.
    Over,
}

#[derive(Debug)]
struct Answering {
    challenge: Challenge,
    response: ConnectAuth,
    message: AuthMessage,
    /// The message as HL.
    auth: Vec<u8>,
    /// How often the message with a user was not answered.
    unanswered: u8,
    /// The code of the answer to a message with a user, after a fall-back to K10002.
    late_answer: Option<u16>,
}

/// The output of [`ClientExchange::poll_output`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOutput<'a> {
    /// Send this HL message in an IOCTL packet with this index.
    ///
    /// Before K10002, acknowledge the challenge with the AV packet `09 00`, whose count must be 2
    /// or more by then.
    Transmit {
        /// The index: [`ClientExchange::index`].
        index: u16,
        /// K10000 or K10002.
        message: &'a [u8],
    },
    /// The exchange is over: the camera accepted the response, or the exchange failed.
    Event(Result<ConnectResult, Error>),
}

impl ClientConfig {
    /// A client without a user that requests video and audio from a real camera. `id` is 4 random
    /// bytes.
    #[must_use]
    pub fn new(enr: Enr, id: [u8; 4]) -> Self {
        Self {
            rule: ChallengeRule::Decrypt,
            enr,
            id,
            request_payload: AUDIO_ENCODER_LIST.to_vec(),
            video: true,
            audio: true,
            user: None,
            user_rule: UserRule::default(),
        }
    }
}

impl ClientExchange {
    /// Creates an exchange.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a request payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        let request = Request {
            code: ConnectRequest::CODE,
            payload: config.request_payload.clone(),
        };
        Ok(Self {
            request: request.to_hl()?,
            state: State::Requesting,
            index: 0,
            send: false,
            result: None,
            malformed: 0,
            config,
        })
    }

    /// The index of the newest message in its IOCTL packet: 0 for K10000, 1 for K10002, and 2 for a
    /// K10002 that replaces an unanswered message with a user. The next command has a higher one.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Queues the newest message: K10000 until the challenge arrives, then K10002 until the result
    /// arrives. Does nothing after the exchange.
    ///
    /// If the message with a user was repeated twice, K10002 replaces it: some firmware does not
    /// know the message.
    pub fn send(&mut self) {
        self.send = true;
        let State::Answering(answering) = &mut self.state else {
            return;
        };
        if answering.message == AuthMessage::Anonymous {
            return;
        }
        answering.unanswered = answering.unanswered.saturating_add(1);
        // A message of this length always fits into HL.
        if answering.unanswered > USER_REPEATS
            && let Ok(auth) = AuthMessage::Anonymous.request(answering.response).to_hl()
        {
            answering.late_answer = Some(answering.message.answer_code());
            answering.message = AuthMessage::Anonymous;
            answering.auth = auth;
            self.index = 2;
        }
    }

    /// Returns the number of truncated challenges, which were dropped.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// Returns `true` if a result or an error has ended the exchange.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Handles a message from the camera. A challenge that differs from the last one replaces it.
    /// Messages that are duplicates, too early or not part of the exchange are ignored.
    ///
    /// These errors end the exchange: those of
    /// [`ChallengeStatus::answerable`](crate::ChallengeStatus::answerable), [`Error::EnrTooShort`],
    /// those of [`ConnectResult::decode`], [`Error::WrongEnr`] and [`Error::Refused`].
    pub fn handle_message(&mut self, message: &HlMessage<'_>) {
        match (&self.state, message.code) {
            (State::Over, _) => {}
            (_, ConnectRequest::ANSWER_CODE) => {
                match ConnectRequest::answer_from_message(message) {
                    Ok(challenge) => self.handle_challenge(challenge, message.version),
                    Err(_) => self.malformed += 1,
                }
            }
            (State::Answering(sent), code)
                if code == sent.message.answer_code() || Some(code) == sent.late_answer =>
            {
                self.end(
                    auth::result(message).and_then(|result| match result.connection_res() {
                        SUCCESS => Ok(result),
                        WRONG_ENR => Err(Error::WrongEnr),
                        other => Err(Error::Refused {
                            connection_res: other.chars().take(MAX_CONNECTION_RES).collect(),
                        }),
                    }),
                );
            }
            _ => {}
        }
    }

    /// Returns the next output, or `None` until the next call of [`send`](Self::send) or
    /// [`handle_message`](Self::handle_message).
    pub fn poll_output(&mut self) -> Option<ClientOutput<'_>> {
        if let Some(result) = self.result.take() {
            return Some(ClientOutput::Event(result));
        }
        let message = match &self.state {
            State::Requesting => &self.request,
            State::Answering(answering) => &answering.auth,
            State::Over => return None,
        };
        core::mem::take(&mut self.send).then_some(ClientOutput::Transmit {
            index: self.index,
            message,
        })
    }

    fn handle_challenge(&mut self, new: Challenge, version: u16) {
        if let State::Answering(Answering { challenge, .. }) = &self.state
            && *challenge == new
        {
            return;
        }
        match self.respond(new, version) {
            Ok(answering) => {
                self.state = State::Answering(answering);
                self.index = 1;
                self.send = true;
            }
            Err(error) => self.end(Err(error)),
        }
    }

    fn end(&mut self, result: Result<ConnectResult, Error>) {
        self.state = State::Over;
        self.result = Some(result);
    }

    /// Returns the response to a challenge from a camera with this HL version.
    fn respond(&self, challenge: Challenge, version: u16) -> Result<Answering, Error> {
        let config = &self.config;
        let Challenge {
            status,
            challenge: bytes,
        } = challenge;
        let response = ConnectAuth {
            response: challenge_response(config.rule, status, bytes, &config.enr)?,
            id: config.id,
            video: config.video,
            audio: config.audio,
        };
        let message = (config.user.as_ref())
            .map(|user| config.user_rule.message(version, user))
            .unwrap_or_default();
        Ok(Answering {
            challenge,
            response,
            auth: message.request(response).to_hl()?,
            message,
            unanswered: 0,
            late_answer: None,
        })
    }
}
