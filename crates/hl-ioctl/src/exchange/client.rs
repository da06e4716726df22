//! The client's side of the exchange.

use alloc::string::String;
use alloc::vec::Vec;

use super::auth::AuthMessage;
use crate::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use crate::{ChallengeRule, Command, Enr, Error, HlMessage, Request, challenge_response};

/// How much of a `connectionRes` an error repeats, in characters.
const MAX_CONNECTION_RES: usize = 32;

/// What the client's side is given.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// How this camera wants its challenge answered.
    pub rule: ChallengeRule,
    /// The camera's ENR.
    pub enr: Enr,
    /// Bytes 32..36 of K10002, the phone id of K10006 and K10008: the first 4 of the UID (summary.md) or 4 random ones (wire.md section 1).
    pub id: [u8; 4],
    /// K10000's payload: empty (summary.md) or [`AUDIO_ENCODER_LIST`](crate::commands::AUDIO_ENCODER_LIST).
    pub request_payload: Vec<u8>,
    /// Whether to ask for video.
    pub video: bool,
    /// Whether to ask for audio.
    pub audio: bool,
}

/// The client's side of the exchange, without time.
///
/// Send [`request`](Self::request); give each HL message that comes to [`handle`](Self::handle) and do as
/// its [`ClientStep`] says; once a second, send what [`repeat`](Self::repeat) says. K10000 goes in an IOCTL
/// with index and flag 0, K10002 with 1 (summary.md, "Critical Discoveries"), repeats with the same. What is
/// said here of K10002 and K10003 goes for the other two kinds of [`AuthMessage`] and their answers too.
#[derive(Debug)]
pub struct ClientExchange {
    config: ClientConfig,
    auth: AuthMessage,
    state: State,
    request: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// K10000 is on its way.
    Requesting,
    /// The newest challenge, and the K10002 that answers it.
    Answering { challenge: Challenge, auth: Vec<u8> },
    /// K10003 came, or an error that ends the exchange.
    Over,
}

/// What to do after a message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientStep {
    /// Acknowledge the challenge (AV packet `09 00`, whose count must by now be 2 or more), then send this K10002.
    AcknowledgeThenSend(Vec<u8>),
    /// The camera accepted: the exchange is over.
    Done(ConnectResult),
    /// Nothing: a message that came twice, too early, or is no part of the exchange.
    Ignore,
}

impl ClientExchange {
    /// A new exchange, which answers with K10002.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a request payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn new(config: ClientConfig) -> Result<Self, Error> {
        Self::with_auth(config, AuthMessage::Anonymous)
    }

    /// A new exchange, which answers with this message.
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

    /// K10000, an HL message.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// The message to repeat each second: K10000 until the challenge came, K10002 until the result came;
    /// then none.
    #[must_use]
    pub fn repeat(&self) -> Option<&[u8]> {
        match &self.state {
            State::Requesting => Some(&self.request),
            State::Answering { auth, .. } => Some(auth),
            State::Over => None,
        }
    }

    /// Whether the next message to send, and to repeat, is K10002.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        matches!(self.state, State::Answering { .. })
    }

    /// Whether a result or an error has ended the exchange.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Takes a message from the camera.
    ///
    /// A challenge that differs from the last one is answered anew: the newest counts.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] for a K10001 that is cut off: the exchange goes on. All others end it: a
    /// status that wants no answer ([`Error::CameraUpdating`], [`Error::CameraChecking`],
    /// [`Error::CameraOff`], [`Error::UnknownStatus`]), [`Error::EnrTooShort`], a K10003 that is no
    /// JSON ([`Error::Json`] and its kin), and [`Error::Refused`]. [`is_over`](Self::is_over) tells.
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
        let answered = self.answer(new);
        match answered {
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

    /// K10002 for a challenge.
    fn answer(&self, Challenge { status, challenge }: Challenge) -> Result<Vec<u8>, Error> {
        let auth = ConnectAuth {
            response: challenge_response(self.config.rule, status, challenge, &self.config.enr)?,
            id: self.config.id,
            video: self.config.video,
            audio: self.config.audio,
        };
        self.auth.request(auth).to_hl()
    }
}
