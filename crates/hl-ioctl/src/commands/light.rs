//! Lights on the camera and its accessories.

use super::{SetAnswer, Switch, UntypedAnswer};
use crate::layout::{get, named, setting, value};

setting! {
    "the status light": Switch;
    GetStatusLight = 10030, 10031;
    SetStatusLight = 10032, 10033;
}

setting! {
    "the infrared light that night vision uses": InfraredLight;
    GetInfraredLight = 10044, 10045;
    SetInfraredLight = 10046, 10047;
}

named! {
    /// An infrared light.
    pub enum InfraredLight {
        /// 1.
        LongRange = 1 "long-range",
        /// 2.
        ShortRange = 2 "short-range",
    }
}

setting! {
    "the spotlight": Switch;
    GetSpotlight = 10640, 10641;
    SetSpotlight = 10646, 10647;
}

get! { "the state of the built-in floodlight": UntypedAnswer; GetBuiltInFloodlight = 10788, 10789; }

get! { "the state of the white light": UntypedAnswer; GetWhiteLight = 10820, 10821; }

value! {
    /// K12060: switches the floodlight.
    #[derive(Copy)]
    SetFloodlight(pub Switch) = 12060, 12061: SetAnswer;
}
