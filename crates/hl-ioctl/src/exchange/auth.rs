//! The three messages that respond to a challenge, and their answers.

use alloc::vec::Vec;

use crate::commands::{
    ConnectAuth, ConnectDoorbellUserAuth, ConnectResult, ConnectUserAuth, UserAuth, UserId,
};
use crate::{Command, Error, HlMessage, Request};

/// The message that responds to the challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum AuthMessage {
    /// K10002, without a user. The answer is K10003.
    #[default]
    Anonymous,
    /// K10006, with a user of a doorbell. The answer is K10007.
    DoorbellUser(UserId),
    /// K10008, with a user of another camera. The answer is K10009.
    User(UserId),
}

impl AuthMessage {
    /// The code of the message.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Anonymous => ConnectAuth::CODE,
            Self::DoorbellUser(_) => ConnectDoorbellUserAuth::CODE,
            Self::User(_) => ConnectUserAuth::CODE,
        }
    }

    /// The code of its answer.
    #[must_use]
    pub fn answer_code(&self) -> u16 {
        self.code() + 1
    }

    /// Client: returns the message.
    pub(super) fn request(&self, auth: ConnectAuth) -> Request {
        let with_user = |user_id: &UserId| UserAuth {
            auth,
            user_id: user_id.clone(),
        };
        match self {
            Self::Anonymous => Request::from(&auth),
            Self::DoorbellUser(user) => Request::from(&ConnectDoorbellUserAuth(with_user(user))),
            Self::User(user) => Request::from(&ConnectUserAuth(with_user(user))),
        }
    }

    /// Client: parses the answer.
    pub(super) fn result(&self, message: &HlMessage<'_>) -> Result<ConnectResult, Error> {
        match self {
            Self::Anonymous => ConnectAuth::answer_from_message(message),
            Self::DoorbellUser(_) => ConnectDoorbellUserAuth::answer_from_message(message),
            Self::User(_) => ConnectUserAuth::answer_from_message(message),
        }
    }
}

/// Camera: parses any of the three messages.
pub(super) fn parse(message: &HlMessage<'_>) -> Result<(ConnectAuth, Option<UserId>), Error> {
    let user = match message.code {
        ConnectDoorbellUserAuth::CODE => ConnectDoorbellUserAuth::from_message(message)?.0,
        ConnectUserAuth::CODE => ConnectUserAuth::from_message(message)?.0,
        _ => return Ok((ConnectAuth::from_message(message)?, None)),
    };
    Ok((user.auth, Some(user.user_id)))
}

/// Camera: a result as the answer to each of the three messages.
#[derive(Debug)]
pub(super) struct Replies {
    anonymous: Vec<u8>,
    doorbell_user: Vec<u8>,
    user: Vec<u8>,
}

impl Replies {
    pub(super) fn new(result: &ConnectResult) -> Result<Self, Error> {
        Ok(Self {
            anonymous: ConnectAuth::answer_to_hl(result)?,
            doorbell_user: ConnectDoorbellUserAuth::answer_to_hl(result)?,
            user: ConnectUserAuth::answer_to_hl(result)?,
        })
    }

    /// Returns the answer to the message with this code.
    pub(super) fn to(&self, code: u16) -> Vec<u8> {
        match code {
            ConnectDoorbellUserAuth::CODE => &self.doorbell_user,
            ConnectUserAuth::CODE => &self.user,
            _ => &self.anonymous,
        }
        .clone()
    }
}
