//! K10006 and K10008: the response to the challenge with a user id.

use core::fmt;

use alloc::vec::Vec;

use bytes::BufMut as _;

use super::{ConnectAuth, ConnectResult};
use crate::Error;
use crate::layout::{Payload, Reader, command, value_payload};

/// The longest user id in bytes. Its length is one byte on the wire.
pub const MAX_USER_ID: usize = 255;

/// K10006: [`UserAuth`] for doorbells. The answer, K10007, is JSON like K10003.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectDoorbellUserAuth(pub UserAuth);

command!(ConnectDoorbellUserAuth = 10006: ConnectResult);
value_payload!(ConnectDoorbellUserAuth(UserAuth));

/// K10008: [`UserAuth`] for other models. The answer, K10009, is JSON like K10003.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConnectUserAuth(pub UserAuth);

command!(ConnectUserAuth = 10008: ConnectResult);
value_payload!(ConnectUserAuth(UserAuth));

/// The response to the challenge with a user id.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 22 | as [`ConnectAuth`]; the id is the phone id |
/// | 38 | 1 | n: 1 to 255 |
/// | 39 | n | user id |
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserAuth {
    /// The response and the requested media.
    pub auth: ConnectAuth,
    /// The user.
    pub user_id: UserId,
}

impl Payload for UserAuth {
    fn write(&self, out: &mut Vec<u8>) {
        self.auth.write(out);
        out.put_u8(self.user_id.size);
        out.put_slice(&self.user_id.bytes);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let size = payload.get(ConnectAuth::SIZE).copied().unwrap_or_default();
        let needed = ConnectAuth::SIZE + 1 + usize::from(size);
        let mut reader = Reader::new(what, needed, payload);
        let auth = ConnectAuth::read_from(&mut reader)?;
        let size: u8 = reader.value("length of the user id")?;
        Ok(Self {
            auth,
            user_id: UserId::new(reader.bytes(size.into())?)?,
        })
    }
}

/// The id of a user's account, 1 to [`MAX_USER_ID`] bytes. It is redacted in `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserId {
    size: u8,
    bytes: Vec<u8>,
}

impl UserId {
    /// Creates a user id.
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

    /// The bytes.
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
