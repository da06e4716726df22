//! Pan and tilt: by degrees, by steps and to a position.

use super::SetAnswer;
use crate::layout::{command, layout, named, number, value};

layout! {
    /// K11000: pans and tilts by some degrees.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 2 | horizontal, i16: -128 to 127 degrees |
    /// | 18 | 2 | vertical, i16: -128 to 127 degrees |
    /// | 20 | 1 | speed: 5; ignored when read |
    ///
    /// The direction of the sign is not known. The simulated camera moves right and up for positive
    /// angles.
    pub struct PanTiltByDegrees {
        /// The pan angle.
        pub horizontal: RelativeAngle,
        /// The tilt angle.
        pub vertical: RelativeAngle,
    }
    then [5_u8]
}
command!(PanTiltByDegrees = 11000: SetAnswer);

number! {
    /// A relative angle, -128 to 127 degrees. Firmware accepts no other values.
    pub struct RelativeAngle(i16): "degrees", -128 to 127, "degrees";
}

layout! {
    /// K11002: pans and tilts by one step.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 left, 2 right, 0 none |
    /// | 17 | 1 | 1 up, 2 down, 0 none |
    /// | 18 | 1 | speed: 5; ignored when read |
    pub struct PanTiltByStep {
        /// The pan direction.
        pub horizontal: PanDirection,
        /// The tilt direction.
        pub vertical: TiltDirection,
    }
    then [5_u8]
}
command!(PanTiltByStep = 11002: SetAnswer);

named! {
    /// The direction of a pan step.
    pub enum PanDirection {
        /// 1.
        Left = 1 "left",
        /// 2.
        Right = 2 "right",
        /// 0.
        None = 0 "none",
    }
}

named! {
    /// The direction of a tilt step.
    pub enum TiltDirection {
        /// 1.
        Up = 1 "up",
        /// 2.
        Down = 2 "down",
        /// 0.
        None = 0 "none",
    }
}

value! {
    /// K11006: reads the position. The payload is a timestamp of unknown kind, u32.
    #[derive(Copy, Default)]
    GetPosition(pub u32) = 11006: Position;
}

layout! {
    /// K11007: the position.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | u32; the simulated camera repeats the timestamp of the request |
    /// | 20 | 1 | vertical, degrees |
    /// | 21 | 2 | horizontal, u16, degrees |
    ///
    /// The camera may report a position that cannot be set.
    pub struct Position {
        /// The timestamp.
        pub time: u32,
        /// The tilt angle in degrees.
        pub vertical: u8,
        /// The pan angle in degrees.
        pub horizontal: u16,
    }
}

layout! {
    /// K11018: moves to a position.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | Unix milliseconds modulo 10⁹, u32 |
    /// | 20 | 1 | vertical: 0 to 40 degrees |
    /// | 21 | 2 | horizontal, u16: 0 to 350 degrees |
    pub struct PanTiltTo {
        /// The time of the request.
        pub milliseconds: Milliseconds,
        /// The tilt angle.
        pub vertical: TiltAngle,
        /// The pan angle.
        pub horizontal: PanAngle,
    }
}
command!(PanTiltTo = 11018: SetAnswer);

layout! {
    /// The position in [`PanTiltTo`], without the time.
    pub struct PanTiltTarget {
        /// The tilt angle.
        pub vertical: TiltAngle,
        /// The pan angle.
        pub horizontal: PanAngle,
    }
}

number! {
    /// A tilt angle, 0 to 40 degrees.
    pub struct TiltAngle(u8): "vertical", 0 to 40, "degrees";
}

number! {
    /// A pan angle, 0 to 350 degrees.
    pub struct PanAngle(u16): "horizontal", 0 to 350, "degrees";
}

number! {
    /// A time in milliseconds modulo 10⁹.
    pub struct Milliseconds(u32): "milliseconds", 0 to 999999999, "milliseconds";
}

impl Milliseconds {
    /// Converts a time in Unix milliseconds.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        // The remainder always fits.
        Self(u32::try_from(millis % 1_000_000_000).unwrap_or_default())
    }
}
