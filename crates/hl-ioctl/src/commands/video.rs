//! K10052 and K10056: picture size, bitrate and frame rate, for two families of models.

use core::num::{NonZeroU8, NonZeroU16};

use bytes::BufMut;
use nom::number::complete::{le_u16, u8};
use serde_json::Value;

use super::{Bitrate, Resolution, SetAnswer, Switch};
use crate::layout::{Arguments, Body, FromText, Scalar, command, fixed, object};
use crate::parse::parse;
use crate::schema::{Field, Values};
use crate::{Error, HEADER_SIZE};

fixed! {
    /// K10050: asks for the video parameters; no payload. K10051 answers [`VideoParameters`].
    pub struct GetVideoParameters = [];
}
command!(GetVideoParameters = 10050, 10051: VideoParameters);

/// K10051: the video parameters.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 2 | bitrate, u16, kB/s |
/// | 18 | 1 | resolution |
/// | 19 | 1 | frames per second |
/// | 20 | 1 | horizontal flip: 1 on, 2 off |
/// | 21 | 1 | vertical flip: 1 on, 2 off |
///
/// A camera may say what cannot be set, so these are its own numbers. That the resolution is the code
/// plus one, as in [`SetVideoParameters`], is this project's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoParameters {
    /// kB/s.
    pub bitrate: u16,
    /// See [`picture_size`](Self::picture_size).
    pub resolution: u8,
    /// Frames per second.
    pub fps: u8,
    /// 1 on, 2 off.
    pub horizontal_flip: u8,
    /// 1 on, 2 off.
    pub vertical_flip: u8,
}

impl VideoParameters {
    /// The resolution, if it is the code of one plus one.
    #[must_use]
    pub fn picture_size(&self) -> Option<Resolution> {
        Resolution::from_number(self.resolution.into())
    }
}

impl Body for VideoParameters {
    fn put(&self, out: &mut impl BufMut) {
        out.put_u16_le(self.bitrate);
        out.put_u8(self.resolution);
        out.put_u8(self.fps);
        out.put_u8(self.horizontal_flip);
        out.put_u8(self.vertical_flip);
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let layout = (le_u16, u8, u8, u8, u8);
        let (bitrate, resolution, fps, horizontal_flip, vertical_flip) =
            parse(what, HEADER_SIZE, 6, payload, layout)?;
        Ok(Self {
            bitrate,
            resolution,
            fps,
            horizontal_flip,
            vertical_flip,
        })
    }

    fn json(&self) -> Value {
        let flip = |byte: u8| Switch::KIND.json(byte.into());
        object([
            ("bitrate", Some(self.bitrate.into())),
            (
                "resolution",
                Some(Resolution::KIND.json(self.resolution.into())),
            ),
            ("fps", Some(self.fps.into())),
            ("horizontal_flip", Some(flip(self.horizontal_flip))),
            ("vertical_flip", Some(flip(self.vertical_flip))),
        ])
    }
}

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

command!(SetVideoParameters = 10052, 10053: SetAnswer);

impl Body for SetVideoParameters {
    fn put(&self, out: &mut impl BufMut) {
        out.put_u16_le(self.bitrate.map_or(0, Bitrate::get));
        out.put_u8(self.resolution.map_or(0, Resolution::wire));
        out.put_u8(self.fps.map_or(0, NonZeroU8::get));
        out.put_u8(self.horizontal_flip.map_or(0, Switch::byte));
        out.put_u8(self.vertical_flip.map_or(0, Switch::byte));
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let layout = (le_u16, u8, u8, u8, u8);
        let (bitrate, resolution, fps, horizontal, vertical) =
            parse(what, HEADER_SIZE, 6, payload, layout)?;
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

    fn json(&self) -> Value {
        object([
            ("bitrate", self.bitrate.map(Scalar::to_json)),
            ("resolution", self.resolution.map(Scalar::to_json)),
            ("fps", self.fps.map(Scalar::to_json)),
            ("horizontal_flip", self.horizontal_flip.map(Scalar::to_json)),
            ("vertical_flip", self.vertical_flip.map(Scalar::to_json)),
        ])
    }
}

const VIDEO_FIELDS: &[Field] = &[
    Field::optional("bitrate", Bitrate::KIND),
    Field::optional("resolution", Resolution::KIND),
    Field::optional("fps", NonZeroU8::KIND),
    Field::optional("horizontal_flip", Switch::KIND),
    Field::optional("vertical_flip", Switch::KIND),
];

impl FromText for SetVideoParameters {
    const VALUES: Values = Values::Fields(VIDEO_FIELDS);

    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error> {
        let mut arguments = Arguments::new(control, VIDEO_FIELDS, texts)?;
        Ok(Self {
            bitrate: arguments.optional()?,
            resolution: arguments.optional()?,
            fps: arguments.optional()?,
            horizontal_flip: arguments.optional()?,
            vertical_flip: arguments.optional()?,
        })
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

command!(SetResolution = 10056, 10057: SetAnswer);

impl Body for SetResolution {
    fn put(&self, out: &mut impl BufMut) {
        out.put_u8(self.resolution.wire());
        out.put_u16_le(self.bitrate.get());
        out.put_u16_le(self.fps.map_or(0, NonZeroU16::get));
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let layout = (u8, le_u16, le_u16);
        let (resolution, bitrate, fps) = parse(what, HEADER_SIZE, 5, payload, layout)?;
        Ok(Self {
            resolution: Resolution::from_wire(16, resolution)?,
            bitrate: Bitrate::from_wire(17, bitrate)?,
            fps: NonZeroU16::new(fps),
        })
    }

    fn json(&self) -> Value {
        let fps = self.fps.map(|fps| fps.get().into());
        object([
            ("resolution", Some(self.resolution.to_json())),
            ("bitrate", Some(self.bitrate.to_json())),
            ("fps", fps),
        ])
    }
}
