//! The commands for which camera models differ (docs/protocol.md, sections 18 and 19).

use core::fmt;
use core::num::{NonZeroU8, NonZeroU16};

use crate::Request;
use crate::commands::{
    Bitrate, Resolution, SetMotionAlarm, SetMotionAlarmLegacy, SetResolution, SetVideoParameters,
    Switch,
};

/// The commands and values that a camera model accepts.
///
/// The default fits most models: [`CommandSet::Current`] and 1080p.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommandProfile {
    /// The commands that set the video parameters and the motion alarm.
    pub command_set: CommandSet,
    /// The highest resolution, which also determines the model's code for 2K.
    pub max_resolution: Resolution,
}

impl Default for CommandProfile {
    fn default() -> Self {
        Self {
            command_set: CommandSet::Current,
            max_resolution: Resolution::P1080,
        }
    }
}

/// The commands that set the video parameters and the motion alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CommandSet {
    /// K10056 ([`SetResolution`]) and K10206 ([`SetMotionAlarm`]).
    #[default]
    Current,
    /// K10052 ([`SetVideoParameters`]) and K10202 ([`SetMotionAlarmLegacy`]).
    Legacy,
}

/// A group of camera models that share a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CameraGroup {
    /// The cameras with [`CommandSet::Legacy`].
    LegacyCommands,
    /// Outdoor cameras, which have a battery.
    Outdoor,
    /// Doorbells.
    Doorbell,
}

impl CommandProfile {
    /// Returns the request that sets resolution, bitrate and frame rate.
    ///
    /// [`Resolution::TwoK`] is sent with the model's own code for 2K. Without `fps` the frame rate
    /// does not change.
    #[must_use]
    pub fn set_video(
        &self,
        resolution: Resolution,
        bitrate: Bitrate,
        fps: Option<NonZeroU8>,
    ) -> Request {
        let resolution = match (resolution, self.max_resolution) {
            (Resolution::TwoK, Resolution::TwoKAlternate) => Resolution::TwoKAlternate,
            (other, _) => other,
        };
        match self.command_set {
            CommandSet::Current => Request::from(&SetResolution {
                resolution,
                bitrate,
                fps: fps.map(NonZeroU16::from),
            }),
            CommandSet::Legacy => Request::from(&SetVideoParameters {
                resolution: Some(resolution),
                bitrate: Some(bitrate),
                fps,
                ..SetVideoParameters::default()
            }),
        }
    }

    /// Returns the request that switches the motion alarm.
    #[must_use]
    pub fn set_motion_alarm(&self, alarm: Switch) -> Request {
        match self.command_set {
            CommandSet::Current => Request::from(&SetMotionAlarm { alarm }),
            CommandSet::Legacy => Request::from(&SetMotionAlarmLegacy { alarm }),
        }
    }
}

impl CameraGroup {
    /// The name of the group in plural, such as `outdoor cameras`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LegacyCommands => "cameras without K10056",
            Self::Outdoor => "outdoor cameras",
            Self::Doorbell => "doorbells",
        }
    }
}

impl fmt::Display for CameraGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
