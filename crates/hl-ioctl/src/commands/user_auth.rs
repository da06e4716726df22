//! K10006 and K10008: the answer to the challenge, with the user's id.

use core::fmt;

use alloc::vec::Vec;

use bytes::BufMut;
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::u8;

use super::ConnectResult;
use crate::parse::{array, parse};
use crate::{Command, Error, HEADER_SIZE};

/// The longest user id, in bytes: its length is one byte.
pub const MAX_USER_ID: usize = 255;

/// The answer to the challenge, with who asks.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 16 | response: [`answer`](crate::challenge_response) |
/// | 32 | 4 | phone id |
/// | 36 | 1 | video wanted: 1 |
/// | 37 | 1 | audio wanted: 1 |
/// | 38 | 1 | n: 1 to 255 |
/// | 39 | n | user id |
///
/// For "not wanted" 0 is written, and everything but 1 read as it, as in [`ConnectAuth`](super::ConnectAuth).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserAuth {
    /// The answer to the challenge.
    pub response: [u8; 16],
    /// Which phone asks.
    pub phone_id: [u8; 4],
    /// Whether video is wanted.
    pub video: bool,
    /// Whether audio is wanted.
    pub audio: bool,
    /// Which user asks.
    pub user_id: UserId,
}

/// The id of a user's account, 1 to [`MAX_USER_ID`] bytes. `Debug` prints only its length: it names a person.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId {
    size: u8,
    bytes: Vec<u8>,
}

impl UserId {
    /// Takes an id.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] unless it has 1 to [`MAX_USER_ID`] bytes.
    pub fn new(id: impl AsRef<[u8]>) -> Result<Self, Error> {
        let bytes = id.as_ref();
        match u8::try_from(bytes.len()) {
            Ok(size) if size > 0 => Ok(Self {
                size,
                bytes: bytes.to_vec(),
            }),
            _ => Err(Error::Range {
                what: "length of the user id",
                allowed: "1 to 255 bytes",
                got: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            }),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({} bytes, redacted)", self.size)
    }
}

impl UserAuth {
    /// Bytes before the user id.
    const FIXED_SIZE: usize = 23;

    fn put(&self, out: &mut impl BufMut) {
        out.put_slice(&self.response);
        out.put_slice(&self.phone_id);
        out.put_u8(self.video.into());
        out.put_u8(self.audio.into());
        out.put_u8(self.user_id.size);
        out.put_slice(&self.user_id.bytes);
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let size = payload
            .get(Self::FIXED_SIZE - 1)
            .copied()
            .map_or(0, usize::from);
        let user_id = length_data(u8).map(|id: &[u8]| id);
        let layout = (array::<16>(), array::<4>(), u8, u8, user_id);
        let (response, phone_id, video, audio, user_id) =
            parse(what, HEADER_SIZE, Self::FIXED_SIZE + size, payload, layout)?;
        Ok(Self {
            response,
            phone_id,
            video: video == 1,
            audio: audio == 1,
            user_id: UserId::new(user_id)?,
        })
    }
}

/// Makes a command of [`UserAuth`].
macro_rules! user_auth {
    ($(#[$meta:meta])* $name:ident = $code:literal, $answer_code:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub UserAuth);

        impl Command for $name {
            const CODE: u16 = $code;
            const ANSWER_CODE: u16 = $answer_code;
            type Answer = ConnectResult;

            fn encode(&self, out: &mut impl BufMut) {
                self.0.put(out);
            }

            fn decode(payload: &[u8]) -> Result<Self, Error> {
                UserAuth::take(concat!("K", $code), payload).map(Self)
            }

            fn encode_answer(answer: &ConnectResult, out: &mut impl BufMut) {
                out.put_slice(answer.raw().as_bytes());
            }

            fn decode_answer(payload: &[u8]) -> Result<ConnectResult, Error> {
                ConnectResult::parse_as(concat!("K", $answer_code), payload)
            }
        }
    };
}

user_auth! {
    /// K10006: [`UserAuth`] for doorbells. K10007 answers JSON, as K10003.
    ConnectDoorbellUserAuth = 10006, 10007
}
user_auth! {
    /// K10008: [`UserAuth`] for other models. K10009 answers JSON, as K10003.
    ConnectUserAuth = 10008, 10009
}
