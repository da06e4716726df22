//! The table itself, and the controls that are more than their values.

use core::num::NonZeroU8;

use alloc::format;
use serde_json::Value;

use super::control::{Context, Control};
use crate::commands::*;
use crate::layout::{Arguments, Body, FromText, Scalar, argument, object, scalar};
use crate::schema::{Field, Values};
use crate::{CameraGroup, Error, Request};

/// Every control, by theme, as commands.md numbers them.
pub static CATALOGUE: &[Control] = &[
    Control::new("media", "Switch one kind of media on or off").sets::<MediaControl>(),
    Control::new("parameters", "The camera's parameters by number, 1 to 99")
        .reads_with::<ReadParameters>(|_| Request::from(&ReadParameters::all())),
    Control::new(
        "status-light",
        "The small light that shows the camera's state",
    )
    .reads::<GetStatusLight>()
    .sets::<SetStatusLight>(),
    Control::new(
        "night-vision",
        "See in infrared: always, never, or when it is dark",
    )
    .reads::<GetNightVision>()
    .sets::<SetNightVision>(),
    Control::new("infrared-light", "Which infrared light night vision uses")
        .reads::<GetInfraredLight>()
        .sets::<SetInfraredLight>(),
    Control::new(
        "resolution",
        "Picture size, bitrate (default: 30 for 360p, else 120) and frame rate",
    )
    .reads::<GetVideoParameters>()
    .sets_with::<SetResolution>(Values::Fields(RESOLUTION), set_resolution)
    .legacy::<SetVideoParameters>(),
    Control::new(
        "video-parameters",
        "Bitrate, picture size, frame rate and flips; what is left out stays",
    )
    .reads::<GetVideoParameters>()
    .sets::<SetVideoParameters>()
    .only(CameraGroup::LegacyCommands),
    Control::new("photo", "Take a photo to the SD card").sets::<TakePhoto>(),
    Control::new("on-screen-time", "The time in the picture")
        .reads::<GetOnScreenTime>()
        .sets::<SetOnScreenTime>(),
    Control::new("on-screen-logo", "The maker's logo in the picture")
        .reads::<GetOnScreenLogo>()
        .sets::<SetOnScreenLogo>(),
    Control::new(
        "clock",
        "The camera's clock; `now` sets it right where the time is known",
    )
    .reads::<GetClock>()
    .sets_with::<SetClock>(UnixSeconds::VALUES, set_clock),
    Control::new("file-server", "Start the camera's file server").sets::<StartFileServer>(),
    Control::new("motion-alarm", "Report motion")
        .reads::<GetMotionAlarm>()
        .sets_with::<SetMotionAlarm>(SetMotionAlarm::VALUES, set_motion_alarm)
        .legacy::<SetMotionAlarmLegacy>(),
    Control::new(
        "format-sd-card",
        "Format the SD card: everything on it is lost",
    )
    .sets::<FormatSdCard>()
    .destructive(),
    Control::new("motion-tagging", "A frame in the picture around what moves")
        .reads::<GetMotionTagging>()
        .sets::<SetMotionTagging>(),
    Control::new("time-zone", "The camera's time zone, from UTC").sets::<SetTimeZone>(),
    Control::new("power", "Wake the camera or let it sleep")
        .sets::<SetPower>()
        .only(CameraGroup::Outdoor),
    Control::new("connection-status", "How the camera is connected")
        .reads::<GetConnectionStatus>()
        .only(CameraGroup::Outdoor),
    Control::new("battery-use", "What the battery has been used for")
        .reads::<GetBatteryUse>()
        .only(CameraGroup::Outdoor),
    Control::new("rtsp-server", "The RTSP server on the camera itself")
        .reads::<GetRtspServer>()
        .sets::<SetRtspServer>(),
    Control::new("night-check", "Whether it is night for the camera").reads::<GetNightCheck>(),
    Control::new(
        "night-switch-point",
        "How dark it is when automatic night vision switches",
    )
    .reads::<GetNightSwitchPoint>()
    .sets::<SetNightSwitchPoint>(),
    Control::new("siren", "The siren, and the light with it")
        .reads::<GetSirenAndLight>()
        .sets::<SetSirenAndLight>(),
    Control::new("spotlight", "The spotlight")
        .reads::<GetSpotlight>()
        .sets::<SetSpotlight>(),
    Control::new("accessories", "What is attached to the camera").reads::<GetAccessories>(),
    Control::new("built-in-floodlight", "The state of a built-in floodlight")
        .reads::<GetBuiltInFloodlight>(),
    Control::new("white-light", "The state of the white light").reads::<GetWhiteLight>(),
    Control::new("turn", "Turn by some degrees").sets::<PanTiltByDegrees>(),
    Control::new("step", "Turn by one step").sets::<PanTiltByStep>(),
    Control::new("home-position", "Turn to the home position").sets::<PanTiltHome>(),
    Control::new("position", "Where the camera looks; set, it turns there")
        .reads_with::<GetPosition>(|context| Request::from(&GetPosition(stamp(context).get())))
        .sets_with::<PanTiltTo>(PanTiltTarget::VALUES, go_to),
    Control::new("patrol-points", "The points of the patrol, in order")
        .reads::<GetPatrolPoints>()
        .sets::<SetPatrolPoints>(),
    Control::new("patrol", "Go from point to point")
        .reads::<GetPatrol>()
        .sets::<SetPatrol>(),
    Control::new("motion-tracking", "Turn after what moves")
        .reads::<GetMotionTracking>()
        .sets::<SetMotionTracking>(),
    Control::new("quick-message", "Say one of the ready-made messages")
        .sets::<PlayQuickMessage>()
        .only(CameraGroup::Doorbell),
    Control::new("floodlight", "The floodlight").sets::<SetFloodlight>(),
];

/// The control with this name.
#[must_use]
pub fn control(name: &str) -> Option<&'static Control> {
    CATALOGUE.iter().find(|control| control.name == name)
}

/// A request, and the values in it as JSON.
type Made = Result<(Request, Value), Error>;

const RESOLUTION: &[Field] = &[
    Field::new("resolution", Resolution::KIND),
    Field::optional("bitrate", Bitrate::KIND),
    Field::optional("fps", NonZeroU8::KIND),
];

fn set_resolution(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let mut arguments = Arguments::new(control, RESOLUTION, texts)?;
    let resolution: Resolution = arguments.value()?;
    let bitrate = arguments.optional()?.unwrap_or(match resolution {
        Resolution::P360 => Bitrate::P360,
        _ => Bitrate::HD,
    });
    let fps: Option<NonZeroU8> = arguments.optional()?;
    let json = object([
        ("resolution", Some(resolution.to_json())),
        ("bitrate", Some(bitrate.to_json())),
        ("fps", fps.map(Scalar::to_json)),
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

fn go_to(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let place = PanTiltTarget::from_texts(control, texts)?;
    let command = PanTiltTo {
        milliseconds: stamp(context),
        vertical: place.vertical,
        horizontal: place.horizontal,
    };
    Ok((Request::from(&command), place.json()))
}

fn stamp(context: &Context) -> Milliseconds {
    Milliseconds::from_unix_millis(context.now_unix_millis.unwrap_or_default())
}
