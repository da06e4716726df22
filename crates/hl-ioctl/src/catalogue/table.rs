//! The table of controls, and the controls whose requests depend on the context.

use core::num::NonZeroU8;

use alloc::format;
use serde_json::Value;

use super::control::{Context, Control};
use crate::commands::*;
use crate::json::object;
use crate::layout::{Arguments, FromText, Scalar, ToJson, argument, scalar};
use crate::schema::{Field, Values};
use crate::{CameraGroup, Error, Request};

/// Every control, in the order of the codes.
pub static CATALOGUE: &[Control] = &[
    Control::new("media", "Switch one kind of media on or off").sets::<MediaControl>(),
    Control::new("parameters", "The camera's parameters by number, 1 to 99")
        .reads_with::<ReadParameters>(|_| Request::from(&ReadParameters::all())),
    Control::new("status-light", "The status light")
        .reads::<GetStatusLight>()
        .sets::<SetStatusLight>(),
    Control::new(
        "night-vision",
        "Night vision: always, never, or when it is dark",
    )
    .reads::<GetNightVision>()
    .sets::<SetNightVision>(),
    Control::new(
        "infrared-light",
        "The infrared light that night vision uses",
    )
    .reads::<GetInfraredLight>()
    .sets::<SetInfraredLight>(),
    Control::new(
        "resolution",
        "Resolution, bitrate (default: 30 for 360p, otherwise 120) and frame rate",
    )
    .reads::<GetVideoParameters>()
    .sets_with::<SetResolution>(Values::Fields(RESOLUTION), set_resolution)
    .legacy::<SetVideoParameters>(),
    Control::new(
        "video-parameters",
        "Bitrate, resolution, frame rate and flips; omitted values do not change",
    )
    .reads::<GetVideoParameters>()
    .sets::<SetVideoParameters>()
    .only(CameraGroup::LegacyCommands),
    Control::new("photo", "Take a photo and store it on the SD card").sets::<TakePhoto>(),
    Control::new("on-screen-time", "The time in the picture")
        .reads::<GetOnScreenTime>()
        .sets::<SetOnScreenTime>(),
    Control::new("on-screen-logo", "The vendor's logo in the picture")
        .reads::<GetOnScreenLogo>()
        .sets::<SetOnScreenLogo>(),
    Control::new("clock", "The camera's clock; `now` sets the current time")
        .reads::<GetClock>()
        .sets_with::<SetClock>(UnixSeconds::VALUES, set_clock),
    Control::new("file-server", "Start the camera's file server").sets::<StartFileServer>(),
    Control::new("motion-alarm", "The motion alarm")
        .reads::<GetMotionAlarm>()
        .sets_with::<SetMotionAlarm>(SetMotionAlarm::VALUES, set_motion_alarm)
        .legacy::<SetMotionAlarmLegacy>(),
    Control::new(
        "format-sd-card",
        "Format the SD card: everything on it is lost",
    )
    .sets::<FormatSdCard>()
    .destructive(),
    Control::new(
        "motion-tagging",
        "A frame around moving objects in the picture",
    )
    .reads::<GetMotionTagging>()
    .sets::<SetMotionTagging>(),
    Control::new("time-zone", "The camera's time zone, relative to UTC").sets::<SetTimeZone>(),
    Control::new("power", "Wake the camera or put it to sleep")
        .sets::<SetPower>()
        .only(CameraGroup::Outdoor),
    Control::new("connection-status", "The connection status")
        .reads::<GetConnectionStatus>()
        .only(CameraGroup::Outdoor),
    Control::new("battery-use", "The battery use")
        .reads::<GetBatteryUse>()
        .only(CameraGroup::Outdoor),
    Control::new("rtsp-server", "The camera's own RTSP server")
        .reads::<GetRtspServer>()
        .sets::<SetRtspServer>(),
    Control::new("night-check", "The state of night detection").reads::<GetNightCheck>(),
    Control::new(
        "night-switch-point",
        "The brightness at which automatic night vision switches",
    )
    .reads::<GetNightSwitchPoint>()
    .sets::<SetNightSwitchPoint>(),
    Control::new("siren", "The siren and its light")
        .reads::<GetSirenAndLight>()
        .sets::<SetSirenAndLight>(),
    Control::new("spotlight", "The spotlight")
        .reads::<GetSpotlight>()
        .sets::<SetSpotlight>(),
    Control::new("accessories", "The accessories of the camera").reads::<GetAccessories>(),
    Control::new(
        "built-in-floodlight",
        "The state of the built-in floodlight",
    )
    .reads::<GetBuiltInFloodlight>(),
    Control::new("white-light", "The state of the white light").reads::<GetWhiteLight>(),
    Control::new("turn", "Pan and tilt by some degrees").sets::<PanTiltByDegrees>(),
    Control::new("step", "Pan and tilt by one step").sets::<PanTiltByStep>(),
    Control::new("home-position", "Move to the home position").sets::<PanTiltHome>(),
    Control::new("position", "The pan and tilt position")
        .reads_with::<GetPosition>(|context| Request::from(&GetPosition(timestamp(context).get())))
        .sets_with::<PanTiltTo>(PanTiltTarget::VALUES, pan_tilt_to),
    Control::new("patrol-points", "The patrol points, in order")
        .reads::<GetPatrolPoints>()
        .sets::<SetPatrolPoints>(),
    Control::new("patrol", "The patrol from point to point")
        .reads::<GetPatrol>()
        .sets::<SetPatrol>(),
    Control::new("motion-tracking", "Follow moving objects")
        .reads::<GetMotionTracking>()
        .sets::<SetMotionTracking>(),
    Control::new("quick-message", "Play a predefined message")
        .sets::<PlayQuickMessage>()
        .only(CameraGroup::Doorbell),
    Control::new("floodlight", "The floodlight").sets::<SetFloodlight>(),
];

