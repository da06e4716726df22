//! The commands, one type each, for both sides (docs/protocol.md, section 18).
//!
//! Each type holds only values that can be sent. "Done" is [`SetAnswer`].
//!
//! | code | request | answer |
//! |---|---|---|
//! | 10000 | [`ConnectRequest`] | [`Challenge`] |
//! | 10002 | [`ConnectAuth`] | [`ConnectResult`] |
//! | 10006 | [`ConnectDoorbellUserAuth`] | [`ConnectResult`] |
//! | 10008 | [`ConnectUserAuth`] | [`ConnectResult`] |
//! | 10010 | [`MediaControl`] | done |
//! | 10020 | [`ReadParameters`] | [`JsonDocument`](crate::JsonDocument) |
//! | 10030, 10032 | [`GetStatusLight`], [`SetStatusLight`] | [`Switch`], done |
//! | 10040, 10042 | [`GetNightVision`], [`SetNightVision`] | [`NightVision`], done |
//! | 10044, 10046 | [`GetInfraredLight`], [`SetInfraredLight`] | [`InfraredLight`], done |
//! | 10050, 10052 | [`GetVideoParameters`], [`SetVideoParameters`] | [`VideoParameters`], done |
//! | 10056 | [`SetResolution`] | done |
//! | 10058 | [`TakePhoto`] | done |
//! | 10070, 10072 | [`GetOnScreenTime`], [`SetOnScreenTime`] | [`Switch`], done |
//! | 10074, 10076 | [`GetOnScreenLogo`], [`SetOnScreenLogo`] | [`Switch`], done |
//! | 10090, 10092 | [`GetClock`], [`SetClock`] | [`UnixSeconds`], done |
//! | 10148 | [`StartFileServer`] | done |
//! | 10200 | [`GetMotionAlarm`] | [`MotionAlarm`] |
//! | 10202, 10206 | [`SetMotionAlarmLegacy`], [`SetMotionAlarm`] | done |
//! | 10242 | [`FormatSdCard`] | done |
//! | 10290, 10292 | [`GetMotionTagging`], [`SetMotionTagging`] | [`Switch`], done |
//! | 10302 | [`SetTimeZone`] | done |
//! | 10444 | [`SetPower`] | done |
//! | 10446 | [`GetConnectionStatus`] | [`JsonDocument`](crate::JsonDocument) |
//! | 10448 | [`GetBatteryUse`] | [`JsonDocument`](crate::JsonDocument) |
//! | 10600, 10604 | [`SetRtspServer`], [`GetRtspServer`] | done, [`RtspServer`] |
//! | 10620 | [`GetNightCheck`] | [`UntypedAnswer`] |
//! | 10624, 10626 | [`GetNightSwitchPoint`], [`SetNightSwitchPoint`] | [`NightSwitchPoint`], done |
//! | 10630, 10632 | [`SetSirenAndLight`], [`GetSirenAndLight`] | done, [`SirenAndLight`] |
//! | 10640, 10646 | [`GetSpotlight`], [`SetSpotlight`] | [`Switch`], done |
//! | 10720 | [`GetAccessories`] | [`JsonDocument`](crate::JsonDocument) |
//! | 10788 | [`GetBuiltInFloodlight`] | [`UntypedAnswer`] |
//! | 10820 | [`GetWhiteLight`] | [`UntypedAnswer`] |
//! | 11000 | [`PanTiltByDegrees`] | done |
//! | 11002 | [`PanTiltByStep`] | done |
//! | 11004 | [`PanTiltHome`] | done |
//! | 11006 | [`GetPosition`] | [`Position`] |
//! | 11010, 11012 | [`GetPatrolPoints`], [`SetPatrolPoints`] | [`PatrolPoints`], done |
//! | 11014, 11016 | [`GetPatrol`], [`SetPatrol`] | [`Switch`], done |
//! | 11018 | [`PanTiltTo`] | done |
//! | 11020, 11022 | [`GetMotionTracking`], [`SetMotionTracking`] | [`Switch`], done |
//! | 11635 | [`PlayQuickMessage`] | done |
//! | 12060 | [`SetFloodlight`] | done |
//!
//! A request that reads has no payload unless its type documents one. Values of one byte are 1 for
//! on and 2 for off unless their type documents other ones.

mod connect;
mod connect_result;
mod device;
mod light;
mod media_control;
mod motion;
mod outdoor;
mod pan_tilt;
mod parameters;
mod patrol;
mod picture;
mod sound;
mod untyped_answer;
mod user_auth;
mod values;
mod video;

pub use connect::{AUDIO_ENCODER_LIST, Challenge, ConnectAuth, ConnectRequest};
pub use connect_result::{AudioParams, ConnectResult, SUCCESS, VideoParams, WRONG_ENR};
pub use device::{
    FormatSdCard, GetAccessories, GetClock, GetRtspServer, RtspServer, SetClock, SetRtspServer,
    SetTimeZone, StartFileServer, TakePhoto, TimeZone, UnixSeconds,
};
pub use light::{
    GetBuiltInFloodlight, GetInfraredLight, GetSpotlight, GetStatusLight, GetWhiteLight,
    InfraredLight, SetFloodlight, SetInfraredLight, SetSpotlight, SetStatusLight,
};
pub use media_control::{Media, MediaControl};
pub use motion::{
    GetMotionAlarm, GetMotionTagging, GetMotionTracking, MotionAlarm, SetMotionAlarm,
    SetMotionAlarmLegacy, SetMotionTagging, SetMotionTracking,
};
pub use outdoor::{GetBatteryUse, GetConnectionStatus, Power, SetPower};
pub use pan_tilt::{
    GetPosition, Milliseconds, PanAngle, PanDirection, PanTiltByDegrees, PanTiltByStep,
    PanTiltHome, PanTiltTarget, PanTiltTo, Position, RelativeAngle, TiltAngle, TiltDirection,
};
pub use parameters::{BitrateSource, MAX_PARAMETERS, Parameter, ReadParameters};
pub use patrol::{
    DwellSeconds, GetPatrol, GetPatrolPoints, MAX_PATROL_POINTS, PatrolPoint, PatrolPoints,
    SetPatrol, SetPatrolPoints,
};
pub use picture::{
    GetNightCheck, GetNightSwitchPoint, GetNightVision, GetOnScreenLogo, GetOnScreenTime,
    NightSwitchPoint, NightVision, SetNightSwitchPoint, SetNightVision, SetOnScreenLogo,
    SetOnScreenTime,
};
pub use sound::{
    GetSirenAndLight, PlayQuickMessage, QuickMessage, SetSirenAndLight, SirenAndLight,
};
pub use untyped_answer::UntypedAnswer;
pub use user_auth::{ConnectDoorbellUserAuth, ConnectUserAuth, MAX_USER_ID, UserAuth, UserId};
pub use values::{Bitrate, Resolution, SetAnswer, Switch};
pub use video::{GetVideoParameters, SetResolution, SetVideoParameters, VideoParameters};
