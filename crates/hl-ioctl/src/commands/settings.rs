//! The values of settings: media, lights, picture, motion detection and sound.

use super::{SetAnswer, Switch};
use crate::layout::{command, layout, named, number, value};

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
command!(MediaControl = 10010: SetAnswer);

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

named! {
    /// When the camera uses infrared.
    pub enum NightVision {
        /// 1: always.
        On = 1 "on",
        /// 2: never.
        Off = 2 "off",
        /// 3: when it is dark.
        Auto = 3 "auto",
    }
}

named! {
    /// The brightness at which [`NightVision::Auto`] switches.
    pub enum NightSwitchPoint {
        /// 1.
        Dusk = 1 "dusk",
        /// 2.
        Dark = 2 "dark",
    }
}

named! {
    /// An infrared light.
    pub enum InfraredLight {
        /// 1.
        LongRange = 1 "long-range",
        /// 2.
        ShortRange = 2 "short-range",
    }
}

layout! {
    /// K10201: the motion alarm.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | sensitivity |
    pub struct MotionAlarm {
        /// On or off.
        pub alarm: Switch,
        /// The sensitivity. Its scale is not known.
        pub sensitivity: u8,
    }
}

layout! {
    /// K10202: switches the motion alarm of cameras with
    /// [`CommandSet::Legacy`](crate::CommandSet::Legacy).
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | 0 |
    pub struct SetMotionAlarmLegacy {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarmLegacy = 10202: SetAnswer);

layout! {
    /// K10206: switches the motion alarm of all other cameras. The layout is that of
    /// [`SetMotionAlarmLegacy`].
    pub struct SetMotionAlarm {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarm = 10206: SetAnswer);

named! {
    /// The power state of an outdoor camera. The values are likely, but not verified.
    pub enum Power {
        /// 1.
        Wake = 1 "wake",
        /// 2.
        Sleep = 2 "sleep",
    }
}

layout! {
    /// The state of siren and light. The order of the two bytes is likely, but not verified.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | siren: 1 on, 2 off |
    /// | 17 | 1 | light: 1 on, 2 off |
    pub struct SirenAndLight {
        /// The siren.
        pub siren: Switch,
        /// The light.
        pub light: Switch,
    }
}

number! {
    /// The number of a doorbell's predefined message, 1 to 3.
    pub struct QuickMessage(u8): "K11635 message", 1 to 3, "(number of the message)";
}

value! {
    /// K10092: sets the clock.
    #[derive(Copy)]
    SetClock(pub UnixSeconds) = 10092: SetAnswer;
}

number! {
    /// A time in seconds since 1970.
    pub struct UnixSeconds(u32): "clock", 0 to 4294967295, "Unix seconds";
}

number! {
    /// A time zone in whole hours from UTC, -11 to 13.
    pub struct TimeZone(i8): "time zone", -11 to 13, "hours";
}
