//! Which model wants which of two commands (commands.md; wire.md section 13).
//!
//! A model that is not given, or not known, is taken for one of the many.

use core::num::{NonZeroU8, NonZeroU16};

use crate::Request;
use crate::commands::{
    Bitrate, Resolution, SetMotionAlarm, SetMotionAlarmLegacy, SetResolution, SetVideoParameters,
    Switch,
};

/// Models that want K10052 instead of K10056.
pub const VIDEO_PARAMETERS: &[&str] = &["WYZEDB3", "WVOD1", "HL_WCO2", "WYZEC1"];

/// Models that want K10202 instead of K10206: the same four.
pub const MOTION_ALARM_LEGACY: &[&str] = VIDEO_PARAMETERS;

/// Doorbells that speak TUTK: they want K10006 instead of K10008.
pub const DOORBELLS: &[&str] = &["WYZEDB3", "HL_DB2"];

/// Outdoor cameras, which have a battery.
pub const OUTDOOR: &[&str] = &["WVOD1", "HL_WCO2"];

/// Models with a picture of 2K, and the code 3 for it.
pub const TWO_K: &[&str] = &["HL_CAM3P", "HL_PANP", "HL_CAM4", "HL_DB2"];

/// Models with a picture of 2K, and the code 4 for it.
pub const TWO_K_ALTERNATE: &[&str] = &["HL_CFL2", "HL_BC"];

/// Whether the model is one of these.
#[must_use]
pub fn is_one_of(model: Option<&str>, models: &[&str]) -> bool {
    model.is_some_and(|model| models.contains(&model))
}

/// The best picture that the model has.
#[must_use]
pub fn best_resolution_for_model(model: Option<&str>) -> Resolution {
    if is_one_of(model, TWO_K_ALTERNATE) {
        Resolution::TwoKAlternate
    } else if is_one_of(model, TWO_K) {
        Resolution::TwoK
    } else {
        Resolution::P1080
    }
}

/// K10052 or K10056, as the model wants it, with the model's own code for 2K.
///
/// Without `fps` the frame rate stays as it is.
#[must_use]
pub fn video_for_model(
    model: Option<&str>,
    resolution: Resolution,
    bitrate: Bitrate,
    fps: Option<NonZeroU8>,
) -> Request {
    let resolution = match resolution {
        Resolution::TwoK if is_one_of(model, TWO_K_ALTERNATE) => Resolution::TwoKAlternate,
        other => other,
    };
    if is_one_of(model, VIDEO_PARAMETERS) {
        Request::from(&SetVideoParameters {
            resolution: Some(resolution),
            bitrate: Some(bitrate),
            fps,
            ..SetVideoParameters::default()
        })
    } else {
        Request::from(&SetResolution {
            resolution,
            bitrate,
            fps: fps.map(NonZeroU16::from),
        })
    }
}

/// K10202 or K10206, as the model wants it.
#[must_use]
pub fn motion_alarm_for_model(model: Option<&str>, alarm: Switch) -> Request {
    if is_one_of(model, MOTION_ALARM_LEGACY) {
        Request::from(&SetMotionAlarmLegacy { alarm })
    } else {
        Request::from(&SetMotionAlarm { alarm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_picture_goes_by_the_model() {
        for (model, resolution) in [
            (None, Resolution::P1080),
            (Some("WYZEC1-JZ"), Resolution::P1080),
            (Some("HL_CAM4"), Resolution::TwoK),
            (Some("HL_DB2"), Resolution::TwoK),
            (Some("HL_CFL2"), Resolution::TwoKAlternate),
            (Some("HL_BC"), Resolution::TwoKAlternate),
        ] {
            assert_eq!(best_resolution_for_model(model), resolution, "{model:?}");
        }
    }
}
