//! The table of controls, and the commands that have only a value.

use super::control::Control;
use super::special::{
    RESOLUTION, pan_tilt_to, set_clock, set_motion_alarm, set_resolution, timestamp,
};
use crate::commands::*;
use crate::layout::{FromText, catalogue};
use crate::schema::Values;
use crate::{CameraGroup, JsonDocument, Request};

catalogue! {
    "media", "Switch one kind of media on or off": { set MediaControl; }
    "parameters", "The camera's parameters by number, 1 to 99":
        { get ReadParameters by |_| Request::from(&ReadParameters::all()); }
    "status-light", "The status light":
        { get GetStatusLight = 10030: Switch; set SetStatusLight(Switch) = 10032; }
    "night-vision", "Night vision: always, never, or when it is dark":
        { get GetNightVision = 10040: NightVision; set SetNightVision(NightVision) = 10042; }
    "infrared-light", "The infrared light that night vision uses":
        { get GetInfraredLight = 10044: InfraredLight; set SetInfraredLight(InfraredLight) = 10046; }
    "resolution", "Resolution, bitrate (default: 30 for 360p, otherwise 120) and frame rate": {
        get GetVideoParameters = 10050: VideoParameters;
        set SetResolution by Values::Fields(RESOLUTION), set_resolution;
        legacy SetVideoParameters;
    }
    "video-parameters", "Bitrate, resolution, frame rate and flips; omitted values do not change",
        only(CameraGroup::LegacyCommands):
        { get GetVideoParameters; set SetVideoParameters; }
    "photo", "Take a photo and store it on the SD card": { act TakePhoto = 10058: [1]; }
    "on-screen-time", "The time in the picture":
        { get GetOnScreenTime = 10070: Switch; set SetOnScreenTime(Switch) = 10072; }
    "on-screen-logo", "The vendor's logo in the picture":
        { get GetOnScreenLogo = 10074: Switch; set SetOnScreenLogo(Switch) = 10076; }
    "clock", "The camera's clock; `now` sets the current time":
        { get GetClock = 10090: UnixSeconds; set SetClock by UnixSeconds::VALUES, set_clock; }
    "file-server", "Start the camera's file server": { act StartFileServer = 10148: [0, 1, 0, 0, 0]; }
    "motion-alarm", "The motion alarm": {
        get GetMotionAlarm = 10200: MotionAlarm;
        set SetMotionAlarm by SetMotionAlarm::VALUES, set_motion_alarm;
        legacy SetMotionAlarmLegacy;
    }
    "format-sd-card", "Format the SD card: everything on it is lost", destructive():
        { act FormatSdCard = 10242: []; }
    "motion-tagging", "A frame around moving objects in the picture":
        { get GetMotionTagging = 10290: Switch; set SetMotionTagging(Switch) = 10292; }
    "time-zone", "The camera's time zone, relative to UTC": { set SetTimeZone(TimeZone) = 10302; }
    "power", "Wake the camera or put it to sleep", only(CameraGroup::Outdoor):
        { set SetPower(Power) = 10444; }
    "connection-status", "The connection status", only(CameraGroup::Outdoor):
        { get GetConnectionStatus = 10446: JsonDocument; }
    "battery-use", "The battery use", only(CameraGroup::Outdoor):
        { get GetBatteryUse = 10448: JsonDocument; }
    "rtsp-server", "The camera's own RTSP server":
        { get GetRtspServer = 10604: RtspServer; set SetRtspServer; }
    "night-check", "The state of night detection": { get GetNightCheck = 10620: UntypedAnswer; }
    "night-switch-point", "The brightness at which automatic night vision switches": {
        get GetNightSwitchPoint = 10624: NightSwitchPoint;
        set SetNightSwitchPoint(NightSwitchPoint) = 10626;
    }
    "siren", "The siren and its light":
        { get GetSirenAndLight = 10632: SirenAndLight; set SetSirenAndLight(SirenAndLight) = 10630; }
    "spotlight", "The spotlight":
        { get GetSpotlight = 10640: Switch; set SetSpotlight(Switch) = 10646; }
    "accessories", "The accessories of the camera": { get GetAccessories = 10720: JsonDocument; }
    "built-in-floodlight", "The state of the built-in floodlight":
        { get GetBuiltInFloodlight = 10788: UntypedAnswer; }
    "white-light", "The state of the white light": { get GetWhiteLight = 10820: UntypedAnswer; }
    "turn", "Pan and tilt by some degrees": { set PanTiltByDegrees; }
    "step", "Pan and tilt by one step": { set PanTiltByStep; }
    "home-position", "Move to the home position": { act PanTiltHome = 11004: [3]; }
    "position", "The pan and tilt position": {
        get GetPosition by |context| Request::from(&GetPosition(timestamp(context).get()));
        set PanTiltTo by PanTiltTarget::VALUES, pan_tilt_to;
    }
    "patrol-points", "The patrol points, in order":
        { get GetPatrolPoints = 11010: PatrolPoints; set SetPatrolPoints; }
    "patrol", "The patrol from point to point":
        { get GetPatrol = 11014: Switch; set SetPatrol(Switch) = 11016; }
    "motion-tracking", "Follow moving objects":
        { get GetMotionTracking = 11020: Switch; set SetMotionTracking(Switch) = 11022; }
    "quick-message", "Play a predefined message", only(CameraGroup::Doorbell):
        { set PlayQuickMessage(QuickMessage) = 11635; }
    "floodlight", "The floodlight": { set SetFloodlight(Switch) = 12060; }
}

/// Returns the control with this name.
#[must_use]
pub fn control(name: &str) -> Option<&'static Control> {
    CATALOGUE.iter().find(|control| control.name == name)
}
