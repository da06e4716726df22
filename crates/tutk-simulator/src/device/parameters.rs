//! The state as numbered parameters, for K10020.

use alloc::string::ToString as _;
use serde_json::{Map, Value};

use super::state::DeviceState;
use hl_ioctl::Scalar;
use hl_ioctl::commands::Parameter;

impl DeviceState {
    /// Returns the payload of K10021: the requested parameters whose meaning is known
    /// ([`Parameter`]), as an object of texts by id.
    #[must_use]
    pub fn parameters(&self, ids: &[u8]) -> Value {
        ids.iter()
            .filter_map(|&id| {
                let parameter = Parameter::from_number(id.into())?;
                Some((
                    id.to_string(),
                    self.parameter(parameter)?.to_string().into(),
                ))
            })
            .collect::<Map<_, _>>()
            .into()
    }

    fn parameter(&self, parameter: Parameter) -> Option<i64> {
        Some(match parameter {
            Parameter::StatusLight => self.status_light.number(),
            Parameter::NightVision => self.night_vision.number(),
            Parameter::Bitrate => self.video.bitrate.number(),
            Parameter::Resolution => self.video.resolution.number(),
            Parameter::Fps => self.video.fps.into(),
            Parameter::HorizontalFlip => self.video.horizontal_flip.number(),
            Parameter::VerticalFlip => self.video.vertical_flip.number(),
            Parameter::MotionAlarm => self.motion_alarm.alarm.number(),
            Parameter::MotionTagging => self.motion_tagging.number(),
            Parameter::TimeZone => self.time_zone.into(),
            Parameter::MotionTracking => self.motion_tracking.number(),
            Parameter::InfraredLight => self.infrared_light.number(),
            _ => return None,
        })
    }
}
