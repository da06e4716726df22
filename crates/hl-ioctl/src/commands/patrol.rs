//! The patrol of a pan-tilt camera.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::BufMut as _;
use serde_json::Value;

use super::{PanAngle, SetAnswer, TiltAngle};
use crate::Error;
use crate::layout::{FromText, Payload, Reader, ToJson, argument, layout, number, scalar, value};
use crate::schema::{SEPARATOR, Values};

/// The largest number of patrol points. Their count is one byte on the wire.
pub const MAX_PATROL_POINTS: usize = 255;

value! {
    /// K11012: sets the patrol points.
    SetPatrolPoints(pub PatrolPoints) = 11012: SetAnswer;
}

/// The points of a patrol in their order, at most [`MAX_PATROL_POINTS`].
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | n |
/// | 17 | 4 n | points: [`PatrolPoint`] |
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PatrolPoints {
    count: u8,
    points: Vec<PatrolPoint>,
}

layout! {
    /// A patrol point.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 0 | 1 | vertical: 0 to 40 degrees |
    /// | 1 | 2 | horizontal, u16: 0 to 350 degrees |
    /// | 3 | 1 | dwell time: 10 to 255 seconds |
    pub struct PatrolPoint {
        /// The tilt angle.
        pub vertical: TiltAngle,
        /// The pan angle.
        pub horizontal: PanAngle,
        /// The dwell time.
        pub seconds: DwellSeconds,
    }
}

number! {
    /// The time that a patrol stays at a point, 10 to 255 seconds.
    pub struct DwellSeconds(u8): "seconds", 10 to 255, "seconds";
}

impl PatrolPoints {
    /// Creates a patrol.
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

impl Payload for PatrolPoints {
    fn write(&self, out: &mut Vec<u8>) {
        out.put_u8(self.count);
        for point in &self.points {
            point.write(out);
        }
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let count = payload.first().copied().unwrap_or_default();
        let size = 1 + usize::from(count) * PatrolPoint::SIZE;
        let mut reader = Reader::new(what, size, payload);
        let count: u8 = reader.value(what)?;
        let points = (0..count)
            .map(|_| PatrolPoint::read_from(&mut reader))
            .collect::<Result<_, _>>()?;
        Ok(Self { count, points })
    }
}

impl ToJson for PatrolPoints {
    fn json(&self) -> Value {
        self.points.iter().map(ToJson::json).collect()
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
