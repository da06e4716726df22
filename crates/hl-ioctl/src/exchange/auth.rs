//! The three messages that respond to a challenge, and which of them a camera supports.

use crate::commands::{
    ConnectAuth, ConnectDoorbellUserAuth, ConnectResult, ConnectUserAuth, UserAuth, UserId,
};
use crate::{Command, Error, HlMessage, Request};

/// The message that responds to the challenge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMessage {
    /// K10002, without a user. The answer is K10003.
    #[default]
    Anonymous,
    /// K10006, with a user of a doorbell. The answer is K10007.
    DoorbellUser(UserId),
    /// K10008, with a user of another camera. The answer is K10009.
    User(UserId),
}

/// Which messages with a user a camera supports, by the HL version of its K10001
/// (docs/protocol.md, section 14). Every camera supports K10002.
///
/// ```
/// use hl_ioctl::commands::UserId;
/// use hl_ioctl::{AuthMessage, UserRule};
///
/// let user = UserId::new("an account")?;
/// assert_eq!(UserRule::MOST.message(24, &user), AuthMessage::Anonymous);
/// assert_eq!(UserRule::MOST.message(25, &user), AuthMessage::User(user));
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UserRule {
    /// The smallest version with K10006, which takes precedence; `None` if there is none.
    pub doorbell_since: Option<u16>,
    /// The smallest version with K10008; `None` if there is none.
    pub user_since: Option<u16>,
}

impl UserRule {
    /// Neither K10006 nor K10008.
    pub const NONE: Self = Self {
        doorbell_since: None,
        user_since: None,
    };

    /// K10008 from version 25 on: the rule of most models.
    pub const MOST: Self = Self {
        doorbell_since: None,
        user_since: Some(25),
    };

    /// Both in every version.
    pub const ALL: Self = Self {
        doorbell_since: Some(0),
        user_since: Some(0),
    };

    /// Returns the message for a user of a camera with this version.
    #[must_use]
    pub fn message(self, version: u16, user: &UserId) -> AuthMessage {
        let supports = |since: Option<u16>| since.is_some_and(|since| since <= version);
        if supports(self.doorbell_since) {
            AuthMessage::DoorbellUser(user.clone())
        } else if supports(self.user_since) {
            AuthMessage::User(user.clone())
        } else {
            AuthMessage::Anonymous
        }
    }

    /// Camera: returns `true` if a camera with this version supports the message with this code.
    pub(super) fn supports(self, version: u16, code: u16) -> bool {
        let since = match code {
            ConnectAuth::CODE => Some(0),
            ConnectDoorbellUserAuth::CODE => self.doorbell_since,
            ConnectUserAuth::CODE => self.user_since,
            _ => None,
        };
        since.is_some_and(|since| since <= version)
    }
}

impl Default for UserRule {
    fn default() -> Self {
        Self::MOST
    }
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
}

/// Client: parses the answer to any of the three messages.
pub(super) fn result(message: &HlMessage<'_>) -> Result<ConnectResult, Error> {
    match message.code {
        ConnectDoorbellUserAuth::ANSWER_CODE => {
            ConnectDoorbellUserAuth::answer_from_message(message)
        }
        ConnectUserAuth::ANSWER_CODE => ConnectUserAuth::answer_from_message(message),
        _ => ConnectAuth::answer_from_message(message),
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
