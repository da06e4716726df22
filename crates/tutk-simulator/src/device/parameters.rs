//! The state as numbered parameters, for K10020.

use serde_json::{Map, Value};

use super::state::DeviceState;
use hl_ioctl::Scalar;

impl DeviceState {
    /// Returns the payload of K10021: the requested parameters that this camera has, as an object
    /// of texts by id.
    ///
    /// The ids of real cameras are not known. The simulated camera has:
    ///
    /// | id | parameter |
    /// |---|---|
    /// | 1 to 3 | bitrate in kB/s, resolution code, frames per second |
    /// | 4, 5 | horizontal and vertical flip |
    /// | 6 to 8 | status light, night vision, infrared light |
    /// | 9, 10 | on-screen time and logo |
    /// | 11, 12 | motion alarm, its sensitivity |
    /// | 13, 14 | motion tagging, motion tracking |
    /// | 15 | time zone in hours |
    /// | 16 | 1 awake, 2 asleep |
    /// | 17, 18 | RTSP server, file server |
    /// | 19 | night switch point |
    /// | 20, 21 | siren, light with the siren |
    /// | 22, 23 | spotlight, floodlight |
    /// | 24, 25 | vertical and horizontal position in degrees |
    /// | 26, 27 | patrol, number of its points |
    #[must_use]
    pub fn parameters(&self, ids: &[u8]) -> Value {
        ids.iter()
            .filter_map(|&id| Some((id.to_string(), self.parameter(id)?.to_string().into())))
            .collect::<Map<_, _>>()
            .into()
    }

    fn parameter(&self, id: u8) -> Option<i64> {
        Some(match id {
            1 => self.video.bitrate.number(),
            2 => self.video.resolution.code().into(),
            3 => self.video.fps.into(),
            4 => self.video.horizontal_flip.number(),
            5 => self.video.vertical_flip.number(),
            6 => self.status_light.number(),
            7 => self.night_vision.number(),
            8 => self.infrared_light.number(),
            9 => self.on_screen_time.number(),
            10 => self.on_screen_logo.number(),
            11 => self.motion_alarm.alarm.number(),
            12 => self.motion_alarm.sensitivity.into(),
            13 => self.motion_tagging.number(),
            14 => self.motion_tracking.number(),
            15 => self.time_zone.into(),
            16 => self.power.number(),
            17 => self.rtsp_server.number(),
            18 => self.file_server.number(),
            19 => self.night_switch_point.number(),
            20 => self.siren.siren.number(),
            21 => self.siren.light.number(),
            22 => self.spotlight.number(),
            23 => self.floodlight.number(),
            24 => self.vertical.into(),
            25 => self.horizontal.into(),
            26 => self.patrol.number(),
            27 => self.patrol_points.points().len().try_into().ok()?,
            _ => return None,
        })
    }
}
