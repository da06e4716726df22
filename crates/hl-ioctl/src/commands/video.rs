//! K10050, K10052 and K10056: resolution, bitrate and frame rate.

use alloc::vec::Vec;
use core::num::{NonZeroU8, NonZeroU16};

use bytes::BufMut as _;
use serde_json::Value;

use super::{Bitrate, Resolution, SetAnswer, Switch};
use crate::json::object;
use crate::layout::{Payload, Reader, Scalar, ToJson, command, layout};

/// K10051: the video parameters.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 2 | bitrate, u16, kB/s |
/// | 18 | 1 | resolution code + 1 |
/// | 19 | 1 | frames per second |
/// | 20 | 1 | horizontal flip: 1 on, 2 off |
/// | 21 | 1 | vertical flip: 1 on, 2 off |
///
/// The camera may report values that cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoParameters {
    /// The bitrate in kB/s.
    pub bitrate: u16,
    /// The resolution code + 1; see [`picture_size`](Self::picture_size).
    pub resolution: u8,
    /// Frames per second.
    pub fps: u8,
    /// 1 on, 2 off.
    pub horizontal_flip: u8,
    /// 1 on, 2 off.
    pub vertical_flip: u8,
}

impl VideoParameters {
    /// Returns the resolution if it is a known one.
    #[must_use]
    pub fn picture_size(&self) -> Option<Resolution> {
        Resolution::from_number(self.resolution.into())
    }
}

impl Payload for VideoParameters {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u16_le(self.bitrate);
        out.put_u8(self.resolution);
        out.put_u8(self.fps);
        out.put_u8(self.horizontal_flip);
        out.put_u8(self.vertical_flip);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, crate::Error> {
        let mut reader = Reader::new(what, SetVideoParameters::SIZE, payload);
        Ok(Self {
            bitrate: reader.value("bitrate")?,
            resolution: reader.value("resolution")?,
            fps: reader.value("fps")?,
            horizontal_flip: reader.value("horizontal_flip")?,
            vertical_flip: reader.value("vertical_flip")?,
        })
    }
}

impl ToJson for VideoParameters {
    fn json(&self) -> Value {
        let name = |kind: crate::schema::Kind, byte: u8| Some(kind.json(byte.into()));
        object([
            ("bitrate", Some(self.bitrate.into())),
            ("resolution", name(Resolution::KIND, self.resolution)),
            ("fps", Some(self.fps.into())),
            ("horizontal_flip", name(Switch::KIND, self.horizontal_flip)),
            ("vertical_flip", name(Switch::KIND, self.vertical_flip)),
        ])
    }
}

layout! {
    /// K10052: sets the video parameters of cameras with
    /// [`CommandSet::Legacy`](crate::CommandSet::Legacy). `None`, a zero, leaves a value unchanged.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 2 | bitrate, u16, kB/s |
    /// | 18 | 1 | resolution code + 1 (likely, but not verified) |
    /// | 19 | 1 | frames per second |
    /// | 20 | 1 | horizontal flip: 1 on, 2 off |
    /// | 21 | 1 | vertical flip: 1 on, 2 off |
    #[derive(Default)]
    pub struct SetVideoParameters {
        /// The bitrate.
        pub bitrate: Option<Bitrate>,
        /// The resolution.
        pub resolution: Option<Resolution>,
        /// Frames per second.
        pub fps: Option<NonZeroU8>,
        /// Mirrors the picture horizontally.
        pub horizontal_flip: Option<Switch>,
        /// Mirrors the picture vertically.
        pub vertical_flip: Option<Switch>,
    }
}
command!(SetVideoParameters = 10052: SetAnswer);

layout! {
    /// K10056: sets resolution, bitrate and frame rate of all other cameras.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | resolution code + 1 |
    /// | 17 | 2 | bitrate, u16, kB/s |
    /// | 19 | 2 | frames per second, u16; 0 leaves it to the camera. May be missing |
    pub struct SetResolution {
        /// The resolution.
        pub resolution: Resolution,
        /// The bitrate.
        pub bitrate: Bitrate,
        /// Frames per second.
        pub fps: Option<NonZeroU16>,
    }
    missing 3
}
command!(SetResolution = 10056: SetAnswer);
