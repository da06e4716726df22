//! K10000, K10001 and K10002: the request to connect, the challenge, its answer.

use alloc::vec::Vec;

use bytes::BufMut;
use nom::Parser;
use nom::number::complete::u8;

use super::ConnectResult;
use crate::parse::{array, parse};
use crate::{ChallengeStatus, Command, Error, HEADER_SIZE};

/// K10000's payload in the field: the audio codecs that this side takes (G.711 µ-law and A-law, PCM).
pub const AUDIO_ENCODER_LIST: &[u8] = br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#;

/// K10000: a client asks for a challenge.
///
/// | at | size | field |
/// |---|---|---|
/// | 0 | 16 | HL header, code 10000 |
/// | 16 | | nothing (summary.md), or JSON ([`AUDIO_ENCODER_LIST`]; wire.md section 1) |
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ConnectRequest {
    /// The payload as it is on the wire.
    pub payload: Vec<u8>,
}

impl Command for ConnectRequest {
    const CODE: u16 = 10000;
    type Answer = Challenge;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.payload);
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            payload: payload.to_vec(),
        })
    }

    fn encode_answer(answer: &Challenge, out: &mut impl BufMut) {
        out.put_u8(answer.status.byte());
        out.put_slice(&answer.challenge);
    }

    fn decode_answer(payload: &[u8]) -> Result<Challenge, Error> {
        const WHAT: &str = "K10001";
        let status = parse(WHAT, HEADER_SIZE, Challenge::SIZE, payload, u8)?;
        let status = ChallengeStatus::from_byte(status);
        let challenge = parse(
            WHAT,
            HEADER_SIZE,
            Challenge::SIZE,
            payload,
            u8.and(array::<16>()).map(|(_, challenge)| challenge),
        );
        let challenge = match status.answerable() {
            Ok(()) => challenge?,
            Err(_) => challenge.unwrap_or_default(),
        };
        Ok(Challenge { status, challenge })
    }
}

/// K10001: the camera's challenge, 33 bytes with the header.
///
/// | at | size | field |
/// |---|---|---|
/// | 0 | 16 | HL header, code 10001, length 17 |
/// | 16 | 1 | status |
/// | 17 | 16 | challenge |
///
/// summary.md, phase 5; wire.md section 9. With a status that wants no answer the challenge may be
/// missing (whether cameras leave it out is not known), and is zeros then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Challenge {
    /// Which answer the camera wants, or why it wants none.
    pub status: ChallengeStatus,
    /// 16 random bytes.
    pub challenge: [u8; 16],
}

impl Challenge {
    /// Payload bytes.
    pub const SIZE: usize = 17;
}

/// K10002: the answer to the challenge, 38 bytes with the header.
///
/// | at | size | field |
/// |---|---|---|
/// | 0 | 16 | HL header, version always 5, code 10002, length 22 |
/// | 16 | 16 | response: [`answer`](crate::challenge_response) |
/// | 32 | 4 | id: first 4 bytes of the UID (summary.md), 4 random bytes (wire.md section 1) |
/// | 36 | 1 | video wanted: 1 (summary.md: "wake lock") |
/// | 37 | 1 | audio wanted: 1 (summary.md: "app type") |
///
/// What stands at 36 and 37 for "not wanted" is not sure; 0 is written, and everything but 1 read as it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectAuth {
    /// The answer to the challenge.
    pub response: [u8; 16],
    /// Who asks; cameras are not known to look at it.
    pub id: [u8; 4],
    /// Whether video is wanted.
    pub video: bool,
    /// Whether audio is wanted.
    pub audio: bool,
}

impl ConnectAuth {
    /// Payload bytes.
    pub const SIZE: usize = 22;
}

impl Command for ConnectAuth {
    const CODE: u16 = 10002;
    type Answer = ConnectResult;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(&self.response);
        out.put_slice(&self.id);
        out.put_u8(self.video.into());
        out.put_u8(self.audio.into());
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        let layout = (array::<16>(), array::<4>(), u8, u8);
        let (response, id, video, audio) =
            parse("K10002", HEADER_SIZE, Self::SIZE, payload, layout)?;
        Ok(Self {
            response,
            id,
            video: video == 1,
            audio: audio == 1,
        })
    }

    fn encode_answer(answer: &ConnectResult, out: &mut impl BufMut) {
        out.put_slice(answer.raw().as_bytes());
    }

    fn decode_answer(payload: &[u8]) -> Result<ConnectResult, Error> {
        ConnectResult::parse(payload)
    }
}
