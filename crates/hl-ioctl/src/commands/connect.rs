//! K10000, K10001 and K10002: connection request, challenge and response (docs/protocol.md, section
//! 14).

use alloc::vec::Vec;

use bytes::BufMut as _;

use super::ConnectResult;
use crate::layout::{Payload, Reader, command};
use crate::{ChallengeStatus, Error};

/// The payload of K10000 for real cameras: the audio codecs that the client accepts (G.711 µ-law
/// and A-law, PCM).
pub const AUDIO_ENCODER_LIST: &[u8] = br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#;

/// K10000: requests a challenge.
///
/// ```
/// use hl_ioctl::commands::{AUDIO_ENCODER_LIST, ConnectRequest};
/// use hl_ioctl::{HlMessage, Request};
///
/// let request = ConnectRequest { payload: AUDIO_ENCODER_LIST.to_vec() };
/// let bytes = Request::from(&request).to_hl()?;
/// assert_eq!(HlMessage::parse(&bytes)?.code, 10000);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ConnectRequest {
    /// The payload: [`AUDIO_ENCODER_LIST`], or nothing in the `summary` dialect.
    pub payload: Vec<u8>,
}

command!(ConnectRequest = 10000: Challenge);

impl Payload for ConnectRequest {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_slice(&self.payload);
    }

    fn read(_: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            payload: payload.to_vec(),
        })
    }
}

/// K10001: the camera's challenge.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | status |
/// | 17 | 16 | challenge |
///
/// If the status allows no response, the challenge may be missing. It is zero then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Challenge {
    /// The key of the expected response, or why the camera accepts none.
    pub status: ChallengeStatus,
    /// 16 random bytes.
    pub challenge: [u8; 16],
}

impl Challenge {
    /// The size of the payload in bytes.
    pub const SIZE: usize = 17;
}

impl Payload for Challenge {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(self.status.byte());
        out.put_slice(&self.challenge);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(what, Self::SIZE, payload);
        let status = ChallengeStatus::from_byte(reader.value("status")?);
        let challenge = match (status.answerable(), reader.array()) {
            (Ok(()), challenge) => challenge?,
            (Err(_), challenge) => challenge.unwrap_or_default(),
        };
        Ok(Self { status, challenge })
    }
}

/// K10002: the response to the challenge.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 16 | response: [`challenge_response`](crate::challenge_response) |
/// | 32 | 4 | id: 4 random bytes, or the first 4 bytes of the UID in the `summary` dialect |
/// | 36 | 1 | video: 1 on, 0 off |
/// | 37 | 1 | audio: 1 on, 0 off |
///
/// The value for off is not verified. Every value except 1 is read as off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectAuth {
    /// The response to the challenge.
    pub response: [u8; 16],
    /// The id of the client. Cameras are not known to check it.
    pub id: [u8; 4],
    /// Requests video.
    pub video: bool,
    /// Requests audio.
    pub audio: bool,
}

command!(ConnectAuth = 10002: ConnectResult);

impl ConnectAuth {
    /// The size of the payload in bytes.
    pub const SIZE: usize = 22;

    pub(super) fn read_from(reader: &mut Reader<'_>) -> Result<Self, Error> {
        Ok(Self {
            response: reader.array()?,
            id: reader.array()?,
            video: reader.value::<u8>("video")? == 1,
            audio: reader.value::<u8>("audio")? == 1,
        })
    }
}

impl Payload for ConnectAuth {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_slice(&self.response);
        out.put_slice(&self.id);
        out.put_u8(self.video.into());
        out.put_u8(self.audio.into());
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Self::read_from(&mut Reader::new(what, Self::SIZE, payload))
    }
}
