//! Motion: its alarm, its marks in the picture, and following it.

use super::{SetAnswer, Switch};
use crate::layout::{command, fixed, layout, wrapped};

fixed! {
    /// K10200: asks for the motion alarm; no payload. K10201 answers [`MotionAlarm`].
    pub struct GetMotionAlarm = [];
}
command!(GetMotionAlarm = 10200, 10201: MotionAlarm);

layout! {
    /// K10201: the motion alarm.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | sensitivity; its scale is not known |
    pub struct MotionAlarm {
        /// On or off.
        pub alarm: Switch,
        /// In the camera's own numbers.
        pub sensitivity: u8,
    }
}

layout! {
    /// K10202: the motion alarm of WYZEDB3, WVOD1, HL_WCO2 and WYZEC1.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    /// | 17 | 1 | 0 |
    ///
    /// [`CommandProfile::set_motion_alarm`](crate::CommandProfile::set_motion_alarm) chooses between this and
    /// [`SetMotionAlarm`].
    pub struct SetMotionAlarmLegacy {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarmLegacy = 10202, 10203: SetAnswer);

layout! {
    /// K10206: the motion alarm of all other models; bytes as in [`SetMotionAlarmLegacy`].
    pub struct SetMotionAlarm {
        /// On or off.
        pub alarm: Switch,
    }
    then [0_u8]
}
command!(SetMotionAlarm = 10206, 10207: SetAnswer);

fixed! {
    /// K10290: asks for motion tagging; no payload. K10291 answers 1 on, 2 off.
    pub struct GetMotionTagging = [];
}
command!(GetMotionTagging = 10290, 10291: Switch);

wrapped! {
    /// K10292: a frame in the picture around what moves.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetMotionTagging(pub Switch);
}
command!(SetMotionTagging = 10292, 10293: SetAnswer);

fixed! {
    /// K11020: asks for motion tracking; no payload. K11021 answers 1 on, 2 off.
    pub struct GetMotionTracking = [];
}
command!(GetMotionTracking = 11020, 11021: Switch);

wrapped! {
    /// K11022: the camera turns after what moves.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    #[derive(Copy)]
    pub struct SetMotionTracking(pub Switch);
}
command!(SetMotionTracking = 11022, 11023: SetAnswer);
