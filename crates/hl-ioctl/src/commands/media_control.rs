//! K10010: media on and off.

use super::{SetAnswer, Switch};
use crate::layout::{Scalar, command, layout, named};
use crate::{Error, HEADER_SIZE};

layout! {
    /// K10010: switches one kind of media on or off. K10011 answers with one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | media: 1 video, 2 audio, 3 return audio, 4 raw data |
    /// | 17 | 1 | 1 on, 2 off |
    ///
    /// Return audio is this side's voice to the camera: it opens the backchannel (wire.md section 11).
    pub struct MediaControl {
        /// What to switch.
        pub media: Media,
        /// On or off.
        pub switch: Switch,
    }
}
command!(MediaControl = 10010, 10011: SetAnswer);

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

named!(Media: Video = 1 "video", Audio = 2 "audio", ReturnAudio = 3 "return-audio", RawData = 4 "raw-data");

impl TryFrom<u8> for Media {
    type Error = Error;

    fn try_from(byte: u8) -> Result<Self, Error> {
        Self::from_number(byte.into()).ok_or(Error::Value {
            field: "media",
            offset: HEADER_SIZE,
            allowed: Self::ALLOWED,
            got: byte.into(),
        })
    }
}
