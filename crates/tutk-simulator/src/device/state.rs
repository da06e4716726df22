//! The state of the device.

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use serde_json::{Value, json};

use hl_ioctl::commands::*;

/// The position of [`PanTiltHome`], horizontal and vertical: the middle of both ranges. The
/// position of real cameras is not known.
pub(crate) const HOME: (u16, u8) = (175, 20);

/// The configuration of a [`DeviceState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceConfig {
    /// The model. It selects the command set (see [`models`](tutk_session::models)). Without a
    /// model, the camera supports both sets.
    pub model: Option<String>,
    /// The initial resolution.
    pub resolution: Resolution,
    /// The initial bitrate.
    pub bitrate: Bitrate,
    /// The initial frame rate in frames per second.
    pub fps: u16,
    /// The initial value of both flips.
    pub flips: Switch,
    /// The seconds that the camera's clock is initially ahead of the caller's.
    pub clock_offset: i64,
    /// The address in K10605.
    pub rtsp_url: String,
    /// The payload of K10447.
    pub connection_status: Value,
    /// The payload of K10449.
    pub battery_use: Value,
    /// The payload of K10721.
    pub accessories: Value,
}

/// 1080p at 120 kB/s and 20 frames per second, without flips.
impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            model: None,
            resolution: Resolution::P1080,
            bitrate: Bitrate::HD,
            fps: 20,
            flips: Switch::Off,
            clock_offset: 0,
            rtsp_url: "rtsp://192.0.2.1/live".to_owned(),
            connection_status: json!({ "connected": "1" }),
            battery_use: json!({ "battery": "100" }),
            accessories: json!({ "accessories": [] }),
        }
    }
}

/// The state of a device. Its clock is an offset to the caller's.
///
/// Pass each message that is not part of the connection to [`handle`](Self::handle), and do what
/// the [`Outcome`](super::Outcome) says.
///
/// The following is not known of real cameras, and was chosen: commands have their effects at once
/// (a turn takes no time, and a patrol moves nothing); turns stop at the ends of the range; K10788
/// reports the floodlight that K12060 switches, K10820 the spotlight that K10646 switches, and
/// K10620 night vision.
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
    /// The offset of the camera's clock to the caller's, in seconds.
    pub(crate) clock_offset: i64,
    pub(crate) motion_alarm: MotionAlarm,
    pub(crate) motion_tagging: Switch,
    pub(crate) time_zone: i8,
    pub(crate) rtsp_server: Switch,
    pub(crate) night_switch_point: NightSwitchPoint,
    pub(crate) siren: SirenAndLight,
    pub(crate) spotlight: Switch,
    pub(crate) floodlight: Switch,
    /// The position in degrees, within the ranges of [`PanAngle`] and [`TiltAngle`].
    pub(crate) horizontal: u16,
    pub(crate) vertical: u8,
    pub(crate) patrol_points: PatrolPoints,
    pub(crate) patrol: Switch,
    pub(crate) motion_tracking: Switch,
}

/// The video settings that [`SetVideoParameters`] and [`SetResolution`] change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoSettings {
    /// The resolution.
    pub resolution: Resolution,
    /// The bitrate.
    pub bitrate: Bitrate,
    /// The frame rate in frames per second.
    pub fps: u16,
    /// Left and right are exchanged.
    pub horizontal_flip: Switch,
    /// Top and bottom are exchanged.
    pub vertical_flip: Switch,
}

impl DeviceState {
    /// A device in its initial state.
    #[must_use]
    pub fn new(config: DeviceConfig) -> Self {
        Self {
            video: VideoSettings {
                resolution: config.resolution,
                bitrate: config.bitrate,
                fps: config.fps,
                horizontal_flip: config.flips,
                vertical_flip: config.flips,
            },
            clock_offset: config.clock_offset,
            config,
            status_light: Switch::On,
            night_vision: NightVision::Auto,
            infrared_light: InfraredLight::LongRange,
            on_screen_time: Switch::On,
            on_screen_logo: Switch::On,
            motion_alarm: MotionAlarm {
                alarm: Switch::Off,
                sensitivity: 50,
            },
            motion_tagging: Switch::Off,
            time_zone: 0,
            rtsp_server: Switch::Off,
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

    /// Returns the configured model.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.config.model.as_deref()
    }

    /// Returns the video settings.
    #[must_use]
    pub fn video(&self) -> VideoSettings {
        self.video
    }

    /// Returns the time of the camera's clock in seconds since 1970, modulo 2³². `now_unix` is
    /// the time of the caller's clock.
    #[must_use]
    pub fn clock(&self, now_unix: u32) -> u32 {
        let seconds = (i64::from(now_unix) + self.clock_offset).rem_euclid(1 << 32);
        u32::try_from(seconds).unwrap_or_default()
    }

    pub(crate) fn turn(&mut self, horizontal: i64, vertical: i64) {
        self.turn_to(
            i64::from(self.horizontal) + horizontal,
            i64::from(self.vertical) + vertical,
        );
    }

    /// Stops at the ends of the range.
    pub(crate) fn turn_to(&mut self, horizontal: i64, vertical: i64) {
        self.horizontal = horizontal.clamp(0, 350).try_into().unwrap_or_default();
        self.vertical = vertical.clamp(0, 40).try_into().unwrap_or_default();
    }
}
