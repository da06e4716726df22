//! What every command is, with and without its type.

use alloc::vec::Vec;

use bytes::BufMut;

use crate::{CAMERA_VERSION, CLIENT_VERSION, Error, HlMessage};

/// A command to the camera and its answer, for both sides.
///
/// A new command is a type with this trait; whoever sends it needs only [`Request`]. Payloads do not
/// contain the HL header. Each implementation draws its layout, and states the range of each field in
/// its type: what can be built can be sent.
pub trait Command: Sized {
    /// The code of the request: even (commands.md).
    const CODE: u16;
    /// The code of the answer.
    const ANSWER_CODE: u16 = Self::CODE + 1;
    /// What the camera answers.
    type Answer;

    /// Client: writes the request's payload.
    ///
    /// Panics as [`BufMut`] does when the buffer is full; a `Vec` never is.
    fn encode(&self, out: &mut impl BufMut);

    /// Camera: reads the request's payload.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]; [`Error::Value`] or [`Error::Range`] for a value that the protocol does not have.
    fn decode(payload: &[u8]) -> Result<Self, Error>;

    /// Camera: writes the answer's payload.
    ///
    /// Panics as [`BufMut`] does when the buffer is full; a `Vec` never is.
    fn encode_answer(answer: &Self::Answer, out: &mut impl BufMut);

    /// Client: reads the answer's payload.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`], [`Error::Value`], and for JSON what
    /// [`JsonDocument::parse`](crate::JsonDocument::parse) says.
    fn decode_answer(payload: &[u8]) -> Result<Self::Answer, Error>;

    /// Camera: reads a request.
    ///
    /// # Errors
    ///
    /// [`Error::Code`] for another command, and as [`decode`](Self::decode).
    fn from_message(message: &HlMessage<'_>) -> Result<Self, Error> {
        Self::decode(message.expect_code(Self::CODE)?)
    }

    /// Client: reads an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Code`] for the answer to another command, and as [`decode_answer`](Self::decode_answer).
    fn answer_from_message(message: &HlMessage<'_>) -> Result<Self::Answer, Error> {
        Self::decode_answer(message.expect_code(Self::ANSWER_CODE)?)
    }

    /// Camera: the answer as an HL message, version [`CAMERA_VERSION`].
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    fn answer_to_hl(answer: &Self::Answer) -> Result<Vec<u8>, Error> {
        let mut payload = Vec::new();
        Self::encode_answer(answer, &mut payload);
        HlMessage {
            version: CAMERA_VERSION,
            code: Self::ANSWER_CODE,
            payload: &payload,
        }
        .to_vec()
    }
}

/// A request without its type: what a session keeps until the answer comes.
///
/// One request per code may be on its way at a time; it is repeated every second until the answer,
/// whose code is one more, comes (wire.md section 9). The clock for that is the session's.
///
/// ```
/// use hl_ioctl::commands::{MediaControl, Media, SetAnswer, Switch};
/// use hl_ioctl::{Command, HlMessage, Request};
///
/// let request = Request::from(&MediaControl { media: Media::Video, switch: Switch::On });
/// let sent = request.to_hl()?;
/// # let got = MediaControl::answer_to_hl(&SetAnswer::Done)?;
/// // … `got` comes back …
/// let message = HlMessage::parse(&got)?;
/// assert!(request.is_answered_by(&message));
/// assert_eq!(MediaControl::answer_from_message(&message)?, SetAnswer::Done);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The code.
    pub code: u16,
    /// The payload, without the HL header.
    pub payload: Vec<u8>,
}

impl Request {
    /// The code of the answer: one more.
    #[must_use]
    pub fn answer_code(&self) -> u16 {
        self.code.wrapping_add(1)
    }

    /// Whether this message is the answer.
    #[must_use]
    pub fn is_answered_by(&self, message: &HlMessage<'_>) -> bool {
        message.code == self.answer_code()
    }

    /// The request as an HL message, version [`CLIENT_VERSION`].
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a payload over [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn to_hl(&self) -> Result<Vec<u8>, Error> {
        HlMessage {
            version: CLIENT_VERSION,
            code: self.code,
            payload: &self.payload,
        }
        .to_vec()
    }
}

impl<C: Command> From<&C> for Request {
    fn from(command: &C) -> Self {
        let mut payload = Vec::new();
        command.encode(&mut payload);
        Self {
            code: C::CODE,
            payload,
        }
    }
}
