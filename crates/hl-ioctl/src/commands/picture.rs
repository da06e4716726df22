//! The picture: night vision and on-screen display.

use super::{Switch, UntypedAnswer};
use crate::layout::{get, named, setting};

setting! {
    "night vision": NightVision;
    GetNightVision = 10040, 10041;
    SetNightVision = 10042, 10043;
}

named! {
    /// When the camera uses infrared.
    pub enum NightVision {
        /// 1: always.
        On = 1 "on",
        /// 2: never.
        Off = 2 "off",
        /// 3: when it is dark.
        Auto = 3 "auto",
    }
}

setting! {
    "the time in the picture": Switch;
    GetOnScreenTime = 10070, 10071;
    SetOnScreenTime = 10072, 10073;
}

setting! {
    "the vendor's logo in the picture": Switch;
    GetOnScreenLogo = 10074, 10075;
    SetOnScreenLogo = 10076, 10077;
}

get! { "the state of night detection": UntypedAnswer; GetNightCheck = 10620, 10621; }

setting! {
    "the brightness at which automatic night vision switches": NightSwitchPoint;
    GetNightSwitchPoint = 10624, 10625;
    SetNightSwitchPoint = 10626, 10627;
}

named! {
    /// The brightness at which [`NightVision::Auto`] switches.
    pub enum NightSwitchPoint {
        /// 1.
        Dusk = 1 "dusk",
        /// 2.
        Dark = 2 "dark",
    }
}
