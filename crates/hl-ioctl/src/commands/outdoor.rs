//! Outdoor cameras: sleep, battery, connection.

use super::SetAnswer;
use crate::JsonDocument;
use crate::layout::{command, fixed, named, wrapped};

wrapped! {
    /// K10444: wakes the camera, or lets it sleep.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 wake, 2 sleep |
    ///
    /// The table says "value", which is 1 on and 2 off: that on is awake is the plain reading.
    #[derive(Copy)]
    pub struct SetPower(pub Power);
}
command!(SetPower = 10444, 10445: SetAnswer);

/// Whether an outdoor camera is awake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Power {
    /// 1.
    Wake,
    /// 2.
    Sleep,
}
named!(Power: Wake = 1 "wake", Sleep = 2 "sleep");

fixed! {
    /// K10446: asks for the connection status; no payload. K10447 answers JSON.
    pub struct GetConnectionStatus = [];
}
command!(GetConnectionStatus = 10446, 10447: JsonDocument);

fixed! {
    /// K10448: asks for the use of the battery; no payload. K10449 answers JSON.
    pub struct GetBatteryUse = [];
}
command!(GetBatteryUse = 10448, 10449: JsonDocument);