/// Returns the control with this name.
#[must_use]
pub fn control(name: &str) -> Option<&'static Control> {
    CATALOGUE.iter().find(|control| control.name == name)
}

/// A request, and its values as JSON.
type Made = Result<(Request, Value), Error>;

const RESOLUTION: &[Field] = &[
    Field::new("resolution", Resolution::KIND),
    Field::new("bitrate", Bitrate::KIND).optional(true),
    Field::new("fps", NonZeroU8::KIND).optional(true),
];

fn set_resolution(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let mut arguments = Arguments::new(control, Values::Fields(RESOLUTION), texts)?;
    let resolution: Resolution = arguments.value("resolution")?;
    let bitrate: Option<Bitrate> = arguments.value("bitrate")?;
    let bitrate = bitrate.unwrap_or(match resolution {
        Resolution::P360 => Bitrate::P360,
        _ => Bitrate::HD,
    });
    let fps: Option<NonZeroU8> = arguments.value("fps")?;
    let json = object([
        ("resolution", resolution.to_json()),
        ("bitrate", bitrate.to_json()),
        ("fps", fps.to_json()),
    ]);
    Ok((context.profile.set_video(resolution, bitrate, fps), json))
}

fn set_motion_alarm(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let set = SetMotionAlarm::from_texts(control, texts)?;
    Ok((context.profile.set_motion_alarm(set.alarm), set.json()))
}

fn set_clock(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let now = context
        .now_unix_millis
        .and_then(|millis| u32::try_from(millis / 1000).ok());
    let set = match (texts, now) {
        (["now"], Some(now)) => SetClock(UnixSeconds::new(now)?),
        ([text], Some(_)) => SetClock(scalar(control, "value", text).map_err(|_| {
            let allowed = format!("now or {}", UnixSeconds::KIND);
            argument(control, "value", allowed, text)
        })?),
        _ => SetClock::from_texts(control, texts)?,
    };
    Ok((Request::from(&set), set.json()))
}

fn pan_tilt_to(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let target = PanTiltTarget::from_texts(control, texts)?;
    let command = PanTiltTo {
        milliseconds: timestamp(context),
        vertical: target.vertical,
        horizontal: target.horizontal,
    };
    Ok((Request::from(&command), target.json()))
}

fn timestamp(context: &Context) -> Milliseconds {
    Milliseconds::from_unix_millis(context.now_unix_millis.unwrap_or_default())
}
