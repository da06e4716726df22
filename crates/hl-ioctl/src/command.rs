//! The [`Command`] trait, and requests without their type.

use alloc::vec::Vec;

use crate::{CAMERA_VERSION, CLIENT_VERSION, Error, HlMessage};

/// A command to the camera and its answer, for both sides.
///
/// Payloads do not contain the HL header. The types hold only values that the protocol has, so
/// every value can be sent.
pub trait Command: Sized {
    /// The code of the request.
    const CODE: u16;
    /// The code of the answer.
    const ANSWER_CODE: u16 = Self::CODE + 1;
    /// The camera's answer.
    type Answer;

    /// Client: appends the payload of the request.
    fn encode(&self, out: &mut Vec<u8>);

    /// Camera: parses the payload of a request.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`]. [`Error::Value`] or [`Error::Range`] for a value that the protocol
    /// does not have.
    fn decode(payload: &[u8]) -> Result<Self, Error>;

    /// Camera: appends the payload of the answer.
    fn encode_answer(answer: &Self::Answer, out: &mut Vec<u8>);

    /// Client: parses the payload of the answer.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`], [`Error::Value`], and for JSON the errors of
    /// [`JsonDocument::decode`](crate::JsonDocument::decode).
    fn decode_answer(payload: &[u8]) -> Result<Self::Answer, Error>;

    /// Camera: parses a request.
    ///
    /// # Errors
    ///
    /// [`Error::Code`] for another command, and the errors of [`decode`](Self::decode).
    fn from_message(message: &HlMessage<'_>) -> Result<Self, Error> {
        Self::decode(message.expect_code(Self::CODE)?)
    }

    /// Client: parses an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Code`] for the answer to another command, and the errors of
    /// [`decode_answer`](Self::decode_answer).
    fn answer_from_message(message: &HlMessage<'_>) -> Result<Self::Answer, Error> {
        Self::decode_answer(message.expect_code(Self::ANSWER_CODE)?)
    }

    /// Camera: returns the answer as an HL message with version [`CAMERA_VERSION`].
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

/// The codes of the commands that cameras never answer (docs/protocol.md, section 18). They are
/// complete when they are sent and acknowledged.
pub const UNANSWERED: [u16; 2] = [11000, 11004];

/// A request without its type. A session keeps it until the answer arrives.
///
/// Only one request per code may be outstanding. The session repeats it every second until its
/// answer arrives, whose code is one higher (docs/protocol.md, section 13).
/// [`expects_answer`](Self::expects_answer) names the exceptions.
///
/// ```
/// use hl_ioctl::commands::{MediaControl, Media, SetAnswer, Switch};
/// use hl_ioctl::{Command, HlMessage, Request};
///
/// let request = Request::from(&MediaControl { media: Media::Video, switch: Switch::On });
/// let sent = request.to_hl()?;
/// # let received = MediaControl::answer_to_hl(&SetAnswer::Done)?;
/// // … `received` arrives …
/// let message = HlMessage::parse(&received)?;
/// assert!(request.is_answered_by(&message));
/// assert_eq!(MediaControl::answer_from_message(&message)?, SetAnswer::Done);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// The code.
    pub code: u16,
    /// The payload without the HL header.
    pub payload: Vec<u8>,
}

impl Request {
    /// Returns the code of the answer.
    #[must_use]
    pub fn answer_code(&self) -> u16 {
        self.code.wrapping_add(1)
    }

    /// Returns `false` for the commands that cameras never answer: [`UNANSWERED`].
    #[must_use]
    pub fn expects_answer(&self) -> bool {
        !UNANSWERED.contains(&self.code)
    }

    /// Returns `true` if the message is the answer.
    #[must_use]
    pub fn is_answered_by(&self, message: &HlMessage<'_>) -> bool {
        message.code == self.answer_code()
    }

    /// Returns the request as an HL message with version [`CLIENT_VERSION`].
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
