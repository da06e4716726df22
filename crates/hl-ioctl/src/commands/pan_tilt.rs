//! Cameras that turn: by degrees, by steps, to a place, and on a patrol.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::BufMut;
use serde_json::Value;

use super::{SetAnswer, Switch};
use crate::Error;
use crate::layout::{
    Body, FromText, Reader, argument, command, fixed, layout, named, number, scalar, wrapped,
};
use crate::schema::{SEPARATOR, Values};

/// The most points of a patrol: their count is one byte. How many a camera takes is not known.
pub const MAX_PATROL_POINTS: usize = 255;

number! {
    /// An angle to turn by, -128 to 127 degrees: an i16 on the wire, of which firmware takes no more.
    pub struct RelativeAngle(i16): "degrees", -128 to 127, "degrees";
}

number! {
    /// How far up the camera looks, 0 to 40 degrees.
    pub struct TiltAngle(u8): "vertical", 0 to 40, "degrees";
}

number! {
    /// Where the camera looks, 0 to 350 degrees around.
    pub struct PanAngle(u16): "horizontal", 0 to 350, "degrees";
}

number! {
    /// How long a patrol stays at a point, 10 to 255 seconds.
    pub struct DwellSeconds(u8): "seconds", 10 to 255, "seconds";
}

number! {
    /// A time in milliseconds modulo 10⁹, as K11018 carries it.
    pub struct Milliseconds(u32): "milliseconds", 0 to 999999999, "milliseconds";
}

impl Milliseconds {
    /// The stamp of a time in Unix milliseconds.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        // Always less than 10⁹, so that nothing is lost.
        Self(u32::try_from(millis % 1_000_000_000).unwrap_or_default())
    }
}

layout! {
    /// K11000: turns by some degrees. K11001 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 2 | horizontal, i16: -128 to 127 degrees |
    /// | 18 | 2 | vertical, i16: -128 to 127 degrees |
    /// | 20 | 1 | speed: 5; not looked at when read |
    ///
    /// Which sign is which side is not known; the simulated camera turns right and up for what is positive.
    pub struct PanTiltByDegrees {
        /// To the side.
        pub horizontal: RelativeAngle,
        /// Up or down.
        pub vertical: RelativeAngle,
    }
    then [5_u8]
}
command!(PanTiltByDegrees = 11000, 11001: SetAnswer);

layout! {
    /// K11002: turns by one step. K11003 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 left, 2 right, 0 none |
    /// | 17 | 1 | 1 up, 2 down, 0 none |
    /// | 18 | 1 | speed: 5; not looked at when read |
    pub struct PanTiltByStep {
        /// To the side.
        pub horizontal: PanDirection,
        /// Up or down.
        pub vertical: TiltDirection,
    }
    then [5_u8]
}
command!(PanTiltByStep = 11002, 11003: SetAnswer);

/// A step to the side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PanDirection {
    /// 0.
    None,
    /// 1.
    Left,
    /// 2.
    Right,
}
named!(PanDirection: Left = 1 "left", Right = 2 "right", None = 0 "none");

/// A step up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TiltDirection {
    /// 0.
    None,
    /// 1.
    Up,
    /// 2.
    Down,
}
named!(TiltDirection: Up = 1 "up", Down = 2 "down", None = 0 "none");

fixed! {
    /// K11004: turns to the home position. K11005 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 3 |
    pub struct PanTiltHome = [3];
}
command!(PanTiltHome = 11004, 11005: SetAnswer);

wrapped! {
    /// K11006: asks where the camera looks. K11007 answers [`Position`].
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | a time, u32; of what kind is not known |
    #[derive(Copy, Default)]
    pub struct GetPosition(pub u32);
}
command!(GetPosition = 11006, 11007: Position);

layout! {
    /// K11007: where the camera looks.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | u32; the simulated camera says the request's time again |
    /// | 20 | 1 | vertical, degrees |
    /// | 21 | 2 | horizontal, u16, degrees |
    ///
    /// A camera may look where none can be sent: these are its own numbers.
    pub struct Position {
        /// The time.
        pub time: u32,
        /// Degrees.
        pub vertical: u8,
        /// Degrees.
        pub horizontal: u16,
    }
}

