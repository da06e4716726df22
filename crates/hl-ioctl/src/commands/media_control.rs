//! K10010: media on and off.

use super::{SetAnswer, Switch};
use crate::layout::{command, layout, named};

layout! {
    /// K10010: switches one kind of media on or off.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | media |
    /// | 17 | 1 | 1 on, 2 off |
    ///
    /// [`Media::ReturnAudio`] opens the backchannel (docs/protocol.md, section 16).
    pub struct MediaControl {
        /// The kind of media.
        pub media: Media,
        /// On or off.
        pub switch: Switch,
    }
}
command!(MediaControl = 10010, 10011: SetAnswer);

named! {
    /// A kind of media.
    pub enum Media {
        /// 1.
        Video = 1 "video",
        /// 2.
        Audio = 2 "audio",
        /// 3: audio to the camera.
        ReturnAudio = 3 "return-audio",
        /// 4.
        RawData = 4 "raw-data",
    }
}
