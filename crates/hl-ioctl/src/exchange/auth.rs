//! The three messages that answer a challenge, and their answers.

use alloc::vec::Vec;

use crate::commands::{
    ConnectAuth, ConnectDoorbellUserAuth, ConnectResult, ConnectUserAuth, UserAuth, UserId,
};
use crate::{Command, Error, HlMessage, Request};

/// Which message answers the challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum AuthMessage {
    /// K10002: who asks is not said. The answer is K10003.
    #[default]
    Anonymous,
    /// K10006: a user of a doorbell. The answer is K10007.
    DoorbellUser(UserId),
    /// K10008: a user of any other camera. The answer is K10009.
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
        match self {
            Self::Anonymous => ConnectAuth::ANSWER_CODE,
            Self::DoorbellUser(_) => ConnectDoorbellUserAuth::ANSWER_CODE,
            Self::User(_) => ConnectUserAuth::ANSWER_CODE,
        }
    }

    /// Client: the message.
    pub(crate) fn request(&self, auth: ConnectAuth) -> Request {
        let with = |user_id: &UserId| UserAuth {
            response: auth.response,
            phone_id: auth.id,
            video: auth.video,
            audio: auth.audio,
            user_id: user_id.clone(),
        };
        match self {
            Self::Anonymous => Request::from(&auth),
            Self::DoorbellUser(user) => Request::from(&ConnectDoorbellUserAuth(with(user))),
            Self::User(user) => Request::from(&ConnectUserAuth(with(user))),
        }
    }

    /// Client: its answer.
    pub(crate) fn result(&self, message: &HlMessage<'_>) -> Result<ConnectResult, Error> {
        match self {
            Self::Anonymous => ConnectAuth::answer_from_message(message),
            Self::DoorbellUser(_) => ConnectDoorbellUserAuth::answer_from_message(message),
            Self::User(_) => ConnectUserAuth::answer_from_message(message),
        }
    }
}

/// Camera: what any of the three messages says.
pub(crate) fn parse(message: &HlMessage<'_>) -> Result<(ConnectAuth, Option<UserId>), Error> {
    let user = match message.code {
        ConnectDoorbellUserAuth::CODE => ConnectDoorbellUserAuth::from_message(message)?.0,
        ConnectUserAuth::CODE => ConnectUserAuth::from_message(message)?.0,
        _ => return Ok((ConnectAuth::from_message(message)?, None)),
    };
    let auth = ConnectAuth {
        response: user.response,
        id: user.phone_id,
        video: user.video,
        audio: user.audio,
    };
    Ok((auth, Some(user.user_id)))
}

/// Camera: one result as the answer to each of the three.
#[derive(Debug)]
pub(crate) struct Replies {
    anonymous: Vec<u8>,
    doorbell_user: Vec<u8>,
    user: Vec<u8>,
}

impl Replies {
    pub(crate) fn new(result: &ConnectResult) -> Result<Self, Error> {
        Ok(Self {
            anonymous: ConnectAuth::answer_to_hl(result)?,
            doorbell_user: ConnectDoorbellUserAuth::answer_to_hl(result)?,
            user: ConnectUserAuth::answer_to_hl(result)?,
        })
    }

    /// The answer to the message with this code.
    pub(crate) fn to(&self, code: u16) -> Vec<u8> {
        match code {
            ConnectDoorbellUserAuth::CODE => &self.doorbell_user,
            ConnectUserAuth::CODE => &self.user,
            _ => &self.anonymous,
        }
        .clone()
    }
}
