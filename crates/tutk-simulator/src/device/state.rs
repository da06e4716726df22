//! The state, and where it begins.

use std::string::String;

use serde_json::{Value, json};

use hl_ioctl::commands::*;

/// The place of [`PanTiltHome`], horizontal and vertical: the middle of both ranges. This project's
/// choice.
pub(crate) const HOME: (u16, u8) = (175, 20);

/// What a simulated camera is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceConfig {
    /// The model. It decides which of two commands the camera knows (see
    /// [`models`](tutk_session::models)); without one it knows both.
    pub model: Option<String>,
    /// The picture at first.
    pub resolution: Resolution,
    /// The bitrate at first.
    pub bitrate: Bitrate,
    /// Frames per second at first.
    pub fps: u16,
    /// What K10447 says.
    pub connection_status: Value,
    /// What K10449 says.
    pub battery_use: Value,
    /// What K10721 says.
    pub accessories: Value,
}

/// 1080p at 120 kB/s and 20 frames per second; JSON that is this project's choice.
impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            model: None,
            resolution: Resolution::P1080,
            bitrate: Bitrate::HD,
            fps: 20,
            connection_status: json!({ "connected": "1" }),
            battery_use: json!({ "battery": "100" }),
            accessories: json!({ "accessories": [] }),
        }
    }
}

/// The state of a device. It keeps no time: what the clock says is an offset to the caller's.
///
/// Give each message that is no part of the connection to [`handle`](Self::handle) and do as its
/// [`Outcome`](super::Outcome) says.
///
/// Where the documents are silent, this project chose: commands have their effects at once (a turn
/// takes no time, and on a patrol nothing moves); turns stop at the ends; K10788 answers the
/// floodlight that K12060 switches, K10820 the spotlight that K10646 switches, and K10620 whether
/// night vision is on.
///
/// ```
/// use hl_ioctl::commands::{NightVision, SetNightVision};
/// use hl_ioctl::{HlMessage, Request};
/// use tutk_simulator::{DeviceConfig, DeviceState, Outcome};
///
/// let mut device = DeviceState::new(DeviceConfig::default());
/// let request = Request::from(&SetNightVision(NightVision::Auto)).to_hl()?;
/// let Outcome::Answer(answer) = device.handle(&HlMessage::parse(&request)?, 1_767_225_600) else {
///     unreachable!()
/// };
/// assert_eq!(HlMessage::parse(&answer)?.payload, [1]);
/// # Ok::<(), hl_ioctl::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DeviceState {
    pub(crate) config: DeviceConfig,
    pub(crate) video: VideoSettings,
    pub(crate) status_light: Switch,
    pub(crate) night_vision: NightVision,
    pub(crate) infrared_light: InfraredLight,
    pub(crate) on_screen_time: Switch,
    pub(crate) on_screen_logo: Switch,
    /// What the camera's clock is ahead of the caller's, in seconds.
    pub(crate) clock_offset: i64,
    pub(crate) motion_alarm: MotionAlarm,
    pub(crate) motion_tagging: Switch,
    pub(crate) time_zone: i8,
    pub(crate) power: Power,
    pub(crate) rtsp_server: Switch,
    pub(crate) file_server: Switch,
    pub(crate) night_switch_point: NightSwitchPoint,
    pub(crate) siren: SirenAndLight,
    pub(crate) spotlight: Switch,
    pub(crate) floodlight: Switch,
    /// Degrees, each within what [`PanAngle`] and [`TiltAngle`] hold.
    pub(crate) horizontal: u16,
    pub(crate) vertical: u8,
    pub(crate) patrol_points: PatrolPoints,
    pub(crate) patrol: Switch,
    pub(crate) motion_tracking: Switch,
}

/// The picture, as [`SetVideoParameters`] and [`SetResolution`] left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoSettings {
    /// Picture size.
    pub resolution: Resolution,
    /// Bitrate.
    pub bitrate: Bitrate,
    /// Frames per second.
    pub fps: u16,
    /// Left and right changed over.
    pub horizontal_flip: Switch,
    /// Upside down.
    pub vertical_flip: Switch,
}

impl DeviceState {
    /// A device that nobody has told anything.
    #[must_use]
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            video: VideoSettings {
                resolution: config.resolution,
                bitrate: config.bitrate,
                fps: config.fps,
                horizontal_flip: Switch::Off,
                vertical_flip: Switch::Off,
            },
            config,
            status_light: Switch::On,
            night_vision: NightVision::Auto,
            infrared_light: InfraredLight::LongRange,
            on_screen_time: Switch::On,
            on_screen_logo: Switch::On,
            clock_offset: 0,
            motion_alarm: MotionAlarm {
                alarm: Switch::Off,
                sensitivity: 50,
            },
            motion_tagging: Switch::Off,
            time_zone: 0,
            power: Power::Wake,
            rtsp_server: Switch::Off,
            file_server: Switch::Off,
            night_switch_point: NightSwitchPoint::Dusk,
            siren: SirenAndLight {
                siren: Switch::Off,
                light: Switch::Off,
            },
            spotlight: Switch::Off,
            floodlight: Switch::Off,
            horizontal: HOME.0,
            vertical: HOME.1,
            patrol_points: PatrolPoints::default(),
            patrol: Switch::Off,
            motion_tracking: Switch::Off,
        }
    }

    /// The model that it was given.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.config.model.as_deref()
    }

    /// The picture.
    #[must_use]
    pub fn video(&self) -> VideoSettings {
        self.video
    }

    /// Picture size.
    #[must_use]
    pub fn resolution(&self) -> Resolution {
        self.video.resolution
    }

    /// Bitrate.
    #[must_use]
    pub fn bitrate(&self) -> Bitrate {
        self.video.bitrate
    }

    /// Frames per second.
    #[must_use]
    pub fn fps(&self) -> u16 {
        self.video.fps
    }

    /// What the camera's clock says when the caller's says `now_unix`. It wraps, as a u32 does.
    #[must_use]
    pub fn clock(&self, now_unix: u32) -> u32 {
        let seconds = (i64::from(now_unix) + self.clock_offset).rem_euclid(1 << 32);
        u32::try_from(seconds).unwrap_or_default()
    }

    pub(crate) fn turn(&mut self, sideways: i64, upward: i64) {
        let (horizontal, vertical) = (i64::from(self.horizontal), i64::from(self.vertical));
        self.look_at(horizontal + sideways, vertical + upward);
    }

    /// Stops at the ends.
    pub(crate) fn look_at(&mut self, horizontal: i64, vertical: i64) {
        self.horizontal = horizontal.clamp(0, 350).try_into().unwrap_or_default();
        self.vertical = vertical.clamp(0, 40).try_into().unwrap_or_default();
    }
}
