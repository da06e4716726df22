//! K10052 and K10056: picture size, bitrate and frame rate, for two families of models.

use core::num::{NonZeroU8, NonZeroU16};

use bytes::BufMut;
use nom::number::complete::{le_u16, u8};

use super::values::decode_set_answer;
use super::{Bitrate, Resolution, SetAnswer, Switch};
use crate::wire::parse;
use crate::{Command, Error, HEADER_SIZE};

/// K10052: video parameters of WYZEDB3, WVOD1, HL_WCO2 and WYZEC1. `None`, a zero, leaves one as it is.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 2 | bitrate, u16, kB/s |
/// | 18 | 1 | resolution code + 1 |
/// | 19 | 1 | frames per second |
/// | 20 | 1 | horizontal flip: 1 on, 2 off |
/// | 21 | 1 | vertical flip: 1 on, 2 off |
///
/// commands.md says "one more" of the resolution for K10056 only. As zero leaves it as it is and 1080p
/// has the code 0, one more is the only reading by which all five can be set: likely, not sure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SetVideoParameters {
    /// Bitrate.
    pub bitrate: Option<Bitrate>,
    /// Picture size.
    pub resolution: Option<Resolution>,
    /// Frames per second.
    pub fps: Option<NonZeroU8>,
    /// Left and right changed over.
    pub horizontal_flip: Option<Switch>,
    /// Upside down.
    pub vertical_flip: Option<Switch>,
}

impl Command for SetVideoParameters {
    const CODE: u16 = 10052;
    type Answer = SetAnswer;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_u16_le(self.bitrate.map_or(0, Bitrate::get));
        out.put_u8(self.resolution.map_or(0, Resolution::wire));
        out.put_u8(self.fps.map_or(0, NonZeroU8::get));
        out.put_u8(self.horizontal_flip.map_or(0, Switch::byte));
        out.put_u8(self.vertical_flip.map_or(0, Switch::byte));
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        let layout = (le_u16, u8, u8, u8, u8);
        let (bitrate, resolution, fps, horizontal, vertical) =
            parse("K10052", HEADER_SIZE, 6, payload, layout)?;
        let flip = |field, offset, byte| match byte {
            0 => Ok(None),
            _ => Switch::from_byte(field, offset, byte).map(Some),
        };
        Ok(Self {
            bitrate: match bitrate {
                0 => None,
                _ => Some(Bitrate::from_wire(16, bitrate)?),
            },
            resolution: match resolution {
                0 => None,
                _ => Some(Resolution::from_wire(18, resolution)?),
            },
            fps: NonZeroU8::new(fps),
            horizontal_flip: flip("K10052 horizontal flip", 20, horizontal)?,
            vertical_flip: flip("K10052 vertical flip", 21, vertical)?,
        })
    }

    fn encode_answer(answer: &SetAnswer, out: &mut impl BufMut) {
        out.put_u8(answer.byte());
    }

    fn decode_answer(payload: &[u8]) -> Result<SetAnswer, Error> {
        decode_set_answer("K10053", payload)
    }
}

/// K10056: picture size, bitrate and frame rate of all other models. K10057 answers 1.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | resolution code + 1 |
/// | 17 | 2 | bitrate, u16, kB/s |
/// | 19 | 2 | frames per second, u16; 0 leaves it to the camera |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SetResolution {
    /// Picture size.
    pub resolution: Resolution,
    /// Bitrate.
    pub bitrate: Bitrate,
    /// Frames per second.
    pub fps: Option<NonZeroU16>,
}

impl Command for SetResolution {
    const CODE: u16 = 10056;
    type Answer = SetAnswer;

    fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.resolution.wire());
        out.put_u16_le(self.bitrate.get());
        out.put_u16_le(self.fps.map_or(0, NonZeroU16::get));
    }

    fn decode(payload: &[u8]) -> Result<Self, Error> {
        let layout = (u8, le_u16, le_u16);
        let (resolution, bitrate, fps) = parse("K10056", HEADER_SIZE, 5, payload, layout)?;
        Ok(Self {
            resolution: Resolution::from_wire(16, resolution)?,
            bitrate: Bitrate::from_wire(17, bitrate)?,
            fps: NonZeroU16::new(fps),
        })
    }

    fn encode_answer(answer: &SetAnswer, out: &mut impl BufMut) {
        out.put_u8(answer.byte());
    }

    fn decode_answer(payload: &[u8]) -> Result<SetAnswer, Error> {
        decode_set_answer("K10057", payload)
    }
}
