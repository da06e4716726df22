//! Motion detection: alarm, tagging and tracking.

use super::{SetAnswer, Switch};
use crate::layout::{command, get, layout, setting};

get! { "the motion alarm": MotionAlarm; GetMotionAlarm = 10200, 10201; }

layout! {
    /// K10201: the motion alarm.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | sensitivity |
    pub struct MotionAlarm {
        /// On or off.
        pub alarm: Switch,
        /// The sensitivity. Its scale is not known.
        pub sensitivity: u8,
    }
}

layout! {
    /// K10202: switches the motion alarm of cameras with
    /// [`CommandSet::Legacy`](crate::CommandSet::Legacy).
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | 0 |
    pub struct SetMotionAlarmLegacy {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarmLegacy = 10202, 10203: SetAnswer);

layout! {
    /// K10206: switches the motion alarm of all other cameras. The layout is that of
    /// [`SetMotionAlarmLegacy`].
    pub struct SetMotionAlarm {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarm = 10206, 10207: SetAnswer);

setting! {
    "motion tagging, a frame around moving objects": Switch;
    GetMotionTagging = 10290, 10291;
    SetMotionTagging = 10292, 10293;
}

setting! {
    "motion tracking, with which the camera follows moving objects": Switch;
    GetMotionTracking = 11020, 11021;
    SetMotionTracking = 11022, 11023;
}