layout! {
    /// K11018: turns to a place. K11019 answers one byte.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 4 | the time, u32: Unix milliseconds modulo 10⁹ |
    /// | 20 | 1 | vertical: 0 to 40 degrees |
    /// | 21 | 2 | horizontal, u16: 0 to 350 degrees |
    pub struct PanTiltTo {
        /// When it is sent.
        pub milliseconds: Milliseconds,
        /// Up.
        pub vertical: TiltAngle,
        /// Around.
        pub horizontal: PanAngle,
    }
}
command!(PanTiltTo = 11018, 11019: SetAnswer);

layout! {
    /// Where to, without the time: what is typed for [`PanTiltTo`].
    pub struct PanTiltTarget {
        /// Up.
        pub vertical: TiltAngle,
        /// Around.
        pub horizontal: PanAngle,
    }
}

fixed! {
    /// K11010: asks for the points of the patrol; no payload. K11011 answers [`PatrolPoints`].
    pub struct GetPatrolPoints = [];
}
command!(GetPatrolPoints = 11010, 11011: PatrolPoints);

wrapped! {
    /// K11012: the points of the patrol.
    pub struct SetPatrolPoints(pub PatrolPoints);
}
command!(SetPatrolPoints = 11012, 11013: SetAnswer);

/// The points of a patrol, in its order; at most [`MAX_PATROL_POINTS`].
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | n |
/// | 17 | 4 n | the points: [`PatrolPoint`] |
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PatrolPoints {
    count: u8,
    points: Vec<PatrolPoint>,
}

layout! {
    /// A point of a patrol.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 0 | 1 | vertical: 0 to 40 degrees |
    /// | 1 | 2 | horizontal, u16: 0 to 350 degrees |
    /// | 3 | 1 | seconds to stay: 10 to 255 |
    pub struct PatrolPoint {
        /// Up.
        pub vertical: TiltAngle,
        /// Around.
        pub horizontal: PanAngle,
        /// How long to stay.
        pub seconds: DwellSeconds,
    }
}

impl PatrolPoints {
    /// A patrol of these points.
    ///
    /// # Errors
    ///
    /// [`Error::Range`] for more than [`MAX_PATROL_POINTS`].
    pub fn new(points: Vec<PatrolPoint>) -> Result<Self, Error> {
        let count = u8::try_from(points.len()).map_err(|_| Error::Range {
            what: "patrol points",
            allowed: "0 to 255 of them",
            got: i64::try_from(points.len()).unwrap_or(i64::MAX),
        })?;
        Ok(Self { count, points })
    }

    /// The points.
    #[must_use]
    pub fn points(&self) -> &[PatrolPoint] {
        &self.points
    }
}

impl Body for PatrolPoints {
    fn put(&self, out: &mut impl BufMut) {
        out.put_u8(self.count);
        for point in &self.points {
            point.put(out);
        }
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let count = payload.first().copied().unwrap_or_default();
        let size = 1 + usize::from(count) * PatrolPoint::SIZE;
        let mut reader = Reader::new(what, size, payload);
        let count: u8 = reader.value(what)?;
        let points = (0..count)
            .map(|_| PatrolPoint::read(&mut reader))
            .collect::<Result<_, _>>()?;
        Ok(Self { count, points })
    }

    fn json(&self) -> Value {
        self.points.iter().map(Body::json).collect()
    }
}

impl FromText for PatrolPoints {
    const VALUES: Values = Values::List {
        item: PatrolPoint::FIELDS,
        max_items: MAX_PATROL_POINTS,
    };

    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error> {
        let point = |text: &&str| {
            let mut parts = text.split(SEPARATOR);
            match [parts.next(), parts.next(), parts.next(), parts.next()] {
                [Some(vertical), Some(horizontal), Some(seconds), None] => Ok(PatrolPoint {
                    vertical: scalar(control, "vertical", vertical)?,
                    horizontal: scalar(control, "horizontal", horizontal)?,
                    seconds: scalar(control, "seconds", seconds)?,
                }),
                _ => Err(argument(control, "point", Self::VALUES.to_string(), text)),
            }
        };
        let points = texts.iter().map(point).collect::<Result<_, _>>()?;
        Self::new(points)
    }
}

fixed! {
    /// K11014: asks whether the camera patrols; no payload. K11015 answers 1 on, 2 off.
    pub struct GetPatrol = [];
}
command!(GetPatrol = 11014, 11015: Switch);

wrapped! {
    /// K11016: the camera goes from point to point.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetPatrol(pub Switch);
}
command!(SetPatrol = 11016, 11017: SetAnswer);
