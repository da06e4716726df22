//! K10010: media on and off.

use bytes::BufMut;
use nom::number::complete::u8;

use super::values::decode_set_answer;
use super::{SetAnswer, Switch};
use crate::wire::parse;
use crate::{Command, Error, HEADER_SIZE};

/// K10010: switches one kind of media on or off. K10011 answers with one byte.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | media: 1 video, 2 audio, 3 return audio, 4 raw data |
/// | 17 | 1 | 1 on, 2 off |
///
/// Return audio is this side's voice to the camera: it opens the backchannel (wire.md section 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MediaControl {
    /// What to switch.
    pub media: Media,
    /// On or off.
    pub switch: Switch,
}

/// A kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Media {
    /// 1.
    Video,
    /// 2.
    Audio,
    /// 3: audio to the camera.
    ReturnAudio,
    /// 4.
    RawData,
}

impl Media {
    /// The byte on the wire.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Video => 1,
            Self::Audio => 2,
            Self::ReturnAudio => 3,
            Self::RawData => 4,
        }
    }
}

impl TryFrom<u8> for Media {
    type Error = Error;

    fn try_from(byte: u8) -> Result<Self, Error> {
        match byte {
            1 => Ok(Self::Video),
            2 => Ok(Self::Audio),
            3 => Ok(Self::ReturnAudio),
            4 => Ok(Self::RawData),
            _ => Err(Error::Value {
                field: "K10010 media",
                offset: HEADER_SIZE,
                allowed: "1 (video), 2 (audio), 3 (return audio) or 4 (raw data)",
                got: byte.into(),
            }),
        }
    }
}

impl Command for MediaControl {
    const CODE: u16 = 10010;
    type Answer = SetAnswer;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.media.byte());
        out.put_u8(self.switch.byte());
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        let (media, switch) = parse("K10010", HEADER_SIZE, 2, payload, (u8, u8))?;
        Ok(Self {
            media: media.try_into()?,
            switch: Switch::from_byte("K10010 switch", 17, switch)?,
        })
    }

    fn encode_answer(answer: &SetAnswer, out: &mut impl BufMut) {
        out.put_u8(answer.byte());
    }

    fn decode_answer(payload: &[u8]) -> Result<SetAnswer, Error> {
        decode_set_answer("K10011", payload)
    }
}
