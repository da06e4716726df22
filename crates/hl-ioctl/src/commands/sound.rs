//! Siren and doorbell messages.

use super::{SetAnswer, Switch};
use crate::layout::{layout, number, setting, value};

setting! {
    "siren and light": SirenAndLight;
    GetSirenAndLight = 10632, 10633;
    SetSirenAndLight = 10630, 10631;
}

layout! {
    /// The state of siren and light. The order of the two bytes is likely, but not verified.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | siren: 1 on, 2 off |
    /// | 17 | 1 | light: 1 on, 2 off |
    pub struct SirenAndLight {
        /// The siren.
        pub siren: Switch,
        /// The light.
        pub light: Switch,
    }
}

value! {
    /// K11635: a doorbell plays a predefined message. It is the only request with an odd code.
    #[derive(Copy)]
    PlayQuickMessage(pub QuickMessage) = 11635, 11636: SetAnswer;
}

number! {
    /// The number of a doorbell's predefined message, 1 to 3.
    pub struct QuickMessage(u8): "K11635 message", 1 to 3, "(number of the message)";
}
