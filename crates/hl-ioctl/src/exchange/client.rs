//! The client's side of the exchange.

use alloc::string::String;
use alloc::vec::Vec;

use super::auth::AuthMessage;
use crate::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use crate::{ChallengeRule, Command, Enr, Error, HlMessage, Request, challenge_response};

/// The length of the `connectionRes` excerpt in errors, in characters.
const MAX_CONNECTION_RES: usize = 32;

/// The client's side of the exchange, without time.
///
/// Send [`request`](Self::request). Pass each HL message to [`handle`](Self::handle) and do what
/// its [`ClientStep`] orders. Send [`repeat`](Self::repeat) once a second. K10000 has index and
/// flag 0 in its IOCTL packet, K10002 has 1, and repeated messages keep theirs. What this
/// documentation says of K10002 and K10003 also applies to the other messages of [`AuthMessage`]
/// and their answers.
#[derive(Debug)]
pub struct ClientExchange {
    config: ClientConfig,
    auth: AuthMessage,
    state: State,
    request: Vec<u8>,
}

/// The configuration of the client's side.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How the response is computed.
    pub rule: ChallengeRule,
    /// The camera's ENR.
    pub enr: Enr,
    /// Bytes 32..36 of K10002, and the phone id of K10006 and K10008: 4 random bytes, or the first
    /// 4 bytes of the UID in the `summary` dialect.
    pub id: [u8; 4],
    /// The payload of K10000: [`AUDIO_ENCODER_LIST`](crate::commands::AUDIO_ENCODER_LIST), or
    /// nothing in the `summary` dialect.
    pub request_payload: Vec<u8>,
    /// Requests video.
    pub video: bool,
    /// Requests audio.
    pub audio: bool,
}

#[derive(Debug)]
enum State {
    /// K10000 was sent.
    Requesting,
    /// The newest challenge was answered with K10002.
    Answering { challenge: Challenge, auth: Vec<u8> },
    /// K10003 or an error ended the exchange.
    Over,
}

/// What the client must do after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStep {
    /// Acknowledge the challenge with the AV packet `09 00`, whose count must be 2 or more by now.
    /// Then send this K10002.
    AcknowledgeThenSend(Vec<u8>),
    /// The camera accepted the response. The exchange is over.
    Done(ConnectResult),
    /// Nothing. The message is a duplicate, too early, or not part of the exchange.
    Ignore,
}

impl ClientExchange {
    /// Creates an exchange that responds with K10002.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a request payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        Self::with_auth(config, AuthMessage::Anonymous)
    }

    /// Creates an exchange that responds with this message.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a request payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn with_auth(config: ClientConfig, auth: AuthMessage) -> Result<Self, Error> {
        let request = Request {
            code: ConnectRequest::CODE,
            payload: config.request_payload.clone(),
        };
        Ok(Self {
            request: request.to_hl()?,
            state: State::Requesting,
            auth,
            config,
        })
    }

    /// Returns K10000, an HL message.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Returns the message to repeat each second: K10000 until the challenge arrives, then K10002
    /// until the result arrives, then `None`.
    #[must_use]
    pub fn repeat(&self) -> Option<&[u8]> {
        match &self.state {
            State::Requesting => Some(&self.request),
            State::Answering { auth, .. } => Some(auth),
            State::Over => None,
        }
    }

    /// Returns `true` if the message to repeat is K10002.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        matches!(self.state, State::Answering { .. })
    }

    /// Returns `true` if a result or an error has ended the exchange.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Handles a message from the camera. A challenge that differs from the last one replaces it.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] for a truncated K10001; the exchange continues. All other errors end
    /// the exchange: the errors of
    /// [`ChallengeStatus::answerable`](crate::ChallengeStatus::answerable), [`Error::EnrTooShort`],
    /// the errors of [`ConnectResult::parse`], and [`Error::Refused`].
    pub fn handle(&mut self, message: &HlMessage<'_>) -> Result<ClientStep, Error> {
        match (&self.state, message.code) {
            (State::Requesting | State::Answering { .. }, ConnectRequest::ANSWER_CODE) => {
                let challenge = ConnectRequest::answer_from_message(message)?;
                self.handle_challenge(challenge)
            }
            (State::Answering { .. }, code) if code == self.auth.answer_code() => {
                self.state = State::Over;
                let result = self.auth.result(message)?;
                if result.is_success() {
                    Ok(ClientStep::Done(result))
                } else {
                    let connection_res = result.connection_res().chars();
                    Err(Error::Refused {
                        connection_res: connection_res.take(MAX_CONNECTION_RES).collect::<String>(),
                    })
                }
            }
            _ => Ok(ClientStep::Ignore),
        }
    }

    fn handle_challenge(&mut self, new: Challenge) -> Result<ClientStep, Error> {
        if let State::Answering { challenge, .. } = &self.state
            && *challenge == new
        {
            return Ok(ClientStep::Ignore);
        }
        match self.respond(new) {
            Ok(auth) => {
                self.state = State::Answering {
                    challenge: new,
                    auth: auth.clone(),
                };
                Ok(ClientStep::AcknowledgeThenSend(auth))
            }
            Err(error) => {
                self.state = State::Over;
                Err(error)
            }
        }
    }

    /// Returns K10002 for a challenge.
    fn respond(&self, Challenge { status, challenge }: Challenge) -> Result<Vec<u8>, Error> {
        let ClientConfig { rule, enr, .. } = &self.config;
        let auth = ConnectAuth {
            response: challenge_response(*rule, status, challenge, enr)?,
            id: self.config.id,
            video: self.config.video,
            audio: self.config.audio,
        };
        self.auth.request(auth).to_hl()
    }
}
