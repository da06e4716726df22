//! Outdoor cameras: sleep, battery and connection.

use super::SetAnswer;
use crate::JsonDocument;
use crate::layout::{get, named, value};

value! {
    /// K10444: wakes the camera or puts it to sleep.
    #[derive(Copy)]
    SetPower(pub Power) = 10444, 10445: SetAnswer;
}

named! {
    /// The power state of an outdoor camera. The values are likely, but not verified.
    pub enum Power {
        /// 1.
        Wake = 1 "wake",
        /// 2.
        Sleep = 2 "sleep",
    }
}

get! { "the connection status": JsonDocument; GetConnectionStatus = 10446, 10447; }

get! { "the battery use": JsonDocument; GetBatteryUse = 10448, 10449; }
